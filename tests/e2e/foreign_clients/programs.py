"""How a foreign program is brought here, built and run, and what its lines mean."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.foreign_clients.clients import (
    CLIENT_ID,
    CLIENT_SECRET,
    HERE,
    Client,
    Command,
    unavailable,
)
from tests.support.missing import without

SECONDS = 240


class MissingToolError(Exception):
    """A program or a module that a client needs is not on this machine; the message says which."""


class CannotFetchError(Exception):
    """A client could not be brought here; the message says what its registry's client said."""


def require_tools(client: Client) -> None:
    """Raise `MissingToolError` unless all that a client needs is on this machine."""
    for needed in client.needs:
        kind, _, module = needed.partition(":")
        if (importlib.util.find_spec(module) if module else shutil.which(kind)) is None:
            raise MissingToolError(f"{module or kind} is not on this machine")


def clean_environment() -> dict[str, str]:
    """This environment without what would configure a server or a client behind the test's back."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("MOCKMOOV_", "MOOV_"))}


def program_environment(url: str) -> dict[str, str]:
    """All that a foreign program is told. Proxies would not find a server on this machine."""
    return clean_environment() | {
        "MOCKMOOV_URL": url,
        "MOCKMOOV_CLIENT_ID": CLIENT_ID,
        "MOCKMOOV_CLIENT_SECRET": CLIENT_SECRET,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def tool_environment() -> dict[str, str]:
    """Tools as committed: Go changes neither go.mod nor go.sum in a build, and knows no workspace."""
    return clean_environment() | {
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        "npm_config_loglevel": "error",
    }


def run(
    command: Command, *, cwd: Path, env: Mapping[str, str], out: Path, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command of the table to its end; subprocess.TimeoutExpired if there is none."""
    argv = [part.format(python=sys.executable, out=out) for part in command]
    return subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=seconds, check=False
    )


def prepare(client: Client, parent: Path) -> Path:
    """Copy a client's program, fetch and build it; AssertionError if it does not build."""
    folder = parent / client.folder
    shutil.copytree(HERE / client.folder, folder)
    if client.fetch:
        fetched = run(client.fetch, cwd=folder, env=tool_environment(), out=folder)
        if fetched.returncode != 0:
            said = f"{fetched.stdout}{fetched.stderr}".strip()
            raise CannotFetchError(f"{client.name} cannot be fetched: {said[:500]}")
    for step in client.build:
        built = run(step, cwd=folder, env=tool_environment(), out=folder)
        assert built.returncode == 0, f"{client.name} does not build:\n{built.stderr}"
    return folder


def built(client: Client, parent: Path) -> Path:
    """The folder of the built program; without a tool or the client, the test is skipped or fails."""
    try:
        require_tools(client)
        return prepare(client, parent)
    except MissingToolError as missing:
        without(str(missing))
    except CannotFetchError as refusal:
        if absence := unavailable().get(client.name):
            pytest.skip(f"{client.name} cannot be had: {absence}")
        without(str(refusal))


def run_program(
    client: Client, folder: Path, url: str, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a client's program against the server at the URL."""
    return run(client.command, cwd=folder, env=program_environment(url), out=folder, seconds=seconds)


# --- what it prints: `ok NAME`, or `not ok NAME: what came` ----------------------------------------------

OK, NOT_OK = "ok ", "not ok "


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The names of the checks that one run printed."""

    ok: tuple[str, ...]
    failed: tuple[str, ...]
    stray: tuple[str, ...]
    """Lines of another form."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.ok + self.failed


def read_outcome(stdout: str, known: Iterable[str]) -> Outcome:
    """Read the output of a program whose checks are known."""
    known, lines = tuple(known), stdout.splitlines()
    failed = (line.removeprefix(NOT_OK) for line in lines if line.startswith(NOT_OK))
    return Outcome(
        ok=tuple(line.removeprefix(OK) for line in lines if line.startswith(OK)),
        failed=tuple(_name(text, known) for text in failed),
        stray=tuple(line for line in lines if not line.startswith((OK, NOT_OK))),
    )


def _name(text: str, known: Iterable[str]) -> str:
    """The check that failed: the longest that fits, since a name may contain a colon."""
    return max((name for name in known if text.startswith(f"{name}: ")), key=len, default=text)
