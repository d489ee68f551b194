"""A bare ASGI application: it reads the form and HTTP Basic; msgspec and one call of Ed25519 are its JWTs.

The calls do what those of the bare Starlette application do, and compare the client's secret.
"""

import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import json
from starlette.types import Receive, Scope, Send

from benchmarks.floors import CLIENT_ID, CLIENT_SECRET, HEADER, RefreshTokens, claims, response

_Answer = tuple[int, bytes]
_KEY = Ed25519PrivateKey.generate()
_PUBLIC_KEY = _KEY.public_key()
_CREDENTIALS = f"{CLIENT_ID}:{CLIENT_SECRET}".encode()
_refresh_tokens = RefreshTokens()


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


_HEADER = _encode(json.encode(HEADER))


def _sign(scope: str) -> str:
    signing_input = _HEADER + b"." + _encode(json.encode(claims(scope)))
    return (signing_input + b"." + _encode(_KEY.sign(signing_input))).decode()


def _is_client(headers: Mapping[bytes, bytes]) -> bool:
    return b64decode(headers[b"authorization"].removeprefix(b"Basic ")) == _CREDENTIALS


def _token(headers: Mapping[bytes, bytes], body: bytes) -> _Answer:
    if not _is_client(headers):
        return 401, b""
    scope = _refresh_tokens.scope(dict(parse_qsl(body.decode())))
    if scope is None:
        return 400, b""
    return 200, json.encode(response(_sign(scope), _refresh_tokens.issue(scope), scope))


def _revoke(headers: Mapping[bytes, bytes], body: bytes) -> _Answer:
    if not _is_client(headers):
        return 401, b""
    _refresh_tokens.use(dict(parse_qsl(body.decode()))["token"])
    return 204, b""


def _ping(headers: Mapping[bytes, bytes], _body: bytes) -> _Answer:
    signing_input, _, signature = headers[b"authorization"].removeprefix(b"Bearer ").rpartition(b".")
    try:
        _PUBLIC_KEY.verify(urlsafe_b64decode(signature + b"=="), signing_input)
    except InvalidSignature:
        return 401, b""
    payload = json.decode(urlsafe_b64decode(signing_input.partition(b".")[2] + b"=="))
    return (200 if time.time() < payload["exp"] else 401), b""


def _root(_headers: Mapping[bytes, bytes], _body: bytes) -> _Answer:
    return 200, b""


_ROUTES: Mapping[str, Callable[[Mapping[bytes, bytes], bytes], _Answer]] = {
    "/oauth2/token": _token,
    "/oauth2/revoke": _revoke,
    "/ping": _ping,
    "/": _root,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    body, message = b"", dict[str, Any](more_body=scope["method"] == "POST")
    while message.get("more_body"):
        message = dict(await receive())
        body += message["body"]
    status, body = _ROUTES[scope["path"]](dict(scope["headers"]), body)
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    headers = [(b"content-type", b"application/json"), *length]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
