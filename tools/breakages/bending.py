"""How answers are bent: by path, status, contract or reason."""

import json
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import REASON_HEADER
from tools.breakages.seams import Bend

Change = Callable[[HttpResponse], HttpResponse]
TOKEN, REVOKE, PING = "/oauth2/token", "/oauth2/revoke", "/ping"


def header(name: str, value: str | None) -> Change:
    """Set a header, or leave it out."""

    def change(response: HttpResponse) -> HttpResponse:
        others = tuple(item for item in response.headers if item[0] != name)
        return replace(response, headers=others if value is None else (*others, (name, value)))

    return change


def status(value: int) -> Change:
    """Answer with this status."""
    return lambda response: replace(response, status=value)


def members(change: Callable[[Any], object]) -> Change:
    """Change the members of a JSON body, if there is one."""

    def bend(response: HttpResponse) -> HttpResponse:
        if not response.body:
            return response
        document = json.loads(response.body)
        change(document)
        return replace(response, body=json.dumps(document).encode())

    return bend


def without(name: str) -> Change:
    """Leave a member out."""
    return members(lambda document: document.pop(name))


def with_member(name: str, value: Callable[[Any], Any]) -> Change:
    """Change one member."""
    return members(lambda document: document.update({name: value(document.get(name))}))


def body(value: int, text: bytes, content_type: str = "application/json") -> Change:
    """Answer with this status and text."""

    def bend(response: HttpResponse) -> HttpResponse:
        return replace(header("content-type", content_type)(response), status=value, body=text)

    return bend


def where(
    change: Change, *, method: str | None = None, path: str = TOKEN, status: int = 200, reason: str = ""
) -> Bend:
    """Bend only the answers with this status, at a path that begins so, whose reason has this in it."""

    def bend(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        told = dict(response.headers).get(REASON_HEADER, "")
        asked = request.path.startswith(path) and method in (None, request.method)
        return change(response) if asked and response.status == status and reason in told else response

    return bend


def because(change: Change, reason: str) -> Bend:
    """Bend only the answers with this reason, whatever their path and status."""

    def bend(_request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return change(response) if reason in dict(response.headers).get(REASON_HEADER, "") else response

    return bend


def everywhere(change: Change) -> Bend:
    return lambda _request, response: change(response)


def dated(bend: Bend) -> Bend:
    """Bend only where a version was asked for."""

    def bent(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return bend(request, response) if "x-moov-version" in request.headers else response

    return bent


def undated(bend: Bend) -> Bend:
    """Bend only where no version was asked for."""

    def bent(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return response if "x-moov-version" in request.headers else bend(request, response)

    return bent


def code(value: str, reason: str, *, path: str = TOKEN) -> Bend:
    """Say another code than the one that this reason has, or 400 with it where that has none."""
    return where(with_member("error", lambda _: value), path=path, status=400, reason=reason)
