// The journal, live, with filters that live in the URL, and one exchange in detail.

import { call } from "./api.js";
import { el } from "./dom.js";
import { exchangeDetails } from "./exchange.js";
import { exchangeList } from "./exchange-list.js";
import { filterFields } from "./filter-fields.js";
import { matcher, NO_FILTERS, readFilters, searched, urlOf } from "./filters.js";
import { journal, onChange, restart } from "./journal.js";

const NARROW = "(max-width: 999px)"; // as in page.css

/** Ask before the journal of every API key is emptied. */
function askToClear(onYes) {
  const dialog = el("dialog", { "aria-labelledby": "clear-title", "data-testid": "clear-dialog" },
    el("form", { method: "dialog" },
      el("h2", { id: "clear-title" }, "Clear the journal?"),
      el("p", null, "The server forgets the exchanges of all API keys. A running test may still need them."),
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

const numberOf = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);

const newestNumber = () => journal.exchanges.at(-1)?.number ?? 0;

function countAfter(number) {
  const { exchanges } = journal;
  let index = exchanges.length;
  while (index > 0 && exchanges[index - 1].number > number) index -= 1;
  return exchanges.length - index;
}

function summaryText(count) {
  const all = journal.exchanges.length;
  const dropped = Math.min(journal.dropped, (journal.exchanges[0]?.number ?? 1) - 1);
  const counted = `${count === all ? "" : `${count} of `}${all} ${all === 1 ? "exchange" : "exchanges"}`;
  return dropped > 0 ? `${counted}. The journal dropped ${dropped} older ones.` : counted;
}

/** The view. */
export function exchangesView(rest, query) {
  let filters = readFilters(query);
  let matches = matcher(filters);
  let pausedAt = null; // the number of the newest exchange when the user paused
  let opened = numberOf(rest[0]); // the number of the exchange in detail
  let drawn = null; // that exchange, once it is drawn, or a text about its absence

  const fields = filterFields(changeFilter);
  const pauseButton = el("button", { type: "button", class: "quiet", id: "pause", "data-testid": "pause",
    onclick: togglePause });
  const clearButton = el("button", { type: "button", class: "quiet", "data-testid": "clear",
    onclick: () => askToClear(clear) }, "Clear journal");
  const problem = el("p", { class: "error", role: "alert" });
  const summary = el("p", { class: "hint", "data-testid": "summary" });
  const list = exchangeList(emptyText, afterRows);
  const details = el("section", { class: "card details", "aria-label": "The exchange", "data-testid": "details",
    tabindex: "-1" });
  const split = el("div", { class: "split" }, list.element, details);

  const isVisible = (exchange) => (pausedAt === null || exchange.number <= pausedAt) && matches(exchange);

  function changeFilter(name, value) {
    filters = { ...filters, [name]: value };
    history.replaceState(null, "", urlOf(filters, opened));
    refresh();
  }

  function refresh() {
    matches = matcher(filters);
    list.draw(journal.exchanges.filter(isVisible), filters);
  }

  function learn(exchanges) {
    for (const exchange of exchanges) {
      fields.learn(exchange);
      searched(exchange); // so that the first search is as fast as the next
    }
  }

  function onJournal(added) {
    if (added === null) {
      if (pausedAt !== null) pausedAt = Math.min(pausedAt, newestNumber());
      refresh();
    } else if (added.length === 0) {
      list.redraw(); // the state of the connection has changed
    } else {
      learn(added);
      if (pausedAt === null) list.take(added.filter(isVisible), journal.exchanges[0].number);
      else describe();
    }
  }

  function afterRows() {
    describe();
    showDetails();
  }

  function describe() {
    summary.textContent = summaryText(list.count());
    pauseButton.textContent = pausedAt === null ? "Pause" : `Resume (${countAfter(pausedAt)} new)`;
  }

  function emptyText() {
    if (pausedAt !== null && countAfter(pausedAt) === journal.exchanges.length) {
      return [el("p", null, "The page is paused. Resume to see new requests.")];
    }
    if (journal.exchanges.length > 0) {
      return [el("p", null, "No exchange matches these filters."),
        el("button", { type: "button", class: "quiet", "data-testid": "no-filters",
          onclick: () => { location.hash = urlOf(NO_FILTERS, opened); } }, "Clear the filters")];
    }
    if (journal.state !== "live") return ["Waiting for the server."];
    return [el("p", null, "No requests yet."),
      el("p", null, "Point a client at this server: ", el("a", { href: "#/start" }, "start here"), ".")];
  }

  function togglePause() {
    pausedAt = pausedAt === null ? newestNumber() : null;
    refresh();
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

  /** Draw the details, unless they are drawn already. */
  function showDetails() {
    const row = list.mark(opened);
    const exchange = opened === null ? undefined : journal.exchanges.find(({ number }) => number === opened);
    const wanted = exchange ?? `${opened} ${missingText()}`;
    if (wanted === drawn) return;
    drawn = wanted;
    split.classList.toggle("open", opened !== null);
    details.hidden = opened === null;
    details.replaceChildren(...(opened === null ? [] : detailsOf(exchange)));
    details.scrollTop = 0;
    if (exchange !== undefined) reveal(row);
  }

  const detailsOf = (exchange) => [
    el("header", null, el("h2", null, exchange === undefined ? "No such exchange" : `Exchange ${opened}`),
      el("button", { type: "button", class: "quiet", "data-testid": "close", onclick: closeDetails }, "Close")),
    ...(exchange === undefined ? [el("p", null, missingText())] : exchangeDetails(exchange))];

  const missingText = () => (journal.state === "live"
    ? `The journal does not have exchange ${opened}. It may have been cleared, or dropped as too old.`
    : "Waiting for the server.");

  function reveal(row) {
    row?.scrollIntoView({ block: "nearest" });
    if (matchMedia(NARROW).matches) details.scrollIntoView({ block: "start" });
  }

  function closeDetails() {
    const row = list.mark(opened);
    location.hash = urlOf(filters, null);
    row?.querySelector("a").focus();
  }

  function onKey(event) {
    const { key, target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (target.closest("input, select, dialog") !== null) return;
    if (key === "Escape" && opened !== null) closeDetails();
    if ((key !== "ArrowDown" && key !== "ArrowUp") || target.closest(".details") !== null) return;
    event.preventDefault();
    list.move(key === "ArrowDown" ? 1 : -1);
  }

  function update(parts, newQuery) {
    const wanted = readFilters(newQuery);
    const isSame = urlOf(wanted, null) === urlOf(filters, null);
    filters = wanted;
    opened = numberOf(parts[0]);
    fields.set(filters);
    if (isSame) showDetails();
    else refresh();
  }

  learn(journal.exchanges);
  fields.set(filters);
  refresh();
  const stopListening = onChange(onJournal);
  document.addEventListener("keydown", onKey);
  call("GET", "/api-keys").then(({ api_keys: keys }) => keys.forEach((key) => fields.addKey(key.client_id)), () => {});

  return {
    elements: [
      el("div", { class: "filters" }, fields.elements, el("div", { class: "bar" }, pauseButton, clearButton)),
      problem,
      el("div", { class: "bar" }, summary,
        el("p", { class: "hint push keys" }, "Arrow keys move, Enter opens, Escape closes.")),
      split,
    ],
    update,
    shown() {
      if (typeof drawn === "object" && drawn !== null) reveal(list.mark(opened));
    },
    leave() {
      stopListening();
      list.stop();
      document.removeEventListener("keydown", onKey);
    },
  };
}
