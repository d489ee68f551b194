"""An option for each setting, and a help that lists them in groups and breaks no word."""

from collections.abc import Callable, Mapping
from textwrap import fill
from typing import Any, TypeVar, get_args

import click

from mockmoov.config import parsers, stores
from mockmoov.config.settings import SETTINGS, Group
from mockmoov.config.sources import PREFIX

_Command = TypeVar("_Command", bound=Callable[..., Any])
# What the help calls the values of a parser.
_METAVARS: Mapping[object, str] = {
    parsers.text: "TEXT",
    parsers.header_value: "TEXT",
    stores.store: "memory|sqlite:PATH|URL",
    stores.store_namespace: "NAMESPACE",
    parsers.file_path: "PATH",
    parsers.switch: "[on|off]",
    parsers.version: "VERSION",
    parsers.url: "URL",
    parsers.upstream: "URL",
    parsers.audiences: "AUDIENCES",
    parsers.origins: "ORIGINS",
    parsers.host_names: "NAMES",
    parsers.hosts: "HOSTS",
    parsers.api_keys: "JSON",
    parsers.stubs: "JSON",
}


def flag(name: str) -> str:
    """The flag of a setting: `--tls-port` for `tls_port`."""
    return "--" + name.replace("_", "-")


def settings_options(**defaults: object) -> Callable[[_Command], _Command]:
    """Add an option for each setting. Its value stays text until the settings are loaded.

    `defaults` are those of the command that aren't the setting's own.
    """

    def add(command: _Command) -> _Command:
        for name, item in reversed(list(SETTINGS.items())):
            flag_value = item.metadata["flag_value"]
            switch = {"is_flag": False, "flag_value": flag_value} if flag_value else {}
            text = _help(name, defaults.get(name, item.metadata["default"]))
            metavar = _metavar(item.metadata["parse"])
            command = click.option(flag(name), name, metavar=metavar, help=text, **switch)(command)
        return command

    return add


def _metavar(parse: object) -> str:
    match parse:
        case parsers.Integer(low, high):
            return f"{low}..{high}"
        case parsers.Choice(options):
            return f"[{'|'.join(options)}]"
    return _METAVARS[parse]


def _help(name: str, default: object) -> str:
    shown = "none" if default in ("", None, []) else str(default).replace(",", ", ")
    if name == "api_keys":
        shown = "the documented example"
    return f"{SETTINGS[name].metadata['help']} [env: {PREFIX}{name.upper()}; default: {shown}]"


class SettingsCommand(click.Command):
    """A command with `settings_options`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the settings, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in ("Options", *get_args(Group))}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue
            setting = SETTINGS.get(parameter.name or "")
            group = setting.metadata["group"] if setting else "Options"
            groups[group].extend(filter(None, [parameter.get_help_record(ctx)]))
        for group, records in groups.items():
            with formatter.section(group):
                for option, text in records:
                    _write(formatter, option, text)


def _write(formatter: click.HelpFormatter, option: str, text: str) -> None:
    """Write an option, and its text below it. Unlike click itself it breaks no word, not even at a hyphen."""
    indent = " " * formatter.current_indent
    below = indent + " " * 4
    formatter.write(f"{indent}{option}\n")
    wrapped = fill(
        text,
        formatter.width,
        initial_indent=below,
        subsequent_indent=below,
        break_long_words=False,
        break_on_hyphens=False,
    )
    formatter.write(f"{wrapped}\n")
