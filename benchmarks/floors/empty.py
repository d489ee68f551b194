"""What a start costs at least: Starlette with one route. It is also the upstream of the forwarded calls."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _root(_request: Request) -> Response:
    return Response()


app = Starlette(routes=[Route("/{path:path}", _root)])
