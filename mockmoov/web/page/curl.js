// Builds curl lines for a POSIX shell. Pure functions: they read nothing of the page.

// A terminal may act on a control character as soon as it is pasted, and a direction mark disguises the line.
const UNSAFE_TO_PASTE = /((?!\n)[\p{Cc}\p{Cf}]+)/u;

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

/** A value that a shell variable completes, such as variable("TOKEN", "Bearer "). */
export const variable = (name, before = "") => ({ name, before });

/** A text or a variable() as one word. `start` comes before either. */
function word(value, start = "") {
  if (typeof value !== "object") return quote(start + value);
  const before = start + value.before;
  return /^[\w .:=%/-]*$/.test(before) ? `"${before}$${value.name}"` : `${quote(before)}"$${value.name}"`;
}

function methodOption(method, hasBody) {
  if (method === "HEAD") return ["--head"];
  return method === (hasBody ? "POST" : "GET") ? [] : [`-X ${quote(method)}`];
}

// curl takes a header without a value only with a semicolon.
const headerOption = ([name, value]) => `-H ${value === "" ? quote(`${name};`) : word(value, `${name}: `)}`;

// curl encodes the value, not the name.
const pairOption = ([name, value]) => `--data-urlencode ${word(value, `${encodeURIComponent(name)}=`)}`;

function dataOptions(data) {
  if (data === null || data === undefined) return [];
  return typeof data === "string" ? [`--data-raw ${quote(data)}`] : data.map(pairOption);
}

/**
 * A curl command. `headers` and `data` are lists of [name, value], where a value is a text or a variable();
 * `data` may also be a text, the body as it is. `user` is a client id: its secret is $CLIENT_SECRET.
 */
export function curl({ method = "GET", url, headers = [], data = null, user = null }) {
  const body = dataOptions(data);
  const options = [
    ...methodOption(method, body.length > 0),
    ...(/[[\]{}]/.test(url) ? ["--globoff"] : []),
    ...(/\/\.{1,2}(\/|\?|$)/.test(url) ? ["--path-as-is"] : []),
    ...(user === null ? [] : [`-u ${word(variable("CLIENT_SECRET", `${user}:`))}`]),
    ...headers.map(headerOption),
    ...body,
  ];
  return [`curl ${quote(url)}`, ...options].join(" \\\n  ");
}
