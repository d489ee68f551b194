// Builds curl lines for a POSIX shell. Pure functions: they read nothing of the page.

// A terminal may act on a control character as soon as it is pasted, and a direction mark disguises the line.
const UNSAFE_TO_PASTE = /((?:(?!\n)[\p{Cc}\p{Cf}])+)/u;
const SAFE_IN_DOUBLE_QUOTES = /^[\w .:=%/?&-]*$/;

const inOctal = (text) =>
  Array.from(new TextEncoder().encode(text), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");

/** A text as one word of a POSIX shell. Control characters are spelled with printf; no argument can hold a NUL. */
export function quote(text) {
  const parts = String(text).replaceAll("\0", "").split(UNSAFE_TO_PASTE);
  const words = parts.map((part, index) => {
    if (index % 2 === 1) return `"$(printf '${inOctal(part)}')"`;
    return part === "" ? "" : `'${part.replaceAll("'", "'\\''")}'`;
  });
  return words.join("") || "''";
}

/** A shell variable, which stands in a value for what the page does not know. */
export const variable = (name) => ({ variable: name });

const isVariable = (part) => typeof part === "object";

/** Texts and variables as one word of a POSIX shell: "Bearer $TOKEN", or 'a"b'"$TOKEN" if the text needs quotes. */
function word(...values) {
  const parts = joined(values.flat());
  if (!parts.some(isVariable)) return quote(parts.join(""));
  const texts = parts.filter((part) => !isVariable(part));
  if (texts.every((text) => SAFE_IN_DOUBLE_QUOTES.test(text))) {
    return `"${parts.map((part, index) => (isVariable(part) ? reference(part, parts[index + 1]) : part)).join("")}"`;
  }
  return parts.map((part) => (isVariable(part) ? `"$${part.variable}"` : quote(part))).join("");
}

/** Neighbouring texts as one. */
function joined(parts) {
  const result = [];
  for (const part of parts) {
    if (!isVariable(part) && result.length > 0 && !isVariable(result.at(-1))) result.push(result.pop() + part);
    else result.push(part);
  }
  return result.filter((part) => part !== "");
}

function reference(part, next) {
  const runsOn = typeof next === "string" && /^\w/.test(next);
  return runsOn ? `\${${part.variable}}` : `$${part.variable}`;
}

function methodOption(method, hasBody) {
  if (method === "HEAD") return ["--head"];
  return method === null || method === (hasBody ? "POST" : "GET") ? [] : [`-X ${word(method)}`];
}

function urlOptions(url) {
  const text = [url].flat().filter((part) => !isVariable(part)).join("");
  return [
    ...(/[[\]{}]/.test(text) ? ["--globoff"] : []),
    ...(/\/\.{1,2}(\/|\?|$)/.test(text) ? ["--path-as-is"] : []),
  ];
}

// curl takes a header without a value only with a semicolon.
const headerOption = ([name, value]) => `-H ${value === "" ? quote(`${name};`) : word(`${name}: `, value)}`;

// curl encodes the value, not the name.
const pairOption = ([name, value]) => `--data-urlencode ${word(`${encodeURIComponent(name)}=`, value)}`;

function dataOptions(data) {
  if (data === null) return [];
  return typeof data === "string" ? [`--data-raw ${quote(data)}`] : data.map(pairOption);
}

/**
 * A curl command. A value (the method, the URL, the user, that of a header or a parameter) is a text, a variable()
 * or a list of these; the method is POST with `data`, else GET, unless it is given. `headers` and `data` are lists of [name, value]; `data` may also be a text, the body as it is.
 * `user` is a client id: its secret is $CLIENT_SECRET.
 */
export function curl({ method = null, url, headers = [], data = null, user = null }) {
  const body = dataOptions(data);
  const options = [
    ...methodOption(method, body.length > 0),
    ...urlOptions(url),
    ...(user === null ? [] : [`-u ${word(user, ":", variable("CLIENT_SECRET"))}`]),
    ...headers.map(headerOption),
    ...body,
  ];
  return [`curl ${word(url)}`, ...options].join(" \\\n  ");
}
