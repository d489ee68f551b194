// What every control has: fields, a button, the curl line that does the same, and a place for errors.

import { call } from "./api.js";
import { quote } from "./curl.js";
import { copyButton, el } from "./dom.js";

let count = 0;

/** A label with its field below. */
export function field(label, input, hint) {
  count += 1;
  input.id ||= `field-${count}`;
  return el("div", { class: "field" }, el("label", { for: input.id }, label), input, hint ? el("p", { class: "hint" }, hint) : null);
}

/** A checkbox before its label. */
export function checkField(label, input) {
  return el("label", { class: "check" }, input, el("bdi", { class: "any" }, label));
}

function curlLine({ method, path, body }) {
  const token = sessionStorage.getItem("mockmoov-control-token") === null ? "" : ' -H "X-Mockmoov-Token: $CONTROL_TOKEN"';
  const data = body === undefined ? "" : ` \\\n  -d ${quote(JSON.stringify(body))}`;
  return `curl -X ${method} \\\n  ${quote(`${location.origin}/_mockmoov${path}`)}${token} \\\n  -H 'Content-Type: application/json'${data}`;
}

/** Asks the user to confirm; a promise of true or false. */
function confirmed(question, action) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": "confirm-title", "data-testid": "confirm" },
      el("form", { method: "dialog", class: "tools" },
        el("p", { id: "confirm-title" }, el("bdi", { class: "any" }, question)),
        el("div", { class: "row" },
          el("button", { type: "submit", value: "no", class: "quiet", autofocus: true, "data-testid": "confirm-no" }, "Cancel"),
          el("button", { type: "submit", value: "yes", class: "danger", "data-testid": "confirm-yes" }, action))));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const errorText = (error) => (error instanceof TypeError ? "The server is not responding." : error.message);

/** A place for the error of a control, and a function that does something and puts its error there. */
export function problemPlace() {
  const place = el("p", { class: "error", role: "alert" });
  const attempt = async (work) => {
    place.textContent = "";
    try {
      return await work();
    } catch (error) {
      place.textContent = errorText(error);
      return undefined;
    }
  };
  return { place, attempt };
}

/**
 * A form that sends one request. `request` makes it of what is entered now: method, path and body; it may throw an
 * Error for the user. `after` gets the response; `confirm` is a question to ask before; `about` names the thing it
 * changes, if there are several.
 */
export function control({ label, about, testid, fields = [], request, after, confirm, quiet = false }) {
  const { place, attempt } = problemPlace();
  const code = el("pre", { tabindex: "0", "data-testid": `${testid}-curl` });
  const style = confirm ? "danger" : quiet && "quiet";
  const button = el("button", { type: "submit", class: style, "aria-label": about && `${label}: ${about}`, "data-testid": testid }, label);
  const showCurl = () => {
    try {
      code.textContent = curlLine(request());
    } catch (error) {
      code.textContent = error.message;
    }
  };
  const lines = el("details", { class: "curl" }, el("summary", null, "curl"),
    el("div", { class: "code" }, code, copyButton(() => code.textContent)));
  const form = el("form", { class: "control" }, fields, el("div", { class: "row" }, button), lines, place);
  form.addEventListener("input", showCurl);
  form.addEventListener("change", showCurl);
  lines.addEventListener("toggle", showCurl);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (confirm && !await confirmed(confirm, label)) return;
    button.disabled = true;
    await attempt(async () => {
      const { method, path, body } = request();
      const response = await call(method, path, body);
      await after(response);
    });
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // a disabled button loses the focus
    showCurl();
  });
  return form;
}
