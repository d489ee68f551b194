"""What was read once is remembered; what is decided never is, and an attacker cannot fill the memory."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.messages import FrozenHeaders, HttpRequest
from mockmoov.oauth.signing_keys import key_pair
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import run_in_process
from mockmoov.web.asgi_io import request_of
from tests.support.contract_fixtures import Send
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Clock, basic, new_control, new_server, sender
from tests.support.tokens import mint, ping, revoke

JSON = ("content-type", "application/json")


class World:
    """A server, its clock, and a pair of tokens that was used already."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server: AuthorizationServer = new_server(clock=self.clock)
        self.send: Send = sender(self.server, new_control(self.server))
        self.pair = mint(self.send)
        assert [ping(self.send, self.pair["access_token"]) for _ in range(3)] == [200] * 3

    def control(self, method: str, path: str, body: bytes = b"{}") -> int:
        return self.send(method, f"/_mockmoov{path}", [JSON], body)[0]


CHANGES: dict[str, Callable[[World], object]] = {
    "the token is revoked": lambda world: revoke(world.send, world.pair["access_token"]),
    "its family is revoked": lambda world: revoke(world.send, world.pair["refresh_token"]),
    "its key is disabled": lambda world: world.control(
        "PATCH", f"/api-keys/{CLIENT_ID}", b'{"enabled":false}'
    ),
    "its key is reset": lambda world: world.control("POST", f"/api-keys/{CLIENT_ID}/reset"),
    "its key is deleted": lambda world: world.control("DELETE", f"/api-keys/{CLIENT_ID}"),
    "the server is reset": lambda world: world.control("POST", "/reset"),
    "it expires": lambda world: world.clock.shift(10**6),
    "the clock is moved": lambda world: world.control("POST", "/clock/shift", b'{"days":2}'),
    "its signing key is dropped": lambda world: world.server.repository.change_signing_keys(
        lambda keys: type(keys)(private_key=OTHER, refresh_secret=OTHER)
    ),
}
OTHER = "A" * 43


@pytest.mark.parametrize("change", CHANGES)
def test_verified_token_is_refused_as_soon_as(change: str) -> None:
    world = World()
    CHANGES[change](world)
    assert ping(world.send, world.pair["access_token"]) == 401


def test_same_request_gets_new_tokens_and_the_answer_of_the_moment() -> None:
    world = World()
    tokens = {mint(world.send)["access_token"] for _ in range(3)}
    assert len(tokens) == 3
    world.control("PATCH", f"/api-keys/{CLIENT_ID}", b'{"client_secret":"another-secret-0123456789"}')
    form = urlencode({"grant_type": "client_credentials", "scope": "/ping.read"}).encode()
    head = [("content-type", "application/x-www-form-urlencoded")]
    answers = [
        world.send("POST", "/oauth2/token", [*head, basic(CLIENT_ID, secret)], form)[0]
        for secret in (CLIENT_SECRET, "another-secret-0123456789", CLIENT_SECRET)
    ]
    assert answers == [401, 200, 401]


def test_a_remembered_error_is_answered_each_time() -> None:
    world = World()
    answers = [
        world.send("POST", "/oauth2/token", [JSON, basic()], b'{"grant_type":1}')[:2] for _ in range(3)
    ]
    assert [status for status, _ in answers] == [400] * 3
    assert len({headers["x-mockmoov-reason"] for _, headers in answers}) == 1


def test_a_remembered_error_keeps_no_request() -> None:
    server = new_server()
    for header in (JSON, ("authorization", "Basic é"), basic()):
        headers = {header[0]: (header[1],), "content-type": (JSON[1],)}
        context = RequestContext(HttpRequest(method="POST", path="/oauth2/token", headers=headers))
        run_in_process(server.respond(context), b'{"client_type":"toaster"}')
        assert context.message is not None
        error = context.message.parsed
        assert isinstance(error, OAuthError)
        assert (error.__traceback__, error.__context__) == (None, None)


def test_no_secret_is_in_what_a_debugger_prints() -> None:
    server = new_server()
    keys = server.repository.signing_keys()
    context = RequestContext(HttpRequest(method="GET", path="/ping", headers={basic()[0]: (basic()[1],)}))
    run_in_process(server.respond(context))
    printed = f"{context.client!r} {key_pair(keys.private_key)!r} {keys!r}"
    assert CLIENT_ID in printed
    assert not any(secret in printed for secret in (CLIENT_SECRET, keys.private_key, keys.refresh_secret))
    assert repr(key_pair(keys.private_key).secret_key)[2:-1] not in printed


MOST, LONGEST = FrozenHeaders.MOST, FrozenHeaders.LONGEST


@pytest.mark.parametrize(
    ("name", "count", "length", "is_known"),
    [
        (b"x-%d", MOST, 1, True),
        (b"x-%d", MOST + 1, 1, False),
        (b"same%.0d", MOST, 1, True),
        (b"same%.0d", MOST + 1, 1, False),
        (b"x-%d", 2, LONGEST // 2, True),
        (b"x-%d", 2, LONGEST // 2 + 1, False),
    ],
)
def test_heads_with_many_or_long_headers_are_not_remembered(
    name: bytes, count: int, length: int, is_known: bool
) -> None:
    raw = [[name % number, b"1" * length] for number in range(count)]  # some servers send lists
    scope = {"method": "GET", "path": "/ping", "scheme": "http", "query_string": b"", "headers": raw}
    first, second = (request_of({**scope}) for _ in range(2))
    assert first == second
    assert (first.headers is second.headers) is is_known
    server = new_server()
    assert (server.read_head(first) is server.read_head(second)) is is_known
    assert server.read_head(first).route is not None
    plain = {field: tuple(values) for field, values in first.headers.items()}
    assert isinstance(FrozenHeaders.of(plain), FrozenHeaders) is is_known
