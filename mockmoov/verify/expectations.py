"""What each contract promises, as values. Written from the documentation, independently of the server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mockmoov.verify.check import CannotRun

CODES = frozenset(
    (
        *("invalid_request", "invalid_client", "invalid_grant"),
        *("unauthorized_client", "unsupported_grant_type", "invalid_scope"),
    )
)
"""The only error codes of either contract (RFC 6749 §5.2)."""

MEMBERS = frozenset(("access_token", "expires_in", "refresh_token", "scope", "token_type"))
"""The members of a successful token response, no more and no fewer (seed, spec)."""

LIFETIME = 3600
"""Seconds until an access token expires (live)."""

ErrorName = Literal[
    "invalid request",
    "unsupported grant type",
    "unauthorized client",
    "invalid client",
    "invalid client in body",
    "invalid scope",
    "invalid refresh token",
    "missing refresh token",
    "missing token",
    "invalid hint",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedError:
    """An error response: a status, and a body with an error code, with a field error, or without content."""

    status: int
    code: str | None = None
    field: str | None = None
    challenge: bool = False

    def __str__(self) -> str:
        field = f'{{"{self.field}": string}}' if self.field else "no body"
        body = f'{{"error":"{self.code}"}}' if self.code else field
        return f"{self.status} with {body}" + (" and WWW-Authenticate: Basic" if self.challenge else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What one contract promises. `label`: for reports. `version`: the `X-Moov-Version` to send, or None."""

    name: str
    label: str
    token_types: frozenset[str]
    expires_in_is_unix_time: bool
    errors: Mapping[ErrorName, ExpectedError]
    sends_retry_in: bool
    version: str | None = None

    def lifetime(self, expires_in: int, now: float) -> float:
        """Seconds from `now` until a token expires."""
        return expires_in - now if self.expires_in_is_unix_time else expires_in

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that select this contract."""
        return () if self.version is None else (("X-Moov-Version", self.version),)


_BOTH: Mapping[ErrorName, ExpectedError] = {
    "invalid request": ExpectedError(status=400, code="invalid_request"),
    "unsupported grant type": ExpectedError(status=400, code="unsupported_grant_type"),
    "unauthorized client": ExpectedError(status=400, code="unauthorized_client"),
}

NO_HEADER_2023 = Expectations(
    name="2023",
    label="2023",
    token_types=frozenset(("Bearer",)),  # live
    expires_in_is_unix_time=False,  # seed
    errors={
        **_BOTH,
        # seed, RFC 6749 §5.2
        "invalid client": ExpectedError(status=401, code="invalid_client", challenge=True),
        "invalid client in body": ExpectedError(status=400, code="invalid_client"),  # seed
        "invalid scope": ExpectedError(status=400, code="invalid_scope"),
        "invalid refresh token": ExpectedError(status=400, code="invalid_grant"),
        "missing refresh token": _BOTH["invalid request"],
        "missing token": _BOTH["invalid request"],
        "invalid hint": _BOTH["invalid request"],
    },
    sends_retry_in=True,  # seed, docs
)
NO_HEADER_2023_SDK = replace(
    NO_HEADER_2023, name="2023-sdk", label="2023-sdk", token_types=frozenset(("jwt", "opaque"))
)
DATED = Expectations(
    name="dated",
    label="dated",
    token_types=frozenset(("Bearer",)),  # spec
    expires_in_is_unix_time=True,  # spec, live
    errors={
        **_BOTH,
        "invalid client": ExpectedError(status=401),  # live
        "invalid client in body": ExpectedError(status=401),
        "invalid scope": ExpectedError(status=422, field="scope"),  # spec
        "invalid refresh token": ExpectedError(status=422, field="refresh_token"),
        "missing refresh token": ExpectedError(status=422, field="refresh_token"),
        "missing token": ExpectedError(status=422, field="token"),
        "invalid hint": ExpectedError(status=422, field="token_type_hint"),
    },
    sends_retry_in=False,
)
WITHOUT_HEADER: Mapping[str, Expectations] = {
    "2023": NO_HEADER_2023,
    "2023-sdk": NO_HEADER_2023_SDK,
    "dated": replace(DATED, label="dated, no header"),
}
"""The contracts that a server may use for requests without `X-Moov-Version`."""

RECOMMENDED_VERSION = "v2026.10.00"
"""The version to verify by default: the newest that Moov documents (docs)."""

_VERSION = re.compile(r"latest|v[0-9]{4}\.[0-9]{2}(?:\.[0-9]{2})?")  # docs; sdk: the last part is optional


def expectations_of(version: str) -> Expectations:
    """The contract that a value of `X-Moov-Version` selects. Raises `CannotRun` if it is malformed."""
    if not _VERSION.fullmatch(version):
        raise CannotRun(f"--moov-version {version!r} must be `latest` or look like {RECOMMENDED_VERSION}")
    return replace(DATED, label=version, version=version)
