"""A client for the control plane of a mockmoov. Checks use it if the server has one."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx2

from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.check import NoResponse
from mockmoov.verify.masking import Masking
from mockmoov.verify.target import Key, Target

BASE = "/_mockmoov"
_MARKER = "x-mockmoov-extension"


class ControlPlaneClient:
    """Creates API keys, moves their clocks, plans faults, adds stubs, mints tokens and reads the journal.

    The methods raise `NoResponse` if the control plane refuses, or sends what cannot be read.
    """

    def __init__(self, sender: BudgetedSender, masking: Masking, target: Target) -> None:
        self._sender, self._masking = sender, masking
        self._url = target.url + BASE
        self._headers = {"content-type": "application/json"}
        if target.control_token is not None:
            self._headers["x-mockmoov-token"] = target.control_token
            masking.hide(target.control_token, "CONTROL_TOKEN")
        self.keys: list[Key] = []

    def detect(self) -> tuple[bool, bool]:
        """Whether the server is a mockmoov, and whether this client may use its control plane."""
        response = self._sender.send(self._request("GET", "/config"))
        is_mockmoov = _MARKER in response.headers
        return is_mockmoov, is_mockmoov and response.status_code == 200

    def create_key(self, **attributes: Any) -> Key:
        """Create a temporary API key."""
        members = self._call("POST", "/api-keys", attributes)
        names = ("client_id", "client_secret", "account_id")
        return self.add_key(**{name: _printable(members, name) for name in names})

    def add_key(self, client_id: str, client_secret: str, account_id: str | None) -> Key:
        """Treat a key that exists as a temporary one: hide its secret, and delete it at the end."""
        self._sender.reserved += 1  # to delete it
        key = Key(client_id=client_id, client_secret=client_secret, account_id=account_id, is_temporary=True)
        self.keys.append(key)
        prefix = f"KEY_{len(self.keys)}_"
        self._masking.hide_key(key.client_id, key.client_secret, prefix)
        self._masking.hide(key.client_id, f"{prefix}CLIENT_ID")
        return key

    def update_key(self, key: Key, **attributes: Any) -> None:
        """Change attributes of a key."""
        self._call("PATCH", _path(key), attributes)

    def shift_clock(self, key: Key, seconds: float) -> None:
        """Move the clock of a key forward."""
        self._call("POST", f"{_path(key)}/clock/shift", {"seconds": seconds})

    def freeze_clock(self, key: Key) -> float:
        """Stop the clock of a key. Returns its time in Unix seconds."""
        now = self._call("POST", f"{_path(key)}/clock/freeze", {}).get("now")
        if not isinstance(now, int | float):
            raise NoResponse("the control plane does not return the time of the clock")
        return now

    def add_fault(self, key: Key, **fault: Any) -> None:
        """Plan a fault for a key."""
        self._call("POST", f"{_path(key)}/faults", fault)

    def add_stub(self, key: Key, operation: str, **members: object) -> str:
        """Answer an operation of a key, by default with 200 and no body. Returns the id of the stub."""
        stub = self._call("POST", f"{_path(key)}/stubs", {"endpoint": operation, **members}).get("stub")
        return _printable(stub if isinstance(stub, dict) else {}, "id")

    def exchanges(self, key: Key) -> list[Mapping[str, object]]:
        """The journal of a key."""
        exchanges = self._call("GET", f"{_path(key)}/exchanges").get("exchanges")
        if not isinstance(exchanges, list) or not all(isinstance(item, dict) for item in exchanges):
            raise NoResponse("the control plane does not return the exchanges")
        return exchanges

    def mint(self, key: Key, **options: Any) -> str:
        """Mint an access token, with or without a defect."""
        token = _printable(self._call("POST", f"{_path(key)}/tokens", options), "access_token")
        self._masking.hide_numbered(token, "MADE_TOKEN")
        return token

    def delete_keys(self) -> None:
        """Delete the temporary keys, with everything that belongs to them."""
        while self.keys:
            self._sender.reserved -= 1
            self._sender.send_cleanup(self._request("DELETE", _path(self.keys.pop()), {}))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, object]:
        response = self._sender.send(self._request(method, path, body))
        if response.status_code >= 300:
            raise NoResponse(f"the control plane responds to {method} {path} with {response.status_code}")
        with suppress(ValueError, RecursionError):
            members = json.loads(response.content)
            if isinstance(members, dict):
                return members
        raise NoResponse(f"the control plane's response to {method} {path} is not a JSON object")

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Request:
        content = b"" if body is None else json.dumps(body).encode()
        return httpx2.Request(method, self._url + path, headers=self._headers, content=content)


def _printable(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and value):
        raise NoResponse(f"the control plane does not return {name}")
    return value


def _path(key: Key) -> str:
    return f"/api-keys/{quote(key.client_id, safe='')}"
