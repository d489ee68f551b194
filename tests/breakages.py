"""Owns the breakages: mockmoov with one rule bent, to see who notices. Must not know who is asked.

`python -m tests.breakages NAME --ready-file PATH` serves one of them, or the same server unbroken for `none`;
without NAME it lists them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mockmoov.bootstrap import create_server
from mockmoov.calls import Call
from mockmoov.grants import RefreshPolicy
from mockmoov.messages import HttpRequest, HttpResponse
from mockmoov.records import AccessToken, RefreshToken
from mockmoov.repository import Repository
from mockmoov.server import AuthorizationServer
from mockmoov.settings import Settings

Bend = Callable[[HttpRequest, HttpResponse], HttpResponse]
"""What goes out instead of the right answer to a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One bent rule. `bend` changes answers, `understand` requests, `repository` what is remembered."""

    rule: str
    bend: Bend = lambda _request, response: response
    understand: Callable[[HttpRequest], HttpRequest] = lambda request: request
    repository: type[Repository] = Repository


class BrokenServer(AuthorizationServer):
    """The server with one breakage in it."""

    def __init__(self, settings: Settings, breakage: Breakage) -> None:
        right = create_server(settings)
        repository = breakage.repository(right.repository._store)
        keys = right.repository.signing_keys()
        super().__init__(settings, repository, right.conditions, signing_keys=keys)
        self.breakage = breakage

    def accept(self, request: HttpRequest) -> Call:
        return super().accept(self.breakage.understand(request))

    def answer(self, call: Call) -> HttpResponse:
        return self.breakage.bend(call.request, super().answer(call))


# --- how answers are bent ------------------------------------------------------------------------------


def header(name: str, value: str | None) -> Callable[[HttpResponse], HttpResponse]:
    """Set a header, or leave it out."""

    def change(response: HttpResponse) -> HttpResponse:
        others = tuple(item for item in response.headers if item[0] != name)
        return replace(response, headers=others if value is None else (*others, (name, value)))

    return change


def members(change: Callable[[dict[str, Any]], object]) -> Callable[[HttpResponse], HttpResponse]:
    """Change the members of a JSON body."""

    def bend(response: HttpResponse) -> HttpResponse:
        document = json.loads(response.body)
        change(document)
        return replace(response, body=json.dumps(document).encode())

    return bend


def body(status: int, text: bytes) -> Callable[[HttpResponse], HttpResponse]:
    """Answer with this status and JSON text."""

    def bend(response: HttpResponse) -> HttpResponse:
        return replace(header("content-type", "application/json")(response), status=status, body=text)

    return bend


def where(
    change: Callable[[HttpResponse], HttpResponse], *, path: str = "/oauth2/token", status: int = 200
) -> Bend:
    """Bend only the answers of this path with this status."""

    def bend(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return change(response) if (request.path, response.status) == (path, status) else response

    return bend


def _lower_case_type(document: dict[str, Any]) -> None:
    document["token_type"] = document["token_type"].lower()


def _reversed_scopes(document: dict[str, Any]) -> None:
    document["scope"] = " ".join(reversed(document["scope"].split()))


def _other_expiry(document: dict[str, Any]) -> None:
    lifetime, now = 3600, 1_800_000_000
    document["expires_in"] = now + lifetime if document["expires_in"] == lifetime else lifetime


def _dated_only(bend: Bend) -> Bend:
    def bent(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return bend(request, response) if "x-moov-version" in request.headers else response

    return bent


def _without_percent(request: HttpRequest) -> HttpRequest:
    """The request as a server reads it that never decodes Basic credentials: encoded ones are wrong ones."""
    import base64

    headers = dict(request.headers)
    scheme, _, rest = headers.get("authorization", ("",))[0].partition(" ")
    if scheme.lower() == "basic" and b"%" in base64.b64decode(rest + "=="):
        headers["authorization"] = ("Basic " + base64.b64encode(b"wrong:wrong").decode(),)
    return replace(request, headers=headers)


# --- what is remembered wrongly ------------------------------------------------------------------------


class KeepsOldTokens(Repository):
    """Rotates, but the old refresh token stays good."""

    def consume_refresh_token(
        self, token: RefreshToken, *, now: float, policy: RefreshPolicy, expires_at: float
    ) -> bool:
        return not self.family(token.family).revoked


class ForgetsReplays(Repository):
    """Refuses a used-up refresh token, and revokes nothing."""

    def consume_refresh_token(
        self, token: RefreshToken, *, now: float, policy: RefreshPolicy, expires_at: float
    ) -> bool:
        lenient = replace(policy, reuse_detection=False)
        return super().consume_refresh_token(token, now=now, policy=lenient, expires_at=expires_at)


class NoCascade(Repository):
    """Revoking a refresh token leaves the access tokens of its family good."""

    def is_revoked(self, *, jti: str, family: str) -> bool:
        return super().is_revoked(jti=jti, family="none")


class ForgetsRevocations(Repository):
    """Says 204 to a revocation and does nothing."""

    def revoke_family(self, token: RefreshToken, *, now: float, expires_at: float) -> None:
        pass

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        pass


# --- the table -----------------------------------------------------------------------------------------

BREAKAGES: dict[str, Breakage] = {
    "revoke-200": Breakage(
        rule="revocation answers 204 without a body",
        bend=where(body(200, b"{}"), path="/oauth2/revoke", status=204),
    ),
    "token-type-lower-case": Breakage(
        rule="token_type is Bearer, in that spelling", bend=where(members(_lower_case_type))
    ),
    "no-refresh-token": Breakage(
        rule="a token comes with a refresh token",
        bend=where(members(lambda document: document.pop("refresh_token"))),
    ),
    "no-scope": Breakage(
        rule="a token comes with its scope", bend=where(members(lambda document: document.pop("scope")))
    ),
    "extra-member": Breakage(
        rule="a success has five members", bend=where(members(lambda document: document.update(extra=True)))
    ),
    "text-plain": Breakage(
        rule="a token comes as application/json", bend=where(header("content-type", "text/plain"))
    ),
    "error-extra-member": Breakage(
        rule="an error has one member",
        bend=where(members(lambda document: document.update(error_description="x")), status=400),
    ),
    "error-text-plain": Breakage(
        rule="an error comes as application/json",
        bend=where(header("content-type", "text/plain"), status=400),
    ),
    "error-other-code": Breakage(
        rule="a refused scope is invalid_scope, whatever else may be wrong",
        bend=where(members(lambda document: document.update(error="invalid_request")), status=400),
    ),
    "expires-in-of-the-other-kind": Breakage(
        rule="expires_in is a lifetime in 2023 and a Unix time in dated versions",
        bend=where(members(_other_expiry)),
    ),
    "scopes-reordered": Breakage(
        rule="scope comes back in the order asked", bend=where(members(_reversed_scopes))
    ),
    "basic-not-decoded": Breakage(
        rule="Basic credentials may be percent-encoded", understand=_without_percent
    ),
    "created": Breakage(rule="a token is a 200", bend=where(lambda response: replace(response, status=201))),
    "field-error-400": Breakage(
        rule="a field error of the dated contract is a 422",
        bend=where(lambda r: replace(r, status=400), status=422),
    ),
    "wrong-secret-400": Breakage(
        rule="a wrong secret by Basic is a 401", bend=where(lambda r: replace(r, status=400), status=401)
    ),
    "dated-401-with-body": Breakage(
        rule="a 401 of the dated contract has no body",
        bend=_dated_only(where(body(401, b'{"error":"invalid_client"}'), status=401)),
    ),
    "old-refresh-token-stays": Breakage(
        rule="a refresh token is good for one use", repository=KeepsOldTokens
    ),
    "replay-revokes-nothing": Breakage(rule="a replay revokes the whole family", repository=ForgetsReplays),
    "no-cascade": Breakage(
        rule="revoking a refresh token revokes the access tokens of its family", repository=NoCascade
    ),
    "revocation-forgotten": Breakage(rule="a revoked token is dead", repository=ForgetsRevocations),
    "ping-open": Breakage(
        rule="/ping without a good credential is a 401",
        bend=where(lambda response: replace(response, status=200), path="/ping", status=401),
    ),
    "no-request-id": Breakage(
        rule="every answer has a request id",
        bend=lambda _request, response: header("x-request-id", None)(response),
    ),
}


NONE = "none"
UNBROKEN = Breakage(rule="the control: no rule is bent")


def main() -> None:
    """Serve the breakage that is named, or list them all."""
    import argparse
    from pathlib import Path

    from mockmoov.app import create_app
    from mockmoov.serve import base_url, bind, run

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", nargs="?", choices=(NONE, *BREAKAGES))
    parser.add_argument("--ready-file", type=Path)
    options = parser.parse_args()
    if options.name is None:
        print("\n".join(f"{name:<30} {breakage.rule}" for name, breakage in BREAKAGES.items()))
        return
    sockets = bind("127.0.0.1", 0)
    server = BrokenServer(Settings(), BREAKAGES.get(options.name, UNBROKEN))
    app = create_app(server, exposure="loopback")
    run(app, sockets, lambda: options.ready_file.write_text(base_url("127.0.0.1", sockets)))


if __name__ == "__main__":
    main()
