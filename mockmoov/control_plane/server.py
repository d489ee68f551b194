"""Owns what concerns all of a server: reset, and the settings in force. Must not know paths or HTTP."""

from secrets import token_hex

from mockmoov.config.settings import SETTINGS, Settings
from mockmoov.control_plane.resource import ControlRequest, ControlResponse, allow_members, owner_of
from mockmoov.server.authorization_server import AuthorizationServer

_SET = "(set)"


class ServerResource:
    """Reset and settings."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server

    def reset(self, request: ControlRequest) -> ControlResponse:
        """Begin again: all of the server, or what belongs to one API key. Tokens of before are dead."""
        allow_members(request)
        owner = owner_of(request, self._server.repository)
        if owner is None:
            self._server.reset()
        else:
            self._server.repository.reset_api_key(owner, epoch=token_hex(8))
        return ControlResponse(document={"client_id": owner})

    def config(self, _request: ControlRequest) -> ControlResponse:
        """Each setting with where it was set; of secrets only whether they are."""
        settings = self._server.settings
        return ControlResponse(
            document={
                "settings": {
                    name: {"value": _value(settings, name), "source": settings.sources.get(name, "default")}
                    for name in SETTINGS
                }
            }
        )


def _value(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    if name == "api_keys":
        return [api_key.client_id for api_key in settings.api_keys]
    return _SET if value is not None and not SETTINGS[name].repr else value
