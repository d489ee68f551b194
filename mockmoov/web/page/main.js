// Shows one view at a time, by the fragment of the URL: #/exchanges, #/tokens, #/controls, #/start.

import { onTokenNeeded } from "./api.js";
import { el } from "./dom.js";
import { follow, journal, onChange } from "./journal.js";
import { controlsView } from "./controls.js";
import { exchangesView } from "./exchanges.js";
import { startView } from "./start.js";
import { tokensView } from "./tokens.js";

// Each makes its elements once it is shown, and returns them with what to do when it is left.
const VIEWS = { exchanges: exchangesView, tokens: tokensView, controls: controlsView, start: startView };

const content = document.getElementById("content");
const status = document.getElementById("status");
let leave = () => {};

function showStatus() {
  const { state, newVersion } = journal;
  status.dataset.state = state.split(":")[0];
  status.replaceChildren(
    { live: "Live", connecting: "Connecting", lost: "The server does not answer. Trying again." }[state] ?? state);
  if (newVersion !== null) {
    status.append(` This page is of another version than the server (${newVersion}). `,
      el("button", { type: "button", onclick: () => location.reload() }, "Reload"));
  }
}

function show() {
  const [name, ...rest] = location.hash.replace(/^#\//, "").split("/");
  const view = VIEWS[name];
  if (view === undefined) {
    location.replace("#/exchanges");
    return;
  }
  leave();
  for (const link of document.querySelectorAll("nav a")) {
    const isCurrent = link.getAttribute("href") === `#/${name}`;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const shown = view(rest.map(decodeURIComponent));
  leave = shown.leave ?? (() => {});
  content.replaceChildren(...shown.elements);
}

onTokenNeeded((wasWrong) => new Promise((resolve) => {
  const input = el("input", { type: "password", id: "control-token", autocomplete: "off", required: true,
    "data-testid": "control-token" });
  const dialog = el("dialog", { "aria-labelledby": "token-title", "data-testid": "token-dialog" },
    el("form", { method: "dialog" },
      el("h2", { id: "token-title" }, "Control token"),
      el("p", null, wasWrong ? "This token is wrong." : "This server requires its control token (the setting control_token)."),
      el("label", { for: "control-token" }, "Token"), input,
      el("p", { class: "hint" }, "It is kept for this tab only."),
      el("button", { type: "submit" }, "Use this token")));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => { dialog.remove(); resolve(input.value); });
  document.body.append(dialog);
  dialog.showModal();
}));

onChange(showStatus);
addEventListener("hashchange", show);
showStatus();
show();
follow();
