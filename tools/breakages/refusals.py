"""The breakages of refusals: their status, code, headers and bodies."""

from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import REASON_HEADER
from tools.breakages.bending import (
    PING,
    REVOKE,
    because,
    body,
    code,
    dated,
    everywhere,
    header,
    members,
    status,
    undated,
    where,
    with_member,
)
from tools.breakages.seams import Breakage

_CLIENT = b'{"error":"invalid_client"}'
_CHALLENGE = header("www-authenticate", 'Basic realm="moov"')


def _told_in_the_body(response: HttpResponse) -> HttpResponse:
    return members(lambda document: document.update(error_description="told"))(response)


# --- codes and fields ----------------------------------------------------------------------------------

ERRORS: dict[str, Breakage] = {
    "error-extra-member": Breakage(
        rule="an error has one member", bend=where(_told_in_the_body, status=400), clients=True
    ),
    "error-text-plain": Breakage(
        rule="an error comes as application/json",
        bend=where(header("content-type", "text/plain"), status=400),
        clients=True,
    ),
    "error-cacheable": Breakage(
        rule="a refusal is not to be cached",
        bend=lambda _request, r: header("cache-control", None)(r) if r.status >= 400 else r,
    ),
    "error-other-code": Breakage(
        rule="a refused scope is invalid_scope, whatever else may be wrong",
        bend=where(with_member("error", lambda _: "invalid_request"), status=400),
        clients=True,
    ),
    "error-unknown-code": Breakage(
        rule="there are six codes and no other",
        bend=because(with_member("error", lambda _: "invalid_parameter"), "repeated"),
    ),
    "unreadable-body-422": Breakage(
        rule="an unreadable body is a 400", bend=because(status(422), "the body is not JSON")
    ),
    "wrong-media-type-415": Breakage(
        rule="a wrong media type is a 400", bend=because(body(415, b""), "Content-Type must be")
    ),
    "field-error-400": Breakage(
        rule="a field error of the dated contract is a 422", bend=where(status(400), status=422), clients=True
    ),
    "field-error-as-code": Breakage(
        rule="a field error names its field", bend=where(body(422, b'{"error":"invalid_scope"}'), status=422)
    ),
    "field-error-nested": Breakage(
        rule="what a field error says is a text",
        bend=where(members(lambda fields: fields.update({k: [v] for k, v in fields.items()})), status=422),
    ),
    "field-error-in-2023": Breakage(
        rule="the 2023 contract has no 422",
        bend=undated(where(body(422, b'{"scope":"bad"}'), status=400, reason="is not known")),
    ),
    "grant-type-missing-unsupported": Breakage(
        rule="a missing grant_type is invalid_request",
        bend=code("unsupported_grant_type", "grant_type is missing"),
    ),
    "grant-type-unknown-invalid": Breakage(
        rule="an unknown grant_type is unsupported_grant_type",
        bend=code("invalid_request", "grant_type must be"),
    ),
    "grant-not-allowed-invalid": Breakage(
        rule="a grant that the key may not use is unauthorized_client",
        bend=code("invalid_grant", "may not use"),
    ),
    "scope-missing-invalid-request": Breakage(
        rule="a missing scope is invalid_scope", bend=code("invalid_request", "scope is missing")
    ),
    "scope-missing-400": Breakage(
        rule="a missing scope is a field error of the dated contract",
        bend=where(body(400, b'{"error":"invalid_scope"}'), status=422, reason="scope is missing"),
    ),
    "scope-malformed-invalid-request": Breakage(
        rule="a malformed scope is invalid_scope", bend=code("invalid_request", "scope is malformed")
    ),
    "refresh-token-missing-invalid-grant": Breakage(
        rule="a missing refresh_token is invalid_request",
        bend=code("invalid_grant", "refresh_token is missing"),
    ),
    "refresh-token-unknown-invalid-request": Breakage(
        rule="an unknown refresh_token is invalid_grant",
        bend=code("invalid_request", "refresh_token is unknown"),
    ),
    "refresh-token-used-invalid-request": Breakage(
        rule="a used-up refresh_token is invalid_grant",
        bend=code("invalid_request", "refresh_token was used already"),
    ),
    "refresh-token-revoked-invalid-request": Breakage(
        rule="a revoked refresh_token is invalid_grant",
        bend=code("invalid_request", "refresh_token was revoked"),
    ),
    "refresh-token-of-another-unauthorized": Breakage(
        rule="another client's refresh_token is invalid_grant",
        bend=code("unauthorized_client", "issued to another client"),
    ),
    "refresh-token-400": Breakage(
        rule="a refused refresh_token is a field error of the dated contract",
        bend=where(body(400, b'{"error":"invalid_grant"}'), status=422, reason="refresh_token"),
    ),
    "wider-scope-invalid-grant": Breakage(
        rule="a wider scope at a refresh is invalid_scope", bend=code("invalid_grant", "wider")
    ),
    "wider-scope-of-refresh-token": Breakage(
        rule="a wider scope at a refresh is a fault of scope, not of refresh_token",
        bend=where(body(422, b'{"refresh_token":"bad"}'), status=422, reason="wider"),
    ),
    "revoke-token-missing-204": Breakage(
        rule="a revocation without a token is refused", bend=because(body(204, b""), "token is missing")
    ),
    "revoke-token-missing-invalid-client": Breakage(
        rule="a revocation without a token is invalid_request",
        bend=code("invalid_client", "token is missing", path=REVOKE),
    ),
    "revoke-field-error-400": Breakage(
        rule="a field error of a revocation is a 422 too", bend=where(status(400), path=REVOKE, status=422)
    ),
    "revoke-hint-any-in-2023": Breakage(
        rule="a hint outside the two is refused in the 2023 contract too",
        bend=undated(because(body(204, b""), "token_type_hint must be")),
    ),
    "revoke-hint-field-token": Breakage(
        rule="a hint outside the two is a fault of token_type_hint",
        bend=where(body(422, b'{"token":"bad"}'), path=REVOKE, status=422, reason="hint"),
    ),
    "revoke-of-another-204": Breakage(
        rule="revoking another client's token is refused",
        bend=because(body(204, b""), "the token was issued to another client"),
    ),
    "revoke-of-another-invalid-grant": Breakage(
        rule="revoking another client's token is unauthorized_client",
        bend=code("invalid_grant", "issued to another client", path=REVOKE),
    ),
}

