"""Reading a response, and what is expected of one: contracts, versions and targets."""

import httpx2
import pytest

from mockmoov.oauth import contracts
from mockmoov.verify.check import CannotRun, CheckFailed
from mockmoov.verify.expectations import DATED, NO_HEADER_2023, RECOMMENDED_VERSION, expectations_of
from mockmoov.verify.response import Response
from mockmoov.verify.session import contract_of
from mockmoov.verify.target import Target
from tests.support.verifying import KEY, target


def response(body: bytes, status: int = 200, **headers: str) -> Response:
    return Response(status=status, headers=httpx2.Headers(headers), body=body, received_at=5.0, errors={})


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"1"])
def test_a_body_other_than_a_json_object_fails(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="expected a JSON object"):
        response(body).json_object()


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[{}, []]"])
def test_a_body_other_than_an_array_of_objects_fails(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="expected a JSON array of objects"):
        response(body).json_objects()


def test_a_response_is_shown_in_one_printable_line() -> None:
    shown = str(response(b"a\n\x1b[31m\xff"))
    assert shown.startswith("200 with a")
    assert shown.isprintable()


HTML_PAGES = [
    (b"<!doctype html><title>Hello</title>", '200 with an HTML page with the title "Hello"'),
    (
        b"\n<HTML>\n<head><TITLE a=b>\n Sign\x1b \n in </TITLE>",
        '200 with an HTML page with the title "Sign\\x1b in"',
    ),
    (b"<!-- x --><html><body>Hello", "200 with an HTML page"),
    (b"<html><title></title>", "200 with an HTML page"),
    (b"<!doctype html>" + b"<title " * 100_000, "200 with an HTML page"),
    (b"<error>no</error>", "200 with <error>no</error>"),
]


def test_an_html_page_is_shown_by_its_title() -> None:
    assert [str(response(body)) for body, _ in HTML_PAGES] == [shown for _, shown in HTML_PAGES]


@pytest.mark.parametrize("date", ["", "nonsense", "Tue, 99 Nov 2026 22:25:38 GMT"])
def test_our_clock_counts_where_the_server_has_no_date(date: str) -> None:
    assert response(b"", date=date).server_time == 5.0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"expires_in":4000000000,"token_type":"Bearer"}', "dated"),
        (b'{"expires_in":3600,"token_type":"jwt"}', "2023-sdk"),
        (b'{"expires_in":3600,"token_type":"Bearer"}', "2023"),
        (b"nonsense", "2023"),
    ],
)
def test_the_first_response_tells_the_contract(body: bytes, name: str) -> None:
    assert contract_of(response(body)).name == name


@pytest.mark.parametrize(
    "version", ["", "dev", "2022", "2026.07.00", "v2026.8.00", "v2026", "v2026.07.00 ", "LATEST"]
)
def test_a_malformed_version_has_no_contract(version: str) -> None:
    with pytest.raises(CannotRun, match="must be `latest` or look like"):
        expectations_of(version)


def test_expectations_say_what_is_sent_and_expected() -> None:
    assert NO_HEADER_2023.headers == ()
    for version in ("latest", "v2024.01", "v9000.00.00", "v0001.00.00", "v2024.13.00"):
        assert expectations_of(version).headers == (("X-Moov-Version", version),)
    assert str(DATED.errors["invalid scope"]) == '422 with {"scope": string}'
    assert str(DATED.errors["invalid client"]) == "401 with no body"
    assert str(NO_HEADER_2023.errors["invalid client"]) == (
        '401 with {"error":"invalid_client"} and WWW-Authenticate: Basic'
    )


def test_default_version_is_the_one_that_the_server_recommends() -> None:
    assert RECOMMENDED_VERSION == contracts.RECOMMENDED_VERSION


def test_a_target_on_loopback_is_recognized() -> None:
    loopback = {
        "localhost": True,
        "127.0.0.1": True,
        "127.9.8.7": True,
        "[::1]": True,
        "A.localhost": True,
        "api.moov.io": False,
        "127.attacker.example": False,
        "127.0.0.1.nip.io": False,
        "mylocalhost": False,
        "localhost.example": False,
        "128.0.0.1": False,
        "[::2]": False,
    }
    assert {host: Target(url=f"http://{host}:80", key=KEY).is_loopback for host in loopback} == loopback
    assert "dNC" not in repr(target())
