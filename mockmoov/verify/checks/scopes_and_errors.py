"""Checks of grant types and scopes, and of what all errors have in common."""

from email.utils import formatdate
from uuid import uuid4

from hypothesis import strategies as st

from mockmoov.verify.check import NotCheckable, check
from mockmoov.verify.expectations import CODES
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Response, expect
from mockmoov.verify.target import PING_SCOPE

_ACCOUNT_SCOPES = ("wallets.read", "cards.read", "transfers.read", "bank-accounts.read", "capabilities.read")

_other_grants = st.one_of(
    st.sampled_from(
        ["password", "authorization_code", "Client_Credentials", "client_credentials_", "refresh_tokens"]
    ),
    st.text("abcxyz_-.:", min_size=1, max_size=12),
)
_unknown_families = st.text("abcxyz-", min_size=1, max_size=10)
_malformed = st.sampled_from(['"', "\\", "\x00", "\x7f", "é", "\n", "\U0001f511"])


@check("grant.missing", "rfc 6749 §5.2")
def grant_missing(probe: Probe) -> None:
    """A missing grant_type is invalid_request."""
    probe.post_token(probe.parameters(grant_type=None)).expect_error("invalid request")


@check("grant.unknown", "seed, spec, rfc 6749 §5.2", _other_grants, examples=6)
def grant_unknown(probe: Probe, grant_type: str) -> None:
    """Any other grant_type is unsupported_grant_type."""
    probe.post_token(probe.parameters(grant_type=grant_type)).expect_error("unsupported grant type")


@check("grant.not-for-this-key", "rfc 6749 §5.2", needs=("control plane",))
def grant_not_for_this_key(probe: Probe) -> None:
    """A grant that the key may not use is unauthorized_client."""
    client = probe.with_new_key(grants=["refresh_token"])
    client.post_token().expect_error("unauthorized client")
    client = probe.with_new_key(grants=["client_credentials"])
    client.refresh(client.mint().refresh).expect_error("unauthorized client")


@check("scope.missing", "docs")
def scope_missing(probe: Probe) -> None:
    """client_credentials without scope gets invalid_scope in 2023, and 422 in dated versions."""
    for absent in (None, "", " "):
        probe.post_token(probe.parameters(scope=absent)).expect_error("invalid scope")


@check("scope.unknown", "docs", _unknown_families, st.booleans(), examples=6)
def scope_unknown(probe: Probe, family: str, add_valid: bool) -> None:
    """A scope that Moov does not have is refused, even next to a valid one."""
    scope = f"/x-{family}.read" + (f" {probe.target.scopes[0]}" if add_valid else "")
    probe.post_token(probe.parameters(scope=scope)).expect_error("invalid scope")


@check("scope.near-miss", "docs")
def scope_near_miss(probe: Probe) -> None:
    """Scopes match exactly: another case, a missing slash or another permission is refused."""
    for scope in ("/PING.READ", "ping.read", "/ping.write", "/ping", "/ping.read/", "//ping.read"):
        probe.post_token(probe.parameters(scope=scope)).expect_error("invalid scope")


@check("scope.malformed", "rfc 6749 §3.3, seed, spec", _malformed, examples=6)
def scope_malformed(probe: Probe, character: str) -> None:
    """A character that a scope cannot contain is an error of the scope, not of the request."""
    probe.post_token(probe.parameters(scope=f"/ping{character}.read")).expect_error("invalid scope")


@check("scope.not-for-this-key", "docs", needs=("control plane", "two scopes"))
def scope_not_for_this_key(probe: Probe) -> None:
    """A scope that the key may not have is refused, even next to one that it may have."""
    client = probe.with_new_key(scopes=[PING_SCOPE])
    client.post_token(probe.parameters(scope=PING_SCOPE)).expect_status(200)
    for scope in (probe.other_scope, probe.scope):
        client.post_token(probe.parameters(scope=scope)).expect_error("invalid scope")


@check("scope.account", "docs", needs=("control plane",))
def scope_account(probe: Probe) -> None:
    """An account's scope has a UUID in its path, in upper or lower case; anything else is refused."""
    client = probe.with_new_key()
    account = str(client.key.account_id)
    for name in (account, account.upper()):
        client.mint(scope=f"/accounts/{name}/wallets.read")
    for name in ("not-a-uuid", "", "{accountID}", account[:-1]):
        response = client.post_token(client.parameters(scope=f"/accounts/{name}/wallets.read"))
        response.expect_error("invalid scope")


@check("scope.account-of-this-key", "choice", needs=("control plane",))
def scope_account_of_this_key(probe: Probe) -> None:
    """A key that may have one scope for any account gets no other scope, and no global one."""
    client = probe.with_new_key(scopes=["/accounts/{accountID}/transfers.read"])
    client.mint(scope=f"/accounts/{uuid4()}/transfers.read")
    for scope in (f"/accounts/{uuid4()}/transfers.write", "/accounts.read"):
        client.post_token(client.parameters(scope=scope)).expect_error("invalid scope")


@check("scope.too-long", "seed, spec", needs=("control plane",))
def scope_too_long(probe: Probe) -> None:
    """Scopes that would make a token longer than 4,096 characters are refused."""
    client = probe.with_new_key()
    scope = " ".join(f"/accounts/{uuid4()}/{name}" for name in _ACCOUNT_SCOPES for _ in range(20))
    response = client.post_token(client.parameters(scope=scope))
    if response.status == 200:
        pair = client.token_pair(response)
        expect(max(len(pair.access), len(pair.refresh)) <= 4096, "tokens of at most 4096 characters")
        raise NotCheckable("tokens stay short however many scopes they have")
    response.expect_error("invalid scope")


