"""The command `mockmoov scopes`: lists the scopes that Moov accepts."""

import json

import click

from mockmoov.cli.options import json_option
from mockmoov.data.scopes import SCOPES


@click.command()
@json_option
def scopes(as_json: bool) -> None:
    """List the scopes that Moov is known to accept, each with its sources."""
    if as_json:
        click.echo(json.dumps([{"scope": scope, "sources": SCOPES[scope]} for scope in SCOPES], indent=1))
        return
    for scope, documents in SCOPES.items():
        click.echo(f"{scope:<55} {', '.join(documents)}")
