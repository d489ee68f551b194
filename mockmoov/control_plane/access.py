"""Owns who may use the control plane. Must not know what it can do.

No web page may: it has no CORS, and refuses a foreign Origin, an unknown Host, and any change whose body is
not labelled as JSON, which a page cannot send across origins unasked.
"""

import hmac
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from mockmoov.config.settings import Settings
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.responses import render_error
from mockmoov.server.hosts import UNKNOWN_HOST, is_known

TOKEN_HEADER = "x-mockmoov-token"  # noqa: S105 - a header's name
Exposure = Literal["process", "loopback", "network"]
"""Who can reach the server: this process alone, this machine, or others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whether the control plane is there, for whom, and by which names."""

    is_on: bool
    token: str | None
    hosts: frozenset[str]
    asks_host: bool
    public_url: str | None

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a request that may not pass; None if it may."""
        headers = request.headers
        if not self.is_on:
            return render_error(404, "the control plane is off: set control_token, or control to on")
        if self.asks_host and not is_known(headers.get("host", ()), self.hosts, addresses=True):
            return render_error(421, UNKNOWN_HOST)
        if "origin" in headers and not self._is_own(request):
            return render_error(403, "web pages of other origins may not use the control plane")
        if self.token is not None and not _same(headers.get(TOKEN_HEADER, ()), self.token):
            return render_error(401, "X-Mockmoov-Token is missing or wrong")
        return None

    def _is_own(self, request: HttpRequest) -> bool:
        """Whether the Origin is where the request went to (RFC 6454 §5), or where we are said to be."""
        origins, hosts = request.headers["origin"], request.headers.get("host", ())
        if len(origins) != 1 or len(hosts) != 1:
            return False
        own = [f"{request.scheme}://{hosts[0]}", *([_origin_of(self.public_url)] if self.public_url else [])]
        return serialize_origin(origins[0]) in set(map(serialize_origin, own)) - {None}


def control_access(settings: Settings, exposure: Exposure) -> Guard:
    """The guard that settings ask for, for a server that can be reached by those."""
    auto = exposure != "network" or settings.control_token is not None
    return Guard(
        is_on={"auto": auto, "on": True, "off": False}[settings.control],
        token=settings.control_token,
        hosts=settings.known_hosts,
        asks_host=exposure != "process",
        public_url=settings.public_url,
    )


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _same(shown: tuple[str, ...], token: str) -> bool:
    return len(shown) == 1 and hmac.compare_digest(shown[0].encode("utf-8", "surrogatepass"), token.encode())
