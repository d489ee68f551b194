"""The command `mockmoov healthcheck`: tells a container runtime whether the server answers."""

import click

from mockmoov.cli.options import ca_file_option, fail, tls_context, url_option
from mockmoov.config.tls_trust import trust_hint


@click.command()
@url_option
@ca_file_option
def healthcheck(url: str, ca_file: str | None) -> None:
    """Exit with 0 if a server answers at the URL, with 1 if not. For containers without curl."""
    from http.client import HTTPException  # noqa: PLC0415 - `--help` doesn't need these
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # noqa: PLC0415

    context = tls_context(url, ca_file)
    https = [HTTPSHandler(context=context)] if context else []
    opener = build_opener(ProxyHandler({}), *https)  # ignores the proxies of the environment
    try:
        with opener.open(f"{url}/_mockmoov/health", timeout=5):
            pass
    except HTTPError as error:
        with error:
            fail(1, f"{url} is not healthy: {error}")
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        message = f"{url} is not healthy: {reason}".splitlines()[0]
        fail(1, message + trust_hint(error, "--ca-file"))
