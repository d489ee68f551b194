"""What the checks report about a server that is wrong in one place."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
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
from tests.support.verifying import DATED, KEY, in_process, target

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


WRONG: list[tuple[Bend, str, str]] = [
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
    (lambda _, response: other(200, b"<html>"), "token.members", "a JSON object, got 200 with an HTML page"),
]  # fmt: skip


@pytest.mark.slow
def test_each_wrong_server_fails_its_check_with_a_reason() -> None:
    results = [(run(bent(bend), name), text) for bend, name, text in WRONG]
    assert [
        (text, result)
        for result, text in results
        if (result.status, text in result.reason, bool(result.curl)) != ("failed", True, True)
    ] == []


@pytest.mark.parametrize(("length", "status"), [(4096, "not-checkable"), (4097, "failed")])
def test_short_tokens_may_have_any_number_of_scopes(length: int, status: str) -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        scope = parse_qs(request.content.decode("latin-1")).get("scope", [""])[0]
        if len(scope) < 2000:
            return response
        members = {"access_token": "a" * length, "refresh_token": "b" * 40, "scope": scope}
        return other(200, json.dumps(members).encode())

    result = run(bent(bend), "scope.too-long")
    assert result.status == status
    assert (length == 4096) == ("tokens stay short however many scopes they have" in result.reason)


def test_a_refusal_without_a_body_is_a_finding_too() -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(401) if b"refresh_token" in request.content and response.status_code == 400 else response

    result = run(bent(bend), "finding.failed-refresh")
    assert result.status == "finding"
    assert set(result.observations.values()) == {"401 with no body"}


def test_a_check_that_raises_is_an_error_without_details() -> None:
    def broken(_: object) -> None:
        raise KeyError("what may be secret")

    check = Check(id="a.b", title="A rule", contract="both", source="spec", run=broken)
    with Session(target(), in_process()) as session:
        result = session.run(check, NO_HEADER_2023)
    assert (result.status, result.reason) == ("error", "the check raised KeyError")


def test_first_token_works_with_either_kind_of_credentials() -> None:
    def bend(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return other(401) if "authorization" in request.headers else response

    with Session(target(), bent(bend)) as session:
        assert session.request_first_token(NO_HEADER_2023).status == 200
        assert session.run(CHECKS["token.status"], NO_HEADER_2023).status == "failed"


def test_a_wrong_key_ends_the_run_before_any_check() -> None:
    wrong = replace(KEY, client_secret="not-the-secret")
    with (
        Session(target(key=wrong), in_process()) as session,
        pytest.raises(CannotRun, match="the server rejects"),
    ):
        session.request_first_token(DATED)


def test_an_origin_is_found_in_the_token_where_one_helps() -> None:
    servers = {
        "none needed": (in_process(), None),
        "none helps": (bent(path("/ping", other(401))), None),
        "no token": (bent(path("/oauth2/token", other(500))), None),
        "one helps": (in_process(origin_policy="required"), "https://api.moov.io"),
    }
    found = {}
    for name, (send, _) in servers.items():
        with Session(target(), send) as session:
            found[name] = session.find_origin(NO_HEADER_2023)
    assert found == {name: origin for name, (_, origin) in servers.items()}


def test_a_given_origin_is_sent_with_each_call() -> None:
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


# The end of a path, the response there, a check that needs it, and a part of the reason.
WRONG_CONTROL = [
    (
        "/api-keys",
        other(404),
        "revoke.another-client",
        "the control plane responds to POST /api-keys with 404",
    ),
    (
        "/api-keys",
        other(500),
        "revoke.another-client",
        "the control plane responds to POST /api-keys with 500",
    ),
    ("/api-keys", other(201, b"[]"), "revoke.another-client", "is not a JSON object"),
    ("/api-keys", other(201, b"nonsense"), "revoke.another-client", "is not a JSON object"),
    ("/api-keys", other(201, b'{"client_id":"a"}'), "revoke.another-client", "does not return client_secret"),
    ("/clock/freeze", other(200, b"{}"), "clock.date", "does not return the time of the clock"),
    ("/stubs", other(201, b'{"stub":7}'), "stub.journal", "does not return id"),
    ("/exchanges", other(200, b"{}"), "stub.journal", "does not return the exchanges"),
    ("/exchanges", other(200, b'{"exchanges":[7]}'), "stub.journal", "does not return the exchanges"),
]


def test_a_wrong_control_plane_is_an_error_and_no_verdict() -> None:
    wrong = []
    for end, answer, name, reason in WRONG_CONTROL:

        def bend(
            request: httpx2.Request, right: httpx2.Response, end: str = end, answer: Any = answer
        ) -> Any:
            return answer if request.url.path.endswith(end) else right

        result = run(bent(bend), name)
        if result.status != "error" or reason not in result.reason:
            wrong.append((end, reason, result))
    assert wrong == []


def test_a_token_of_two_parts_is_opaque() -> None:
    def cut(found: dict[str, Any]) -> None:
        found["access_token"] = found["access_token"].rpartition(".")[0]

    assert run(bent(grants(cut)), "claims.iss").reason == (
        "not checkable here: the access token is not a JWT"
    )


def test_a_control_token_opens_the_control_plane() -> None:
    send = in_process(control_token="kept-secret")
    assert run(send, "revoke.another-client").status == "not-checkable"
    assert run(send, "revoke.another-client", control_token="kept-secret").status == "passed"


def test_a_check_that_no_contract_has_is_left_out() -> None:
    with Session(target(), in_process()) as session:
        report = run_checks(session, [CHECKS["client.challenge"]], [DATED], lambda _: None)
    assert report.outcomes == ()


def test_no_connection_means_no_control_plane() -> None:
    def gone(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("")

    with Session(target(), gone) as session:
        assert not session.find_control_plane()
