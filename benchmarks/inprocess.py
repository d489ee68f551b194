"""What a mint costs inside one process, without HTTP.

Processor time, not wall time: others on the machine do not count.
"""

import base64
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figures import Budget, Figure, compare
from benchmarks.network import alternating
from benchmarks.workload import CARDS_SCOPE, cards_request, token_request
from mockmoov.config.settings import Settings
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.requests import parse_token_request, read_parameters
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server

_CALLS = 200  # in one measurement


def mint(repeats: int) -> Iterator[Figure]:
    """One token request through `handle`, and its parts, against one signature by PyJWT."""
    logging.getLogger("mockmoov").setLevel(logging.ERROR)
    server, request, key = create_server(Settings()), token_request(), Ed25519PrivateKey.generate()
    header, claims = _decode(json.loads(_response(server, request).body)["access_token"])
    signing_input = b"x" * 700

    def encode() -> object:
        return jwt.encode(claims, key, "EdDSA", headers=header)

    def parse() -> object:
        return parse_token_request(request.headers, read_parameters(request))

    budget = Budget(bound="<=", limit=2.5)
    yield _compare(
        "mint in process, us (floor: jwt.encode)", repeats, lambda: server.handle(request), encode, budget
    )
    yield _compare("  of which parsing", repeats, parse, encode)
    yield _compare("  of which the signature itself", repeats, lambda: key.sign(signing_input), encode)


def authorize(repeats: int) -> Iterator[Figure]:
    """Finding an operation and letting a request pass, against one verification of its token's signature."""
    server, key = create_server(Settings(upstream="http://localhost:1")), Ed25519PrivateKey.generate()
    token = json.loads(_response(server, token_request(CARDS_SCOPE)).body)["access_token"]
    request, public = cards_request(token), key.public_key()
    if _response(server, request).status != 502:  # it would be forwarded
        raise SystemExit("the request that is measured is not sufficient")
    signing_input = token.rpartition(".")[0].encode()
    signature = key.sign(signing_input)

    def verify() -> object:
        return public.verify(signature, signing_input)

    budget = Budget(bound="<=", limit=2.5)
    name = "authorise in process, us (floor: one verification)"
    yield _compare(name, repeats, lambda: server.handle(request), verify, budget)
    yield _compare("  of which matching", repeats, lambda: server.routes.find(request.path), verify)


def _response(server: AuthorizationServer, request: HttpRequest) -> HttpResponse:
    response = server.handle(request)
    assert response is not None
    return response


def _compare(
    name: str,
    repeats: int,
    ours: Callable[[], object],
    floor: Callable[[], object],
    budget: Budget | None = None,
) -> Figure:
    _microseconds(ours), _microseconds(floor)  # warm
    return compare(name, *alternating(repeats, _microseconds, ours, floor), budget)


def _microseconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(_CALLS):
        call()
    return (time.process_time() - started) / _CALLS * 1e6


def _decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)
