"""One run of `mockmoov verify`: from the options to the exit code."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import hypothesis.configuration
from rich.console import Console

from mockmoov.client.flows import check_base_url
from mockmoov.verify import reports
from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.check import BudgetExhausted, CannotRun
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import WITHOUT_HEADER, Expectations, expectations_of
from mockmoov.verify.http import HttpSender
from mockmoov.verify.session import Session, contract_of
from mockmoov.verify.suite import Outcome, Report, run, select_checks
from mockmoov.verify.target import HARMLESS_SCOPE, PING_SCOPE, Key, Target

DEFAULT_RATE = 5.0
"""Requests a second to a server that other people use too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of the command. None and empty mean the default that the command's help names."""

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


def main(options: RunOptions) -> int:
    """Run the suite, show the results, and write the reports. Returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        report = _run(options, console)
        for line in reports.summary(report, datetime.now(UTC).date()):
            reports.print_line(console, line)
        _write(options.json_path, reports.as_json(report))
        _write(options.junit_path, reports.as_junit(report))
        meaning = reports.EXIT_CODES[report.exit_code]
        reports.print_line(console, f"exit code {report.exit_code}: {meaning}")
    except (CannotRun, BudgetExhausted) as reason:
        click.echo(f"mockmoov: {reason}", err=True)
        return 2
    return report.exit_code


def print_checks() -> None:
    """Print a line for each check: id, contracts, severity, source, title."""
    for check in CHECKS.values():
        row = f"{check.id:<32} {check.contract:<5} {check.severity:<10} {check.source:<32} {check.title}"
        click.echo(row)


def _run(options: RunOptions, console: Console) -> Report:
    target, checks = target_of(options), select_checks(options.only)
    versions = [expectations_of(version) for version in options.versions]
    with (
        _scratch_folder(),
        _http_sender(target, options.ca_file) as send,
        Session(target, send) as session,
        stop_on_signal(session.sender),
    ):
        contracts = _contracts(options, session, versions)
        session.find_control_plane()
        session.find_origin(contracts[0])
        checks = [check for check in checks if any(map(check.applies_to, contracts))]
        labels = ", ".join(expectations.label for expectations in contracts)
        count = reports.counted(len(checks), "check")
        reports.print_line(console, f"{target.url}: {count}, contract {labels}")
        with _display(console, len(checks)) as show:
            return run(session, checks, contracts, show)


def _http_sender(target: Target, ca_file: str | None) -> HttpSender:
    try:
        return HttpSender(timeout=target.timeout, trust_env=not target.is_loopback, ca_file=ca_file)
    except OSError as error:  # `ssl.SSLError` is a subclass
        raise CannotRun(f"--ca-file {ca_file}: {error.strerror}") from None


@contextmanager
def _scratch_folder() -> Iterator[None]:
    """Let Hypothesis write into a temporary folder instead of the current one."""
    with tempfile.TemporaryDirectory() as folder:
        hypothesis.configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            hypothesis.configuration.set_hypothesis_home_dir(None)


def target_of(options: RunOptions) -> Target:
    """The target that the options describe, with a default rate unless it is on loopback.

    Raises `CannotRun` if an option is invalid.
    """
    try:
        check_base_url(options.url)
    except ValueError as error:
        raise CannotRun(f"the URL {error}") from None
    for name in ("client_id", "client_secret", "origin", "control_token"):
        value = getattr(options, name)
        if value is not None and not (value and value.isascii() and value.isprintable()):
            raise CannotRun(f"--{name.replace('_', '-')} must be printable ASCII and not empty")
    if options.scopes and PING_SCOPE not in options.scopes:
        raise CannotRun(f"one --scope must be {PING_SCOPE}, because GET /ping shows whether a token is valid")
    target = Target(
        url=options.url.rstrip("/"),
        key=Key(
            client_id=options.client_id, client_secret=options.client_secret, account_id=options.account_id
        ),
        scopes=tuple(dict.fromkeys(options.scopes)) or (PING_SCOPE, HARMLESS_SCOPE),
        origin=options.origin,
        control_token=options.control_token,
        rate=options.rate,
        budget=options.budget,
        timeout=options.timeout,
        seconds=options.time_limit,
        seed=options.seed,
    )
    return target if target.is_loopback or target.rate else replace(target, rate=DEFAULT_RATE)


def _contracts(options: RunOptions, session: Session, versions: list[Expectations]) -> list[Expectations]:
    """The contracts to verify. Raises `CannotRun` if the server does not issue a token."""
    if versions and not options.without_header:
        session.request_first_token(versions[0])
        return versions
    response = session.request_first_token(WITHOUT_HEADER["2023"])
    without_header = WITHOUT_HEADER.get(options.default_contract) or contract_of(response)
    return [without_header, *(versions or [expectations_of("latest")])]


@contextmanager
def stop_on_signal(sender: BudgetedSender) -> Iterator[None]:
    """On the first Ctrl-C or SIGTERM, send only requests that clean up. The second one ends the process."""

    def stop(_number: int, _frame: object) -> None:
        if sender.is_stopped:
            raise KeyboardInterrupt
        sender.stop("interrupted")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _display(console: Console, total: int) -> AbstractContextManager[Callable[[Outcome], None]]:
    if console.is_terminal and not os.environ.get("CI"):
        return reports.live_table(console, total)
    return nullcontext(partial(reports.print_outcome, console))


def _write(path: Path | None, text: str) -> None:
    try:
        if path is not None:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from None
