"""Checks of refreshing a token: its scope, the single use of refresh tokens, races, expiry."""

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.examples import not_tokens
from mockmoov.verify.expectations import MEMBERS
from mockmoov.verify.probe import TOKEN_PATH, Probe
from mockmoov.verify.response import expect
from mockmoov.verify.target import PING_SCOPE

_LIFETIME = 3 * 24 * 3600  # seconds (choice)
_REQUESTS = 6

_invalid_tokens = not_tokens("\x00", "é", "\U0001f511", "x" * 5000)


@check("refresh.works", "seed, spec, rfc 6749 §6")
def refresh_works(probe: Probe) -> None:
    """A refresh token can be exchanged for a new access token that works."""
    pair, new = probe.mint_and_refresh()
    expect(new.access != pair.access, "a new access token", "the same")
    expect(probe.is_valid(new.access), "the new access token to be valid", "401")


@check("refresh.json", "seed, spec")
def refresh_json(probe: Probe) -> None:
    """A refresh request may be JSON, and may have credentials in the body."""
    body = {"grant_type": "refresh_token", "refresh_token": probe.mint().refresh}
    pair = probe.token_pair(probe.post_token(body, as_json=True))
    key = probe.key
    body |= {"refresh_token": pair.refresh, "client_id": key.client_id, "client_secret": key.client_secret}
    probe.post_token(body, send_basic=False).expect_status(200)


@check("refresh.members", "seed, spec")
def refresh_members(probe: Probe) -> None:
    """A refresh response is like a first one: 200, members, token_type, kind of expires_in, no-store."""
    response = probe.refresh(probe.mint().refresh).expect_status(200).expect_json()
    document = response.json_object()
    expect(document.keys() == MEMBERS, ", ".join(sorted(MEMBERS)), ", ".join(sorted(document)))
    token_type = response.string("token_type")
    expect(token_type in probe.expectations.token_types, "the token_type of a first token", token_type)
    remaining = probe.expectations.lifetime(response.integer("expires_in"), response.server_time)
    expect(-300 < remaining < 10**8, "the kind of expires_in of a first token", document["expires_in"])
    response.expect_directive("cache-control", "no-store").expect_directive("pragma", "no-cache")


@check("refresh.keeps-scope", "rfc 6749 §6")
def refresh_keeps_scope(probe: Probe) -> None:
    """Without scope, a refresh keeps the granted scope."""
    pair = probe.mint()
    for _ in range(2):
        pair = probe.token_pair(probe.refresh(pair.refresh))
        pair.expect_scope(probe.scope)


@check("refresh.narrows", "rfc 6749 §6", examples=4, needs=("two scopes",))
def refresh_narrows(probe: Probe) -> None:
    """A refresh may request any part of the scope, in any order; the new access token has that part."""

    def test(scope: str) -> None:
        probe.token_pair(probe.refresh(probe.mint().refresh, scope=scope)).expect_scope(scope)

    parts = st.lists(st.sampled_from(probe.target.scopes), min_size=1, unique=True)
    probe.for_all(parts.map(" ".join), test)


@check("refresh.narrow-token", "rfc 6749 §6, docs", needs=("two scopes",))
def refresh_narrow_token(probe: Probe) -> None:
    """A narrowed access token cannot be used for what was left out."""
    narrow = probe.token_pair(probe.refresh(probe.mint().refresh, scope=probe.other_scope))
    probe.ping(narrow.access).expect_empty(403)


@check("refresh.narrows-once", "rfc 6749 §6", needs=("two scopes",))
def refresh_narrows_once(probe: Probe) -> None:
    """Narrowing affects one access token: the next refresh has the full scope again."""
    narrow = probe.token_pair(probe.refresh(probe.mint().refresh, scope=probe.target.scopes[0]))
    probe.token_pair(probe.refresh(narrow.refresh)).expect_scope(probe.scope)


@check("refresh.wider", "rfc 6749 §6", needs=("two scopes",))
def refresh_wider(probe: Probe) -> None:
    """A scope that was not granted is refused, alone and next to a granted one."""
    for scope in (probe.other_scope, f"{PING_SCOPE} {probe.other_scope}", f"{PING_SCOPE} /nonsense.read"):
        probe.refresh(probe.mint(scope=PING_SCOPE).refresh, scope=scope).expect_error("invalid scope")


