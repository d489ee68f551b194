"""Owns what trusted proxies say of where a request went: scheme and host. Must not know what is answered.

A page that makes its own name resolve to this machine (DNS rebinding) can forge these headers, and comes from
an address that may be a proxy's: so they count only where the Host that came is a known one itself.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.server.hosts import is_known

_LONGEST = 1000  # characters of a header that is read
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')  # RFC 7239 §4: between commas that are not quoted
_PAIR = re.compile(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))\s*(?:;|\Z)', re.IGNORECASE)
_SCHEMES = frozenset({"http", "https"})
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Proxies:
    """Middleware: what a trusted proxy says of scheme and host stands in for what the connection says."""

    def __init__(self, app: ASGIApp, proxies: Iterable[str], hosts: frozenset[str]) -> None:
        self._app = app
        self._proxies = tuple(map(ip_network, proxies))
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, as the client sent it to the proxy."""
        if scope["type"] == "http" and self._believes(scope):
            scope = _forwarded(scope)
        await self._app(scope, receive, send)

    def _believes(self, scope: Scope) -> bool:
        hosts = tuple(Headers(scope=scope).getlist("host"))
        return self._trusts(scope.get("client")) and is_known(hosts, self._hosts, addresses=True)

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        try:
            peer = ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(peer in network for network in self._proxies)


def _forwarded(scope: Scope) -> Scope:
    headers = Headers(scope=scope)
    told = _read_forwarded(headers) or _read_de_facto(headers)
    scheme, host = told.get("proto", "").lower(), told.get("host", "")
    changed = dict(scope)
    if scheme in _SCHEMES:
        changed["scheme"] = scheme
    if _HOST.fullmatch(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        changed["headers"] = [*others, (b"host", host.encode())]
    return changed


def _read_forwarded(headers: Headers) -> Mapping[str, str]:
    """The pairs of `Forwarded` (RFC 7239 §4) that the nearest proxy wrote: the last ones."""
    field = ",".join(headers.getlist("forwarded"))
    elements = _ELEMENT.findall(field) if len(field) <= _LONGEST else []
    pairs = _PAIR.findall(elements[-1].strip()) if elements else []
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in pairs}


def _read_de_facto(headers: Headers) -> Mapping[str, str]:
    """The same from `X-Forwarded-Proto` and `X-Forwarded-Host`."""
    names = {"proto": "x-forwarded-proto", "host": "x-forwarded-host"}
    return {pair: _last(headers.getlist(name)) for pair, name in names.items()}


def _last(values: list[str]) -> str:
    return ",".join(values).rpartition(",")[2].strip()
