// Gets tokens with Moov's older Node SDK (@moovio/node), as its README says, with Got's prefixUrl, which its
// constructor takes for such purposes, as the only addition.
//
// What the SDK sends (1.2.2, Got 12):
// - POST /oauth2/token: a form with the credentials in it, "authorization: Basic" with the same credentials,
//   "origin: <the domain of the API key>", "accept: application/json".
// - GET /ping: Basic, no Origin.
// - "user-agent: got (https://github.com/sindresorhus/got)", no X-Moov-Version.
// - Got repeats a failed GET (408, 413, 429, 5xx) twice, a POST never.
// It takes `expires_in` for seconds, so on the dated contract its `expiresOn` lies decades ahead. It has neither
// refresh nor revocation; its errors are Got's HTTPError.

import { Moov, SCOPES } from "@moovio/node";

const { MOCKMOOV_URL: prefixUrl, MOCKMOOV_CLIENT_ID: publicKey, MOCKMOOV_CLIENT_SECRET: secretKey } = process.env;
const accountID = "5352b013-ae58-4a63-8a3f-97f316a917cf";
const credentials = { accountID, publicKey, secretKey, domain: "http://localhost:3000" };
const everyScope = Object.values(SCOPES);

function check(name, ok, came) {
  if (!ok) process.exitCode = 1;
  console.log(ok ? `ok ${name}` : `not ok ${name}: ${String(came).slice(0, 300)}`);
}

const sdk = (changes = {}, options = {}) => new Moov({ ...credentials, ...changes }, { prefixUrl, ...options });
const scopesOf = ({ token }) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).scp;
const rendered = (scopes, account = accountID) => scopes.join(" ").replaceAll("{accountID}", account);

async function refused(name, call, status, body) {
  const error = await call().then(() => undefined, (reason) => reason);
  check(name, error?.name === "HTTPError" && error.response.statusCode === status && error.response.body === body,
    `${error} ${error?.response?.body}`);
}

const moov = sdk();
let token = await moov.generateToken([SCOPES.PING]);
check("one scope", scopesOf(token) === "/ping.read", scopesOf(token));
const left = (token.expiresOn - Date.now()) / 1000;
check("an hour to live", left > 3500 && left <= 3600, token.expiresOn);
check("a refresh token", typeof token.refreshToken === "string" && token.refreshToken !== "", typeof token.refreshToken);
check("the domain is an audience", JSON.parse(Buffer.from(token.token.split(".")[1], "base64url"))
  .aud.includes(credentials.domain), "not in aud");

token = await moov.generateToken([SCOPES.ACCOUNTS_CREATE, SCOPES.PING]);
check("several scopes", scopesOf(token) === "/accounts.write /ping.read", scopesOf(token));
token = await moov.generateToken(everyScope);
check(`all of its ${everyScope.length} scopes`, scopesOf(token) === rendered(everyScope), scopesOf(token));
const another = "c520f1b9-0ba7-42f5-b977-248cdbe41c69";
token = await moov.generateToken(everyScope, another);
check("all of its scopes for another account", scopesOf(token) === rendered(everyScope, another), scopesOf(token));
token = await moov.getToken();
check("the token it makes for its own calls", scopesOf(token) === rendered(everyScope), scopesOf(token));
check("which it keeps", (await moov.getToken()).token === token.token, "another");

await moov.ping();
check("ping by Basic", true);
const bearer = { headers: { authorization: `Bearer ${token.token}` }, username: undefined, password: undefined };
const status = async (headers) =>
  (await fetch(`${prefixUrl}/ping`, { headers: { ...bearer.headers, ...headers } })).status;
check("its token, used with its domain as Origin", (await status({ origin: credentials.domain })) === 200, "not 200");
check("its token, used with a foreign Origin", (await status({ origin: "https://evil.example" })) === 401, "not 401");
check("its token, used without Origin", (await status({})) === 200, "not 200");

token = await sdk({ domain: "https://elsewhere.example" }).generateToken([SCOPES.PING]);
check("a domain that is not the key's does not stop a token", scopesOf(token) === "/ping.read", scopesOf(token));
await refused("wrong scope", () => moov.generateToken(["/no-such.scope"]), 400, '{"error":"invalid_scope"}');
await refused("an account that is none", () => moov.generateToken([SCOPES.WALLETS_READ], "not-a-uuid"), 400,
  '{"error":"invalid_scope"}');
await refused("wrong secret", () => sdk({ secretKey: "not-the-secret" }).generateToken([SCOPES.PING]), 401,
  '{"error":"invalid_client"}');
await refused("ping: wrong secret", () => sdk({ secretKey: "not-the-secret" }).ping(), 401, "");

const dated = sdk({}, { headers: { "x-moov-version": "v2024.01.00" } });
token = await dated.generateToken([SCOPES.PING]);
check("dated: takes the Unix time for seconds", token.expiresOn.getUTCFullYear() > 2070, token.expiresOn);
await refused("dated: wrong secret", () => sdk({ secretKey: "not-the-secret" }, {
  headers: { "x-moov-version": "v2024.01.00" } }).generateToken([SCOPES.PING]), 401, "");
