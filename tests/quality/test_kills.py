"""The contract suite against the breakages: that each is caught, as the committed report says."""

from collections.abc import Iterator

import pytest

from tools.breakages import BREAKAGES, NONE
from tools.kills import CONTRACTS, REPORT, VERDICTS, Kill, complaints, failures, report


def rows() -> Iterator[list[str]]:
    """The cells of the committed tables."""
    for row in REPORT.read_text(encoding="utf-8").splitlines():
        if row.startswith("| `"):
            yield [cell.strip("`") for cell in row.strip("| ").split(" | ")]


OF_BREAKAGES = {
    name: (rule, check, contract) for name, rule, check, contract in (r for r in rows() if len(r) == 4)
}
OF_CHECKS = {check: rest for check, *rest in (r for r in rows() if len(r) > 4)}


def test_the_committed_report_is_of_every_breakage_and_of_every_check() -> None:
    assert {name: row[0] for name, row in OF_BREAKAGES.items()} == {
        name: breakage.rule for name, breakage in BREAKAGES.items()
    }
    assert list(OF_CHECKS) == list(VERDICTS)
    assert len(BREAKAGES) >= 65


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_is_caught_by_the_check_that_the_report_names(name: str) -> None:
    _, check, contract = OF_BREAKAGES[name]
    assert list(failures(name, [check], [contract])) == [Kill(breakage=name, check=check, contract=contract)]


# Those that are first somewhere have caught that one above.
IDLE = sorted(VERDICTS.keys() - {check for _, check, _ in OF_BREAKAGES.values()})


@pytest.mark.parametrize("check", IDLE)
def test_a_check_catches_the_breakage_that_the_report_names(check: str) -> None:
    *_, first, breakage, contract = OF_CHECKS[check]
    assert first == "0"
    assert list(failures(breakage, [check], [contract])) == [
        Kill(breakage=breakage, check=check, contract=contract)
    ]


# Where the report's example spoils more than the rule of the check, one that is aimed at it.
AIMED = {
    "revoke.refresh-token": "refresh-revocation-forgotten",
    "origin.of-device": "bearer-service-bound",
    "origin.missing": "origin-required",
    "origin.loopback": "origin-loopback-foreign",
}


@pytest.mark.parametrize("check", AIMED)
def test_a_check_catches_the_breakage_that_is_aimed_at_it(check: str) -> None:
    assert {kill.contract for kill in failures(AIMED[check], [check])} == set(CONTRACTS)


def test_a_server_without_a_breakage_is_not_complained_of() -> None:
    assert list(failures(NONE, list(VERDICTS)[::10])) == []


@pytest.mark.slow
def test_no_check_complains_of_a_server_without_a_breakage() -> None:
    assert complaints() == []


def test_the_report_counts_what_is_caught_and_says_what_is_not() -> None:
    first, second, *_ = BREAKAGES
    busy, idle, *_ = VERDICTS
    contract = next(iter(CONTRACTS))
    text = report(
        {first: Kill(breakage=first, check=busy, contract=contract), second: None},
        {idle: Kill(breakage=first, check=idle, contract=contract)},
    )
    assert f"**Caught: 1 of 2 breakages. Checks that catch one: 2 of {len(VERDICTS)}.**" in text
    assert f"| `{first}` | {BREAKAGES[first].rule} | `{busy}` | {contract} |" in text
    assert f"| `{second}` | {BREAKAGES[second].rule} | nothing |  |" in text
    assert (
        f"| `{idle}` | {VERDICTS[idle].title} | {VERDICTS[idle].severity} | 0 | `{first}` | {contract} |"
        in text
    )
