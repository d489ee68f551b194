// The view of tokens: the time line of those in the journal, details of one, a table, and the decoder below.

import { call } from "./api.js";
import { el } from "./dom.js";
import { journal, onChange } from "./journal.js";
import { Clocks, distanceText, timeText } from "./clocks.js";
import { decoder } from "./decoder.js";
import { familiesOf, revocationOf } from "./token-history.js";
import { MARK_NAMES, axis, draw, endOf, lifetimeText, markIcon, stateOf } from "./timeline.js";

const MOST_FAMILIES = 100;
const MOST_ROWS = 300;
const MOST_EVENTS = 20;
const DRAW_MS = 400; // at least between two drawings
const ASK_MS = 10000; // between two questions about each clock
const ZOOMS = [["all", "Fit all", null], ["hour", "Last hour", 3600], ["minutes", "Last 10 minutes", 600]];
const STATE_NAMES = { active: "Active", expired: "Expired", revoked: "Revoked", unknown: "Unknown (no clock)" };

const keyOf = (item) => item.clientId ?? "";
const exchangeLink = (number) => el("a", { href: `#/exchanges/${number}` }, `#${number}`);
const isolated = (text) => el("bdi", { class: "any" }, text);

function rangeOfAll(families, clocks) {
  let from = Infinity;
  let to = -Infinity;
  for (const family of families) {
    const now = clocks.now(keyOf(family));
    if (now !== null) to = Math.max(to, Math.ceil(now / 10) * 10);
    for (const token of family.tokens) {
      from = Math.min(from, token.at);
      to = Math.max(to, endOf(token));
    }
  }
  const edge = Math.max(1, (to - from) * 0.02);
  return { from: from - edge, to: to + edge };
}

/** A range that ends a little after now on the clock of the newest family. */
function lastRange(families, clocks, span) {
  const now = clocks.now(keyOf(families[0])) ?? families[0].tokens.at(-1).at;
  const end = Math.ceil(now / 10) * 10;
  return { from: end - span, to: end + span / 10 };
}

function eventText(event) {
  const where = event.endpoint === null ? "" : ` by ${event.endpoint}`;
  const why = event.reason === null ? "" : `: ${event.reason}`;
  if (event.kind === "refusal") return `Refused with ${event.status}${where}${why}`;
  return event.kind === "refresh" ? "Refreshed: its refresh token was exchanged for new tokens" : "Revoked";
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null)
    .map(([name, value]) => [el("dt", null, name), el("dd", null, value)]));
}

function detailsOf(token, now) {
  const state = stateOf(token, now);
  const revoked = revocationOf(token);
  const left = el("span", { "data-testid": "time-left" }, leftText(token, now));
  const events = token.events.slice(-MOST_EVENTS).reverse();
  const panel = el("div", null,
    el("h3", null, "Token ", isolated(token.name)),
    facts([
      ["State", el("span", { class: `state ${state}` }, STATE_NAMES[state])],
      ["Revoked", revoked === null ? null : [timeText(revoked.at), ", see exchange ", exchangeLink(revoked.number)]],
      ["API key", isolated(token.clientId ?? "none")],
      ["Family", [isolated(token.family.id), token.sequence === null ? "" : `, token number ${token.sequence}`]],
      ["Scope", isolated(token.scope || "not known")],
      ["Issued", [timeText(token.at), " in exchange ", exchangeLink(token.number)]],
      ["Expires", [timeText(token.expiresAt), left, `, lifetime ${lifetimeText(token)}`]],
      ["Refresh token", token.refreshToken === null ? null
        : [isolated(token.refreshToken), token.refreshExpiresAt === null ? "" : `, expires ${timeText(token.refreshExpiresAt)}`]],
      ["Accepted", `${token.uses} ${token.uses === 1 ? "request" : "requests"}`],
    ]),
    events.length === 0 ? el("p", { class: "hint" }, "Nothing has happened to it since.")
      : el("ul", { class: "events", "data-testid": "token-events" }, events.map((event) => el("li", null,
        markIcon(event.kind), timeText(event.at), " ", isolated(eventText(event)), " ", exchangeLink(event.number)))),
    token.events.length > MOST_EVENTS ? el("p", { class: "hint" }, `${token.events.length - MOST_EVENTS} earlier events are not listed.`) : null);
  return { panel, left };
}

function leftText(token, now) {
  return now === null ? "" : `, ${distanceText(token.expiresAt, now)}`;
}

