"""The command `mockmoov verify`: its arguments and options."""

import sys
from pathlib import Path
from typing import Any

import click

from mockmoov.cli.credentials import (
    Credentials,
    client_id_option,
    client_secret_option,
    find_credentials,
)
from mockmoov.cli.options import fail
from mockmoov.config.sources import PREFIX

_PATH = click.Path(dir_okay=False, path_type=Path)
_POSITIVE = click.FloatRange(0, min_open=True)
_LIBRARIES = ("hypothesis", "rich")  # the extra `verify`


def _import_run() -> Any:
    """Import the suite. Only this command does, as the suite needs libraries that the server doesn't."""
    try:
        from mockmoov.verify import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        fail(2, f"verify needs {library}: pip install {' '.join(_LIBRARIES)}")
    return run


def _list(context: click.Context, _option: click.Parameter, is_set: bool) -> None:
    if is_set:
        _import_run().print_checks()
        context.exit()


def _credentials(url: str, is_here: bool, client_id: str | None, client_secret: str | None) -> Credentials:
    """The API key of the options. Its default is for a server on this machine: another may be Moov itself."""
    for name, value in (("client-id", client_id), ("client-secret", client_secret)):
        if value is None and not is_here:
            variable = f"{PREFIX}{name.replace('-', '_').upper()}"
            problem = f"--{name} is missing, and {variable} is not set"
            fail(2, f"{problem}: {url} is not on this machine, so the API key has no default")
    return find_credentials(client_id, client_secret)


@click.command()
@click.argument("url")
@client_id_option
@client_secret_option
@click.option("--account-id", help="The platform's account ID, which tokens should contain.")
@click.option("--origin", help="A registered origin, to send with calls that use a token.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope for all tokens; repeatable.  [default: /ping.read, /institutions.read]",
)
@click.option(
    "--moov-version",
    "versions",
    multiple=True,
    metavar="VERSION",
    help="An X-Moov-Version to verify; repeatable.  [default: without it, then v2026.10.00]",
)
@click.option("--without-header", is_flag=True, help="Also verify without X-Moov-Version.")
@click.option(
    "--default-contract",
    type=click.Choice(["auto", "2023", "2023-sdk", "dated"]),
    default="auto",
    show_default=True,
    help="The contract to expect without X-Moov-Version; auto finds out from the first response.",
)
@click.option("--only", multiple=True, metavar="ID", help="Run only this check; repeatable; * is any text.")
@click.option("--json", "json_path", type=_PATH, help="Write the report to this file as JSON.")
@click.option("--junit", "junit_path", type=_PATH, help="Write the report to this file as JUnit XML.")
@click.option("--rate", type=_POSITIVE, help="Requests a second.  [default: 5; no limit on loopback]")
@click.option("--budget", type=click.IntRange(1), default=5000, show_default=True, help="Requests in total.")
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True, help="Seconds for a response.")
@click.option(
    "--time-limit", type=_POSITIVE, default=3600.0, show_default=True, help="Seconds for the whole run."
)
@click.option("--seed", type=int, help="Try other examples than the default ones.")
@click.option(
    "--control-token",
    envvar="MOCKMOOV_CONTROL_TOKEN",
    show_envvar=True,
    help="The token for the control plane of a mockmoov.",
)
@click.option(
    "--ca-file",
    envvar="MOCKMOOV_CA_FILE",
    show_envvar=True,
    metavar="PATH",
    help="The CA certificate of an https server, PEM.  [default: the CAs that this machine trusts]",
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the checks and exit.",
)
def verify(url: str, client_id: str | None, client_secret: str | None, **options: Any) -> None:
    """Check that the server at URL follows Moov's contract.

    Needs HTTP and one API key; for Moov, use the key of a test account. On this machine the default is that
    of `mockmoov token`. Revokes the tokens that it creates.
    Exit code 0: every documented and observed rule holds; 1: one does not; 2: the run could not find out.
    """
    run = _import_run()
    from mockmoov.verify.target import is_loopback  # noqa: PLC0415 - after it is known that it can be imported

    if problem := run.url_problem(url):
        fail(2, problem)
    key = _credentials(url, is_loopback(url), client_id, client_secret)
    sys.exit(
        run.main(
            url=url,
            client_id=key.client_id,
            client_secret=key.client_secret,
            key_source=key.source,
            **options,
        )
    )
