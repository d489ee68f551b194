"""The access log: what a line says, and what it never does."""

import base64
import json
import logging
import re
from collections.abc import Callable
from urllib.parse import quote, urlencode
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.types import ASGIApp

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.scopes import is_account
from mockmoov.web.app import create_app
from tests.support.apps import AUTH, AUTHORIZED, FORM, MINT, access_log, loopback_app, mint, network_app
from tests.support.asgi import RawHeaders, ask, chunk, connect
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, basic, bearer, new_server

LINE = re.compile(r"(?P<request>\S+ \S+ \S+)(?P<fields>(?: [a-z_]+=(?:'[^']*'|\S+))*) \d+\.\dms")
NOBODY = "no Authorization header was sent: send a Bearer token"
FIELD = re.compile(r" ([a-z_]+)=('[^']*'|\S+)")


def fields_of(line: str) -> dict[str, str]:
    """What a line says by name, but for what is different each time."""
    match = LINE.fullmatch(line)
    assert match, line
    fields = {name: value.strip("'") for name, value in FIELD.findall(match["fields"])}
    assert UUID(fields.pop("request_id", "0" * 32))
    return {"request": match["request"], **fields}


def encode_all(text: str) -> str:
    return "".join(f"%{ord(character):02X}" for character in text)


def test_a_request_is_one_line_with_client_contract_and_reason() -> None:
    app = loopback_app()
    with access_log() as lines:
        token = mint(app)["access_token"]
        ask(app, "GET", "/ping", headers=[bearer(token), (b"x-moov-version", b"latest")])
        ask(app, "POST", "/oauth2/token", data={**MINT, "scope": "/pong.read"}, auth=AUTH)
        ask(app, "POST", "/oauth2/revoke", data={"token": "x"}, auth=AUTH)
        ask(app, "GET", "/_mockmoov/api-keys/my-client/clock")
        connect(app, "GET", "/ping", headers=[(b"host", b"evil.example")])
    client = {"client_id": CLIENT_ID, "contract": "2023"}
    token_request = {"request": "POST /oauth2/token 200", "grant_type": "client_credentials", **client}
    unknown_scope = "scope /pong.read is not known; did you mean /ping.read?"
    *first, own, refused = map(fields_of, lines)
    assert first == [
        token_request,
        {"request": "GET /ping 200", "client_id": CLIENT_ID, "contract": "dated"},
        {**token_request, "request": "POST /oauth2/token 400", "reason": unknown_scope},
        {"request": "POST /oauth2/revoke 204", **client},
    ]
    assert own["request"] == "GET /_mockmoov/api-keys/my-client/clock 404"
    assert refused["request"] == "GET /ping 421"
    with access_log(logging.WARNING) as lines:
        assert ask(app, "GET", "/ping").status_code == 401
    assert not lines


def test_a_claimed_client_id_is_logged_unless_it_is_a_secret() -> None:
    app = network_app(keys=[another_key("known"), another_key("another", client_secret="short")])
    with access_log() as lines:
        for name in ("known", "unknown\n", "a b=c", "short", "x" * 24, str(UUID(int=7))):
            ask(app, "POST", "/oauth2/token", data=MINT, auth=(name, "wrong"))
    shown = [fields_of(line)["client_id"] for line in lines]
    assert shown == ["known", r"unknown\n", "a b=c", "...", "...", str(UUID(int=7))]


SHORT = ("Abc123Def456Ghi7", "local-dev-secret", "a.secret.with.dots", str(UUID(int=7)), CLIENT_SECRET)
APP_OF = {  # an application whose one API key has this secret
    secret: network_app(keys=[{"client_id": "mine", "client_secret": secret}]) for secret in SHORT
}
DISGUISES = ("{}", "{} ", "{}\n", "'{}'", "Bearer {}", "{}x", "x{}", "%20{}", "u:{}@x")
DISGUISED = st.sampled_from([*DISGUISES]).map(lambda disguise: disguise.format)
ALTERATIONS = st.sampled_from([str, str.upper, str.swapcase, lambda text: text[:-2], quote, encode_all])


@given(secret=st.sampled_from(SHORT), disguise=DISGUISED, alter=ALTERATIONS)
def test_a_secret_is_hidden_in_any_disguise(
    secret: str, disguise: Callable[[str], str], alter: Callable[[str], str]
) -> None:
    app, sent = APP_OF[secret], disguise(alter(secret))
    with access_log() as lines:
        if not is_account(secret):  # a UUID in a path is an account's
            connect(app, "GET", f"/accounts/{sent}/cards")
        ask(app, "POST", "/oauth2/token", data={**MINT, "client_id": sent, "client_secret": "mine"})
    for line in lines:
        assert alter(secret) not in line
        assert "..." in line


