// Gets, refreshes and revokes tokens with Moov's TypeScript SDK (@moovio/sdk), as its README says, with the
// server's URL as the only addition.
//
// What the SDK sends (26.7.1, on Node's fetch):
// - POST /oauth2/token, POST /oauth2/revoke: "content-type: application/json", "accept: application/json";
//   members that are not given are left out of the body. GET /ping: "accept: */*". All with an empty "cookie".
// - "x-moov-version: v2026.07.00", set by a hook on every call: always the dated contract.
// - "authorization: Basic" from `security`, not percent-encoded, or Bearer from `accessToken`; both together are
//   refused by the SDK, and so is Basic where it believes itself in a browser.
// - "user-agent: speakeasy-sdk/typescript 26.7.1 2.924.0 v2026.07.00 @moovio/sdk".
// - It retries nothing unless told to, and has no client_type.
// What it accepts: `token_type` "Bearer" exactly; 204 for a revocation; JSON for 400 and 422; a refusal without a
// documented body is an APIError.

import { Moov } from "@moovio/sdk";
import * as errors from "@moovio/sdk/models/errors/index.js";

const { MOCKMOOV_URL: serverURL, MOCKMOOV_CLIENT_ID: username, MOCKMOOV_CLIENT_SECRET: password } = process.env;
const several = "/ping.read /accounts.write";

function check(name, ok, came) {
  if (!ok) process.exitCode = 1;
  console.log(ok ? `ok ${name}` : `not ok ${name}: ${String(came).slice(0, 300)}`);
}

const byKey = (secret = password) => new Moov({ serverURL, security: { username, password: secret } });
const byToken = (accessToken) => new Moov({ serverURL, accessToken });
const key = { clientId: username, clientSecret: password };

async function refused(name, call, kind, expected) {
  const error = await call().then(() => undefined, (reason) => reason);
  check(name, error instanceof kind && expected(error), error);
}
const withStatus = (status) => (error) => error.statusCode === status && error.body === "";
// data$ holds the request, the response and the body too, each under a name that ends in "$".
const members = (error) => Object.keys(error.data$).filter((member) => !member.endsWith("$"));
const naming = (field) => (error) => error.statusCode === 422 && members(error).join() === field;
const saying = (code) => (error) => error.statusCode === 400 && error.data$.error === code;

function checkToken(name, { result: token }, scope) {
  check(`${name}: Bearer`, token.tokenType === "Bearer", token.tokenType);
  check(`${name}: scope`, token.scope === scope, token.scope);
  const left = token.expiresIn - Date.now() / 1000;
  check(`${name}: expiry is a Unix time`, left > 3500 && left <= 3601, token.expiresIn);
  return token;
}

const moov = byKey();
const create = (request) => moov.authentication.createAccessToken(request);
const revoke = (request) => moov.authentication.revokeAccessToken(request);
const credentials = (scope) => ({ grantType: "client_credentials", scope });
const refresh = (refreshToken) => ({ grantType: "refresh_token", refreshToken });

const one = checkToken("one scope", await create(credentials("/ping.read")), "/ping.read");
const two = checkToken("several scopes", await create(credentials(several)), several);
const id = (await moov.ping.ping()).headers["x-request-id"];
check("ping by Basic", /^[0-9a-f-]{36}$/.test(id), id);
check("ping by bearer", (await byToken(one.accessToken).ping.ping()).headers["x-request-id"], "no request id");

const refreshed = checkToken("refresh", await create(refresh(two.refreshToken)), several);
check("refresh brings a new pair",
  refreshed.accessToken !== two.accessToken && refreshed.refreshToken !== two.refreshToken, "the same again");
check("ping with the refreshed token",
  (await byToken(refreshed.accessToken).ping.ping()).headers["x-request-id"], "no request id");

await revoke({ token: refreshed.accessToken, tokenTypeHint: "access_token" });
await refused("ping with a revoked access token", () => byToken(refreshed.accessToken).ping.ping(),
  errors.APIError, withStatus(401));
await revoke({ token: one.refreshToken });
await refused("revoking a refresh token revokes its access token", () => byToken(one.accessToken).ping.ping(),
  errors.APIError, withStatus(401));
await refused("refresh with a revoked token", () => create(refresh(one.refreshToken)),
  errors.AuthTokenRequestError, naming("refreshToken"));

// The documented example has the credentials in the body too, and a refresh token beside client_credentials.
const example = { ...credentials(several), ...key, refreshToken: "eyJhbGc0eSI6TQSIsImN0kpXVCIsImtp6IkpXVsImtpZC0a..." };
checkToken("the documented example", await create(example), several);
const plain = new Moov({ serverURL });
const alone = checkToken("body credentials alone",
  await plain.authentication.createAccessToken({ ...credentials("/accounts.write"), ...key }), "/accounts.write");
await refused("ping without its scope", () => byToken(alone.accessToken).ping.ping(), errors.APIError, withStatus(403));
await plain.authentication.revokeAccessToken({ token: alone.accessToken, ...key });
await refused("revoked with body credentials", () => byToken(alone.accessToken).ping.ping(),
  errors.APIError, withStatus(401));

await refused("wrong scope", () => create(credentials("/no-such.scope")), errors.AuthTokenRequestError, naming("scope"));
await refused("no scope", () => create(credentials()), errors.AuthTokenRequestError, naming("scope"));
await refused("unknown refresh token", () => create(refresh("never-was-one")),
  errors.AuthTokenRequestError, naming("refreshToken"));
const other = { clientId: "x", clientSecret: "y" };
await refused("Basic and body disagree", () => create({ ...credentials(several), ...other }),
  errors.GenericError, saying("invalid_request"));
await refused("revoke: Basic and body disagree", () => revoke({ token: "any", ...other }),
  errors.GenericError, saying("invalid_request"));
await refused("nothing to revoke", () => revoke({ token: "" }), errors.RevokeTokenRequestError, naming("token"));
check("revoking an unknown token is no error",
  await revoke({ token: "never-was-one" }).then(() => true, () => false), "an error");

const stranger = byKey("not-the-secret");
await refused("wrong secret", () => stranger.authentication.createAccessToken(credentials(several)),
  errors.APIError, withStatus(401));
await refused("revoke: wrong secret", () => stranger.authentication.revokeAccessToken({ token: "any" }),
  errors.APIError, withStatus(401));
await refused("ping: wrong secret", () => stranger.ping.ping(), errors.APIError, withStatus(401));
