"""Renders responses: status, headers, body, and the `X-Mockmoov-Reason` header.

What differs between versions comes from the contract that is passed in, so importing this module loads no
contracts.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import ExpiredTokenError, FieldError, OAuthError, printable
from mockmoov.oauth.messages import Fields, HttpResponse, TokenResponse

if TYPE_CHECKING:
    from mockmoov.oauth.contracts import Contract

REASON_HEADER = "x-mockmoov-reason"
# RFC 6749 §5.1; sent with every response, errors included (choice).
NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
_JSON = ("content-type", "application/json")


def render_json(document: object, status: int = 200) -> HttpResponse:
    """A response with a JSON body."""
    return HttpResponse(status=status, headers=(_JSON, *NO_STORE), body=to_json(document))


def render_token_response(contract: "Contract", token: TokenResponse) -> HttpResponse:
    """The 200 of the token endpoint, with exactly five members."""
    members = {
        "access_token": token.access_token,
        "expires_in": contract.expires_in(token),
        "refresh_token": token.refresh_token,
        "scope": token.scope,
        "token_type": contract.token_types[token.token_format],
    }
    return render_json(members)


def render_empty(status: int) -> HttpResponse:
    """A success without a body: 204 for a revocation (seed, spec; RFC 7009 says 200), 200 for a ping."""
    return HttpResponse(status=status, headers=NO_STORE)


def render_unauthorized(contract: "Contract", error: OAuthError) -> HttpResponse:
    """The 401 of protected paths in every contract: no body, no `WWW-Authenticate` (live)."""
    hint = contract.expiry_hint if isinstance(error, ExpiredTokenError) else ""
    return render_error(401, error.reason + hint)


def render_oauth_error(contract: "Contract", error: OAuthError) -> HttpResponse:
    """The error response of the token, revocation and introspection endpoints."""
    error_format = contract.error_format(error)
    if error_format.body is None:
        return render_error(error_format.status, error.reason, error_format.headers)
    response = render_error(error_format.status, error.reason, (_JSON, *error_format.headers))
    return replace(response, body=to_json(error_format.body(error)))


def render_invalid_field(error: FieldError) -> HttpResponse:
    """The 422 that names the member at fault, as Moov's field errors do."""
    response = render_error(422, f"{error.field}: {error}", (_JSON,))
    return replace(response, body=to_json({error.field: str(error)}))


def render_rate_limited(contract: "Contract", seconds: float) -> HttpResponse:
    """The 429 of the rate limit; `seconds` is the time to wait."""
    return render_error(429, "too many requests for this account", contract.rate_limit_headers(seconds))


def render_too_large(limit: int) -> HttpResponse:
    """The 413 for a body above `limit` bytes. The rest of it isn't read, so the connection closes."""
    return render_error(413, f"the body is larger than {limit} bytes", (("connection", "close"),))


def render_error(status: int, reason: str, headers: Fields = ()) -> HttpResponse:
    """An error response without a body; the reason goes into `X-Mockmoov-Reason`."""
    return HttpResponse(status=status, headers=(*headers, *NO_STORE, (REASON_HEADER, printable(reason))))
