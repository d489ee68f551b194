// Draws token families on a time line: a lane for each family, a bar for each access token, marks for its events.

import { svg } from "./dom.js";
import { spanText, timeText } from "./clocks.js";
import { revocationOf } from "./token-history.js";

const LABEL = 18;
const ROW = 18;
const BAR = 14;
const GAP = 8;
const AXIS = 22;
const MOST_ROWS = 5; // of one lane; later bars reuse them
const MOST_BARS = 300; // of the drawing
const LEAST_BARS = 3; // of one lane, if it has as many
const MOST_MARKS = 8; // of one token
const LETTER = 6.3; // the width of a letter, about
const TICK_WIDTH = 96;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const MARKS = {
  refresh: "M0 -4A4 4 0 1 1 0 4A4 4 0 1 1 0 -4Z",
  revocation: "M-4 -4H4V4H-4Z",
  refusal: "M-4 -4L4 4M4 -4L-4 4",
};

/** The names of the marks, for the legend. */
export const MARK_NAMES = { refresh: "Refreshed", revocation: "Revoked", refusal: "Refused" };

/** A mark as an icon. */
export const markIcon = (kind) => svg("svg", { class: "mark-icon", viewBox: "-6 -6 12 12", "aria-hidden": "true" },
  svg("path", { class: `mark ${kind}`, d: MARKS[kind] }));

/** The lifetime of an access token. */
export const lifetimeText = (token) => spanText(token.expiresAt - Math.floor(token.at));

/** The last time that the bar or a mark of a token reaches. */
export const endOf = (token) => Math.max(token.expiresAt, token.at, ...token.events.slice(-MOST_MARKS).map(({ at }) => at));

/** A text cut to a width in pixels, with an ellipsis. */
function cut(text, width) {
  const room = Math.max(3, Math.floor(width / LETTER));
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

/** Whether a token is "active", "expired", "revoked" or "unknown" at a time. */
export function stateOf(token, now) {
  if (revocationOf(token) !== null) return "revoked";
  if (now === null) return "unknown";
  return now >= token.expiresAt ? "expired" : "active";
}

/** Gives each token a row in which it covers no other one, as long as there are rows. */
function packRows(tokens, gap) {
  const ends = [];
  return tokens.map((token, index) => {
    let row = ends.findIndex((end) => end + gap <= token.at);
    if (row === -1) row = ends.length < MOST_ROWS ? ends.length : index % MOST_ROWS;
    ends[row] = Math.max(ends[row] ?? -Infinity, endOf(token));
    return row;
  });
}

function stepFor(span, width) {
  const least = span * TICK_WIDTH / width;
  const step = STEPS.find((candidate) => candidate >= least);
  return step ?? 86400 * 2 ** Math.ceil(Math.log2(least / 86400));
}

function tickText(seconds, step) {
  const text = timeText(seconds);
  if (step >= 86400) return text.slice(0, 10);
  const clock = text.slice(11, step < 60 ? 19 : 16);
  return seconds % 86400 === 0 ? text.slice(5, 10) : clock;
}

/** The axis with times in UTC. */
export function axis(range, width) {
  const x = scale(range, width);
  const step = stepFor(range.to - range.from, width);
  const ticks = [];
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) {
    const isLast = x(at) > width - TICK_WIDTH / 2;
    ticks.push(svg("line", { class: "tick", x1: x(at), x2: x(at), y1: AXIS - 5, y2: AXIS }),
      svg("text", { x: isLast ? x(at) - 3 : x(at) + 3, y: AXIS - 8, "text-anchor": isLast ? "end" : "start" }, tickText(at, step)));
  }
  return svg("svg", { class: "axis", width, height: AXIS, "aria-hidden": "true" },
    svg("line", { class: "tick", x1: 0, x2: width, y1: AXIS - 0.5, y2: AXIS - 0.5 }), ticks);
}

/** From Unix seconds to pixels; times out of sight stay just outside. */
const scale = (range, width) => (at) =>
  Math.min(width + 20, Math.max(-20, (at - range.from) / (range.to - range.from) * width));

function barText(token, width) {
  const count = token.scope.split(" ").filter((scope) => scope !== "").length;
  const texts = count > 1 ? [token.scope, `${count} scopes`] : [token.scope];
  return texts.find((text) => text.length * LETTER + 14 <= width) ?? "";
}

