"""Requests that are wrong in one place, and the reason that names the mistake."""

import base64
from typing import NamedTuple
from urllib.parse import urlencode

from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    Header,
    basic,
    bearer,
)

FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")
TOKEN = "/oauth2/token"
GRANT = {"grant_type": "client_credentials", "scope": "/ping.read"}
REFRESH = {"grant_type": "refresh_token"}
KEY = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


class Request(NamedTuple):
    """`<access>` and the like in the target, the headers and the body stand for tokens."""

    method: str
    target: str
    headers: list[Header]
    body: bytes = b""


def form(parameters: dict[str, str], *headers: Header, target: str = TOKEN) -> Request:
    return Request("POST", target, [FORM, *headers], urlencode(parameters, safe="<>").encode())


def json_body(body: bytes, *headers: Header, target: str = TOKEN) -> Request:
    return Request("POST", target, [JSON, *headers], body)


def with_basic(text: str) -> Request:
    return form(GRANT, ("authorization", "Basic " + base64.b64encode(text.encode()).decode()))


def get(target: str, *headers: Header) -> Request:
    return Request("GET", target, [*headers])


def ping(authorization: str) -> Request:
    return get("/ping", ("authorization", authorization))


WITHOUT_GRANT_TYPE = {"scope": "/ping.read"}
WITHOUT_SCOPE = {"grant_type": "client_credentials"}
MISSING_GRANT_TYPE = "grant_type is missing: send client_credentials or refresh_token"
MISSING_SCOPE = "scope is missing: name at least one, such as /accounts.write"
NO_CREDENTIALS = "no client credentials were sent: use HTTP Basic, or client_id and client_secret in the body"
UNSUPPORTED = "grant_type must be client_credentials or refresh_token"
UNKNOWN_CLIENT = "there is no API key with this client_id"
NOT_BASE64 = "the Basic credentials are not base64-encoded UTF-8 text"
NETRC = "; ~/.netrc may have replaced a Bearer token: remove its entry for this host"
CONTENT_TYPE = "Content-Type must be application/json or application/x-www-form-urlencoded"
VERSION = (
    "X-Moov-Version is malformed: send vYYYY.MM.BB, vYYYY.MM or latest, or no such header for contract 2023; "
)
NO_TOKEN = "the program had no value to send"
EMPTY_SEGMENT = "no such path; the part after /accounts is empty: the program may have had no value for it"
ELSEWHERE = (
    "the token is of another server, or from before a restart or a reset: request a new one; "
    "tokens survive a restart only with the setting store or seed"
)

