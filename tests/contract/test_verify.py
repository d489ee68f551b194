"""The contract suite against mockmoov: all checks pass, and a setting fails the checks of its rule only."""

import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mockmoov.verify import checks
from mockmoov.verify.check import SOURCES, Check
from mockmoov.verify.checks import CHECKS, FILES
from mockmoov.verify.expectations import WITHOUT_HEADER
from tests.support.verifying import CONTRACTS, DATED, by_status, in_process, results

OF_CLAIMS = {name for name in CHECKS if name.startswith("claims.")}
OF_CONTROL = {name for name, check in CHECKS.items() if "control plane" in check.needs}
SAMPLE = {*list(CHECKS)[::8], "finding.rotation"}  # checks that run under every setting


@dataclass(frozen=True)
class Row:
    """Settings, the checks that fail under them or cannot run, and the contract of no version header."""

    settings: dict[str, Any]
    failed: Set[str] = frozenset()
    not_checkable: Set[str] = frozenset()
    no_header: str = "2023"


def row(
    settings: dict[str, Any], *failed: str, unchecked: Set[str] = frozenset(), no_header: str = "2023"
) -> Row:
    return Row(settings, set(failed), unchecked, no_header)


NO_SDK = {"token.pinned-sdk-dated"}  # cannot run where no header means a dated version
ROWS = [
    row({"default_version": "2023-sdk"}, no_header="2023-sdk"),
    row({"default_version": "latest"}, no_header="dated", unchecked=NO_SDK),
    row({"default_version": "v2024.01.00"}, no_header="dated", unchecked=NO_SDK),
    row(
        {"token_format": "opaque"},
        unchecked=OF_CLAIMS
        | {"ping.forged-claims", "origin.of-aud", "origin.referer", "mockmoov.signature"}
        | {"application.of-token"},
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
        *("scope.unknown", "scope.near-miss", "error.suggestion", "program.refusals"),
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
    row({"control": "off"}, unchecked=OF_CONTROL),
]


@pytest.mark.slow
@pytest.mark.parametrize("expectations", CONTRACTS, ids=lambda expectations: expectations.label)
def test_every_check_passes_or_is_a_finding(expectations: Any) -> None:
    found = results(in_process(), [expectations])
    applicable = [check for check in CHECKS.values() if check.applies_to(expectations)]
    assert {result.check_id: result.status for result in found} == {
        check.id: "finding" if check.finding else "passed" for check in applicable
    }


def under(settings: Row, expectations: Any) -> tuple[set[str], set[str], set[str]]:
    """The checks that fail, cannot run or raise, of a sample and of those that the settings change."""
    names = (SAMPLE | settings.failed | settings.not_checkable) & CHECKS.keys()
    found = results(in_process(**settings.settings), [expectations], [CHECKS[name] for name in sorted(names)])
    return by_status(found, "failed"), by_status(found, "not-checkable"), by_status(found, "error")


@pytest.mark.slow
@pytest.mark.parametrize("with_header", [False, True])
def test_a_setting_fails_the_checks_of_its_rule_only(with_header: bool) -> None:
    wrong = []
    for settings in ROWS:
        expectations = DATED if with_header else WITHOUT_HEADER[settings.no_header]
        applicable = {name for name, check in CHECKS.items() if check.applies_to(expectations)}
        unchecked = settings.not_checkable - (NO_SDK if with_header else set())
        found = under(settings, expectations)
        if found != (settings.failed & applicable, unchecked & applicable, set()):
            wrong.append((settings.settings, *found))
    assert wrong == []


def test_every_check_applies_to_a_contract_and_cites_sources() -> None:
    wrong = [
        check.id
        for check in CHECKS.values()
        if not check.title
        or not set(check.tags) <= SOURCES.keys()
        or not any(check.applies_to(expectations) for expectations in CONTRACTS)
    ]
    assert wrong == []


def test_check_functions_and_files_are_named_after_ids() -> None:
    found = {
        name: value.id for file in FILES for name, value in vars(file).items() if isinstance(value, Check)
    }
    assert found == {re.sub("[.-]", "_", check_id): check_id for check_id in CHECKS}
    (folder,) = checks.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert {file.__name__.rpartition(".")[2] for file in FILES} == files
