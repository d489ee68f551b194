"""What docs/many-servers.md says of servers that share state, and its configuration of HAProxy."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
import redis

from mockmoov import MockMoov, MoovKey
from tests.e2e.places.test_places import PATH, answer, free_port, need
from tests.e2e.test_recipes import MANY_SERVERS, block_after
from tests.support.connections import over_http
from tests.support.contract_fixtures import Send
from tests.support.redis_servers import new_name, redis_process, redis_url
from tests.support.serving import serving, serving_together, until
from tests.support.tokens import members, mint, ping, refresh, revoke

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CONTROL_TOKEN = "only-for-tests-0123456789"
PASSWORD = "a#b@c/d%41"
TOKEN = {"grant_type": "client_credentials", "scope": "/ping.read"}


@contextmanager
def haproxy(folder: Path, urls: Sequence[str]) -> Iterator[int]:
    """HAProxy as the page configures it, in front of two servers; yields its port.

    A header of each response names the server.
    """
    need("haproxy")
    port = free_port()
    text = block_after("Docker compose", "text", MANY_SERVERS).replace("bind :8080", f"bind 127.0.0.1:{port}")
    for number, url in enumerate(urls, 1):
        text = text.replace(f"mockmoov-{number}:8080", f"127.0.0.1:{urlsplit(url).port}")
    (file := folder / "haproxy.cfg").write_text(f"{text}  http-response set-header x-server %s\n")
    command = [str(shutil.which("haproxy", path=PATH)), "-f", str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: answer(port)[0] not in (0, 503))
            yield port
        finally:
            process.terminate()


class Behind:
    """A program with an API key of its own, behind the proxy."""

    def __init__(self, http: httpx2.Client, key: MoovKey) -> None:
        self._http, self.key = http, key
        self.servers = set[str]()

    def post(self, path: str, **form: str) -> httpx2.Response:
        auth = (self.key.client_id, self.key.client_secret)
        return self._seen(self._http.post(path, auth=auth, data=form))

    def pings(self, token: str) -> list[int]:
        """The statuses of four requests: each server answers two."""
        headers = {"authorization": f"Bearer {token}"}
        return [self._seen(self._http.get("/ping", headers=headers)).status_code for _ in range(4)]

    def _seen(self, response: httpx2.Response) -> httpx2.Response:
        self.servers.add(response.headers["x-server"])
        return response


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockMoov]:
    """Two servers with one Redis behind HAProxy, as in containers."""
    store = ("--store", redis_url(), "--store-namespace", new_name())
    flags = ("--host", "0.0.0.0", "--control-token", CONTROL_TOKEN, *store)
    with ExitStack() as stack:
        urls = stack.enter_context(serving_together(2, *flags))
        port = stack.enter_context(haproxy(tmp_path_factory.mktemp("haproxy"), urls))
        url = f"http://localhost:{port}"
        yield stack.enter_context(MockMoov.connect(url, control_token=CONTROL_TOKEN))


@pytest.fixture
def program(proxied: MockMoov) -> Iterator[Behind]:
    with httpx2.Client(base_url=proxied.url, trust_env=False) as http:
        program = Behind(http, proxied.new_api_key())
        yield program
        assert program.servers == {"one", "two"}


def test_a_revocation_counts_at_each_server(program: Behind) -> None:
    token = program.post("/oauth2/token", **TOKEN).json()["access_token"]
    assert program.pings(token) == [200] * 4
    assert program.post("/oauth2/revoke", token=token).status_code == 204
    assert program.pings(token) == [401] * 4


def test_a_refresh_token_works_once_in_all(program: Behind) -> None:
    first = program.post("/oauth2/token", **TOKEN).json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second, third = (program.post("/oauth2/token", **form) for _ in range(2))
    assert second.headers["x-server"] != third.headers["x-server"]
    assert (second.status_code, third.status_code) == (200, 400)
    assert program.pings(second.json()["access_token"]) == [401] * 4  # its family is revoked


def test_a_wait_sees_the_requests_to_each_server(program: Behind) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(program.key.exchanges.wait, 4, endpoint="ping", timeout=60)
        assert program.pings(program.key.mint()) == [200] * 4
        assert len(waiting.result()) == 4


def test_the_proxy_and_the_servers_agree_on_the_url(program: Behind, proxied: MockMoov) -> None:
    metadata = httpx2.get(f"{proxied.url}/.well-known/oauth-authorization-server", trust_env=False).json()
    assert metadata["token_endpoint"] == f"{proxied.url}/oauth2/token"
    assert program.pings(program.key.mint()) == [200] * 4


def test_the_user_of_the_page_is_enough() -> None:
    [line] = block_after("Redis", "text", MANY_SERVERS).splitlines()
    port = str(free_port())
    with ExitStack() as stack:
        server = stack.enter_context(redis_process("--port", port))
        admin = stack.enter_context(redis.Redis.from_url(server.url))
        admin.execute_command(*shlex.split(line.replace("not-a-real-password", PASSWORD)))
        admin.set("another", "1")
        store = f"redis://mockmoov:{quote(PASSWORD, safe='')}@localhost:{port}"
        one, other = (stack.enter_context(MockMoov(store=store)) for _ in range(2))
        key = one.new_api_key()
        key.faults.add(endpoint="ping", status=503, times=1)
        with ThreadPoolExecutor(1) as pool, over_http(other.url) as send:
            waiting = pool.submit(key.exchanges.wait, 2, endpoint="ping", timeout=60)
            assert [ping(send, key.mint()) for _ in range(2)] == [503, 200]
            assert len(waiting.result()) == 2
            token = mint(send)
            assert refresh(send, token["refresh_token"])[0] == 200
            assert revoke(send, token["access_token"])[0] == 204
        assert {name.partition(b":")[0] for name in admin.scan_iter()} == {b"mockmoov", b"another"}
        one.reset()
        assert admin.get("another") == b"1"
        user = stack.enter_context(redis.Redis.from_url(store))
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.get("another")


LOGGED = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.mark.parametrize(("options", "statuses"), [(LOGGED, [200, 401]), ((), [401, 401])])
def test_what_a_crash_of_redis_loses(options: Sequence[str], statuses: list[int]) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(redis_process(*options))
        url = stack.enter_context(serving("--store", server.url))
        send = stack.enter_context(over_http(url))
        good, revoked = (mint(send)["access_token"] for _ in range(2))
        assert revoke(send, revoked)[0] == 204
        server.stop()
        status, headers, _ = send("GET", "/ping", [("authorization", f"Bearer {good}")], b"")
        assert (status, headers["retry-after"]) == (503, "1")
        assert "x-mockmoov-reason" in headers
        assert send("GET", "/_mockmoov/health", [], b"")[0] == 200
        server.start()
        assert [ping(send, token) for token in (good, revoked)] == statuses
        assert ping(send, mint(send)["access_token"]) == 200


def minted(send: Send) -> tuple[str, str]:
    """An access token and its refresh token."""
    token = mint(send)
    return token["access_token"], token["refresh_token"]


def test_a_seed_shares_tokens_and_nothing_else() -> None:
    with ExitStack() as stack:
        urls = stack.enter_context(serving_together(2, "--seed", "a"))
        one, other = (stack.enter_context(over_http(url)) for url in urls)
        access, used = minted(one)
        assert revoke(one, access)[0] == 204
        assert [ping(send, access) for send in (one, other)] == [401, 200]
        assert [refresh(send, used)[0] for send in (one, one, other)] == [200, 400, 200]


def test_a_seed_shares_no_opaque_tokens() -> None:
    with ExitStack() as stack:
        urls = stack.enter_context(serving_together(2, "--seed", "a", "--token-format", "opaque"))
        one, other = (stack.enter_context(over_http(url)) for url in urls)
        access, used = minted(one)
        assert [ping(send, access) for send in (one, other)] == [200, 401]
        renewed = members(refresh(other, used))["access_token"]
        assert [ping(send, renewed) for send in (one, other)] == [401, 200]
