"""Reads settings from the environment and from a TOML file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from mockmoov.config.settings import SETTINGS, Layer, SettingsError

PREFIX = "MOCKMOOV_"
# Variables that the commands read themselves; they are not settings of the server.
COMMAND_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("CONFIG", "READY_FILE", "URL", "CA_FILE", "CLIENT_ID", "CLIENT_SECRET")
)
_ARRAYS = ("api_keys", "stubs")  # of tables, in a file
# Variables that container links and orchestrators inject for a service named mockmoov; never settings.
_INJECTED = r"MOCKMOOV_(?:\w+_)?(?:PORT_\d+_\w+|SERVICE_\w+|ENV_\w+|NAME)"
_INJECTED_ADDRESS = r"(?s)MOCKMOOV_(?:\w+_)?PORT=\w+://.*"


def from_environment(environ: Mapping[str, str], warn: Callable[[str], None]) -> Layer:
    """Read the settings in `MOCKMOOV_*`; an empty one counts as unset. Warns of those of container links."""
    settings: dict[str, object] = {}
    for variable, value in environ.items():
        if not value or not variable.startswith(PREFIX):  # empty is unset, as in a shell or in compose
            continue
        if re.fullmatch(_INJECTED, variable) or re.fullmatch(_INJECTED_ADDRESS, f"{variable}={value}"):
            warn(f"ignored {variable}: it comes from a container link and is not a setting")
        elif variable not in COMMAND_VARIABLES:
            settings[variable.removeprefix(PREFIX).lower()] = value
    return Layer(settings=settings, spell=lambda name: PREFIX + name.upper())


def from_file(path: str) -> Layer:
    """Read the settings in a TOML file, with `[[api_keys]]` and `[[stubs]]`; raises `SettingsError`."""
    import tomllib  # noqa: PLC0415 - only a configuration file needs it

    try:
        settings = tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    for name, value in settings.items():
        if isinstance(value, dict):
            raise SettingsError(f"{path}: {_describe_table(name)}")
    for table in _ARRAYS:
        if name := _misplaced_setting(settings.get(table)):
            raise SettingsError(f"{path}: {name} is a setting of the server: put it above [[{table}]]")
    return Layer(settings=settings, source=f"{path}: ")


def _describe_table(name: str) -> str:
    """What to write instead of a table of TOML, `[stubs]`, `[server]` or `tls = {...}`."""
    if name in _ARRAYS:
        return f"[{name}] is one table, and {name} are an array of tables: write [[{name}]]"
    return f"[{name}] is a table: write settings at the top of the file, outside of tables"


def _misplaced_setting(value: object) -> str:
    """A setting inside a table of an array, which is where TOML puts keys written below it."""
    tables = value if isinstance(value, list) else []
    names = (name for table in tables if isinstance(table, dict) for name in table)
    return next((name for name in names if name in SETTINGS), "")
