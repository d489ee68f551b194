"""What there is to choose from, as resources: operations, scopes, presets of faults, defects of tokens."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mockmoov.control_plane.resource import ControlRequest, ResourceError
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.encoding import read_json
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import BY_PATH, operation_name
from mockmoov.oauth.responses import render_json
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.faults import PRESETS


def read(_request: ControlRequest) -> HttpResponse:
    """List them. An operation requires all scopes of one of its sets; without a set, HTTP Basic."""
    document = {"scopes": list(SCOPES), "presets": list(PRESETS), "defects": list(DEFECTS)}
    return render_json({"operations": _operations(), **document})


def read_operation(request: ControlRequest) -> HttpResponse:
    """Read one operation, with the example that the OpenAPI description of the settings has for it."""
    try:
        name = operation_name(request.parameters["operation"])
    except FieldError as error:
        raise ResourceError(404, str(error)) from None
    operation = next(operation for operation in _operations() if operation["name"] == name)
    return render_json({**operation, "example": _example(request.server, operation)})


def _operations() -> list[dict[str, Any]]:
    return [
        {"name": item.name, "method": method, "path": path, "scope_sets": item.scope_sets}
        for path, methods in BY_PATH.items()
        for method, item in methods.items()
    ]


def _example(server: AuthorizationServer, operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Its status and, unless it has no body, its JSON; None without one."""
    if server.examples is None:
        return None
    response = server.examples.answers[operation["path"], operation["method"]]()
    if not response.body:
        return {"status": response.status} if response.status < 300 else None
    with suppress(ValueError):
        return {"status": response.status, "json": read_json(response.body)}
    return None
