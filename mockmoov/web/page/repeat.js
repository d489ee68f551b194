// The curl command that repeats an exchange of the journal. Pure functions.

import { curl, variable } from "./curl.js";

export const HIDDEN = "..."; // what the journal has in place of a secret
const TOKENS = { token: "TOKEN", refresh_token: "REFRESH_TOKEN", client_secret: "CLIENT_SECRET" };

/** JSON in which control characters and direction marks are escapes. */
export const jsonText = (value, indent) => JSON.stringify(value, null, indent).replace(/(?!\n)[\p{Cc}\p{Cf}]/gu,
  (character) => character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));

const isHidden = (text) => text.includes(HIDDEN);

/** MOOV_CARD_ID for cardID: with a prefix, as a shell has variables such as PATH. */
function variableName(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1_$2").replace(/\W+/g, "_").replace(/^_+|_+$/g, "");
  return `MOOV_${words.toUpperCase()}`;
}

const known = (name, text) => (isHidden(text) ? variable(variableName(name)) : text);

const encoded = (name, text) => (isHidden(text) ? variable(variableName(name)) : encodeURIComponent(text));

/** The segments of a path. The journal hides those that are neither known words nor UUIDs; path parameters fill them. */
function pathOf({ path, path_parameters: parameters }) {
  const segments = path.split("/");
  const hidden = segments.filter((segment) => segment === HIDDEN).length;
  const candidates = Object.entries(parameters).filter(([, value]) => !segments.includes(value));
  const filling = candidates.length === hidden ? candidates : Array.from({ length: hidden }, () => ["segment", HIDDEN]);
  return segments.flatMap((segment, index) => {
    const part = segment === HIDDEN ? encoded(...filling.shift()) : segment;
    return index === 0 ? [part] : ["/", part];
  });
}

function queryOf({ query }) {
  const pairs = Object.entries(query).flatMap(([name, values]) => values.map((value) => [name, value]));
  return pairs.flatMap(([name, value], index) => [
    index === 0 ? "?" : "&", encodeURIComponent(name), "=", encoded(name, value)]);
}

function userOf({ headers, client_id: clientId }) {
  const isBasic = /^basic /i.test(headers.authorization ?? "");
  return isBasic ? clientId ?? variable("CLIENT_ID") : null;
}

function authorizationOf({ headers }) {
  const value = headers.authorization;
  if (value === undefined || /^basic /i.test(value)) return [];
  return [["Authorization", /^bearer /i.test(value) ? ["Bearer ", variable("TOKEN")] : variable("MOOV_AUTHORIZATION")]];
}

function otherHeaders({ headers, body }) {
  const left = new Set(["authorization", ...(body === null ? ["content-type"] : [])]);
  const isOwn = ([name, value]) => name === "user-agent" && (value.startsWith("curl/") || isHidden(value));
  return Object.entries(headers).filter((header) => !left.has(header[0]) && !isOwn(header)) // curl sends its own
    .map(([name, value]) => [name, known(name, value)]);
}

function parametersOf({ parameters }) {
  const pairs = Object.entries(parameters);
  if (pairs.length === 0) return null;
  return pairs.map(([name, value]) => [name, name in TOKENS ? variable(TOKENS[name]) : known(name, value)]);
}

/** The curl command that sends the request of an exchange to the server at `origin`. */
export function repeat(exchange, origin) {
  return curl({
    method: known("method", exchange.method),
    url: [origin, ...pathOf(exchange), ...queryOf(exchange)],
    user: userOf(exchange),
    headers: [...authorizationOf(exchange), ...otherHeaders(exchange)],
    data: exchange.body === null ? parametersOf(exchange) : jsonText(exchange.body),
  });
}

/** The shell variables that a command needs; what is in single quotes is no variable. */
export function variablesOf(command) {
  const names = [...command.replace(/'[^']*'/g, "").matchAll(/\$\{?([A-Z_][A-Z0-9_]*)/g)].map(([, name]) => name);
  return [...new Set(names)];
}

/** Whether the journal has no body of a request that had one, perhaps. */
export const lacksBody = ({ body, parameters, headers, method }) =>
  body === null && Object.keys(parameters).length === 0 && !["GET", "HEAD"].includes(method) && "content-type" in headers;
