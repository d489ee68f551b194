"""The help of commands that take settings: groups, types, choices, and no broken word."""

import re
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.config.settings import SETTINGS, Group
from mockmoov.config.sources import PREFIX
from tests.support import command_line

METAVARS = {
    "host": "TEXT", "port": "0..65535", "allowed_hosts": "HOSTS", "tls": "[on|off]", "tls_key": "PATH",
    "token_format": "[jwt|opaque]", "upstream": "URL", "api_keys": "JSON", "default_version": "VERSION",
}  # fmt: skip


def help_of(name: str) -> str:
    """The text of a setting in the help."""
    default = SETTINGS[name].metadata["default"]
    shown = "the documented example" if name == "api_keys" else default or (0 if default == 0 else "none")
    text = f"{SETTINGS[name].metadata['help']} [env: {PREFIX}{name.upper()}; default: {shown}]"
    return text.replace(
        "https://api.moov.io,https://cards.moov.io,", "https://api.moov.io, https://cards.moov.io, "
    )


@given(columns=st.integers(58, 200))  # click leaves two columns of 60 empty
def test_help_of_serve_lists_every_setting_in_whole_words(columns: int) -> None:
    result = command_line.run("serve", "--help", terminal_width=columns)
    assert result.exit_code == 0
    words = f" {' '.join(result.stdout.split())} "
    for name in SETTINGS:
        assert re.search(rf" --{name.replace('_', '-')} (\S+) {re.escape(help_of(name))} ", words), name
    for name, metavar in METAVARS.items():
        assert f" --{name.replace('_', '-')} {metavar} " in words
    assert max(map(len, result.stdout.splitlines())) <= columns


def test_help_of_serve_is_in_groups() -> None:
    text = command_line.run("serve", "--help").stdout
    assert command_line.run("serve", "-h").stdout == text
    sections = re.split(r"^([A-Z][A-Za-z ]+):\n", text, flags=re.MULTILINE)[1:]
    found = {
        group: re.findall(r"^  (?:-h, )?(--[a-z-]+)", body, re.MULTILINE)
        for group, body in zip(sections[::2], sections[1::2], strict=True)
    }
    assert list(found) == ["Options", *get_args(Group)]
    assert found.pop("Options") == ["--config", "--ready-file", "--help"]
    for group, flags in found.items():
        named = [name for name, item in SETTINGS.items() if item.metadata["group"] == group]
        assert flags == [f"--{name.replace('_', '-')}" for name in named]
