"""The resources of the whole server: its reset and its settings."""

from mockmoov.config.settings import SETTINGS, Settings
from mockmoov.config.stores import shown_store
from mockmoov.control_plane.resource import ControlRequest
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_json
from mockmoov.storage.repository import new_epoch

_SECRET = "(set)"  # noqa: S105 - replaces the value of a secret setting


def reset(request: ControlRequest) -> HttpResponse:
    """Reset the server, or the state of one API key. Tokens issued before stop working."""
    request.allow_members()
    owner = request.owner()
    if owner is None:
        request.server.reset()
    else:
        request.server.repository.reset_api_key(owner, epoch=new_epoch())
    return render_json({"client_id": owner})


def config(request: ControlRequest) -> HttpResponse:
    """List each setting with its value and source. Secrets are only reported as set or not."""
    from importlib.metadata import version  # noqa: PLC0415 - it takes a while, and a start does not need it

    settings = request.server.settings
    document = {
        name: {"value": shown_value(settings, name), "source": settings.set_by.get(name, "default")}
        for name in SETTINGS
    }
    return render_json({"version": version("mockmoov"), "settings": document})


def shown_value(settings: Settings, name: str) -> object:
    """The value of a setting without secrets."""
    value = getattr(settings, name)
    if name == "api_keys":
        return [api_key.client_id for api_key in settings.api_keys]
    if name == "stubs":
        return [stub.endpoint for stub in settings.stubs]
    if name == "store":
        return shown_store(settings.store)
    if name == "upstream" and value is not None:
        return str(value)
    is_secret = not SETTINGS[name].repr
    return _SECRET if is_secret and value is not None else value
