"""A stub of Moov behind httpx2's MockTransport, with a clock of its own; it knows only MoovAuth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from mockmoov.client import MoovAuth

SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
API = "https://api.moov.io"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def shift(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Moov:
    """A server that numbers its tokens, takes the ones it has not revoked, and keeps what it was asked."""

    def __init__(self, lifetime: int = 3600, status: int = 200) -> None:
        self.clock = Clock()
        self.lifetime = lifetime
        self.status = status
        self.revoked: set[str] = set()
        self.mints: list[httpx2.Request] = []
        self.calls: list[httpx2.Request] = []
        self.bearers: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/oauth2/token":
            self.calls.append(request)
            self.bearers.append(request.headers.get("authorization"))
            return httpx2.Response(401 if self.bearers[-1] in self.revoked else 200)
        self.mints.append(request)
        token = {
            "access_token": f"access-{len(self.mints)}",
            "refresh_token": f"refresh-{len(self.mints)}",
            "token_type": "Bearer",
            "scope": "/ping.read",
            "expires_in": self.lifetime,
        }
        return httpx2.Response(self.status, json=token if self.status == 200 else None)

    def auth(self, transport: httpx2.BaseTransport | None = None, **options: Any) -> MoovAuth:
        given: dict[str, Any] = {"client_id": "key", "client_secret": SECRET, "scope": "/ping.read"}
        http = httpx2.Client(transport=transport or httpx2.MockTransport(self))
        return MoovAuth(**{**given, "clock": self.clock, "http_client": http, **options})

    def http(self, auth: MoovAuth | None = None, **options: Any) -> httpx2.Client:
        auth = auth or self.auth()
        return httpx2.Client(base_url=API, auth=auth, transport=httpx2.MockTransport(self), **options)
