"""Fixtures/clients/: what each client sends, as text with placeholders, and how to fill them again.

A recording is the requests of one run in their order, since later ones use the tokens of earlier ones.
Placeholders: `${client_id}`, `${client_secret}`, both with `.encoded` after the name where a client percent-
encodes them, and `${access_token.N}` and `${refresh_token.N}` of the Nth token answer of the run; `Basic
base64(USER:PASSWORD)` is encoded last. Left out are headers that only frame the message or name the server.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "clients"
LEFT_OUT = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "http2-settings", "keep-alive", "upgrade"}
)
TOKENS = ("access_token", "refresh_token")
_BASIC = re.compile(r"Basic base64\((.*)\)")
_JWT = re.compile(r"[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}")

Header = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request as it came, and what was answered."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes
    status: int
    answer: bytes


def credentials(client_id: str, client_secret: str) -> dict[str, str]:
    """The values that are known before a run: plain, and percent-encoded but for letters and digits."""
    plain = {"client_id": client_id, "client_secret": client_secret}
    encoded = {f"{name}.encoded": re.sub(r"\W|_", _percent, value) for name, value in plain.items()}
    return plain | encoded


def _percent(character: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in character[0].encode())


def members_of(answer: bytes) -> list[str]:
    """The names of the members of a JSON answer, sorted; none for an empty one."""
    return sorted(json.loads(answer)) if answer else []


@dataclass(slots=True)
class Values:
    """What placeholders stand for, learnt from the answers of a run."""

    known: dict[str, str]
    answers: int = field(default=0)

    def learn(self, status: int, answer: bytes) -> None:
        """Number the tokens of an answer that has some."""
        members = json.loads(answer) if status == 200 and answer else {}
        if "access_token" in members:
            self.answers += 1
            self.known |= {f"{name}.{self.answers}": members[name] for name in TOKENS}

    def hide(self, text: str) -> str:
        """The text with placeholders for values; the longest first, since one may be part of another."""
        for name, value in sorted(self.known.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"${{{name}}}")
        return text

    def fill(self, text: str) -> str:
        """The text with values for placeholders."""
        return re.sub(r"\$\{([\w.]+)\}", lambda match: self.known[match[1]], text)

    def hide_header(self, value: str) -> str:
        scheme, _, encoded = value.partition(" ")
        if scheme == "Basic":
            try:
                decoded = base64.b64decode(encoded, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return value
            return f"Basic base64({self.hide(decoded)})"
        return self.hide(value)

    def fill_header(self, value: str) -> str:
        if match := _BASIC.fullmatch(value):
            return "Basic " + base64.b64encode(self.fill(match[1]).encode()).decode()
        return self.fill(value)


def told(exchange: Exchange) -> list[Header]:
    """The headers that tell something; ValueError for a repeated one, which a recording has no room for."""
    headers = [(name, value) for name, value in exchange.headers if name not in LEFT_OUT]
    if len(dict(headers)) != len(headers):
        raise ValueError(f"a header is repeated: {sorted(name for name, _ in headers)}")
    return headers


def to_text(exchanges: Iterable[Exchange], known: Mapping[str, str], about: Mapping[str, str]) -> str:
    """A recording as it is kept; raises ValueError where a token would be kept with it."""
    values = Values(dict(known))
    requests: list[dict[str, Any]] = []
    for exchange in exchanges:
        request: dict[str, Any] = {
            "method": exchange.method,
            "target": values.hide(exchange.target),
            "headers": {name: values.hide_header(value) for name, value in told(exchange)},
            "body": values.hide(exchange.body.decode()),
            "answer": {"status": exchange.status, "members": members_of(exchange.answer)},
        }
        requests.append(request)
        values.learn(exchange.status, exchange.answer)
    text = json.dumps({**about, "requests": requests}, indent=2, ensure_ascii=False) + "\n"
    if found := _JWT.search(text):
        raise ValueError(f"a token is not a placeholder: {found[0][:20]}...")
    if left := [name for name, value in values.known.items() if value in text]:
        raise ValueError(f"not placeholders: {', '.join(left)}")
    return text


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def filled(request: Mapping[str, Any], values: Values) -> tuple[str, str, list[Header], bytes]:
    """A recorded request with the values of now: method, target, headers, body."""
    return (
        request["method"],
        values.fill(request["target"]),
        [(name, values.fill_header(value)) for name, value in request["headers"].items()],
        values.fill(request["body"]).encode(),
    )
