"""The sockets that a server listens on by its settings, and who can reach it there."""

import contextlib
import socket
from dataclasses import dataclass

from mockmoov.config.settings import Settings
from mockmoov.control_plane.access import Exposure
from mockmoov.web.certificates import make_tls
from mockmoov.web.uvicorn_server import TlsListeners, base_url, bind, is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Bound sockets and their URLs; `ca_pem` is the CA that https clients must trust."""

    sockets: list[socket.socket]
    secure: TlsListeners | None
    url: str
    https_url: str | None
    ca_pem: bytes | None
    exposure: Exposure

    @property
    def urls(self) -> tuple[str, ...]:
        """The http URL, and the https URL if there is one."""
        return (self.url,) if self.https_url is None else (self.url, self.https_url)


def open_listeners(settings: Settings) -> Listeners:
    """Bind the sockets of the settings; raises `BindError` or `SettingsError`."""
    tls = make_tls(settings)
    with contextlib.ExitStack() as cleanup:
        sockets = [cleanup.enter_context(item) for item in bind(settings.host, settings.port)]
        secure = https_url = None
        if tls is not None:
            secure = TlsListeners(sockets=bind(settings.host, settings.tls_port), context=tls.context)
            https_url = base_url(settings.host, secure.sockets, scheme="https")
        cleanup.pop_all()
    return Listeners(
        sockets=sockets,
        secure=secure,
        url=base_url(settings.host, sockets),
        https_url=https_url,
        ca_pem=tls.ca_pem if tls else None,
        exposure="loopback" if is_loopback(sockets) else "network",
    )
