"""The bench: its comparison, tables, chart, pools of requests and floors. Nothing is timed here."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from xml.etree import ElementTree

import httpx2
import pytest
from msgspec.structs import replace
from starlette.types import ASGIApp

from benchmarks import chart, profiling, report
from benchmarks.application import parsed
from benchmarks.figures import OURS, Budget, Figure, Value, compare, latency_table, ratio, rotate, table
from benchmarks.processes import ROOT
from benchmarks.workload import KINDS, Kind, mint, pool

RATE = Figure(
    section="Calls a second",
    name="tokens <memory>",
    values={OURS: Value(4000, p50=3.5, p99=9), "bare": Value(5000, 0.8), "other": Value(2000, 2)},
    budget=Budget("≥", 0.8, "bare"),
)
GROWTH = compare("Memory", "growth", [12.34], budget=Budget("≤", 10))


def with_ratio(value: float) -> Figure:
    return Figure(section=RATE.section, name=RATE.name, values={OURS: Value(1), "bare": Value(1, value)})


# --- figures ----------------------------------------------------------------------------------------


def test_every_subject_comes_first_in_turn() -> None:
    order = list[str]()

    def measure(subject: str) -> int:
        order.append(subject)
        return len(order)

    found = rotate(2, measure, ["a", "b", "c"])
    assert "".join(order) == "abcbca"
    assert found == [[1, 6], [2, 4], [3, 5]]


def test_a_ratio_is_the_median_of_pairs_and_larger_is_better() -> None:
    assert ratio([1, 10, 4], [2, 5, 4], more_is_better=True) == 1
    assert ratio([10, 10, 10], [5, 5, 5]) == 0.5


@pytest.mark.parametrize(
    ("budget", "is_over"),
    [
        (Budget("≥", 0.8, "bare"), False),
        (Budget("≥", 0.81, "bare"), True),
        (Budget("≥", 9, "not measured here"), False),
        (Budget("≤", 4000), False),
        (Budget("≤", 3999), True),
        (None, False),
    ],
)
def test_budgets_bound_a_ratio_or_our_own_value(budget: Budget | None, is_over: bool) -> None:
    figure = Figure(section="", name="", values=RATE.values, budget=budget)
    assert figure.is_over is is_over


def test_tables_have_a_column_a_server_and_dashes() -> None:
    assert table([RATE, GROWTH]).splitlines() == [
        "|  | mockmoov | bare | other | budget |",
        "| --- | --: | --: | --: | --: |",
        "| tokens <memory> | 4,000 | 5,000 (0.80) | 2,000 (2.00) | ≥ 0.8 |",
        "| growth | 12.3 | - | - | ≤ 10 **missed** |",
    ]
    assert latency_table([RATE]).splitlines()[-1] == "| tokens <memory> | 3.50 / 9.00 | - | - |"


# --- the check --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "fell"), [(0.73, False), (0.8, False), (1.5, False), (0.71, True)])
def test_check_names_ratios_that_fell_by_a_tenth(now: float, fell: bool) -> None:
    complaints = list(report.complaints([with_ratio(now)], [with_ratio(0.8)]))
    assert complaints == (
        ["Calls a second: tokens <memory>: the ratio to bare fell by 11%, from 0.80 to 0.71"] if fell else []
    )


def test_check_names_broken_budgets_and_skips_new_rows() -> None:
    assert list(report.complaints([with_ratio(0.1), GROWTH], [])) == ["growth: over its budget, ≤ 10"]


# --- the report -------------------------------------------------------------------------------------


def test_page_and_chart_are_rendered_from_the_committed_figures() -> None:
    committed = report.read()
    page = report.PAGE.read_text(encoding="utf-8")
    assert page == report.replace_generated(page, report.render(committed))
    assert report.CHART.read_text(encoding="utf-8") == report.draw(committed)


def test_a_section_that_is_measured_later_replaces_its_figures_and_is_dated() -> None:
    before = report.Report(
        date="2026-01-01", is_quick=False, machine="m", versions={}, notes=["n"], figures=[RATE, GROWTH]
    )
    new = compare("Memory", "new", [1.0])
    found = replace(before, date="2026-01-02", notes=[], figures=[new])
    merged = report.merge(before, found)
    assert (merged.date, merged.figures) == (before.date, [RATE, new])
    assert merged.notes == ["n", "Measured on 2026-01-02: Memory."]
    assert report.merge(merged, found) == merged
    with pytest.raises(SystemExit, match="another machine: m"):
        report.merge(before, replace(found, machine="other"))


def test_only_the_generated_part_of_the_page_is_replaced() -> None:
    page = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"
    assert report.replace_generated(page, "new") == page.replace("old", "new")


def test_chart_is_xml_with_a_bar_for_each_value_in_scale() -> None:
    svg = ElementTree.fromstring(chart.draw("A < B", {"group": {"a": 100.0, "b & c": 50.0}}))
    space = "{http://www.w3.org/2000/svg}"
    widths = [int(bar.attrib["width"]) for bar in svg.iter(f"{space}rect")]
    assert widths[0] == 2 * widths[1]
    assert [text.text for text in svg.iter(f"{space}text")] == ["A < B", "group", "a", "100", "b & c", "50"]


# --- requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_tokens_that_a_call_uses_up_are_minted_for_each_request(kind: Kind) -> None:
    sent = list[bytes]()

    def send(requests: Sequence[bytes]) -> list[bytes]:
        sent.extend(requests)
        names = ("access_token", "refresh_token")
        return [json.dumps(dict.fromkeys(names, f"t{index}")).encode() for index, _ in enumerate(requests)]

    requests = pool(kind, 6, send)
    assert sent == [mint()] * {"none": 0, "one": 1, "each": 6}[kind.tokens]
    assert len(requests) == 6
    assert len(set(requests)) == (6 if kind.tokens == "each" else 1)


@pytest.mark.parametrize("floor", ["bare_starlette", "bare_asgi"])
def test_floors_answer_every_kind_of_call(floor: str) -> None:
    statuses = asyncio.run(call_every_kind_twice(import_module(f"benchmarks.floors.{floor}").app))
    again = {kind.name: kind.status for kind in KINDS} | {"refreshes": 400}
    assert statuses == {kind.name: [kind.status, again[kind.name]] for kind in KINDS}


async def call_every_kind_twice(app: ASGIApp) -> dict[str, list[int]]:
    statuses = {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://floor") as client:

        async def send(request: bytes) -> httpx2.Response:
            message = parsed(request)
            headers = {name: value for name, (value,) in message.headers.items()}
            return await client.request(message.method, message.path, headers=headers, content=message.body)

        for kind in KINDS:
            minted = [(await send(mint())).content]
            (request,) = pool(kind, 1, partial(minted_before, minted))
            statuses[kind.name] = [(await send(request)).status_code for _ in range(2)]
    return statuses


def minted_before(bodies: Sequence[bytes], _requests: Sequence[bytes]) -> Sequence[bytes]:
    return bodies


# --- the profile ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "layer"),
    [
        (str(ROOT / "mockmoov" / "oauth" / "tokens.py"), "sign", "mockmoov/oauth"),
        (str(profiling.SITE / "starlette" / "routing.py"), "app", "starlette"),
        (json.__file__, "loads", "standard library"),
        ("~", "<method 'sign' of 'cryptography.x.Ed25519PrivateKey' objects>", "cryptography (native)"),
        ("~", "<built-in method builtins.len>", "built-in functions"),
    ],
)
def test_functions_belong_to_a_folder_or_a_library(path: str, name: str, layer: str) -> None:
    assert profiling.layer((path, 1, name)) == layer


def test_imports_are_summed_by_top_level_package() -> None:
    log = "import time:      1500 |       2000 |   a.b\nimport time:       500 |  500 | a\nsomething else\n"
    assert profiling.by_package(log) == {"a": 2.0}
