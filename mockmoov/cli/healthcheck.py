"""The command `mockmoov healthcheck`: tells a container runtime or a script whether the server answers."""

import re
import time

import click

from mockmoov.cli.options import ca_file_option, explain_connection, fail, is_https, url_option
from mockmoov.config.tls_trust import trust_context

_PAUSE_SECONDS = 0.05  # between two attempts
_TIMEOUT_SECONDS = 5


def _parse_seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value):
        raise click.BadParameter(f"{value!r} is not a whole number of seconds, such as 30")
    return int(value)


@click.command()
@url_option
@ca_file_option
@click.option(
    "--wait",
    metavar="SECONDS",
    callback=_parse_seconds,
    default="0",
    help="Try again for so long until the server answers.",
)
def healthcheck(url: str, ca_file: str | None, wait: int) -> None:
    """Exit with 0 if a server answers at the URL, with 1 if not. For containers without curl."""
    deadline = time.monotonic() + wait
    while problem := _problem(url, ca_file, wait):
        if time.monotonic() >= deadline:
            fail(*problem)
        time.sleep(_PAUSE_SECONDS)


def _problem(url: str, ca_file: str | None, wait: int) -> tuple[int, str] | None:
    """The exit code and why no healthy server answers at the URL, for a wait of seconds; None if one does."""
    from http.client import HTTPException  # noqa: PLC0415 - `--help` doesn't need these
    from socket import gaierror  # noqa: PLC0415
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # noqa: PLC0415

    try:
        context = trust_context(ca_file) if is_https(url) else None
    except ValueError as error:  # the file may come with the server
        return 2, f"--ca-file {error}"
    https = [HTTPSHandler(context=context)] if context else []
    opener = build_opener(ProxyHandler({}), *https)  # ignores the proxies of the environment
    try:
        with opener.open(f"{url}/_mockmoov/health", timeout=_TIMEOUT_SECONDS):
            return None
    except HTTPError as error:
        with error:
            reason = str(error)
    except (OSError, ValueError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        is_connected = not isinstance(cause, ConnectionRefusedError | gaierror)
        hint = explain_connection(error, url, is_connected=is_connected)
        reason = f"{cause} ".splitlines()[0].rstrip() + hint
    return 1, f"{url} is not healthy{f' after {wait} s' if wait else ''}: {reason}"
