"""Where a server is said to be: its public URL, and what trusted proxies say. Who may say so, and who not."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.types import Message, Scope

from mockmoov.config.settings import Layer, load
from mockmoov.control_plane.access import Exposure, make_guard
from mockmoov.oauth.messages import HttpRequest
from mockmoov.web.app import create_app
from mockmoov.web.proxies import Proxies
from tests.support.servers import new_server

PROXY, OTHER = "10.1.2.3", "192.0.2.1"
METADATA = "/.well-known/oauth-authorization-server"
Sent = dict[str, str]


def ask(
    path: str,
    headers: Sent,
    *,
    peer: str | None = PROXY,
    exposure: Exposure = "loopback",
    method: str = "GET",
    **settings: Any,
) -> tuple[int, Any]:
    """Status and JSON of an answer to a request that comes from this address."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [
            (name.encode(), value.encode()) for name, value in ({"host": "localhost:8080"} | headers).items()
        ],
        "client": None if peer is None else (peer, 50000),
    }
    server = new_server(trusted_proxies=f"{PROXY}, fd00::/8", control="on", **settings)
    asyncio.run(create_app(server, exposure=exposure)(scope, receive, send))
    body = sent[1]["body"]
    return int(sent[0]["status"]), json.loads(body) if body else None


def issuer(headers: Sent, **options: Any) -> str:
    status, document = ask(METADATA, headers, **options)
    assert status == 200
    assert document["token_endpoint"] == f"{document['issuer']}/oauth2/token"
    return str(document["issuer"])


KNOWN = {"allowed_hosts": "moov.example"}

# What a proxy says, and what the metadata say then.
TOLD: dict[str, tuple[Sent, str]] = {
    "nothing": ({}, "http://localhost:8080"),
    "both": ({"x-forwarded-proto": "https", "x-forwarded-host": "moov.example"}, "https://moov.example"),
    "scheme": ({"x-forwarded-proto": "HTTPS"}, "https://localhost:8080"),
    "host": ({"x-forwarded-host": "moov.example:81"}, "http://moov.example:81"),
    "several": (
        {"x-forwarded-proto": "http, https", "x-forwarded-host": "evil.example, moov.example"},
        "https://moov.example",
    ),
    "forwarded": ({"forwarded": "for=192.0.2.1;proto=https;host=moov.example"}, "https://moov.example"),
    "forwarded, quoted": (
        {"forwarded": 'for="[2001:db8::1]:4711"; Proto=https; HOST="moov.example:444"'},
        "https://moov.example:444",
    ),
    "forwarded, several": (
        {"forwarded": 'host=evil.example;by="a,b", proto=https;host=moov.example'},
        "https://moov.example",
    ),
    "forwarded, escaped": ({"forwarded": r'host="moov.ex\ample"'}, "http://moov.example"),
    "forwarded wins": (
        {"forwarded": "proto=https;host=moov.example", "x-forwarded-host": "evil.example"},
        "https://moov.example",
    ),
    "no scheme": ({"x-forwarded-proto": "file"}, "http://localhost:8080"),
    "no host": ({"x-forwarded-host": "moov.example/path"}, "http://localhost:8080"),
    "no host at all": ({"x-forwarded-host": ""}, "http://localhost:8080"),
    "too long": ({"forwarded": "host=moov.example;" + "a" * 1000}, "http://localhost:8080"),
    "unfinished": ({"forwarded": 'host="moov.example'}, "http://localhost:8080"),
    "empty": ({"forwarded": ","}, "http://localhost:8080"),
}


