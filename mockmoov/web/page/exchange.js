// One exchange in detail, with the curl command that repeats it.

import { timeText } from "./clocks.js";
import { codeBlock, copyButton, el } from "./dom.js";
import { outcome } from "./filters.js";
import { HIDDEN, jsonText, lacksBody, repeat, variablesOf } from "./repeat.js";

/** The status of a response, in its colour. */
export const statusMark = ({ status }) =>
  el("span", { class: outcome(status), title: status === null ? "No response was sent" : null }, status ?? "none");

const pairs = (list, testid) => el("dl", { class: "pairs", "data-testid": testid },
  list.map(([name, value]) => [el("dt", null, el("bdi", null, name)), el("dd", { class: "mono" }, el("bdi", null, value))]));

function section(title, list) {
  const present = list.filter(([, value]) => value !== null && value !== undefined);
  if (present.length === 0) return null;
  return el("section", null, el("h4", null, title), pairs(present, `detail-${title.toLowerCase().replaceAll(" ", "-")}`));
}

function facts(exchange) {
  return [
    ["number", String(exchange.number)],
    ["time", timeText(exchange.at)],
    ["endpoint", exchange.endpoint],
    ["client", exchange.client_id],
    ["contract", exchange.contract],
    ["fault", exchange.fault],
    ["stub", exchange.stub],
  ];
}

function tokens({ issued }) {
  const withDate = (name, value) => (name.endsWith("expires_at") ? timeText(value) : String(value));
  return Object.entries(issued).map(([name, value]) => [name, withDate(name, value)]);
}

function body({ body: sent }) {
  if (sent === null) return null;
  return el("section", null, el("h4", null, "Body"), codeBlock(jsonText(sent, 2), "detail-body"));
}

function curlNotes(exchange, command) {
  const variables = variablesOf(command);
  return [
    variables.length > 0 ? `Set ${new Intl.ListFormat("en").format(variables)} in your shell first.` : null,
    command.includes(HIDDEN) ? `Replace each ${HIDDEN}: the journal hides what was there.` : null,
    lacksBody(exchange) ? "The journal did not keep the body of this request." : null,
  ].filter((note) => note !== null);
}

function curlSection(exchange) {
  const command = repeat(exchange, location.origin);
  return el("section", null,
    el("div", { class: "bar" },
      el("h4", null, "Repeat this request"), el("span", { class: "push" }, copyButton(command, "Copy as curl"))),
    el("div", { class: "code" }, el("pre", { tabindex: "0", "data-testid": "curl" }, command)),
    el("p", { class: "hint" }, curlNotes(exchange, command).join(" ")));
}

const stubForm = ({ client_id: client }) => (client === null ? "#/controls" : `#/controls/${encodeURIComponent(client)}`);

/** The elements that describe an exchange. */
export function exchangeDetails(exchange) {
  const query = Object.entries(exchange.query).flatMap(([name, values]) => values.map((value) => [name, value]));
  return [
    el("p", { class: "mono long", "data-testid": "request-line" },
      statusMark(exchange), " ", el("bdi", null, `${exchange.method} ${exchange.path}`)),
    exchange.reason === null ? null : el("p", { class: "why long", "data-testid": "detail-reason" }, el("bdi", null, exchange.reason)),
    exchange.status === 501 ? el("p", null, el("a", { href: stubForm(exchange), "data-testid": "add-stub" }, "Add a stub")) : null,
    section("Exchange", facts(exchange)),
    section("Headers", Object.entries(exchange.headers)),
    section("Parameters", Object.entries(exchange.parameters)),
    section("Path parameters", Object.entries(exchange.path_parameters)),
    section("Query", query),
    body(exchange),
    section("Issued tokens", tokens(exchange)),
    Object.keys(exchange.issued).length === 0 ? null
      : el("p", null, el("a", { href: `#/tokens/${exchange.number}` }, "Show on the time line")),
    curlSection(exchange),
  ].filter((element) => element !== null);
}