# --- errors --------------------------------------------------------------------------------------


def _errors(probe: Probe) -> list[Response]:
    """One error of each kind that needs no control plane."""
    return [
        probe.post_token(probe.parameters(grant_type=None)),
        probe.post_token(probe.parameters(grant_type="nonsense")),
        probe.post_token(probe.parameters(scope="/nonsense.read")),
        probe.post_token(probe.parameters_with_key(client_type="nonsense"), send_basic=False),
        probe.post_token(probe.parameters_with_key() | {"client_secret": "not-the-secret"}, send_basic=False),
        probe.post_token(headers=[probe.basic(None, "not-the-secret")], send_basic=False),
        probe.refresh("nonsense"),
        probe.refresh(None),
        probe.revoke(None),
        probe.revoke("nonsense", token_type_hint="nonsense"),  # noqa: S106
    ]


@check("error.body", "seed, spec")
def error_body(probe: Probe) -> None:
    """A 400 has one member, error, with one of six codes."""
    for response in _errors(probe):
        if response.status == 400:
            document = response.json_object()
            expect(list(document) == ["error"], "no member other than error", ", ".join(document))
            expect(document["error"] in CODES, f"one of {', '.join(sorted(CODES))}", document["error"])


@check("error.field", "spec", contract="dated")
def error_field(probe: Probe) -> None:
    """A 422 has one member, named after the field; its value is a string."""
    found = [response for response in _errors(probe) if response.status == 422]
    expect(bool(found), "a field error to be a 422", "none")
    for response in found:
        document = response.json_object()
        is_valid = len(document) == 1 and all(isinstance(v, str) and v for v in document.values())
        expect(is_valid, "one member with a string", response)


@check("error.content-type", "seed, spec")
def error_content_type(probe: Probe) -> None:
    """An error with a body has Content-Type: application/json."""
    for response in _errors(probe):
        if response.body:
            response.expect_json()


@check("error.no-store", "choice")
def error_no_store(probe: Probe) -> None:
    """An error has Cache-Control: no-store."""
    for response in [*_errors(probe), probe.ping(None), probe.revoke("nonsense")]:
        response.expect_directive("cache-control", "no-store")


@check("error.no-secret", "choice")
def error_no_secret(probe: Probe) -> None:
    """An error repeats no secret, no token, and no value that was sent in place of one."""
    canary = "canary-9e107d9d372bb682"
    pair = probe.mint()
    responses = [
        probe.post_token(headers=[probe.basic(None, canary)], send_basic=False),
        probe.post_token(probe.parameters_with_key() | {"client_secret": canary}, send_basic=False),
        probe.post_token(probe.parameters(grant_type=canary)),
        probe.post_token(probe.parameters(client_type=canary)),
        probe.refresh(canary),
        probe.refresh(pair.access),
        probe.revoke(canary, token_type_hint=canary),
        probe.ping(canary),
        probe.post(f"/oauth2/token?client_secret={canary}", probe.parameters()),
    ]
    for response in responses:
        text = f"{response.headers}\n{response.body.decode('latin-1')}"
        for secret in (canary, probe.key.client_secret, pair.access, pair.refresh):
            expect(secret not in text, "a response that repeats no secret", "one that does")


@check("error.suggestion", "choice", needs=("mockmoov",))
def error_suggestion(probe: Probe) -> None:
    """The reason for a misspelt scope suggests the right one."""
    response = probe.post_token(probe.parameters(scope="/ping.raed"))
    reason = response.header("x-mockmoov-reason") or ""
    expect(reason.endswith(PING_SCOPE + "?"), f"a reason that suggests {PING_SCOPE}", reason)


@check("error.reason", "choice", needs=("mockmoov",))
def error_reason(probe: Probe) -> None:
    """X-Mockmoov-Reason explains an error in one line of printable ASCII, at most 200 characters."""
    for response in [*_errors(probe), probe.ping(None)]:
        reason = response.header("x-mockmoov-reason") or ""
        is_valid = 0 < len(reason) <= 200 and reason.isascii() and reason.isprintable()
        found = f"{len(reason)} characters"
        expect(is_valid or response.status < 400, "a reason of 1 to 200 printable characters", found)


@check("error.reason-of-client", "choice", needs=("mockmoov",))
def error_reason_of_client(probe: Probe) -> None:
    """The reason says whether the client_id is unknown or the secret is wrong."""
    unknown, wrong = (
        probe.post_token(headers=[probe.basic(name, "not-the-secret")], send_basic=False)
        for name in ("nobody-at-all", None)
    )
    for response, word in ((unknown, "client_id"), (wrong, "client_secret")):
        reason = response.header("x-mockmoov-reason") or ""
        expect(word in reason, f"a reason that mentions {word}", reason)


@check("error.reason-of-expired-token", "choice", needs=("control plane",))
def error_reason_of_expired_token(probe: Probe) -> None:
    """The reason for an expired token says when it expired."""
    client = probe.with_new_key()
    probe.control_plane.freeze_clock(client.key)
    pair = client.mint()
    now = pair.response.server_time
    lifetime = client.expectations.lifetime(pair.response.integer("expires_in"), now)
    probe.control_plane.shift_clock(client.key, lifetime + 60)
    reason = client.ping(pair.access).expect_empty(401).header("x-mockmoov-reason") or ""
    date = formatdate(now + lifetime, usegmt=True)
    expect(date in reason, f"a reason that says {date}", reason)
