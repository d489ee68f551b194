"""The command `mockmoov healthcheck`: tells a container runtime or a script whether the server answers."""

import time
from typing import TYPE_CHECKING

import click

from mockmoov.cli.options import ca_file_option, fail, tls_context, url_option
from mockmoov.config.tls_trust import trust_hint

if TYPE_CHECKING:
    import ssl

_PAUSE_SECONDS = 0.05  # between two attempts


@click.command()
@url_option
@ca_file_option
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0,
    help="Try again for so long until the server answers.",
)
def healthcheck(url: str, ca_file: str | None, wait: float) -> None:
    """Exit with 0 if a server answers at the URL, with 1 if not. For containers without curl."""
    context = tls_context(url, ca_file)
    deadline = time.monotonic() + wait
    while problem := _problem(url, context):
        if time.monotonic() >= deadline:
            fail(1, f"{url} is not healthy: {problem}")
        time.sleep(_PAUSE_SECONDS)


def _problem(url: str, context: "ssl.SSLContext | None") -> str:
    """Why no healthy server answers at the URL, or ""."""
    from http.client import HTTPException  # noqa: PLC0415 - `--help` doesn't need these
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # noqa: PLC0415

    https = [HTTPSHandler(context=context)] if context else []
    opener = build_opener(ProxyHandler({}), *https)  # ignores the proxies of the environment
    try:
        with opener.open(f"{url}/_mockmoov/health", timeout=5):
            return ""
    except HTTPError as error:
        with error:
            return str(error)
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return f"{reason} ".splitlines()[0].rstrip() + trust_hint(error, "--ca-file")
