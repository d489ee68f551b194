"""Owns the settings: each declared once, with parser and help. Must not know servers or command lines."""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from mockmoov.config import parsers as parsed
from mockmoov.oauth.api_keys import EXAMPLE, unknown_scope
from mockmoov.oauth.origins import ORIGIN_POLICIES
from mockmoov.oauth.records import ApiKey, TokenFormat
from mockmoov.oauth.scopes import CATALOGUES, did_you_mean
from mockmoov.oauth.suggestions import nearest


class SettingsError(ValueError):
    """A setting is unknown or its value bad; the message names the setting and the nearest right one."""


# --- the settings --------------------------------------------------------------------------------


def _setting(
    parse: Callable[[object], Any], default: object, description: str, *, secret: bool = False
) -> Any:
    value = None if default is None else parse(default)
    bare = "on" if parse is parsed.switch else None  # what a flag without a value says
    metadata = {"parse": parse, "default": default, "help": description, "bare": bare}
    return field(default=value, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, parsed. Lifetimes and grace in seconds, the rate limit in requests a second.

    `sources` says where each one was set that was: the flag, the variable, the file and its key.
    """

    host: str = _setting(
        parsed.text, "localhost", "Address to listen on; localhost means IPv4 and IPv6 loopback."
    )
    port: int = _setting(parsed.integer(0, 65535), 8080, "Port to listen on; 0 picks a free one.")
    allowed_hosts: tuple[str, ...] = _setting(
        parsed.texts,
        "",
        "Hosts to accept on a loopback address beside loopback names: mockmoov (any port), or mockmoov:8080.",
    )
    public_url: str | None = _setting(
        parsed.url, None, "URL that clients know this server by, if it is not the one that they ask."
    )
    cors_origins: tuple[str, ...] = _setting(
        parsed.origins,
        "",
        "Origins whose pages may read answers beside loopback and registered ones; * for any.",
    )
    tls: bool = _setting(
        parsed.switch, "off", "Whether https is served beside http; its own certificates want the extra tls."
    )
    tls_port: int = _setting(parsed.integer(0, 65535), 8443, "Port for https; 0 picks a free one.")
    tls_names: tuple[str, ...] = _setting(
        parsed.names,
        "",
        "Names in the certificate beside loopback ones, such as api.moov.io; they are accepted as Host too.",
    )
    tls_ca_file: str | None = _setting(parsed.text, None, "File to write the certificate of the CA to.")
    tls_ca_folder: str | None = _setting(
        parsed.text, None, "Folder that keeps the CA and its key; without it, each start makes a new CA."
    )
    tls_cert: str | None = _setting(
        parsed.text, None, "File with a certificate of your own and its chain, PEM, instead of that CA's."
    )
    tls_key: str | None = _setting(parsed.text, None, "File with the private key of tls_cert, PEM.")
    default_version: str = _setting(
        parsed.version,
        "2023",
        "Contract without X-Moov-Version: 2023, 2023-sdk, latest, or such as v2026.07.00.",
    )
    access_token_lifetime: int = _setting(
        parsed.integer(1, 10**8), 3600, "Seconds until an access token expires."
    )
    refresh_token_lifetime: int = _setting(
        parsed.integer(1, 10**8), 259200, "Seconds until a refresh token expires."
    )
    issuer: str = _setting(parsed.text, "https://api.moov.io#applications", "Claim iss of access tokens.")
    audiences: tuple[str, ...] = _setting(
        parsed.audiences,
        "https://api.moov.io,https://cards.moov.io,https://api.moov.money",
        "Claim aud of access tokens, after the key's origins; the first is the API itself.",
    )
    token_format: TokenFormat = _setting(
        parsed.choice(("jwt", "opaque")), "jwt", "Access tokens: jwt, or opaque random strings."
    )
    refresh_rotation: bool = _setting(
        parsed.switch, "on", "Whether a refresh token is good for one use only."
    )
    refresh_reuse_detection: bool = _setting(
        parsed.switch, "on", "Whether a used-up refresh token, presented again, revokes its family."
    )
    refresh_grace_seconds: int = _setting(
        parsed.integer(0, 10**8),
        0,
        "Seconds in which the last refresh token's predecessor is refused without revoking.",
    )
    scope_catalogue: str = _setting(
        parsed.choice(tuple(CATALOGUES)),
        "strict",
        "Scopes to grant: strict (Moov's), or open (any of the right form).",
    )
    origin_policy: str = _setting(
        parsed.choice(tuple(ORIGIN_POLICIES)),
        "if-present",
        "Origin rule for browser tokens: if-present, required, off.",
    )
    rate_limit: int = _setting(
        parsed.integer(0, 10**6), 0, "Requests a second an account may make; 0 sets no limit."
    )
    upstream: str | None = _setting(
        parsed.url, None, "URL of a server that answers Moov's operations once a request may pass; else 501."
    )
    upstream_timeout: int = _setting(
        parsed.integer(1, 3600), 30, "Seconds that the upstream may take to answer, or to go on; else 504."
    )
    seed: str | None = _setting(
        parsed.text, None, "Derive the signing key from this text: same text, same key.", secret=True
    )
    signing_key: str | None = _setting(parsed.text, None, "File with the Ed25519 signing key, PEM or JWK.")
    api_keys: tuple[ApiKey, ...] = _setting(
        parsed.api_keys, [EXAMPLE], "API keys, as a JSON list of objects."
    )
    access_log: bool = _setting(parsed.switch, "on", "Whether each request is logged in a line.")
    journal_size: int = _setting(
        parsed.integer(0, 10**6), 10000, "Exchanges that the journal keeps, up to 16 MiB; 0 keeps none."
    )
    control: str = _setting(
        parsed.choice(("auto", "on", "off")),
        "auto",
        "Control plane: on, off, or auto: off where other machines reach it, unless control_token is set.",
    )
    control_token: str | None = _setting(
        parsed.header_value, None, "What X-Mockmoov-Token must say to the control plane.", secret=True
    )
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def known_hosts(self) -> frozenset[str]:
        """The Host values, beside loopback names, that this server is known by; without a port: on any."""
        public = [parsed.host_of(self.public_url)] if self.public_url else []
        return frozenset(host.lower() for host in (*self.allowed_hosts, *self.tls_names, *public))


SETTINGS: Mapping[str, Field[Any]] = {item.name: item for item in fields(Settings) if item.metadata}
_Conflict = tuple[Callable[[Settings], object], str]


def _wants_tls(name: str) -> _Conflict:
    """A setting that says nothing where no TLS is spoken; any free port (0) is nothing to ask for then."""
    return (
        lambda its: not its.tls and getattr(its, name) not in (SETTINGS[name].default, 0),
        f"{name} says nothing while tls is off: set tls to on, or leave {name} out",
    )


# What no two settings may say together.
_CONFLICTS: tuple[_Conflict, ...] = (
    (
        lambda its: its.seed is not None and its.signing_key is not None,
        "seed and signing_key exclude each other: both say which key signs",
    ),
    (
        lambda its: (its.tls_cert is None) != (its.tls_key is None),
        "tls_cert and tls_key want each other: a certificate and its private key",
    ),
    (
        lambda its: its.tls_cert and (its.tls_ca_file or its.tls_ca_folder),
        "tls_cert excludes tls_ca_file and tls_ca_folder: a certificate from outside has its CA there",
    ),
    (
        lambda its: its.tls and 0 < its.port == its.tls_port,
        "port and tls_port are the same: http and https want a port each; 0 picks a free one",
    ),
    *map(_wants_tls, ("tls_port", "tls_names", "tls_ca_file", "tls_ca_folder", "tls_cert")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values by setting from one source, and how that source spells a setting's name."""

    values: Mapping[str, object]
    spell: Callable[[str], str] = str
    source: str = ""


def load(*layers: Layer) -> Settings:
    """The settings from layers, later ones winning; raises `SettingsError`."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.values.items():
            values[name] = _parse(name, value, layer)
            sources[name] = layer.source + layer.spell(name)
    settings = Settings(**values, sources=sources)
    if conflict := next((message for wrong, message in _CONFLICTS if wrong(settings)), None):
        raise SettingsError(conflict)
    for api_key in settings.api_keys:
        if unknown := unknown_scope(api_key, CATALOGUES[settings.scope_catalogue]):
            raise SettingsError(f"api_keys: there is no scope {unknown}{did_you_mean(unknown)}")
    return settings


def _parse(name: str, value: object, layer: Layer) -> Any:
    shown = layer.source + layer.spell(name)
    if name not in SETTINGS:
        raise SettingsError(f"{shown}: there is no such setting{nearest(name, SETTINGS, layer.spell)}")
    try:
        return SETTINGS[name].metadata["parse"](value)
    except ValueError as error:
        raise SettingsError(f"{shown} {error}") from None
