"""What there is to choose from, as a resource: operations, scopes, presets of faults, defects of tokens."""

from mockmoov.control_plane.resource import ControlRequest
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import BY_PATH
from mockmoov.oauth.responses import render_json
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.simulation.faults import PRESETS


def read(_request: ControlRequest) -> HttpResponse:
    """List them. An operation requires all scopes of one of its sets; without a set, HTTP Basic."""
    operations = [
        {"name": item.name, "method": method, "path": path, "scope_sets": item.scope_sets}
        for path, methods in BY_PATH.items()
        for method, item in methods.items()
    ]
    return render_json(
        {"operations": operations, "scopes": list(SCOPES), "presets": list(PRESETS), "defects": list(DEFECTS)}
    )
