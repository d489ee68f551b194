"""Decides who may use the control plane.

Web pages may not: the control plane sends no CORS headers, rejects a foreign Origin, requests that a page of
another site caused, and a Host that isn't allowed. It rejects changes whose Content-Type isn't JSON, which a
page can't send across origins without a preflight.
"""

import hmac
from typing import Literal

from msgspec import Struct

from mockmoov.config.settings import Settings
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.responses import render_error
from mockmoov.server.hosts import ANY, AllowedHosts, exact_names
from mockmoov.simulation.redaction import show_origin

TOKEN_HEADER = "x-mockmoov-token"  # noqa: S105 - a header's name
Exposure = Literal["process", "loopback", "network"]
"""Who can reach the server: this process, this machine, or other machines."""


class ControlAccess(Struct, frozen=True, kw_only=True):
    """Who may use the control plane, and under which hosts; None allows any."""

    is_on: bool
    token: str | None
    hosts: AllowedHosts | None
    public_origin: str | None

    def page_error(self, request: HttpRequest) -> HttpResponse | None:
        """The error response to a request that may not have the web page; None if it may.

        A link on another site may lead to the page. Another site may not use its files.
        """
        if refused := self._host_error(request):
            return refused
        headers = request.headers
        is_link = "navigate" in headers.get("sec-fetch-mode", ())
        is_foreign = "origin" in headers and not self._is_same_origin(request)
        if is_foreign or ("cross-site" in headers.get("sec-fetch-site", ()) and not is_link):
            return render_error(403, "web pages of other sites may not use the files of this page")
        return None

    def _host_error(self, request: HttpRequest) -> HttpResponse | None:
        if not self.is_on:
            return render_error(404, "the control plane is off: set control_token, or set control to on")
        if self.hosts and (reason := self.hosts.rejection_reason(request)):
            return render_error(421, reason)
        return None

    def error_response(self, request: HttpRequest) -> HttpResponse | None:
        """The error response to a request that may not use the control plane; None if it may."""
        if refused := self._host_error(request):
            return refused
        headers = request.headers
        if "cross-site" in headers.get("sec-fetch-site", ()):  # links and images, which have no Origin
            return render_error(403, "web pages of other sites may not use the control plane")
        if "origin" in headers and not self._is_same_origin(request):
            return render_error(403, _foreign_page(show_origin(headers["origin"][0])))
        if self.token is not None and not _is_token(headers.get(TOKEN_HEADER, ()), self.token):
            return render_error(401, "X-Mockmoov-Token is missing or wrong")
        return None

    def _is_same_origin(self, request: HttpRequest) -> bool:
        """Whether the Origin is that of the server itself (RFC 6454 §5), by its Host or its `public_url`."""
        origins, hosts = request.headers["origin"], request.headers.get("host", ())
        if len(origins) != 1 or len(hosts) != 1:
            return False
        own = {serialize_origin(f"{request.scheme}://{hosts[0]}"), self.public_origin}
        return serialize_origin(origins[0]) in own - {None}


def _foreign_page(origin: str) -> str:
    if origin == "null":
        return "web pages without an origin may not use the control plane"
    hint = "set public_url if that is the address of this server"
    return f"web pages of {origin} may not use the control plane: {hint}"


def control_access(settings: Settings, exposure: Exposure) -> ControlAccess:
    """Make the access rules from the settings, for a server with this exposure."""
    has_token = settings.control_token is not None
    auto = exposure != "network" or has_token
    hosts = AllowedHosts(
        names=frozenset([ANY]) if has_token else exact_names(settings.known_hosts),
        advice="add this very name to --allowed-hosts, or set control_token",
        with_addresses=True,
        on_loopback=exposure == "loopback",
    )
    return ControlAccess(
        is_on={"auto": auto, "on": True, "off": False}[settings.control],
        token=settings.control_token,
        hosts=None if exposure == "process" else hosts,
        public_origin=settings.public_origin,
    )


def _is_token(header: tuple[str, ...], token: str) -> bool:
    if len(header) != 1:
        return False
    return hmac.compare_digest(header[0].encode("utf-8", "surrogatepass"), token.encode())