# --- client authentication -----------------------------------------------------------------------------

AUTHENTICATION: dict[str, Breakage] = {
    "wrong-secret-400": Breakage(
        rule="a wrong secret by Basic is a 401", bend=where(status(400), status=401), clients=True
    ),
    "wrong-secret-in-body-401": Breakage(
        rule="a wrong secret in the body is a 400 of the 2023 contract",
        bend=undated(where(status(401), status=400, reason="client_secret")),
    ),
    "wrong-secret-403": Breakage(
        rule="failed client authentication is not a 403", bend=where(status(403), status=401)
    ),
    "no-challenge": Breakage(
        rule="a 401 of the 2023 contract has a challenge",
        bend=where(header("www-authenticate", None), status=401),
    ),
    "challenge-bearer": Breakage(
        rule="the challenge is for Basic, in realm moov",
        bend=undated(where(header("www-authenticate", "Bearer"), status=401)),
    ),
    "challenge-beside-body-credentials": Breakage(
        rule="credentials in the body are answered without a challenge",
        bend=undated(where(_CHALLENGE, status=400, reason="client_secret")),
    ),
    "invalid-client-as-invalid-request": Breakage(
        rule="failed client authentication is invalid_client",
        bend=undated(where(with_member("error", lambda _: "invalid_request"), status=401)),
    ),
    "dated-401-with-body": Breakage(
        rule="a 401 of the dated contract has no body",
        bend=dated(where(body(401, _CLIENT), status=401)),
        clients=True,
    ),
    "dated-401-with-challenge": Breakage(
        rule="a 401 of the dated contract has no challenge", bend=dated(where(_CHALLENGE, status=401))
    ),
    "dated-body-credentials-400": Breakage(
        rule="a wrong secret in the body is a 401 of the dated contract",
        bend=dated(where(body(400, _CLIENT), status=401, reason="client_secret is wrong")),
    ),
    "no-credentials-invalid-request": Breakage(
        rule="no credentials at all is failed client authentication",
        bend=because(body(400, b'{"error":"invalid_request"}'), "no client credentials"),
    ),
    "revoke-wrong-secret-204": Breakage(
        rule="a revocation wants good credentials", bend=where(body(204, b""), path=REVOKE, status=401)
    ),
}

