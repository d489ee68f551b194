"""The API key with which a command calls a server: its options, and its default in the settings."""

from typing import NamedTuple

import click

from mockmoov.cli.options import fail, local_settings, option
from mockmoov.config.settings import Settings
from mockmoov.config.sources import PREFIX


class Credentials(NamedTuple):
    """An API key. `account_id` is None unless the settings have the key; `source` says where it is from."""

    client_id: str
    client_secret: str
    account_id: str | None
    source: str


def _ignore_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The variable in place of an empty option, which comes from a variable of the shell that is not set."""
    return value or parameter.resolve_envvar_value(context)


client_id_option = option(
    "--client-id", callback=_ignore_empty, help="Default: the first API key in the settings."
)
client_secret_option = option(
    "--client-secret",
    callback=_ignore_empty,
    help="Default: the secret of that key, if it is in the settings. "
    "Set the variable rather than this option, which other users of the machine can read.",
)


def find_credentials(client_id: str | None, client_secret: str | None) -> Credentials:
    """The API key of the options or, where they are None, of the settings; exits with 2 if there is none."""
    settings = local_settings()
    source = _source(settings, client_id)
    keys = {key.client_id: key for key in settings.api_keys}
    if client_id is None:
        client_id = settings.api_keys[0].client_id
    key = keys.get(client_id)
    if client_secret is None and key:
        client_secret = key.client_secret
    if client_secret is None:
        fail(
            2,
            f"--client-secret is missing, and {PREFIX}CLIENT_SECRET is not set: the settings have no API key "
            "with this client_id",
        )
    return Credentials(client_id, client_secret, key.account_id if key else None, source)


def _source(settings: Settings, client_id: str | None) -> str:
    """Where the API key comes from. Doesn't repeat `--client-id`: it may be a secret in the wrong place."""
    if client_id is not None:
        return f"the API key comes from --client-id or {PREFIX}CLIENT_ID"
    first = settings.api_keys[0].client_id
    if source := settings.set_by.get("api_keys"):
        return f"client_id {first} is the first one in {source}"
    return (
        f"client_id {first} is the documented example: "
        f"{PREFIX}CONFIG, {PREFIX}API_KEYS and --client-id set no other"
    )
