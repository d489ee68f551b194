"""Which endpoint answers which of Moov's paths."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from mockmoov.oauth import responses
from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import BY_PATH
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import AuthorizedClient, Endpoints, answer_ping, forward, not_implemented
from mockmoov.server.routing import Routes
from mockmoov.server.steps import Forward

_Authorized = TypeVar("_Authorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[_Authorized]):
    """How one method of one path is answered; `name` is the endpoint's name in faults and the journal.

    `authorize` decides whether the client may use the endpoint. Its result goes to `answer`, unless it is a
    response. A planned success comes between the two, so that it cannot replace a refusal. Both may raise
    `OAuthError`, which `render_error` renders.
    """

    name: str
    authorize: Callable[[RequestContext, Contract], _Authorized | HttpResponse]
    answer: Callable[[RequestContext, Contract, _Authorized], HttpResponse | Forward]
    render_error: Callable[[Contract, OAuthError], HttpResponse]
    reads_body: bool


def moov_routes(endpoints: Endpoints, *, forwards: bool) -> Routes[Route[Any]]:
    """The routes of Moov's paths; with `forwards` the upstream answers the operations, save `/ping`."""
    others = forward if forwards else not_implemented
    return Routes(
        {
            "/oauth2/token": {
                "POST": Route(
                    name="token",
                    authorize=endpoints.authenticate_token_request,
                    answer=endpoints.issue_tokens,
                    render_error=responses.render_oauth_error,
                    reads_body=True,
                )
            },
            "/oauth2/revoke": {
                "POST": Route(
                    name="revoke",
                    authorize=endpoints.authenticate_revocation_request,
                    answer=endpoints.revoke_token,
                    render_error=responses.render_oauth_error,
                    reads_body=True,
                )
            },
            **{
                path: {
                    method: protected_route(
                        endpoints, item.name, item.scopes, _ANSWERED_HERE.get(item.name, others)
                    )
                    for method, item in methods.items()
                }
                for path, methods in BY_PATH.items()
            },
        }
    )


Answer = Callable[[RequestContext, Contract, AuthorizedClient], HttpResponse | Forward]
# The operations that mockmoov answers itself.
_ANSWERED_HERE: Mapping[str, Answer] = {"ping": answer_ping}


def protected_route(
    endpoints: Endpoints, name: str, scopes: tuple[str, ...], answer: Answer
) -> Route[AuthorizedClient]:
    """A route that requires these scopes, all of them."""
    return Route(
        name=name,
        authorize=partial(endpoints.authorize, scopes),
        answer=answer,
        render_error=responses.render_unauthorized,
        reads_body=False,
    )


def matching_route(methods: Mapping[str, Route[Any]], method: str) -> Route[Any] | None:
    """The route that a request is for: the only one of its path whatever the method, else by method."""
    return next(iter(methods.values())) if len(methods) == 1 else methods.get(method)
