"""The start of `mockmoov serve` and `mockmoov run`: whatever the settings, it works or says what is wrong."""

import contextlib
import io
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mockmoov.cli.serve import prepare, read_settings
from mockmoov.config.settings import SETTINGS
from mockmoov.config.sources import PREFIX
from tests.support.settings import VALUES, as_text, spell_flag, to_toml

# Paths in the folder of the test, so that no example writes anywhere else.
PATHS = st.sampled_from(
    ["missing.pem", "folder", "text.txt", "none/below.pem", "text.txt/below", "a" * 300, "", "openapi.yaml"]
)
HOSTS = st.sampled_from(
    ["localhost", "127.0.0.1", "::1", "203.0.113.1", "a..b", "a" * 70, "[::1]", "a b", ""]
)
PORTS = st.sampled_from(["0", "-1", "65536", "http", "0x0", "٣", ""])
BOUNDED: Mapping[str, st.SearchStrategy[Any]] = {
    **{name: PATHS for name in SETTINGS if name.endswith(("_file", "_folder", "_cert", "_key", "openapi"))},
    "host": HOSTS, "port": PORTS, "tls_port": PORTS,
}  # fmt: skip
NAMES = sorted(SETTINGS)


def value_of(name: str, *, is_text: bool) -> st.SearchStrategy[Any]:
    """Values of a setting, most of them valid: texts, or whatever a file may have."""
    if name in BOUNDED:
        return BOUNDED[name]
    good, bad = VALUES[name]
    short = [value for value in bad if isinstance(value, str) and len(value) < 100]
    valid = good.map(partial(as_text, name)) if is_text else good
    return st.one_of(valid, valid, valid, valid, st.sampled_from(short))


@st.composite
def some(draw: st.DrawFn, *, is_text: bool) -> dict[str, Any]:
    """A few settings by name, for a source that has texts or any values."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    return {name: draw(value_of(name, is_text=is_text)) for name in names}


def to_file(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {to_toml(value)}" for name, value in values.items())


def start(config: Path, environment: Mapping[str, str], flags: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a start, 0 if it works, and what it writes."""
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(written):
        patch.setattr(os, "environ", {PREFIX + name.upper(): value for name, value in environment.items()})
        patch.chdir(config.parent)
        try:
            parts = prepare(read_settings(str(config), {"port": "0", "tls_port": None, **flags}))
        except SystemExit as end:
            return int(end.code or 0), written.getvalue()
    for listener in (
        *parts.listeners.sockets,
        *(parts.listeners.secure.sockets if parts.listeners.secure else ()),
    ):
        listener.close()
    return 0, ""


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=some(is_text=False).map(to_file) | st.text(max_size=30),
    environment=some(is_text=True),
    flags=some(is_text=True),
)
def test_it_works_or_names_the_setting(
    tmp_path: Path, file: str, environment: Mapping[str, str], flags: Mapping[str, str]
) -> None:
    config = tmp_path / "mockmoov.toml"
    config.write_text(file, "utf-8", "surrogatepass")
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "folder").mkdir(exist_ok=True)
    code, line = start(config, environment, flags)
    event(f"exit code {code}")
    assert code in (0, 2)
    if code:
        spellings = [
            *(PREFIX + name.upper() for name in environment),
            *map(spell_flag, flags),
            str(config),
            *NAMES,
        ]
        named = [name for name in spellings if line.removeprefix("mockmoov: ").find(name) != -1]
        assert line.count("\n") == 1, line
        assert named, line
