"""The commands `mockmoov scopes` and `mockmoov operations`: they list what mockmoov knows of Moov."""

import json
from collections.abc import Iterable

import click

from mockmoov.data.operation_sources import SOURCES
from mockmoov.data.operations import OPERATIONS
from mockmoov.data.scopes import SCOPES

_IN_DESCRIPTION = {"source": "spec"}
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")


@click.command()
@_json_option
def scopes(as_json: bool) -> None:
    """List Moov's scopes and their sources."""
    if as_json:
        documents = [{"scope": scope, "sources": sources} for scope, sources in SCOPES.items()]
        click.echo(json.dumps(documents, indent=1))
        return
    for scope, sources in SCOPES.items():
        click.echo(f"{scope:<55} {', '.join(sources)}")


@click.command()
@_json_option
def operations(as_json: bool) -> None:
    """List Moov's operations and their scopes.

    If an operation can be called with either of two sets of scopes, "or" separates them.
    """
    rows = [
        (method, path, name, sets, {**_IN_DESCRIPTION, **SOURCES.get((method, path), {})})
        for path, methods in OPERATIONS.items()
        for method, (name, sets) in methods.items()
    ]
    if as_json:
        documents = [
            {
                "operation": name,
                "method": method,
                "path": path,
                "scopes": sets[0] if sets else None,
                **({"or": sets[1:]} if sets[1:] else {}),
                **source,
            }
            for method, path, name, sets, source in rows
        ]
        click.echo(json.dumps(documents, indent=1))
        return
    for method, path, name, sets, source in rows:
        needed = _either(sets) or source.get("note", "any token")
        click.echo(f"{method:<6} {path} {name}: {needed}")


def _either(sets: Iterable[Iterable[str]]) -> str:
    return " or ".join(" ".join(scopes) for scopes in sets)
