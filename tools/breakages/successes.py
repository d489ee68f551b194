"""The breakages of good answers: their status, headers and members."""

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from tools.breakages.bending import PING, REVOKE, body, header, members, status, where, with_member, without
from tools.breakages.reading import given
from tools.breakages.seams import Breakage

_LIFETIME = 3600


def _other_expiry(expires_in: int) -> int:
    now = 1_800_000_000
    return now + _LIFETIME if expires_in == _LIFETIME else _LIFETIME


def _scope_as_asked(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    asked = given(request).get("scope")
    if not isinstance(asked, str):
        return response
    return where(with_member("scope", lambda _: " ".join(asked.split())))(request, response)


SUCCESSES: dict[str, Breakage] = {
    "created": Breakage(rule="a token is a 200", bend=where(status(201)), clients=True),
    "token-type-lower-case": Breakage(
        rule="token_type is Bearer, in that spelling",
        bend=where(with_member("token_type", str.lower)),
        clients=True,
    ),
    "token-type-jwt": Breakage(
        rule="token_type is Bearer, whatever the format of the token",
        bend=where(with_member("token_type", lambda _: "jwt")),
    ),
    "no-access-token": Breakage(rule="a token has an access_token", bend=where(without("access_token"))),
    "no-refresh-token": Breakage(
        rule="a token comes with a refresh token", bend=where(without("refresh_token")), clients=True
    ),
    "no-expires-in": Breakage(rule="a token comes with its expiry", bend=where(without("expires_in"))),
    "no-token-type": Breakage(rule="a token comes with its type", bend=where(without("token_type"))),
    "no-scope": Breakage(rule="a token comes with its scope", bend=where(without("scope")), clients=True),
    "refresh-without-scope": Breakage(
        rule="a refresh is answered as a first token is",
        bend=lambda request, response: (
            where(without("scope"))(request, response)
            if b"grant_type=refresh_token" in request.body
            else response
        ),
    ),
    "access-token-too-long": Breakage(
        rule="an access token has at most 4,096 characters",
        bend=where(with_member("access_token", lambda token: token + "A" * 4096)),
    ),
    "extra-member": Breakage(
        rule="a success has five members",
        bend=where(members(lambda document: document.update(extra=True))),
        clients=True,
    ),
    "text-plain": Breakage(
        rule="a token comes as application/json",
        bend=where(header("content-type", "text/plain")),
        clients=True,
    ),
    "expires-in-of-the-other-kind": Breakage(
        rule="expires_in is a lifetime in 2023 and a Unix time in dated versions",
        bend=where(with_member("expires_in", _other_expiry)),
        clients=True,
    ),
    "expires-in-text": Breakage(
        rule="expires_in is a whole number", bend=where(with_member("expires_in", str))
    ),
    "expires-in-milliseconds": Breakage(
        rule="expires_in counts seconds", bend=where(with_member("expires_in", lambda value: value * 1000))
    ),
    "expires-in-later-than-exp": Breakage(
        rule="expires_in says what the token's exp says",
        bend=where(with_member("expires_in", lambda value: value + 600)),
    ),
    "scopes-reordered": Breakage(
        rule="scope comes back in the order asked",
        bend=where(with_member("scope", lambda scope: " ".join(reversed(scope.split())))),
        clients=True,
    ),
    "scopes-repeated": Breakage(rule="scope comes back without repeats", bend=_scope_as_asked),
    "scopes-spaced-twice": Breakage(
        rule="scope comes back with single spaces",
        bend=where(with_member("scope", lambda scope: scope.replace(" ", "  "))),
    ),
    "success-cacheable": Breakage(
        rule="a token is not to be cached", bend=where(header("cache-control", None))
    ),
    "success-without-pragma": Breakage(
        rule="a token is not to be cached by an HTTP/1.0 cache", bend=where(header("pragma", None))
    ),
    "revoke-200": Breakage(
        rule="revocation answers 204 without a body",
        bend=where(body(200, b"{}"), path=REVOKE, status=204),
        clients=True,
    ),
    "revoke-content-type": Breakage(
        rule="a revocation has no Content-Type",
        bend=where(header("content-type", "application/json"), path=REVOKE, status=204),
    ),
    "ping-204": Breakage(rule="a ping is a 200", bend=where(status(204), path=PING)),
    "ping-with-body": Breakage(
        rule="a ping has no body", bend=where(body(200, b"pong", "text/plain"), path=PING)
    ),
}