/** The widest part of a bar without a mark: where it begins, and its width. */
function widestGap(left, right, marks) {
  const edges = [left, ...marks.filter((mark) => mark > left && mark < right).sort((a, b) => a - b), right];
  const gaps = edges.slice(1).map((edge, index) => ({ from: edges[index], width: edge - edges[index] }));
  return gaps.reduce((a, b) => (b.width > a.width ? b : a));
}

const spoken = (token, state) => `Token ${token.name} of ${token.clientId}, ${state}, ${token.scope}, `
  + `issued ${timeText(token.at)}, lifetime ${lifetimeText(token)}, events: ${token.events.length}`;

function bar(token, y, x, width, now) {
  const state = stateOf(token, now);
  const left = Math.max(-2, x(token.at));
  const right = Math.max(left + 4, x(token.expiresAt));
  const revoked = revocationOf(token);
  const events = token.events.slice(-MOST_MARKS);
  const gap = widestGap(Math.max(left, 0), Math.min(right, width), events.map(({ at }) => x(at)));
  const marks = events.map((event) => svg("path", {
    class: `mark ${event.kind}`, d: MARKS[event.kind], transform: `translate(${x(event.at)} ${y + BAR / 2})`,
  }));
  const over = revoked === null ? right : Math.max(left, x(revoked.at));
  return svg("g", {
    class: `bar ${state}`, role: "button", tabindex: "-1", "aria-label": spoken(token, state), "aria-pressed": "false",
    "data-number": token.number, "data-testid": "token-bar",
  },
    svg("title", {}, spoken(token, state)),
    svg("rect", { class: "life", x: left, y, width: right - left, height: BAR, rx: 3 }),
    over < right ? svg("rect", { class: "over", x: over, y: y + 1, width: right - over, height: BAR - 2 }) : null,
    svg("text", { x: gap.from + 7, y: y + BAR - 3 }, barText(token, gap.width)),
    marks);
}

function lane(family, y, range, width, now, most) {
  const x = scale(range, width);
  const inSight = family.tokens.filter((token) => endOf(token) >= range.from && token.at <= range.to).slice(-most);
  const rows = packRows(inSight, (range.to - range.from) * 10 / width);
  const height = LABEL + Math.max(1, ...rows.map((row) => row + 1)) * ROW + GAP;
  const label = `Family ${family.id.slice(0, 12)} of ${family.clientId ?? "no API key"}`;
  const left = family.tokens.length - inSight.length;
  const note = left > 0 ? ` · ${left} more not drawn` : "";
  const group = svg("g", { role: "group", "aria-label": label, "data-testid": "token-lane" },
    svg("text", { class: "lane-name", x: 4, y: y + LABEL - 5 }, cut(label, width - 8 - note.length * LETTER) + note),
    inSight.map((token, index) => bar(token, y + LABEL + rows[index] * ROW, x, width, now)),
    svg("line", { class: "lane-end", x1: 0, x2: width, y1: y + height - 0.5, y2: y + height - 0.5 }));
  const line = svg("line", { class: "now", y1: y, y2: y + height });
  return { group, line, height, clientId: family.clientId ?? "" };
}

/** Draw families. Returns the drawing, and `moveNow`, which moves the lines of now. */
export function draw(families, range, width, clocks) {
  const lanes = [];
  let height = 0;
  const most = Math.max(LEAST_BARS, Math.floor(MOST_BARS / families.length));
  for (const family of families) {
    const made = lane(family, height, range, width, clocks.now(family.clientId ?? ""), most);
    lanes.push(made);
    height += made.height;
  }
  const x = scale(range, width);
  const moveNow = () => {
    for (const { line, clientId } of lanes) {
      const now = clocks.now(clientId);
      line.style.display = now === null ? "none" : "";
      if (now === null) continue;
      line.classList.toggle("frozen", clocks.get(clientId).frozen);
      line.setAttribute("x1", x(now));
      line.setAttribute("x2", x(now));
    }
  };
  moveNow();
  const drawing = svg("svg", { class: "lanes", width, height, role: "group", "aria-label": "Tokens on a time line", "data-testid": "timeline" },
    lanes.map(({ group, line }) => [group, line]));
  return { drawing, moveNow };
}
