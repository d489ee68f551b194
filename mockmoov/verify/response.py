"""A response, and the assertions that checks make about it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2

from mockmoov.verify.check import CheckFailed
from mockmoov.verify.expectations import ErrorName, ExpectedError

_HTML = re.compile(
    r"\s*(?:<\?xml[^<>]*>\s*)?(?:<!--[^<>]*-->\s*)*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE
)
_TITLE = re.compile(r"<title(?:\s[^<>]*)?>([^<]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response to check. `received_at`: Unix seconds, by this machine. `errors`: those of the contract.

    The methods whose names begin with `expect` raise `CheckFailed` if they do not hold, and so do those that
    read a member of the body if it is missing or has another type.
    """

    status: int
    headers: httpx2.Headers
    body: bytes
    received_at: float
    errors: Mapping[ErrorName, ExpectedError]

    def __str__(self) -> str:
        text = self.body.decode("utf-8", "backslashreplace")
        return f"{self.status} with {_html_page(text) or printable(text) or 'no body'}"

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        value: str | None = self.headers.get(name)
        return value

    @property
    def server_time(self) -> float:
        """The server's time from `Date`, in Unix seconds, or this machine's if there is no valid `Date`."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, TypeError):
            return self.received_at

    def json_object(self) -> dict[str, object]:
        """The JSON object in the body."""
        value = self._json()
        if not isinstance(value, dict):
            raise CheckFailed(f"expected a JSON object, got {self}")
        return value

    def json_objects(self) -> list[dict[str, object]]:
        """The JSON array of objects in the body."""
        value = self._json()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise CheckFailed(f"expected a JSON array of objects, got {self}")
        return value

    def string(self, name: str) -> str:
        """A member of the body that must be a string, and not empty."""
        value = self.json_object().get(name)
        if not isinstance(value, str) or not value:
            raise CheckFailed(f"expected {name} to be a string, got {self}")
        return value

    def token(self, name: str) -> str:
        """A member of the body that must be a token: printable ASCII (RFC 6749 §A.12)."""
        value = self.string(name)
        self._expect(value.isascii() and value.isprintable(), f"{name} to be printable ASCII", self)
        return value

    def integer(self, name: str) -> int:
        """A member of the body that must be an integer."""
        value = self.json_object().get(name)
        if type(value) is not int:
            raise CheckFailed(f"expected {name} to be an integer, got {self}")
        return value

    def expect_status(self, *statuses: int) -> "Response":
        """The status is one of these."""
        return self._expect(self.status in statuses, " or ".join(map(str, statuses)), self)

    def expect_empty(self, status: int) -> "Response":
        """The status is this one, and there is no body."""
        return self._expect(self.status == status and not self.body, f"{status} with no body", self)

    def expect_header(self, name: str, value: str | None) -> "Response":
        """A header has this value, or is absent for None."""
        found = self.header(name)
        return self._expect(found == value, f"{name}: {value}", found)

    def expect_directive(self, name: str, directive: str) -> "Response":
        """A header contains this directive in its comma-separated list."""
        found = self.header(name)
        directives = {part.strip().lower() for part in (found or "").split(",")}
        return self._expect(directive in directives, f"{name}: {directive}", found)

    def expect_json(self) -> "Response":
        """The Content-Type is application/json."""
        found = self.header("content-type")
        media_type = (found or "").partition(";")[0].strip().lower()
        return self._expect(media_type == "application/json", "Content-Type: application/json", found)

    def expect_error(self, name: ErrorName) -> "Response":
        """The status and the body are those of this error under the contract."""
        error = self.errors[name]
        self._expect(self.status == error.status and self._has_body_of(error), str(error), self)
        challenge = self.header("www-authenticate")
        is_valid = not error.challenge or (challenge or "").lower().startswith("basic ")
        return self._expect(is_valid, "WWW-Authenticate: Basic", challenge)

    def _json(self) -> object:
        try:
            return json.loads(self.body.decode())
        except (ValueError, RecursionError):
            return None

    def _expect(self, holds: bool, expected: str, got: object) -> "Response":
        if not holds:
            raise CheckFailed(f"expected {expected}, got {got}")
        return self

    def _has_body_of(self, error: ExpectedError) -> bool:
        if error.code is None and error.field is None:
            return not self.body
        members = self.json_object()
        if error.code is not None:
            return members.get("error") == error.code
        text = members.get(error.field or "")
        return isinstance(text, str) and bool(text)


def _html_page(text: str) -> str:
    """Describe an HTML page by its title; "" for another text."""
    if not _HTML.match(text):
        return ""
    title = _TITLE.search(text)
    words = printable(" ".join(title[1].split())) if title else ""
    return f'an HTML page with the title "{words}"' if words else "an HTML page"


def printable(text: str) -> str:
    """The text on one line, with escapes for characters that are not printable."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def expect(holds: bool, expected: str, got: object = None) -> None:
    """Fail the check unless `holds`. The texts say what was expected and what came instead."""
    if not holds:
        raise CheckFailed(f"expected {expected}" + ("" if got is None else f", got {got}"))
