"""Declares every setting once, with its parser and help, and combines the sources into `Settings`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from mockmoov.config import parsers, stores
from mockmoov.oauth.api_keys import EXAMPLE, unknown_scope
from mockmoov.oauth.contracts import RECOMMENDED_VERSION
from mockmoov.oauth.errors import InvalidValueError, printable
from mockmoov.oauth.origins import ORIGIN_POLICIES, serialize_origin
from mockmoov.oauth.records import ApiKey, TokenFormat
from mockmoov.oauth.scopes import CATALOGUES, did_you_mean
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.stubs import Stub

if TYPE_CHECKING:
    from mockmoov.config.application import Application


class SettingsError(ValueError):
    """A setting is unknown or invalid. The message names it as its source does, and says what is valid."""


Group: TypeAlias = Literal[
    "Listening", "HTTPS", "Tokens", "API keys and scopes", "Browsers", "Answers to operations",
    "State", "Journal and log", "Control plane",
]  # fmt: skip
"""What a setting is about: a heading in the help of the commands."""


def _setting(
    group: Group,
    parse: Callable[[object], Any],
    default: object,
    description: str,
    *,
    secret: bool = False,
    printed: bool = True,
    quoted: bool = True,
) -> Any:
    """Declare a setting. A `secret` is never printed, and errors quote a value unless it may be one.

    One that is not `printed` may have a secret in it, and its parser says which errors may quote it.
    """
    value = None if default is None else parse(default)
    flag_value = "on" if parse is parsers.switch else None  # `--tls` alone means `--tls on`
    metadata = {
        "group": group,
        "parse": parse,
        "default": default,
        "help": description,
        "flag_value": flag_value,
        "is_quoted": quoted and not secret,
    }
    return field(default=value, metadata=metadata, repr=printed and not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, parsed. Lifetimes and the grace period in seconds, the rate limit in requests a second.

    `set_by` names, for each setting that isn't a default, the flag, the variable, or the file and key.
    """

    host: str = _setting(
        "Listening",
        parsers.text,
        "localhost",
        "Address to listen on; localhost means the IPv4 and IPv6 loopback addresses.",
    )
    port: int = _setting(
        "Listening", parsers.Integer(0, 65535), 8080, "Port to listen on; 0 picks a free one."
    )
    workers: int = _setting(
        "Listening",
        parsers.Integer(1, 64),
        1,
        "Processes that serve together; above 1, state that would be in memory is in a temporary file.",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "Listening",
        parsers.hosts,
        "",
        "Hosts to accept besides loopback names: mockmoov (on any port), mockmoov:8080, .example.com "
        "(and every name below it), or * for any. Without control_token, the control plane takes exact ones.",
    )
    public_url: str | None = _setting(
        "Listening",
        parsers.url,
        None,
        "URL at which clients reach this server, if that is not its own address, such as behind a proxy.",
    )
    cors_origins: tuple[str, ...] = _setting(
        "Browsers",
        parsers.origins,
        "",
        "Origins whose pages may read responses, besides loopback and registered ones; * allows any.",
    )
    tls: bool = _setting(
        "HTTPS",
        parsers.switch,
        "off",
        "Serve https as well as http; generated certificates need the extra tls.",
    )
    tls_port: int = _setting("HTTPS", parsers.Integer(0, 65535), 8443, "Port for https; 0 picks a free one.")
    tls_names: tuple[str, ...] = _setting(
        "HTTPS",
        parsers.host_names,
        "",
        "Names in the certificate besides loopback ones, such as api.moov.io; also accepted as Host.",
    )
    tls_ca_file: str | None = _setting(
        "HTTPS", parsers.file_path, None, "File to write the CA certificate to."
    )
    tls_ca_folder: str | None = _setting(
        "HTTPS",
        parsers.file_path,
        None,
        "Folder that keeps the CA and its key; without it, each start makes a new CA.",
    )
    tls_cert: str | None = _setting(
        "HTTPS",
        parsers.file_path,
        None,
        "PEM file with your own certificate and its chain, instead of a generated one.",
    )
    tls_key: str | None = _setting(
        "HTTPS", parsers.file_path, None, "PEM file with the private key of tls_cert.", quoted=False
    )
    default_version: str = _setting(
        "Tokens",
        parsers.version,
        "2023",
        f"Contract for requests without X-Moov-Version: 2023, 2023-sdk, or such as {RECOMMENDED_VERSION}.",
    )
    access_token_lifetime: int = _setting(
        "Tokens", parsers.Integer(1, 10**8), 3600, "Seconds until an access token expires."
    )
    refresh_token_lifetime: int = _setting(
        "Tokens", parsers.Integer(1, 10**8), 259200, "Seconds until a refresh token expires."
    )
    issuer: str = _setting(
        "Tokens", parsers.text, "https://api.moov.io#applications", "Claim iss of access tokens."
    )
    audiences: tuple[str, ...] = _setting(
        "Tokens",
        parsers.audiences,
        "https://api.moov.io,https://cards.moov.io,https://api.moov.money",
        "Claim aud of access tokens, after the key's origins; the first is the API itself.",
    )
    token_format: TokenFormat = _setting(
        "Tokens",
        parsers.Choice(("jwt", "opaque")),
        "jwt",
        "Format of access tokens: jwt, or opaque (random strings).",
    )
    refresh_rotation: bool = _setting(
        "Tokens", parsers.switch, "on", "Whether a refresh token works only once."
    )
    refresh_reuse_detection: bool = _setting(
        "Tokens", parsers.switch, "on", "Whether using a refresh token again revokes its family."
    )
    refresh_grace_seconds: int = _setting(
        "Tokens",
        parsers.Integer(0, 10**8),
        0,
        "Seconds in which using the previous refresh token again is refused but revokes nothing.",
    )
    scope_catalogue: str = _setting(
        "API keys and scopes",
        parsers.Choice(tuple(CATALOGUES)),
        "strict",
        "Scopes to grant: strict (only Moov's) or open (any well-formed scope).",
    )
    origin_policy: str = _setting(
        "Browsers",
        parsers.Choice(tuple(ORIGIN_POLICIES)),
        "if-present",
        "Origin rule for browser tokens: if-present, required or off.",
    )
    rate_limit: int = _setting(
        "API keys and scopes",
        parsers.Integer(0, 10**6),
        0,
        "Requests a second that an account may make; 0 means no limit.",
    )
    upstream: "str | Application | None" = _setting(
        "Answers to operations",
        parsers.upstream,
        None,
        "URL of a server that answers Moov's operations after the token check; without it: 501.",
    )
    upstream_timeout: int = _setting(
        "Answers to operations",
        parsers.Integer(1, 3600),
        30,
        "Seconds to wait for the upstream's response, or for its next part; after that: 504.",
    )
    openapi: str | None = _setting(
        "Answers to operations",
        parsers.file_path,
        None,
        "OpenAPI description, YAML or JSON, whose examples answer Moov's operations after the token check.",
    )
    seed: str | None = _setting(
        "Tokens",
        parsers.text,
        None,
        "Text to derive the signing key from: with the same text, tokens survive a restart.",
        secret=True,
    )
    signing_key: str | None = _setting(
        "Tokens", parsers.file_path, None, "File with the Ed25519 signing key, PEM or JWK.", quoted=False
    )
    api_keys: tuple[ApiKey, ...] = _setting(
        "API keys and scopes", parsers.api_keys, [EXAMPLE], "API keys, as a JSON list of objects."
    )
    stubs: tuple[Stub, ...] = _setting(
        "Answers to operations",
        parsers.stubs,
        [],
        "Stubs: answers to Moov's operations, as a JSON list of objects.",
    )
    store: str = _setting(
        "State",
        stores.store,
        "memory",
        "Where state is kept: memory, which a restart empties; sqlite:PATH, a file that survives it; or "
        "redis://HOST, which several servers share (also rediss:// and unix://; needs the extra redis).",
        printed=False,
    )
    store_namespace: str = _setting(
        "State",
        stores.store_namespace,
        "default",
        "How all keys in Redis begin: mockmoov:NAMESPACE:. Servers with one namespace are one server.",
    )
    access_log: bool = _setting(
        "Journal and log", parsers.switch, "on", "Whether to log each request in one line."
    )
    log_format: str = _setting(
        "Journal and log",
        parsers.Choice(("text", "json")),
        "text",
        "How to write the log to standard error: text, or json lines.",
    )
    journal_size: int = _setting(
        "Journal and log",
        parsers.Integer(0, 10**6),
        10000,
        "Exchanges that the journal keeps, up to 16 MiB; 0 keeps none.",
    )
    journal_bodies: bool = _setting(
        "Journal and log",
        parsers.switch,
        "on",
        "Whether the journal keeps the JSON bodies of operations, up to 16 KiB each.",
    )
    control: str = _setting(
        "Control plane",
        parsers.Choice(("auto", "on", "off")),
        "auto",
        "Control plane: on, off, or auto: off if other machines can reach it and control_token is not set.",
    )
    control_token: str | None = _setting(
        "Control plane",
        parsers.header_value,
        None,
        "Value that the control plane requires in X-Mockmoov-Token.",
        secret=True,
    )
    set_by: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def known_hosts(self) -> frozenset[str]:
        """The hosts that this server accepts besides loopback names, as `server/hosts.py` explains them."""
        public = public_origin.partition("://")[2] if (public_origin := self.public_origin) else ""
        return frozenset(filter(None, (*self.allowed_hosts, *map(parsers.in_url, self.tls_names), public)))

    @property
    def public_origin(self) -> str | None:
        """The origin of `public_url`, serialized: without the default port, which no browser sends."""
        public = urlsplit(self.public_url or "")
        return serialize_origin(f"{public.scheme}://{public.netloc}")


