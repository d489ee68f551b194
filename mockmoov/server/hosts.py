"""Which Host headers a server accepts, against DNS rebinding.

A page of another site can make its own name resolve to this machine. It cannot make a browser send a loopback
name or an IP address as the Host of a request to that name.
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from msgspec import Struct

from mockmoov.oauth.errors import printable
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.origins import is_loopback_host
from mockmoov.simulation.masking import HIDDEN, READABLE

ANY = "*"
_PORT = re.compile(r":[0-9]*$")
_QUOTED = 100  # characters of a Host in a reason
_LABEL = re.compile(r"[^.:\[\]]+")
_NUMBER = re.compile(r"[_-][0-9]{1,3}\Z")  # of a container: project-mockmoov-1
_SHORT_LABEL = re.compile(r"[A-Za-z0-9_-]{1,15}")


class AllowedHosts(Struct, frozen=True, kw_only=True, eq=False):
    """Loopback names, and `names` in lower case: `mockmoov`, `mockmoov:80`, `.example.com` or `*`.

    A name without a port matches any port; one with a leading dot also matches every name below it.
    """

    names: frozenset[str]
    advice: str = "add it to --allowed-hosts"
    with_addresses: bool = False
    on_loopback: bool = False

    def rejection_reason(self, request: HttpRequest) -> str:
        """Why a request is rejected, or "" if it isn't. On loopback, one of HTTP/1.0 may lack the Host.

        Health checks of load balancers do; browsers always send it.
        """
        fields = request.headers.get("host", ())
        if len(fields) == 1 and fields[0] and _is_allowed(fields[0], self):
            return ""
        if len(fields) > 1:
            return "more than one Host header was sent"
        if not any(fields):
            may_lack = self.on_loopback and not fields and not request.reads_chunks
            return "" if may_lack else "the Host header is missing or empty"
        return f"the Host {quote_host(fields[0])} is not allowed: {self.advice}"


def exact_names(names: frozenset[str]) -> frozenset[str]:
    """The names that match only themselves."""
    return frozenset(name for name in names if name != ANY and not name.startswith("."))


@lru_cache(maxsize=64)
def _is_allowed(host: str, allowed: AllowedHosts) -> bool:
    return (
        any(_matches(name, host.lower()) for name in allowed.names)
        or names_loopback(host)
        or (allowed.with_addresses and _names_address(host))
    )


def _matches(name: str, host: str) -> bool:
    forms = (host, _PORT.sub("", host))
    return name in (ANY, *forms) or (
        name.startswith(".") and any(f".{form}".endswith(name) for form in forms)
    )


def names_loopback(host: str) -> bool:
    """Whether a Host, with or without a port, can only mean this machine."""
    return is_loopback_host(_PORT.sub("", host.strip(" \t")))


def _names_address(host: str) -> bool:
    try:
        ip_address(_PORT.sub("", host).strip("[]"))
    except ValueError:
        return False
    return True


def quote_host(host: str) -> str:
    """Quote a Host for a reason, without what could be a secret: odd characters, and long mixtures."""
    return printable(_LABEL.sub(lambda label: _redact(label[0]), host), _QUOTED)


def _redact(label: str) -> str:
    words = _NUMBER.sub("", label).replace("_", "-")
    is_harmless = _SHORT_LABEL.fullmatch(label) or READABLE.fullmatch(words)
    return label if is_harmless else HIDDEN
