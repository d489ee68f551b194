"""The documents agree with the code: their tables, their links, and the list of modules."""

import inspect
import json
import re
from pathlib import Path
from typing import get_args

import click
import httpx2
import pytest

from mockmoov import MockMoov, pytest_plugin
from mockmoov.cli import run
from mockmoov.cli.main import main
from mockmoov.config.settings import SETTINGS
from mockmoov.config.sources import COMMAND_VARIABLES
from mockmoov.control_plane.router import BASE, ROUTES
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.simulation.faults import PRESETS
from mockmoov.testing import DefectName
from mockmoov.testing.environment import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def table(document: str, name: str) -> str:
    """The table that stands between two comments of this name."""
    text = (ROOT / document).read_text()
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"{document} has no {name}"
    return found[1]


def rows(document: str, name: str) -> list[list[str]]:
    """Its cells, without the head; what is code loses its quotes."""
    _head, _line, *lines = table(document, name).splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def settings_table() -> str:
    """The page's table of settings, as the settings themselves have it."""
    rows = ["| setting | default | |", "|---|---|---|"]
    for name, item in SETTINGS.items():
        default = "the documented example" if name == "api_keys" else item.metadata["default"]
        shown = "" if default in (None, "", []) else f"`{default}`" if name != "api_keys" else default
        rows.append(f"| `{name}` | {shown} | {item.metadata['help']} |")
    return "\n".join(rows)


def test_page_on_settings_lists_every_setting() -> None:
    assert table("docs/settings.md", "settings") == settings_table(), f"put this there:\n{settings_table()}"


def test_page_on_settings_lists_the_variables_of_commands() -> None:
    read: dict[tuple[str, str], list[str]] = {}
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        for option in command.params:
            if option.envvar in COMMAND_VARIABLES:
                read.setdefault((option.opts[0], str(option.envvar)), []).append(name)
    assert {variable for _, variable in read} == COMMAND_VARIABLES
    assert sorted(row[:3] for row in rows("docs/settings.md", "commands")) == sorted(
        [flag, variable, ", ".join(commands)] for (flag, variable), commands in read.items()
    )


def test_page_on_outages_lists_every_preset() -> None:
    assert rows("docs/outage.md", "presets") == [
        [name, json.dumps(members)] for name, members in PRESETS.items()
    ]


def test_page_on_the_plugin_lists_all_of_it() -> None:
    assert rows("docs/pytest.md", "environment") == [
        [name, reader, value] for name, (reader, value) in VARIABLES.items()
    ]
    assert rows("docs/pytest.md", "run environment") == [
        [name, reader, f"{{{value}}}"] for name, (reader, value) in run.VARIABLES.items()
    ]
    source = inspect.getsource(pytest_plugin)
    assert [name for name, *_ in rows("docs/pytest.md", "options")] == re.findall(r'addini\("(\w+)"', source)
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", source)
    assert [name for name, *_ in rows("docs/pytest.md", "fixtures")] == fixtures


@pytest.mark.slow  # a real server
def test_page_on_bad_tokens_lists_every_defect_and_reason() -> None:
    listed = {row[0]: row[2] for row in rows("docs/bad-tokens.md", "defects")}
    assert tuple(listed) == DEFECTS
    found = {}
    with MockMoov() as moov, httpx2.Client(base_url=moov.url, trust_env=False) as http:
        for defect in get_args(DefectName):
            answer = http.get("/ping", headers={"authorization": f"Bearer {moov.mint(defect=defect)}"})
            assert answer.status_code == 401
            reason = answer.headers["x-mockmoov-reason"]
            found[defect] = re.sub(r"\d+ s ago, at .* GMT", "N s ago, at DATE", reason)
    assert found == listed


def test_page_on_the_control_plane_lists_every_resource() -> None:
    of_a_key = f"{BASE}/api-keys/{{client_id}}/"
    resources = {
        f"{method} {path.removeprefix(BASE)}"
        for path, methods in ROUTES.items()
        for method in methods
        if not path.startswith(of_a_key)
    }
    listed = [name for name, *_ in rows("docs/control.md", "resources")]
    assert sorted(listed) == sorted(resources)


def test_page_on_contracts_says_when_it_was_compared_with_sdks() -> None:
    compared = re.compile(r"compared with moovio-sdk [\d.]+\d.* on \d{4}-\d{2}-\d{2}")
    in_report = compared.search((ROOT / "reports" / "drift.md").read_text())
    on_page = compared.search(table("docs/contracts.md", "drift"))
    assert in_report
    assert on_page
    assert on_page[0] == in_report[0]


def anchors(document: Path) -> set[str]:
    """What the headings of a document can be linked by."""
    headings = re.findall(r"(?m)^#+ (.*)$", document.read_text())
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets(document: Path) -> list[str]:
    """What a document links to, without other sites."""
    return [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text())
        if ":" not in target.partition("#")[0]
    ]


def leads_somewhere(document: Path, target: str) -> bool:
    place, _, anchor = target.partition("#")
    linked = document.parent / place if place else document
    return linked.exists() and (not anchor or anchor in anchors(linked))


def test_every_link_to_a_file_or_heading_leads_somewhere() -> None:
    links = [(document, target) for document in DOCUMENTS for target in targets(document)]
    assert [(page.name, target) for page, target in links if not leads_somewhere(page, target)] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, new = set[Path](), {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    while new:
        reached |= new
        linked = {(page.parent / link.partition("#")[0]).resolve() for page in new for link in targets(page)}
        new = linked.intersection(DOCUMENTS) - reached
    assert set((ROOT / "docs").glob("*.md")) <= reached


def test_pages_with_shell_say_which_server_they_need() -> None:
    server = r"(`mockmoov serve` on port 8080|the server above)"
    path = re.escape("[mockmoov on the path](../README.md#where-to-install-it)")
    texts = {page.name: page.read_text() for page in (ROOT / "docs").glob("*.md")}
    needing = [name for name, text in texts.items() if "<!-- run: server -->\n```sh" in text]
    assert needing
    assert [
        name for name in needing if not re.search(f"shell blocks need {server}, and {path}", texts[name])
    ] == []


def test_contributing_page_names_every_module() -> None:
    picture = (ROOT / "CONTRIBUTING.md").read_text().partition("```text\n")[2].partition("```")[0]
    named = set(re.findall(r"[a-z_]+", picture))
    files = [path.relative_to(ROOT / "mockmoov") for path in (ROOT / "mockmoov").rglob("*.py")]
    modules = {path.stem for path in files if "checks" not in path.parts} - {"__init__"}
    folders = {path.parts[0] for path in files if len(path.parts) > 1}
    assert (modules | folders) - named == set()
