"""The options and helpers that several commands share."""

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from mockmoov.cli.logs import report
from mockmoov.config import parsers
from mockmoov.config.settings import Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.config.tls_trust import connection_hint, trust_context
from mockmoov.oauth.origins import is_loopback

if TYPE_CHECKING:
    import ssl

_Command = TypeVar("_Command", bound=Callable[..., Any])
# What the errors of Linux, macOS and Windows say of a host name without an address.
_UNRESOLVED = (
    "(?i)name or service not known|name resolution|no address|nodename nor servname|getaddrinfo failed"
)


def fail(exit_code: int, message: str) -> NoReturn:
    """Write an error message and exit."""
    report(message)
    sys.exit(exit_code)


def local_settings() -> Settings:
    """The settings that a server in this environment would have; exits with 2 if they are invalid."""
    try:
        config = os.environ.get(f"{PREFIX}CONFIG")
        layers = [from_file(config)] if config else []
        return load(*layers, from_environment(os.environ, lambda _: None))
    except SettingsError as error:
        fail(2, str(error))


def is_https(url: str) -> bool:
    """Whether a URL is reached with TLS."""
    return url.lower().startswith("https://")


def tls_context(url: str, ca_file: str | None) -> "ssl.SSLContext | None":
    """The TLS context for a URL, None for http; exits with 2 if the CA file is invalid."""
    if not is_https(url):
        return None
    try:
        return trust_context(ca_file)
    except ValueError as error:
        fail(2, f"--ca-file {error}")


def explain_connection(error: Exception, url: str, *, is_connected: bool) -> str:
    """Advice to append to why a server at a URL didn't answer, or "".

    `is_connected`: whether there was a connection; without one there may be no server.
    """
    hint = connection_hint(error, url, "--ca-file")
    if hint or is_connected:
        return hint
    if re.search(_UNRESOLVED, str(error)):
        return f"; the name does not resolve: check --url or {PREFIX}URL"
    if is_loopback("/".join(url.split("/")[:3])):
        return f"; start one with `mockmoov serve`, or name another with --url or {PREFIX}URL"
    return f"; no server answers there: check --url or {PREFIX}URL"


def _parse_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Parse `--url`. The error messages don't repeat it: it may contain a password."""
    try:
        url = parsers.url(value)
    except ValueError as error:
        fail(2, f"--url {error}")
    if url.endswith("/oauth2/token"):
        fail(2, "--url must be the URL of the server: leave out /oauth2/token")
    return url


def option(flag: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """An option that an environment variable sets too: `MOCKMOOV_READY_FILE` is `--ready-file`."""
    variable = PREFIX + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, envvar=variable, show_envvar=True, **attributes)


url_option = option(
    "--url",
    callback=_parse_url,
    default=lambda: f"http://localhost:{local_settings().port}",
    help="URL of the server; default: http://localhost and the port in the settings (8080).",
)

ca_file_option = option(
    "--ca-file",
    metavar="PATH",
    default=lambda: local_settings().tls_ca_file,
    help="CA certificate of an https server, PEM; default: the file in the setting tls_ca_file.",
)
