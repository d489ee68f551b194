"""A program under test: it knows a URL and the credentials of an API key, and calls Moov over HTTP."""

from dataclasses import dataclass
from typing import Any

import httpx2

from mockmoov import MoovKey


@dataclass
class Program:
    """The program, with an API key of its own."""

    http: httpx2.Client
    key: MoovKey

    def token(self, **parameters: str) -> httpx2.Response:
        data = {"grant_type": "client_credentials", "scope": "/ping.read"} | parameters
        return self.http.post(f"{self.key.url}/oauth2/token", auth=self.auth, data=data)

    def ping(self, token: str) -> httpx2.Response:
        return ping(self.http, self.key.url, token)

    def introspect(self, token: str) -> Any:
        url = f"{self.key.url}/_mockmoov/introspect"
        return self.http.post(url, auth=self.auth, data={"token": token}).json()

    def get(self, path: str) -> httpx2.Response:
        """Use an operation with the credentials of the key."""
        return self.http.get(f"{self.key.url}{path}", auth=self.auth)

    def post(self, path: str, body: object) -> httpx2.Response:
        """Send JSON to an operation with the credentials of the key."""
        return self.http.post(f"{self.key.url}{path}", auth=self.auth, json=body)

    @property
    def auth(self) -> tuple[str, str]:
        return self.key.client_id, self.key.client_secret


def ping(http: httpx2.Client, url: str, token: str) -> httpx2.Response:
    return http.get(f"{url}/ping", headers={"authorization": f"Bearer {token}"})
