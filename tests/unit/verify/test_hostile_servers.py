"""Whatever a server answers, each check ends with a verdict of its own: none meets what nobody thought of."""

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from mockmoov.verify.check import CannotRun
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import NO_HEADER_2023
from mockmoov.verify.session import Session
from mockmoov.verify.target import Key
from tests.support.servers import another_key
from tests.support.verifying import CONTRACTS, by_status, in_process, results, target

_JWS = "eyJhbGciOiJFZERTQSIsImN0eSI6IkpXVCIsImtpZCI6ImEifQ.eyJhdWQiOltdfQ.c2lnbmF0dXJl"
_VALUES: list[object] = [
    None,
    0,
    -1,
    3600,
    10**30,
    1.5,
    True,
    "",
    "text",
    "é\ud800",
    _JWS,
    "a.b.c",
    "W10.W10.W10",
    [],
    ["a"],
    {},
]
_ODD: list[object] = [None, 0, 3600, 10**30, True, "", "é\ud800", _JWS, []]
_NAMES = [
    "access_token",
    "refresh_token",
    "scope",
    "token_type",
    "expires_in",
    "error",
    "active",
    "keys",
    "now",
]
_NAMES += ["client_id", "client_secret", "account_id"]
_BODIES = [b"", b"[]", b"null", b"\xff", b"{", b"<html>", b"[" * 10_000, b'{"a":NaN}']
_HEADERS = {
    "content-type": ["application/json", "text/html", ""],
    "x-mockmoov-extension": ["yes"],
    "date": ["nonsense", "Tue, 24 Nov 2026 22:25:38 GMT"],
    "allow": ["POST", ""],
    "retry-after": ["0", "-1", "nonsense"],
    "cache-control": ["no-store", ""],
    "x-request-id": ["nonsense", ""],
    "www-authenticate": ["Basic", ""],
    "location": ["http://[", "/"],
}


class Chaos:
    """A server that answers at random."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        draw = self._random
        if draw.random() < 0.02:
            raise draw.choice([httpx2.ReadTimeout(""), httpx2.ConnectError(""), ValueError(""), OSError("")])
        headers = {name: draw.choice(values) for name, values in _HEADERS.items() if draw.random() < 0.5}
        body = json.dumps({name: draw.choice(_VALUES) for name in _NAMES if draw.random() < 0.9}).encode()
        if draw.random() < 0.2:
            body = draw.choice(_BODIES)
        status = draw.choice([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 422, 500])
        return httpx2.Response(status, headers=headers, content=body)


@pytest.mark.parametrize("seed", range(4))
def test_no_answer_breaks_a_check(seed: int) -> None:
    with Session(target(), Chaos(seed)) as session:
        session.find_control_plane()
        session.find_origin(NO_HEADER_2023)
        for check in CHECKS.values():
            for expectations in CONTRACTS:
                if check.applies_to(expectations):
                    result = session.run(check, expectations)
                    assert not result.reason.startswith("the check raised"), (check.id, result)


@pytest.mark.slow
@pytest.mark.parametrize("value", _ODD, ids=lambda value: ascii(value)[:12])
@pytest.mark.parametrize("member", ["access_token", "refresh_token", "scope", "token_type", "expires_in"])
def test_no_member_breaks_a_check(member: str, value: object) -> None:
    right = in_process()

    def bent(request: httpx2.Request) -> httpx2.Response:
        response = right(request)
        if request.url.path == "/oauth2/token" and response.status_code == 200:
            document = {**response.json(), member: value}
            return httpx2.Response(200, headers=response.headers, content=json.dumps(document).encode())
        return response

    with Session(target(), bent) as session:
        session.find_control_plane()
        results = [
            session.run(check, NO_HEADER_2023)
            for check in CHECKS.values()
            if check.applies_to(NO_HEADER_2023)
        ]
    assert not [result for result in results if result.reason.startswith("the check raised")]
    is_right = (member, value) == ("expires_in", 3600)
    assert any(result.status == "failed" for result in results) is not is_right


def test_no_answer_gets_a_secret_or_a_token_into_a_report() -> None:
    secret = 'quote"and\\backslash'
    right = in_process(keys=[another_key("me", client_secret=secret)])

    def telling(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth2/token":
            return right(request)
        told = {"access_token": "a-token-of-theirs", "echo": request.content.decode()}
        return httpx2.Response(400, content=json.dumps(told).encode())

    found = results(telling, key=Key(client_id="me", client_secret=secret))
    assert by_status(found, "failed")
    shown = str([(result.reason, result.curl, result.observations) for result in found])
    assert "a-token-of-theirs" not in shown
    assert "backslash" not in shown


MISSHAPEN: dict[str, Callable[[dict[str, Any]], str]] = {
    "form": urlencode,
    "cut": lambda answer: json.dumps(answer)[:-2],
    "list": lambda answer: json.dumps([answer]),
    "nested": lambda answer: json.dumps({"data": {"tokens": [answer]}}),
    "camel case": lambda answer: json.dumps(
        {"accessToken": answer["access_token"], "refreshToken": answer["refresh_token"]}
    ),
    "escaped": lambda answer: (
        f'{{"a": "{"".join(f"{chr(92)}u{ord(c):04x}" for c in answer["access_token"])}"}}'
    ),
    "beside": lambda answer: json.dumps({**answer, "id_token": answer["access_token"][::-1]}),
}


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@pytest.mark.parametrize("shape", MISSHAPEN)
def test_no_token_gets_into_a_report_wherever_an_answer_has_it(shape: str, token_format: str) -> None:
    right, tokens = in_process(token_format=token_format), set[str]()

    def misshapen(request: httpx2.Request) -> httpx2.Response:
        response = right(request)
        if request.url.path != "/oauth2/token" or response.status_code != 200:
            return response
        answer = response.json()
        for name in ("access_token", "refresh_token"):
            tokens.update(form[-20:] for form in (answer[name], answer[name][::-1]))
        return httpx2.Response(200, headers=response.headers, content=MISSHAPEN[shape](answer).encode())

    with Session(target(), misshapen) as session:
        try:
            session.request_first_token(NO_HEADER_2023)
            told = []
        except CannotRun as error:
            told = [str(error)]
        checks = [check for check in CHECKS.values() if check.applies_to(NO_HEADER_2023)]
        told += [str(session.run(check, NO_HEADER_2023)) for check in checks]
    assert len(tokens) > 20
    text = "\n".join(told)
    assert "200 with" in text or shape == "beside"
    assert not [token for token in tokens if token in text]
