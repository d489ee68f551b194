// Decodes a token that the user pastes: its claims, its signature, and which operations its scopes suffice for.
// The token stays in the text field.

import { call } from "./api.js";
import { el } from "./dom.js";
import { Clocks, distanceText, timeText } from "./clocks.js";

const BINARY = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const ACCOUNT_SCOPE = /^\/accounts\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(\/.+)$/i;
const TIMES = [["Issued", "iat"], ["Not before", "nbf"], ["Expires", "exp"]];

let handedOver = "";

/** Fill the field with this token when the view of tokens is opened next. */
export function decodeNext(token) {
  handedOver = token;
}

/** The catalogue of the server, kept once it is known. */
let catalogue = null;
export function readCatalogue() {
  catalogue ??= call("GET", "/catalogue").catch((error) => { catalogue = null; throw error; });
  return catalogue;
}

function jwtIn(text) {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{")) return trimmed.replace(/^Bearer\s+/i, "");
  const found = JSON.parse(trimmed).access_token;
  if (typeof found !== "string") throw new Error("This JSON has no access_token.");
  return found;
}

function jsonPart(part, name) {
  let read;
  try {
    read = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(BINARY(part)));
  } catch {
    throw new Error(`The ${name} of this token is not JSON in base64url.`);
  }
  if (typeof read !== "object" || read === null) throw new Error(`The ${name} of this token is not an object.`);
  return read;
}

/** The header, the claims and the parts of a JWT in a text; throws an Error with the reason if it has none. */
export function decode(text) {
  const jwt = jwtIn(text);
  const parts = jwt.split(".");
  if (parts.length !== 3) throw new Error("This is not a JWT: it needs three parts with dots between them. An opaque token cannot be decoded.");
  return { header: jsonPart(parts[0], "header"), claims: jsonPart(parts[1], "claims"), parts };
}

