// The rows of the journal, newest first: a window of them, one tab stop, and arrow keys that move.

import { timeText } from "./clocks.js";
import { el } from "./dom.js";
import { statusMark } from "./exchange.js";
import { urlOf } from "./filters.js";

const WINDOW = 200; // rows at first, and more with each "show more"

const headings = () => [["time", ["Time", el("span", null, " (UTC)")]], ["operation", "Operation"], ["status", "Status"],
  ["client", "Client"], ["contract", "Contract"], ["reason", "Reason"], ["by", "Fault or stub"]];

function answeredBy({ fault, stub }) {
  if (fault !== null) return [el("span", { class: "tag" }, "fault"), " ", el("bdi", null, fault)];
  if (stub !== null) return [el("span", { class: "tag" }, "stub"), " ", el("bdi", null, stub)];
  return [];
}

function rowOf(exchange, filters) {
  const { number, endpoint, method, path, reason, client_id: client, fault, stub } = exchange;
  const operation = endpoint ?? `${method} ${path}`;
  const date = timeText(exchange.at);
  const cell = (name, title, ...children) => el("td", { class: name, title }, children); // it isolates its text
  return el("tr", { "data-number": number, "data-testid": "exchange" },
    cell("time", date, date.split(" ")[1] ?? "?"),
    cell("operation", operation, el("a", { href: urlOf(filters, number), tabindex: "-1" }, operation)),
    cell("status", null, statusMark(exchange)),
    cell("client", client, client),
    cell("contract", null, exchange.contract),
    cell("reason", reason, reason),
    cell("by", fault ?? stub, answeredBy(exchange)));
}

function openRow({ target }) {
  if (target.closest("a") !== null || String(getSelection()) !== "") return;
  const link = target.closest("tr").querySelector("a");
  link.focus({ preventScroll: true });
  location.hash = link.getAttribute("href");
}

/** The list. `emptyText` makes the elements that stand in its place; `onDrawn` is called after each change of rows. */
export function exchangeList(emptyText, onDrawn) {
  let found = []; // the exchanges to show, oldest first
  let filters = {};
  let limit = WINDOW;
  let pending = []; // found, but without a row yet
  let frame = 0;

  const body = el("tbody", { onclick: openRow, onfocusin: ({ target }) => keepTabStop(target) });
  const more = el("button", { type: "button", class: "quiet more", "data-testid": "show-more", onclick: showMore });
  const table = el("table", { class: "rows cut", "aria-label": "Exchanges" },
    el("thead", null, el("tr", null, headings().map(([name, label]) => el("th", { class: name, scope: "col" }, label)))),
    body);
  const empty = el("div", { class: "empty", "data-testid": "empty" });

  const rowsOf = (exchanges) => exchanges.reverse().map((exchange) => rowOf(exchange, filters));

  /** Draw everything anew. */
  function draw(exchanges, newFilters) {
    found = exchanges;
    filters = newFilters;
    limit = WINDOW;
    pending = [];
    body.replaceChildren(...rowsOf(found.slice(-limit)));
    finish();
  }

  /** Take new exchanges, and forget those below the number `first`. */
  function take(exchanges, first) {
    found.push(...exchanges);
    const kept = found.findIndex(({ number }) => number >= first);
    if (kept !== 0) found.splice(0, kept === -1 ? found.length : kept);
    pending = [...pending, ...exchanges].slice(-limit); // a hidden tab draws nothing
    if (frame === 0) frame = requestAnimationFrame(drawPending);
  }

  function drawPending() {
    frame = 0;
    body.prepend(...rowsOf(pending));
    pending = [];
    while (body.rows.length > Math.min(limit, found.length)) body.lastElementChild.remove();
    finish();
  }

  function showMore() {
    const end = found.length - limit;
    limit += WINDOW;
    const rows = rowsOf(found.slice(Math.max(0, found.length - limit), Math.max(0, end)));
    body.append(...rows);
    finish();
    rows[0]?.querySelector("a").focus();
  }

  function finish() {
    if (body.querySelector("a[tabindex='0']") === null) body.querySelector("a")?.setAttribute("tabindex", "0");
    const left = Math.max(0, found.length - limit);
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, WINDOW)} more of ${left} older exchanges`;
    table.hidden = found.length === 0;
    empty.hidden = found.length > 0;
    if (found.length === 0) empty.replaceChildren(...emptyText());
    onDrawn();
  }

  function keepTabStop(link) {
    for (const other of body.querySelectorAll("a[tabindex='0']")) other.tabIndex = -1;
    link.tabIndex = 0;
  }

  /** Move the focus by rows. */
  function move(step) {
    const from = document.activeElement.closest("tr[data-number]") ?? body.querySelector("tr.open");
    const to = body.rows[from === null ? 0 : from.sectionRowIndex + step]; // none before the first and after the last
    to?.querySelector("a").focus();
  }

  /** Mark the row of the exchange in detail; returns it, if it has one. */
  function mark(number) {
    for (const row of body.querySelectorAll("tr.open")) {
      row.classList.remove("open");
      row.querySelector("a").removeAttribute("aria-current");
    }
    const row = number === null ? null : body.querySelector(`tr[data-number="${number}"]`);
    row?.classList.add("open");
    row?.querySelector("a").setAttribute("aria-current", "true");
    return row;
  }

  return {
    element: el("div", { class: "list" }, table, empty, more),
    draw, take, move, mark,
    redraw: finish,
    count: () => found.length,
    stop: () => cancelAnimationFrame(frame),
  };
}
