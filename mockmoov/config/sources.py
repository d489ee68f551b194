"""Owns where settings come from: environment and file. Must not know what they say, nor command lines."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from mockmoov.config.settings import SETTINGS, Layer, SettingsError

PREFIX = "MOCKMOOV_"
# What the commands read for themselves; they are not settings of the server.
COMMAND_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("CONFIG", "READY_FILE", "URL", "CA_FILE", "CLIENT_ID", "CLIENT_SECRET")
)
# What container links and orchestrators inject for a service that is called mockmoov; never a setting.
_INJECTED = re.compile(r"MOCKMOOV_(?:\w+_)?(?:PORT_\d+_\w+|SERVICE_\w+|ENV_\w+|NAME)")
_INJECTED_ADDRESS = re.compile(r"MOCKMOOV_(?:\w+_)?PORT=\w+://.*", re.DOTALL)


def from_environment(environ: Mapping[str, str], warn: Callable[[str], None]) -> Layer:
    """The settings named by `MOCKMOOV_*`; what container links inject is ignored with a warning."""
    values: dict[str, object] = {}
    for variable, value in environ.items():
        if _INJECTED.fullmatch(variable) or _INJECTED_ADDRESS.fullmatch(f"{variable}={value}"):
            warn(f"ignored {variable}: it looks like a container link's, not a setting")
        elif variable.startswith(PREFIX) and variable not in COMMAND_VARIABLES:
            values[variable.removeprefix(PREFIX).lower()] = value
    return Layer(values=values, spell=lambda name: PREFIX + name.upper())


def from_file(path: str) -> Layer:
    """The settings of a TOML file, API keys as `[[api_keys]]` tables; raises `SettingsError`."""
    import tomllib  # noqa: PLC0415 - only who has a file pays for it

    try:
        values = tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    if name := _misplaced(values.get("api_keys")):
        raise SettingsError(f"{path}: {name} is a setting of the server: put it above [[api_keys]]")
    return Layer(values=values, source=f"{path}: ")


def _misplaced(api_keys: object) -> str:
    """A setting of the server among the members of API keys, where TOML has it if it stands below them."""
    tables = api_keys if isinstance(api_keys, list) else []
    names = (name for table in tables if isinstance(table, dict) for name in table)
    return next((name for name in names if name in SETTINGS), "")