/** What the signature is worth: a state and a text. */
async function checkSignature({ header, parts }) {
  if (header.alg !== "EdDSA") return ["refused", `Not signed by the server: its alg is ${JSON.stringify(header.alg)}, not EdDSA.`];
  const { keys } = await (await fetch("/.well-known/jwks.json", { cache: "no-store" })).json();
  const jwk = keys.find(({ kid }) => kid === header.kid);
  if (jwk === undefined) return ["refused", "Not signed by the server: no key in /.well-known/jwks.json has its kid."];
  let key;
  try {
    key = await crypto.subtle.importKey("jwk", { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return ["unknown", "Not checked: this browser cannot verify Ed25519 here."];
  }
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  const verify = async () => crypto.subtle.verify({ name: "Ed25519" }, key, BINARY(parts[2]), signed);
  const isGood = await verify().catch(() => false); // a signature may be no base64url at all
  return isGood ? ["ok", "Signed by the key in /.well-known/jwks.json that has its kid."] : ["refused", "The signature is wrong for the key that has its kid."];
}

function scopesOf(claims) {
  const { scp } = claims;
  if (Array.isArray(scp)) return scp.map(String);
  return typeof scp === "string" ? scp.split(" ").filter((scope) => scope !== "") : [];
}

const template = (scope) => scope.replace(ACCOUNT_SCOPE, "/accounts/{accountID}$2");
const canonical = (scope) => scope.replace(ACCOUNT_SCOPE, (_, account, rest) => `/accounts/${account.toLowerCase()}${rest}`);

/** The scopes of a set that are missing, and the account for which the fewest are. */
function missingOf(needed, granted, path, ownAccount) {
  const own = needed.map((scope) => scope.replace("{partnerAccountID}", ownAccount));
  const templates = new Set(granted.map(template));
  const exact = new Set(granted.map(canonical));
  if (!path.includes("{accountID}") || !own.some((scope) => scope.includes("{accountID}"))) {
    return { missing: own.filter((scope) => !templates.has(scope) && !exact.has(canonical(scope))), account: null };
  }
  const accounts = [...new Set(granted.map((scope) => ACCOUNT_SCOPE.exec(scope)?.[1].toLowerCase()).filter(Boolean))];
  const results = accounts.map((account) => ({
    account, missing: own.filter((scope) => !exact.has(canonical(scope.replace("{accountID}", account)))),
  }));
  results.sort((a, b) => a.missing.length - b.missing.length);
  return results[0] ?? { missing: own.filter((scope) => !exact.has(canonical(scope))), account: null };
}

/** Whether the scopes of a token suffice for an operation: a state and a text. */
export function judgeScopes(operation, claims) {
  if (operation.scope_sets.length === 0) return ["refused", "This operation takes no token, only an API key with HTTP Basic."];
  const granted = scopesOf(claims);
  const results = operation.scope_sets.map((needed) => missingOf(needed, granted, operation.path, String(claims.caid ?? "")));
  const best = results.reduce((a, b) => (b.missing.length < a.missing.length ? b : a));
  if (best.missing.length > 0) {
    const other = results.filter((result) => result !== best).map(({ missing }) => `, or ${missing.join(" ")}`).join("");
    return ["refused", `Not enough. Missing: ${best.missing.join(" ")}${other}`];
  }
  if (operation.scope_sets.some((needed) => needed.length === 0)) return ["ok", "Enough: this operation accepts any token."];
  return ["ok", best.account === null ? "Enough." : `Enough for the account ${best.account}.`];
}

/** Whether a token is valid at a time: a state and a text. */
function judgeTimes({ exp, nbf }, now) {
  if (now === null) return ["unknown", "The time on its clock is unknown."];
  if (typeof exp !== "number") return ["refused", "It has no exp."];
  if (exp <= now) return ["refused", "Expired."];
  return typeof nbf === "number" && nbf > now ? ["refused", "Not valid yet."] : ["ok", "Not expired."];
}

function verdict(testid, [state, text]) {
  return el("p", { class: `verdict ${state}`, "data-testid": testid }, el("bdi", null, text));
}

const pretty = (document) => el("pre", { tabindex: "0" }, JSON.stringify(document, null, 2));

class Decoder {
  decoded = null;
  operations = [];
  round = 0;

  constructor() {
    this.clocks = new Clocks(() => this.showTimes());
    this.field = el("textarea", { id: "decode", rows: "5", autocomplete: "off", spellcheck: "false", "data-testid": "decode-token" });
    this.field.value = handedOver;
    handedOver = "";
    this.field.addEventListener("input", () => this.show());
    this.problem = el("p", { class: "error", role: "alert", "data-testid": "decode-error" });
    this.result = el("div", { class: "decoded", "data-testid": "decoded" });
    this.times = el("div", { "data-testid": "decoded-times" });
    this.operation = el("select", { id: "decode-operation", "data-testid": "decode-operation", onchange: () => this.showScopes() },
      el("option", { value: "" }, "Select an operation"));
    this.scopes = el("div", { "aria-live": "polite" });
    this.ticker = setInterval(() => this.showTimes(), 1000);
    this.elements = [el("section", { class: "card", "aria-labelledby": "decode-title" },
      el("h3", { id: "decode-title" }, "Decode a token"),
      el("label", { for: "decode" }, "A JWT, or the JSON of a token response"), this.field,
      el("p", { class: "hint" }, "The token stays in your browser, so the page cannot check whether it was revoked."),
      this.problem, this.result)];
    this.readOperations();
    this.show();
    if (this.field.value !== "") requestAnimationFrame(() => { this.field.scrollIntoView({ block: "center" }); this.field.focus(); });
  }

  leave() {
    clearInterval(this.ticker);
    this.clocks.stop();
  }

  async readOperations() {
    try {
      this.operations = (await readCatalogue()).operations;
    } catch (error) {
      this.problem.textContent = `The list of operations could not be read: ${error.message}`;
      return;
    }
    this.operation.append(...this.operations.map(({ name, method, path }) => el("option", { value: name }, `${name}: ${method} ${path}`)));
  }

  async show() {
    this.round += 1;
    const { round } = this;
    this.problem.textContent = "";
    this.result.replaceChildren();
    this.decoded = null;
    if (this.field.value.trim() === "") return;
    let parts;
    try {
      this.decoded = decode(this.field.value);
      parts = [pretty(this.decoded.header), pretty(this.decoded.claims)]; // claims may be nested too deep
    } catch (error) {
      this.decoded = null;
      this.problem.textContent = error instanceof SyntaxError ? "This is not JSON." : error.message;
      return;
    }
    const [header, claims] = parts;
    const signature = el("div", null, verdict("signature", ["unknown", "Checking the signature."]));
    this.clocks.ask(this.keyId());
    this.result.append(signature, this.times,
      el("div", { class: "two" }, el("div", null, el("h4", null, "Header"), header), el("div", null, el("h4", null, "Claims"), claims)),
      el("label", { for: "decode-operation" }, "Are its scopes enough for this operation?"), this.operation, this.scopes);
    this.showTimes();
    this.showScopes();
    const checked = await checkSignature(this.decoded).catch((error) => ["unknown", `Not checked: ${error.message}`]);
    if (round === this.round) signature.replaceChildren(verdict("signature", checked));
  }

  keyId() {
    const id = this.decoded?.claims.mockmoov?.client_id;
    return typeof id === "string" ? id : "";
  }

  clockId() {
    const id = this.keyId();
    if (id === "" || !this.clocks.get(id)?.missing) return id;
    if (this.clocks.get("") === undefined) this.clocks.ask("");
    return "";
  }

  showTimes() {
    if (this.decoded === null) return;
    const id = this.clockId();
    const now = this.clocks.now(id);
    const rows = TIMES.filter(([, claim]) => typeof this.decoded.claims[claim] === "number").map(([name, claim]) => {
      const at = this.decoded.claims[claim];
      return [el("dt", null, name), el("dd", null, `${timeText(at)}, ${distanceText(at, now)}`)];
    });
    this.times.replaceChildren(
      verdict("expiry", judgeTimes(this.decoded.claims, now)),
      el("dl", { class: "facts" }, rows, el("dt", null, "Clock"),
        el("dd", null, id === "" ? "of the server" : ["of the API key ", el("bdi", { class: "any" }, id)], now === null ? "" : `: ${timeText(now)}`)));
  }

  showScopes() {
    const operation = this.operations.find(({ name }) => name === this.operation.value);
    this.scopes.replaceChildren(...(operation === undefined || this.decoded === null ? [] : [verdict("scope-check", judgeScopes(operation, this.decoded.claims))]));
  }
}

/** The card, and what to do when it is left. */
export function decoder() {
  const made = new Decoder();
  return { elements: made.elements, leave: () => made.leave() };
}
