// The view of controls: what a test changes through the control plane, for the server or for one API key.

import { call, ofKey } from "./api.js";
import { Clocks, spanText, timeText } from "./clocks.js";
import { checkField, control, field, problemPlace } from "./control-form.js";
import { decodeNext, readCatalogue } from "./decoder.js";
import { copyButton, el } from "./dom.js";
import { journal, onChange } from "./journal.js";

const MOVES = [[-86400, "− 1 d"], [-3600, "− 1 h"], [-60, "− 1 min"], [60, "+ 1 min"], [3600, "+ 1 h"], [86400, "+ 1 d"]];
const RELOAD_MS = 1000; // at least between two readings of the counts
const ASK_MS = 10000; // between two questions about the clock
const MOST_KEYS = 50; // that are listed

let focusOwner = false; // after a change of the select, which shows the view again

const any = (text) => el("bdi", { class: "any" }, text);
const lines = (text) => text.split(/[\s,]+/).filter((line) => line !== "");
const times = (number) => (number === 1 ? "once" : `${number} times`);

function card(title, testid, ...children) {
  return el("section", { class: "card", "aria-label": title, "data-testid": testid }, el("h3", null, title), children);
}

function numberInput(testid, attributes) {
  return el("input", { type: "number", "data-testid": testid, ...attributes });
}

/** A number that is entered, or `otherwise` for an empty field. */
const numberOf = (input, otherwise) => (input.value.trim() === "" ? otherwise : Number(input.value));

