"""The types of keyword arguments, so that a type checker catches a misspelled name or value.

Tests compare them with the names and values that the server accepts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, TypedDict

from starlette.types import ASGIApp

from mockmoov.data.operation_names import OperationName, OperationPath
from mockmoov.oauth.records import TokenFormat
from mockmoov.simulation.faults import Fault, NetworkError
from mockmoov.simulation.stubs import Stub

Time = datetime | float
"""An aware datetime, or Unix seconds."""

EndpointName = Literal["token", "revoke", OperationName, OperationPath]
GrantType = Literal["client_credentials", "refresh_token"]
PresetName = Literal[
    "server-error", "unavailable", "gateway-timeout", "rate-limited", "html", "empty-body",
    "truncated-json", "wrong-content-type", "missing-access-token", "missing-refresh-token",
    "missing-expires-in", "string-expires-in", "negative-expires-in", "huge-expires-in",
    "expires-in-other", "edge-blocked", "slow", "hang", "reset", "cut",
]  # fmt: skip
DefectName = Literal[
    "expired", "not-yet-valid", "wrong-audience", "wrong-issuer", "no-exp", "unknown-kid", "bad-signature",
    "alg-none", "hs256-public-key", "revoked",
]  # fmt: skip


class SettingArguments(TypedDict, total=False):
    """The settings of a server."""

    host: str
    port: int
    workers: int
    allowed_hosts: Iterable[str]
    public_url: str
    cors_origins: Iterable[str]
    tls: bool
    tls_port: int
    tls_names: Iterable[str]
    tls_ca_file: str | PathLike[str]
    tls_ca_folder: str | PathLike[str]
    tls_cert: str | PathLike[str]
    tls_key: str | PathLike[str]
    default_version: str
    access_token_lifetime: int
    refresh_token_lifetime: int
    issuer: str
    audiences: Iterable[str]
    token_format: TokenFormat
    refresh_rotation: bool
    refresh_reuse_detection: bool
    refresh_grace_seconds: int
    scope_catalogue: Literal["strict", "open"]
    origin_policy: Literal["if-present", "required", "off"]
    rate_limit: int
    upstream: str | ASGIApp
    upstream_timeout: int
    openapi: str | PathLike[str]
    seed: str
    signing_key: str | PathLike[str]
    api_keys: Iterable[Mapping[str, Any]]
    stubs: Iterable[Mapping[str, Any]]
    store: str
    store_namespace: str
    access_log: bool
    log_format: Literal["text", "json"]
    journal_size: int
    journal_bodies: bool
    control: Literal["auto", "on", "off"]
    control_token: str


class KeyChanges(TypedDict, total=False):
    """The attributes of an API key that can be changed; None restores the default."""

    client_secret: str
    account_id: str | None
    application_id: str | None
    origins: Iterable[str] | None
    scopes: Iterable[str] | None
    grants: Iterable[GrantType] | None
    enabled: bool | None


class KeyArguments(KeyChanges, total=False):
    """The attributes of a new API key; missing credentials are generated."""

    client_id: str


class DurationArguments(TypedDict, total=False):
    """How far to shift a clock; negative numbers move it back."""

    seconds: float
    minutes: float
    hours: float
    days: float


class FaultArguments(TypedDict, total=False):
    """The members of a fault; `mockmoov.Fault` explains them."""

    endpoint: EndpointName | None
    grant_type: GrantType | None
    where: Mapping[str, Any]
    after: int
    every: int
    times: int | None
    probability: float
    seed: int
    start: Time | None
    end: Time | None
    delay: float | timedelta
    status: int | None
    headers: Mapping[str, str | None]
    body: Any
    text: str | None
    content_type: str | None
    retry_after: float | timedelta | None
    drop: Iterable[str]
    set: Mapping[str, Any]
    other_expires_in: bool
    truncate: int | None
    network_error: NetworkError | None


class StubArguments(TypedDict, total=False):
    """The members of a stub; `mockmoov.Stub` explains them."""

    status: int
    headers: Mapping[str, str]
    json: Any
    text: str | None
    body: bytes | None
    delay: float | timedelta
    where: Mapping[str, Any]
    after: int
    every: int
    times: int | None


class QueryArguments(TypedDict, total=False):
    """The conditions that exchanges must meet."""

    endpoint: EndpointName
    grant_type: GrantType
    status: int
    method: str
    fault: Fault | str
    stub: Stub | str
    after: int
    since: Time
    until: Time
    where: Mapping[str, Any]
