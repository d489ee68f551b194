"""The conforming client, for Moov as much as for the fake; it knows no other mockmoov module.

with TokenClient(client_id="...", client_secret="...") as moov:
    token = moov.create("/accounts.read")

httpx2.Client(base_url=MOOV_API, auth=MoovAuth(client_id="...", client_secret="...", scope="/ping.read"))

`TokenClient` and `AsyncTokenClient` have `create`, `refresh` and `revoke`; `ClientOptions` says what they
take, `origin` and `moov_version` among it. A `Token` has `expires_at`, `scopes` and `is_expired(now)`.
Whatever goes wrong is a `MoovError`: `TransportError`, `ProtocolError`, or a `TokenRequestError` with a class
for each error code. `Retry` waits and repeats, for who asks for it.
"""

from mockmoov.client.auth import MoovAuth
from mockmoov.client.clients import AsyncTokenClient, TokenClient
from mockmoov.client.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    MoovError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TokenRequestError,
    TransportError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from mockmoov.client.flows import MOOV_API, ClientOptions
from mockmoov.client.retry import Retry
from mockmoov.client.tokens import Token

__all__ = [
    "MOOV_API",
    "AsyncTokenClient",
    "ClientOptions",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "MoovAuth",
    "MoovError",
    "ProtocolError",
    "RateLimitError",
    "Retry",
    "ServerError",
    "Token",
    "TokenClient",
    "TokenRequestError",
    "TransportError",
    "UnauthorizedClientError",
    "UnsupportedGrantTypeError",
]
