"""What a check says of a server that is wrong, or other, in one place."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from mockmoov.verify.budget import Send
from mockmoov.verify.check import CannotRun, Check, Result
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import NO_HEADER_2023, Expectations
from mockmoov.verify.run import run_checks
from mockmoov.verify.session import Session
from tests.support.verifying import KEY, LATEST, in_process, target

Bend = Callable[[httpx2.Request, httpx2.Response], httpx2.Response]

PLAIN = {"content-type": "text/plain"}


def bent(bend: Bend, **settings: Any) -> Send:
    right = in_process(**settings)
    return lambda request: bend(request, right(request))


def run(send: Send, name: str, expectations: Expectations = NO_HEADER_2023, **changes: Any) -> Result:
    with Session(target(**changes), send) as session:
        session.find_control_plane()
        session.find_origin(expectations)
        return session.run(CHECKS[name], expectations)


def other(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, content=body)


def grants(change: Callable[[dict[str, Any]], object]) -> Bend:
    """Change the members of each grant."""

    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path != "/oauth2/token" or response.status_code != 200:
            return response
        document = response.json()
        change(document)
        return other(200, json.dumps(document).encode(), dict(response.headers) | {"content-length": "0"})

    return bend


def jws(part: int, change: Callable[[dict[str, Any]], object]) -> Bend:
    """Change the header (0) or the claims (1) of each access token, unsigned as they are then."""

    def alter(document: dict[str, Any]) -> None:
        parts = document["access_token"].split(".")
        members = json.loads(urlsafe_b64decode(parts[part] + "=="))
        change(members)
        parts[part] = urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
        document["access_token"] = ".".join(parts)

    return grants(alter)


def claims(**members: Any) -> Bend:
    return jws(1, lambda found: found.update(members))


def path(wanted: str, answer: httpx2.Response) -> Bend:
    return lambda request, response: answer if request.url.path == wanted else response


def headed(name: str, value: str) -> Bend:
    """Every answer has this header."""
    return lambda _, answer: other(answer.status_code, answer.content, {**answer.headers, name: value})


@pytest.mark.parametrize(
    ("bend", "name", "text"),
    [
        (claims(aud="https://api.moov.io"), "claims.aud", "expected aud to be a list, got str"),
        (claims(aud=[]), "claims.aud", "expected aud to end with"),
        (claims(iat="now"), "claims.times", "expected iat and exp to be integers"),
        (claims(iat=5, exp=3605), "claims.times", "expected iat to be now"),
        (claims(aid="nobody"), "claims.account", "expected aid to be a UUID, got nobody"),
        (claims(caid=7), "claims.account", "expected caid to be a UUID, got 7"),
        (claims(caid="00000000-0000-4000-8000-000000000000"), "claims.account", "expected caid 5352b013"),
        (claims(jti="always"), "claims.jti", "expected two different jtis"),
        (grants(lambda found: found.update(expires_in="3600")), "token.expires-in", "to be an integer"),
        (lambda _, response: other(response.status_code), "token.no-store", "cache-control: no-store, got"),
        (lambda _, response: other(response.status_code), "request.method", "expected Allow: POST"),
        (headed("x-request-id", "7"), "token.request-id", "to be a UUID, got 7"),
        (headed("www-authenticate", ""), "client.wrong-secret", "expected WWW-Authenticate: Basic, got"),
        (claims(aud=[]), "origin.of-aud", "expected a token with audiences"),
        (claims(aud=7), "origin.of-aud", "expected a token with audiences"),
        (jws(0, lambda found: found.update(alg="none")), "claims.header", "expected alg EdDSA, got none"),
        (jws(0, lambda found: found.update(kid="nobody")), "mockmoov.signature", "one key nobody, got 0"),
        (claims(scp="/other.read"), "mockmoov.signature", "expected a token that verifies"),
        (path("/.well-known/jwks.json", other(200, b'{"keys":7}')), "mockmoov.signature", "got 0"),
        (grants(lambda found: found.update(access_token="é")), "refresh.works", "printable ASCII"),
        (grants(lambda found: found.update(token_type="bearer")), "token.type", "Bearer, got bearer"),
        (path("/ping", other(403)), "refresh.works", "expected 200 or 401, got 403 with no body"),
        (path("/oauth2/revoke", other(204, headers=PLAIN)), "revoke.status", "expected content-type: None"),
        (lambda _, response: other(200, b"<html>"), "token.members", "a JSON object, got 200 with <h"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_server_that_is_wrong_in_one_place_is_told_so(bend: Bend, name: str, text: str) -> None:
    result = run(bent(bend), name)
    assert result.status == "failed"
    assert text in result.reason
    assert result.curl


def _long(status_length: int) -> Bend:
    """Many scopes are granted, with tokens of that length."""

    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        asked = parse_qs(request.content.decode("latin-1")).get("scope", [""])[0]
        if len(asked) < 2000:
            return response
        members = {"access_token": "a" * status_length, "refresh_token": "b" * 40, "scope": asked}
        return other(200, json.dumps(members).encode())

    return bend


def test_a_server_whose_tokens_stay_short_may_grant_any_number_of_scopes() -> None:
    assert run(bent(_long(4096)), "scope.too-long").reason == (
        "not checkable here: tokens stay short however many scopes they have"
    )
    assert run(bent(_long(4097)), "scope.too-long").status == "failed"


def test_a_refusal_without_a_body_is_a_finding_too() -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(401) if b"refresh_token" in request.content and response.status_code == 400 else response

    result = run(bent(bend), "finding.failed-refresh")
    assert result.status == "finding"
    assert set(result.observations.values()) == {"401 with no body"}


def test_a_check_that_fails_itself_says_so_and_no_more() -> None:
    def broken(_: object) -> None:
        raise KeyError("what may be secret")

    check = Check(id="a.b", title="A rule", contract="both", source="spec", run=broken)
    with Session(target(), in_process()) as session:
        result = session.run(check, NO_HEADER_2023)
    assert (result.status, result.reason) == ("error", "the check raised KeyError")


def test_the_way_to_give_credentials_is_for_a_check_to_judge() -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(401) if "authorization" in request.headers else response

    with Session(target(), bent(bend)) as session:
        assert session.request_first_token(NO_HEADER_2023).status == 200
        assert session.run(CHECKS["token.status"], NO_HEADER_2023).status == "failed"


def test_a_wrong_key_is_told_before_anything_else() -> None:
    from dataclasses import replace

    wrong = replace(KEY, client_secret="not-the-secret")
    with (
        Session(target(key=wrong), in_process()) as session,
        pytest.raises(CannotRun, match="the server rejects"),
    ):
        session.request_first_token(LATEST)


@pytest.mark.parametrize(
    ("bend", "origin"),
    [
        (lambda _, response: response, None),
        (path("/ping", other(401)), None),
        (path("/oauth2/token", other(500)), None),
    ],
)
def test_an_origin_is_looked_for_only_where_one_helps(bend: Bend, origin: str | None) -> None:
    with Session(target(), bent(bend)) as session:
        assert session.find_origin(NO_HEADER_2023) == origin


def test_an_origin_that_helps_is_found_in_the_token() -> None:
    with Session(target(), in_process(origin_policy="required")) as session:
        assert session.find_origin(NO_HEADER_2023) == "https://api.moov.io"


def test_an_origin_that_was_given_is_sent_with_each_call() -> None:
    origins: list[str | None] = []

    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path == "/ping":
            origins.append(request.headers.get("origin"))
        return response

    send = bent(bend)
    assert run(send, "ping.bearer", origin="http://localhost:3000").status == "passed"
    assert set(origins) == {"http://localhost:3000"}
    assert run(send, "claims.aud", origin="http://localhost:3000").status == "passed"
    assert run(send, "claims.aud", origin="https://elsewhere.example").status == "failed"


@pytest.mark.parametrize("status", [404, 500])
def test_a_control_plane_that_fails_makes_an_error_and_no_verdict(status: int) -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(status) if request.url.path.startswith("/_mockmoov/api-keys") else response

    result = run(bent(bend), "revoke.another-client")
    assert (result.status, result.reason) == (
        "error",
        f"the control plane responds to POST /api-keys with {status}",
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "is not a JSON object"),
        (b"nonsense", "is not a JSON object"),
        (b'{"client_id":"a"}', "does not return client_secret"),
    ],
)
def test_a_control_plane_that_talks_nonsense_makes_an_error(body: bytes, text: str) -> None:
    result = run(bent(path("/_mockmoov/api-keys", other(201, body))), "revoke.another-client")
    assert result.status == "error"
    assert text in result.reason


def test_a_clock_that_does_not_say_what_time_it_is_makes_an_error() -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(200, b"{}") if request.url.path.endswith("/clock/freeze") else response

    assert run(bent(bend), "clock.date").reason == "the control plane does not return the time of the clock"


def test_a_token_of_two_parts_is_opaque() -> None:
    send = bent(
        grants(lambda found: found.update(access_token=".".join(found["access_token"].split(".")[:2])))
    )
    assert run(send, "claims.iss").reason == "not checkable here: the access token is not a JWT"


def test_a_control_token_opens_the_control_plane() -> None:
    send = in_process(control_token="kept-secret")
    assert run(send, "revoke.another-client").status == "not-checkable"
    assert run(send, "revoke.another-client", control_token="kept-secret").status == "passed"


def test_a_check_whose_rule_no_contract_has_is_left_out() -> None:
    with Session(target(), in_process()) as session:
        report = run_checks(session, [CHECKS["client.challenge"]], [LATEST], lambda _: None)
    assert report.outcomes == ()


def test_a_network_that_goes_while_looking_for_a_control_plane_is_none() -> None:
    def gone(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("")

    with Session(target(), gone) as session:
        assert not session.find_control_plane()