function timeOf(input) {
  const text = input.value.trim();
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

// --- the clock ---

function clockCard(view) {
  const { base } = view;
  const time = el("p", { class: "big", "data-testid": "clock-time" }, "…");
  const note = el("p", { class: "hint", "data-testid": "clock-note" }, "…");
  const seconds = numberInput("clock-seconds", { value: "60", step: "any", required: true });
  const moveTo = el("input", { type: "text", autocomplete: "off", required: true, "data-testid": "clock-time-to" });
  const clocks = new Clocks(show);
  const taken = (document) => clocks.set(view.clientId, document);
  const shift = control({ label: "Move", testid: "clock-shift", after: taken,
    fields: [field("Seconds; a negative number moves it back", seconds)],
    request: () => ({ method: "POST", path: `${base}/clock/shift`, body: { seconds: numberOf(seconds, 0) } }) });
  const quick = el("div", { class: "row", role: "group", "aria-label": "Move the clock" }, MOVES.map(([step, label]) =>
    el("button", { type: "button", class: "quiet", "data-testid": `clock-move-${step}`, onclick: () => { seconds.value = String(step); shift.requestSubmit(); } }, label)));
  const move = control({ label: "Set", testid: "clock-move-to", after: taken,
    fields: [field("Time: ISO 8601 with an offset, or Unix seconds", moveTo)],
    request: () => ({ method: "POST", path: `${base}/clock/move-to`, body: { to: timeOf(moveTo) } }) });
  const freeze = control({ label: "Freeze", testid: "clock-freeze", quiet: true, after: (document) => { taken(document); resume.querySelector("button").focus(); },
    request: () => ({ method: "POST", path: `${base}/clock/freeze`, body: {} }) });
  const resume = control({ label: "Resume", testid: "clock-resume", quiet: true, after: (document) => { taken(document); freeze.querySelector("button").focus(); },
    request: () => ({ method: "POST", path: `${base}/clock/resume`, body: {} }) });
  resume.hidden = true;

  function show() {
    const clock = clocks.get(view.clientId);
    const now = clocks.now(view.clientId);
    if (now === null) {
      note.textContent = clock?.missing ? "This API key does not exist." : "…";
      return;
    }
    time.textContent = timeText(now);
    const owner = view.clientId === "" ? "the wall clock" : "the server's clock";
    const offset = Math.round(clock.offset);
    const ahead = offset === 0 ? `level with ${owner}` : `${spanText(offset)} ${offset > 0 ? "ahead of" : "behind"} ${owner}`;
    note.textContent = clock.frozen ? "Frozen" : `Ticks, ${ahead}`;
    freeze.hidden = clock.frozen;
    resume.hidden = !clock.frozen;
    if (moveTo.value === "" && document.activeElement !== moveTo) moveTo.value = new Date(Math.floor(now) * 1000).toISOString().replace(".000", "");
  }

  view.every(1000, show);
  view.every(ASK_MS, () => clocks.ask(view.clientId));
  view.onLeave(() => clocks.stop());
  view.onReload(() => clocks.ask(view.clientId));
  return card("Clock", "card-clock", time, note, quick, shift, move, freeze, resume);
}

// --- faults and stubs ---

/** A list of planned faults or stubs, whose counts follow the journal. */
function plan(view, { name, path, describe }) {
  const { place, attempt } = problemPlace();
  const list = el("ul", { class: "items", "data-testid": `${name}-list` });
  const empty = el("p", { class: "empty" }, `No ${name}s are planned.`);
  const counts = new Map();
  const reload = () => attempt(async () => show((await call("GET", path))[`${name}s`]));
  const removeAll = control({ label: `Remove all ${name}s`, testid: `${name}s-remove`, quiet: true, after: reload,
    confirm: `Remove all ${name}s of ${view.owner}?`, request: () => ({ method: "DELETE", path }) });

  function row(item) {
    const count = el("span", { class: "muted", "data-testid": `${name}-counts` });
    counts.set(item.id, count);
    return el("li", { "data-testid": `${name}-item` }, el("p", null, any(describe(item))),
      el("p", null, count, el("span", { class: "muted" }, ", id ", el("code", { class: "any" }, item.id))),
      control({ label: "Remove", about: describe(item), testid: `${name}-remove`, quiet: true, after: reload,
        request: () => ({ method: "DELETE", path: `${path}/${encodeURIComponent(item.id)}` }) }));
  }

  function show(items) {
    const known = [...counts.keys()].join();
    if (known !== items.map(({ id }) => id).join()) {
      counts.clear();
      list.replaceChildren(...items.map(row));
    }
    for (const { id, matched, triggered } of items) {
      counts.get(id).textContent = `Matched ${times(matched)}, triggered ${times(triggered)}`;
    }
    empty.hidden = items.length > 0;
    removeAll.hidden = items.length < 2;
  }

  removeAll.hidden = empty.hidden = true; // until the plan is known
  view.onReload(reload);
  view.onExchange(reload);
  return { elements: [list, empty, removeAll, place], reload };
}

function describeFault(fault) {
  const what = fault.preset ?? (fault.status === null ? fault.network_error ?? "changes the response" : `status ${fault.status}`);
  const limit = fault.times === null ? "" : `, at most ${times(fault.times)}`;
  const grant = fault.grant_type === null ? "" : `, ${fault.grant_type}`;
  return `${what} on ${fault.endpoint ?? "every endpoint"}${grant}${limit}`;
}

function describeStub(stub) {
  const limit = stub.times === null ? "" : `, at most ${times(stub.times)}`;
  const body = stub.json === undefined ? "" : ` ${JSON.stringify(stub.json)}`;
  return `${stub.endpoint}: ${stub.status}${limit}${body.length > 200 ? `${body.slice(0, 200)}…` : body}`;
}

function faultsCard(view) {
  const path = `${view.base}/faults`;
  const { elements, reload } = plan(view, { name: "fault", path, describe: describeFault });
  const preset = el("select", { "data-testid": "fault-preset" });
  const endpoint = el("input", { type: "text", list: "endpoints", autocomplete: "off", placeholder: "every endpoint", "data-testid": "fault-endpoint" });
  const most = numberInput("fault-times", { min: "1", placeholder: "no limit" });
  view.withCatalogue(({ presets }) => preset.append(...presets.map((name) => el("option", null, name))));
  const add = control({ label: "Add fault", testid: "fault-add", after: reload,
    fields: [field("Fault", preset), field("Endpoint: its name, or method and path", endpoint), field("Maximum number of times", most)],
    request: () => ({ method: "POST", path, body: {
      preset: preset.value, endpoint: endpoint.value.trim() || null, times: numberOf(most, null) } }) });
  return card("Faults", "card-faults", elements, add);
}

function stubsCard(view) {
  const path = `${view.base}/stubs`;
  const { elements, reload } = plan(view, { name: "stub", path, describe: describeStub });
  const endpoint = el("input", { type: "text", list: "operations", autocomplete: "off", required: true, placeholder: "listAccounts", "data-testid": "stub-endpoint" });
  const status = numberInput("stub-status", { value: "200", min: "200", max: "599", required: true });
  const body = el("textarea", { rows: "4", spellcheck: "false", autocomplete: "off", "data-testid": "stub-body" }, "{}");
  const { place, attempt } = problemPlace();
  const fillIn = el("button", { type: "button", class: "quiet", "data-testid": "stub-example", onclick: () => attempt(async () => {
    const { name, example } = await call("GET", `/catalogue/${encodeURIComponent(endpoint.value.trim())}`);
    if (example === null) throw new Error(`The server has no example for ${name}. Start it with --openapi and Moov's description.`);
    status.value = String(example.status);
    body.value = "json" in example ? JSON.stringify(example.json, null, 2) : "";
    body.dispatchEvent(new Event("input", { bubbles: true }));
  }) }, "Fill in the example");
  const add = control({ label: "Add stub", testid: "stub-add", after: reload,
    fields: [field("Operation: its name, or method and path", endpoint), el("div", { class: "row" }, fillIn), place,
      field("Status", status), field("JSON body (leave empty for none)", body)],
    request: () => ({ method: "POST", path, body: {
      endpoint: endpoint.value.trim(), status: numberOf(status, 200), ...jsonOf(body.value) } }) });
  return card("Stubs", "card-stubs", elements, add);
}

function jsonOf(text) {
  if (text.trim() === "") return {};
  try {
    return { json: JSON.parse(text) };
  } catch (error) {
    throw new Error(`The body is not JSON: ${error.message}`);
  }
}

// --- tokens ---

function scopeList(view) {
  const filter = el("input", { type: "search", autocomplete: "off", "data-testid": "scope-filter" });
  const chosen = el("span", { class: "hint", "aria-live": "polite" });
  const list = el("div", { class: "scopes", role: "group", "aria-label": "Scopes", "data-testid": "scope-list" });
  const boxes = () => [...list.querySelectorAll("input")];
  const picked = () => boxes().filter((box) => box.checked).map((box) => box.value);
  const count = () => { chosen.textContent = `Selected: ${picked().join(", ") || "none"}`; };
  filter.addEventListener("input", () => {
    for (const box of boxes()) box.parentElement.hidden = !box.checked && !box.value.includes(filter.value.trim());
  });
  list.addEventListener("change", count);
  view.withCatalogue(({ scopes }) => {
    list.append(...scopes.map((scope) => checkField(scope, el("input", { type: "checkbox", value: scope, checked: scope === "/ping.read" }))));
    count();
  });
  return { elements: [field("Filter scopes", filter), list, chosen], picked };
}

function mintCard(view) {
  const scopes = scopeList(view);
  const key = el("select", { "data-testid": "mint-key" }, el("option", { value: "" }, "the first API key"));
  const type = el("select", { "data-testid": "mint-client-type" }, ["web", "device", "service"].map((name) => el("option", null, name)));
  const lifetime = numberInput("mint-lifetime", { min: "1", placeholder: "as set for the server" });
  const defect = el("select", { "data-testid": "mint-defect" }, el("option", { value: "" }, "none"));
  const place = el("div", { "data-testid": "minted" });
  view.withCatalogue(({ defects }) => defect.append(...defects.map((name) => el("option", null, name))));
  view.withKeys((keys) => {
    const before = key.value;
    key.replaceChildren(el("option", { value: "" }, "the first API key"), ...keys.map(({ client_id: id }) => el("option", { value: id }, id)));
    if (keys.some(({ client_id: id }) => id === before)) key.value = before;
  });
  const mint = control({ label: "Mint", testid: "mint",
    fields: [scopes.elements, view.clientId === "" ? field("API key", key) : null, field("Client type", type),
      field("Lifetime in seconds", lifetime), field("Defect", defect)],
    request: () => ({ method: "POST", path: `${view.base}/tokens`, body: {
      scope: scopes.picked().join(" "), client_type: type.value, lifetime: numberOf(lifetime, null), defect: defect.value || null,
      ...(view.clientId === "" && key.value !== "" ? { client_id: key.value } : {}) } }),
    after: ({ access_token: token }) => place.replaceChildren(mintedToken(token)) });
  return card("Mint a token", "card-mint", mint, place);
}

function mintedToken(token) {
  const text = el("textarea", { readonly: true, rows: "4", autocomplete: "off", spellcheck: "false", value: token, "data-testid": "minted-token" });
  return el("div", { class: "result" }, field("The token (shown only once)", text),
    el("div", { class: "row" }, copyButton(token),
      el("button", { type: "button", class: "quiet", "data-testid": "decode-minted", onclick: () => { decodeNext(token); location.hash = "#/tokens"; } }, "Decode")));
}

// --- API keys and signing keys ---

function originsInput(origins, testid) {
  return el("textarea", { rows: "2", spellcheck: "false", autocomplete: "off", value: origins.join("\n"), "data-testid": testid });
}

function secretPlace({ client_id: id, client_secret: secret }) {
  const text = el("code", { class: "any", "data-testid": "secret" }, "••••••••");
  const reveal = el("button", { type: "button", class: "quiet", "data-testid": "secret-reveal" }, "Reveal");
  reveal.addEventListener("click", () => { text.textContent = secret; reveal.remove(); });
  return el("div", { class: "result", "data-testid": "key-created" }, el("p", null, "Created ", any(id), ". Copy its secret now; it is not shown again:"),
    el("div", { class: "row" }, text, reveal, copyButton(secret)));
}

function keyItem(view, key) {
  const path = ofKey(key.client_id);
  const origins = originsInput(key.origins, "key-origins");
  const enabled = el("input", { type: "checkbox", checked: key.enabled, "data-testid": "key-enabled" });
  const change = control({ label: "Save", about: key.client_id, testid: "key-save", after: view.reload,
    fields: [field("Origins, one per line", origins), checkField("Enabled", enabled)],
    request: () => ({ method: "PATCH", path, body: { origins: lines(origins.value), enabled: enabled.checked } }) });
  const remove = control({ label: "Delete", about: key.client_id, testid: "key-delete", quiet: true, confirm: `Delete the API key ${key.client_id}? Its tokens stop working.`,
    request: () => ({ method: "DELETE", path }),
    after: () => { if (key.client_id === view.clientId) location.hash = "#/controls"; else view.reload(); } });
  return el("li", { "data-testid": "key-item" },
    el("p", null, el("a", { href: `#/controls/${encodeURIComponent(key.client_id)}` }, any(key.client_id)), " ",
      el("span", { class: key.enabled ? "state active" : "state revoked" }, key.enabled ? "Enabled" : "Disabled")),
    el("p", { class: "muted" }, "Account ", any(key.account_id)),
    el("p", { class: "muted" }, key.origins.length === 0 ? "No origins" : ["Origins ", any(key.origins.join(", "))]),
    el("details", null, el("summary", null, "Change"), change, remove));
}

function keysCard(view) {
  const list = el("ul", { class: "items", "data-testid": "key-list" });
  const filter = el("input", { type: "search", autocomplete: "off", "data-testid": "key-filter" });
  const more = el("p", { class: "hint" });
  const place = el("div");
  const origins = originsInput([], "key-new-origins");
  let known = [];
  function show() {
    const found = known.filter((key) => key.client_id.includes(filter.value.trim()));
    list.replaceChildren(...found.slice(-MOST_KEYS).reverse().map((key) => keyItem(view, key)));
    more.textContent = found.length > MOST_KEYS ? `The newest ${MOST_KEYS} of ${found.length}.` : "";
  }
  const filterField = field("Filter by client ID", filter);
  filter.addEventListener("input", show);
  view.withKeys((keys) => {
    known = keys;
    filterField.hidden = keys.length < 6;
    show();
  });
  const create = control({ label: "Create API key", testid: "key-create",
    fields: [field("Origins, one per line", origins)],
    request: () => ({ method: "POST", path: "/api-keys", body: { origins: lines(origins.value) } }),
    after: (key) => { place.replaceChildren(secretPlace(key)); return view.reload(); } });
  return card("API keys", "card-keys", filterField, list, more, create, place);
}

function signingCard(view) {
  const { place, attempt } = problemPlace();
  const list = el("ul", { class: "items", "data-testid": "signing-list" });
  const item = (kid, signs) => el("li", { "data-testid": "signing-item" },
    el("p", null, el("code", { class: "any" }, kid), " ", el("span", { class: kid === signs ? "state active" : "state" }, kid === signs ? "Signs" : "Retired")),
    kid === signs ? null : control({ label: "Drop", about: kid, testid: "signing-drop", quiet: true, after: reload,
      confirm: "Drop this key? Tokens that it signed will stop working.",
      request: () => ({ method: "DELETE", path: `/signing-keys/${encodeURIComponent(kid)}` }) }));
  const show = ({ keys, signs }) => list.replaceChildren(...keys.map(({ kid }) => item(kid, signs)));
  const reload = () => attempt(async () => show(await call("GET", "/signing-keys")));
  const rotate = control({ label: "Rotate", testid: "signing-rotate", after: reload,
    request: () => ({ method: "POST", path: "/signing-keys/rotate", body: {} }) });
  view.onReload(reload);
  return card("Signing keys", "card-signing", list, place, rotate);
}

function resetCard(view) {
  const isServer = view.clientId === "";
  const what = "Resets its clock, and removes its faults, stubs and journal. Tokens issued so far stop working."
    + (isServer ? " API keys and stubs go back to those in the settings; the signing key is replaced unless the settings fix it." : "");
  return card("Reset", "card-reset",
    el("p", { class: "hint" }, what),
    control({ label: isServer ? "Reset the server" : "Reset this API key", testid: "reset", confirm: `Reset ${view.owner}? ${what}`,
      request: () => ({ method: "POST", path: `${view.base}/reset`, body: {} }), after: () => view.reload() }));
}

// --- the view ---

class ControlsView {
  leavers = [];
  reloaders = [];
  followers = [];
  keyListeners = [];
  timer = null;

  constructor(clientId) {
    this.clientId = clientId;
    this.base = ofKey(clientId);
    this.owner = clientId === "" ? "the server" : `the API key ${clientId}`;
    const { place, attempt } = problemPlace();
    this.place = place;
    this.attempt = attempt;
    this.reload = () => Promise.all([this.readKeys(), ...this.reloaders.map((reload) => reload())]);
    this.select = el("select", { id: "owner", "data-testid": "owner", onchange: () => this.changeOwner() });
    this.showOwners([]);
    this.withKeys((keys) => this.showOwners(keys));
    this.endpoints = el("datalist", { id: "endpoints" });
    this.operations = el("datalist", { id: "operations" });
    this.withCatalogue(({ operations }) => this.showOperations(operations));
    this.stopListening = onChange((added) => this.onJournal(added));
    const grid = el("div", { class: "grid controls" }, [clockCard, faultsCard, stubsCard, mintCard, keysCard, signingCard, resetCard].map((make) => make(this)));
    this.elements = [el("div", { class: "tools" }, el("h2", null, "Controls"), el("div", { class: "owner" }, field("Applies to", this.select), place),
      el("p", { class: "hint" }, "API keys and signing keys always belong to the whole server."), grid, this.endpoints, this.operations)];
    this.reload();
    if (focusOwner) requestAnimationFrame(() => this.select.focus());
    focusOwner = false;
  }

  onLeave(leave) { this.leavers.push(leave); }

  onReload(reload) { this.reloaders.push(reload); }

  onExchange(reload) { this.followers.push(reload); }

  withKeys(listener) { this.keyListeners.push(listener); }

  withCatalogue(listener) {
    this.attempt(async () => listener(await readCatalogue()));
  }

  every(milliseconds, work) {
    const timer = setInterval(() => { if (!document.hidden) work(); }, milliseconds);
    this.onLeave(() => clearInterval(timer));
  }

  onJournal(added) {
    if (added === null) this.reload(); // the journal was cleared, or the server is another one
    else if (added.length > 0) this.follow();
    else if (journal.state === "live") this.reload(); // the server is back
  }

  follow() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      for (const reload of this.followers) reload();
    }, RELOAD_MS);
  }

  readKeys() {
    return this.attempt(async () => {
      const { api_keys: keys } = await call("GET", "/api-keys");
      for (const listener of this.keyListeners) listener(keys);
      if (this.clientId !== "" && !keys.some(({ client_id: id }) => id === this.clientId)) {
        throw new Error(`There is no API key ${this.clientId}.`);
      }
    });
  }

  showOwners(keys) {
    const ids = keys.map(({ client_id: id }) => id);
    if (this.clientId !== "" && !ids.includes(this.clientId)) ids.push(this.clientId);
    this.select.replaceChildren(el("option", { value: "" }, "the whole server"), ...ids.map((id) => el("option", { value: id }, `API key ${id}`)));
    this.select.value = this.clientId;
  }

  showOperations(operations) {
    const options = () => operations.map(({ name, method, path }) => el("option", { value: name }, `${method} ${path}`));
    this.operations.append(...options());
    this.endpoints.append(el("option", { value: "token" }), el("option", { value: "revoke" }), ...options());
  }

  changeOwner() {
    focusOwner = true;
    location.hash = this.select.value === "" ? "#/controls" : `#/controls/${encodeURIComponent(this.select.value)}`;
  }

  leave() {
    this.stopListening();
    clearTimeout(this.timer);
    for (const leave of this.leavers) leave();
  }
}

/** The view; the first argument may be the client id of the API key that the controls apply to. */
export function controlsView([clientId = ""] = []) {
  const view = new ControlsView(clientId);
  return { elements: view.elements, leave: () => view.leave() };
}
