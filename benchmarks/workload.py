"""The requests that everything is measured with, as bytes and as messages."""

import base64
from collections.abc import Mapping
from urllib.parse import quote

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.messages import HttpRequest

PATH = "/oauth2/token"
CARDS = f"/accounts/{EXAMPLE['account_id']}/cards"
CARDS_SCOPE = f"/accounts/{EXAMPLE['account_id']}/cards.read"
_BASIC = base64.b64encode(f"{EXAMPLE['client_id']}:{EXAMPLE['client_secret']}".encode()).decode()


def _body(scope: str) -> bytes:
    return f"grant_type=client_credentials&scope={quote(scope, safe='')}".encode()


def _headers(body: bytes) -> Mapping[str, str]:
    return {
        "host": "127.0.0.1",
        "accept": "*/*",
        "authorization": f"Basic {_BASIC}",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(body)),
    }


def _wire(line: str, headers: Mapping[str, str]) -> bytes:
    head = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, "", ""]).encode()


def wire_request(scope: str = "/accounts.write") -> bytes:
    """The token request on a keep-alive connection."""
    body = _body(scope)
    return _wire(f"POST {PATH}", _headers(body)) + body


def token_request(scope: str = "/accounts.write") -> HttpRequest:
    """The same request as `AuthorizationServer.handle` gets it."""
    body = _body(scope)
    headers = {name: (value,) for name, value in _headers(body).items()}
    return HttpRequest(method="POST", path=PATH, headers=headers, body=body)


def _cards_headers(token: str) -> Mapping[str, str]:
    return {"host": "127.0.0.1", "accept": "*/*", "authorization": f"Bearer {token}"}


def wire_cards_request(token: str) -> bytes:
    """A request for cards, with a token."""
    return _wire(f"GET {CARDS}", _cards_headers(token))


def cards_request(token: str) -> HttpRequest:
    """The same request as `AuthorizationServer.handle` gets it."""
    headers = {name: (value,) for name, value in _cards_headers(token).items()}
    return HttpRequest(method="GET", path=CARDS, headers=headers)
