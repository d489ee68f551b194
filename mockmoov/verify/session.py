"""Owns running one check after another against one target, and leaving nothing behind.

Must not know what is checked, in which order, or how it is shown.
"""

import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from mockmoov.verify.budget import Send, Wire
from mockmoov.verify.check import Check
from mockmoov.verify.control_plane import Plane
from mockmoov.verify.curl import commands
from mockmoov.verify.expectations import LONGEST_LIFETIME, NO_HEADER_2023, WITHOUT_HEADER, Reading
from mockmoov.verify.jwt_claims import origins_of
from mockmoov.verify.kit import TOKEN, Work
from mockmoov.verify.masking import Hidden
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Answer, printable
from mockmoov.verify.results import BudgetSpent, CannotRun, Failed, NotCheckable, Result, Status, Unanswered
from mockmoov.verify.target import Target

_LONGEST = 300  # characters of a reason


class Session:
    """Runs checks against a target; `send` asks it. Afterwards everything that was minted is revoked."""

    def __init__(self, target: Target, send: Send) -> None:
        self.wire = Wire(send, budget=target.budget, rate=target.rate, seconds=target.seconds)
        self.hidden = Hidden()
        self.hidden.hide_key(target.key.client_id, target.key.client_secret, "")
        self.target = target
        self.left_behind = 0
        self._work = Work(target=target, wire=self.wire, hidden=self.hidden, origin=target.origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clean_up()

    # --- before ---------------------------------------------------------------------------------

    def begin(self, reading: Reading) -> Answer:
        """One token request, to see that there is something to verify; raises `CannotRun`."""
        probe = Probe(self._work, reading, self.target.key)
        try:
            answer = probe.token()
            if answer.status >= 400:
                answer = self._in_body(probe) or answer
        except (Unanswered, BudgetSpent) as end:
            raise CannotRun(f"{self.target.url} cannot be verified: {end}") from None
        self._judge_beginning(answer)
        return answer

    def find_plane(self) -> bool:
        """Look for mockmoov's control plane, and use it from now on if it is there."""
        plane = Plane(self.wire, self.hidden, self.target)
        with suppress(Unanswered):
            self._work.is_mockmoov, is_open = plane.look()
            self._work.plane = plane if is_open else None
        return self._work.plane is not None

    def find_origin(self, reading: Reading) -> str | None:
        """An origin that tokens are good from, where they are not without one and none was given."""
        probe = Probe(self._work, reading, self.target.key)
        with suppress(Failed, NotCheckable, Unanswered):
            access = probe.mint().access
            if self._work.origin is None and probe.ping(access).status == 401:
                good = (
                    origin
                    for origin in origins_of(access)
                    if probe.ping(access, ("Origin", origin)).status == 200
                )
                self._work.origin = next(good, None)
        self._revoke_all(reading)
        return self._work.origin

    def _in_body(self, probe: Probe) -> Answer | None:
        """The answer to credentials in the body; that Basic is refused is for a check to say."""
        answer = probe.token(probe.in_body(), credentials=False)
        return answer if answer.status < 400 else None

    def _judge_beginning(self, answer: Answer) -> None:
        said = self._shown(str(answer))
        with suppress(Failed):
            document = answer.document()
            if answer.status < 300:
                return
            if document.get("error") == "invalid_client":
                raise CannotRun(f"the client_id or the client_secret is refused: {said}")
            if answer.status < 500:
                raise CannotRun(f"a token for {' '.join(self.target.scopes)} is refused: {said}")
        if answer.status == 401:
            raise CannotRun(f"the client_id or the client_secret is refused: {said}")
        if answer.status == 429:
            raise CannotRun("the rate limit is reached: try again later, or with a lower --rate")
        if answer.status >= 500:
            raise CannotRun(f"the server fails: {said}")
        raise CannotRun(f"POST {TOKEN} does not answer as Moov's token endpoint: {said}")

    # --- a check --------------------------------------------------------------------------------

    def run(self, check: Check, reading: Reading) -> Result:
        """How one check ends; raises `BudgetSpent` where no request is left for it."""
        started, sent = time.perf_counter(), self.wire.sent
        self.wire.exchanges.clear()
        probe = Probe(self._work, reading, self.target.key, examples=check.examples)
        status, reason, curl = self._verdict(check, probe)
        self._revoke_all(reading)
        return Result(
            check_id=check.id,
            contract=reading.label,
            status=status,
            reason=self._shown(reason),
            curl=curl,
            seen=tuple(probe.seen),
            seconds=time.perf_counter() - started,
            requests=self.wire.sent - sent,
        )

    def _verdict(self, check: Check, probe: Probe) -> tuple[Status, str, tuple[str, ...]]:
        missing = [need for need in check.needs if not self._has(need)]
        if missing:
            return "not-checkable", f"not checkable here: needs {' and '.join(missing)}", ()
        try:
            check.run(probe)
        except Failed as failure:
            return "failed", str(failure), failure.curl or commands(self.wire.exchanges, self.hidden)
        except NotCheckable as reason:
            return "not-checkable", f"not checkable here: {reason}", ()
        except Unanswered as reason:
            return "error", str(reason), ()
        except BudgetSpent:
            raise
        except Exception as error:
            return (
                "error",
                f"the check itself failed: {type(error).__name__}",
                commands(self.wire.exchanges, self.hidden),
            )
        return ("finding" if check.finding else "passed"), "", ()

    def _shown(self, text: str) -> str:
        """A text without what must not be seen, and not too long."""
        shown = printable(self.hidden.shown(text))
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."

    def _has(self, need: str) -> bool:
        there = {
            "two scopes": len(self.target.scopes) > 1,
            "mockmoov": self._work.is_mockmoov,
            "control plane": self._work.plane is not None,
        }
        return there[need]

    # --- after ----------------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Revoke what is still alive, and delete the API keys that are ours."""
        self._revoke_all(NO_HEADER_2023)
        if self._work.plane:
            with suppress(Unanswered, BudgetSpent):
                self._work.plane.clear()

    def _revoke_all(self, reading: Reading) -> None:
        probe = Probe(self._work, reading, self.target.key)
        while self._work.live:
            token = self._work.live.pop(0)
            self.wire.reserved -= 1
            try:
                answer = self.wire.send_last(probe.revocation(token))
                self.left_behind += answer.status_code >= 300
            except (Unanswered, BudgetSpent):  # nor would it answer for the others
                self.left_behind += 1 + len(self._work.live)
                self.wire.reserved -= len(self._work.live)
                self._work.live.clear()


def without_header(answer: Answer) -> Reading:
    """Which contract a success without `X-Moov-Version` belongs to."""
    with suppress(Failed):
        document = answer.document()
        expires_in = document.get("expires_in")
        if isinstance(expires_in, int) and expires_in > LONGEST_LIFETIME:
            return WITHOUT_HEADER["dated"]
        if document.get("token_type") in ("jwt", "opaque"):
            return WITHOUT_HEADER["2023-sdk"]
    return NO_HEADER_2023
