"""Turns an HTTP response into a value or an exception."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

from mockmoov.client.errors import ProtocolError, TokenRequestError, TransportError, error_class
from mockmoov.client.tokens import Token, read_token

T = TypeVar("T")
Reader = Callable[[httpx2.Response, datetime], T]

MAX_BODY = 64 * 1024  # bytes that are read; the longest pair of tokens takes a tenth of them
MAX_QUOTED = 200  # characters of a response that an error may quote
MIN_SECRET = 8  # characters; shorter values are not redacted, because they match too much other text
# Failures to connect: the server cannot have processed the request.
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, kw_only=True, slots=True)
class SentRequest:
    """The facts about a request that are needed to read its response. `secrets` are those it contains."""

    url: str
    sent_at: datetime
    secrets: tuple[str, ...] = field(repr=False)

    def redact(self, text: str) -> str:
        """The text for an error message: without secrets, escaped to one ASCII line, cut."""
        for secret in sorted(self.secrets, key=len, reverse=True):  # one may contain another
            if len(secret) >= MIN_SECRET:
                text = text.replace(secret, "***")
        return text.encode("unicode_escape").decode("ascii")[:MAX_QUOTED]


def as_token(response: httpx2.Response, now: datetime) -> Token:
    """The token in the success response (RFC 6749 §5.1) to a request that was sent at `now`."""
    if len(response.content) > MAX_BODY:
        raise ProtocolError(f"the response is longer than {MAX_BODY} bytes")
    members = _json_object(response.content)
    if members is None:
        raise ProtocolError("the response's body is not a JSON object")
    return read_token(members, now)


def _json_object(content: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def as_none(_response: httpx2.Response, _now: datetime) -> None:
    """Nothing: for a revocation, the status says it all (RFC 7009 §2.2)."""


def read_response(
    response: httpx2.Response | httpx2.HTTPError | None, success: Mapping[int, Reader[T]], sent: SentRequest
) -> T:
    """The value that `success` reads from the response; raises a `MoovError` for every other response."""
    if not isinstance(response, httpx2.Response):
        text = f"POST {sent.url}: {type(response).__name__}: {sent.redact(str(response))}"
        if isinstance(response, httpx2.DecodingError):
            raise ProtocolError(text) from None  # the cause may echo the request
        raise TransportError(text, request_sent=not isinstance(response, NEVER_SENT)) from None
    reader = success.get(response.status_code)
    if reader is not None:
        return reader(response, sent.sent_at)
    if not 400 <= response.status_code <= 599:
        raise ProtocolError(f"POST {sent.url}: status {response.status_code} is neither success nor an error")
    raise _request_error(response, sent)


def _request_error(response: httpx2.Response, sent: SentRequest) -> TokenRequestError:
    """The exception for a 4xx or 5xx response."""
    body, headers = response.content[:MAX_BODY], response.headers
    members = _json_object(body) or {}
    fields = {sent.redact(k): sent.redact(v) for k, v in members.items() if isinstance(v, str)}
    code = fields.pop("error", None)
    explanation = (
        code
        or ", ".join(f"{k}: {v}" for k, v in fields.items())
        or sent.redact(body.decode(errors="replace"))
    )
    reason, request_id = (
        sent.redact(headers[n]) if n in headers else None for n in ("x-mockmoov-reason", "x-request-id")
    )
    notes = {"": explanation[:MAX_QUOTED], "reason: ": reason, "request id: ": request_id}
    text = "; ".join([f"status {response.status_code}", *(f"{k}{v}" for k, v in notes.items() if v)])
    return error_class(response.status_code, code, fields)(
        f"POST {sent.url}: {text}",
        status=response.status_code,
        code=code,
        fields=fields,
        request_id=request_id,
        reason=reason,
        retry_after=retry_after(headers.get("retry-after", ""), sent.sent_at),
    )


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds in a `Retry-After` (RFC 9110 §10.2.3): a number or an HTTP date; None if it is neither."""
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # a naive date ("-0000") raises TypeError
        return None