NEAR_MISSES: dict[str, tuple[Request, str]] = {
    # parameters
    "grantType": (
        form({**WITHOUT_GRANT_TYPE, "grantType": "client_credentials"}, basic()),
        f"{MISSING_GRANT_TYPE}; rename grantType to grant_type",
    ),
    "Grant_Type": (
        form({**WITHOUT_GRANT_TYPE, "Grant_Type": "client_credentials"}, basic()),
        f"{MISSING_GRANT_TYPE}; rename Grant_Type to grant_type",
    ),
    "scopes": (
        form({**WITHOUT_SCOPE, "scopes": "/ping.read"}, basic()),
        f"{MISSING_SCOPE}; rename scopes to scope",
    ),
    "Scope": (
        form({**WITHOUT_SCOPE, "Scope": "/ping.read"}, basic()),
        f"{MISSING_SCOPE}; rename Scope to scope",
    ),
    "an empty scope": (form({**GRANT, "scope": ""}, basic()), f"{MISSING_SCOPE}; scope was sent empty"),
    "clientId and clientSecret": (
        form({**GRANT, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}),
        f"{NO_CREDENTIALS}; rename clientId to client_id and clientSecret to client_secret",
    ),
    "clientSecret": (
        form({**GRANT, "client_id": CLIENT_ID, "clientSecret": CLIENT_SECRET}),
        "client_secret is missing; rename clientSecret to client_secret",
    ),
    "an empty client_secret": (
        form({**GRANT, **KEY, "client_secret": ""}),
        "client_secret is missing; client_secret was sent empty",
    ),
    "the names of Moov's dashboard": (
        form({**GRANT, "public_key": CLIENT_ID, "secret_key": CLIENT_SECRET}),
        f"{NO_CREDENTIALS}; rename public_key to client_id and secret_key to client_secret",
    ),
    "token instead of refresh_token": (
        form({**REFRESH, "token": "<refresh>"}, basic()),
        "refresh_token is missing; rename token to refresh_token",
    ),
    "refresh_token instead of token": (
        form({"refresh_token": "<refresh>"}, basic(), target="/oauth2/revoke"),
        "token is missing; rename refresh_token to token",
    ),
    "client-credentials": (
        form({**GRANT, "grant_type": "client-credentials"}, basic()),
        f"{UNSUPPORTED}; did you mean client_credentials?",
    ),
    "authorization_code": (
        form({**GRANT, "grant_type": "authorization_code"}, basic()),
        f"{UNSUPPORTED}; Moov does not have authorization_code",
    ),
    "parameters in the query, and an empty JSON body": (
        json_body(b"{}", basic(), target=f"{TOKEN}?{urlencode(GRANT)}"),
        f"{MISSING_GRANT_TYPE}; grant_type in the query string is not read, as there is a body",
    ),
    # scopes
    "a list of scopes": (
        json_body(b'{"grant_type": "client_credentials", "scope": ["/ping.read"]}', basic()),
        "scope must be a string: join its items with spaces",
    ),
    "commas between scopes": (
        form({**GRANT, "scope": "/ping.read,/accounts.read"}, basic()),
        "scope contains a comma: separate scopes with spaces",
    ),
    "no slash before a scope": (
        form({**GRANT, "scope": "accounts.read"}, basic()),
        "scope accounts.read is not known; did you mean /accounts.read?",
    ),
    "an account to fill in": (
        form({**GRANT, "scope": "/accounts/{accountID}/cards.read"}, basic()),
        "scope /accounts/{accountID}/cards.read is not known; "
        "replace {accountID} with the UUID of an account",
    ),
    # bodies
    "a byte order mark before JSON": (
        json_body(b'\xef\xbb\xbf{"grant_type": "client_credentials"}', basic()),
        "the body is not JSON: it begins with a byte order mark, so save it as UTF-8 without one",
    ),
    "a Python dict": (
        json_body(b"{'grant_type': 'client_credentials'}", basic()),
        "the body is not JSON: it has single quotes, as Python prints a dict; JSON has double quotes",
    ),
    "a form as JSON": (
        json_body(urlencode(GRANT).encode(), basic()),
        "the body is not JSON, but looks like a form: send Content-Type application/x-www-form-urlencoded",
    ),
    "JSON as text/plain": (
        Request(
            "POST", TOKEN, [("content-type", "text/plain;charset=UTF-8"), basic()], b'{"grant_type": ""}'
        ),
        f"{CONTENT_TYPE}, not text/plain",
    ),
    "a form without Content-Type": (
        Request("POST", TOKEN, [basic()], urlencode(GRANT).encode()),
        f"{CONTENT_TYPE}; none was sent",
    ),
    "a byte order mark before a form": (
        Request("POST", TOKEN, [FORM, basic()], b"\xef\xbb\xbf" + urlencode(GRANT).encode()),
        rf"{MISSING_GRANT_TYPE}; rename \ufeffgrant_type to grant_type",
    ),
    # credentials
    "a line break after Basic": (
        with_basic(f"{CLIENT_ID}:{CLIENT_SECRET}\n"),
        "client_secret is wrong: it ends with a line break",
    ),
    "a line break after the secret": (
        form({**GRANT, **KEY, "client_secret": f"{CLIENT_SECRET}\n"}),
        "client_secret ends with a line break",
    ),
    "quotes around the secret": (
        with_basic(f'{CLIENT_ID}:"{CLIENT_SECRET}"'),
        "client_secret is wrong: it is in quotes",
    ),
    "quotes around the id": (
        with_basic(f"'{CLIENT_ID}':{CLIENT_SECRET}"),
        f"{UNKNOWN_CLIENT}: it is in quotes",
    ),
    "swapped halves": (
        with_basic(f"{CLIENT_SECRET}:{CLIENT_ID}"),
        "client_id and client_secret are swapped",
    ),
    "the id twice": (
        with_basic(f"{CLIENT_ID}:{CLIENT_ID}"),
        "client_secret is wrong: it is the same as client_id",
    ),
    "empty variables": (with_basic(":"), f"{UNKNOWN_CLIENT}: it is empty"),
    "an empty secret": (with_basic(f"{CLIENT_ID}:"), "client_secret is wrong: it is empty"),
    "a variable that nothing expanded": (
        with_basic(f"{CLIENT_ID}:$MOOV_SECRET"),
        "client_secret is wrong: it is a placeholder that nothing has filled in",
    ),
    "an undefined secret": (
        with_basic(f"{CLIENT_ID}:undefined"),
        f"client_secret is wrong: it is the word undefined: {NO_TOKEN}",
    ),
    "half a secret": (
        with_basic(f"{CLIENT_ID}:{CLIENT_SECRET[:20]}"),
        "client_secret is wrong: it is only 20 of the 32 characters of the right one",
    ),
    "a secret in lower case": (
        with_basic(f"{CLIENT_ID}:{CLIENT_SECRET.lower()}"),
        "client_secret is wrong: only its case is wrong",
    ),
    "Basic without base64": (
        form(GRANT, ("authorization", f"Basic {CLIENT_ID}:{CLIENT_SECRET}")),
        f"{NOT_BASE64}: encode client_id:client_secret before you send it",
    ),
    "Basic without padding": (
        form(
            GRANT, ("authorization", basic()[1].rstrip("=") if basic()[1].endswith("=") else basic()[1][:-1])
        ),
        f"{NOT_BASE64}: use the standard alphabet of base64, with padding",
    ),
    "Basic from ~/.netrc next to the body": (
        form({**GRANT, **KEY}, basic("someone", "else")),
        "client_id differs between the body and the Authorization header, "
        "which a client may have added from ~/.netrc",
    ),
    "Basic from ~/.netrc instead of Bearer": (
        get("/ping", basic("someone", "else")),
        f"HTTP Basic was sent: {UNKNOWN_CLIENT}{NETRC}",
    ),
    "a token with HTTP Basic": (
        ping("base64 <access>:"),
        f"HTTP Basic was sent: {UNKNOWN_CLIENT}; the client_id is a token: send it as a Bearer token",
    ),
    # access tokens
    "no Authorization header": (get("/ping"), "no Authorization header was sent: send a Bearer token"),
    "access_token in the query": (
        get("/ping?access_token=<access>"),
        "no Authorization header was sent: send a Bearer token; "
        "the access_token in the query string is not read",
    ),
    "a token without Bearer": (
        ping("<access>"),
        "the Authorization header lacks a scheme: put the word Bearer before the token",
    ),
    "credentials without Basic": (
        ping(f"{CLIENT_ID}:{CLIENT_SECRET}"),
        "the Authorization header lacks a scheme: encode client_id:client_secret, after the word Basic",
    ),
    "a tab after Bearer": (
        ping("Bearer\t<access>"),
        "the Authorization header lacks a space after Bearer",
    ),
    "an empty header": (ping(""), "an empty Authorization header was sent: send a Bearer token"),
    "a token in brackets": (ping("Bearer <<access>>"), "the token is in brackets"),
    "the scheme Token": (
        ping("Token <access>"),
        "the Authorization header has the scheme token: send Bearer",
    ),
    "a colon after Bearer": (
        ping("Bearer: <access>"),
        "the Authorization header lacks a space after Bearer",
    ),
    "an empty token": (ping("Bearer "), "the token is empty"),
    "an undefined token": (ping("Bearer undefined"), f"the token is the word undefined: {NO_TOKEN}"),
    "a token that nothing filled in": (
        ping("Bearer {{access_token}}"),
        "the token is a placeholder that nothing has filled in",
    ),
    "Bearer twice": (
        ping("Bearer Bearer <access>"),
        "the token begins with the word Bearer, which is not a part of it",
    ),
    "a token in quotes": (ping('Bearer "<access>"'), "the token is in quotes"),
    "the whole response": (
        ping('Bearer {"access_token":"<access>"}'),
        "the token is JSON: send only the value in it",
    ),
    "the refresh token": (
        ping("Bearer <refresh>"),
        "the token is a refresh token: send the access_token of the same response",
    ),
    "the access token to refresh": (
        form({**REFRESH, "refresh_token": "<access>"}, basic()),
        "refresh_token is unknown: it is an access token: send the refresh_token of the same response",
    ),
    "the secret as token": (
        ping(f"Bearer {CLIENT_SECRET}"),
        "the token is a part of an API key: request a token with the key at POST /oauth2/token",
    ),
    "a token of another server": (
        ping("Bearer <elsewhere>"),
        "the token was issued by another server: its issuer is https://auth.example",
    ),
    "a token of another key": (
        ping("Bearer <foreign>"),
        ELSEWHERE,
    ),
    "a token without its end": (
        ping("Bearer <most>"),
        "the token is cut short: it has <length> characters, and its signature is not whole",
    ),
    "half a token": (
        ping("Bearer <half>"),
        f"the token is not a whole JWT, and {ELSEWHERE.removeprefix('the token ')}",
    ),
    # paths, methods and versions
    "/token": (form(GRANT, basic(), target="/token"), "no such path; did you mean /oauth2/token?"),
    "/oauth/token": (
        form(GRANT, basic(), target="/oauth/token"),
        "no such path; did you mean /oauth2/token?",
    ),
    "/oauth2/token/": (
        form(GRANT, basic(), target="/oauth2/token/"),
        "no such path; did you mean /oauth2/token?",
    ),
    "//oauth2/token": (
        form(GRANT, basic(), target="//oauth2/token"),
        "no such path; did you mean /oauth2/token?",
    ),
    "/oauth2/authorize": (
        get("/oauth2/authorize"),
        "no such path; Moov has no authorization endpoint, "
        "only the client_credentials and refresh_token grants",
    ),
    "/.well-known/openid-configuration": (
        get("/.well-known/openid-configuration"),
        "no such path; Moov has no OpenID Connect, but there is /.well-known/oauth-authorization-server",
    ),
    "/transfers": (
        get("/transfers", bearer("<access>")),
        "no such path; did you mean /accounts/{accountID}/transfers?",
    ),
    "/wallets": (
        get("/wallets", bearer("<access>")),
        "no such path; did you mean /accounts/{accountID}/wallets?",
    ),
    "/v1/accounts": (get("/v1/accounts", bearer("<access>")), "no such path; did you mean /accounts?"),
    "/accounts//transfers": (get("/accounts//transfers", bearer("<access>")), EMPTY_SEGMENT),
    "GET /oauth2/token": (get(TOKEN, basic()), "no such method on this path: it has POST"),
    "dev": (
        get("/ping", bearer("<access>"), ("x-moov-version", "dev")),
        f"{VERSION}dev is not one: SDKs built from their main branch send it",
    ),
    "2026.10.00": (
        get("/ping", bearer("<access>"), ("x-moov-version", "2026.10.00")),
        f"{VERSION}did you mean v2026.10.00?",
    ),
    "v2026-07": (
        get("/ping", bearer("<access>"), ("x-moov-version", "v2026-07")),
        f"{VERSION}did you mean v2026.07?",
    ),
}


def fill(request: Request, tokens: dict[str, str]) -> Request:
    """The request with tokens for their names; `base64 ` begins credentials to be encoded."""

    def filled(text: str) -> str:
        for name, token in tokens.items():
            text = text.replace(f"<{name}>", token)
        if text.startswith("base64 "):
            text = "Basic " + base64.b64encode(text.removeprefix("base64 ").encode()).decode()
        return text

    headers = [(name, filled(value)) for name, value in request.headers]
    body = filled(request.body.decode("latin-1")).encode("latin-1")
    return Request(request.method, filled(request.target), headers, body)
