"""Owns what a probe works with: shared things, a grant, how a body is written. Must not know rules."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2

from mockmoov.verify.budget import Send, Wire
from mockmoov.verify.control_plane import Plane
from mockmoov.verify.masking import Hidden
from mockmoov.verify.response import Answer
from mockmoov.verify.target import Target

Header = tuple[str, str]
Parameters = dict[str, Any] | Sequence[tuple[str, str]]

TOKEN, REVOKE, PING_PATH = "/oauth2/token", "/oauth2/revoke", "/ping"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a successful token request gave."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    scope: str
    answer: Answer


@dataclass(slots=True, kw_only=True)
class Work:
    """What the checks of one session share: the wire, what is hidden, what is to be revoked."""

    target: Target
    wire: Wire
    hidden: Hidden
    plane: Plane | None = None
    is_mockmoov: bool = False
    origin: str | None = None
    live: list[str] = field(default_factory=list, repr=False)
    clock: Callable[[], float] = time.time


class Through(httpx2.BaseTransport):
    """A transport that is a function."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask."""
        return self._send(request)


def encoded(parameters: Parameters, *, as_json: bool) -> tuple[str, bytes]:
    """Media type and body; what is None is left out."""
    pairs = list(parameters.items()) if isinstance(parameters, dict) else list(parameters)
    given = [(name, value) for name, value in pairs if value is not None]
    if as_json:
        return JSON, json.dumps(dict(given)).encode()
    form = urlencode([(_bytes(name), _bytes(value)) for name, value in given])
    return FORM, form.encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def as_form(parameters: dict[str, str | None]) -> bytes:
    """Parameters as a form."""
    return encoded(parameters, as_json=False)[1]


def as_json(parameters: dict[str, str | None]) -> bytes:
    """Parameters as JSON."""
    return encoded(parameters, as_json=True)[1]
