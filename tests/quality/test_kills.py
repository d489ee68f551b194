"""The contract suite against the breakages: each is caught by the check that reports/kills.md names."""

import pytest

from tests.quality.reports import rows_of
from tools.breakages import BREAKAGES
from tools.kills import CONTRACTS, REPORT, VERDICTS, Kill, complaints, failures, report

pytestmark = pytest.mark.slow
BREAKAGE_ROWS = [row for row in rows_of(REPORT) if len(row) == 4]
CHECK_ROWS = [row for row in rows_of(REPORT) if len(row) > 4]
# Breakages that break only the rule of their check, where the reported example breaks more.
AIMED = {
    "revoke.refresh-token": "refresh-revocation-forgotten",
    "origin.of-device": "bearer-service-bound",
    "origin.missing": "origin-required",
    "origin.loopback": "origin-loopback-foreign",
}
KILLS = [
    *(Kill(breakage=name, check=check, contract=contract) for name, _rule, check, contract in BREAKAGE_ROWS),
    # A check with a number above 0 is in the first table too.
    *(
        Kill(breakage=name, check=row[0], contract=contract)
        for *row, first, name, contract in CHECK_ROWS
        if first == "0"
    ),
    *(
        Kill(breakage=name, check=check, contract=contract)
        for check, name in AIMED.items()
        for contract in CONTRACTS
    ),
]
CHUNKS = 3  # so that the workers share the work


def test_report_lists_every_breakage_and_check() -> None:
    assert [row[:2] for row in BREAKAGE_ROWS] == [[name, item.rule] for name, item in BREAKAGES.items()]
    assert [row[0] for row in CHECK_ROWS] == list(VERDICTS)
    assert {kill.check for kill in KILLS} == VERDICTS.keys()


@pytest.mark.quality
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_reported_check_catches_each_breakage(chunk: int) -> None:
    wrong = [
        kill
        for kill in KILLS[chunk::CHUNKS]
        if list(failures(kill.breakage, [kill.check], [kill.contract])) != [kill]
    ]
    assert wrong == []


def test_no_check_fails_against_an_unbroken_server() -> None:
    assert complaints() == []


def test_report_counts_what_is_caught_and_what_is_not() -> None:
    first, second, *_ = BREAKAGES
    busy, idle, *_ = VERDICTS
    text = report(
        {first: Kill(breakage=first, check=busy, contract="2023"), second: None},
        {idle: Kill(breakage=first, check=idle, contract="2023")},
    )
    assert f"**Caught: 1 of 2 breakages. Checks that catch one: 2 of {len(VERDICTS)}.**" in text
    assert f"| `{second}` | {BREAKAGES[second].rule} | nothing |  |" in text
    assert f"| {VERDICTS[idle].severity} | 0 | `{first}` | 2023 |" in text
