"""Writes Moov's scopes and operations as Python modules, from the JSON files next to them.

`python -m tools.generate_tables`, or `make tables`. The package imports the modules and never opens the JSON
files, so that a faked file system or a zipped package cannot take the tables away. A test compares the two.
"""

import json
from pathlib import Path
from textwrap import fill

DATA = Path(__file__).parents[1] / "mockmoov" / "data"


def scopes_module() -> str:
    """The text of `mockmoov/data/scopes.py`."""
    document = json.loads((DATA / "scopes.json").read_bytes())
    rows = "".join(f"    {scope!r}: {tuple(sources)!r},\n" for scope, sources in document["scopes"].items())
    return f'''"""Moov's scopes, each with its sources; generated from scopes.json by `make tables`."""

# fmt: off
SCOPES: dict[str, tuple[str, ...]] = {{
{rows}}}
'''


def operations_module() -> str:
    """The text of `mockmoov/data/operations.py`."""
    document = json.loads((DATA / "operations.json").read_bytes())
    rows = ""
    for path, methods in document["operations"].items():
        row = {method: (item["name"], tuple(item["scopes"])) for method, item in methods.items()}
        rows += f"    {path!r}: {row!r},\n"
    return f'''"""Moov's operations and their scopes; generated from operations.json by `make tables`."""

# fmt: off
OPERATIONS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {{
{rows}}}
'''


def operation_names_module() -> str:
    """The text of `mockmoov/data/operation_names.py`, which only type checkers need."""
    document = json.loads((DATA / "operations.json").read_bytes())
    names = [item["name"] for methods in document["operations"].values() for item in methods.values()]
    literal = fill(", ".join(map(repr, names)), 110, initial_indent="    ", subsequent_indent="    ")
    return f'''"""Names of Moov's operations as a type; generated from operations.json by `make tables`."""

from typing import Literal

# fmt: off
OperationName = Literal[
{literal},
]
'''


def main() -> None:
    """Write the modules."""
    (DATA / "scopes.py").write_text(scopes_module())
    (DATA / "operations.py").write_text(operations_module())
    (DATA / "operation_names.py").write_text(operation_names_module())


if __name__ == "__main__":
    main()
