"""Owns the types of the handle's keyword arguments, for type checkers. Must not know what they do.

A test compares the names with those that the server knows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

Time = datetime | float
"""An aware datetime, or Unix seconds."""


class SettingArguments(TypedDict, total=False):
    """The settings of a server; values as text or native."""

    host: str
    port: int
    allowed_hosts: Iterable[str]
    public_url: str
    cors_origins: Iterable[str]
    tls: bool
    tls_port: int
    tls_names: Iterable[str]
    tls_ca_file: str
    tls_ca_folder: str
    tls_cert: str
    tls_key: str
    default_version: str
    access_token_lifetime: int
    refresh_token_lifetime: int
    issuer: str
    audiences: Iterable[str]
    token_format: Literal["jwt", "opaque"]
    refresh_rotation: bool
    refresh_reuse_detection: bool
    refresh_grace_seconds: int
    scope_catalogue: Literal["strict", "open"]
    origin_policy: Literal["if-present", "required", "off"]
    rate_limit: int
    upstream: str
    upstream_timeout: int
    seed: str
    signing_key: str
    api_keys: Iterable[Mapping[str, Any]]
    access_log: bool
    journal_size: int
    control: Literal["auto", "on", "off"]
    control_token: str


class KeyChanges(TypedDict, total=False):
    """What can be changed of an API key; None restores the default."""

    client_secret: str
    account_id: str | None
    application_id: str | None
    origins: Iterable[str] | None
    scopes: Iterable[str] | None
    grants: Iterable[str] | None
    enabled: bool | None


class KeyArguments(KeyChanges, total=False):
    """The attributes of a new API key; credentials are generated if none are given."""

    client_id: str


class FaultArguments(TypedDict, total=False):
    """The members of a fault; `mockmoov.double.Fault` says what they mean."""

    endpoint: str | None
    grant_type: str | None
    where: Mapping[str, Any]
    after: int
    every: int
    times: int | None
    probability: float
    seed: int
    start: Time | None
    end: Time | None
    delay: float
    status: int | None
    headers: Mapping[str, str]
    body: Any
    text: str | None
    content_type: str | None
    retry_after: float | None
    drop: Iterable[str]
    set: Mapping[str, Any]
    truncate: int | None
    network_error: Literal["hang", "reset", "cut"] | None


class QueryArguments(TypedDict, total=False):
    """What exchanges must be like; `fault` is the id of one."""

    endpoint: str
    grant_type: str
    status: int
    method: str
    fault: str
    since: Time
    until: Time
