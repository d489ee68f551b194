"""A stub of Moov behind httpx2's MockTransport, and clients whose server is a function, at a fixed time."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from mockmoov.client import MoovAuth, TokenClient

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
API = "https://api.moov.io"
TOKEN: dict[str, Any] = {
    "access_token": "access-1",
    "refresh_token": "refresh-1",
    "token_type": "Bearer",
    "scope": "/ping.read",
    "expires_in": 3600,
}
TOKEN_JSON = json.dumps(TOKEN).encode()

Handler = Callable[[httpx2.Request], httpx2.Response]


def options(**more: Any) -> dict[str, Any]:
    return {"client_id": "key", "client_secret": SECRET, "clock": lambda: NOW, **more}


def client(handler: Handler, **more: Any) -> TokenClient:
    return TokenClient(transport=httpx2.MockTransport(handler), **options(**more))


def answering(status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> TokenClient:
    return client(lambda _: httpx2.Response(status, content=content, headers=headers))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def shift(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Moov:
    """A server that numbers its tokens, accepts those it hasn't revoked, and remembers the requests."""

    def __init__(self, lifetime: int = 3600, status: int = 200) -> None:
        self.clock = Clock()
        self.lifetime = lifetime
        self.status = status
        self.revoked: set[str | None] = set()
        self.token_requests: list[httpx2.Request] = []
        self.calls: list[httpx2.Request] = []
        self.bearers: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/oauth2/token":
            self.calls.append(request)
            self.bearers.append(request.headers.get("authorization"))
            return httpx2.Response(401 if self.bearers[-1] in self.revoked else 200)
        self.token_requests.append(request)
        token = {**TOKEN, "access_token": f"access-{len(self.token_requests)}", "expires_in": self.lifetime}
        return httpx2.Response(self.status, json=token if self.status == 200 else None)

    def auth(self, **more: Any) -> MoovAuth:
        http = httpx2.Client(transport=httpx2.MockTransport(self))
        return MoovAuth(**{**options(scope="/ping.read", clock=self.clock, http_client=http), **more})

    def http(self, auth: MoovAuth | None = None) -> httpx2.Client:
        return httpx2.Client(base_url=API, auth=auth or self.auth(), transport=httpx2.MockTransport(self))
