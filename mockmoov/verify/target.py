"""Owns what the suite is pointed at: where, with which key, for which scopes. Must not know how to ask."""

from dataclasses import dataclass, field

import httpx2

from mockmoov.verify.results import CannotRun

PING = "/ping.read"
HARMLESS = "/institutions.read"  # a look-up in a public directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key. A temporary one is the suite's own, and goes with everything that belongs to it."""

    client_id: str
    client_secret: str = field(repr=False)
    account_id: str | None = None
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is verified.

    `url`: scheme, host, and at most a port and a path. `scopes`: what tokens are asked for and no more, that
    is `/ping.read` and another. `origin`: a registered one, sent with the calls that use a token. `rate` in
    requests a second, None for as fast as can be; `budget`: requests in all. `timeout`: seconds for one
    exchange; `seconds`: for all of them. `seed` draws other examples; the same ones without it.
    """

    url: str
    key: Key
    scopes: tuple[str, ...] = (PING, HARMLESS)
    origin: str | None = None
    control_token: str | None = field(default=None, repr=False)
    rate: float | None = None
    budget: int = 3000
    timeout: float = 10.0
    seconds: float = 3600.0
    seed: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the host can only be this machine."""
        host = httpx2.URL(self.url).host
        return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


def checked_url(text: str) -> str:
    """A base URL without its last slash; raises `CannotRun`."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        raise CannotRun("the URL cannot be read") from None
    if url.userinfo:
        raise CannotRun("the URL has credentials in it: give them with --client-id and --client-secret")
    if url.scheme not in ("http", "https") or not url.host:
        raise CannotRun("the URL must begin with http:// or https:// and a host")
    if url.query or url.fragment:
        raise CannotRun("the URL must end with its host, port or path")
    return text.rstrip("/")
