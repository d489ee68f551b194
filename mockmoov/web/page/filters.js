// Which exchanges a view is about, as members of the URL's query. Pure functions.

const NAMES = ["key", "endpoint", "status", "text"];

/** No API key, or no endpoint; a client id has no colon. */
export const NO_ONE = ":none";

/** The filters in a query: a text for each name, "" for none. */
export const readFilters = (query) => Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));

export const NO_FILTERS = readFilters(new URLSearchParams());

/** The URL of an exchange, or of the list if the number is null. */
export function urlOf(filters, number) {
  const set = new URLSearchParams(NAMES.filter((name) => filters[name] !== "").map((name) => [name, filters[name]]));
  return `#/exchanges${number === null ? "" : `/${number}`}${set.size === 0 ? "" : `?${set}`}`;
}

/** The class of a response for the style sheet. */
export function outcome(status) {
  if (status === null) return "none";
  if (status >= 500) return "failed";
  return status >= 400 ? "refused" : "ok";
}

const texts = new WeakMap(); // an exchange never changes

/** The text of an exchange that a search looks at; made once. */
export function searched(exchange) {
  let text = texts.get(exchange);
  if (text === undefined) {
    text = textOf(exchange).toLowerCase();
    texts.set(exchange, text);
  }
  return text;
}

function textOf({ number, method, path, endpoint, reason, client_id: client, fault, stub, headers, parameters, issued,
  path_parameters: inPath, query }) {
  const parts = [`#${number}`, method, path, endpoint, reason, client, fault, stub];
  for (const pairs of [headers, parameters, issued, inPath, query]) {
    for (const name in pairs) parts.push(`${name}: ${pairs[name]}`);
  }
  return parts.join("\n");
}

function statusMatcher(wanted) {
  if (wanted === "none") return (status) => status === null;
  const found = /^([1-5])xx$/i.exec(wanted);
  if (found === null) return (status) => String(status) === wanted;
  return (status) => status !== null && Math.floor(status / 100) === Number(found[1]);
}

const orNone = (wanted) => (wanted === NO_ONE ? null : wanted);

/** A function that says whether an exchange meets the filters. */
export function matcher({ key, endpoint, status, text }) {
  const tests = [];
  if (key !== "") tests.push((exchange) => exchange.client_id === orNone(key));
  if (endpoint !== "") tests.push((exchange) => exchange.endpoint === orNone(endpoint));
  if (status !== "") {
    const matches = statusMatcher(status);
    tests.push((exchange) => matches(exchange.status));
  }
  const lower = text.trim().toLowerCase();
  if (lower !== "") tests.push((exchange) => searched(exchange).includes(lower));
  return (exchange) => tests.every((test) => test(exchange));
}
