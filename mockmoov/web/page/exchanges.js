// The journal, live and newest first, with filters that live in the URL, and one exchange in detail.

import { call } from "./api.js";
import { el } from "./dom.js";
import { dateOf, exchangeDetails, statusMark } from "./exchange.js";
import { matcher, NO_ONE, readFilters, searched, urlOf } from "./filters.js";
import { journal, onChange, restart } from "./journal.js";

const WINDOW = 200; // rows at first, and more with each "show more"
const STATUSES = ["2xx", "3xx", "4xx", "5xx", "none"];
const ENDPOINTS = ["token", "revoke", "ping"];

const operationOf = ({ endpoint, method, path }) => endpoint ?? `${method} ${path}`;

const isFormField = (element) => element.closest("input, select, textarea, dialog, .details") !== null;

/** A select whose choices grow as values appear. The first choice is any value. */
function choice(label, name, known, onPick) {
  const select = el("select", { "data-testid": `filter-${name}`, onchange: () => onPick(select.value) },
    el("option", { value: "" }, "any"));
  const values = new Set([""]);
  const add = (value, text = value) => {
    if (values.has(value)) return;
    values.add(value);
    select.append(el("option", { value }, text));
  };
  for (const [value, text] of known) add(value, text);
  const set = (value) => {
    add(value);
    select.value = value;
  };
  return { element: el("label", null, label, select), add, set };
}

