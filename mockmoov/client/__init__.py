"""A client for Moov's token endpoints that follows the contract. It works with Moov and with mockmoov.

with TokenClient(client_id="...", client_secret="...") as moov:
    token = moov.create("/accounts.read")

httpx2.Client(base_url=MOOV_API, auth=MoovAuth(client_id="...", client_secret="...", scope="/ping.read"))

`TokenClient` and `AsyncTokenClient` have `create`, `refresh` and `revoke`. `ClientOptions` lists their
options, such as `origin` and `moov_version`. A `Token` has `expires_at`, `scopes` and `is_expired(now)`.
Every failure raises a `MoovError`: a `TransportError`, a `ProtocolError`, or a `TokenRequestError`, which has
a subclass for each error code. Pass a `Retry` to repeat requests that failed for a temporary reason.
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
    "MOOV_API", "AsyncTokenClient", "ClientOptions", "InvalidClientError", "InvalidGrantError",
    "InvalidRequestError", "InvalidScopeError", "MoovAuth", "MoovError", "ProtocolError", "RateLimitError",
    "Retry", "ServerError", "Token", "TokenClient", "TokenRequestError", "TransportError",
    "UnauthorizedClientError", "UnsupportedGrantTypeError",
]  # fmt: skip
