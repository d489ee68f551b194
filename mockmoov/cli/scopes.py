"""The command `mockmoov scopes`: lists the scopes that Moov accepts."""

import click

from mockmoov.data.scopes import SCOPES


@click.command()
def scopes() -> None:
    """List the scopes that Moov is known to accept, each with its sources."""
    for scope, documents in SCOPES.items():
        click.echo(f"{scope:<55} {', '.join(documents)}")
