"""The suite finds what a setting changes on the wire, and nothing else.

A setting that leaves Moov's contract makes the checks of that rule fail, and only those; what cannot be told
any more is said to be not checkable. Each row has both, whole.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mockmoov.verify import checks
from mockmoov.verify.check import SOURCES, Check
from mockmoov.verify.checks import CHECKS, FILES
from mockmoov.verify.expectations import WITHOUT_HEADER, Expectations
from tests.support.verifying import CONTRACTS, LATEST, by_status, in_process, results

OF_CLAIMS = {name for name in CHECKS if name.startswith("claims.")}
OF_CONTROL = {name for name, check in CHECKS.items() if "control plane" in check.needs}


@dataclass(frozen=True)
class Row:
    """Settings, what fails for them, what cannot be told, and what no header means."""

    settings: dict[str, Any]
    fails: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()
    without_header: str = "2023"


def row(
    settings: dict[str, Any], *fails: str, untold: set[str] | None = None, no_header: str = "2023"
) -> Row:
    return Row(settings, frozenset(fails), frozenset(untold or ()), no_header)


ROWS = [
    row({}),
    row({"default_version": "2023-sdk"}, no_header="2023-sdk"),
    row({"default_version": "latest"}, no_header="dated", untold={"token.pinned-sdk-dated"}),
    row({"default_version": "v2024.01.00"}, no_header="dated", untold={"token.pinned-sdk-dated"}),
    row(
        {"token_format": "opaque"},
        untold=OF_CLAIMS | {"ping.forged-claims", "origin.of-aud", "origin.referer", "mockmoov.signature"},
    ),
    row(
        {"refresh_rotation": "off"},
        *("refresh.rotates", "refresh.used-up", "refresh.replay", "refresh.race", "refresh.expiry"),
        "refresh.token-before-scope",
    ),
    row({"refresh_reuse_detection": "off"}, "refresh.replay"),
    row({"refresh_grace_seconds": 60}, "refresh.replay"),
    row(
        {"scope_catalogue": "open"},
        "scope.unknown",
        "scope.near-miss",
        "error.suggestion",
        "program.refusals",
    ),
    row({"origin_policy": "required"}, "origin.missing", "origin.loopback"),
    row(
        {"origin_policy": "off"},
        *("origin.foreign", "origin.referer", "origin.odd", "origin.registered", "refresh.client-type"),
    ),
    row({"access_token_lifetime": 60}, "token.lifetime", "claims.times"),
    row({"refresh_token_lifetime": 60}, "refresh.expiry"),
    row({"issuer": "https://issuer.example/"}, "claims.iss"),
    row({"audiences": "https://a.example,https://b.example"}, "claims.aud", "claims.aud-origins"),
    row({"seed": "any"}),
    row({"journal_size": 0}),
    row({"control": "off"}, untold=OF_CONTROL),
]


def names(settings: Row) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.settings.items()) or "none"


@pytest.mark.parametrize("case", ROWS, ids=names)
@pytest.mark.parametrize(
    "is_dated", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["no header", "latest"]
)
def test_what_a_setting_changes_is_found_and_nothing_else(case: Row, is_dated: bool) -> None:
    expectations: Expectations = LATEST if is_dated else WITHOUT_HEADER[case.without_header]
    found = results(in_process(**case.settings), [expectations])
    concerned = {name for name, check in CHECKS.items() if check.applies_to(expectations)}
    no_header = {"token.pinned-sdk-dated"} if is_dated else set()
    assert by_status(found, "failed") == case.fails & concerned
    assert by_status(found, "not-checkable") == (case.untold - no_header) & concerned
    assert by_status(found, "error") == set()
    assert {result.check_id for result in found} == concerned


def test_everything_holds_under_both_contracts() -> None:
    found = results(in_process(), CONTRACTS)
    assert by_status(found, "failed", "error", "not-checkable") == set()
    assert by_status(found, "finding") == {name for name, check in CHECKS.items() if check.finding}


def test_every_check_runs_under_a_contract_and_says_where_its_rule_is_from() -> None:
    for name, check in CHECKS.items():
        assert check.title
        assert set(check.tags) <= SOURCES.keys(), name
        assert any(check.applies_to(expectations) for expectations in CONTRACTS), name


def test_a_check_function_is_named_after_its_id() -> None:
    found = {
        name: value.id for file in FILES for name, value in vars(file).items() if isinstance(value, Check)
    }
    assert found == {re.sub("[.-]", "_", check_id): check_id for check_id in CHECKS}


def test_every_file_of_checks_is_listed() -> None:
    (folder,) = checks.__path__
    names = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert {file.__name__.rpartition(".")[2] for file in FILES} == names
