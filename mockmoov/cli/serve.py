"""The command `mockmoov serve`: reads the settings, opens the listeners and runs the server.

`mockmoov run` does the same, and takes from here what it needs.
"""

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from mockmoov import __version__
from mockmoov.cli import logs
from mockmoov.cli.help import SettingsCommand, flag, settings_options
from mockmoov.cli.options import fail, option
from mockmoov.config.settings import Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.config.stores import shown_store
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.contracts import RECOMMENDED_VERSION, contract_named
from mockmoov.oauth.records import ApiKey

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mockmoov.server.authorization_server import AuthorizationServer
    from mockmoov.web.listeners import Listeners

_log = logging.getLogger("mockmoov")
_LONG_ENOUGH = 16  # characters of a control token


@click.command(cls=SettingsCommand)
@option("--config", metavar="PATH", help="TOML file with settings.")
@option("--ready-file", metavar="PATH", help="File to write the URL to, once the server answers.")
@settings_options()
def serve(config: str | None, ready_file: str | None, **flags: str | None) -> None:
    """Run the server until SIGTERM, SIGINT or SIGHUP.

    Flags override environment variables, which override the file.
    """
    gc.disable()  # what a start makes stays: looking for garbage would take a twentieth of its time
    try:
        _serve(config, ready_file, flags)
    finally:
        gc.enable()


def _serve(config: str | None, ready_file: str | None, flags: Mapping[str, str | None]) -> None:
    from mockmoov.web.uvicorn_server import run  # noqa: PLC0415 - `--help` needs no server

    logs.configure(_log_format(flags))
    ready = Path(ready_file) if ready_file else None
    if ready:  # of a server that was killed: nobody shall mistake it for this server's
        with _fail_on_os_error(ready):
            ready.unlink(missing_ok=True)
    parts = prepare(read_settings(config, flags))
    publish = _prepare_file(ready, parts.listeners.url) if ready else lambda: None

    def announce() -> None:
        publish()
        _print(parts.start_up_lines())
        gc.freeze()  # nor does the first request pay for it
        gc.enable()

    try:
        run(parts.app, parts.listeners.sockets, announce, parts.listeners.secure)
    finally:
        parts.server.close()
        if ready:
            ready.unlink(missing_ok=True)


def read_settings(config: str | None, flags: Mapping[str, str | None], *defaults: Layer) -> Settings:
    """The settings of a command, which also say how its log is written; exits with 2 if one is invalid."""
    logs.configure(_log_format(flags))
    try:
        file = from_file(config) if config else Layer(settings={})
        logs.configure(_log_format(flags, file.settings))
        environment = from_environment(os.environ, _log.warning)
        given = {name: value for name, value in flags.items() if value is not None}
        settings = load(*defaults, file, environment, Layer(settings=given, spell=flag))
    except SettingsError as error:
        fail(2, str(error))
    logging.getLogger("mockmoov.access").disabled = not settings.access_log
    return settings


def _log_format(flags: Mapping[str, str | None], file: Mapping[str, object] = MappingProxyType({})) -> str:
    """The format of the log, which is needed before the settings are known to be valid."""
    name = flags.get("log_format") or os.environ.get(f"{PREFIX}LOG_FORMAT") or file.get("log_format")
    return str(name) if name in logs.FORMATTERS else "text"


