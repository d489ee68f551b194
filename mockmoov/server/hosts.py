"""Owns which Host headers a server answers to (DNS rebinding). Must not know sockets or what is served.

A page of another site can make its own name resolve to this machine; it cannot make a browser send a
loopback name, or an IP address, as the Host of a request to that name.
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from mockmoov.oauth.origins import is_loopback_host

UNKNOWN_HOST = "the Host header names no known host, or is repeated: see the setting allowed_hosts"
_PORT = re.compile(r":[0-9]*$")


@lru_cache(maxsize=64)
def is_known(values: tuple[str, ...], hosts: frozenset[str], *, addresses: bool = False) -> bool:
    """Whether the Host values are one, and it names loopback, is in `hosts`, or (`addresses`) an address.

    `hosts` are in lower case; one without a port stands for the name on any.
    """
    if len(values) != 1:
        return False
    host = values[0].lower()
    return (
        not hosts.isdisjoint((host, _PORT.sub("", host)))
        or names_loopback(host)
        or (addresses and _names_address(host))
    )


def names_loopback(host: str) -> bool:
    """Whether a Host value, with or without a port, can only mean this machine."""
    return is_loopback_host(_PORT.sub("", host.strip(" \t")))


def _names_address(host: str) -> bool:
    try:
        ip_address(_PORT.sub("", host).strip("[]"))
    except ValueError:
        return False
    return True
