"""Owns looking at an answer and saying what is wrong with it. Must not know what was asked, or why."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2

from mockmoov.verify.expectations import Refusal
from mockmoov.verify.results import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer under judgement. `now` is the time when it came, Unix seconds on our clock."""

    status: int
    headers: httpx2.Headers
    body: bytes
    now: float

    def __str__(self) -> str:
        return f"{self.status} with {printable(self.body.decode('utf-8', 'backslashreplace')) or 'no body'}"

    def header(self, name: str) -> str | None:
        """The value of a header, None without it."""
        value: str | None = self.headers.get(name)
        return value

    @property
    def server_now(self) -> float:
        """Unix seconds by `Date`, or by our clock where the server does not say."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, TypeError):
            return self.now

    def document(self) -> dict[str, object]:
        """The JSON object in the body."""
        try:
            document = json.loads(self.body.decode())
        except (ValueError, RecursionError):
            raise Failed(f"wanted a JSON object, got {self}") from None
        if not isinstance(document, dict):
            raise Failed(f"wanted a JSON object, got {self}")
        return document

    def text(self, name: str) -> str:
        """A member of the body that must be a text, and not an empty one."""
        value = self.document().get(name)
        if not isinstance(value, str) or not value:
            raise Failed(f"wanted {name} to be a text, got {self}")
        return value

    def token(self, name: str) -> str:
        """A member of the body that must be a token, which can be sent (RFC 6749 §A.12)."""
        value = self.text(name)
        if not (value.isascii() and value.isprintable()):
            raise Failed(f"wanted {name} to be printable ASCII, got {self}")
        return value

    def number(self, name: str) -> int:
        """A member of the body that must be a whole number."""
        value = self.document().get(name)
        if type(value) is not int:
            raise Failed(f"wanted {name} to be a whole number, got {self}")
        return value

    def want_status(self, *statuses: int) -> "Answer":
        """It has one of these."""
        if self.status not in statuses:
            raise Failed(f"wanted {' or '.join(map(str, statuses))}, got {self}")
        return self

    def want_empty(self, status: int) -> "Answer":
        """It has this status and no body."""
        if self.status != status or self.body:
            raise Failed(f"wanted {status} with no body, got {self}")
        return self

    def want_header(self, name: str, wanted: str | None) -> "Answer":
        """A header has this value, or is not there."""
        if self.header(name) != wanted:
            raise Failed(f"wanted {name}: {wanted}, got {self.header(name)}")
        return self

    def want_directive(self, name: str, directive: str) -> "Answer":
        """A header has this among its values, compared without case."""
        given = {part.strip().lower() for part in (self.header(name) or "").split(",")}
        if directive not in given:
            raise Failed(f"wanted {name}: {directive}, got {self.header(name)}")
        return self

    def want_json(self) -> "Answer":
        """It says that it is JSON."""
        media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Failed(f"wanted Content-Type: application/json, got {self.header('content-type')}")
        return self

    def want_refusal(self, refusal: Refusal) -> "Answer":
        """It refuses in this way: the status, and the body that goes with it."""
        if self.status != refusal.status or not self._has_body_of(refusal):
            raise Failed(f"wanted {refusal}, got {self}")
        challenge = self.header("www-authenticate")
        if refusal.challenge and not (challenge or "").lower().startswith("basic "):
            raise Failed(f"wanted WWW-Authenticate: Basic, got {challenge}")
        return self

    def _has_body_of(self, refusal: Refusal) -> bool:
        if refusal.code is None and refusal.field is None:
            return not self.body
        document = self.document()
        if refusal.code is not None:
            return document.get("error") == refusal.code
        text = document.get(refusal.field or "")
        return isinstance(text, str) and bool(text)


def printable(text: str) -> str:
    """The text in one line, what does not print as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def want(holds: bool, wanted: str, got: object = None) -> None:
    """Fail unless it holds."""
    if not holds:
        raise Failed(f"wanted {wanted}" + ("" if got is None else f", got {got}"))


def want_same(values: Iterable[object], what: str) -> None:
    """Fail unless all are equal."""
    distinct = list(dict.fromkeys(map(str, values)))
    want(len(distinct) == 1, f"the same {what}", " and ".join(distinct))
