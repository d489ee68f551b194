"""Owns the command line: argv to settings to run. Must not know how any of it is done."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from mockmoov import __version__, scopes
from mockmoov.api_keys import EXAMPLE
from mockmoov.settings import (
    PREFIX,
    SETTINGS,
    Layer,
    Settings,
    SettingsError,
    from_environment,
    from_file,
    load,
)
from mockmoov.verify.command import verify

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _settings_options(command: _Command) -> _Command:
    """One option for every setting; its value stays text until the settings parse it."""
    for name, item in reversed(list(SETTINGS.items())):
        default = item.metadata["default"]
        shown = "the documented example" if name == "api_keys" else default
        source = f"[env: {PREFIX}{name.upper()}; default: {'none' if shown in ('', None) else shown}]"
        command = click.option(_flag(name), name, metavar="VALUE", help=f"{item.metadata['help']}  {source}")(
            command
        )
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mockmoov")
def main() -> None:
    """A test double of Moov's OAuth 2.0 endpoints."""


main.add_command(verify)


@main.command()
@click.option(
    "--config", envvar=f"{PREFIX}CONFIG", show_envvar=True, metavar="PATH", help="TOML file with settings."
)
@click.option(
    "--ready-file",
    envvar=f"{PREFIX}READY_FILE",
    show_envvar=True,
    metavar="PATH",
    help="File for the URL once the server answers.",
)
@_settings_options
def serve(config: str | None, ready_file: str | None, **flags: str | None) -> None:
    """Run the server until SIGTERM or SIGINT. Flags win over the environment, that over the file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = load(
            from_file(config) if config else Layer(values={}),
            from_environment(os.environ, logging.getLogger("mockmoov").warning),
            Layer(values={name: value for name, value in flags.items() if value is not None}, spell=_flag),
        )
        _serve(settings, Path(ready_file) if ready_file else None)
    except SettingsError as error:
        _fail(2, str(error))


def _serve(settings: Settings, ready_file: Path | None) -> None:
    from mockmoov import serve as listening  # noqa: PLC0415 - the other commands need no server
    from mockmoov.app import create_app  # noqa: PLC0415
    from mockmoov.bootstrap import create_server  # noqa: PLC0415
    from mockmoov.control import Exposure, make_guard  # noqa: PLC0415

    logging.getLogger("mockmoov.access").disabled = not settings.access_log
    server = create_server(settings)
    try:
        sockets = listening.bind(settings.host, settings.port)
    except listening.BindError as error:
        _fail(1, str(error))
    url = listening.base_url(settings.host, sockets)
    exposure: Exposure = "loopback" if listening.is_loopback(sockets) else "network"
    publish = _prepare(ready_file, url) if ready_file else lambda: None

    def announce() -> None:
        publish()
        control = "on" if make_guard(settings, exposure).is_on else "off: set control_token, or control to on"
        lines = _startup_lines(settings, url, server.default_contract)
        _print([*lines, f"control plane under {url}/_mockmoov: {control}"])

    listening.run(create_app(server, exposure=exposure), sockets, announce)
    if ready_file:
        ready_file.unlink(missing_ok=True)


def _print(lines: list[str]) -> None:
    """Print the lines, if there is anyone to read them."""
    try:
        click.echo("\n".join(lines))
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or the exit would fail at flushing


def _prepare(ready_file: Path, url: str) -> Callable[[], object]:
    """Write the ready file beside its place, and return what moves it there; an old one is removed."""
    partial = ready_file.with_name(ready_file.name + ".partial")
    try:
        ready_file.unlink(missing_ok=True)
        partial.write_text(url)
    except OSError as error:
        _fail(1, f"--ready-file {ready_file}: {error.strerror}")
    return lambda: partial.replace(ready_file)


def _startup_lines(settings: Settings, url: str, contract: str) -> list[str]:
    example = EXAMPLE["client_secret"]
    keys = [
        f"client_id {key.client_id}" + (f", client_secret {example}" if key.client_secret == example else "")
        for key in settings.api_keys
    ]
    return [
        f"mockmoov {__version__} listens on {url}",
        *keys,
        f"without X-Moov-Version: contract {contract} (default_version is {settings.default_version})",
    ]


def _fail(code: int, message: str) -> NoReturn:
    click.echo(f"mockmoov: {message}", err=True)
    sys.exit(code)


def _own_settings() -> Settings:
    """The settings that a server with this environment would have."""
    try:
        config = os.environ.get(f"{PREFIX}CONFIG")
        layers = [from_file(config)] if config else []
        return load(*layers, from_environment(os.environ, lambda _: None))
    except SettingsError as error:
        _fail(2, str(error))


def _default_url() -> str:
    return f"http://localhost:{_own_settings().port}"


_URL = click.option(
    "--url",
    envvar=f"{PREFIX}URL",
    default=_default_url,
    help="Where the server is; default: this machine, its port.",
)


@main.command()
@_URL
def healthcheck(url: str) -> None:
    """Exit 0 if a server answers at the URL, 1 if not. For containers without curl."""
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.error import HTTPError  # noqa: PLC0415
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        _fail(2, "--url must begin with http:// or https://")
    try:
        with build_opener(ProxyHandler({})).open(f"{url.rstrip('/')}/_mockmoov/health", timeout=5):
            pass
    except HTTPError as error:
        with error:
            _fail(1, f"{url} is not healthy: {error}")
    except (OSError, ValueError, HTTPException) as error:
        _fail(1, f"{url} is not healthy: {error}".partition("\r")[0].partition("\n")[0])


@main.command()
@_URL
@click.option("--scope", required=True, help="Scopes to ask for, with spaces between them.")
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
def token(url: str, scope: str, client_id: str | None, client_secret: str | None) -> None:
    """Print a new access token of a running server.

    The API key is the first that the environment has, in MOCKMOOV_API_KEYS or in the file that
    MOCKMOOV_CONFIG names; without them, the documented example.
    """
    import httpx2  # noqa: PLC0415

    from mockmoov.client import MoovError, TokenClient  # noqa: PLC0415

    keys = {key.client_id: key.client_secret for key in _own_settings().api_keys}
    client_id = client_id or next(iter(keys))
    client_secret = client_secret or keys.get(client_id)
    if client_secret is None:
        _fail(2, "--client-secret is missing: the settings have no API key with this client id")
    try:
        with httpx2.Client(trust_env=False) as http:  # a proxy has no business with this machine's tokens
            client = TokenClient(url, client_id=client_id, client_secret=client_secret, http_client=http)
            click.echo(client.create(scope=scope).access_token)
    except MoovError as error:
        _fail(1, str(error))
    except ValueError as error:  # what cannot be sent at all
        _fail(2, str(error))


@main.command("scopes")
def list_scopes() -> None:
    """List the scopes that Moov is known to accept, each with its sources."""
    for scope, sources in scopes.catalogue().items():
        click.echo(f"{scope:<55} {', '.join(sources)}")
