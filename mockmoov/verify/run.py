"""One run of `mockmoov verify`: from the options to the exit code."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import click
import hypothesis.configuration
from rich.console import Console

from mockmoov.client.flows import check_base_url
from mockmoov.verify import reports
from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.check import BudgetExhausted, CannotRun, Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import RECOMMENDED_VERSION, WITHOUT_HEADER, Expectations, expectations_of
from mockmoov.verify.http import HttpSender
from mockmoov.verify.probe import TOKEN_PATH
from mockmoov.verify.reports import Outcome, Report
from mockmoov.verify.session import Session, contract_of
from mockmoov.verify.target import HARMLESS_SCOPE, PING_SCOPE, Key, Target

_DEFAULT_RATE = 5.0  # requests a second to a server that other people use too
_MAX_ERRORS = 3
"""Checks in a row without a response. Then the run stops, as the server will not respond to the others."""


def main(
    *,
    only: Sequence[str],
    versions: Sequence[str],
    without_header: bool,
    default_contract: str,
    json_path: Path | None,
    junit_path: Path | None,
    ca_file: str | None,
    **options: Any,
) -> int:
    """Run the suite with the command's options, show the results, and write the reports.

    `options`: those of `target_of`. Returns the exit code.
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        target, checks = target_of(**options), select_checks(only)
        expected = [expectations_of(version) for version in versions]
        with (
            _scratch_folder(),
            _http_sender(target, ca_file) as send,
            Session(target, send) as session,
            stop_on_signal(session.sender),
        ):
            contracts = _contracts(session, expected, without_header or not expected, default_contract)
            session.find_control_plane()
            session.find_origin(contracts[0])
            checks = [check for check in checks if any(map(check.applies_to, contracts))]
            labels = ", ".join(expectations.label for expectations in contracts)
            count = reports.counted(len(checks), "check")
            reports.print_line(console, f"{target.url}: {count}, contract {labels}")
            with _display(console, len(checks)) as show:
                report = run_checks(session, checks, contracts, show)
        day = datetime.now(UTC).date()
        reports.print_summary(console, report, day, as_table=_is_interactive(console))
        _write(json_path, reports.as_json(report))
        _write(junit_path, reports.as_junit(report))
    except (CannotRun, BudgetExhausted) as reason:
        click.echo(f"mockmoov: {reason}", err=True)
        return 2
    meaning = reports.EXIT_CODES[report.exit_code]
    reports.print_line(console, f"exit code {report.exit_code}: {meaning}")
    return report.exit_code


def print_checks() -> None:
    """Print a line for each check: id, contracts, severity, source, title."""
    for check in CHECKS.values():
        row = f"{check.id:<32} {check.contract:<5} {check.severity:<10} {check.source:<32} {check.title}"
        click.echo(row)


def url_problem(url: str) -> str:
    """Why a URL cannot be the base URL of a server, "" if it can."""
    try:
        check_base_url(url)
    except ValueError as error:
        return f"the URL {error}"
    if url.rstrip("/").endswith(TOKEN_PATH):
        return f"the URL must be the URL of the server: leave out {TOKEN_PATH}"
    return ""


def target_of(
    *,
    url: str,
    client_id: str,
    client_secret: str,
    key_source: str = "",
    account_id: str | None = None,
    scopes: Sequence[str] = (),
    time_limit: float = 3600.0,
    **attributes: Any,
) -> Target:
    """The target of a run, with a default rate unless it is on loopback.

    `url` has no `url_problem`. `attributes`: others of `Target`. Raises `CannotRun` if an option is invalid.
    """
    sent = {"client_id": client_id, "client_secret": client_secret, **attributes}
    for name in ("client_id", "client_secret", "origin", "control_token"):
        value = sent.get(name)
        if value is not None and not (value and value.isascii() and value.isprintable()):
            raise CannotRun(f"--{name.replace('_', '-')} must be printable ASCII and not empty")
    if scopes and PING_SCOPE not in scopes:
        raise CannotRun(f"one --scope must be {PING_SCOPE}, because GET /ping shows whether a token is valid")
    target = Target(
        url=url.rstrip("/"),
        key=Key(client_id=client_id, client_secret=client_secret, account_id=account_id, source=key_source),
        scopes=tuple(dict.fromkeys(scopes)) or (PING_SCOPE, HARMLESS_SCOPE),
        seconds=time_limit,
        **attributes,
    )
    return target if target.is_loopback or target.rate else replace(target, rate=_DEFAULT_RATE)


