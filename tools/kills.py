"""Runs the contract suite against every breakage, to see which check catches what.

Run as `python -m tools.kills`; it takes some minutes and needs no sockets. For each breakage of
tools/breakages/, the checks run in their order until one fails. Then each check that has caught nothing
runs alone until it does, starting with the breakages that were hardest to catch. It writes
reports/kills.md, and fails if a breakage is not caught, if a check catches nothing, or if one fails against
the unbroken server.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import repeat
from pathlib import Path

from mockmoov import __version__
from mockmoov.config.settings import Settings
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.verify.check import Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import NO_HEADER_2023, RECOMMENDED_VERSION, Expectations, expectations_of
from mockmoov.verify.session import Session
from mockmoov.verify.target import Key, Target
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, sender
from tests.support.verifying import sending
from tools.breakages import BREAKAGES, NONE, UNBROKEN, Breakage, BrokenControl, BrokenServer
from tools.markdown import line

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "kills.md"
AT_ONCE = 2
CONTRACTS: Mapping[str, Expectations] = {
    expectations.label: expectations
    for expectations in (NO_HEADER_2023, expectations_of(RECOMMENDED_VERSION))
}
VERDICTS = {check.id: check for check in CHECKS.values() if not check.finding}
"""The checks that can fail. A finding cannot."""

TARGET = Target(
    url="http://localhost",
    key=Key(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, account_id=str(EXAMPLE["account_id"])),
    origin=EXAMPLE["origins"][0],
    budget=10**6,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A check that failed against a breakage, under a contract."""

    breakage: str
    check: str
    contract: str


# --- running -------------------------------------------------------------------------------------------


@contextmanager
def session_with(breakage: Breakage) -> Iterator[Session]:
    """A session with a new server that has this breakage."""
    server = BrokenServer(Settings(), breakage)
    with Session(TARGET, sending(sender(server, BrokenControl(server)))) as session:
        session.find_control_plane()
        yield session


def failures(name: str, checks: Iterable[str], contracts: Iterable[str] = tuple(CONTRACTS)) -> Iterator[Kill]:
    """The checks that fail against a breakage."""
    breakage = BREAKAGES.get(name, UNBROKEN)
    chosen = [VERDICTS[check] for check in checks]
    for contract in contracts:
        with session_with(breakage) as session:
            for check in chosen:
                if fails(session, check, CONTRACTS[contract]):
                    yield Kill(breakage=name, check=check.id, contract=contract)


def fails(session: Session, check: Check, expectations: Expectations) -> bool:
    """Whether a check fails. A check without a response does not."""
    return check.applies_to(expectations) and session.run(check, expectations).status == "failed"


def first_kill(name: str) -> Kill | None:
    """The first check that catches a breakage."""
    return next(failures(name, VERDICTS), None)


def kill_of(check: str, names: Iterable[str]) -> Kill | None:
    """The first of these breakages that a check catches."""
    return next((kill for name in names for kill in failures(name, [check])), None)


def hardest_first(caught: Mapping[str, Kill | None]) -> list[str]:
    """The breakages, starting with those that most checks do not notice."""
    order = list(VERDICTS)
    return sorted(caught, key=lambda name: -order.index(kill.check) if (kill := caught[name]) else 0)


def complaints() -> list[Kill]:
    """The checks that fail against the unbroken server."""
    return list(failures(NONE, VERDICTS))


# --- the report ----------------------------------------------------------------------------------------


def named(name: str) -> str:
    return f"`{name}`"


def _caught(name: str, kill: Kill | None) -> str:
    caught = (named(kill.check), kill.contract) if kill else ("nothing", "")
    return line(named(name), BREAKAGES[name].rule, *caught)


def _catching(check: Check, kill: Kill | None, first: int) -> str:
    caught = (named(kill.breakage), kill.contract) if kill else ("nothing", "")
    return line(named(check.id), check.title.replace("|", "\\|"), check.severity, first, *caught)


def report(caught: Mapping[str, Kill | None], later: Mapping[str, Kill | None]) -> str:
    """The report as Markdown: the first kill of each breakage, and one of each check that was never first."""
    first: dict[str, list[Kill]] = {check: [] for check in VERDICTS}
    for kill in filter(None, caught.values()):
        first[kill.check].append(kill)
    of_check = {check: kills[0] if kills else later.get(check) for check, kills in first.items()}
    down = [_caught(name, kill) for name, kill in caught.items()]
    across = [_catching(VERDICTS[check], kill, len(first[check])) for check, kill in of_check.items()]
    made_with = f"mockmoov {__version__}, Python {sys.version.split()[0]}"
    return f"""# What the contract suite catches in a broken mockmoov

Written by `python -m tools.kills` on {date.today()}, with {made_with}.

**Caught: {ratio(caught)} breakages. Checks that catch one: {ratio(of_check)}.**

Each breakage is a mockmoov that breaks one rule (`tools/breakages/`). The checks of `mockmoov verify` run
against it in their order, without a version header (2023) and then with one, until one fails. The table names
that check. Against an unbroken mockmoov no check fails.

## The breakages

{line("breakage", "broken rule", "caught by", "contract")}
{line("---", "---", "---", "---")}
{chr(10).join(down)}

## The checks

The number of breakages that each check is the first to catch, and one that it catches. A check that is never
the first was run alone, starting with the breakages that most checks do not notice.

{line("check", "", "severity", "first", "catches", "contract")}
{line("---", "---", "---", "--:", "---", "---")}
{chr(10).join(across)}
"""


def ratio(kills: Mapping[str, Kill | None]) -> str:
    return f"{sum(kill is not None for kill in kills.values())} of {len(kills)}"


def main() -> int:
    """Run everything and write the report. Returns 0 if there is no problem."""
    with ProcessPoolExecutor(AT_ONCE, initializer=logging.disable) as pool:
        unbroken = pool.submit(complaints)
        caught = dict(zip(BREAKAGES, pool.map(first_kill, BREAKAGES), strict=True))
        killers = {kill.check for kill in caught.values() if kill}
        idle = [check for check in VERDICTS if check not in killers]
        later = dict(zip(idle, pool.map(kill_of, idle, repeat(hardest_first(caught))), strict=True))
    REPORT.write_text(report(caught, later), encoding="utf-8")
    problems = [
        *(f"{kill.check} fails against the unbroken server ({kill.contract})" for kill in unbroken.result()),
        *(f"no check catches {name}: {BREAKAGES[name].rule}" for name, kill in caught.items() if not kill),
        *(f"{check} catches nothing: {VERDICTS[check].title}" for check, kill in later.items() if not kill),
    ]
    for problem in problems:
        print(problem)
    print(f"{ratio(caught)} breakages caught; {ratio(later)} of the checks that were never the first", end="")
    print(f" catch one, of {len(VERDICTS)} in all; see {REPORT.relative_to(ROOT)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
