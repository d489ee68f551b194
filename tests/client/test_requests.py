"""What the client puts on the wire, and which arguments it refuses to put there."""

from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import MOOV_API, Token
from mockmoov.client.flows import Flow, TokenFlows

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = {"client_id": "5clTR_MdVrrkgxw2", "client_secret": "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"}
TOKEN = Token(
    access_token="access-abc", refresh_token="refresh-def", token_type="Bearer", scope="/a", expires_at=NOW
)


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


printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@given(client_id=printable, secret=printable)
def test_basic_credentials_are_percent_encoded_each(client_id: str, secret: str) -> None:
    request = first(flows(client_id=client_id, client_secret=secret).create("/ping.read"))
    scheme, _, blob = request.headers["authorization"].partition(" ")
    user, _, password = b64decode(blob).decode("ascii").partition(":")
    assert (scheme, unquote_plus(user), unquote_plus(password)) == ("Basic", client_id, secret)
    assert set(form(flows(client_id=client_id, client_secret=secret).create("/x"))) == {"grant_type", "scope"}


@given(client_id=printable, secret=printable)
def test_body_credentials_are_form_members_and_no_header(client_id: str, secret: str) -> None:
    moov = flows(client_id=client_id, client_secret=secret, client_auth="body")
    sent = form(moov.create("/ping.read"))
    assert (sent["client_id"], sent["client_secret"]) == (client_id, secret)
    assert "authorization" not in first(moov.create("/ping.read")).headers


def test_the_documented_key_is_the_same_encoded_and_raw() -> None:
    blob = first(flows().create("/ping.read")).headers["authorization"].removeprefix("Basic ")
    assert b64decode(blob).decode() == ":".join(KEY.values())


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


def test_bodies_are_forms_which_both_contracts_take() -> None:
    headers = first(flows().create("/ping.read")).headers
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["accept"] == "application/json"


def test_version_and_origin_are_sent_where_configured_only() -> None:
    plain = first(flows().create("/ping.read")).headers
    assert "x-moov-version" not in plain
    assert "origin" not in plain
    given = first(flows(moov_version="v2024.01.00", origin="http://localhost:3000").create("/x")).headers
    assert (given["x-moov-version"], given["origin"]) == ("v2024.01.00", "http://localhost:3000")


@pytest.mark.parametrize("scope", ["/a  /b", " /a\t/b ", ["/a", "/b"], ("/a /b",), (s for s in ("/a", "/b"))])
def test_scopes_are_sent_with_single_spaces(scope: Any) -> None:
    assert form(flows().create(scope)) == {"grant_type": "client_credentials", "scope": "/a /b"}


def test_a_client_type_is_sent_where_given() -> None:
    assert form(flows().create("/a", "device"))["client_type"] == "device"


@pytest.mark.parametrize("token", [TOKEN, TOKEN.refresh_token])
def test_a_refresh_takes_a_token_or_its_refresh_token(token: Token | str) -> None:
    assert form(flows().refresh(token)) == {"grant_type": "refresh_token", "refresh_token": "refresh-def"}


def test_a_refresh_narrows_the_scope_where_given() -> None:
    assert form(flows().refresh(TOKEN, ["/a"]))["scope"] == "/a"


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
def test_a_revocation_names_the_hinted_token(token: Token | str, hint: Any, sent: dict[str, str]) -> None:
    assert first(flows().revoke(token, hint)).url.path == "/oauth2/revoke"
    assert form(flows().revoke(token, hint)) == sent


BAD_ARGUMENTS: dict[str, Callable[[], object]] = {
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


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_an_argument_that_cannot_be_sent_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must "):
        BAD_ARGUMENTS[name]()


@given(st.text(min_size=9).filter(lambda text: not text.isascii()))
def test_a_refused_secret_is_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="client_secret") as caught:
        flows(client_secret=secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.moov.io",
        "ftp://api.moov.io",
        "https://",
        "https://user:password@api.moov.io",
        "https://api.moov.io?x=y",
        "https://api.moov.io#x",
        "https://[::zz]",
        "https://api.moov.io:port",
    ],
)
def test_a_base_url_is_an_http_address_without_credentials(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        flows(base_url=base_url)
    assert "password" not in str(caught.value)


@given(secret=printable.map(lambda text: f"~{text}~"))
def test_the_repr_of_the_configuration_hides_the_secret(secret: str) -> None:
    moov = TokenFlows(client_id="key", client_secret=secret)
    assert secret not in repr(moov)
    request = next(moov.create("/ping.read"))
    assert secret not in repr(request)
