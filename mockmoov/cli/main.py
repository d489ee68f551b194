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
# Names that people try.
_OTHER_NAMES: Mapping[str, str] = {
    "start": "serve",
    "up": "serve",
    "exec": "run",
    "help": "--help",
    "version": "--version",
}


class _LazyGroup(click.Group):
    """Imports the module of a command when it is used, so that `healthcheck` doesn't load the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; exits with 2 and the most similar one if there is none."""
        name = args[0]
        if name not in _COMMANDS and name[:1].isalnum():
            from mockmoov.oauth.suggestions import nearest  # noqa: PLC0415 - only a typo needs it

            known = {**{command: command for command in _COMMANDS}, **_OTHER_NAMES}
            ctx.fail(f"No such command '{name}'{nearest(name, known, known.__getitem__)}")
        return super().resolve_command(ctx, args)

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
