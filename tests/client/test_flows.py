"""What the client sends, and which arguments it rejects."""

from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.client import MOOV_API, Token
from mockmoov.client.flows import Flow, TokenFlows
from tests.client.moov_stub import NOW

KEY = {"client_id": "5clTR_MdVrrkgxw2", "client_secret": "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"}
TOKEN = Token(
    access_token="access-abc", refresh_token="refresh-def", token_type="Bearer", scope="/a", expires_at=NOW
)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


def flows(**options: Any) -> TokenFlows:
    return TokenFlows(**{**KEY, "clock": lambda: NOW, **options})


def first(flow: Flow[Any]) -> httpx2.Request:
    request = next(flow)
    assert isinstance(request, httpx2.Request)
    return request


def form(flow: Flow[Any]) -> dict[str, str]:
    parsed = parse_qs(first(flow).content.decode("ascii"), strict_parsing=True)
    assert all(len(values) == 1 for values in parsed.values())
    return {name: values[0] for name, values in parsed.items()}


@given(client_id=printable, secret=printable)
@example(**dict(zip(("client_id", "secret"), KEY.values(), strict=True)))
def test_credentials_are_sent_with_basic_or_in_the_body(client_id: str, secret: str) -> None:
    key = {"client_id": client_id, "client_secret": secret}
    scheme, _, encoded = first(flows(**key).create("/x")).headers["authorization"].partition(" ")
    user, _, password = b64decode(encoded).decode("ascii").partition(":")
    assert (scheme, unquote_plus(user), unquote_plus(password)) == ("Basic", client_id, secret)
    assert set(form(flows(**key).create("/x"))) == {"grant_type", "scope"}
    in_body = flows(**key, client_auth="body")
    assert form(in_body.create("/x")) == {"grant_type": "client_credentials", "scope": "/x", **key}
    assert "authorization" not in first(in_body.create("/x")).headers


def test_documented_key_is_sent_as_it_is() -> None:
    encoded = first(flows().create("/ping.read")).headers["authorization"].removeprefix("Basic ")
    assert b64decode(encoded).decode() == ":".join(KEY.values())


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (MOOV_API, "https://api.moov.io/oauth2/token"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/oauth2/token"),
        ("https://gateway.test/moov", "https://gateway.test/moov/oauth2/token"),
    ],
)
def test_requests_go_below_the_base_url(base_url: str, url: str) -> None:
    request = first(flows(base_url=base_url).create("/ping.read"))
    assert (request.method, str(request.url)) == ("POST", url)


def test_headers_are_those_of_the_contract_and_the_options() -> None:
    plain = first(flows().create("/ping.read")).headers
    assert plain["content-type"] == "application/x-www-form-urlencoded"
    assert plain["accept"] == "application/json"
    assert not {"x-moov-version", "origin"} & set(plain)
    own = first(flows(moov_version="v2024.01.00", origin="http://localhost:3000").create("/x")).headers
    assert (own["x-moov-version"], own["origin"]) == ("v2024.01.00", "http://localhost:3000")


def test_create_sends_scope_and_client_type() -> None:
    scopes: list[Any] = ["/a  /b", " /a\t/b ", ["/a", "/b"], ("/a /b",), iter(("/a", "/b"))]
    expected = {"grant_type": "client_credentials", "scope": "/a /b"}
    assert [form(flows().create(scope)) for scope in scopes] == [expected] * 5
    assert form(flows().create("/a /b", "device")) == {**expected, "client_type": "device"}


def test_refresh_sends_the_refresh_token_and_the_scope() -> None:
    expected = {"grant_type": "refresh_token", "refresh_token": "refresh-def"}
    assert form(flows().refresh(TOKEN)) == form(flows().refresh("refresh-def")) == expected
    assert form(flows().refresh(TOKEN, ["/a"])) == {**expected, "scope": "/a"}


@pytest.mark.parametrize(
    ("token", "hint", "sent"),
    [
        (TOKEN, None, {"token": "refresh-def", "token_type_hint": "refresh_token"}),
        (TOKEN, "refresh_token", {"token": "refresh-def", "token_type_hint": "refresh_token"}),
        (TOKEN, "access_token", {"token": "access-abc", "token_type_hint": "access_token"}),
        ("some-token", None, {"token": "some-token"}),
        ("some-token", "access_token", {"token": "some-token", "token_type_hint": "access_token"}),
    ],
)
def test_revoke_sends_the_hinted_token(token: Token | str, hint: Any, sent: dict[str, str]) -> None:
    assert first(flows().revoke(token, hint)).url.path == "/oauth2/revoke"
    assert form(flows().revoke(token, hint)) == sent


INVALID_ARGUMENTS: dict[str, Callable[[], object]] = {
    "client_id": lambda: flows(client_id="a\r\nb"),
    "client_secret": lambda: flows(client_secret=""),
    "client_auth": lambda: flows(client_auth="digest"),
    "moov_version": lambda: flows(moov_version="v1\nx: y"),
    "origin": lambda: flows(origin="http://é.test"),
    "clock": lambda: first(flows(clock=lambda: datetime(2026, 1, 1)).create("/a")),
    "scope": lambda: flows().create(" "),
    "client_type": lambda: flows().create("/a", ""),
    "refresh_token": lambda: flows().refresh("\ud800"),
    "token": lambda: flows().revoke(""),
    "token_type_hint": lambda: flows().revoke("abc", "id_token"),  # type: ignore[arg-type]
}


def test_argument_that_cannot_be_sent_is_rejected_by_name() -> None:
    for name, call in INVALID_ARGUMENTS.items():
        with pytest.raises(ValueError, match=f"^{name} must "):
            call()


def test_base_url_is_an_http_address_without_credentials() -> None:
    host = "api.moov.io"
    for base_url in (
        *("", host, f"ftp://{host}", "https://", f"https://user:password@{host}", f"https://{host}?x=y"),
        *(f"https://{host}#x", "https://[::zz]", f"https://{host}:port"),
    ):
        with pytest.raises(ValueError, match=r"^base_url ") as caught:
            flows(base_url=base_url)
        assert "password" not in str(caught.value)


@given(
    secret=printable.map("~{}~".format), invalid=st.text(min_size=9).filter(lambda text: not text.isascii())
)
def test_secret_is_never_shown(secret: str, invalid: str) -> None:
    moov = flows(client_secret=secret)
    assert secret not in repr(moov) + repr(next(moov.create("/ping.read")))
    with pytest.raises(ValueError, match="client_secret") as caught:
        flows(client_secret=invalid)
    assert invalid not in str(caught.value)
