"""The documents say what the code says: the README's table of settings, the picture of the house."""

import re
from pathlib import Path

from mockmoov.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[1]


def settings_table() -> str:
    """The README's table of settings, as the settings themselves have it."""
    rows = ["| setting | default | |", "|---|---|---|"]
    for name, item in SETTINGS.items():
        default = "the documented example" if name == "api_keys" else item.metadata["default"]
        shown = "" if default in (None, "") else f"`{default}`" if name != "api_keys" else default
        rows.append(f"| `{name}` | {shown} | {item.metadata['help']} |")
    return "\n".join(rows)


def test_the_readme_lists_every_setting_with_its_default_and_help() -> None:
    table = re.search(
        r"<!-- settings -->\n(.*?)\n<!-- /settings -->", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert table is not None
    assert table[1] == settings_table(), f"put this into README.md:\n{settings_table()}"


def test_the_picture_of_the_house_names_every_module() -> None:
    picture = (ROOT / "CONTRIBUTING.md").read_text().partition("```text\n")[2].partition("```")[0]
    named = set(re.findall(r"[a-z_]+", picture))
    modules = {path.stem for path in (ROOT / "mockmoov").glob("*.py")} - {"__init__", "__main__"}
    folders = {path.name for path in (ROOT / "mockmoov").iterdir() if (path / "__init__.py").exists()}
    assert modules | folders <= named
