// Shows one view at a time, by the fragment of the URL: #/exchanges, #/tokens, #/controls, #/start.

import { onTokenNeeded } from "./api.js";
import { el } from "./dom.js";
import { follow, journal, onChange } from "./journal.js";
import { controlsView } from "./controls.js";
import { exchangesView } from "./exchanges.js";
import { startView } from "./start.js";
import { tokensView } from "./tokens.js";

// Each takes the parts of the fragment and its query, makes its elements once it is shown, and returns them with
// what to do when it is left (`leave`) and when only the rest of the fragment changes (`update`).
const VIEWS = { exchanges: exchangesView, tokens: tokensView, controls: controlsView, start: startView };

const content = document.getElementById("content");
const status = document.getElementById("status");
let current = null; // the name of the view, and what it returned

function showStatus() {
  const { state, newVersion } = journal;
  status.dataset.state = state.split(":")[0];
  status.replaceChildren(
    { live: "Live", connecting: "Connecting", lost: "The server is not responding. Retrying…" }[state] ?? state);
  if (newVersion !== null) {
    status.append(` The server is now version ${newVersion}. Reload this page. `,
      el("button", { type: "button", onclick: () => location.reload() }, "Reload"));
  }
}

const TITLES = { exchanges: "Exchanges", tokens: "Tokens", controls: "Controls", start: "Start here" };

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign
  }
}

/** "#/exchanges/17?status=4xx" as the name of the view, the parts after it, and the query. */
function parsedFragment() {
  const [path, ...query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name, rest: rest.map(decoded), query: new URLSearchParams(query.join("?")) };
}

function markCurrent(name) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[name]} – mockmoov`;
}

/** Show the view of the fragment. A view that has `update` takes a new fragment itself. */
function show() {
  const { name, rest, query } = parsedFragment();
  if (!Object.hasOwn(VIEWS, name)) {
    location.replace("#/exchanges");
    return;
  }
  if (current?.name === name && current.update !== undefined) {
    current.update(rest, query);
    return;
  }
  current?.leave?.();
  markCurrent(name);
  current = { ...VIEWS[name](rest, query), name };
  content.replaceChildren(...current.elements);
  scrollTo(0, 0);
  current.shown?.();
}

function skipToContent(event) {
  event.preventDefault(); // the fragment names the view
  content.focus();
}

onTokenNeeded((wasWrong) => new Promise((resolve) => {
  const input = el("input", { type: "password", id: "control-token", autocomplete: "off", required: true,
    "data-testid": "control-token" });
  const dialog = el("dialog", { "aria-labelledby": "token-title", "data-testid": "token-dialog" },
    el("form", { method: "dialog" },
      el("h2", { id: "token-title" }, "Control token"),
      el("p", null, wasWrong ? "This token is wrong." : "This server needs a control token: the value of its setting control_token."),
      el("label", { for: "control-token" }, "Token"), input,
      el("p", { class: "hint" }, "The page keeps it for this tab only."),
      el("div", { class: "bar" }, el("button", { type: "submit" }, "Use this token"))));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => { dialog.remove(); resolve(input.value); });
  document.body.append(dialog);
  dialog.showModal();
}));

onChange(showStatus);
addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", skipToContent);
showStatus();
show();
follow();
