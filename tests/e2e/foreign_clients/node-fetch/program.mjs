// Gets, refreshes and revokes tokens with Node's own fetch and URLSearchParams, no SDK.
//
// What fetch sends (Node 20): "content-type: application/x-www-form-urlencoded;charset=UTF-8", "user-agent: node",
// "accept: */*", "accept-language: *", "sec-fetch-mode: cors", and neither Origin nor Referer.

const { MOCKMOOV_URL: url, MOCKMOOV_CLIENT_ID: id, MOCKMOOV_CLIENT_SECRET: secret } = process.env;
const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const dated = { "X-Moov-Version": "v2024.01.00" };

function check(name, ok, came) {
  if (!ok) process.exitCode = 1;
  console.log(ok ? `ok ${name}` : `not ok ${name}: ${JSON.stringify(came).slice(0, 300)}`);
}

async function post(path, parameters, headers = { authorization }) {
  const body = new URLSearchParams(parameters);
  const response = await fetch(url + path, { method: "POST", headers, body });
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, headers: response.headers, text, json: type.startsWith("application/json") ? JSON.parse(text) : {} };
}

const token = (parameters, headers) => post("/oauth2/token", parameters, headers);
const revoke = (parameters, headers) => post("/oauth2/revoke", parameters, headers);
const ping = async (bearer) =>
  (await fetch(`${url}/ping`, { headers: { authorization: bearer ? `Bearer ${bearer}` : authorization } })).status;
// What may be printed of an answer: never a token.
const seen = ({ status, json }) => ({ status, error: json.error, members: Object.keys(json) });

const scope = "/ping.read /accounts.write";
const grant = { grant_type: "client_credentials", scope };
const members = "access_token,expires_in,refresh_token,scope,token_type";

let came = await token(grant);
check("token by Basic", came.status === 200 && came.json.token_type === "Bearer", seen(came));
check("five members, no more", Object.keys(came.json).sort().join() === members, seen(came));
check("scope as asked", came.json.scope === scope, came.json.scope);
check("seconds to live", came.json.expires_in === 3600, came.json.expires_in);
check("not to be stored", came.headers.get("cache-control") === "no-store", came.headers.get("cache-control"));
check("a request id", /^[0-9a-f-]{36}$/.test(came.headers.get("x-request-id") ?? ""), came.headers.get("x-request-id"));
const first = came.json;

came = await token({ ...grant, client_id: id, client_secret: secret }, {});
check("token by body credentials", came.status === 200, seen(came));

check("ping by bearer", (await ping(first.access_token)) === 200, "not 200");
check("ping by Basic", (await ping()) === 200, "not 200");

came = await token({ grant_type: "refresh_token", refresh_token: first.refresh_token });
check("refresh", came.status === 200 && came.json.scope === scope, seen(came));
check("refresh brings a new pair",
  came.json.access_token !== first.access_token && came.json.refresh_token !== first.refresh_token, "the same again");
const second = came.json;

came = await revoke({ token: second.access_token, token_type_hint: "access_token" });
check("revoke", came.status === 204 && came.text === "" && !came.headers.has("content-type"), seen(came));
check("ping with a revoked token", (await ping(second.access_token)) === 401, "not 401");

came = await token(grant);
const replayed = came.json;
const successor = (await token({ grant_type: "refresh_token", refresh_token: replayed.refresh_token })).json;
check("ping with a refreshed token", (await ping(successor.access_token)) === 200, "not 200");
came = await token({ grant_type: "refresh_token", refresh_token: replayed.refresh_token });
check("a used refresh token", came.status === 400 && came.json.error === "invalid_grant", seen(came));
check("which, shown again, ends its successor's access", (await ping(successor.access_token)) === 401, "not 401");
came = await token({ grant_type: "refresh_token", refresh_token: successor.refresh_token });
check("and its successor", came.status === 400 && came.json.error === "invalid_grant", seen(came));

came = await token({ ...grant, scope: "/no-such.scope" });
check("wrong scope", came.status === 400 && came.text === '{"error":"invalid_scope"}', came.text);
came = await token(grant, { authorization: `Basic ${Buffer.from(`${id}:not-the-secret`).toString("base64")}` });
check("wrong secret", came.status === 401 && came.json.error === "invalid_client", seen(came));
check("wrong secret is challenged", came.headers.get("www-authenticate") === 'Basic realm="moov"',
  came.headers.get("www-authenticate"));

came = await token(grant, { authorization, ...dated });
const left = came.json.expires_in - Date.now() / 1000;
check("dated: expiry is a Unix time", left > 3500 && left <= 3601, came.json.expires_in);
came = await token({ ...grant, scope: "/no-such.scope" }, { authorization, ...dated });
check("dated: wrong scope", came.status === 422 && typeof came.json.scope === "string", seen(came));
came = await token(grant, dated);
check("dated: no credentials", came.status === 401 && came.text === "" && !came.headers.has("www-authenticate"), seen(came));
came = await revoke({}, { authorization, ...dated });
check("dated: nothing to revoke", came.status === 422 && typeof came.json.token === "string", seen(came));
