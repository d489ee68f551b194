"""Owns the rules of refreshing a token. Must not know transports or reports."""

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import MEMBERS
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.target import PING

topic = Topic("refresh")

_nonsense = st.one_of(
    st.sampled_from(
        ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", ".", "\x00", "é", "\U0001f511", "x" * 5000]
    ),
    st.text("abcXYZ019-_.", min_size=1, max_size=60),
)


@topic.check("works", "seed, spec, rfc 6749 §6")
def _(probe: Probe) -> None:
    """A refresh token is traded for a new access token that works."""
    pair = probe.mint()
    new = probe.pair(probe.refresh(pair.refresh))
    want(new.access != pair.access, "another access token", "the same")
    want(probe.is_alive(new.access), "the new access token to be good", "401")


@topic.check("json", "seed, spec")
def _(probe: Probe) -> None:
    """A refresh may be asked for in JSON, and with credentials in the body."""
    body = {"grant_type": "refresh_token", "refresh_token": probe.mint().refresh}
    pair = probe.pair(probe.token(body, as_json=True))
    key = probe.key
    body |= {"refresh_token": pair.refresh, "client_id": key.client_id, "client_secret": key.client_secret}
    probe.token(body, credentials=False).want_status(200)


@topic.check("members", "seed, spec")
def _(probe: Probe) -> None:
    """A refresh is answered as a mint is: 200, the same members, token_type, kind of expires_in, no-store."""
    answer = probe.refresh(probe.mint().refresh).want_status(200).want_json()
    document = answer.document()
    want(document.keys() == MEMBERS, ", ".join(sorted(MEMBERS)), ", ".join(sorted(document)))
    shown = answer.text("token_type")
    want(shown in probe.reading.token_types, "the token_type of a mint", shown)
    remaining = probe.reading.lifetime(answer.number("expires_in"), answer.server_now)
    want(-300 < remaining < 10**8, "the kind of expires_in of a mint", document["expires_in"])
    answer.want_directive("cache-control", "no-store").want_directive("pragma", "no-cache")


@topic.check("keeps-scope", "rfc 6749 §6")
def _(probe: Probe) -> None:
    """Without scope, the scope of the grant is kept."""
    pair = probe.mint()
    for _ in range(2):
        pair = probe.pair(probe.refresh(pair.refresh))
        want(pair.scope == probe.scope, probe.scope, pair.scope)


@topic.check("narrows", "rfc 6749 §6", examples=4, needs=("two scopes",))
def _(probe: Probe) -> None:
    """For any part of the scope, in any order, that is what the new access token has."""

    def law(asked: list[str]) -> None:
        scope = probe.pair(probe.refresh(probe.mint().refresh, scope=" ".join(asked))).scope
        want(scope == " ".join(asked), " ".join(asked), scope)

    probe.for_all(st.lists(st.sampled_from(probe.target.scopes), min_size=1, unique=True), law)


@topic.check("narrow-token", "rfc 6749 §6, docs", needs=("two scopes",))
def _(probe: Probe) -> None:
    """A narrowed access token cannot do what was left out."""
    narrow = probe.pair(probe.refresh(probe.mint().refresh, scope=probe.other_scope))
    probe.ping(narrow.access).want_empty(403)


@topic.check("narrows-once", "rfc 6749 §6", needs=("two scopes",))
def _(probe: Probe) -> None:
    """Narrowing concerns one access token: the next refresh has the whole scope of the grant again."""
    narrow = probe.pair(probe.refresh(probe.mint().refresh, scope=probe.target.scopes[0]))
    whole = probe.pair(probe.refresh(narrow.refresh)).scope
    want(whole == probe.scope, probe.scope, whole)


@topic.check("wider", "rfc 6749 §6", needs=("two scopes",))
def _(probe: Probe) -> None:
    """A scope that was not granted is refused, alone and beside one that was."""
    for scope in (probe.other_scope, f"{PING} {probe.other_scope}", f"{PING} /nonsense.read"):
        probe.refresh(probe.mint(scope=PING).refresh, scope=scope).want_refusal(probe.refusal("scope"))


