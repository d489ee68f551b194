"""Owns the rules of grant types and scopes, and how a refusal looks. Must not know transports."""

from uuid import uuid4

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import CODES
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Answer, want
from mockmoov.verify.results import NotCheckable
from mockmoov.verify.target import PING

topic = Topic("grant")
scopes = Topic("scope")
errors = Topic("error")

_ACCOUNT_SCOPES = ("wallets.read", "cards.read", "transfers.read", "bank-accounts.read", "capabilities.read")


@topic.check("missing", "rfc 6749 §5.2")
def _(probe: Probe) -> None:
    """Without grant_type: invalid_request."""
    probe.token(probe.minting(grant_type=None)).want_refusal(probe.refusal("request"))


@topic.check("unknown", "seed, spec, rfc 6749 §5.2", examples=6)
def _(probe: Probe) -> None:
    """For any other grant_type: unsupported_grant_type."""

    def law(grant_type: str) -> None:
        probe.token(probe.minting(grant_type=grant_type)).want_refusal(probe.refusal("grant type"))

    known = ["password", "authorization_code", "Client_Credentials", "client_credentials_", "refresh_tokens"]
    probe.for_all(st.one_of(st.sampled_from(known), st.text("abcxyz_-.:", min_size=1, max_size=12)), law)


@topic.check("not-for-this-key", "rfc 6749 §5.2", needs=("control plane",))
def _(probe: Probe) -> None:
    """A grant that the key may not use is unauthorized_client."""
    refresher, minter = probe.own(grants=["refresh_token"]), probe.own(grants=["client_credentials"])
    refresher.token().want_refusal(probe.refusal("not for this client"))
    minter.refresh(minter.mint().refresh).want_refusal(probe.refusal("not for this client"))


@scopes.check("missing", "docs")
def _(probe: Probe) -> None:
    """client_credentials without scope: invalid_scope in 2023, 422 in dated versions."""
    for absent in (None, "", " "):
        probe.token(probe.minting(scope=absent)).want_refusal(probe.refusal("scope"))


@scopes.check("unknown", "docs", examples=6)
def _(probe: Probe) -> None:
    """For any scope that Moov does not have, even beside one that it has, the request is refused."""

    def law(drawn: tuple[str, bool]) -> None:
        family, beside = drawn
        scope = f"/x-{family}.read" + (f" {probe.target.scopes[0]}" if beside else "")
        probe.token(probe.minting(scope=scope)).want_refusal(probe.refusal("scope"))

    probe.for_all(st.tuples(st.text("abcxyz-", min_size=1, max_size=10), st.booleans()), law)


@scopes.check("near-miss", "docs")
def _(probe: Probe) -> None:
    """A scope is exact: another case, a missing slash or another permission is another scope."""
    for scope in ("/PING.READ", "ping.read", "/ping.write", "/ping", "/ping.read/", "//ping.read"):
        probe.token(probe.minting(scope=scope)).want_refusal(probe.refusal("scope"))


@scopes.check("malformed", "rfc 6749 §3.3, seed, spec", examples=6)
def _(probe: Probe) -> None:
    """For any character that a scope cannot have, the scope is malformed, and not the request."""

    def law(odd: str) -> None:
        probe.token(probe.minting(scope=f"/ping{odd}.read")).want_refusal(probe.refusal("scope"))

    probe.for_all(st.sampled_from(['"', "\\", "\x00", "\x7f", "é", "\n", "\U0001f511"]), law)


@scopes.check("not-for-this-key", "docs", needs=("control plane", "two scopes"))
def _(probe: Probe) -> None:
    """A scope that the key may not ask for is refused, also beside one that it may."""
    other = probe.own(scopes=[PING])
    other.token(probe.minting(scope=PING)).want_status(200)
    for scope in (probe.other_scope, probe.scope):
        other.token(probe.minting(scope=scope)).want_refusal(probe.refusal("scope"))


@scopes.check("account", "docs", needs=("control plane",))
def _(probe: Probe) -> None:
    """An account's scope has a UUID in its path, in any case; anything else there is refused."""
    other = probe.own()
    account = str(other.key.account_id)
    for name in (account, account.upper()):
        other.mint(scope=f"/accounts/{name}/wallets.read")
    for name in ("not-a-uuid", "", "{accountID}", account[:-1]):
        answer = other.token(other.minting(scope=f"/accounts/{name}/wallets.read"))
        answer.want_refusal(probe.refusal("scope"))


