// The fields that filter the journal. Their choices grow as values appear in it.

import { el } from "./dom.js";
import { NO_ONE } from "./filters.js";

const STATUSES = [["2xx"], ["3xx"], ["4xx"], ["5xx"], ["none", "no response"]];
const ENDPOINTS = [["token"], ["revoke"], ["ping"], [NO_ONE, "unknown path"]];

/** A select whose first choice is any value. */
function choice(label, name, known, onPick) {
  const select = el("select", { "data-testid": `filter-${name}`, onchange: () => onPick(name, select.value) },
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

/** The fields. `onPick` gets the name of a filter and its new value. */
export function filterFields(onPick) {
  const keys = choice("API key", "key", [[NO_ONE, "unknown"]], onPick);
  const endpoints = choice("Endpoint", "endpoint", ENDPOINTS, onPick);
  const statuses = choice("Status", "status", STATUSES, onPick);
  const text = el("input", { type: "search", "data-testid": "filter-text", autocomplete: "off", spellcheck: "false",
    placeholder: "Path, reason, header, parameter, id", oninput: () => onPick("text", text.value) });
  return {
    elements: [keys.element, endpoints.element, statuses.element, el("label", null, "Text", text)],
    addKey: (clientId) => keys.add(clientId),
    /** Offer the values that an exchange has. */
    learn({ client_id: client, endpoint, status }) {
      if (client !== null) keys.add(client);
      if (endpoint !== null) endpoints.add(endpoint);
      if (status !== null) statuses.add(String(status));
    },
    set(filters) {
      keys.set(filters.key);
      endpoints.set(filters.endpoint);
      statuses.set(filters.status);
      if (text.value !== filters.text) text.value = filters.text;
    },
  };
}
