"""Runs single checks against one target, and revokes everything that they create."""

import time
from contextlib import ExitStack, suppress

from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.budget import BudgetedSender, Send
from mockmoov.verify.check import (
    BudgetExhausted,
    CannotRun,
    Check,
    CheckFailed,
    NoResponse,
    NotCheckable,
    Result,
    Status,
)
from mockmoov.verify.control_plane import ControlPlaneClient
from mockmoov.verify.expectations import NO_HEADER_2023, WITHOUT_HEADER, Expectations
from mockmoov.verify.masking import Masking, commands
from mockmoov.verify.probe import REVOKE_PATH, TOKEN_PATH, Probe, SessionState
from mockmoov.verify.response import Response, printable
from mockmoov.verify.target import Target

_LONGEST_REASON = 300  # characters


class Session(ExitStack):
    """Runs checks against a target, with requests that `send` sends. On exit it revokes all tokens."""

    def __init__(self, target: Target, send: Send) -> None:
        super().__init__()
        self.callback(self.clean_up)
        self.sender = BudgetedSender(
            send, url=target.url, budget=target.budget, rate=target.rate, seconds=target.seconds
        )
        self.masking = Masking()
        self.masking.hide_key(target.key.client_id, target.key.client_secret, "")
        self.target = target
        self.tokens_not_revoked = 0
        self._state = SessionState(
            target=target, sender=self.sender, masking=self.masking, origin=target.origin
        )

    # --- before the checks ----------------------------------------------------------------------

    def request_first_token(self, expectations: Expectations) -> Response:
        """Request a token, to see whether the target can be verified. Raises `CannotRun`."""
        probe = Probe(self._state, expectations, self.target.key)
        try:
            response = probe.post_token()
            if response.status >= 400:  # a server that refuses Basic is for a check to report
                in_body = probe.post_token(probe.parameters_with_key(), send_basic=False)
                response = in_body if in_body.status < 400 else response
        except (NoResponse, BudgetExhausted) as error:
            raise CannotRun(f"{self.target.url} cannot be verified: {error}") from None
        self._require_token(response)
        return response

    def find_control_plane(self) -> bool:
        """Look for mockmoov's control plane. If there is one, checks use it from now on."""
        client = ControlPlaneClient(self.sender, self.masking, self.target)
        with suppress(NoResponse):
            self._state.is_mockmoov, may_use = client.detect()
            self._state.control_plane = client if may_use else None
        return self._state.control_plane is not None

    def find_origin(self, expectations: Expectations) -> str | None:
        """Find an origin to send with tokens, if the target requires one and the options do not name it."""
        probe = Probe(self._state, expectations, self.target.key)
        with suppress(CheckFailed, NotCheckable, NoResponse):
            pair = probe.mint()
            if self._state.origin is None and probe.ping(pair.access).status == 401:
                sent = ((origin, probe.ping(pair.access, ("Origin", origin))) for origin in pair.origins())
                self._state.origin = next((origin for origin, got in sent if got.status == 200), None)
        self._revoke_live_tokens(expectations)
        return self._state.origin

    def _require_token(self, response: Response) -> None:
        received = self._mask(str(response))
        source = self.target.key.source and f"; {self.target.key.source}"
        rejected = f"the server rejects the client_id or the client_secret: {received}{source}"
        with suppress(CheckFailed):
            members = response.json_object()
            if response.status < 300:
                return
            if members.get("error") == "invalid_client":
                raise CannotRun(rejected)
            if response.status < 500:
                scopes = " ".join(self.target.scopes)
                raise CannotRun(f"the server refuses a token for {scopes}: {received}")
        if response.status == 401:
            raise CannotRun(rejected)
        if response.status == 429:
            raise CannotRun("the rate limit is reached; try again later, or with a lower --rate")
        if response.status >= 500:
            raise CannotRun(f"the server fails: {received}")
        raise CannotRun(
            f"POST {TOKEN_PATH} does not respond like Moov's token endpoint: {received}; check the URL"
        )

    # --- a check --------------------------------------------------------------------------------

    def run(self, check: Check, expectations: Expectations) -> Result:
        """Run one check under one contract. Raises `BudgetExhausted` if no request is left for it."""
        started, sent = time.perf_counter(), self.sender.sent
        self.sender.exchanges.clear()
        probe = Probe(self._state, expectations, self.target.key, examples=check.examples)
        status, reason, curl = self._run(check, probe)
        self._revoke_live_tokens(expectations)
        return Result(
            check_id=check.id,
            contract=expectations.label,
            status=status,
            reason=self._mask(reason),
            curl=curl,
            observations=probe.observations,
            seconds=time.perf_counter() - started,
            requests=self.sender.sent - sent,
        )

    def _run(self, check: Check, probe: Probe) -> tuple[Status, str, tuple[str, ...]]:
        """The status, the reason and the curl commands of a check."""
        available = {
            "two scopes": len(self.target.scopes) > 1,
            "mockmoov": self._state.is_mockmoov,
            "control plane": self._state.control_plane is not None,
        }
        missing = [need for need in check.needs if not available[need]]
        if missing:
            return "not-checkable", f"not checkable here (requires: {', '.join(missing)})", ()
        try:
            check.run(probe)
        except CheckFailed as failure:
            return "failed", str(failure), failure.curl or commands(self.sender.exchanges, self.masking)
        except NotCheckable as reason:
            return "not-checkable", f"not checkable here: {reason}", ()
        except NoResponse as reason:
            return "error", str(reason), ()
        except BudgetExhausted:
            raise
        except Exception as error:
            curl = commands(self.sender.exchanges, self.masking)
            return "error", f"the check raised {type(error).__name__}", curl
        return ("finding" if check.finding else "passed"), "", ()

    def _mask(self, text: str) -> str:
        """The text without secrets and tokens, printable, and cut if it is too long."""
        masked = printable(self.masking.mask(text))
        return masked if len(masked) <= _LONGEST_REASON else f"{masked[:_LONGEST_REASON]}..."

    # --- after the checks -----------------------------------------------------------------------

    def clean_up(self) -> None:
        """Revoke the tokens that are still valid, and delete the temporary API keys."""
        self._revoke_live_tokens(NO_HEADER_2023)
        if self._state.control_plane:
            with suppress(NoResponse, BudgetExhausted):
                self._state.control_plane.delete_keys()

    def _revoke_live_tokens(self, expectations: Expectations) -> None:
        probe = Probe(self._state, expectations, self.target.key)
        while self._state.live_tokens:
            token = self._state.live_tokens[0]
            self._state.remove_live_token(token)
            try:
                response = self.sender.send_cleanup(probe.form_request(REVOKE_PATH, {"token": token}))
                self.tokens_not_revoked += response.status_code >= 300
            except (NoResponse, BudgetExhausted):  # the other requests would fail too
                self.tokens_not_revoked += 1 + len(self._state.live_tokens)
                self._state.forget_live_tokens()


def contract_of(response: Response) -> Expectations:
    """The contract of a successful response to a request without `X-Moov-Version`."""
    with suppress(CheckFailed):
        members = response.json_object()
        expires_in = members.get("expires_in")
        if isinstance(expires_in, int) and expires_in > LONGEST_LIFETIME:
            return WITHOUT_HEADER["dated"]
        if members.get("token_type") in ("jwt", "opaque"):
            return WITHOUT_HEADER["2023-sdk"]
    return NO_HEADER_2023
