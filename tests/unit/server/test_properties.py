"""Any request at all gets an answer, a documented one, without a secret in its reason or in the log."""

import json
import logging
from itertools import product
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.contracts import contract_named
from mockmoov.oauth.responses import REASON_HEADER
from tests.support.contract_fixtures import CONTRACTS, ContractName, check_response
from tests.support.requests import Drawn, requests
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    VERSIONS,
    Header,
    basic,
    bearer,
    new_server,
    sender,
)
from tests.support.tokens import mint

FORM = ("content-type", "application/x-www-form-urlencoded")
FORMATS = ["jwt", "opaque"]
SENDERS = {
    (contract, token_format): sender(
        new_server(default_version=VERSIONS[contract], token_format=token_format)
    )
    for contract in CONTRACTS
    for token_format in FORMATS
}
each_contract = pytest.mark.parametrize("contract", CONTRACTS)


def contract_of(drawn: Drawn, default: ContractName) -> ContractName:
    """The contract that answers: a well-formed version header overrides the default."""
    versions = [value for name, value in drawn.headers if name == "x-moov-version"]
    is_dated = len(versions) == 1 and contract_named(versions[0]) and versions[0][:4] != "2023"
    return "dated" if is_dated else default


# --- every request ------------------------------------------------------------------------------------


@each_contract
@given(token_format=st.sampled_from(FORMATS), drawn=requests())
def test_every_request_gets_a_documented_answer(
    contract: ContractName, token_format: str, drawn: Drawn
) -> None:
    send = SENDERS[contract, token_format]
    status, headers, body = send(drawn.method, drawn.target, list(drawn.headers), drawn.body)
    check_response(contract_of(drawn, contract), drawn.method, drawn.target, status, headers, body)
    reason = headers.get(REASON_HEADER, "")
    assert status < 500
    assert bool(reason) == (status >= 400)
    assert len(reason) <= 200
    assert reason.isascii()
    assert reason.isprintable()


@given(drawn=requests())
def test_same_request_gets_the_same_verdict_again(drawn: Drawn) -> None:
    send = sender(new_server())
    verdicts = set()
    for _ in range(2):
        status, headers, body = send(drawn.method, drawn.target, list(drawn.headers), drawn.body)
        verdicts.add((status, headers.get(REASON_HEADER), body if status >= 400 else b""))
    assert len(verdicts) == 1


# --- secrets ------------------------------------------------------------------------------------------

PATHS = ["/oauth2/token", "/oauth2/revoke", "/ping", "/_mockmoov/introspect"]
NAMES = ["grant_type", "scope", "refresh_token", "client_type", "token", "token_type_hint", "x"]
VALUES = ["{}", "/{}", "/{}.read", "{}.write", "/accounts/{}/cards.read", "a {} b"]


def misplaced(name: str, value: str) -> dict[str, tuple[str, list[Header], bytes]]:
    """A query, headers and a body with a value in the wrong place, by that place."""
    parameters = {"grant_type": "client_credentials", "scope": "/ping.read", name: value}
    form = urlencode(parameters).encode()
    in_headers = [("x-moov-version", value), ("origin", value), ("content-type", value)]
    return {
        "body": ("", [basic(), FORM], form),
        "json": ("", [basic()], json.dumps(parameters).encode()),
        "query": (f"?{urlencode(parameters)}", [basic()], b""),
        "bearer": ("", [bearer(value)], form),
        "basic": ("", [basic(value, value)], form),
        "header": ("", [basic(), *in_headers], form),
    }


@pytest.mark.parametrize("kind", ["client_secret", "access_token", "refresh_token"])
@pytest.mark.parametrize("token_format", FORMATS)
def test_misplaced_secret_is_in_no_reason_and_no_log(
    token_format: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    send = SENDERS["2023", token_format]
    secret = {**mint(send), "client_secret": CLIENT_SECRET}[kind]
    wrong = []
    with caplog.at_level(logging.DEBUG, logger="mockmoov"):
        for path, name, form in product(PATHS, NAMES, VALUES):
            for place, (query, headers, body) in misplaced(name, form.format(secret)).items():
                answered = send("POST", path + query, headers, body)[1]
                if secret in answered.get(REASON_HEADER, ""):
                    wrong.append((path, place, name, form))
    assert wrong == []
    assert secret not in caplog.text


# --- credentials --------------------------------------------------------------------------------------

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)


CLIENT_IDS = st.text(PRINTABLE.filter(lambda character: character != ":"), min_size=1, max_size=12)


@given(
    client_id=CLIENT_IDS.filter(lambda client_id: client_id not in (".", "..")),
    client_secret=st.text(PRINTABLE, min_size=1, max_size=12),
    attempt=st.text(PRINTABLE, min_size=1, max_size=12),
)
def test_only_the_secret_authenticates_raw_or_percent_encoded(
    client_id: str, client_secret: str, attempt: str
) -> None:
    send = sender(new_server(keys=[{"client_id": client_id, "client_secret": client_secret}]))
    for encode in (str, quote, quote_plus):
        assert send("GET", "/ping", [basic(encode(client_id), encode(client_secret))], b"")[0] == 200
    is_right = client_secret in (attempt, unquote_plus(attempt))
    assert send("GET", "/ping", [basic(client_id, attempt)], b"")[0] == (200 if is_right else 401)
    assert client_id == CLIENT_ID or send("GET", "/ping", [basic()], b"")[0] == 401
