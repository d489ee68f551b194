"""Owns what each contract says, as values, in our own reading of it. Must not know requests or checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

CODES = frozenset(
    (
        *("invalid_request", "invalid_client", "invalid_grant"),
        *("unauthorized_client", "unsupported_grant_type", "invalid_scope"),
    )
)
"""The only error codes there are, in either contract (RFC 6749 §5.2)."""

MEMBERS = frozenset(("access_token", "expires_in", "refresh_token", "scope", "token_type"))
"""What a success has, no more and no less (seed, spec)."""

LIFETIME = 3600
"""Seconds that an access token lives (live)."""

LONGEST_LIFETIME = 10 * 365 * 24 * 3600
"""Seconds. A number beyond it is a Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that refuses: a status, and an error code, or a field with a text, or no body."""

    status: int
    code: str | None = None
    field: str | None = None
    challenge: bool = False

    def __str__(self) -> str:
        body = (
            f'{{"error":"{self.code}"}}'
            if self.code
            else f'{{"{self.field}": text}}'
            if self.field
            else "no body"
        )
        return f"{self.status} with {body}" + (" and WWW-Authenticate: Basic" if self.challenge else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One contract. `label` is for reports; `version` is what `X-Moov-Version` says, None for no header."""

    name: str
    label: str
    version: str | None
    token_types: frozenset[str]
    expires_at_unix_time: bool
    refusals: Mapping[str, Refusal]
    retry_in: bool

    def lifetime(self, expires_in: int, now: float) -> float:
        """Seconds from `now` until a token expires."""
        return expires_in - now if self.expires_at_unix_time else expires_in

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What asks for this contract."""
        return () if self.version is None else (("X-Moov-Version", self.version),)


_BOTH = {
    "request": Refusal(status=400, code="invalid_request"),
    "grant type": Refusal(status=400, code="unsupported_grant_type"),
    "not for this client": Refusal(status=400, code="unauthorized_client"),
}
_SCOPE = Refusal(status=400, code="invalid_scope")

NO_HEADER_2023 = Reading(
    name="2023",
    label="2023",
    version=None,
    token_types=frozenset(("Bearer",)),  # live
    expires_at_unix_time=False,  # seed
    refusals={
        **_BOTH,
        "client": Refusal(status=401, code="invalid_client", challenge=True),  # seed, RFC 6749 §5.2
        "client in body": Refusal(status=400, code="invalid_client"),  # seed
        "scope": _SCOPE,
        "refresh token": Refusal(status=400, code="invalid_grant"),
        "refresh token missing": _BOTH["request"],
        "token missing": _BOTH["request"],
        "hint": _BOTH["request"],
    },
    retry_in=True,  # seed, docs
)
NO_HEADER_2023_SDK = replace(
    NO_HEADER_2023, name="2023-sdk", label="2023-sdk", token_types=frozenset(("jwt", "opaque"))
)
DATED = Reading(
    name="dated",
    label="dated",
    version=None,
    token_types=frozenset(("Bearer",)),  # spec
    expires_at_unix_time=True,  # spec, live
    refusals={
        **_BOTH,
        "client": Refusal(status=401),  # live
        "client in body": Refusal(status=401),
        "scope": Refusal(status=422, field="scope"),  # spec
        "refresh token": Refusal(status=422, field="refresh_token"),
        "refresh token missing": Refusal(status=422, field="refresh_token"),
        "token missing": Refusal(status=422, field="token"),
        "hint": Refusal(status=422, field="token_type_hint"),
    },
    retry_in=False,
)
WITHOUT_HEADER: Mapping[str, Reading] = {
    "2023": NO_HEADER_2023,
    "2023-sdk": NO_HEADER_2023_SDK,
    "dated": replace(DATED, label="dated, no header"),
}
"""What a request without `X-Moov-Version` may get."""

_VERSION = re.compile(r"latest|v[0-9]{4}\.(01|04|07|10)\.[0-9]{2}")


def reading_of(version: str) -> Reading:
    """The contract of a value of `X-Moov-Version`; `ValueError` for one that is malformed."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is neither `latest` nor like v2026.07.00")
    return replace(DATED, label=version, version=version)