def test_a_path_is_logged_as_it_was_sent() -> None:
    """But for what could be a secret or a token."""
    table = {
        "/accounts/{accountID}/transfers": "/accounts/{accountID}/transfers",
        f"/accounts/{UUID(int=7)}/no-such%20thing/": f"/accounts/{UUID(int=7)}/no-such%20thing/",
        "/oauth/token.json": "/oauth/token.json",
        "/a b/ping": "/.../ping",
        f"/ping/{CLIENT_SECRET}": "/ping/...",
        f"/tokens/{PAIR['access_token']}": "/tokens/...",
        "/é\n": r"/\xc3\xa9\n",
        "/" + "pings/" * 40: "/" + ("pings/" * 40)[:196] + "...",
    }
    with access_log() as lines:
        for path in table:
            connect(network_app(), "GET", path, raw_path=path.encode())
    assert dict(zip(table, (line.split()[1] for line in lines), strict=True)) == table


def test_a_page_of_the_server_itself_needs_no_permission() -> None:
    app = network_app(public_url="https://moov.test")
    with access_log() as lines:
        for origin in (b"http://moov.local:80", b"https://moov.test"):
            connect(app, "GET", "/ping", headers=[(b"origin", origin), (b"host", b"moov.local")])
    assert {fields_of(line)["reason"] for line in lines} == {
        "no Authorization header was sent: send a Bearer token"
    }


def test_a_log_line_says_if_there_are_several_origins() -> None:
    origins = [(b"origin", b"https://shop.example")] * 2
    with access_log() as lines:
        connect(network_app(), "GET", "/ping", headers=origins)
    assert fields_of(lines[0])["reason"].endswith(
        "; pages may not read this: there are several Origin headers"
    )


def test_a_log_line_names_the_origin_that_may_not_read() -> None:
    app = network_app(cors_origins="https://other.example")
    with access_log() as lines:
        for origin in (b"https://shop.example", b"null", b"http://localhost:1", CLIENT_SECRET.encode()):
            connect(app, "GET", "/_mockmoov/clock", headers=[(b"origin", origin)])
            connect(app, "GET", "/ping", headers=[(b"origin", origin)])
    no_origin = (
        "this page has no origin (a file, a sandboxed frame), so it may not read this: serve it over http"
    )
    advice = "may not read this: add the origin to the API key, or to --cors-origins"
    reasons = [fields_of(line).get("reason", "").removeprefix(f"{NOBODY}; ") for line in lines]
    assert reasons[1::2] == [
        f"pages of https://shop.example {advice}",
        no_origin,
        NOBODY,
        "pages may not read this: the Origin or Referer is not an origin such as https://shop.example, "
        "without a path",
    ]
    assert not any("may not read" in reason for reason in reasons[::2])


@given(path=st.text(max_size=40), method=st.text(min_size=1, max_size=30), host=st.binary(max_size=10))
@example(path="\n2026 forged 200", method="GET\n", host=b"\n")
@example(path="/" + "é " * 300, method="get", host=b"localhost")
def test_a_log_line_is_short_printable_ascii(path: str, method: str, host: bytes) -> None:
    path = path.encode("utf-8", "replace").decode()
    with access_log() as lines:
        connect(network_app(), method, path, headers=[(b"host", host)])
    (line,) = lines
    assert re.fullmatch(r"[ -~]{1,600}", line)


# --- secrets; tests/unit/server/test_properties.py has the reasons of responses ------------------

OTHER_SECRET = "of+another=key, with ~odd~ characters!"
KEYS = {CLIENT_ID: CLIENT_SECRET, "other": OTHER_SECRET}
SERVER = new_server(seed="seed", keys=[{"client_id": name, "client_secret": KEYS[name]} for name in KEYS])
APP, ON_LOOPBACK = create_app(SERVER, exposure="network"), create_app(SERVER, exposure="loopback")
PAIR, SIGNING = mint(APP), SERVER.repository.signing_keys()
SECRETS = [CLIENT_SECRET, PAIR["access_token"], PAIR["refresh_token"]]
SECRETS += [SIGNING.private_key, SIGNING.refresh_secret, OTHER_SECRET]
WRAPPINGS = ("{}", "{}x", "x{}", " {} ", "/{}", "{}\n", "{}&{}", '"{}"', "%2F{}", "{}.{}")
HEADERS = ("accept", "user-agent", "x-moov-version", "referer", "origin", "cookie", "host")
HOST_WRAPPINGS = ("{}", "{}:80", "{}.example", "user:{}@localhost", "[{}]", "a.{}.b")
PARAMETERS = ("grant_type", "client_id", "client_secret", "scope", "refresh_token", "token", "other")
PATHS = ("/oauth2/token", "/oauth2/revoke", "/ping", "/_mockmoov/introspect", "/_mockmoov/health")

