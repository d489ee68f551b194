"""Owns the rules of what is looked at first: paths, methods, sizes, order. Must not know transports."""

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.kit import FORM, REVOKE, TOKEN, as_form
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want

topic = Topic("request")
_LIMIT = 64 * 1024  # bytes of a body


@topic.check("too-large", "choice")
def _(probe: Probe) -> None:
    """A body of more than 64 KiB is 413 without a body; one of 64 KiB is read."""
    body = as_form(probe.minting()) + b"&other="
    probe.raw(body.ljust(_LIMIT, b"x"), FORM).want_status(200)
    for path in (TOKEN, REVOKE):
        headers = [("Content-Type", FORM), probe.basic()]
        probe.ask("POST", path, headers=headers, body=body.ljust(_LIMIT + 1, b"x")).want_empty(413)


@topic.check("method", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any method but POST at the OAuth paths: 405 without a body, with POST in Allow."""

    def law(drawn: tuple[str, str]) -> None:
        answer = probe.ask(drawn[0], drawn[1], headers=[probe.basic()]).want_empty(405)
        allowed = {method.strip() for method in (answer.header("allow") or "").split(",")}
        want("POST" in allowed and drawn[0] not in allowed, "Allow: POST", answer.header("allow"))

    methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE"])
    probe.for_all(st.tuples(methods, st.sampled_from([TOKEN, REVOKE])), law)


@topic.check("order", "choice")
def _(probe: Probe) -> None:
    """One request, one verdict: reading, then client authentication, then grant_type, then the grant."""
    body = as_form(probe.minting(grant_type="nonsense", scope="nonsense"))
    wrong = probe.basic(None, "not-the-secret")
    probe.raw(body + b"&scope=again", FORM, credentials=wrong).want_refusal(probe.refusal("request"))
    probe.raw(body, FORM, credentials=wrong).want_refusal(probe.refusal("client"))
    probe.raw(body, FORM).want_refusal(probe.refusal("grant type"))
    size = _LIMIT + 1
    probe.raw(body.ljust(size, b"x"), "text/plain", credentials=wrong).want_empty(413)
    probe.ask("GET", TOKEN, headers=[("X-Moov-Version", "nonsense")], version=False).want_empty(405)


@topic.check("version-before-size", "choice", contract="dated")
def _(probe: Probe) -> None:
    """A malformed version is a 404 before anything of the body is looked at."""
    headers = [("Content-Type", "text/plain"), ("X-Moov-Version", "nonsense")]
    body = b"x" * (_LIMIT + 1)
    probe.ask("POST", TOKEN, headers=headers, body=body, version=False).want_empty(404)


@topic.check("unknown-path", "choice")
def _(probe: Probe) -> None:
    """A path that nobody knows, a trailing slash included, is a 404 and no redirect."""
    for path in ("/oauth2/nonsense", f"{TOKEN}/", f"{REVOKE}/"):
        probe.post(path, probe.minting()).want_status(404)
