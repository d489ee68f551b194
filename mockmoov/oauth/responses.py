"""Renders responses: status, headers, body, and the header with the reason.

What differs between versions is in the contract that each function gets.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import OAuthError, printable
from mockmoov.oauth.messages import HttpResponse, TokenResponse

if TYPE_CHECKING:
    from mockmoov.oauth.contracts import Contract

REASON_HEADER = "x-mockmoov-reason"
# RFC 6749 §5.1; on every response, errors included (choice).
NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
_JSON = ("content-type", "application/json")


def render_malformed_version(default: "Contract") -> HttpResponse:
    """The 404 answer to a version that there cannot be (docs, live)."""
    return render_error(
        404,
        "X-Moov-Version is malformed: send vYYYY.QQ.BB (QQ: 01, 04, 07, 10) or latest, once; "
        f"without it you get contract {default.name}",
    )


def render_json(document: object) -> HttpResponse:
    """A 200 answer with a JSON body."""
    return HttpResponse(status=200, headers=(_JSON, *NO_STORE), body=to_json(document))


def render_token_response(contract: "Contract", token: TokenResponse) -> HttpResponse:
    """The 200 answer of the token endpoint, with its five members and no other."""
    members = {
        "access_token": token.access_token,
        "expires_in": contract.expires_in(token),
        "refresh_token": token.refresh_token,
        "scope": token.scope,
        "token_type": contract.token_types[token.token_format],
    }
    return render_json(members)


def render_empty(status: int) -> HttpResponse:
    """A success without a body: 204 for a revocation (seed, spec; RFC 7009 has 200), 200 for a ping."""
    return HttpResponse(status=status, headers=NO_STORE)


def render_unauthorized(_contract: "Contract", error: OAuthError) -> HttpResponse:
    """The 401 of protected paths in either contract: no body, no WWW-Authenticate (live)."""
    return render_error(401, error.reason)


def render_oauth_error(contract: "Contract", error: OAuthError) -> HttpResponse:
    """The answer to a refused OAuth request."""
    how = contract.error_format(error)
    if how.body is None:
        return render_error(how.status, error.reason, how.headers)
    response = render_error(how.status, error.reason, (_JSON, *how.headers))
    return replace(response, body=to_json(how.body(error)))


def render_rate_limited(contract: "Contract", seconds: float) -> HttpResponse:
    """The 429 answer: wait for that many seconds."""
    return render_error(429, "too many requests for this account", contract.rate_limit_headers(seconds))


def render_too_large(limit: int) -> HttpResponse:
    """The 413 answer; the rest of the body is not read, so the connection ends."""
    return render_error(413, f"the body is larger than {limit} bytes", (("connection", "close"),))


def render_error(status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    """An answer without a body; the reason goes into its own header."""
    return HttpResponse(status=status, headers=(*headers, *NO_STORE, (REASON_HEADER, printable(reason))))
