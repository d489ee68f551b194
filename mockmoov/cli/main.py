"""Owns the command line: argv to settings to run. Must not know how any of it is done."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from mockmoov import __version__
from mockmoov.cli.asking import fail, healthcheck, token
from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.verify.cli import verify

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _settings_options(command: _Command) -> _Command:
    """One option for every setting; its value stays text until the settings parse it."""
    for name, item in reversed(list(SETTINGS.items())):
        default = item.metadata["default"]
        shown = "the documented example" if name == "api_keys" else default
        source = f"[env: {PREFIX}{name.upper()}; default: {'none' if shown in ('', None) else shown}]"
        bare = {"is_flag": False, "flag_value": item.metadata["bare"]} if item.metadata["bare"] else {}
        command = click.option(
            _flag(name), name, metavar="VALUE", help=f"{item.metadata['help']}  {source}", **bare
        )(command)
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
    ready = Path(ready_file) if ready_file else None
    if ready:
        _forget(ready)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = load(
            from_file(config) if config else Layer(values={}),
            from_environment(os.environ, logging.getLogger("mockmoov").warning),
            Layer(values={name: value for name, value in flags.items() if value is not None}, spell=_flag),
        )
        _serve(settings, ready)
    except SettingsError as error:
        fail(2, str(error))


def _serve(settings: Settings, ready_file: Path | None) -> None:
    from mockmoov.control_plane.access import control_access  # noqa: PLC0415
    from mockmoov.server.factory import create_server  # noqa: PLC0415
    from mockmoov.web import uvicorn_server as listening  # noqa: PLC0415 - the other commands need no server
    from mockmoov.web.app import create_app  # noqa: PLC0415
    from mockmoov.web.listeners import open_listeners  # noqa: PLC0415

    logging.getLogger("mockmoov.access").disabled = not settings.access_log
    server = create_server(settings)
    try:
        places = open_listeners(settings)
    except listening.BindError as error:
        fail(1, str(error))
    is_on = control_access(settings, places.exposure).is_on
    publish = _prepare(ready_file, places.url) if ready_file else lambda: None

    def announce() -> None:
        publish()
        control = "on" if is_on else "off: set control_token, or control to on"
        lines = _startup_lines(settings, places.urls, server.default_contract)
        _print([*lines, f"control plane under {places.url}/_mockmoov: {control}"])

    app = create_app(server, exposure=places.exposure, ca_pem=places.ca_pem)
    listening.run(app, places.sockets, announce, places.secure)
    if ready_file:
        ready_file.unlink(missing_ok=True)


def _print(lines: list[str]) -> None:
    """Print the lines, if there is anyone to read them."""
    try:
        click.echo("\n".join(lines))
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or the exit would fail at flushing


def _forget(ready_file: Path) -> None:
    """Remove what a server left that was killed: nobody is to take this one for ready by it."""
    with _named(ready_file):
        ready_file.unlink(missing_ok=True)


def _prepare(ready_file: Path, url: str) -> Callable[[], object]:
    """Write the ready file beside its place, and return what moves it there."""
    partial = ready_file.with_name(ready_file.name + ".partial")
    with _named(ready_file):
        partial.write_text(url)
    return lambda: partial.replace(ready_file)


@contextmanager
def _named(ready_file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(1, f"--ready-file {ready_file}: {error.strerror}")


def _startup_lines(settings: Settings, urls: Sequence[str], contract: str) -> list[str]:
    example = EXAMPLE["client_secret"]
    keys = [
        f"client_id {key.client_id}" + (f", client_secret {example}" if key.client_secret == example else "")
        for key in settings.api_keys
    ]
    return [
        f"mockmoov {__version__} listens on {' and '.join(urls)}",
        *([f"public URL {settings.public_url}"] if settings.public_url else []),
        *keys,
        f"without X-Moov-Version: contract {contract} (default_version is {settings.default_version})",
    ]


main.add_command(healthcheck)
main.add_command(token)


@main.command("scopes")
def list_scopes() -> None:
    """List the scopes that Moov is known to accept, each with its sources."""
    for scope, sources in SCOPES.items():
        click.echo(f"{scope:<55} {', '.join(sources)}")