plain_secrets = st.sampled_from(SECRETS)
secrets = st.builds(str.replace, st.sampled_from(WRAPPINGS), st.just("{}"), plain_secrets)
host_secrets = st.builds(str.format, st.sampled_from(HOST_WRAPPINGS), plain_secrets)
harmless = st.sampled_from([CLIENT_ID, "client_credentials", "refresh_token", "/ping.read", ""])
pairs = st.dictionaries(st.sampled_from(PARAMETERS) | secrets, secrets | harmless, max_size=6)
credentials = st.builds(basic, st.sampled_from([*KEYS, *SECRETS]), plain_secrets) | plain_secrets.map(bearer)
headers = st.builds(
    lambda *fields: [(name.encode(), value.encode()) for name, value in fields],
    credentials | st.tuples(st.just("authorization"), secrets),
    st.tuples(st.just("content-type"), st.sampled_from([FORM, "application/json"]) | secrets),
    st.tuples(st.sampled_from(HEADERS), secrets) | st.tuples(st.just("host"), host_secrets),
)


@given(
    app=st.sampled_from([APP, ON_LOOPBACK]),
    method=st.sampled_from(["POST", "GET"]) | secrets,
    path=st.sampled_from(PATHS) | st.builds("{}/{}".format, st.sampled_from(PATHS), secrets),
    query=pairs.map(urlencode),
    headers=headers,
    body=pairs.map(urlencode) | pairs.map(json.dumps),
)
@example(
    app=APP,
    method="POST",
    path="/oauth2/token",
    query="a=" + "b" * 20,
    headers=AUTHORIZED,
    body=urlencode(MINT),
)
def test_no_log_reason_or_journal_holds_a_secret(
    app: ASGIApp, method: str, path: str, query: str, headers: RawHeaders, body: str
) -> None:
    if b"host" not in dict(headers):
        headers = [*headers, (b"host", b"localhost")]
    with access_log(logging.DEBUG, "mockmoov") as all_lines, access_log(logging.DEBUG) as lines:
        response = connect(
            app, method, path, chunk(body.encode()), headers=headers, query_string=query.encode()
        )
    assert len(lines) == 1
    minted = json.loads(response.body) if response.status == 200 and response.body[:5] == b'{"acc' else {}
    written = "\n".join([*all_lines, *lines, response.headers.get(b"x-mockmoov-reason", b"").decode()])
    exchanges = SERVER.simulation.journal().exchanges[-1:]
    for text in [*(minted[name] for name in ("access_token", "refresh_token") if minted), *SECRETS]:
        if text == OTHER_SECRET:  # in what an operation was sent, it can't be told from other sentences
            exchanges = [replace(exchange, query={}, body=None) for exchange in exchanges]
        assert text not in written + to_json(exchanges).decode()
        assert base64.b64encode(text.encode()).decode() not in written
    assert len(query) <= 12 or query not in written


def test_a_short_secret_dressed_as_a_scope_is_not_repeated() -> None:
    secret = "s3cret-of-a-key"
    app = network_app(keys=[{"client_id": CLIENT_ID, "client_secret": secret}])
    for scope in (f"/{secret}.read", f"/read.{secret}", f"/accounts/{UUID(int=7)}/{secret}.read"):
        data = {**MINT, "scope": scope}
        with access_log() as lines:
            response = ask(app, "POST", "/oauth2/token", data=data, auth=(CLIENT_ID, secret))
        assert response.status_code == 400
        assert secret not in lines[0] + response.headers["x-mockmoov-reason"]


def test_a_refusal_that_browsers_hide_is_logged_without_an_access_log() -> None:
    quiet = loopback_app(access_log="off")
    preflight = [(b"origin", b"https://shop.example"), (b"access-control-request-method", b"GET")]
    with access_log(level=logging.WARNING, name="mockmoov") as lines:
        connect(quiet, "OPTIONS", "/ping", headers=[(b"host", b"localhost"), *preflight])
        connect(quiet, "GET", "/ping", headers=[(b"host", b"moov.example:81")])
        connect(quiet, "GET", "/ping", headers=[(b"host", b"localhost"), (b"origin", b"http://localhost:1")])
    assert lines == [
        "pages of https://shop.example may not read this: "
        "add the origin to the API key, or to --cors-origins",
        "the Host moov.example:81 is not allowed: add it to --allowed-hosts",
    ]


def test_journal_says_why_a_page_may_not_read() -> None:
    server = new_server()
    app = create_app(server, exposure="network")
    for origin in (b"https://shop.example", b"http://localhost:1"):
        connect(app, "GET", "/ping", headers=[(b"origin", origin)])
    reasons = [exchange.reason for exchange in server.simulation.journal().exchanges]
    assert reasons == [
        f"{NOBODY}; pages of https://shop.example may not read this: "
        "add the origin to the API key, or to --cors-origins",
        NOBODY,
    ]