/** Ask before the journal of every API key is emptied. */
function askToClear(onYes) {
  const dialog = el("dialog", { "aria-labelledby": "clear-title", "data-testid": "clear-dialog" },
    el("form", { method: "dialog" },
      el("h2", { id: "clear-title" }, "Clear the journal?"),
      el("p", null, "The server forgets the exchanges of all API keys. A test that is running may need them."),
      el("div", { class: "bar" },
        el("button", { class: "quiet", value: "" }, "Cancel"),
        el("button", { class: "danger", value: "yes", "data-testid": "clear-confirm" }, "Clear the journal"))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "yes") onYes();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function answeredBy({ fault, stub }) {
  if (fault !== null) return [el("span", { class: "tag" }, "fault"), " ", el("bdi", null, fault)];
  if (stub !== null) return [el("span", { class: "tag" }, "stub"), " ", el("bdi", null, stub)];
  return [];
}

function rowOf(exchange, filters) {
  const { number, reason, client_id: client, fault, stub } = exchange;
  const operation = operationOf(exchange);
  const date = dateOf(exchange.at);
  const cell = (name, title, ...children) => el("td", { class: name, title }, children); // it isolates its text
  return el("tr", { "data-number": number, "data-testid": "exchange" },
    cell("time", date, date.split(" ")[4] ?? "?"),
    cell("operation", operation,
      el("a", { href: urlOf(filters, number), tabindex: "-1" }, operation)),
    cell("status", null, statusMark(exchange)),
    cell("client", client, client),
    cell("contract", null, exchange.contract),
    cell("reason", reason, reason),
    cell("by", fault ?? stub, answeredBy(exchange)));
}

const headings = () => [["time", ["Time", el("span", null, " (GMT)")]], ["operation", "Operation"], ["status", "Status"], ["client", "Client"],
  ["contract", "Contract"], ["reason", "Reason"], ["by", "Fault or stub"]];

/** The view. */
export function exchangesView(rest, query) {
  let filters = readFilters(query);
  let matches = matcher(filters);
  let found = []; // the exchanges that meet the filters, oldest first
  let limit = WINDOW;
  let pausedAt = null; // the number of the newest exchange when the user paused
  let opened = null; // the number of the exchange in detail
  let shown = null; // that exchange
  let pending = []; // found, but without a row yet
  let frame = 0;

  const keys = choice("API key", "key", [[NO_ONE, "unknown"]], (value) => changeFilter("key", value));
  const endpoints = choice("Endpoint", "endpoint", [...ENDPOINTS.map((name) => [name]), [NO_ONE, "unknown path"]],
    (value) => changeFilter("endpoint", value));
  const statuses = choice("Status", "status",
    STATUSES.map((name) => [name, name === "none" ? "no response" : name]), (value) => changeFilter("status", value));
  const text = el("input", { type: "search", "data-testid": "filter-text", autocomplete: "off", spellcheck: "false",
    placeholder: "Path, reason, header, parameter, id", oninput: () => changeFilter("text", text.value) });
  const pauseButton = el("button", { type: "button", class: "quiet", id: "pause", "data-testid": "pause",
    onclick: togglePause });
  const summary = el("p", { class: "hint", "data-testid": "summary" });
  const problem = el("p", { class: "error", role: "alert" });
  const body = el("tbody", { onclick: openRow, onfocusin: ({ target }) => keepTabStop(target) });
  const more = el("button", { type: "button", class: "quiet more", "data-testid": "show-more", onclick: showMore });
  const table = el("table", { class: "rows cut", "aria-label": "Exchanges" },
    el("thead", null, el("tr", null, headings().map(([name, label]) => el("th", { class: name, scope: "col" }, label)))),
    body);
  const empty = el("div", { class: "empty", "data-testid": "empty" });
  const list = el("div", { class: "list" }, table, empty, more);
  const details = el("section", { class: "card details", "aria-label": "The exchange", "data-testid": "details",
    tabindex: "-1", hidden: true });
  const split = el("div", { class: "split" }, list, details);

  function changeFilter(name, value) {
    filters = { ...filters, [name]: value };
    history.replaceState(null, "", urlOf(filters, opened ?? undefined));
    refresh();
  }

  const isVisible = (exchange) => (pausedAt === null || exchange.number <= pausedAt) && matches(exchange);

  function learn(exchanges) {
    for (const exchange of exchanges) {
      searched(exchange); // so that the first search is as fast as the next
      const { client_id: client, endpoint, status } = exchange;
      if (client !== null) keys.add(client);
      if (endpoint !== null) endpoints.add(endpoint);
      if (status !== null) statuses.add(String(status));
    }
  }

  /** Find and draw everything anew. */
  function refresh() {
    matches = matcher(filters);
    found = journal.exchanges.filter(isVisible);
    limit = WINDOW;
    pending = [];
    body.replaceChildren(...found.slice(-limit).reverse().map((exchange) => rowOf(exchange, filters)));
    afterRows();
  }

  function showMore() {
    const end = found.length - limit;
    limit += WINDOW;
    const rows = found.slice(Math.max(0, found.length - limit), end).reverse().map((each) => rowOf(each, filters));
    body.append(...rows);
    afterRows();
    rows[0]?.querySelector("a").focus();
  }

  function takeNew(added) {
    learn(added);
    const news = added.filter(isVisible);
    found.push(...news);
    const first = journal.exchanges[0]?.number ?? 0;
    const kept = found.findIndex(({ number }) => number >= first);
    if (kept !== 0) found.splice(0, kept === -1 ? found.length : kept);
    pending = [...pending, ...news].slice(-limit); // a hidden tab draws nothing
    if (frame === 0) frame = requestAnimationFrame(drawNew);
  }

  function drawNew() {
    frame = 0;
    body.prepend(...pending.reverse().map((exchange) => rowOf(exchange, filters)));
    pending = [];
    while (body.rows.length > Math.min(limit, found.length)) body.lastElementChild.remove();
    afterRows();
  }

  function afterRows() {
    const first = body.rows[0];
    if (first && body.querySelector("a[tabindex='0']") === null) first.querySelector("a").tabIndex = 0;
    const left = Math.max(0, found.length - limit);
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, WINDOW)} more of ${left} older exchanges`;
    table.hidden = found.length === 0;
    empty.hidden = found.length > 0;
    if (found.length === 0) empty.replaceChildren(...emptyText());
    describe();
    showDetails();
  }

  function emptyText() {
    if (journal.state !== "live" && journal.exchanges.length === 0) return ["Waiting for the server."];
    if (journal.exchanges.length > 0) return [el("p", null, "No exchange meets these filters."), resetButton()];
    return [el("p", null, "Nothing has been asked yet."),
      el("p", null, "Point a client at this server: ", el("a", { href: "#/start" }, "start here"), ".")];
  }

  const resetButton = () => el("button", { type: "button", class: "quiet", onclick: () => {
    location.hash = urlOf(readFilters(new URLSearchParams()), opened ?? undefined);
  } }, "Remove the filters");

  function describe() {
    const all = journal.exchanges.length;
    const count = found.length === all ? `${all} exchanges` : `${found.length} of ${all} exchanges`;
    const dropped = Math.min(journal.dropped, (journal.exchanges[0]?.number ?? Infinity) - 1);
    summary.textContent = (all === 1 ? count.replace(/s$/, "") : count)
      + (dropped > 0 ? `. The journal dropped ${dropped} older ones.` : "");
    const waiting = pausedAt === null ? 0 : countSince(pausedAt);
    pauseButton.textContent = pausedAt === null ? "Pause" : `Resume (${waiting} new)`;
  }

  /** The newest exchanges are at the end, and numbers have no gaps that matter. */
  function countSince(number) {
    const { exchanges } = journal;
    let index = exchanges.length;
    while (index > 0 && exchanges[index - 1].number > number) index -= 1;
    return exchanges.length - index;
  }

  function togglePause() {
    pausedAt = pausedAt === null ? journal.exchanges.at(-1)?.number ?? 0 : null;
    if (pausedAt === null) refresh();
    else describe();
  }

  async function clear() {
    problem.textContent = "";
    try {
      await call("DELETE", "/exchanges");
      restart();
    } catch (error) {
      problem.textContent = `The journal was not cleared: ${error.message}`;
    }
  }

  // The list: one tab stop; arrow keys move, Enter follows the link, Escape closes.

  function keepTabStop(link) {
    for (const other of body.querySelectorAll("a[tabindex='0']")) other.tabIndex = -1;
    link.tabIndex = 0;
  }

  function openRow({ target }) {
    if (target.closest("a") !== null || String(getSelection()) !== "") return;
    const link = target.closest("tr").querySelector("a");
    link.focus({ preventScroll: true });
    location.hash = link.getAttribute("href");
  }

  function move(step) {
    const row = document.activeElement.closest("tr[data-number]");
    const from = row ?? body.querySelector("tr.open");
    const to = from === null ? body.rows[0] : body.rows[[...body.rows].indexOf(from) + step];
    to?.querySelector("a").focus();
  }

  function onKey(event) {
    const { key, target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (key === "Escape" && opened !== null && target.closest("dialog, input, select") === null) closeDetails();
    if (isFormField(target) || (key !== "ArrowDown" && key !== "ArrowUp")) return;
    event.preventDefault();
    move(key === "ArrowDown" ? 1 : -1);
  }

  // The details.

  function closeDetails() {
    const row = body.querySelector("tr.open a");
    location.hash = urlOf(filters);
    row?.focus();
  }

  function markOpen() {
    for (const row of body.querySelectorAll("tr.open")) {
      row.classList.remove("open");
      row.querySelector("a").removeAttribute("aria-current");
    }
    const row = opened === null ? null : body.querySelector(`tr[data-number="${opened}"]`);
    row?.classList.add("open");
    row?.querySelector("a").setAttribute("aria-current", "true");
  }

  /** Draw the details, unless they are drawn already. */
  function showDetails() {
    markOpen();
    const exchange = journal.exchanges.find(({ number }) => number === opened) ?? null;
    if (exchange !== null && exchange === shown) return;
    shown = exchange;
    split.classList.toggle("open", opened !== null);
    details.hidden = opened === null;
    details.replaceChildren();
    if (opened === null) return;
    details.append(
      el("header", null, el("h2", null, exchange === null ? "No such exchange" : `Exchange ${opened}`),
        el("button", { type: "button", class: "quiet", "data-testid": "close", onclick: closeDetails }, "Close")),
      ...(exchange === null ? [el("p", null, missingText())] : exchangeDetails(exchange)));
    details.scrollTop = 0;
    if (exchange !== null) reveal();
  }

  const missingText = () => (journal.state === "live"
    ? `The journal does not have exchange ${opened}. It may have been cleared, or dropped as too old.`
    : "Waiting for the server.");

  function openFrom(parts) {
    const number = parts[0] === undefined || parts[0] === "" ? null : Number(parts[0]);
    opened = Number.isInteger(number) ? number : null;
  }

  function setFields() {
    keys.set(filters.key);
    endpoints.set(filters.endpoint);
    statuses.set(filters.status);
    if (text.value !== filters.text) text.value = filters.text;
  }

  function update(parts, newQuery) {
    const wanted = readFilters(newQuery);
    const isSame = urlOf(wanted) === urlOf(filters);
    filters = wanted;
    openFrom(parts);
    setFields();
    if (isSame) showDetails();
    else refresh();
  }

  function reveal() {
    body.querySelector("tr.open")?.scrollIntoView({ block: "nearest" });
    if (matchMedia("(max-width: 999px)").matches) details.scrollIntoView({ block: "start" });
  }

  function onJournal(added) {
    if (added === null && pausedAt !== null) pausedAt = 0;
    if (added === null) refresh();
    else if (added.length > 0 && pausedAt === null) takeNew(added);
    else if (added.length > 0) { learn(added); describe(); }
    else afterRows();
  }

  openFrom(rest);
  setFields();
  learn(journal.exchanges);
  refresh();
  const stop = onChange(onJournal);
  document.addEventListener("keydown", onKey);
  call("GET", "/api-keys").then(({ api_keys: all }) => all.forEach(({ client_id: id }) => keys.add(id)), () => {});

  return {
    elements: [
      el("div", { class: "filters" }, keys.element, endpoints.element, statuses.element, el("label", null, "Text", text),
        el("div", { class: "bar" }, pauseButton,
          el("button", { type: "button", class: "quiet", "data-testid": "clear", onclick: () => askToClear(clear) },
            "Clear journal"))),
      problem,
      el("div", { class: "bar" }, summary,
        el("p", { class: "hint push keys" }, "Arrow keys move, Enter opens, Escape closes.")),
      split,
    ],
    update,
    leave() {
      stop();
      cancelAnimationFrame(frame);
      document.removeEventListener("keydown", onKey);
    },
  };
}
