"""Whatever a server responds, each check ends with a verdict, and no report contains a secret or a token."""

import itertools
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from mockmoov.verify.budget import Send
from mockmoov.verify.check import CannotRun
from mockmoov.verify.expectations import NO_HEADER_2023
from mockmoov.verify.session import Session
from mockmoov.verify.target import Key
from tests.support.servers import another_key
from tests.support.verifying import by_status, in_process, results, target

pytestmark = pytest.mark.slow
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


@pytest.mark.parametrize("seed", range(2))
def test_random_responses_make_no_check_raise(seed: int) -> None:
    assert [result for result in results(Chaos(seed)) if result.reason.startswith("the check raised")] == []


Shape = Callable[[dict[str, Any]], str]


def changing(right: Send, change: Shape) -> Send:
    """Change the body of each granted token."""

    def send(request: httpx2.Request) -> httpx2.Response:
        response = right(request)
        if request.url.path != "/oauth2/token" or response.status_code != 200:
            return response
        return httpx2.Response(200, headers=response.headers, content=change(response.json()).encode())

    return send


MEMBERS = ["access_token", "refresh_token", "scope", "token_type", "expires_in"]


@pytest.mark.parametrize("member", MEMBERS)
def test_odd_members_make_checks_fail_but_not_raise(member: str) -> None:
    odd = itertools.cycle(_ODD)
    send = changing(in_process(), lambda answer: json.dumps({**answer, member: next(odd)}))
    found = results(send, [NO_HEADER_2023])
    assert [result for result in found if result.reason.startswith("the check raised")] == []
    assert by_status(found, "failed")


def test_report_has_no_secret_or_token_that_a_refusal_repeats() -> None:
    secret = 'quote"and\\backslash'
    right = in_process(keys=[another_key("me", client_secret=secret)])

    def echo(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth2/token":
            return right(request)
        members = {"access_token": "a-token-of-theirs", "echo": request.content.decode()}
        return httpx2.Response(400, content=json.dumps(members).encode())

    found = results(echo, key=Key(client_id="me", client_secret=secret))
    assert by_status(found, "failed")
    shown = str([(result.reason, result.curl, result.observations) for result in found])
    assert "a-token-of-theirs" not in shown
    assert "backslash" not in shown


MISSHAPEN: dict[str, Shape] = {
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
def test_report_has_no_token_whatever_the_body_looks_like(token_format: str) -> None:
    tokens, shown = set[str](), list[str]()
    right, shapes = in_process(token_format=token_format), itertools.cycle(MISSHAPEN.values())

    def misshape(answer: dict[str, Any], shape: Shape | None = None) -> str:
        for name in ("access_token", "refresh_token"):
            tokens.update(form[-20:] for form in (answer[name], answer[name][::-1]))
        return (shape or next(shapes))(answer)

    for shape in MISSHAPEN.values():
        one_shape = partial(misshape, shape=shape)
        with Session(target(), changing(right, one_shape)) as session:
            try:
                session.request_first_token(NO_HEADER_2023)
            except CannotRun as error:
                shown.append(str(error))
    assert len(shown) == 3  # the other shapes are JSON objects, which a check may judge
    shown += map(str, results(changing(right, misshape), [NO_HEADER_2023]))
    text = "\n".join(shown)
    assert len(tokens) > 200
    assert "200 with" in text
    assert [token for token in tokens if token in text] == []
