"""Owns what answers where among Moov's paths. Must not know what a request says, nor stores."""

from collections.abc import Mapping
from functools import partial

from mockmoov.oauth import responses
from mockmoov.oauth.operations import BY_PATH
from mockmoov.server.context import Route
from mockmoov.server.endpoints import Beyond, Endpoints, forwarded, nowhere, pong
from mockmoov.server.routing import Routes

_ANSWERED: Mapping[str, Beyond] = {"ping": pong}  # the operations that we answer ourselves


def moov_routes(endpoints: Endpoints, *, forwards: bool) -> Routes[Route]:
    """Moov's paths; `forwards`: the operations that are not answered here are, by another server."""
    oauth = partial(Route, refuse=responses.render_oauth_error, reads_body=True)
    beyond = forwarded if forwards else nowhere
    return Routes(
        {
            "/oauth2/token": {"POST": oauth(name="token", answer=endpoints.token)},
            "/oauth2/revoke": {"POST": oauth(name="revoke", answer=endpoints.revoke)},
            **{
                path: {
                    method: protected(endpoints, item.scopes, _ANSWERED.get(item.name, beyond), item.name)
                    for method, item in methods.items()
                }
                for path, methods in BY_PATH.items()
            },
        }
    )


def protected(endpoints: Endpoints, scopes: tuple[str, ...], beyond: Beyond, name: str = "") -> Route:
    """What wants these scopes, and is answered `beyond` the check for them."""
    answer = partial(endpoints.authorize, scopes, beyond)
    return Route(name=name, answer=answer, refuse=responses.render_unauthorized, reads_body=False)


def meant(methods: Mapping[str, Route], method: str) -> Route | None:
    """What a request is for: where there is one endpoint on its path that one, whatever the method."""
    return next(iter(methods.values())) if len(methods) == 1 else methods.get(method)
