"""The command `mockmoov token`: gets an access token from a running server."""

import re

import click

from mockmoov.cli.credentials import (
    Credentials,
    client_id_option,
    client_secret_option,
    find_credentials,
)
from mockmoov.cli.options import ca_file_option, explain_connection, fail, tls_context, url_option
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
@client_id_option
@client_secret_option
def token(
    url: str, ca_file: str | None, scope: tuple[str, ...], client_id: str | None, client_secret: str | None
) -> None:
    """Print a new access token of a running server.

    The API key is the first one in MOCKMOOV_API_KEYS, or in the file that MOCKMOOV_CONFIG names. Without
    either, it is the documented example.
    """
    import httpx2  # noqa: PLC0415 - `--help` doesn't need these

    from mockmoov.client import InvalidClientError, MoovError, TokenClient, TransportError  # noqa: PLC0415

    key = find_credentials(client_id, client_secret)
    scope = tuple(_with_account(key, item) for item in scope)
    try:
        # Tokens of a local server don't go through a proxy of the environment.
        with httpx2.Client(trust_env=False, verify=tls_context(url, ca_file) or True) as http:
            client = TokenClient(
                url, client_id=key.client_id, client_secret=key.client_secret, http_client=http
            )
            click.echo(client.create(scope=scope).access_token)
    except InvalidClientError as error:
        fail(1, f"{error}; {key.source}")
    except TransportError as error:
        fail(1, f"{error}{explain_connection(error, url, is_connected=error.request_sent)}")
    except MoovError as error:
        fail(1, str(error))
    except ValueError as error:  # an argument that can't be sent
        fail(2, re.sub(r"^\w+", lambda argument: _OPTIONS.get(argument[0], argument[0]), str(error)))


def _with_account(key: Credentials, scope: str) -> str:
    """The scope with the account of the API key for `{accountID}`; exits with 2 if that is unknown."""
    if ACCOUNT_ID not in scope:
        return scope
    if key.account_id is None:
        fail(2, f"--scope {scope}: write the UUID of an account, as the settings have no such API key")
    return scope.replace(ACCOUNT_ID, key.account_id)
