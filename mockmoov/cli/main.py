"""The command `mockmoov`: a group of subcommands, each imported only when it is used."""

from collections.abc import Mapping
from importlib import import_module

import click

from mockmoov import __version__

# Each command and the module that defines it, in the order of `mockmoov --help`.
_COMMANDS: Mapping[str, str] = {
    "serve": "mockmoov.cli.serve",
    "run": "mockmoov.cli.run",
    "healthcheck": "mockmoov.cli.healthcheck",
    "token": "mockmoov.cli.token",
    "scopes": "mockmoov.cli.catalogue",
    "operations": "mockmoov.cli.catalogue",
    "verify": "mockmoov.cli.verify",
}


class _LazyGroup(click.Group):
    """Imports the module of a command when it is used, so that `healthcheck` doesn't load the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="mockmoov")
def main() -> None:
    """A test double of Moov's OAuth 2.0 endpoints."""
