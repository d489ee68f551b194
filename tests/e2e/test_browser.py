"""What a page of another origin can do and read with `fetch` in headless Chromium."""

import json
import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from mockmoov.testing import MockMoov, MoovKey
from tests.support.browser import Browser, Read, browsing

pytestmark = pytest.mark.slow
LOCAL, SHOP, EVIL = "localhost", "shop.example", "evil.example"  # loopback; registered; neither
DATED = "v2026.07.00"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def moov() -> Iterator[MockMoov]:
    with MockMoov(tls=True) as server:
        yield server


@pytest.fixture
def key(moov: MockMoov, browser: Browser) -> Iterator[MoovKey]:
    created = moov.new_api_key(origins=[browser.origin(SHOP)])
    yield created
    created.delete()


def basic(key: MoovKey) -> str:
    return "Basic " + b64encode(f"{key.client_id}:{key.client_secret}".encode()).decode()


class Page:
    """A page that speaks Moov's API with `fetch`."""

    def __init__(self, browser: Browser, name: str, key: MoovKey, version: str | None = None) -> None:
        self._browser, self._name, self._key = browser, name, key
        self._version = {"X-Moov-Version": version} if version else {}

    def post(
        self, path: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Read:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = {"Authorization": basic(self._key), **form, **self._version, **(headers or {})}
        body = urlencode(parameters)
        return self._browser.fetch(self._name, self._key.url + path, method="POST", headers=sent, body=body)

    def mint(self, scope: str = "/ping.read") -> dict[str, Any]:
        read = self.post("/oauth2/token", {"grant_type": "client_credentials", "scope": scope})
        assert read.status == 200, read
        members: dict[str, Any] = json.loads(read.body)
        return members

    def ping(self, token: str, **headers: str) -> Read:
        sent = {"Authorization": f"Bearer {token}", **self._version, **headers}
        return self._browser.fetch(self._name, f"{self._key.url}/ping", headers=sent)


def members(read: Read) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read.body)
    return found


# --- the life of a token ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, DATED])
@pytest.mark.parametrize("name", [LOCAL, SHOP])
def test_a_page_mints_pings_refreshes_and_revokes(
    browser: Browser, key: MoovKey, name: str, version: str | None
) -> None:
    page = Page(browser, name, key, version)
    first = page.mint()
    assert page.ping(first["access_token"]).status == 200
    refreshed = page.post(
        "/oauth2/token", {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    )
    assert refreshed.status == 200
    assert refreshed.headers["cache-control"] == "no-store"
    assert refreshed.headers["x-request-id"]
    second = members(refreshed)
    revoked = page.post("/oauth2/revoke", {"token": second["refresh_token"]})
    assert (revoked.status, revoked.body) == (204, "")
    for token in (first, second):
        refused = page.ping(token["access_token"])
        assert (refused.status, refused.body) == (401, "")
        assert "revoked" in refused.headers["x-mockmoov-reason"]


# --- errors ----------------- -------------------------------------------------------------------------

TOKEN, REVOKE = "/oauth2/token", "/oauth2/revoke"
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
Wrong = tuple[str, dict[str, str], dict[str, str]]
# A wrong request: path, parameters, headers; and what a page reads, in the 2023 and in the dated contract.
ERRORS: dict[str, tuple[Wrong, tuple[int, Any], tuple[int, Any]]] = {
    "a challenge": (
        (TOKEN, MINT, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}),
        (401, {"error": "invalid_client"}),
        (401, None),
    ),
    "a code": (
        (TOKEN, {"grant_type": "password"}, {}),
        (400, {"error": "unsupported_grant_type"}),
        (400, {"error": "unsupported_grant_type"}),
    ),
    "a field": (
        (REVOKE, {}, {}), (400, {"error": "invalid_request"}), (422, {"token": "must be the token to revoke"})
    ),
    "no body": (("/none", {}, {}), (404, None), (404, None)),
    "before the routes": ((TOKEN, {"a": "a" * 65536}, {}), (413, None), (413, None)),
}  # fmt: skip


@pytest.mark.parametrize("version", [None, DATED])
def test_a_page_reads_each_kind_of_error(browser: Browser, key: MoovKey, version: str | None) -> None:
    page, wrong = Page(browser, LOCAL, key, version), []
    for error, ((path, parameters, headers), *answers) in ERRORS.items():
        read = page.post(path, parameters, headers)
        found = (read.status, json.loads(read.body or "null"))
        has_challenge = error == "a challenge" and version is None
        if (
            found != answers[version is not None]
            or not read.headers.get("x-mockmoov-reason")
            or ("www-authenticate" in read.headers) != has_challenge
        ):
            wrong.append((error, read))
    assert wrong == []


