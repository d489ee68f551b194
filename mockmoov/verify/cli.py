"""Owns the command `mockmoov verify`: its arguments. Must not know what is done with them."""

import sys
from pathlib import Path
from typing import Any

import click

_PREFIX = "MOCKMOOV_"
_PATH = click.Path(dir_okay=False, path_type=Path)
_POSITIVE = click.FloatRange(0, min_open=True)
_LIBRARIES = ("hypothesis", "rich")  # what the extra holds


def _running() -> Any:
    """What runs it: this is imported when it is wanted, and not by who serves."""
    try:
        from mockmoov.verify import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        click.echo(f"mockmoov: verify needs {library}: pip install {' '.join(_LIBRARIES)}", err=True)
        sys.exit(2)
    return run


def _list(context: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given:
        _running().print_checks()
        context.exit()


def _needed(_context: click.Context, option: click.Parameter, value: str | None) -> str:
    if value is None:
        told = f"{option.opts[0]} is missing, and {option.envvar} is not set"
        raise click.UsageError(f"{told}: `mockmoov serve` prints its example key when it starts")
    return value


@click.command()
@click.argument("url")
@click.option(
    "--client-id",
    callback=_needed,
    envvar=f"{_PREFIX}CLIENT_ID",
    show_envvar=True,
    help="Of the API key to use.  [required]",
)
@click.option(
    "--client-secret",
    callback=_needed,
    envvar=f"{_PREFIX}CLIENT_SECRET",
    show_envvar=True,
    help="Its secret; better in the environment than on the command line.  [required]",
)
@click.option("--account-id", help="The platform's account, which tokens are to name.")
@click.option("--origin", help="A registered origin, sent with the calls that use a token.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope to ask for, and no others; once for each.  [default: /ping.read, /institutions.read]",
)
@click.option(
    "--moov-version",
    "versions",
    multiple=True,
    metavar="VERSION",
    help="X-Moov-Version to verify, once for each.  [default: without the header, then latest]",
)
@click.option("--without-header", is_flag=True, help="Verify without X-Moov-Version as well.")
@click.option(
    "--default-contract",
    type=click.Choice(["auto", "2023", "2023-sdk", "dated"]),
    default="auto",
    show_default=True,
    help="What no header is to mean; auto: what the first answer looks like.",
)
@click.option("--only", multiple=True, metavar="ID", help="Run this check; * stands for any text.")
@click.option("--json", "json_path", type=_PATH, help="File for the report as JSON.")
@click.option("--junit", "junit_path", type=_PATH, help="File for the report as JUnit XML.")
@click.option("--rate", type=_POSITIVE, help="Requests a second.  [default: 5; on loopback no limit]")
@click.option("--budget", type=click.IntRange(1), default=5000, show_default=True, help="Requests in all.")
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True, help="Seconds for an answer.")
@click.option("--time-limit", type=_POSITIVE, default=3600.0, show_default=True, help="Seconds in all.")
@click.option("--seed", type=int, help="Draw other examples than the usual ones.")
@click.option(
    "--control-token",
    envvar=f"{_PREFIX}CONTROL_TOKEN",
    show_envvar=True,
    help="Of a mockmoov's control plane.",
)
@click.option(
    "--ca-file",
    envvar=f"{_PREFIX}CA_FILE",
    show_envvar=True,
    metavar="PATH",
    help="CA certificate of a server with https, PEM; without it what this machine trusts is trusted.",
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the checks, and run none.",
)
def verify(**options: Any) -> None:
    """Check that what answers at URL keeps Moov's contract.

    It needs HTTP and one API key, of a test account where it is Moov's. What it mints it revokes.
    Exit code 0: every documented and observed rule holds; 1: one does not; 2: it could not be told.
    """
    run = _running()
    sys.exit(run.main(run.Wish(**options)))
