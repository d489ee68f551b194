"""Owns the use of mockmoov's control plane, where it is there. Must not know what a check wants of it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx2

from mockmoov.verify.budget import Wire
from mockmoov.verify.masking import Hidden
from mockmoov.verify.results import Unanswered
from mockmoov.verify.target import Key, Target

BASE = "/_mockmoov"
_OURS = "x-mockmoov-extension"


class Plane:
    """API keys, clocks, faults and tokens on demand, by the control plane of a mockmoov."""

    def __init__(self, wire: Wire, hidden: Hidden, target: Target) -> None:
        self._wire, self._hidden = wire, hidden
        self._url = target.url + BASE
        self._headers = {"content-type": "application/json"}
        if target.control_token is not None:
            self._headers["x-mockmoov-token"] = target.control_token
            hidden.hide(target.control_token, "CONTROL_TOKEN")
        self.keys: list[Key] = []
        self._made = 0

    def look(self) -> tuple[bool, bool]:
        """Whether a mockmoov answers, and whether it lets us in."""
        response = self._send("GET", "/config")
        is_ours = _OURS in response.headers
        return is_ours, is_ours and response.status_code == 200

    def new_key(self, **members: Any) -> Key:
        """An API key of our own."""
        made = self._change("POST", "/api-keys", members)
        given = {name: _text(made, name) for name in ("client_id", "client_secret", "account_id")}
        key = Key(**given, temporary=True)
        self.keys.append(key)
        self._made += 1
        self._hidden.hide_key(key.client_id, key.client_secret, f"KEY_{self._made}_")
        self._hidden.hide(key.client_id, f"KEY_{self._made}_CLIENT_ID")
        return key

    def change(self, key: Key, **members: Any) -> None:
        """Change attributes of a key of ours."""
        self._change("PATCH", _path(key), members)

    def shift(self, key: Key, seconds: float) -> None:
        """Put the clock of a key forward."""
        self._change("POST", f"{_path(key)}/clock/shift", {"seconds": seconds})

    def freeze(self, key: Key) -> float:
        """Stop the clock of a key; Unix seconds."""
        now = self._change("POST", f"{_path(key)}/clock/freeze", {}).get("now")
        if not isinstance(now, int | float):
            raise Unanswered("the control plane does not say what time it is")
        return now

    def add_fault(self, key: Key, **fault: Any) -> None:
        """Plan a fault for a key."""
        self._change("POST", f"{_path(key)}/faults", fault)

    def mint(self, key: Key, **wish: Any) -> str:
        """An access token on demand, with a defect or without."""
        token = _text(self._change("POST", f"{_path(key)}/tokens", wish), "access_token")
        self._hidden.hide_numbered(token, "MADE_TOKEN")
        return token

    def clear(self) -> None:
        """Delete the keys that are ours, and all that belongs to them."""
        while self.keys:
            self._wire.reserved -= 1
            self._wire.send_last(self._request("DELETE", _path(self.keys.pop()), {}))

    def _change(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, object]:
        if (method, path) == ("POST", "/api-keys"):
            self._wire.reserved += 1
        response = self._send(method, path, body)
        if response.status_code >= 300:
            raise Unanswered(f"the control plane answers {method} {path} with {response.status_code}")
        with suppress(ValueError, RecursionError):
            document = json.loads(response.content)
            if isinstance(document, dict):
                return document
        raise Unanswered(f"the control plane's answer to {method} {path} cannot be read")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        return self._wire.send(self._request(method, path, body))

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx2.Request:
        content = b"" if body is None else json.dumps(body).encode()
        return httpx2.Request(method, self._url + path, headers=self._headers, content=content)


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and value):
        raise Unanswered(f"the control plane does not give {name}")
    return value


def _path(key: Key) -> str:
    return f"/api-keys/{quote(key.client_id, safe='')}"
