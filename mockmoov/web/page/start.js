// How to point a client at this server, which contract a request gets, and the settings of the server.

import { call } from "./api.js";
import { curl } from "./curl.js";
import { codeBlock, el } from "./dom.js";
import { journal, onChange } from "./journal.js";

const NEWEST = "v2026.10.00";
const EXAMPLE_ID = "5clTR_MdVrrkgxw2"; // of Moov's documentation

function curlLines(origin, clientId) {
  return curl({
    url: `${origin}/oauth2/token`, user: clientId,
    data: [["grant_type", "client_credentials"], ["scope", "/ping.read"]],
  });
}

const requestsLines = (origin, clientId) => `import os

import requests

response = requests.post(
    ${JSON.stringify(`${origin}/oauth2/token`)},
    auth=(${JSON.stringify(clientId)}, os.environ["CLIENT_SECRET"]),
    data={
        "grant_type": "client_credentials",
        "scope": "/ping.read",
    },
)
response.raise_for_status()
token = response.json()["access_token"]`;

const moovAuthLines = (origin, clientId) => `import os

import httpx2

from mockmoov.client import MoovAuth

url = ${JSON.stringify(origin)}
auth = MoovAuth(
    url,
    client_id=${JSON.stringify(clientId)},
    client_secret=os.environ["CLIENT_SECRET"],
    scope="/ping.read",
)
with httpx2.Client(base_url=url, auth=auth) as http:
    assert http.get("/ping").status_code == 200`;

const nodeLines = (origin, clientId) => `const clientId = ${JSON.stringify(clientId)};
const url = ${JSON.stringify(`${origin}/oauth2/token`)};
const basic = btoa(\`\${clientId}:\${process.env.CLIENT_SECRET}\`);
const response = await fetch(url, {
  method: "POST",
  headers: { Authorization: \`Basic \${basic}\` },
  body: new URLSearchParams({
    grant_type: "client_credentials",
    scope: "/ping.read",
  }),
});
const { access_token: token } = await response.json();`;

const PYTEST = `def test_moov_is_down_twice(moov):
    moov.faults.add(endpoint="token", status=503, times=2)
    my_program(moov.url, moov.client_id, moov.client_secret)`;

const DOCKER = `docker build -t mockmoov .
docker run --rm --read-only \\
  -p 127.0.0.1:8080:8080 mockmoov`;

const card = (title, ...children) => el("section", { class: "card" }, el("h3", null, title), children);

function clients(clientId) {
  const { origin } = location;
  return el("div", { class: "grid" },
    card("curl", codeBlock(curlLines(origin, clientId), "start-curl")),
    card("Node, with fetch", codeBlock(nodeLines(origin, clientId), "start-node")),
    card("Python, with requests", codeBlock(requestsLines(origin, clientId), "start-requests")),
    card("Python, with mockmoov's own client",
      codeBlock(moovAuthLines(origin, clientId), "start-moov-auth"),
      el("p", { class: "hint" }, "MoovAuth requests tokens, caches them, and renews them before they expire.")),
    card("pytest", codeBlock(PYTEST, "start-pytest"),
      el("p", { class: "hint" }, "Install mockmoov where your tests run. Its plugin starts a server; the fixture moov is a new API key on it.")),
    card("Docker", codeBlock(DOCKER, "start-docker"),
      el("p", { class: "hint" }, "In a container, the control plane and this page are off until you set MOCKMOOV_CONTROL_TOKEN.")));
}

function intro(keys) {
  const [first] = keys;
  const client = first === undefined
    ? "This server has no API key: create one under Controls, and put its client ID in place of CLIENT_ID. Then set "
    : ["The examples use the API key ", el("bdi", { class: "mono" }, first.client_id), ". First set "];
  return el("p", { "data-testid": "start-intro" }, "In place of https://api.moov.io, your code calls ", el("strong", { class: "mono" }, location.origin), ". ",
    client, el("code", null, "CLIENT_SECRET"), " to its secret in your shell, with ", el("code", null, "export"),
    first?.client_id === EXAMPLE_ID ? "; the server printed the secret of this example key when it started." : ".");
}

function contractName(version) {
  if (version === "2023") return "Moov's contract of 2023";
  if (version === "2023-sdk") return "the contract that Moov's Go SDK of 2023 accepts";
  return `the dated contract (${version})`;
}

function contract(version) {
  const isDated = !version.startsWith("2023");
  return card("The contract",
    el("p", { "data-testid": "contract" }, "A request without the header ", el("code", null, "X-Moov-Version"), " gets ",
      el("strong", null, contractName(version)), "."),
    el("p", null, "In the 2023 contract ", el("code", null, "expires_in"), " is a lifetime in seconds and a bad scope is 400 ",
      el("code", null, '{"error": "invalid_scope"}'), "; in the dated contract ", el("code", null, "expires_in"),
      " is the Unix time of expiry and a bad scope is 422 ", el("code", null, '{"scope": "..."}'), "."),
    el("p", { class: "hint" }, isDated
      ? "A client that sends X-Moov-Version gets the contract of that version."
      : ["To get the dated contract, send ", el("code", null, `X-Moov-Version: ${NEWEST}`), ", or start the server with ",
        el("code", null, `--default-version ${NEWEST}`), "."]));
}

function valueText(value) {
  if (value === null) return "not set";
  if (Array.isArray(value) && value.length === 0) return "none";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function settings(all) {
  const isDefault = ([, { source }]) => source === "default";
  const entries = Object.entries(all);
  const sorted = [...entries.filter((entry) => !isDefault(entry)), ...entries.filter(isDefault)];
  return card("Settings",
    el("p", { class: "hint" }, "Settings that differ from their defaults come first."),
    el("table", { "aria-label": "Settings", "data-testid": "settings", class: "settings" },
      el("thead", null, el("tr", null, ["Setting", "Value", "Source"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", null, sorted.map((entry) => row(entry, isDefault(entry))))));
}

function row([name, { value, source }], isDefault) {
  return el("tr", { class: isDefault ? null : "changed" },
    el("th", { scope: "row", class: "mono" }, name.split(/(?<=_)/).map((word) => [word, el("wbr")])),
    el("td", { class: "mono" }, el("bdi", null, valueText(value))),
    el("td", { class: isDefault ? "muted" : null }, el("bdi", null, source)));
}

async function fill(place) {
  try {
    const [config, { api_keys: keys }] = await Promise.all([call("GET", "/config"), call("GET", "/api-keys")]);
    place.replaceChildren(intro(keys), contract(config.settings.default_version.value),
      clients(keys[0]?.client_id ?? "CLIENT_ID"), settings(config.settings));
  } catch (error) {
    const text = error instanceof TypeError ? "The server is not responding." : `The server refused: ${error.message}`;
    place.replaceChildren(el("p", { class: "error", role: "alert" }, text));
  }
}

/** The view. */
export function startView() {
  const place = el("div", { class: "stack" }, el("p", { class: "hint" }, "Loading"));
  fill(place);
  const stopListening = onChange((added) => { // the server is back, or is another one
    if (added === null || (added.length === 0 && journal.state === "live")) fill(place);
  });
  return { elements: [el("h2", null, "Start here"), place], leave: stopListening };
}