@pytest.mark.parametrize(("headers", "shown"), TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("peer", [PROXY, "fd12::1"])
def test_a_trusted_proxy_says_where_the_client_asked(headers: Sent, shown: str, peer: str) -> None:
    assert issuer(headers, peer=peer, **KNOWN) == shown


@pytest.mark.parametrize(("headers", "_"), TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("peer", [OTHER, "127.0.0.1", "testclient", None])
def test_nobody_else_does(headers: Sent, _: str, peer: str | None) -> None:
    assert issuer(headers, peer=peer, **KNOWN) == "http://localhost:8080"


@pytest.mark.parametrize(("headers", "_"), TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("peer", [PROXY, OTHER])
def test_a_public_url_is_the_last_word(headers: Sent, _: str, peer: str) -> None:
    settings = {**KNOWN, "public_url": "https://public.example:444/moov/"}
    assert issuer(headers, peer=peer, **settings) == "https://public.example:444/moov"


# --- the Host rule ----------------------------------------------------------------------------------

EVIL = {"x-forwarded-host": "evil.example"}
GOOD = {"x-forwarded-host": "localhost:8080"}
CONFIG = "/_mockmoov/config"


@pytest.mark.parametrize("exposure", ["loopback", "network"])
def test_a_forwarded_host_is_one_that_must_be_known(exposure: Exposure) -> None:
    assert ask(CONFIG, EVIL, exposure=exposure)[0] == 421
    assert ask(CONFIG, EVIL, exposure=exposure, allowed_hosts="evil.example")[0] == 200


@pytest.mark.parametrize("exposure", ["loopback", "network"])
@pytest.mark.parametrize("path", [CONFIG, "/_mockmoov/tokens"])
def test_a_host_that_is_not_known_cannot_be_made_so_by_a_forwarded_one(exposure: Exposure, path: str) -> None:
    rebound = GOOD | {"host": "evil.example", "forwarded": "host=localhost"}
    assert ask(path, rebound, exposure=exposure)[0] == 421


def test_a_public_url_makes_its_host_a_known_one() -> None:
    host = {"host": "public.example"}
    assert ask(METADATA, host)[0] == 421
    assert ask(METADATA, host, public_url="https://public.example")[0] == 200


# --- the control plane's own origin -----------------------------------------------------------------

PUBLIC = "https://public.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost:8080"}, 200),
        ({"origin": PUBLIC}, 200),
        ({"origin": "https://PUBLIC.example:443"}, 200),
        ({"origin": "http://public.example"}, 403),
        ({"origin": "https://public.example.evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://localhost:8080"}, 403),
        ({"origin": "https://localhost:8080", "x-forwarded-proto": "https"}, 200),
        ({"origin": PUBLIC, "host": "public.example"}, 200),
        ({"origin": PUBLIC, "host": "evil.example"}, 421),
        ({"origin": "http://evil.example", **EVIL}, 421),
        ({"origin": "http://evil.example", "host": "evil.example", **GOOD}, 421),
    ],
    ids=str,
)
@pytest.mark.parametrize("exposure", ["loopback", "network"])
def test_pages_of_our_own_origin_may_control_us_wherever_that_is_said_to_be(
    headers: Sent, status: int, exposure: Exposure
) -> None:
    path = f"{PUBLIC}/moov"
    assert ask(CONFIG, headers, exposure=exposure, public_url=path)[0] == status


def test_without_a_public_url_there_is_no_own_origin_but_the_one_that_was_asked() -> None:
    assert ask(CONFIG, {"origin": PUBLIC})[0] == 403


@pytest.mark.parametrize(
    ("origins", "hosts"), [((PUBLIC, PUBLIC), ("localhost",)), ((PUBLIC,), ()), ((PUBLIC,), ("a", "a"))]
)
def test_an_origin_or_host_that_is_repeated_or_missing_is_not_our_own(
    origins: tuple[str, ...], hosts: tuple[str, ...]
) -> None:
    guard = make_guard(load(Layer(values={"public_url": PUBLIC})), "process")
    refusal = guard.refusal(
        HttpRequest(method="GET", path=CONFIG, headers={"origin": origins, "host": hosts})
    )
    assert refusal is not None
    assert refusal.status == 403


# --- any header at all ------------------------------------------------------------------------------

_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60) | st.text(
    'ab:;,="\\ host=proto=https', max_size=60
)


@given(forwarded=_VALUES, host=_VALUES, proto=_VALUES)
@example(forwarded='"' * 999, host="", proto="")
@example(forwarded='"\\' * 499, host="", proto="")
def test_whatever_a_proxy_says_a_request_has_one_scheme_and_one_host(
    forwarded: str, host: str, proto: str
) -> None:
    seen: list[Scope] = []

    async def behind(scope: Scope, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    said = {"host": "localhost", "forwarded": forwarded, "x-forwarded-host": host, "x-forwarded-proto": proto}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
    scope = {"type": "http", "scheme": "http", "headers": headers, "client": (PROXY, 1)}
    before = dict(scope)
    asyncio.run(Proxies(behind, [PROXY], frozenset())(scope, None, None))  # type: ignore[arg-type]
    assert scope == before
    assert seen[0]["scheme"] in ("http", "https")
    (effective,) = Headers(scope=seen[0]).getlist("host")
    assert effective
    assert not set(effective) & set(' ",;/\\@')


def test_what_is_no_request_is_handed_on() -> None:
    seen: list[Scope] = []

    async def behind(scope: Scope, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    scope = {"type": "websocket"}
    asyncio.run(Proxies(behind, [PROXY], frozenset())(scope, None, None))  # type: ignore[arg-type]
    assert seen == [scope]