@topic.check("exact-scope", "rfc 6749 §6, choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Write does not stand for read, nor a scope of all accounts for an account's."""
    own = probe.own()
    account = f"/accounts/{own.key.account_id}"
    for granted, asked in (
        ("/accounts.write", "/accounts.read"),
        ("/terminal-applications.read", f"{account}/terminal-applications.read"),
    ):
        refresh = own.mint(scope=granted).refresh
        own.refresh(refresh, scope=asked).want_refusal(probe.refusal("scope"))


@topic.check("uuid-case", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """An account's UUID is the same in any case, in what was granted as in what is asked for."""
    own = probe.own()
    account = str(own.key.account_id)
    refresh = own.mint(scope=f"/accounts/{account}/wallets.read").refresh
    own.refresh(refresh, scope=f"/accounts/{account.upper()}/wallets.read").want_status(200)


@topic.check("malformed-scope", "rfc 6749 §3.3")
def _(probe: Probe) -> None:
    """A malformed scope is refused as a scope, and not as a token."""
    probe.refresh(probe.mint().refresh, scope='/ping".read').want_refusal(probe.refusal("scope"))


@topic.check("missing", "rfc 6749 §5.2, spec")
def _(probe: Probe) -> None:
    """Without refresh_token: invalid_request in 2023, 422 in dated versions."""
    for absent in (None, ""):
        probe.refresh(absent).want_refusal(probe.refusal("refresh token missing"))


@topic.check("unknown", "seed, rfc 6749 §5.2", contract="2023", examples=6)
def _(probe: Probe) -> None:
    """For any text that is no refresh token: invalid_grant."""
    _refuses_nonsense(probe)


@topic.check("unknown-dated", "choice", contract="dated", examples=6)
def _(probe: Probe) -> None:
    """For any text that is no refresh token: 422 refresh_token."""
    _refuses_nonsense(probe)


@topic.check("access-token", "rfc 6749 §1.5, choice")
def _(probe: Probe) -> None:
    """An access token is no refresh token."""
    _refused(probe, probe.mint().access)


@topic.check("forged", "rfc 6749 §10.4, choice", examples=6)
def _(probe: Probe) -> None:
    """For any place in a refresh token where a character is another, it is refused."""
    token = probe.mint().refresh

    def law(place: int) -> None:
        at = place % len(token)
        other = "A" if token[at] != "A" else "Q"
        _refused(probe, probe.hide(token[:at] + other + token[at + 1 :], "FORGED_TOKEN"))

    probe.for_all(st.integers(0, len(token) - 2), law)


@topic.check("client-authentication", "seed, rfc 6749 §6, live")
def _(probe: Probe) -> None:
    """A refresh wants the client's credentials as a mint does, and is not used up without them."""
    token = probe.mint().refresh
    body = {"grant_type": "refresh_token", "refresh_token": token}
    probe.token(body, credentials=False).want_refusal(probe.refusal("client"))
    header = probe.basic(None, "not-the-secret")
    probe.token(body, credentials=False, headers=[header]).want_refusal(probe.refusal("client"))
    probe.refresh(token).want_status(200)


@topic.check("revoked", "rfc 7009 §2.1, choice")
def _(probe: Probe) -> None:
    """A revoked refresh token is refused."""
    token = probe.mint().refresh
    probe.revoke(token).want_status(204)
    _refused(probe, token)


@topic.check("token-before-scope", "choice", needs=("two scopes",))
def _(probe: Probe) -> None:
    """Of a used-up refresh token and a wider scope, the token is refused."""
    token = probe.mint(scope=probe.target.scopes[0]).refresh
    probe.refresh(token).want_status(200)
    answer = probe.refresh(token, scope=probe.scope)
    answer.want_refusal(probe.refusal("refresh token"))


@topic.check("refusal-uses-nothing-up", "choice", needs=("two scopes",))
def _(probe: Probe) -> None:
    """A refusal for its scope leaves a refresh token good."""
    pair = probe.mint()
    probe.refresh(pair.refresh, scope="/nonsense.read").want_refusal(probe.refusal("scope"))
    probe.refresh(pair.refresh).want_status(200)


@topic.check("old-access-token", "choice")
def _(probe: Probe) -> None:
    """A refresh leaves the access tokens of before good."""
    pair = probe.mint()
    probe.refresh(pair.refresh).want_status(200)
    want(probe.is_alive(pair.access), "the first access token to be good", "401")


@topic.check("client-type", "sdk", needs=("control plane",))
def _(probe: Probe) -> None:
    """A refreshed token keeps its client type: a device's is not bound to an origin, a browser's is."""
    own = probe.own(origins=["https://registered.example"])
    foreign = ("Origin", "https://elsewhere.example")
    for client_type, status in (("device", 200), ("service", 200), ("web", 401)):
        pair = own.pair(own.refresh(own.mint(client_type=client_type).refresh))
        own.ping(pair.access, foreign, origin=False).want_status(status)


def _refuses_nonsense(probe: Probe) -> None:
    probe.for_all(_nonsense, lambda token: _refused(probe, token))


def _refused(probe: Probe, token: str) -> None:
    probe.refresh(token).want_refusal(probe.refusal("refresh token"))
