"""The documents say what the code says: their tables, and the picture of the house."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import httpx2
import pytest

from mockmoov import MockMoov, pytest_plugin
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
        shown = "" if default in (None, "") else f"`{default}`" if name != "api_keys" else default
        rows.append(f"| `{name}` | {shown} | {item.metadata['help']} |")
    return "\n".join(rows)


def test_the_page_on_settings_lists_every_setting_with_its_default_and_help() -> None:
    assert table("docs/settings.md", "settings") == settings_table(), f"put this there:\n{settings_table()}"


def test_the_page_on_settings_lists_what_the_commands_read_for_themselves() -> None:
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


def test_the_page_on_outages_lists_every_preset_as_it_is() -> None:
    assert rows("docs/outage.md", "presets") == [
        [name, json.dumps(members)] for name, members in PRESETS.items()
    ]


def test_the_page_on_the_plugin_lists_the_environment_the_options_and_the_fixtures() -> None:
    assert rows("docs/pytest.md", "environment") == [
        [name, reader, value] for name, (reader, value) in VARIABLES.items()
    ]
    source = inspect.getsource(pytest_plugin)
    assert [name for name, *_ in rows("docs/pytest.md", "options")] == re.findall(r'addini\("(\w+)"', source)
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", source)
    assert [name for name, *_ in rows("docs/pytest.md", "fixtures")] == fixtures


@pytest.fixture(scope="module")
def double() -> Iterator[MockMoov]:
    with MockMoov() as server:
        yield server


def test_the_page_on_bad_tokens_lists_every_defect() -> None:
    assert tuple(name for name, *_ in rows("docs/bad-tokens.md", "defects")) == DEFECTS


@pytest.mark.parametrize(
    ("defect", "reason"), [(row[0], row[2]) for row in rows("docs/bad-tokens.md", "defects")]
)
def test_a_bad_token_is_refused_for_the_reason_on_the_page(
    double: MockMoov, defect: DefectName, reason: str
) -> None:
    headers = {"authorization": f"Bearer {double.mint(defect=defect)}"}
    answer = httpx2.get(f"{double.url}/ping", headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["x-mockmoov-reason"]) == (401, reason)


def test_the_page_on_the_control_plane_lists_every_resource_once() -> None:
    of_a_key = f"{BASE}/api-keys/{{client_id}}/"
    resources = {
        f"{method} {path.removeprefix(BASE)}"
        for path, methods in ROUTES.items()
        for method in methods
        if not path.startswith(of_a_key)
    }
    listed = [name for name, *_ in rows("docs/control.md", "resources")]
    assert sorted(listed) == sorted(resources)


def anchors(document: Path) -> set[str]:
    """What the headings of a document can be linked by."""
    headings = re.findall(r"(?m)^#+ (.*)$", document.read_text())
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_link_to_a_file_or_a_heading_of_ours_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        place, _, anchor = target.partition("#")
        if ":" not in place:
            linked = document.parent / place if place else document
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


def test_every_page_is_linked_from_the_readme_the_contributing_page_or_a_page_that_is() -> None:
    reached, new = set[Path](), {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    while new:
        reached |= new
        targets = {
            (page.parent / target.partition("#")[0]).resolve()
            for page in new
            for target in re.findall(r"\]\(([^)\s:]+)\)", page.read_text())
        }
        new = {page for page in targets if page in DOCUMENTS} - reached
    assert set((ROOT / "docs").glob("*.md")) <= reached


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda document: document.name)
def test_a_page_whose_shell_wants_a_server_says_which_and_where_mockmoov_comes_from(document: Path) -> None:
    text = document.read_text()
    if "<!-- run: server -->\n```sh" in text:
        server = r"(`mockmoov serve` on port 8080|the server above)"
        path = re.escape("[mockmoov on the path](../README.md#two-commands)")
        assert re.search(f"blocks of shell want {server}, and {path}", text)


def test_the_picture_of_the_house_names_every_module() -> None:
    picture = (ROOT / "CONTRIBUTING.md").read_text().partition("```text\n")[2].partition("```")[0]
    named = set(re.findall(r"[a-z_]+", picture))
    files = [path.relative_to(ROOT / "mockmoov") for path in (ROOT / "mockmoov").rglob("*.py")]
    modules = {path.stem for path in files if "checks" not in path.parts} - {"__init__"}
    folders = {path.parts[0] for path in files if len(path.parts) > 1}
    assert (modules | folders) - named == set()
