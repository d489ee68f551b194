"""Owns the environment variables by which programs find Moov. Must not know handles."""

from collections.abc import Mapping
from urllib.parse import urlsplit

# Variable, who reads it, and what it holds.
VARIABLES: Mapping[str, tuple[str, str]] = {
    "MOOV_PUBLIC_KEY": ("moov-go", "{client_id}"),
    "MOOV_SECRET_KEY": ("moov-go", "{client_secret}"),
    "MOOV_URL_SCHEME": ("moov-go", "{scheme}"),
    "MOOV_HOST": ("moov-go", "{host}"),
    "MOOV_USERNAME": ("moovio-sdk, @moovio/sdk", "{client_id}"),
    "MOOV_PASSWORD": ("moovio-sdk, @moovio/sdk", "{client_secret}"),
    "MOOV_CLIENT_ID": ("programs", "{client_id}"),
    "MOOV_CLIENT_SECRET": ("programs", "{client_secret}"),
    "MOOV_ACCOUNT_ID": ("programs", "{account_id}"),
    "MOOV_BASE_URL": ("programs", "{url}"),
    "MOOV_API_URL": ("programs", "{url}"),
}


class Hidden(dict[str, str]):
    """Names with their values; `repr`, and so the output of a failed test, tells the names only."""

    def __repr__(self) -> str:
        return f"<values of {', '.join(self)}>"


def environment(url: str, *, client_id: str, client_secret: str, account_id: str) -> Hidden:
    """The variables with their values for an API key of the server at a URL."""
    parts = urlsplit(url)
    known = {
        "url": url,
        "scheme": parts.scheme,
        "host": parts.netloc,
        "client_id": client_id,
        "client_secret": client_secret,
        "account_id": account_id,
    }
    return Hidden((name, value.format_map(known)) for name, (_, value) in VARIABLES.items())
