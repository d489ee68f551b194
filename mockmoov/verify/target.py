"""What the suite verifies: a URL, an API key, and limits."""

from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx2

PING_SCOPE = "/ping.read"
HARMLESS_SCOPE = "/institutions.read"  # look-ups in a public directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key. A temporary key was created by the suite, which deletes it together with its tokens.

    `source` says where it comes from, for the message if the server rejects it.
    """

    client_id: str
    client_secret: str = field(repr=False)
    account_id: str | None = None
    is_temporary: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the suite verifies.

    `url`: scheme and host, and optionally a port and a path. `scopes`: the only scopes that tokens get:
    `/ping.read` and another. `origin`: a registered origin, to send with calls that use a token. `rate`:
    requests a second, None for no limit. `budget`: requests in total. `timeout`: seconds for one exchange.
    `seconds`: for the whole run. `seed`: selects the examples; without it they are the same in every run.
    """

    url: str
    key: Key
    scopes: tuple[str, ...] = (PING_SCOPE, HARMLESS_SCOPE)
    origin: str | None = None
    control_token: str | None = field(default=None, repr=False)
    rate: float | None = None
    budget: int = 3000
    timeout: float = 10.0
    seconds: float = 3600.0
    seed: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return is_loopback(self.url)


def is_loopback(url: str) -> bool:
    """Whether the host of a valid URL is this machine."""
    host = httpx2.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, which may begin with 127. too
        return host == "localhost" or host.endswith(".localhost")
