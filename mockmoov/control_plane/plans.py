"""Plans as resources of the control plane: the faults, or the stubs, of the server and of each API key."""

from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.control_plane.resource import ControlRequest, ResourceError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.simulation.matching import Planned
from mockmoov.storage.plans import Plans
from mockmoov.storage.simulation import SimulationState


class PlanResource(Struct, frozen=True, kw_only=True):
    """The plans of one kind, and where they are. `item` is what they consist of, such as fault.

    `make` makes one from the members of a request; raises `FieldError`.
    """

    item: str
    plans: Callable[[SimulationState], Plans[Any]]
    make: Callable[[Mapping[str, Any]], Planned]

    def list_all(self, request: ControlRequest) -> HttpResponse:
        """List a plan in the order in which it was added, with its counts."""
        owner = request.owner()
        return render_json({"client_id": owner, f"{self.item}s": self._plans(request).read(owner)})

    def add(self, request: ControlRequest) -> HttpResponse:
        """Add to the end of a plan."""
        owner = request.owner()
        planned = replace(self.make(request.body), id=token_hex(8))
        try:
            self._plans(request).add(owner, planned)
        except ValueError as error:
            raise ResourceError(409, str(error)) from None
        return render_json({"client_id": owner, self.item: planned}, status=201)

    def remove(self, request: ControlRequest) -> HttpResponse:
        """Remove one of a plan."""
        request.allow_members()
        if not self._plans(request).remove(request.owner(), request.parameters[f"{self.item}_id"]):
            raise ResourceError(404, f"there is no {self.item} with this id in the plan")
        return render_empty(204)

    def remove_all(self, request: ControlRequest) -> HttpResponse:
        """Remove all of a plan."""
        request.allow_members()
        self._plans(request).remove(request.owner())
        return render_empty(204)

    def _plans(self, request: ControlRequest) -> Plans[Any]:
        return self.plans(request.server.simulation)
