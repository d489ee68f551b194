"""Owns the way from an HTTP answer to a value or an exception; it must not know requests or sockets."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

from mockmoov.client.errors import ProtocolError, TokenRequestError, TransportError, kind_of
from mockmoov.client.sanitize import SHOWN, json_object, shown
from mockmoov.client.tokens import Token, read_token

T = TypeVar("T")
Reader = Callable[[httpx2.Response, datetime], T]

MAX_BODY = 64 * 1024
"""Bytes of an answer that are looked at. The longest pair of tokens takes a tenth of it."""

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Failures to connect: the server cannot have acted on the request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is known of the request that is answered: where it went, when, and which secrets it held."""

    url: str
    now: datetime
    secrets: tuple[str, ...] = field(repr=False)

    def shown(self, text: str) -> str:
        """`text` fit for an error message about this request."""
        return shown(text, self.secrets)


def as_token(response: httpx2.Response, now: datetime) -> Token:
    """The token in a successful answer (RFC 6749 §5.1) to a request made at `now`."""
    if len(response.content) > MAX_BODY:
        raise ProtocolError(f"the answer is longer than {MAX_BODY} bytes")
    members = json_object(response.content)
    if members is None:
        raise ProtocolError("the answer's body is not a JSON object")
    return read_token(members, now)


def as_nothing(_response: httpx2.Response, _now: datetime) -> None:
    """A revocation has succeeded by its status alone (RFC 7009 §2.2)."""


def read_answer(
    answer: httpx2.Response | httpx2.HTTPError | None, success: Mapping[int, Reader[T]], asked: Asked
) -> T:
    """What `success` makes of an answer; a `MoovError` for every other outcome."""
    if not isinstance(answer, httpx2.Response):
        raise _failure(answer, asked) from None  # its text may hold what the server echoed
    reader = success.get(answer.status_code)
    if reader is not None:
        return reader(answer, asked.now)
    if not 400 <= answer.status_code <= 599:
        raise ProtocolError(f"POST {asked.url}: status {answer.status_code} is neither success nor an error")
    raise refusal(answer, asked)


def refusal(response: httpx2.Response, asked: Asked) -> TokenRequestError:
    """The exception for a 4xx or 5xx answer, with all that it says."""
    body, headers = response.content[:MAX_BODY], response.headers
    members = json_object(body) or {}
    texts = {asked.shown(k): asked.shown(v) for k, v in members.items() if isinstance(v, str)}
    code = texts.pop("error", None)
    said = (
        code or ", ".join(f"{k}: {v}" for k, v in texts.items()) or asked.shown(body.decode(errors="replace"))
    )
    reason, request_id = (
        asked.shown(headers[n]) if n in headers else None for n in ("x-mockmoov-reason", "x-request-id")
    )
    notes = {"": said[:SHOWN], "reason: ": reason, "request id: ": request_id}
    text = "; ".join([f"status {response.status_code}", *(f"{k}{v}" for k, v in notes.items() if v)])
    return kind_of(response.status_code, code, texts)(
        f"POST {asked.url}: {text}",
        status=response.status_code,
        code=code,
        fields=texts,
        request_id=request_id,
        reason=reason,
        retry_after=retry_after(headers.get("retry-after", ""), asked.now),
    )


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds in a `Retry-After` (RFC 9110 §10.2.3): a number or an HTTP date, None where it is neither."""
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        then = parsedate_to_datetime(value)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # a naive date ("-0000") is a TypeError
        return None


def _failure(error: httpx2.HTTPError | None, asked: Asked) -> ProtocolError | TransportError:
    text = f"POST {asked.url}: {type(error).__name__}: {asked.shown(str(error))}"
    if isinstance(error, httpx2.DecodingError):
        return ProtocolError(text)
    return TransportError(text, request_sent=not isinstance(error, NEVER_SENT))
