"""Token clients whose server is a function or one answer, at a fixed time."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2

from mockmoov.client import TokenClient

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
REFRESH = "refresh-0123456789"
GOOD = json.dumps(
    {
        "access_token": "access-abcdefgh",
        "refresh_token": "refresh-abcdefgh",
        "token_type": "Bearer",
        "scope": "/ping.read",
        "expires_in": 3600,
    }
).encode()

Handler = Callable[[httpx2.Request], httpx2.Response]


def client(handler: Handler, secret: str = SECRET, client_auth: Any = "basic") -> TokenClient:
    return TokenClient(
        client_id="key",
        client_secret=secret,
        client_auth=client_auth,
        clock=lambda: NOW,
        transport=httpx2.MockTransport(handler),
    )


def answering(status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> TokenClient:
    return client(lambda _: httpx2.Response(status, content=content, headers=headers))