function tableOf(families, clocks) {
  const tokens = families.flatMap((family) => family.tokens).sort((a, b) => b.number - a.number);
  const heads = ["Token", "API key", "Family", "Number", "Scope", "Issued", "Expires", "State", "Events", "Exchange"];
  const rows = tokens.slice(0, MOST_ROWS).map((token) => el("tr", null,
    [isolated(token.name), isolated(token.clientId ?? ""), isolated(token.family.id.slice(0, 12)), String(token.sequence ?? ""),
      isolated(token.scope), timeText(token.at), timeText(token.expiresAt), STATE_NAMES[stateOf(token, clocks.now(keyOf(token)))],
      String(token.events.length), exchangeLink(token.number)].map((cell) => el("td", null, cell))));
  return el("div", { class: "wide", role: "region", "aria-label": "Table of tokens", tabindex: "0" },
    tokens.length > MOST_ROWS ? el("p", { class: "hint" }, `The newest ${MOST_ROWS} of ${tokens.length} tokens.`) : null,
    el("table", { "data-testid": "token-table" },
      el("thead", null, el("tr", null, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", null, rows)));
}

function legend() {
  return el("ul", { class: "legend", "aria-label": "Legend" },
    Object.entries(MARK_NAMES).map(([kind, name]) => el("li", null, markIcon(kind), name)),
    el("li", null, el("span", { class: "now-icon", "aria-hidden": "true" }), "Now (dashed: frozen)"));
}

/** The time line with its buttons, details and table. */
class TimeLine {
  families = [];
  zoom = "all";
  selected = null;
  drawnRange = "";
  moveNow = () => {};
  timer = null;
  left = null;
  reuseRevokes = true;

  constructor(selected) {
    this.selected = selected;
    this.clocks = new Clocks(() => this.later());
    this.buttons = el("div", { class: "row", role: "group", "aria-label": "Zoom" }, ZOOMS.map(([name, label]) =>
      el("button", { type: "button", class: "quiet", "data-zoom": name, "data-testid": `zoom-${name}`, onclick: () => this.setZoom(name) }, label)));
    this.notes = el("p", { class: "hint", "data-testid": "token-notes" });
    this.box = el("div", { class: "timeline" });
    this.clockList = el("p", { class: "hint", "data-testid": "token-clocks" });
    this.details = el("section", { class: "card token-details", "aria-label": "The selected token", "data-testid": "token-details" });
    this.table = el("details", null, el("summary", null, "Show as a table"));
    this.table.addEventListener("toggle", () => this.showTable());
    this.box.addEventListener("click", (event) => this.choose(event.target.closest(".bar")));
    this.box.addEventListener("focusin", (event) => this.choose(event.target.closest(".bar")));
    this.box.addEventListener("keydown", (event) => this.walk(event));
    this.resize = new ResizeObserver(() => this.later());
    this.resize.observe(this.box);
    this.ticker = setInterval(() => this.tick(), 1000);
    this.asker = setInterval(() => this.askClocks(), ASK_MS);
    this.stopListening = onChange((added) => this.onJournal(added));
    this.elements = [
      el("div", { class: "row" }, this.buttons, legend()), this.box, this.clockList, this.notes, this.details, this.table];
    this.read();
    this.askClocks();
    this.showDetails();
    this.setZoom("all");
    this.readSetting();
  }

  async readSetting() {
    try {
      const { settings } = await call("GET", "/config");
      this.reuseRevokes = settings.refresh_reuse_detection.value === true;
    } catch {
      return; // the status of the page reports that the server does not answer
    }
    this.isStale = true;
    this.later();
  }

  leave() {
    this.stopListening();
    this.clocks.stop();
    this.resize.disconnect();
    clearInterval(this.ticker);
    clearInterval(this.asker);
    clearTimeout(this.timer);
  }

  read() {
    this.families = familiesOf(journal.exchanges, this.reuseRevokes);
    this.shown = this.families.slice(0, MOST_FAMILIES);
  }

  shownKeys() {
    return new Set(this.shown.map(keyOf).filter((key) => key !== ""));
  }

  askClocks(among = this.shownKeys()) {
    if (!document.hidden) for (const key of among) this.clocks.ask(key);
  }

  onJournal(added) {
    if (added !== null && added.length === 0) return;
    const keys = this.shownKeys();
    this.askClocks(new Set((added ?? []).map((exchange) => exchange.client_id ?? "").filter((key) => keys.has(key))));
    this.isStale = true;
    this.later();
  }

  later() {
    this.timer ??= setTimeout(() => this.refresh(), DRAW_MS);
  }

  refresh() {
    this.timer = null;
    if (this.isStale) {
      const before = this.shownKeys();
      this.read();
      this.isStale = false;
      this.askClocks([...this.shownKeys()].filter((key) => !before.has(key)));
      this.showTable();
    }
    this.draw();
    this.showDetails();
  }

  setZoom(name) {
    this.zoom = name;
    for (const button of this.buttons.children) button.setAttribute("aria-pressed", String(button.dataset.zoom === name));
    this.draw();
  }

  range() {
    const span = ZOOMS.find(([name]) => name === this.zoom)[2];
    return span === null ? rangeOfAll(this.shown, this.clocks) : lastRange(this.shown, this.clocks, span);
  }

  draw() {
    const width = Math.floor(this.box.clientWidth);
    this.showNotes();
    if (this.shown.length === 0) {
      this.box.replaceChildren(el("p", { class: "empty" }, "The journal has no tokens yet. ", el("a", { href: "#/start" }, "Request one"), "."));
      return;
    }
    if (width === 0) return;
    const range = this.range();
    const hadFocus = this.box.contains(document.activeElement) && document.activeElement.matches(".bar");
    const top = this.box.scrollTop;
    const { drawing, moveNow } = draw(this.shown, range, width, this.clocks);
    this.moveNow = moveNow;
    this.drawnRange = JSON.stringify(range);
    this.box.replaceChildren(axis(range, width), drawing);
    this.box.scrollTop = top;
    this.markSelected();
    if (hadFocus) this.box.querySelector(".bar[tabindex='0']")?.focus({ preventScroll: true });
  }

  showNotes() {
    const left = this.families.length - this.shown.length;
    this.notes.textContent = [
      left > 0 ? `${left} older families are not drawn.` : "",
      journal.dropped > 0 ? `The journal dropped ${journal.dropped} exchanges; their tokens are not drawn.` : "",
      "The journal records neither minted tokens nor resets.",
    ].filter((text) => text !== "").join(" ");
  }

  showClocks() {
    const keys = [...this.shownKeys()];
    this.clockList.replaceChildren(...keys.slice(0, 5).map((key) => {
      const now = this.clocks.now(key);
      const time = now === null ? (this.clocks.get(key)?.missing ? "deleted" : "not known") : timeText(now);
      return el("span", { class: "clock" }, "Clock of ", isolated(key), `: ${time}${this.clocks.get(key)?.frozen ? ", frozen" : ""} `);
    }), keys.length > 5 ? `and ${keys.length - 5} more` : "");
  }

  tick() {
    if (document.hidden) return;
    if (this.shown.length > 0 && JSON.stringify(this.range()) !== this.drawnRange) this.draw();
    else this.moveNow();
    this.showClocks();
    const token = this.find();
    if (token !== undefined && this.left !== null) this.left.textContent = leftText(token, this.clocks.now(keyOf(token)));
  }

  find() {
    for (const family of this.families) {
      const token = family.tokens.find(({ number }) => number === this.selected);
      if (token !== undefined) return token;
    }
    return undefined;
  }

  choose(bar) {
    if (bar === null || Number(bar.dataset.number) === this.selected) return;
    this.selected = Number(bar.dataset.number);
    history.replaceState(null, "", `#/tokens/${this.selected}`);
    this.markSelected();
    this.showDetails();
  }

  markSelected() {
    const bars = [...this.box.querySelectorAll(".bar")];
    const current = bars.find((bar) => Number(bar.dataset.number) === this.selected);
    for (const bar of bars) {
      bar.setAttribute("aria-pressed", String(bar === current));
      bar.setAttribute("tabindex", bar === (current ?? bars[0]) ? "0" : "-1");
    }
  }

  walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined || !event.target.matches(".bar")) return;
    event.preventDefault();
    const bars = [...this.box.querySelectorAll(".bar")];
    bars[bars.indexOf(event.target) + step]?.focus();
  }

  showDetails() {
    const token = this.find();
    if (token === undefined) {
      this.left = null;
      this.details.replaceChildren(el("p", { class: "hint" }, this.selected === null
        ? "Select a bar to see its token. The arrow keys move between bars."
        : `The journal has no token of exchange ${this.selected}.`));
      return;
    }
    const now = this.clocks.now(keyOf(token));
    const facts = JSON.stringify([token.number, token.uses, token.events, stateOf(token, now)]);
    if (facts === this.shownFacts && this.left !== null) return; // so that a link in it keeps the focus
    this.shownFacts = facts;
    const { panel, left } = detailsOf(token, now);
    this.left = left;
    this.details.replaceChildren(panel);
  }

  showTable() {
    const [summary, table] = this.table.children;
    if (this.table.open && table?.contains(document.activeElement)) return;
    this.table.replaceChildren(summary, ...(this.table.open ? [tableOf(this.families, this.clocks)] : []));
  }
}

/** The view; the first argument may be the number of the exchange that issued a token. */
export function tokensView([number] = []) {
  const timeLine = new TimeLine(number ? Number(number) : null);
  const decoding = decoder();
  return {
    elements: [el("div", { class: "tools" }, el("h2", null, "Tokens"), timeLine.elements, decoding.elements)],
    leave() {
      timeLine.leave();
      decoding.leave();
    },
  };
}
