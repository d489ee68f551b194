"""The sockets that a server listens on by its settings, and who can reach it there."""

import errno
import os
import socket
import ssl
from collections.abc import Iterable
from contextlib import ExitStack
from ipaddress import ip_address

from msgspec import Struct

from mockmoov.config.settings import Settings
from mockmoov.control_plane.access import Exposure, control_access
from mockmoov.web.certificates import Certificate, make_certificate, make_context

# What `localhost` means: both, on the same port (RFC 6761 §6.3). Python loads no IDNA for bytes.
_ADDRESSES = {"localhost": (b"127.0.0.1", b"::1")}
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody can connect to "every address"
_ANY_HOST = "host must be a name or an address of this machine"
_HINTS = {  # by error, and whether the port was named
    (errno.EADDRINUSE, True): "another mockmoov? {setting} 0 picks a free one",
    (errno.EADDRINUSE, False): "host 127.0.0.1 needs a port for IPv4 only",
    (errno.EACCES, True): "{setting} 0 picks one that needs no privileges",
}
_BACKLOG = 2048
_TRIES = 20  # ports, where any port will do that is free for IPv4 and IPv6


class BindError(OSError):
    """The server cannot listen on an address; the message says which, why, and which setting would help."""


class TlsListeners(Struct, frozen=True, kw_only=True):
    """Bound sockets for https, and how TLS is spoken there."""

    sockets: list[socket.socket]
    context: ssl.SSLContext


class Listeners(Struct, frozen=True, kw_only=True):
    """Bound sockets and their URLs, and the certificate that mockmoov has made for https."""

    sockets: list[socket.socket]
    secure: TlsListeners | None
    url: str
    https_url: str | None
    certificate: Certificate | None
    exposure: Exposure
    has_control: bool

    @property
    def ca_pem(self) -> bytes | None:
        """The CA that https clients must trust, in PEM, if it is mockmoov's own."""
        return self.certificate.ca if self.certificate else None

    def close(self) -> None:
        """Close the sockets of a server that doesn't start."""
        for item in (*self.sockets, *(self.secure.sockets if self.secure else ())):
            item.close()

    @property
    def bound(self) -> str:
        """The addresses and ports that are really listened on, for people."""
        both = (*self.sockets, *(self.secure.sockets if self.secure else ()))
        return ", ".join(_place(item) for item in both)


def open_listeners(settings: Settings) -> Listeners:
    """Bind the sockets of the settings; raises `BindError` or `SettingsError`."""
    certificate = make_certificate(settings)
    context = make_context(settings, certificate)
    with ExitStack() as cleanup:
        sockets = [cleanup.enter_context(item) for item in bind(settings.host, settings.port)]
        secure = https_url = None
        if context is not None:
            secure = TlsListeners(
                sockets=bind(settings.host, settings.tls_port, setting="tls_port"), context=context
            )
            https_url = base_url(settings.host, secure.sockets, scheme="https")
        cleanup.pop_all()
    exposure: Exposure = "loopback" if is_loopback(sockets) else "network"
    return Listeners(
        sockets=sockets,
        secure=secure,
        url=base_url(settings.host, sockets),
        https_url=https_url,
        certificate=certificate,
        exposure=exposure,
        has_control=control_access(settings, exposure).is_on,
    )


def bind(host: str, port: int, *, setting: str = "port") -> list[socket.socket]:
    """Sockets bound to host and port, 0 for any free port; raises `BindError`, which names the setting.

    On a machine with only IPv4 or only IPv6, `localhost` means that one.
    """
    for _ in range(_TRIES):
        try:
            return _bind_all(_ADDRESSES.get(host, (host,)), port)
        except UnicodeError:  # a name that IDNA cannot encode
            raise BindError(f"cannot listen on {host} port {port}: not a host name; {_ANY_HOST}") from None
        except OSError as error:
            reason = error
            if port != 0 or error.errno != errno.EADDRINUSE:
                break
    why = reason.strerror if isinstance(reason, socket.gaierror) else os.strerror(reason.errno or 0)
    hint = _HINTS.get((reason.errno or 0, port != 0), _ANY_HOST).format(setting=setting)
    raise BindError(f"cannot listen on {host} port {port}: {why}; {hint}") from None


def _bind_all(addresses: Iterable[str | bytes], port: int) -> list[socket.socket]:
    with ExitStack() as cleanup:
        bound: list[socket.socket] = []
        missing: OSError | None = None
        for address in addresses:
            try:
                family, _, _, _, place = socket.getaddrinfo(
                    address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                # It listens already, because two sockets that are only bound may share a port.
                listener = cleanup.enter_context(socket.create_server(place, family=family, backlog=_BACKLOG))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            else:
                port = listener.getsockname()[1]
                bound.append(listener)
        if missing and not bound:
            raise missing
        cleanup.pop_all()
        return bound


def base_url(host: str, sockets: list[socket.socket], *, scheme: str = "http") -> str:
    """The URL under which the sockets are reached, without a trailing slash."""
    address, port = sockets[0].getsockname()[:2]
    address = _REACHED_AT.get(address, host if host in _ADDRESSES else address)
    return f"{scheme}://[{address}]:{port}" if ":" in address else f"{scheme}://{address}:{port}"


def _place(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_loopback(sockets: list[socket.socket]) -> bool:
    """Whether only this machine can reach the sockets."""
    return all(ip_address(item.getsockname()[0]).is_loopback for item in sockets)