# --- protected paths -----------------------------------------------------------------------------------

PROTECTED: dict[str, Breakage] = {
    "ping-open": Breakage(
        rule="/ping without a good credential is a 401",
        bend=where(status(200), path=PING, status=401),
        clients=True,
    ),
    "ping-401-with-body": Breakage(
        rule="a 401 of a protected path has no body",
        bend=where(body(401, b'{"error":"invalid_token"}'), path=PING, status=401),
    ),
    "ping-401-with-challenge": Breakage(
        rule="a 401 of a protected path has no challenge",
        bend=where(header("www-authenticate", "Bearer"), path=PING, status=401),
    ),
    "ping-scope-401": Breakage(
        rule="a missing scope is a 403", bend=where(status(401), path=PING, status=403)
    ),
    "ping-403-with-body": Breakage(
        rule="a 403 has no body",
        bend=where(body(403, b'{"error":"insufficient_scope"}'), path=PING, status=403),
    ),
    "ping-scope-unchecked": Breakage(
        rule="a token without the operation's scope is refused",
        bend=where(status(200), path=PING, status=403),
    ),
}

# --- any answer ----------------------------------------------------------------------------------------

_AGED = "they do not look at it"

EVERY_ANSWER: dict[str, Breakage] = {
    "no-request-id": Breakage(
        rule="every answer has a request id", bend=everywhere(header("x-request-id", None)), clients=True
    ),
    "request-id-of-successes-only": Breakage(
        rule="a refusal has a request id too",
        bend=lambda _request, r: header("x-request-id", None)(r) if r.status >= 400 else r,
    ),
    "request-id-no-uuid": Breakage(
        rule="a request id is a UUID", bend=everywhere(header("x-request-id", "42"))
    ),
    "request-id-constant": Breakage(
        rule="each answer has a request id of its own",
        bend=everywhere(header("x-request-id", "0c4b5b2e-9d3f-4c57-8c0e-6f0c4f2f9a11")),
        unseen="they look at one answer at a time",
    ),
    "request-id-echoed": Breakage(
        rule="a request id that was sent is not echoed",
        bend=lambda request, response: (
            header("x-request-id", request.headers["x-request-id"][0])(response)
            if "x-request-id" in request.headers
            else response
        ),
        unseen="they send none",
    ),
    "no-date": Breakage(rule="every answer has a Date", bend=everywhere(header("date", None)), unseen=_AGED),
    "date-off": Breakage(
        rule="Date tells the time that tokens go by",
        bend=everywhere(header("date", "Thu, 01 Jan 1970 00:00:00 GMT")),
        unseen=_AGED,
    ),
    "reason-too-long": Breakage(
        rule="a reason has at most 200 characters",
        bend=lambda _request, r: (
            header(REASON_HEADER, dict(r.headers)[REASON_HEADER].ljust(201, "."))(r) if r.status >= 400 else r
        ),
    ),
    "reason-without-hint": Breakage(
        rule="the reason of an unknown scope names the nearest known one",
        bend=because(header(REASON_HEADER, "scope is not known"), "did you mean"),
        unseen="they take any reason",
    ),
    "reason-of-dev-forgotten": Breakage(
        rule="the reason of dev names it",
        bend=because(header(REASON_HEADER, "X-Moov-Version is malformed"), "dev is not one"),
        unseen="they take any reason",
    ),
    "reason-of-client-vague": Breakage(
        rule="the reason says whether the client is unknown or the secret wrong",
        bend=because(
            header(REASON_HEADER, "unknown client or wrong credentials"), "no API key with this client_id"
        ),
        unseen="they take any reason",
    ),
    "reason-of-expired-vague": Breakage(
        rule="the reason of an expired token says since when",
        bend=because(header(REASON_HEADER, "the token has expired"), "the token expired "),
        unseen="they take any reason",
    ),
    "reason-tells-what-came": Breakage(
        rule="no answer repeats what could be a secret",
        bend=lambda request, r: (
            header(REASON_HEADER, str(dict(request.headers)))(r) if r.status >= 400 else r
        ),
    ),
    "server-error-with-body": Breakage(
        rule="a 500 has no body",
        bend=lambda _request, r: body(r.status, b"{}")(r) if r.status >= 500 else r,
        unseen="nothing fails in them",
    ),
    "version-malformed-400": Breakage(
        rule="a malformed version is a 404", bend=because(status(400), "X-Moov-Version")
    ),
    "version-malformed-with-body": Breakage(
        rule="a malformed version is answered without a body",
        bend=because(body(404, b'{"error":"invalid_request"}'), "X-Moov-Version"),
    ),
    "method-404": Breakage(
        rule="another method is a 405",
        bend=because(lambda r: header("allow", None)(status(404)(r)), "no such method"),
    ),
    "method-without-allow": Breakage(
        rule="a 405 says what is allowed", bend=because(header("allow", None), "no such method")
    ),
    "method-allow-too-much": Breakage(
        rule="Allow names what is allowed, and no more",
        bend=because(header("allow", "GET, POST"), "no such method"),
    ),
    "method-with-body": Breakage(rule="a 405 has no body", bend=because(body(405, b"{}"), "no such method")),
    "too-large-400": Breakage(
        rule="a body of more than 64 KiB is a 413",
        bend=because(body(400, b'{"error":"invalid_request"}'), "larger than"),
    ),
    "too-large-with-body": Breakage(rule="a 413 has no body", bend=because(body(413, b"{}"), "larger than")),
    "unknown-path-401": Breakage(rule="an unknown path is a 404", bend=because(status(401), "no such path")),
    "reason-in-2023-only": Breakage(
        rule="a refusal has a reason in either contract",
        bend=dated(everywhere(header(REASON_HEADER, None))),
    ),
    "rate-limit-503": Breakage(
        rule="who asks too often gets a 429",
        bend=lambda _request, r: status(503)(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
    "rate-limit-with-body": Breakage(
        rule="a 429 has no body",
        bend=lambda _request, r: body(429, b"{}")(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
    "rate-limit-without-retry-after": Breakage(
        rule="a 429 says when to come again",
        bend=lambda _request, r: header("retry-after", None)(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
    "rate-limit-retry-in-fractions": Breakage(
        rule="Retry-After is in whole seconds",
        bend=lambda _request, r: header("retry-after", "0.05")(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
    "rate-limit-retry-at-once": Breakage(
        rule="Retry-After is at least one second",
        bend=lambda _request, r: header("retry-after", "0")(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
    "rate-limit-retry-in-dated": Breakage(
        rule="a 429 of the dated contract has no X-Retry-In",
        bend=dated(lambda _request, r: header("x-retry-in", "46.7ms")(r) if r.status == 429 else r),
        unseen="they are not limited",
    ),
    "rate-limit-without-retry-in": Breakage(
        rule="a 429 of the 2023 contract has X-Retry-In",
        bend=lambda _request, r: header("x-retry-in", None)(r) if r.status == 429 else r,
        unseen="they are not limited",
    ),
}