@check("refresh.exact-scope", "rfc 6749 §6, choice", needs=("control plane",))
def refresh_exact_scope(probe: Probe) -> None:
    """Write does not imply read, and a global scope does not imply an account's."""
    client = probe.with_new_key()
    of_account = f"/accounts/{client.key.account_id}/terminal-applications.read"
    implied = {"/accounts.write": "/accounts.read", "/terminal-applications.read": of_account}
    for granted, requested in implied.items():
        refresh = client.mint(scope=granted).refresh
        client.refresh(refresh, scope=requested).expect_error("invalid scope")


@check("refresh.uuid-case", "choice", needs=("control plane",))
def refresh_uuid_case(probe: Probe) -> None:
    """The UUID of an account in a scope is case-insensitive."""
    client = probe.with_new_key()
    account = str(client.key.account_id)
    refresh = client.mint(scope=f"/accounts/{account}/wallets.read").refresh
    client.refresh(refresh, scope=f"/accounts/{account.upper()}/wallets.read").expect_status(200)


@check("refresh.malformed-scope", "rfc 6749 §3.3")
def refresh_malformed_scope(probe: Probe) -> None:
    """A malformed scope is an error of the scope, not of the token."""
    probe.refresh(probe.mint().refresh, scope='/ping".read').expect_error("invalid scope")


@check("refresh.missing", "rfc 6749 §5.2, spec")
def refresh_missing(probe: Probe) -> None:
    """A missing refresh_token is invalid_request in 2023, and 422 in dated versions."""
    for absent in (None, ""):
        probe.refresh(absent).expect_error("missing refresh token")


@check("refresh.unknown", "seed, rfc 6749 §5.2", _invalid_tokens, contract="2023", examples=6)
def refresh_unknown(probe: Probe, token: str) -> None:
    """Any text that is not a refresh token is invalid_grant."""
    _refuse(probe, token)


@check("refresh.unknown-dated", "choice", _invalid_tokens, contract="dated", examples=6)
def refresh_unknown_dated(probe: Probe, token: str) -> None:
    """Any text that is not a refresh token gets 422 refresh_token."""
    _refuse(probe, token)


@check("refresh.access-token", "rfc 6749 §1.5, choice")
def refresh_access_token(probe: Probe) -> None:
    """An access token cannot be used as a refresh token."""
    _refuse(probe, probe.mint().access)


@check("refresh.forged", "rfc 6749 §10.4, choice", examples=6)
def refresh_forged(probe: Probe) -> None:
    """A refresh token with any character changed is refused."""
    token = probe.mint().refresh

    def test(index: int) -> None:
        other = "A" if token[index] != "A" else "Q"
        _refuse(probe, probe.hide(token[:index] + other + token[index + 1 :], "FORGED_TOKEN"))

    probe.for_all(st.integers(0, len(token) - 2), test)


@check("refresh.client-authentication", "seed, rfc 6749 §6, live")
def refresh_client_authentication(probe: Probe) -> None:
    """A refresh requires the client's credentials; without them the token is not used up."""
    token = probe.mint().refresh
    body = {"grant_type": "refresh_token", "refresh_token": token}
    probe.post_token(body, send_basic=False).expect_error("invalid client")
    header = probe.basic(None, "not-the-secret")
    probe.post_token(body, send_basic=False, headers=[header]).expect_error("invalid client")
    probe.refresh(token).expect_status(200)


@check("refresh.revoked", "rfc 7009 §2.1, choice")
def refresh_revoked(probe: Probe) -> None:
    """A revoked refresh token is refused."""
    token = probe.mint().refresh
    probe.revoke(token).expect_status(204)
    _refuse(probe, token)


@check("refresh.token-before-scope", "choice", needs=("two scopes",))
def refresh_token_before_scope(probe: Probe) -> None:
    """If the refresh token is used up and the scope is too wide, the error is about the token."""
    token = probe.mint(scope=probe.target.scopes[0]).refresh
    probe.refresh(token).expect_status(200)
    probe.refresh(token, scope=probe.scope).expect_error("invalid refresh token")


@check("refresh.refusal-uses-nothing-up", "choice", needs=("two scopes",))
def refresh_refusal_uses_nothing_up(probe: Probe) -> None:
    """A refresh that is refused because of its scope does not use up the token."""
    pair = probe.mint()
    probe.refresh(pair.refresh, scope="/nonsense.read").expect_error("invalid scope")
    probe.refresh(pair.refresh).expect_status(200)


