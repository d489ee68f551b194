"""The calls that are measured, as bytes, and the pools of tokens that some of them use up."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from benchmarks.floors import CLAIMS, CLIENT_ID, CLIENT_SECRET

TOKEN_PATH = "/oauth2/token"
CARDS_PATH = f"/accounts/{CLAIMS['caid']}/cards"
CARDS_SCOPE = f"/accounts/{CLAIMS['caid']}/cards.read"
_BASIC = f"Basic {base64.b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"

Tokens = Mapping[str, str]
"""The members of a token response."""


def post(path: str, **form: str) -> bytes:
    """A form of the API key, on a connection that stays open."""
    body = urlencode(form).encode()
    headers = {
        "authorization": _BASIC,
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(body)),
    }
    return _head("POST", path, headers) + body


def get(path: str, access_token: str) -> bytes:
    """A protected call."""
    return _head("GET", path, {"authorization": f"Bearer {access_token}"})


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    fields = {"host": "127.0.0.1", "accept": "*/*", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def mint(scope: str = "/ping.read") -> bytes:
    """A token request."""
    return post(TOKEN_PATH, grant_type="client_credentials", scope=scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of call: the request that uses tokens, how many tokens a burst needs, the right status."""

    name: str
    request: Callable[[Tokens], bytes]
    tokens: Literal["none", "one", "each"]
    status: int = 200


KINDS = (
    Kind(name="tokens", request=lambda _: mint(), tokens="none"),
    Kind(
        name="refreshes",
        request=lambda tokens: post(
            TOKEN_PATH, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
        ),
        tokens="each",
    ),
    Kind(
        name="revocations",
        request=lambda tokens: post("/oauth2/revoke", token=tokens["refresh_token"]),
        tokens="each",
        status=204,
    ),
    Kind(
        name="protected calls, one token",
        request=lambda tokens: get("/ping", tokens["access_token"]),
        tokens="one",
    ),
    Kind(
        name="protected calls, fresh tokens",
        request=lambda tokens: get("/ping", tokens["access_token"]),
        tokens="each",
    ),
)


def pool(kind: Kind, count: int, send: Callable[[Sequence[bytes]], Sequence[bytes]]) -> list[bytes]:
    """The requests of a burst; `send` mints the tokens for them and returns the bodies of the responses."""
    needed = {"none": 0, "one": 1, "each": count}[kind.tokens]
    minted = [json.loads(body) for body in send([mint()] * needed)] if needed else [{}]
    requests = [kind.request(tokens) for tokens in minted]
    return requests * (count // len(requests))