SETTINGS: Mapping[str, Field[Any]] = {item.name: item for item in fields(Settings) if item.metadata}
_TLS_ONLY = ("tls_port", "tls_names", "tls_ca_file", "tls_ca_folder", "tls_cert")


def _conflicts(settings: Settings) -> Iterator[str]:
    """A message for each pair of settings that contradict each other; `{}` encloses their names."""
    if settings.seed is not None and settings.signing_key is not None:
        yield "{seed} and {signing_key} exclude each other: each one sets the signing key"
    if settings.upstream is not None and settings.openapi is not None:
        yield "{upstream} and {openapi} exclude each other: each one answers Moov's operations"
    if (settings.tls_cert is None) != (settings.tls_key is None):
        yield "{tls_cert} and {tls_key} need each other: a certificate and its private key"
    if settings.tls_cert and (settings.tls_ca_file or settings.tls_ca_folder):
        yield "{tls_cert} excludes {tls_ca_file} and {tls_ca_folder}: your own certificate has its own CA"
    if settings.tls and 0 < settings.port == settings.tls_port:
        yield "{port} and {tls_port} are the same: http and https need different ports; 0 picks a free one"
    yield from _useless(settings)


def _useless(settings: Settings) -> Iterator[str]:
    """A message for each setting that has no effect."""
    if settings.store_namespace != SETTINGS["store_namespace"].default and "://" not in settings.store:
        yield "{store_namespace} has no effect unless {store} is the URL of a Redis"
    for name in _TLS_ONLY:  # port 0 is allowed: `MockMoov` sets it in either case
        if not settings.tls and getattr(settings, name) not in (SETTINGS[name].default, 0):
            yield f"{{{name}}} has no effect unless {{tls}} is on"