def test_a_page_reads_that_a_key_or_a_token_is_insufficient(browser: Browser, moov: MockMoov) -> None:
    narrow = moov.new_api_key(grants=["refresh_token"])
    page = Page(browser, LOCAL, narrow)
    refused = page.post(TOKEN, MINT)
    assert (refused.status, members(refused)) == (400, {"error": "unauthorized_client"})
    for token, status in ((narrow.mint("/accounts.read"), 403), (narrow.mint(defect="expired"), 401)):
        read = page.ping(token)
        assert (read.status, read.body) == (status, "")
        assert read.headers["x-mockmoov-reason"]
    narrow.delete()


def test_a_page_reads_a_planned_fault(browser: Browser, key: MoovKey) -> None:
    page, token = Page(browser, SHOP, key), key.mint()
    key.faults.add("rate-limited", endpoint="ping", times=1)
    read = page.ping(token)
    assert (read.status, read.headers["retry-after"], read.headers["x-retry-in"]) == (429, "1", "1s")
    for endpoint in ("ping", "token"):
        key.faults.add("unavailable", endpoint=endpoint, body={"down": True}, retry_after=3, times=1)
    for read in (page.ping(token), page.post(TOKEN, MINT)):
        assert (read.status, members(read)) == (503, {"down": True})
        assert read.headers["retry-after"] == "3"
        assert read.headers["x-mockmoov-reason"].startswith("fault ")
    assert page.ping(token).status == 200


# --- preflights -------------------------------------------------------------------------------------


def test_a_preflight_needs_no_credentials_and_is_not_recorded(
    browser: Browser, key: MoovKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mockmoov.access")
    key.faults.add("unavailable", endpoint="ping", where={"method": "OPTIONS"})
    token = key.mint()
    headers = {"X-Moov-Version": DATED, "X-Idempotency-Key": "8a2ad3bc", "Content-Type": "application/json"}
    assert Page(browser, LOCAL, key).ping(token, **headers).status == 200
    asked = [line.split()[:3] for line in caplog.messages]
    assert asked == [["OPTIONS", "/ping", "204"], ["GET", "/ping", "200"]]
    assert [exchange.method for exchange in key.exchanges()] == ["GET"]


# --- other origins ----------------------------------------------------------------------------------


def test_a_page_of_an_unregistered_origin_reads_nothing(browser: Browser, key: MoovKey) -> None:
    page, token = Page(browser, EVIL, key), key.mint()
    assert "Failed to fetch" in page.ping(token).error
    assert "Failed to fetch" in page.post(TOKEN, MINT).error
    key.change(origins=[browser.origin(EVIL)])
    assert page.ping(key.mint()).status == 200


def test_with_open_cors_any_page_reads_the_401_of_its_origin(browser: Browser) -> None:
    with MockMoov(cors_origins="*") as moov:
        key = moov.new_api_key()
        page = Page(browser, EVIL, key)
        token = page.mint()["access_token"]
        read = page.ping(token)
        assert (read.status, read.body) == (401, "")
        assert (
            read.headers["x-mockmoov-reason"]
            == f"{browser.origin(EVIL)} is not an origin of the API key; add it, and request a new token"
        )
        assert Page(browser, LOCAL, key).ping(token).status == 200
        assert page.ping(key.mint(client_type="service")).status == 200


@pytest.mark.parametrize("cors_origins", ["", "*"])
def test_no_page_reaches_the_control_plane(browser: Browser, cors_origins: str) -> None:
    with MockMoov(cors_origins=cors_origins) as moov:
        moov.new_api_key(origins=[browser.origin(SHOP)])
        reset, sent = f"{moov.url}/_mockmoov/reset", {"content-type": "application/json"}
        for name in (LOCAL, SHOP, EVIL):
            reads = [
                browser.fetch(name, f"{moov.url}/_mockmoov/config"),
                browser.fetch(name, reset, method="POST"),
                browser.fetch(name, reset, method="POST", headers=sent),
            ]
            assert [read for read in reads if "Failed to fetch" not in read.error] == []
        assert len(moov.api_keys.list()) == 2


def test_a_page_reads_the_public_extensions(browser: Browser, moov: MockMoov, key: MoovKey) -> None:
    def read(path: str) -> Read:
        found = browser.fetch(SHOP, moov.url + path)
        assert found.status == 200
        assert found.headers["x-mockmoov-extension"]
        return found

    assert members(read("/.well-known/jwks.json"))["keys"]
    assert members(read("/.well-known/oauth-authorization-server"))["issuer"] == moov.url
    assert members(read("/_mockmoov/health")) == {"status": "ok"}
    assert read("/_mockmoov/ca.pem").body == moov.ca_pem
    introspected = Page(browser, SHOP, key).post("/_mockmoov/introspect", {"token": key.mint()})
    assert members(introspected)["active"] is True
