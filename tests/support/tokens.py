"""Obtain, use, refresh and revoke tokens of the example key, without a socket."""

import json
from typing import Any

from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import Header, basic, bearer, post_form


def members(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer."""
    document: dict[str, Any] = json.loads(answer[2])
    return document


def mint(send: Send, scope: str = "/ping.read", **parameters: str) -> dict[str, Any]:
    """A token response of the client credentials grant."""
    form = {"grant_type": "client_credentials", "scope": scope, **parameters}
    answer = post_form(send, "/oauth2/token", basic(), **form)
    assert answer[0] == 200, answer
    return members(answer)


def refresh(send: Send, token: str, *headers: Header, **parameters: str) -> Answer:
    """The answer to a refresh; `headers` replace the credentials."""
    form = {"grant_type": "refresh_token", "refresh_token": token, **parameters}
    return post_form(send, "/oauth2/token", *(headers or (basic(),)), **form)


def revoke(send: Send, token: str, *headers: Header, **parameters: str) -> Answer:
    """The answer to a revocation; `headers` replace the credentials."""
    return post_form(send, "/oauth2/revoke", *(headers or (basic(),)), token=token, **parameters)


def ping(send: Send, token: str, *headers: Header) -> int:
    """Use an access token; the status."""
    return send("GET", "/ping", [bearer(token), *headers], b"")[0]