@check("refresh.old-access-token", "choice")
def refresh_old_access_token(probe: Probe) -> None:
    """Earlier access tokens stay valid after a refresh."""
    pair = probe.mint()
    probe.refresh(pair.refresh).expect_status(200)
    expect(probe.is_valid(pair.access), "the first access token to be valid", "401")


@check("refresh.client-type", "sdk", needs=("control plane",))
def refresh_client_type(probe: Probe) -> None:
    """A refreshed token keeps its client type: the Origin rule applies only to web tokens."""
    client = probe.with_new_key(origins=["https://registered.example"])
    unregistered = ("Origin", "https://elsewhere.example")
    for client_type, status in (("device", 200), ("service", 200), ("web", 401)):
        pair = client.token_pair(client.refresh(client.mint(client_type=client_type).refresh))
        client.ping(pair.access, unregistered).expect_status(status)


@check("refresh.rotates", "rfc 9700 §4.14.2, choice")
def refresh_rotates(probe: Probe) -> None:
    """Each refresh returns a new refresh token that works."""
    pair = probe.mint()
    for _ in range(2):
        new = probe.token_pair(probe.refresh(pair.refresh))
        expect(new.refresh != pair.refresh, "a new refresh token", "the same")
        pair = new


@check("refresh.used-up", "rfc 9700 §4.14.2, choice")
def refresh_used_up(probe: Probe) -> None:
    """A refresh token can be used once."""
    token = probe.mint().refresh
    probe.refresh(token).expect_status(200)
    _refuse(probe, token)


@check("refresh.replay", "rfc 9700 §4.14.2, choice")
def refresh_replay(probe: Probe) -> None:
    """Reusing a refresh token revokes its whole family, including access tokens."""
    first, second = probe.mint_and_refresh()
    _refuse(probe, first.refresh)
    _refuse(probe, second.refresh)
    valid = [probe.is_valid(pair.access) for pair in (first, second)]
    expect(not any(valid), "401 for the family's access tokens", f"{valid.count(True)} still valid")


@check("refresh.replay-without-credentials", "choice")
def refresh_replay_without_credentials(probe: Probe) -> None:
    """Reusing a refresh token with a wrong secret revokes nothing."""
    first, second = probe.mint_and_refresh()
    body = {"grant_type": "refresh_token", "refresh_token": first.refresh}
    probe.post_token(body, send_basic=False, headers=[probe.basic(None, "not-the-secret")])
    probe.refresh(second.refresh).expect_status(200)


@check("refresh.race", "rfc 9700 §4.14.2, choice")
def refresh_race(probe: Probe) -> None:
    """If a refresh token is used several times at once, exactly one use succeeds."""
    body = {"grant_type": "refresh_token", "refresh_token": probe.mint().refresh}
    statuses = [response.status for response in probe.post_concurrently(_REQUESTS, TOKEN_PATH, body)]
    expect(statuses.count(200) == 1, "one success", f"{statuses.count(200)} of {_REQUESTS}")


@check("refresh.another-client", "rfc 6749 §10.4, choice", needs=("control plane",))
def refresh_another_client(probe: Probe) -> None:
    """Another client's refresh token is refused, and stays valid for its owner."""
    owner, other = probe.with_new_key(), probe.with_new_key()
    pair = owner.mint()
    _refuse(other, pair.refresh)
    owner.refresh(pair.refresh).expect_status(200)
    _refuse(other, pair.refresh)
    expect(owner.is_valid(pair.access), "a replay by another client to revoke nothing", "401")


@check("refresh.expiry", "choice", needs=("control plane",))
def refresh_expiry(probe: Probe) -> None:
    """A refresh token is valid for 3 days; a refresh returns one that is valid for another 3 days."""
    client = probe.with_new_key()
    probe.control_plane.freeze_clock(client.key)
    pair, unused = client.mint(), client.mint()
    probe.control_plane.shift_clock(client.key, _LIFETIME - 1)
    pair = client.token_pair(client.refresh(pair.refresh))
    probe.control_plane.shift_clock(client.key, 1)
    _refuse(client, unused.refresh)
    probe.control_plane.shift_clock(client.key, _LIFETIME - 2)
    client.refresh(pair.refresh).expect_status(200)


def _refuse(probe: Probe, token: str) -> None:
    probe.refresh(token).expect_error("invalid refresh token")
