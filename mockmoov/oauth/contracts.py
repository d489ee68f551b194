"""Moov's wire contracts: what differs between versions, as data.

`select_contract` chooses a contract for each request, and the code reads what it needs from it. No code
checks which contract it got, and what a version looks like is known here only.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.hints import version_hint
from mockmoov.oauth.messages import Fields, Headers, TokenResponse

RECOMMENDED_VERSION = "v2026.10.00"
"""The newest version that Moov documents. Its `latest` is a legacy alias (docs)."""
# The last part is optional in SDKs of January 2025; moov-go exports v9000.00.00 as its latest (docs, sdk).
VERSION = re.compile(r"v[0-9]{4}\.[0-9]{2}(?:\.[0-9]{2})?|latest")


class ErrorFormat(Struct, frozen=True, kw_only=True):
    """The format of an error response: status, JSON body (None: empty) and extra headers."""

    status: int
    body: Callable[[OAuthError], dict[str, str]] | None
    headers: Fields = ()


class Contract(Struct, frozen=True, kw_only=True):
    """One of Moov's wire contracts.

    `token_types` maps a token format to `token_type`. `expires_in` computes the member of that name,
    `other_expires_in` what other contracts would send, and `expiry_hint` names the likely mistake of a client
    whose token expired.
    `errors` maps the parameter at fault, or else the error code, to a format; the default is 400 with the
    code. `rate_limit_headers` computes the headers of a 429 from the seconds to wait.
    """

    name: str
    token_types: Mapping[str, str]
    expires_in: Callable[[TokenResponse], int]
    other_expires_in: Callable[[TokenResponse], int]
    expiry_hint: str = ""
    errors: Mapping[str, ErrorFormat]
    rate_limit_headers: Callable[[float], Fields]

    def error_format(self, error: OAuthError) -> ErrorFormat:
        """The format of an error in this contract."""
        return self.errors.get(error.parameter or "") or self.errors.get(error.code, _CODE)


# The texts of field errors. Like Moov's, they don't explain the error: the reason does.
_FIELD_TEXTS = {
    "scope": "must be a space-delimited list of scopes that may be granted",
    "refresh_token": "must be a refresh token that may be used",
    "token": "must be the token to revoke",
    "token_type_hint": "must be access_token or refresh_token",
}


def _field(error: OAuthError) -> dict[str, str]:
    return {str(error.parameter): _FIELD_TEXTS[str(error.parameter)]}


def _retry_after(seconds: float) -> Fields:
    return (("retry-after", str(max(1, math.ceil(seconds)))),)  # RFC 9110 §10.2.3: whole seconds


def _retry_after_and_in(seconds: float) -> Fields:
    duration = f"{seconds:.9g}s" if seconds >= 1 else f"{seconds * 1000:.6g}ms"
    return (*_retry_after(seconds), ("x-retry-in", duration))


def _lifetime(token: TokenResponse) -> int:
    return token.expires_at - token.issued_at


def _unix_time(token: TokenResponse) -> int:
    return token.expires_at


_CODE = ErrorFormat(status=400, body=lambda error: {"error": error.code.value})

CONTRACT_2023 = Contract(  # seed
    name="2023",
    token_types={"jwt": "Bearer", "opaque": "Bearer"},  # live
    expires_in=_lifetime,
    other_expires_in=_unix_time,
    errors={
        "client_secret": _CODE,
        ErrorCode.INVALID_CLIENT: replace(  # RFC 6749 §5.2
            _CODE, status=401, headers=(("www-authenticate", 'Basic realm="moov"'),)
        ),
    },
    rate_limit_headers=_retry_after_and_in,
)
CONTRACT_2023_SDK = replace(
    CONTRACT_2023, name="2023-sdk", token_types={"jwt": "jwt", "opaque": "opaque"}
)  # sdk
CONTRACT_DATED = Contract(  # spec
    name="dated",
    token_types={"jwt": "Bearer", "opaque": "Bearer"},
    expires_in=_unix_time,
    other_expires_in=_lifetime,
    expiry_hint="; expires_in of a dated version is a Unix time, so do not add it to the current time",
    errors={
        ErrorCode.INVALID_CLIENT: ErrorFormat(status=401, body=None),  # live
        **dict.fromkeys(_FIELD_TEXTS, ErrorFormat(status=422, body=_field)),
    },
    rate_limit_headers=_retry_after,
)

RFC_ERRORS = CONTRACT_2023  # its errors are those of RFC 6749 §5.2: for endpoints that Moov doesn't have

_NAMED = {contract.name: contract for contract in (CONTRACT_2023, CONTRACT_2023_SDK)}
# Clients that get their own contract, not the default, when they send no version (sdk).
_PINNED_CLIENTS = (
    (re.compile(r"speakeasy-sdk/go \S+ \S+ 1\.0\.0 github\.com/speakeasy-sdks/moov-go"), CONTRACT_2023_SDK),
)


def contract_named(name: str) -> Contract | None:
    """Look up a contract by a value of `default_version`: 2023, 2023-sdk, a dated version or latest."""
    return _NAMED.get(name) or _dated(name)


def select_contract(headers: Headers, default: Contract) -> Contract | None:
    """Choose the contract of a request: by version header, else by pinned User-Agent, else the default.

    None if the header is malformed, empty or repeated. Moov serves an unknown version as the newest one
    before it (docs); one before v2024.01.00 is served as that (choice). The OAuth part of all dated versions
    is the same, so that needs no look-up.
    """
    versions = headers.get("x-moov-version")
    if versions is not None:
        return _dated(versions[0]) if len(versions) == 1 else None
    agent = headers.get("user-agent", ("",))[0]
    return next((contract for pattern, contract in _PINNED_CLIENTS if pattern.fullmatch(agent)), default)


def malformed_version_reason(versions: Sequence[str], default: Contract) -> str:
    """Why these values of the version header select no contract, and what to send instead."""
    hint = version_hint(versions[0]) if len(versions) == 1 else "; it was sent more than once"
    return (
        "X-Moov-Version is malformed: send vYYYY.MM.BB, vYYYY.MM or latest, or no such header for contract "
        f"{default.name}{hint}"
    )


def _dated(version: str) -> Contract | None:
    return CONTRACT_DATED if VERSION.fullmatch(version) else None
