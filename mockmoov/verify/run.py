"""Owns one run of the command: from what was wished to an exit code. Must not know what a check does."""

import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import hypothesis.configuration
from rich.console import Console

from mockmoov.verify.budget import Wire
from mockmoov.verify.check import Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.display import Board, Display, Lines, counted, print_plain, summary, verdict
from mockmoov.verify.expectations import WITHOUT_HEADER, Reading, reading_of
from mockmoov.verify.http import Sockets
from mockmoov.verify.reports import as_json, as_junit
from mockmoov.verify.results import BudgetSpent, CannotRun
from mockmoov.verify.session import Session, without_header
from mockmoov.verify.suite import Report, chosen, run
from mockmoov.verify.target import HARMLESS, PING, Key, Target, checked_url

POLITE = 5.0
"""Requests a second to where others are, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command was told; `None` and empty mean the default, which is in the command's help."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    account_id: str | None = None
    origin: str | None = None
    scopes: Sequence[str] = ()
    versions: Sequence[str] = ()
    without_header: bool = False
    default_contract: str = "auto"
    only: Sequence[str] = ()
    json_path: Path | None = None
    junit_path: Path | None = None
    rate: float | None = None
    budget: int = 5000
    timeout: float = 10.0
    time_limit: float = 3600.0
    seed: int | None = None
    control_token: str | None = field(default=None, repr=False)
    ca_file: str | None = None


def main(wish: Wish) -> int:
    """Run the suite as wished, show it, write the reports; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        report = _verified(wish, console)
        for line in summary(report, datetime.now(UTC).date()):
            print_plain(console, line)
        _write(wish.json_path, as_json(report))
        _write(wish.junit_path, as_junit(report))
        print_plain(console, verdict(report.exit_code))
    except (CannotRun, BudgetSpent) as reason:
        click.echo(f"mockmoov: {reason}", err=True)
        return 2
    return report.exit_code


def print_checks() -> None:
    """The table of the checks: id, contracts, severity, source, title."""
    for check in CHECKS.values():
        row = f"{check.id:<32} {check.contract:<5} {check.severity:<10} {check.source:<32} {check.title}"
        click.echo(row)


def _verified(wish: Wish, console: Console) -> Report:
    target, checks, dated = target_of(wish), _checks(wish.only), _dated(wish.versions)
    with (
        _scratch(),
        _sockets(target, wish.ca_file) as send,
        Session(target, send) as session,
        interruptible(session.wire),
    ):
        readings = _readings(wish, session, dated)
        session.find_plane()
        session.find_origin(readings[0])
        checks = tuple(check for check in checks if any(map(check.concerns, readings)))
        contracts = ", ".join(reading.label for reading in readings)
        print_plain(console, f"{target.url}: {counted(len(checks), 'check')}, contract {contracts}")
        with _display(console, len(checks)) as display:
            return run(session, checks, readings, display.show)


def _sockets(target: Target, ca_file: str | None) -> Sockets:
    try:
        return Sockets(timeout=target.timeout, trust_env=not target.is_loopback, ca_file=ca_file)
    except OSError as error:  # an `ssl.SSLError` is one
        raise CannotRun(f"--ca-file {ca_file}: {error.strerror}") from None


@contextmanager
def _scratch() -> Iterator[None]:
    """Somewhere for Hypothesis to write that is not where we are."""
    with tempfile.TemporaryDirectory() as folder:
        hypothesis.configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            hypothesis.configuration.set_hypothesis_home_dir(None)


def target_of(wish: Wish) -> Target:
    """What is verified; politely, where others are, too. Raises `CannotRun`."""
    url = checked_url(wish.url)
    for name in ("client_id", "client_secret", "origin", "control_token"):
        value = getattr(wish, name)
        if value is not None and not (value and value.isascii() and value.isprintable()):
            raise CannotRun(f"--{name.replace('_', '-')} must be printable ASCII, and not empty")
    if wish.scopes and PING not in wish.scopes:
        raise CannotRun(f"one --scope must be {PING}: that is what tokens are tried on")
    target = Target(
        url=url,
        key=Key(client_id=wish.client_id, client_secret=wish.client_secret, account_id=wish.account_id),
        scopes=tuple(dict.fromkeys(wish.scopes)) or (PING, HARMLESS),
        origin=wish.origin,
        control_token=wish.control_token,
        rate=wish.rate,
        budget=wish.budget,
        timeout=wish.timeout,
        seconds=wish.time_limit,
        seed=wish.seed,
    )
    return target if target.is_loopback or target.rate else replace(target, rate=POLITE)


def _checks(patterns: Sequence[str]) -> tuple[Check, ...]:
    try:
        return chosen(patterns)
    except KeyError as unknown:
        raise CannotRun(f"there is no check {unknown.args[0]}: --list has them all") from None


def _dated(versions: Sequence[str]) -> list[Reading]:
    try:
        return [reading_of(version) for version in versions]
    except ValueError as error:
        raise CannotRun(f"--moov-version {error}") from None


def _readings(wish: Wish, session: Session, dated: list[Reading]) -> list[Reading]:
    """The contracts of this run, once it is clear that there is something to verify; raises `CannotRun`."""
    if dated and not wish.without_header:
        session.begin(dated[0])
        return dated
    answer = session.begin(WITHOUT_HEADER["2023"])
    named = WITHOUT_HEADER.get(wish.default_contract) or without_header(answer)
    return [named, *(dated or [reading_of("latest")])]


@contextmanager
def interruptible(wire: Wire) -> Iterator[None]:
    """Let the first Ctrl-C, or SIGTERM, end the requests but for those that clean up; the second ends all."""

    def end(_number: int, _frame: object) -> None:
        if wire.is_ended:
            raise KeyboardInterrupt
        wire.end("interrupted")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _display(console: Console, total: int) -> Display:
    is_watched = console.is_terminal and not os.environ.get("CI")
    return Board(console, total) if is_watched else Lines(console)


def _write(path: Path | None, text: str) -> None:
    try:
        if path is not None:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from None