def select_checks(patterns: Sequence[str]) -> list[Check]:
    """The checks that match a pattern, or all without patterns. Raises `CannotRun` for one that has none."""
    selected: set[str] = set()
    for pattern in patterns or ("*",):
        ids = {check_id for check_id in CHECKS if fnmatchcase(check_id, pattern)}
        if not ids:
            raise CannotRun(f"no check matches {pattern}; --list shows all checks")
        selected |= ids
    return [check for check_id, check in CHECKS.items() if check_id in selected]


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


def _contracts(
    session: Session, versions: list[Expectations], without_header: bool, default_contract: str
) -> list[Expectations]:
    """The contracts to verify. Raises `CannotRun` if the server does not issue a token."""
    if not without_header:
        session.request_first_token(versions[0])
        return versions
    response = session.request_first_token(WITHOUT_HEADER["2023"])
    expected = WITHOUT_HEADER.get(default_contract) or contract_of(response)
    return [expected, *(versions or [expectations_of(RECOMMENDED_VERSION)])]


def run_checks(
    session: Session,
    checks: Iterable[Check],
    contracts: Sequence[Expectations],
    on_outcome: Callable[[Outcome], None],
) -> Report:
    """Run the checks under each contract, call `on_outcome` after each, and revoke all tokens at the end."""
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    stopped = None
    try:
        for outcome in _outcomes(session, checks, contracts):
            outcomes.append(outcome)
            on_outcome(outcome)
    except BudgetExhausted as reason:
        stopped = str(reason)
    finally:
        session.clean_up()
    return Report(
        url=session.target.url,
        contracts=tuple(expectations.label for expectations in contracts),
        outcomes=tuple(outcomes),
        stopped=stopped,
        requests=session.sender.sent,
        seconds=time.perf_counter() - started,
        tokens_not_revoked=session.tokens_not_revoked,
    )


def _outcomes(
    session: Session, checks: Iterable[Check], contracts: Sequence[Expectations]
) -> Iterator[Outcome]:
    errors = 0
    for check in checks:
        results = []
        for expectations in contracts:
            if check.applies_to(expectations):
                try:
                    result = session.run(check, expectations)
                except BudgetExhausted as error:
                    raise BudgetExhausted(f"{error}, at {check.id}") from None
                results.append(result)
                errors = errors + 1 if result.status == "error" else 0
        if results:
            yield Outcome(check=check, results=tuple(results))
        if errors >= _MAX_ERRORS:
            reason = results[-1].reason
            raise BudgetExhausted(f"{errors} checks in a row got no response; the last one: {reason}")


@contextmanager
def stop_on_signal(sender: BudgetedSender) -> Iterator[None]:
    """On the first Ctrl-C or SIGTERM, send only requests that clean up. The second one ends the process."""

    def stop(_number: int, _frame: object) -> None:
        if sender.stop_reason:
            raise KeyboardInterrupt
        sender.stop_reason = "interrupted"

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _display(console: Console, total: int) -> AbstractContextManager[Callable[[Outcome], None]]:
    plain = nullcontext(partial(reports.print_outcome, console))
    return reports.live_table(console, total) if _is_interactive(console) else plain


def _is_interactive(console: Console) -> bool:
    return console.is_terminal and not os.environ.get("CI")


def _write(path: Path | None, text: str) -> None:
    try:
        if path is not None:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from None
