"""The command `mockmoov run`: runs a program with a server for as long as it takes."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import click

from mockmoov.cli.help import SettingsCommand, settings_options
from mockmoov.cli.options import fail, option
from mockmoov.cli.serve import Parts, prepare, read_settings
from mockmoov.config.settings import Layer
from mockmoov.config.signals import handle_signals
from mockmoov.config.sources import PREFIX

_FREE_PORTS = Layer(settings={"port": 0, "tls_port": 0}, spell="mockmoov run: {}".format)
_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")  # those that the system has
_FROM_TERMINALS = ("SIGINT", "SIGQUIT")
_NOT_STARTED = 2
_NOT_FOUND, _NOT_RUNNABLE, _SIGNALED = 127, 126, 128  # exit codes, as a shell has them
# Variables in addition to those of `testing/environment.py`: the programs that read them, and what they hold.
VARIABLES: Mapping[str, tuple[str, str]] = {
    f"{PREFIX}URL": ("mockmoov token, mockmoov healthcheck, pytest plugin", "url"),
    f"{PREFIX}CLIENT_ID": ("mockmoov token, mockmoov verify", "client_id"),
    f"{PREFIX}CLIENT_SECRET": ("mockmoov token, mockmoov verify", "client_secret"),
    f"{PREFIX}CA_FILE": ("mockmoov token, mockmoov healthcheck, mockmoov verify", "ca_file"),
    "MOOV_HTTPS_URL": ("programs", "https_url"),
}
_log = logging.getLogger("mockmoov")


@click.command(cls=SettingsCommand, context_settings={"allow_interspersed_args": False})
@option("--config", metavar="PATH", help="TOML file with settings.")
@settings_options(**_FREE_PORTS.settings)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(config: str | None, command: tuple[str, ...], **flags: str | None) -> None:
    """Run a program with its own server.

    The server gets a free port, unless a setting names one. The program finds its URL and the first API key
    in MOOV_BASE_URL, MOOV_CLIENT_ID, MOOV_CLIENT_SECRET and the variables that Moov's SDKs read. Signals go
    to the program, and its exit code is that of this command.
    """
    from mockmoov.web.uvicorn_server import BackgroundServer  # noqa: PLC0415 - `--help` needs no server

    forwarder = Forwarder()
    forwarder.handle_signals()
    chosen = read_settings(config, flags, _FREE_PORTS)
    if chosen.workers > 1:
        fail(_NOT_STARTED, f"{chosen.set_by['workers']}: this command serves in one process: leave it out")
    parts = prepare(chosen, unusable_store=_NOT_STARTED)
    server = BackgroundServer(parts.app, parts.listeners.sockets, parts.listeners.secure)
    for line in (*parts.first_lines(), *parts.kept_state()):
        _log.info(line)
    try:
        with _ca_file(parts) as ca_file:
            given = {"CONFIG": config, **{name.upper(): value for name, value in flags.items()}}
            settings = {PREFIX + name: value for name, value in given.items() if value is not None}
            environ = {**os.environ, "PATH": _path_with_mockmoov(), **settings, **_variables(parts, ca_file)}
            code = _exit_code(command, environ, forwarder)
    finally:
        server.stop()
        parts.server.close()
    handle_signals(_FORWARDED, signal.SIG_IGN)  # another one doesn't change the exit code
    sys.exit(code)


def _variables(parts: Parts, ca_file: str | None) -> Mapping[str, str | None]:
    """What the program finds in its environment: where the server is, and an API key. None: not set."""
    from mockmoov.testing.environment import environment  # noqa: PLC0415 - `--help` needs no server

    url, key = parts.listeners.url, parts.server.settings.api_keys[0]
    credentials = {name: getattr(key, name) for name in ("client_id", "client_secret", "account_id")}
    values = {**credentials, "url": url, "https_url": parts.listeners.https_url, "ca_file": ca_file}
    return {
        **environment(url, credentials),
        **{variable: values[name] for variable, (_, name) in VARIABLES.items()},
    }


@contextmanager
def _ca_file(parts: Parts) -> Iterator[str | None]:
    """A file with the CA that https clients must trust, if mockmoov has made one."""
    if parts.listeners.ca_pem is None:
        yield None
        return
    with TemporaryDirectory(prefix="mockmoov-") as folder:
        file = Path(folder, "ca.pem")
        file.write_bytes(parts.listeners.ca_pem)
        yield str(file)


def _path_with_mockmoov() -> str:
    """This process's `PATH`, with the folder of the command `mockmoov` at its end if no folder has it.

    At the end, because that folder may have another `python` than the program uses.
    """
    path = os.environ.get("PATH", os.defpath)
    scripts = sysconfig.get_path("scripts")
    is_missing = shutil.which("mockmoov", path=path) is None and shutil.which("mockmoov", path=scripts)
    return f"{path}{os.pathsep}{scripts}" if is_missing else path


def _exit_code(command: Sequence[str], environ: Mapping[str, str | None], forwarder: "Forwarder") -> int:
    variables = {name: value for name, value in environ.items() if value is not None}
    # Windows doesn't look for npm.cmd itself.
    program = shutil.which(command[0], path=variables["PATH"]) or command[0]
    try:
        process = subprocess.Popen([program, *command[1:]], env=variables)  # noqa: S603 - it was asked for
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        fail(_NOT_FOUND if is_missing else _NOT_RUNNABLE, f"cannot run {command[0]}: {error.strerror}")
    forwarder.start(process)
    code = process.wait()
    return code if code >= 0 else _SIGNALED - code


class Forwarder:
    """Passes signals on to a process; those that come before its start, then; those after its end, never."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def handle_signals(self) -> None:
        """Handle the signals of this process until it ends, but for those that it was started to ignore."""
        if hasattr(signal, "SIGCHLD"):  # where it is ignored, nobody learns the exit code of a program
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        handle_signals(_FORWARDED, self)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on, unless the terminal has sent it to the process, too."""
        if self._process is None:
            self._early.append(number)
        elif not (signal.Signals(number).name in _FROM_TERMINALS and _terminal_sends_it_too()):
            self._process.send_signal(number)

    def start(self, process: "subprocess.Popen[bytes]") -> None:
        """Pass signals on to this process."""
        self._process = process
        for number in self._early:
            process.send_signal(number)


def _terminal_sends_it_too() -> bool:
    """Whether this process is in the foreground of a terminal, whose keys reach the program as well."""
    if not hasattr(os, "tcgetpgrp"):  # Windows, where a console is shared
        return True
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False
