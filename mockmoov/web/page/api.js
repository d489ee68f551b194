// Talks to the control plane. The control token, if the server asks for one, stays in this tab.

const BASE = "/_mockmoov";
const KEPT = "mockmoov-control-token";

/** A refusal: what the server said, the status, and the field at fault if there is one. */
export class ApiError extends Error {
  constructor(message, status, field) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

let askForToken = null;
let asking = null; // the promise of a token, while the user is asked for one

/** Who asks the user for the control token: a function that returns a promise of it. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/**
 * Call the control plane; `path` is what follows /_mockmoov. Returns the JSON of the response, null without one.
 * Throws ApiError for a refusal, and what `fetch` throws if the server cannot be reached.
 */
export async function call(method, path, body, signal) {
  for (;;) {
    const headers = {};
    const token = sessionStorage.getItem(KEPT);
    if (token !== null) headers["x-mockmoov-token"] = token;
    if (method !== "GET") headers["content-type"] = "application/json";
    const response = await fetch(BASE + path, {
      method, headers, signal, cache: "no-store",
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
    if (response.status === 401 && askForToken !== null) {
      asking ??= askForToken(token !== null).finally(() => { asking = null; });
      sessionStorage.setItem(KEPT, asHeader(await asking));
      continue;
    }
    const text = await response.text();
    const document = text === "" ? null : JSON.parse(text);
    if (response.ok) return document;
    const reason = document?.error ?? response.headers.get("x-mockmoov-reason") ?? `status ${response.status}`;
    throw new ApiError(reason, response.status, document?.field);
  }
}

/** A text as a header can carry it; "" for any other, which the server refuses, so that the user is asked again. */
const asHeader = (text) => (/^[\x20-\x7e\xa0-\xff]*$/.test(text) ? text : "");

// No client id is a dot segment: a URL would lead elsewhere with it.
const isDotSegment = (text) => text === "." || text === "..";

/** The part of the path that belongs to an API key, or "" for the server. */
export function ofKey(clientId) {
  if (!clientId) return "";
  return isDotSegment(clientId) ? "/api-keys/%00" : `/api-keys/${encodeURIComponent(clientId)}`;
}
