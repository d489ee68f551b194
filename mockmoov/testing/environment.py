"""The environment variables that tell programs where Moov is and how to log in, and those of pytest-xdist."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

# Variable, the programs that read it, and a template of its value.
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


class SecretMapping(dict[str, str]):
    """A mapping whose `repr` shows the names only, so that a failed test does not print secrets."""

    def __repr__(self) -> str:
        return f"<hidden values of {', '.join(self)}>"


def environment(url: str, credentials: Mapping[str, str]) -> SecretMapping:
    """The variables and their values for the credentials of an API key of the server at `url`."""
    parts = urlsplit(url)
    members = {"url": url, "scheme": parts.scheme, "host": parts.netloc, **credentials}
    return SecretMapping((name, template.format_map(members)) for name, (_, template) in VARIABLES.items())


def own_store(store: str, environ: Mapping[str, str]) -> str:
    """The store of this process: each worker of pytest-xdist has its own file, `state-gw0.db`."""
    kind, _, path = store.partition(":")
    worker = environ.get("PYTEST_XDIST_WORKER")
    if kind != "sqlite" or not worker:
        return store
    file = Path(path)
    return f"{kind}:{file.with_name(f'{file.stem}-{worker}{file.suffix}')}"


def own_namespace(namespace: str, environ: Mapping[str, str]) -> str:
    """The namespace of this process in Redis: each worker of pytest-xdist has its own, `default-gw0`."""
    return "-".join(filter(None, (namespace, environ.get("PYTEST_XDIST_WORKER"))))
