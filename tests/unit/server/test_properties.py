"""What holds for every request there is: an answer, a documented one, and no secret in it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockmoov.oauth.contracts import contract_named
from mockmoov.oauth.responses import REASON_HEADER
from tests.support.contract_fixtures import CONTRACTS, ContractName, Send, check_response
from tests.support.requests import Drawn, requests
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    VERSIONS,
    Header,
    another_key,
    basic,
    bearer,
    new_server,
    post_form,
    sender,
)

TOKEN_FORMATS = ["jwt", "opaque"]


def spoken(drawn: Drawn, default: ContractName) -> ContractName:
    """The contract that answers: a well-formed version header wins over the default."""
    versions = [value for name, value in drawn.headers if name == "x-moov-version"]
    return (
        "dated"
        if len(versions) == 1 and contract_named(versions[0]) and versions[0][:4] != "2023"
        else default
    )


@pytest.mark.parametrize("token_format", TOKEN_FORMATS)
@pytest.mark.parametrize("default", CONTRACTS)
@settings(max_examples=400)
@given(data=st.data())
def test_every_request_gets_a_documented_answer(
    default: ContractName, token_format: str, data: st.DataObject
) -> None:
    send = SENDERS[default, token_format]
    drawn = data.draw(requests())
    status, headers, body = send(drawn.method, drawn.target, list(drawn.headers), drawn.body)
    assert status < 500
    check_response(
        spoken(drawn, default), drawn.method, drawn.target.partition("?")[0], status, headers, body
    )


@pytest.mark.parametrize("default", CONTRACTS)
@settings(max_examples=200)
@given(drawn=requests())
def test_every_refusal_has_a_printable_reason_and_no_success_has_one(
    default: ContractName, drawn: Drawn
) -> None:
    status, headers, _ = SENDERS[default, "jwt"](drawn.method, drawn.target, list(drawn.headers), drawn.body)
    reason = headers.get(REASON_HEADER, "")
    assert bool(reason) == (status >= 400)
    assert len(reason) <= 200
    assert reason.isascii()
    assert reason.isprintable()


@settings(max_examples=150)
@given(drawn=requests())
def test_one_request_has_one_verdict_always_the_same(drawn: Drawn) -> None:
    send = sender(new_server())
    verdicts = set()
    for _ in range(2):
        status, headers, body = send(drawn.method, drawn.target, list(drawn.headers), drawn.body)
        verdicts.add((status, headers.get(REASON_HEADER), body if status >= 400 else b""))
    assert len(verdicts) == 1


SENDERS = {
    (contract, token_format): sender(
        new_server(default_version=VERSIONS[contract], token_format=token_format)
    )
    for contract in CONTRACTS
    for token_format in TOKEN_FORMATS
}


# --- secrets ----------------------------------------------------------------------------------------


@contextmanager
def captured() -> Iterator[list[str]]:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, logger = Handler(), logging.getLogger("mockmoov")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def _minted(send: Send) -> dict[str, str]:
    answer = post_form(send, "/oauth2/token", basic(), grant_type="client_credentials", scope="/ping.read")
    document: dict[str, str] = json.loads(answer[2])
    return document


PLACES = ["body", "json", "query", "bearer", "basic", "header"]
PARAMETERS = ["grant_type", "scope", "refresh_token", "client_type", "token", "token_type_hint", "x"]
FORMS = ["{}", "/{}", "/{}.read", "{}.write", "/accounts/{}/cards.read", "a {} b"]
ASKED = ["/oauth2/token", "/oauth2/revoke", "/ping", "/_mockmoov/introspect"]


@pytest.mark.parametrize("token_format", TOKEN_FORMATS)
@pytest.mark.parametrize("kind", ["secret", "access_token", "refresh_token"])
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_in_the_wrong_place_never_comes_back_in_a_reason_or_a_log(
    place: str, kind: str, token_format: str
) -> None:
    send = SENDERS["2023", token_format]
    secret = {**_minted(send), "secret": CLIENT_SECRET}[kind]
    for path, name, form in product(ASKED, PARAMETERS, FORMS):
        with captured() as lines:
            _, answered, _ = send("POST", *_misplaced(path, place, name, form.format(secret)))
        assert secret not in answered.get(REASON_HEADER, ""), (path, name, form)
        assert secret not in "".join(lines)


def _misplaced(path: str, place: str, name: str, value: str) -> tuple[str, list[Header], bytes]:
    parameters = {"grant_type": "client_credentials", "scope": "/ping.read", name: value}
    form = [basic(), ("content-type", "application/x-www-form-urlencoded")]
    in_headers = [("x-moov-version", value), ("origin", value), ("content-type", value)]
    return {
        "body": (path, form, urlencode(parameters).encode()),
        "json": (path, [basic()], json.dumps(parameters).encode()),
        "query": (f"{path}?{urlencode(parameters)}", [basic()], b""),
        "bearer": (path, [bearer(value)], urlencode(parameters).encode()),
        "basic": (path, [basic(value, value)], urlencode(parameters).encode()),
        "header": (path, [basic(), *in_headers], urlencode(parameters).encode()),
    }[place]


# --- error tables: what is wrong with the rest never changes the verdict on what comes first ---------

WRONG = {"scope": "/nope.read", "grant_type": "password", "client_type": "toaster", "refresh_token": "x"}


@pytest.mark.parametrize("contract", CONTRACTS)
@given(
    extra=st.dictionaries(st.text("abcdefgh_", min_size=12, max_size=14), st.text(max_size=10), max_size=3)
)
def test_unknown_parameters_change_nothing(contract: ContractName, extra: dict[str, str]) -> None:
    send = SENDERS[contract, "jwt"]
    known: dict[str, Any] = {"grant_type": "client_credentials", "scope": "/ping.read"}
    assert post_form(send, "/oauth2/token", basic(), **known, **extra)[0] == 200
    document = {**known, **{name: [1, None] for name in extra}}
    assert send("POST", "/oauth2/token", [basic()], json.dumps(document).encode())[0] == 200


@pytest.mark.parametrize("contract", CONTRACTS)
@given(
    name=st.one_of(st.sampled_from(sorted(WRONG)), st.text("abc", min_size=1, max_size=3)),
    value=st.text("xyz", max_size=3),
)
def test_a_repeated_parameter_is_invalid_request_whatever_its_name(
    contract: ContractName, name: str, value: str
) -> None:
    send = SENDERS[contract, "jwt"]
    good = b"grant_type=client_credentials&scope=/ping.read&"
    pair = f"{name}={value}".encode()
    form = ("content-type", "application/x-www-form-urlencoded")
    assert send("POST", "/oauth2/token", [basic(), form], good + pair + b"&" + pair)[::2] == (
        400,
        b'{"error":"invalid_request"}',
    )
    repeated = f'{{"{name}":"{value}","{name}":"{value}"}}'.encode()
    assert send("POST", "/oauth2/token", [basic()], repeated)[::2] == (400, b'{"error":"invalid_request"}')


# --- scopes -----------------------------------------------------------------------------------------

KNOWN = ["/ping.read", "/accounts.read", "/accounts.write", "/fed.read", "/institutions.read"]
scope_lists = st.lists(st.sampled_from(KNOWN), min_size=1, max_size=5)


@pytest.mark.parametrize("contract", CONTRACTS)
@given(granted=scope_lists, asked=scope_lists)
def test_a_refresh_never_widens(contract: ContractName, granted: list[str], asked: list[str]) -> None:
    send = SENDERS[contract, "jwt"]
    first = post_form(
        send, "/oauth2/token", basic(), grant_type="client_credentials", scope=" ".join(granted)
    )
    token = json.loads(first[2])
    assert token["scope"].split() == list(dict.fromkeys(granted))
    answer = post_form(
        send, "/oauth2/token", basic(),
        grant_type="refresh_token", refresh_token=token["refresh_token"], scope=" ".join(asked),
    )  # fmt: skip
    if set(asked) <= set(granted):
        narrowed = json.loads(answer[2])
        assert narrowed["scope"].split() == list(dict.fromkeys(asked))
        assert (send("GET", "/ping", [bearer(narrowed["access_token"])], b"")[0] == 200) == (
            "/ping.read" in asked
        )
    else:
        assert answer[0] in (400, 422)


@given(allowed=scope_lists, asked=scope_lists)
def test_a_key_never_gets_a_scope_it_may_not_ask_for(allowed: list[str], asked: list[str]) -> None:
    key = another_key("a", scopes=allowed)
    answer = post_form(
        sender(new_server(keys=[key])), "/oauth2/token", basic("a", key["client_secret"]),
        grant_type="client_credentials", scope=" ".join(asked),
    )  # fmt: skip
    assert (answer[0] == 200) == (set(asked) <= set(allowed))


# --- revocation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", CONTRACTS)
@given(token=st.text(min_size=1, max_size=60), hint=st.sampled_from(["access_token", "refresh_token"]))
def test_a_token_that_is_not_ours_is_revoked_with_204_whatever_it_is(
    contract: ContractName, token: str, hint: str
) -> None:
    body = json.dumps({"token": token, "token_type_hint": hint}).encode()
    assert SENDERS[contract, "jwt"]("POST", "/oauth2/revoke", [basic()], body)[::2] == (204, b"")


# --- client credentials -----------------------------------------------------------------------------


@given(
    client_id=st.text(
        st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=12
    ),
    client_secret=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12),
    attempt=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12),
)
def test_only_the_right_secret_authenticates_raw_or_percent_encoded(
    client_id: str, client_secret: str, attempt: str
) -> None:
    send = sender(new_server(keys=[{"client_id": client_id, "client_secret": client_secret}]))
    for encode in (str, quote, quote_plus):
        assert send("GET", "/ping", [basic(encode(client_id), encode(client_secret))], b"")[0] == 200
    wrong = client_secret not in (attempt, unquote_plus(attempt))
    assert (send("GET", "/ping", [basic(client_id, attempt)], b"")[0] == 401) == wrong
    assert (client_id == CLIENT_ID) or send("GET", "/ping", [basic()], b"")[0] == 401