class Parts(Struct, frozen=True, kw_only=True):
    """A server that is ready to run: its sockets listen, and nobody answers yet."""

    server: "AuthorizationServer"
    listeners: "Listeners"
    app: "Starlette"

    def first_lines(self) -> list[str]:
        """Where the server listens, and which contract it uses."""
        urls = " and ".join(filter(None, (self.listeners.url, self.listeners.https_url)))
        contract = _name_contract(self.server.settings.default_version, self.server.default_contract_name)
        return [f"mockmoov {__version__} listens on {urls}", contract]

    def kept_state(self) -> list[str]:
        """Where the state is and what was found there; nothing if it is in memory."""
        settings, found = self.server.settings, self.server.found
        if settings.store == "memory":
            return []
        place = shown_store(settings.store).removeprefix("sqlite:")
        namespace = f", namespace {settings.store_namespace}" if "://" in place else ""
        return [f"state in {place}{namespace}{', which is new' if found.is_new else f': {found}'}"]

    def start_up_lines(self) -> list[str]:
        """What the server prints at its start; of the secrets only that of the documented example."""
        settings, listeners = self.server.settings, self.listeners
        listens_on, contract = self.first_lines()
        control = "on" if listeners.has_control else "off (set control_token, or set control to on)"
        return [
            listens_on,
            f"bound to {listeners.bound}",
            *([f"public URL {settings.public_url}"] if settings.public_url else []),
            *([_where_the_ca_is(settings, listeners.url)] if listeners.ca_pem else []),
            *map(_name_key, settings.api_keys),
            *([f"operations are answered by {settings.upstream}"] if settings.upstream else []),
            *([self.server.examples.summary] if self.server.examples else []),
            contract,
            *(self.kept_state() or [_what_a_restart_ends(settings)]),
            *([f"page for browsers at {listeners.url}/_mockmoov/"] if listeners.has_control else []),
            f"control plane at {listeners.url}/_mockmoov: {control}",
        ]


def prepare(settings: Settings, *, unusable_store: int = 1) -> Parts:
    """Open the sockets and make a server.

    Exits with 2 if the settings don't allow it, with `unusable_store` if the store can't be used now.
    """
    from mockmoov.server.factory import UnusableStoreError, create_server  # noqa: PLC0415 - `--help` needs no server
    from mockmoov.web.app import create_app  # noqa: PLC0415
    from mockmoov.web.listeners import BindError, open_listeners  # noqa: PLC0415

    with ExitStack() as on_failure:
        try:
            listeners = open_listeners(settings)  # before anything is written to the store
            on_failure.callback(listeners.close)
            server = create_server(settings)
        except UnusableStoreError as error:
            fail(unusable_store, str(error))
        except (SettingsError, BindError) as error:
            fail(2, str(error))
        on_failure.pop_all()
    if warning := _exposure_warning(settings, listeners):
        _log.warning(warning)
    app = create_app(server, exposure=listeners.exposure, ca_pem=listeners.ca_pem)
    return Parts(server=server, listeners=listeners, app=app)


def _exposure_warning(settings: Settings, listeners: "Listeners") -> str:
    """Why other machines may control this server though nobody meant them to, or ""."""
    if listeners.exposure == "loopback" or not listeners.has_control:
        return ""
    if settings.control_token is None:
        return f"anybody who reaches {listeners.bound} controls this server: set control_token"
    if len(settings.control_token) < _LONG_ENOUGH:
        return f"control_token can be guessed from other machines: use {_LONG_ENOUGH} characters or more"
    return ""


def _print(lines: list[str]) -> None:
    """Print lines. A closed or full standard output doesn't stop the server."""
    try:
        click.echo("\n".join(lines))
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - flushing the old one at exit would fail


def _prepare_file(ready_file: Path, url: str) -> Callable[[], object]:
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
        fail(2, f"--ready-file {ready_file}: {error.strerror}")


def _where_the_ca_is(settings: Settings, url: str) -> str:
    file = f", and in {settings.tls_ca_file}" if settings.tls_ca_file else ""
    return f"https clients must trust the CA at {url}/_mockmoov/ca.pem{file}"


def _what_a_restart_ends(settings: Settings) -> str:
    """What happens to state in memory."""
    if settings.seed is None:
        return "state in memory: a restart ends all tokens (--store sqlite:PATH or --seed keeps them)"
    kept = "tokens" if settings.token_format == "jwt" else "refresh tokens"  # noqa: S105 - not a password
    return (
        f"state in memory, keys from the seed: {kept} survive a restart, which forgets revocations, "
        "used-up refresh tokens and all else (--store sqlite:PATH keeps it)"
    )


def _name_key(key: ApiKey) -> str:
    example = EXAMPLE["client_secret"]
    secret = f", client_secret {example}" if key.client_secret == example else ""
    return f"client_id {key.client_id}{secret}"


def _name_contract(default: str, contract: str) -> str:
    is_today = contract_named(default) is contract_named(RECOMMENDED_VERSION)
    today = "" if is_today else f"; for today's Moov: --default-version {RECOMMENDED_VERSION}"
    return f"requests without X-Moov-Version use contract {contract} (default_version is {default}){today}"
