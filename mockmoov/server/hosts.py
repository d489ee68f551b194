"""Which Host headers a server accepts, against DNS rebinding.

A page of another site can make its own name resolve to this machine. It cannot make a browser send a loopback
name or an IP address as the Host of a request to that name.
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from mockmoov.oauth.origins import is_loopback_host

UNKNOWN_HOST = "the Host header is unknown, missing or repeated: see the setting allowed_hosts"
_PORT = re.compile(r":[0-9]*$")


@lru_cache(maxsize=64)
def is_known(host_fields: tuple[str, ...], hosts: frozenset[str], *, addresses: bool = False) -> bool:
    """Whether there is one Host that names loopback, is in `hosts`, or (with `addresses`) is an IP address.

    `hosts` are in lower case; one without a port matches any port.
    """
    if len(host_fields) != 1:
        return False
    host = host_fields[0].lower()
    return (
        not hosts.isdisjoint((host, _PORT.sub("", host)))
        or names_loopback(host)
        or (addresses and _names_address(host))
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