class Layer(Struct, frozen=True, kw_only=True):
    """The settings from one source, unparsed, and how that source spells the name of a setting.

    `source` is a prefix for messages: "mockmoov.toml: " for a file, nothing for flags and variables.
    """

    settings: Mapping[str, object]
    spell: Callable[[str], str] = str
    source: str = ""

    def describe(self, name: str) -> str:
        """Where this source sets a setting: `--port`, `MOCKMOOV_PORT` or `mockmoov.toml: port`."""
        return self.source + self.spell(name)


def load(*layers: Layer) -> Settings:
    """Combine layers into settings; a later layer overrides an earlier one. Raises `SettingsError`."""
    parsed: dict[str, Any] = {}
    set_by: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.settings.items():
            parsed[name] = _parse(name, value, layer)
            set_by[name] = layer.describe(name)
    settings = Settings(**parsed, set_by=set_by)
    if conflict := next(_conflicts(settings), None):
        raise SettingsError(conflict.format_map({name: name for name in SETTINGS} | set_by))
    for api_key in settings.api_keys:
        if unknown := unknown_scope(api_key, CATALOGUES[settings.scope_catalogue]):
            raise SettingsError(
                f"{set_by['api_keys']}: there is no scope {printable(unknown)}{did_you_mean(unknown)}"
            )
    return settings


# What to do instead of names that are not settings.
_ELSEWHERE: Mapping[str, str] = {
    "faults": "; plan faults while the server runs: POST /_mockmoov/faults, or faults.add(...) in Python"
}


def _parse(name: str, value: object, layer: Layer) -> Any:
    if name not in SETTINGS:
        hint = _ELSEWHERE.get(name) or nearest(name, SETTINGS, layer.spell)
        raise SettingsError(f"{layer.describe(name)}: there is no such setting{hint}")
    metadata = SETTINGS[name].metadata
    try:
        return metadata["parse"](value)
    except ValueError as error:
        message = error.quoted if isinstance(error, InvalidValueError) and metadata["is_quoted"] else error
        raise SettingsError(f"{layer.describe(name)} {message}") from None
