"""The command `mockmoov serve`: reads the settings, opens the listeners and runs the server.

`mockmoov run` does the same, and takes from here what it needs.
"""

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
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
    from mockmoov.storage.store import Store
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
    logs.configure(_log_format(flags))
    ready = Path(ready_file) if ready_file else None
    if ready:  # of a server that was killed: nobody shall mistake it for this server's
        with _fail_on_os_error(ready):
            ready.unlink(missing_ok=True)
    settings = read_settings(config, flags)
    with ExitStack() as at_end:
        store, serve_until_signal = None, _serve_alone
        if settings.workers > 1:
            from mockmoov.cli import workers  # noqa: PLC0415 - a single process needs no supervisor

            file = at_end.enter_context(workers.temporary_file(settings))
            store = workers.open_file(file, settings)
            serve_until_signal = partial(workers.supervise, file)
        parts = prepare(settings, store=store)
        at_end.callback(parts.server.close)
        publish = at_end.enter_context(_publishing(ready, parts.listeners.url))

        def announce() -> None:
            publish()
            _print(parts.start_up_lines())
            gc.freeze()  # nor does the first request pay for it
            gc.enable()

        code = serve_until_signal(parts, announce)
    if code:
        sys.exit(code)


def _serve_alone(parts: "Parts", on_ready: Callable[[], None]) -> int:
    from mockmoov.web.uvicorn_server import run  # noqa: PLC0415 - `--help` needs no server

    run(parts.app, parts.listeners.sockets, on_ready, parts.listeners.secure)
    return 0


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
    logs.set_access_log(settings)
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
            *([f"{settings.workers} workers answer"] if settings.workers > 1 else []),
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


def prepare(settings: Settings, *, store: "Store | None" = None, unusable_store: int = 1) -> Parts:
    """Open the sockets and make a server; `store` replaces that of the settings.

    Exits with 2 if the settings don't allow it, with `unusable_store` if the store can't be used now.
    """
    from mockmoov.server.factory import UnusableStoreError, create_server  # noqa: PLC0415 - `--help` needs no server
    from mockmoov.web.app import create_app  # noqa: PLC0415
    from mockmoov.web.listeners import BindError, open_listeners  # noqa: PLC0415

    with ExitStack() as on_failure:
        try:
            listeners = open_listeners(settings)  # before anything is written to the store
            on_failure.callback(listeners.close)
            server = create_server(settings, store=store)
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


@contextmanager
def _publishing(ready_file: Path | None, url: str) -> Iterator[Callable[[], object]]:
    """Write the URL to a temporary file, which the result renames to the ready file; gone afterwards."""
    if ready_file is None:
        yield lambda: None
        return
    unfinished = ready_file.with_name(ready_file.name + ".partial")
    with _fail_on_os_error(ready_file):
        unfinished.write_text(url)
    try:
        yield lambda: unfinished.replace(ready_file)
    finally:
        ready_file.unlink(missing_ok=True)


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
    """What happens to state that no durable store has."""
    place = "memory" if settings.workers == 1 else "a temporary file"
    if settings.seed is None:
        return f"state in {place}: a restart ends all tokens (--store sqlite:PATH or --seed keeps them)"
    kept = "tokens" if settings.token_format == "jwt" else "refresh tokens"  # noqa: S105 - not a password
    return (
        f"state in {place}, keys from the seed: {kept} survive a restart, which forgets revocations, "
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