@scopes.check("account-of-this-key", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """A key that may ask for one scope of any account may ask for no other, nor for all at once."""
    other = probe.own(scopes=["/accounts/{accountID}/transfers.read"])
    other.mint(scope=f"/accounts/{uuid4()}/transfers.read")
    for scope in (f"/accounts/{uuid4()}/transfers.write", "/accounts.read"):
        other.token(other.minting(scope=scope)).want_refusal(probe.refusal("scope"))


@scopes.check("too-long", "seed, spec", needs=("control plane",))
def _(probe: Probe) -> None:
    """Scopes for which a token would have more than 4,096 characters are refused."""
    other = probe.own()
    asked = " ".join(f"/accounts/{uuid4()}/{name}" for name in _ACCOUNT_SCOPES for _ in range(20))
    answer = other.token(other.minting(scope=asked))
    if answer.status == 200:
        pair = other.pair(answer)
        want(max(len(pair.access), len(pair.refresh)) <= 4096, "tokens of at most 4096 characters")
        raise NotCheckable("its tokens stay short, however many scopes they have")
    answer.want_refusal(probe.refusal("scope"))


# --- how a refusal looks ------------------------------------------------------------------------


def _refused(probe: Probe) -> list[Answer]:
    """One refusal of each kind that can be had without a control."""
    return [
        probe.token(probe.minting(grant_type=None)),
        probe.token(probe.minting(grant_type="nonsense")),
        probe.token(probe.minting(scope="/nonsense.read")),
        probe.token(probe.in_body(client_type="nonsense"), credentials=False),
        probe.token(probe.in_body() | {"client_secret": "not-the-secret"}, credentials=False),
        probe.token(headers=[probe.basic(None, "not-the-secret")], credentials=False),
        probe.refresh("nonsense"),
        probe.refresh(None),
        probe.revoke(None),
        probe.revoke("nonsense", token_type_hint="nonsense"),  # noqa: S106
    ]


@errors.check("body", "seed, spec")
def _(probe: Probe) -> None:
    """A 400 has one member, error, which is one of six codes."""
    for answer in _refused(probe):
        if answer.status == 400:
            document = answer.document()
            want(list(document) == ["error"], "no member but error", ", ".join(document))
            want(document["error"] in CODES, f"one of {', '.join(sorted(CODES))}", document["error"])


@errors.check("field", "spec", contract="dated")
def _(probe: Probe) -> None:
    """A 422 has one member, named after the field, which is a text."""
    found = [answer for answer in _refused(probe) if answer.status == 422]
    want(bool(found), "a field error to be a 422", "none")
    for answer in found:
        document = answer.document()
        want(
            len(document) == 1 and all(isinstance(v, str) and v for v in document.values()),
            "one text",
            answer,
        )


@errors.check("content-type", "seed, spec")
def _(probe: Probe) -> None:
    """A refusal that has a body is application/json."""
    for answer in _refused(probe):
        if answer.body:
            answer.want_json()


@errors.check("no-store", "choice")
def _(probe: Probe) -> None:
    """A refusal says Cache-Control: no-store."""
    for answer in [*_refused(probe), probe.ping(None), probe.revoke("nonsense")]:
        answer.want_directive("cache-control", "no-store")


@errors.check("no-secret", "choice")
def _(probe: Probe) -> None:
    """Nothing in a refusal repeats a secret, a token, or what was sent in their place."""
    canary = "canary-9e107d9d372bb682"
    pair = probe.mint()
    answers = [
        probe.token(headers=[probe.basic(None, canary)], credentials=False),
        probe.token(probe.in_body() | {"client_secret": canary}, credentials=False),
        probe.token(probe.minting(grant_type=canary)),
        probe.token(probe.minting(client_type=canary)),
        probe.refresh(canary),
        probe.refresh(pair.access),
        probe.revoke(canary, token_type_hint=canary),
        probe.ping(canary),
        probe.post(f"/oauth2/token?client_secret={canary}", probe.minting()),
    ]
    for answer in answers:
        told = f"{answer.headers}\n{answer.body.decode('latin-1')}"
        for secret in (canary, probe.key.client_secret, pair.access, pair.refresh):
            want(secret not in told, "an answer without what was sent as a secret", "one that has it")


@errors.check("suggestion", "choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """The reason of a scope that is nearly right names the right one."""
    answer = probe.token(probe.minting(scope="/ping.raed"))
    reason = answer.header("x-mockmoov-reason") or ""
    want(reason.endswith(PING + "?"), f"a reason that asks for {PING}", reason)


@errors.check("reason", "choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """mockmoov says why in X-Mockmoov-Reason: one line of printable ASCII, at most 200 characters."""
    for answer in [*_refused(probe), probe.ping(None)]:
        reason = answer.header("x-mockmoov-reason") or ""
        good = 0 < len(reason) <= 200 and reason.isascii() and reason.isprintable()
        want(
            good or answer.status < 400,
            "a reason of 1 to 200 printable characters",
            f"{len(reason)} characters",
        )
