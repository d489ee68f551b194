"""The command `mockmoov serve`: reads the settings, opens the listeners and runs the server."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mockmoov import __version__
from mockmoov.cli.options import fail, option
from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.contracts import RECOMMENDED_VERSION, contract_named

if TYPE_CHECKING:
    from mockmoov.server.authorization_server import AuthorizationServer

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _settings_options(command: _Command) -> _Command:
    """Add an option for each setting. Its value stays text until the settings are loaded."""
    for name, item in reversed(list(SETTINGS.items())):
        default = "the documented example" if name == "api_keys" else item.metadata["default"]
        source = f"[env: {PREFIX}{name.upper()}; default: {'none' if default in ('', None, []) else default}]"
        flag_value = item.metadata["flag_value"]
        switch = {"is_flag": False, "flag_value": flag_value} if flag_value else {}
        command = click.option(
            _flag(name), name, metavar="VALUE", help=f"{item.metadata['help']}  {source}", **switch
        )(command)
    return command


@click.command()
@option("--config", metavar="PATH", help="TOML file with settings.")
@option("--ready-file", metavar="PATH", help="File to write the URL to, once the server answers.")
@_settings_options
def serve(config: str | None, ready_file: str | None, **flags: str | None) -> None:
    """Run the server until SIGTERM or SIGINT.

    Flags override environment variables, which override the file.
    """
    ready = Path(ready_file) if ready_file else None
    if ready:  # of a server that was killed: nobody shall mistake it for this server's
        with _fail_on_os_error(ready):
            ready.unlink(missing_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = load(
            from_file(config) if config else Layer(settings={}),
            from_environment(os.environ, logging.getLogger("mockmoov").warning),
            Layer(settings={name: value for name, value in flags.items() if value is not None}, spell=_flag),
        )
        _run_server(settings, ready)
    except SettingsError as error:
        fail(2, str(error))


def _run_server(settings: Settings, ready_file: Path | None) -> None:
    from mockmoov.control_plane.access import control_access  # noqa: PLC0415 - `--help` needs no server
    from mockmoov.server.factory import create_server  # noqa: PLC0415
    from mockmoov.web.app import create_app  # noqa: PLC0415
    from mockmoov.web.listeners import BindError, open_listeners  # noqa: PLC0415
    from mockmoov.web.uvicorn_server import run  # noqa: PLC0415

    logging.getLogger("mockmoov.access").disabled = not settings.access_log
    server = create_server(settings)
    try:
        listeners = open_listeners(settings)
    except BindError as error:
        fail(1, str(error))
    is_on = control_access(settings, listeners.exposure).is_on
    urls = list(filter(None, (listeners.url, listeners.https_url)))
    publish = _prepare(ready_file, listeners.url) if ready_file else lambda: None

    def announce() -> None:
        publish()
        control = "on" if is_on else "off: set control_token, or control to on"
        lines = _startup_lines(settings, urls, server)
        _print([*lines, f"control plane at {listeners.url}/_mockmoov: {control}"])

    app = create_app(server, exposure=listeners.exposure, ca_pem=listeners.ca_pem)
    run(app, listeners.sockets, announce, listeners.secure)
    if ready_file:
        ready_file.unlink(missing_ok=True)


def _print(lines: list[str]) -> None:
    """Print lines. A closed or full standard output doesn't stop the server."""
    try:
        click.echo("\n".join(lines))
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - flushing the old one at exit would fail


def _prepare(ready_file: Path, url: str) -> Callable[[], object]:
    """Write the URL to a temporary file, and return the function that renames it to the ready file."""
    partial = ready_file.with_name(ready_file.name + ".partial")
    with _fail_on_os_error(ready_file):
        partial.write_text(url)
    return lambda: partial.replace(ready_file)


@contextmanager
def _fail_on_os_error(ready_file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(1, f"--ready-file {ready_file}: {error.strerror}")


def _startup_lines(settings: Settings, urls: Sequence[str], server: "AuthorizationServer") -> list[str]:
    """What the server prints at start; of the secrets only that of the documented example."""
    example, default = EXAMPLE["client_secret"], settings.default_version
    keys = [
        f"client_id {key.client_id}" + (f", client_secret {example}" if key.client_secret == example else "")
        for key in settings.api_keys
    ]
    is_today = contract_named(default) is contract_named(RECOMMENDED_VERSION)
    today = "" if is_today else f"; for today's Moov: --default-version {RECOMMENDED_VERSION}"
    contract = server.default_contract_name
    return [
        f"mockmoov {__version__} listens on {' and '.join(urls)}",
        *([f"public URL {settings.public_url}"] if settings.public_url else []),
        *keys,
        *([server.examples.summary] if server.examples else []),
        f"requests without X-Moov-Version use contract {contract} (default_version is {default}){today}",
    ]
