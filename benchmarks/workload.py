"""Owns the one request that everything is measured with, as bytes and as a message. Must not know servers."""

import base64

from mockmoov.api_keys import EXAMPLE
from mockmoov.messages import HttpRequest

PATH = "/oauth2/token"
_BASIC = base64.b64encode(f"{EXAMPLE['client_id']}:{EXAMPLE['client_secret']}".encode()).decode()
_BODY = b"grant_type=client_credentials&scope=%2Faccounts.write"
_HEADERS = {
    "host": "127.0.0.1",
    "accept": "*/*",
    "authorization": f"Basic {_BASIC}",
    "content-type": "application/x-www-form-urlencoded",
    "content-length": str(len(_BODY)),
}


def wire_request() -> bytes:
    """The token request on a keep-alive connection."""
    head = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in _HEADERS.items())]
    return "\r\n".join([*head, "", ""]).encode() + _BODY


def token_request() -> HttpRequest:
    """The same request as `AuthorizationServer.handle` gets it."""
    headers = {name: (value,) for name, value in _HEADERS.items()}
    return HttpRequest(method="POST", path=PATH, headers=headers, body=_BODY)
