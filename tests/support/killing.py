"""Clients of servers that are killed: each keeps a ledger of what was acknowledged, to compare later."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from random import Random
from threading import Event
from typing import Any

import jwt

from tests.support.connections import over_http
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import Header, basic, post_form
from tests.support.tokens import members, ping, refresh

JSON = ("content-type", "application/json")
_KEPT_KEYS = 6  # signing keys


@dataclass
class Key:
    """An API key, and how many of its requests were answered, or may have been recorded without an answer."""

    client_id: str
    auth: Header
    answered: int = 0
    lost: int = 0
    is_deleted: bool = False


@dataclass
class Family:
    """The tokens of a grant; `lost` is the request whose answer was lost, `refresh` or `revoke`."""

    key: Key
    access: str
    refresh: str
    used: list[str] = field(default_factory=list)  # refresh tokens
    revoked: list[str] = field(default_factory=list)  # access tokens
    is_revoked: bool = False
    lost: str = ""


@dataclass
class SigningKeys:
    """Which keys sign and verify; after a lost change, others may."""

    kids: list[str] = field(default_factory=list)  # the newest first
    dropped: list[str] = field(default_factory=list)
    lost: str = ""  # rotate, or the key that may be dropped


def control(send: Send, method: str, path: str, **body: object) -> Answer:
    """Ask the control plane."""
    return send(method, f"/_mockmoov{path}", [JSON], b"" if method == "GET" else json.dumps(body).encode())


class Client:
    """Sends random requests to a server until it is killed, or until `stop`. Notes what is acknowledged."""

    def __init__(self, url: str, random: Random, signing_keys: SigningKeys | None) -> None:
        self.url, self.random, self.signing_keys = url, random, signing_keys
        self.keys: list[Key] = []
        self.families: list[Family] = []

    def run(self, stop: Event, acknowledge: Callable[[], None]) -> None:
        steps: list[tuple[int, Callable[[], None]]] = [
            (8, self._mint), (8, self._refresh), (2, self._revoke_family), (2, self._revoke_access),
            (1, self._create_key), (1, self._delete_key),
        ]  # fmt: skip
        if self.signing_keys:
            steps.append((2, self._change_signing_keys))
        weights, chosen = [weight for weight, _ in steps], [step for _, step in steps]
        try:
            with over_http(self.url) as self._send:
                self._create_key()
                while not stop.is_set():
                    self.random.choices(chosen, weights)[0]()
                    acknowledge()
        except (OSError, HTTPException):
            return  # the server was killed

    def _create_key(self) -> None:
        status, _, body = control(self._send, "POST", "/api-keys")
        assert status == 201, body
        document = json.loads(body)
        self.keys.append(Key(document["client_id"], basic(document["client_id"], document["client_secret"])))

    def _delete_key(self) -> None:
        if len(live := [key for key in self.keys if not key.is_deleted]) > 1:
            key = self.random.choice(live)
            self.keys.remove(key)  # until it is known whether it is deleted
            mine = [family for family in self.families if family.key is key]
            self.families = [family for family in self.families if family.key is not key]
            assert control(self._send, "DELETE", f"/api-keys/{key.client_id}")[0] == 204
            key.is_deleted = True
            self.keys.append(key)
            self.families += mine

    def _ask(self, key: Key, path: str, **form: str) -> dict[str, Any]:
        key.lost += 1
        answer = post_form(self._send, path, key.auth, **form)
        key.lost -= 1
        key.answered += 1
        assert answer[0] in (200, 204), answer
        return members(answer) if answer[2] else {}

    def _mint(self) -> None:
        key = self.random.choice([key for key in self.keys if not key.is_deleted])
        pair = self._ask(key, "/oauth2/token", grant_type="client_credentials", scope="/ping.read")
        self.families.append(Family(key, pair["access_token"], pair["refresh_token"]))

    def _pick(self) -> list[Family]:
        """A family that is live, if there is one."""
        live = [each for each in self.families if not (each.is_revoked or each.key.is_deleted)]
        return [self.random.choice(live[-20:])] if live else []

    def _refresh(self) -> None:
        for family in self._pick():
            family.lost = "refresh"
            form = {"grant_type": "refresh_token", "refresh_token": family.refresh}
            pair = self._ask(family.key, "/oauth2/token", **form)
            family.lost = ""
            family.used.append(family.refresh)
            family.access, family.refresh = pair["access_token"], pair["refresh_token"]

    def _revoke_family(self) -> None:
        for family in self._pick():
            family.lost = "revoke"
            self._ask(family.key, "/oauth2/revoke", token=family.refresh)
            family.lost = ""
            family.is_revoked = True

    def _revoke_access(self) -> None:
        for family in self._pick():
            family.lost = "revoke"
            self._ask(family.key, "/oauth2/revoke", token=family.access)
            family.lost = ""
            family.revoked.append(family.access)

    def _change_signing_keys(self) -> None:
        keys = self.signing_keys
        assert keys is not None
        if len(keys.kids) < _KEPT_KEYS:
            keys.lost = "rotate"
            status, _, body = control(self._send, "POST", "/signing-keys/rotate")
            assert status == 200, body
            keys.kids.insert(0, json.loads(body)["signs"])
        else:
            keys.lost = keys.kids[-1]
            assert control(self._send, "DELETE", f"/signing-keys/{keys.lost}")[0] == 204
            keys.dropped.append(keys.kids.pop())
        keys.lost = ""


# --- what servers know afterwards ---------------------------------------------------------------------


def wrong_keys(send: Send, keys: Iterable[Key]) -> list[object]:
    """The API keys that are lost, or live though they were deleted, or whose exchanges are miscounted."""
    wrong = list[object]()
    for key in keys:
        found = control(send, "GET", f"/api-keys/{key.client_id}/exchanges?limit=0")
        journal = members(found)
        count = key.answered if key.is_deleted else journal["count"] + journal["dropped"]
        is_counted = key.answered <= count <= key.answered + key.lost
        minted = post_form(
            send, "/oauth2/token", key.auth, grant_type="client_credentials", scope="/ping.read"
        )
        if (found[0], is_counted, minted[0]) != ((404, True, 401) if key.is_deleted else (200, True, 200)):
            wrong.append((key, found, minted))
    return wrong


def wrong_signing_keys(send: Send, keys: SigningKeys) -> list[object]:
    """What is wrong with the signing keys, if they are not those of the ledger."""
    listed = signing_kids(send)
    possible = [keys.kids]
    if keys.lost == "rotate":
        possible.append([*listed[:1], *keys.kids])
    elif keys.lost:
        possible.append(keys.kids[:-1])
    return [] if listed in possible else [(keys, listed)]


def signing_kids(send: Send) -> list[str]:
    """The ids of the signing keys; the first one signs."""
    return [key["kid"] for key in members(control(send, "GET", "/signing-keys"))["keys"]]


def wrong_families(send: Send, families: Iterable[Family]) -> list[object]:
    """The families that servers know otherwise than the ledger. All are revoked afterwards."""
    wrong, kids = list[object](), signing_kids(send)
    for family in families:
        is_dead = family.is_revoked or family.access in family.revoked or _kid(family.access) not in kids
        pinged = ping(send, family.access)
        revoked = {ping(send, access) for access in family.revoked}
        first, *others = (
            refresh(send, text, family.key.auth)[0]
            for text in (family.refresh, family.refresh, *family.used, family.refresh)
        )
        refused = 401 if family.key.is_deleted else 400
        may_ping = (
            {401} if is_dead or family.key.is_deleted else {200, 401} if family.lost == "revoke" else {200}
        )
        may_refresh = (
            {refused} if refused == 401 or family.is_revoked else {200, 400} if family.lost else {200}
        )
        is_right = pinged in may_ping and first in may_refresh and revoked <= {401} and {*others} == {refused}
        if not is_right:
            wrong.append((family, pinged, revoked, first, others))
    return wrong


def revived(send: Send, families: Iterable[Family]) -> list[object]:
    """The families, all revoked, of which something is accepted."""
    return [
        family
        for family in families
        if ping(send, family.access) != 401
        or refresh(send, family.refresh, family.key.auth)[0] not in (400, 401)
    ]


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
