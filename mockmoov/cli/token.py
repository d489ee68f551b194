"""The command `mockmoov token`: gets an access token from a running server."""

import re

import click

from mockmoov.cli.options import ca_file_option, fail, local_settings, option, tls_context, url_option
from mockmoov.config.settings import Settings
from mockmoov.config.sources import PREFIX
from mockmoov.config.tls_trust import trust_hint
from mockmoov.oauth.scopes import ACCOUNT_ID

# The arguments of the client, and the options that they come from.
_OPTIONS = {
    "base_url": "--url",
    "client_id": "--client-id",
    "client_secret": "--client-secret",
    "scope": "--scope",
}


@click.command()
@url_option
@ca_file_option
@click.option(
    "--scope",
    required=True,
    multiple=True,
    help="Scopes to request, separated by spaces; repeatable. {accountID} is the API key's account.",
)
@option("--client-id", help="Default: the first API key in the settings.")
@option("--client-secret", help="Default: the secret of that key, if it is in the settings.")
def token(
    url: str, ca_file: str | None, scope: tuple[str, ...], client_id: str | None, client_secret: str | None
) -> None:
    """Print a new access token of a running server.

    The API key is the first one in MOCKMOOV_API_KEYS, or in the file that MOCKMOOV_CONFIG names. Without
    either, it is the documented example.
    """
    import httpx2  # noqa: PLC0415 - `--help` doesn't need these

    from mockmoov.client import InvalidClientError, MoovError, TokenClient  # noqa: PLC0415

    settings = local_settings()
    key_source = _key_source(settings, client_id)
    secrets = {key.client_id: key.client_secret for key in settings.api_keys}
    client_id = client_id or next(iter(secrets))
    client_secret = client_secret or secrets.get(client_id)
    if client_secret is None:
        fail(2, "--client-secret is missing: the settings have no API key with this client_id")
    scope = tuple(_with_account(settings, client_id, item) for item in scope)
    try:
        # Tokens of a local server don't go through a proxy of the environment.
        with httpx2.Client(trust_env=False, verify=tls_context(url, ca_file) or True) as http:
            client = TokenClient(url, client_id=client_id, client_secret=client_secret, http_client=http)
            click.echo(client.create(scope=scope).access_token)
    except InvalidClientError as error:
        fail(1, f"{error}; {key_source}")
    except MoovError as error:
        fail(1, f"{error}{trust_hint(error, '--ca-file')}")
    except ValueError as error:  # an argument that can't be sent
        fail(2, re.sub(r"^\w+", lambda argument: _OPTIONS.get(argument[0], argument[0]), str(error)))


def _with_account(settings: Settings, client_id: str, scope: str) -> str:
    """The scope with the account of the API key for `{accountID}`; exits with 2 if that is unknown."""
    if ACCOUNT_ID not in scope:
        return scope
    accounts = {key.client_id: key.account_id for key in settings.api_keys}
    if client_id not in accounts:
        fail(2, f"--scope {scope}: write the UUID of an account, as the settings have no such API key")
    return scope.replace(ACCOUNT_ID, accounts[client_id])


def _key_source(settings: Settings, client_id: str | None) -> str:
    """Where the API key comes from. Doesn't repeat `--client-id`: it may be a secret in the wrong place."""
    if client_id:
        return f"the API key comes from --client-id or {PREFIX}CLIENT_ID"
    first = settings.api_keys[0].client_id
    if source := settings.set_by.get("api_keys"):
        return f"client_id {first} is the first one in {source}"
    return (
        f"client_id {first} is the documented example: "
        f"{PREFIX}CONFIG, {PREFIX}API_KEYS and --client-id set no other"
    )
