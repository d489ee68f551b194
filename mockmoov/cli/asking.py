"""Owns the commands that ask a running server: healthcheck and token. Must not know how one is run."""

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from mockmoov.config.settings import Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file

if TYPE_CHECKING:
    import ssl


def fail(code: int, message: str) -> NoReturn:
    """End with an exit code, and say why."""
    click.echo(f"mockmoov: {message}", err=True)
    sys.exit(code)


def _own_settings() -> Settings:
    """The settings that a server with this environment would have."""
    try:
        config = os.environ.get(f"{PREFIX}CONFIG")
        layers = [from_file(config)] if config else []
        return load(*layers, from_environment(os.environ, lambda _: None))
    except SettingsError as error:
        fail(2, str(error))


def _default_url() -> str:
    return f"http://localhost:{_own_settings().port}"


# What is no URL of a server, and what to say of it; it is not repeated, as it may hold a secret.
_NO_URLS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda url: not url.startswith(("http://", "https://")), "must begin with http:// or https://"),
    (lambda url: "@" in url, "must not name a user"),
    (lambda url: url.rstrip("/").endswith("/oauth2/token"), "is that of the server: leave out /oauth2/token"),
)


def _url(_context: click.Context, _parameter: click.Parameter, url: str) -> str:
    if fault := next((fault for is_so, fault in _NO_URLS if is_so(url)), ""):
        fail(2, f"--url {fault}")
    return url


_URL = click.option(
    "--url",
    callback=_url,
    envvar=f"{PREFIX}URL",
    show_envvar=True,
    default=_default_url,
    help="Where the server is; default: http://localhost and the port of the settings (8080).",
)


_CA_FILE = click.option(
    "--ca-file",
    envvar=f"{PREFIX}CA_FILE",
    show_envvar=True,
    metavar="PATH",
    default=lambda: _own_settings().tls_ca_file,
    help="CA certificate of a server with https, PEM; default: the file of tls_ca_file, if that is set.",
)


def _hint(error: Exception) -> str:
    """What to do about a certificate that is not trusted."""
    is_distrust = "certificate verify failed" in str(error)
    return "; --ca-file names the CA" if is_distrust else ""


def _origin(settings: Settings, client_id: str | None) -> str:
    """Which API key was shown, and who said so; one that was given may be a secret in the wrong place."""
    if client_id:
        return f"; the API key is that of --client-id, or {PREFIX}CLIENT_ID"
    first = settings.api_keys[0].client_id
    if source := settings.sources.get("api_keys"):
        return f"; client_id {first} is the first of {source}"
    others = f"{PREFIX}CONFIG, {PREFIX}API_KEYS or --client-id"
    return f"; client_id {first} is the documented example's, as none of {others} names another"


def _spelled(error: ValueError) -> str:
    """What the client says of its arguments, said of the options that they come from."""
    return re.sub(r"^\w+", lambda name: _OPTIONS.get(name[0], name[0]), str(error))


_OPTIONS = {
    "base_url": "--url", "client_id": "--client-id", "client_secret": "--client-secret", "scope": "--scope",
}  # fmt: skip


def _trust(ca_file: str | None) -> "ssl.SSLContext":
    """What is trusted: a CA, or those that this machine trusts."""
    import ssl  # noqa: PLC0415

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an `ssl.SSLError` is one
        fail(2, f"--ca-file {ca_file}: {error.strerror}")


@click.command()
@_URL
@_CA_FILE
def healthcheck(url: str, ca_file: str | None) -> None:
    """Exit 0 if a server answers at the URL, 1 if not. For containers without curl."""
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # noqa: PLC0415

    https = [HTTPSHandler(context=_trust(ca_file))] if url.startswith("https://") else []
    try:
        with build_opener(ProxyHandler({}), *https).open(f"{url.rstrip('/')}/_mockmoov/health", timeout=5):
            pass
    except HTTPError as error:
        with error:
            fail(1, f"{url} is not healthy: {error}")
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        told = f"{url} is not healthy: {reason}".partition("\r")[0].partition("\n")[0]
        fail(1, told + _hint(error))


@click.command()
@_URL
@_CA_FILE
@click.option(
    "--scope",
    required=True,
    multiple=True,
    help="Scopes to ask for, with spaces between them; or the option again for each.",
)
@click.option(
    "--client-id",
    envvar=f"{PREFIX}CLIENT_ID",
    show_envvar=True,
    help="Default: the first API key of the settings.",
)
@click.option(
    "--client-secret",
    envvar=f"{PREFIX}CLIENT_SECRET",
    show_envvar=True,
    help="Default: that key's, if the settings have it.",
)
def token(
    url: str, ca_file: str | None, scope: tuple[str, ...], client_id: str | None, client_secret: str | None
) -> None:
    """Print a new access token of a running server.

    The API key is the first that the environment has, in MOCKMOOV_API_KEYS or in the file that
    MOCKMOOV_CONFIG names; without them, the documented example.
    """
    import httpx2  # noqa: PLC0415

    from mockmoov.client import InvalidClientError, MoovError, TokenClient  # noqa: PLC0415

    settings = _own_settings()
    origin = _origin(settings, client_id)
    keys = {key.client_id: key.client_secret for key in settings.api_keys}
    client_id = client_id or next(iter(keys))
    client_secret = client_secret or keys.get(client_id)
    if client_secret is None:
        fail(2, "--client-secret is missing: the settings have no API key with this client id")
    try:
        verify = _trust(ca_file) if url.startswith("https://") else True
        # A proxy has no business with this machine's tokens.
        with httpx2.Client(trust_env=False, verify=verify) as http:
            client = TokenClient(url, client_id=client_id, client_secret=client_secret, http_client=http)
            click.echo(client.create(scope=scope).access_token)
    except InvalidClientError as error:
        fail(1, f"{error}{origin}")
    except MoovError as error:
        fail(1, f"{error}{_hint(error)}")
    except ValueError as error:  # what cannot be sent at all
        fail(2, _spelled(error))
