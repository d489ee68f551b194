"""The stubs of the server and of each API key, as resources of the control plane."""

from dataclasses import replace
from secrets import token_hex

from mockmoov.control_plane.resource import ControlRequest, ResourceError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.simulation.stubs import make_stub


def list_all(request: ControlRequest) -> HttpResponse:
    """List the stubs in the order they were added, with how often each one matched and answered."""
    owner = request.owner()
    return render_json({"client_id": owner, "stubs": request.server.simulation.stubs.read(owner)})


def add(request: ControlRequest) -> HttpResponse:
    """Add a stub, which wins over those before it."""
    owner = request.owner()
    stub = replace(make_stub(request.body), id=token_hex(8))
    try:
        request.server.simulation.stubs.add(owner, stub)
    except ValueError as error:
        raise ResourceError(409, str(error)) from None
    return render_json({"client_id": owner, "stub": stub}, status=201)


def remove(request: ControlRequest) -> HttpResponse:
    """Remove one stub."""
    request.allow_members()
    if not request.server.simulation.stubs.remove(request.owner(), request.parameters["stub_id"]):
        raise ResourceError(404, "there is no stub with this id in the plan")
    return render_empty(204)


def remove_all(request: ControlRequest) -> HttpResponse:
    """Remove all stubs."""
    request.allow_members()
    request.server.simulation.stubs.remove(request.owner())
    return render_empty(204)
