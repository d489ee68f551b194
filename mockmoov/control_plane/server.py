"""The resources of the whole server: its reset and its settings."""

from secrets import token_hex

from mockmoov.config.settings import SETTINGS, Settings
from mockmoov.control_plane.resource import ControlRequest, ControlResponse, allow_members, owner_of
from mockmoov.server.authorization_server import AuthorizationServer

_SECRET = "(set)"  # noqa: S105 - replaces the value of a secret setting


class ServerResource:
    """Resets the server or an API key, and lists the settings."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server

    def reset(self, request: ControlRequest) -> ControlResponse:
        """Reset the server, or the state of one API key. Tokens issued before stop working."""
        allow_members(request)
        owner = owner_of(request, self._server.repository)
        if owner is None:
            self._server.reset()
        else:
            self._server.repository.reset_api_key(owner, epoch=token_hex(8))
        return ControlResponse(document={"client_id": owner})

    def config(self, _request: ControlRequest) -> ControlResponse:
        """List each setting with its value and source. Secrets are only reported as set or not."""
        settings = self._server.settings
        return ControlResponse(
            document={
                "settings": {
                    name: {"value": _value(settings, name), "source": settings.set_by.get(name, "default")}
                    for name in SETTINGS
                }
            }
        )


def _value(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    if name == "api_keys":
        return [api_key.client_id for api_key in settings.api_keys]
    is_secret = not SETTINGS[name].repr
    return _SECRET if is_secret and value is not None else value
