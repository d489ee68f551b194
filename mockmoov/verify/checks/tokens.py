"""Checks of token responses, of request ids, and of the claims in access tokens."""

from uuid import UUID

from hypothesis import strategies as st

from mockmoov.verify.check import CheckFailed, NotCheckable, check
from mockmoov.verify.expectations import LIFETIME, MEMBERS
from mockmoov.verify.probe import PING_PATH, REVOKE_PATH, TOKEN_PATH, Probe
from mockmoov.verify.response import expect

_SLACK = 300  # seconds between the clocks of the server and this machine, if there is no Date
_LONGEST = 4096  # characters of a token

ISSUER = "https://api.moov.io#applications"
AUDIENCES = ["https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"]
"""The last audiences of every token (live)."""

_spaces = st.text(" ", min_size=1, max_size=4)

# The User-Agent of the 2023 Go SDK. Its releases differ in the first two versions.
SDK_2023 = ("User-Agent", "speakeasy-sdk/go 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go")


@check("token.status", "seed, spec")
def token_status(probe: Probe) -> None:
    """A form with valid parameters and Basic credentials gets 200."""
    probe.post_token().expect_status(200)


@check("token.members", "seed, spec")
def token_members(probe: Probe) -> None:
    """A success has exactly the members access_token, expires_in, refresh_token, scope and token_type."""
    members = probe.post_token().json_object().keys()
    expect(members == MEMBERS, f"{', '.join(sorted(MEMBERS))}", ", ".join(sorted(members)))


@check("token.member-types", "seed, spec")
def token_member_types(probe: Probe) -> None:
    """expires_in is an integer; the other members are non-empty strings."""
    document = probe.post_token().json_object()
    for name in sorted(MEMBERS & document.keys()):
        kind, description = (int, "an integer") if name == "expires_in" else (str, "a non-empty string")
        value = document[name]
        expect(type(value) is kind and bool(value), f"{name} to be {description}", type(value).__name__)


@check("token.type", "live, spec, sdk")
def token_type(probe: Probe) -> None:
    """token_type is exactly Bearer, or jwt or opaque if the 2023 SDK's contract is the default."""
    token_type, expected = probe.mint().response.string("token_type"), probe.expectations.token_types
    expect(token_type in expected, " or ".join(sorted(expected)), token_type)


@check("token.expires-in", "seed, spec, live")
def token_expires_in(probe: Probe) -> None:
    """expires_in is a lifetime in seconds in 2023, and the Unix time of expiry in dated versions."""
    response, expected = probe.mint().response, probe.expectations
    remaining = expected.lifetime(response.integer("expires_in"), response.server_time)
    kind = "a Unix time in the future" if expected.expires_in_is_unix_time else "a lifetime in seconds"
    expect(-_SLACK < remaining < 10**8, kind, response.json_object().get("expires_in"))


@check("token.lifetime", "live")
def token_lifetime(probe: Probe) -> None:
    """An access token is valid for 3,600 seconds."""
    response = probe.mint().response
    remaining = probe.expectations.lifetime(response.integer("expires_in"), response.server_time)
    slack = 2 if response.header("date") else _SLACK
    expect(abs(remaining - LIFETIME) <= slack, f"{LIFETIME} seconds", remaining)


@check("token.content-type", "seed, spec, rfc 6749 §5.1")
def token_content_type(probe: Probe) -> None:
    """A success has Content-Type: application/json."""
    probe.post_token().expect_status(200).expect_json()


@check("token.no-store", "rfc 6749 §5.1")
def token_no_store(probe: Probe) -> None:
    """A success has Cache-Control: no-store."""
    probe.post_token().expect_status(200).expect_directive("cache-control", "no-store")


@check("token.pragma", "rfc 6749 §5.1")
def token_pragma(probe: Probe) -> None:
    """A success has Pragma: no-cache."""
    probe.post_token().expect_status(200).expect_directive("pragma", "no-cache")


@check("token.length", "seed, spec")
def token_length(probe: Probe) -> None:
    """Both tokens are printable ASCII of at most 4,096 characters."""
    pair = probe.mint()
    for name, token in (("access_token", pair.access), ("refresh_token", pair.refresh)):
        is_valid = len(token) <= _LONGEST and token.isascii() and token.isprintable()
        expect(is_valid, f"{name} of at most {_LONGEST} printable characters", len(token))


@check("token.fresh", "rfc 6749 §10.10")
def token_fresh(probe: Probe) -> None:
    """Each request gets new tokens, and the two tokens of a pair differ."""
    one, two = probe.mint(), probe.mint()
    tokens = {one.access, one.refresh, two.access, two.refresh}
    expect(len(tokens) == 4, "four different tokens", f"{len(tokens)}")


@check("token.scope-order", "live", examples=6, needs=("two scopes",))
def token_scope_order(probe: Probe) -> None:
    """Scopes come back in the order of the request, separated by single spaces."""
    orders = st.permutations(probe.target.scopes).map(" ".join)
    probe.for_all(orders, lambda scope: probe.mint(scope=scope).expect_scope(scope))


@check("token.scope-repeats", "choice", examples=6)
def token_scope_repeats(probe: Probe) -> None:
    """A repeated scope comes back once, at its first position."""

    def test(scopes: list[str]) -> None:
        probe.mint(scope=" ".join(scopes)).expect_scope(" ".join(dict.fromkeys(scopes)))

    probe.for_all(st.lists(st.sampled_from(probe.target.scopes), min_size=2, max_size=5), test)


@check("token.scope-spaces", "choice", _spaces, _spaces, _spaces, examples=6)
def token_scope_spaces(probe: Probe, before: str, between: str, after: str) -> None:
    """Extra spaces around and between scopes are removed."""
    requested = before + between.join(probe.target.scopes) + after
    probe.mint(scope=requested).expect_scope(probe.scope)


@check("token.pinned-sdk", "seed, sdk", contract="2023")
def token_pinned_sdk(probe: Probe) -> None:
    """The 2023 Go SDK, recognised by its User-Agent, gets token_type jwt or opaque."""
    token_type = probe.token_pair(probe.post_token(headers=[SDK_2023])).response.string("token_type")
    expect(token_type in ("jwt", "opaque"), "jwt or opaque", token_type)


@check("token.pinned-sdk-dated", "choice", contract="dated")
def token_pinned_sdk_dated(probe: Probe) -> None:
    """X-Moov-Version takes precedence over the User-Agent of the 2023 Go SDK."""
    if probe.expectations.version is None:
        raise NotCheckable("this run sends no X-Moov-Version")
    token_type = probe.token_pair(probe.post_token(headers=[SDK_2023])).response.string("token_type")
    expect(token_type in probe.expectations.token_types, "Bearer", token_type)


@check("token.request-id", "spec")
def token_request_id(probe: Probe) -> None:
    """Every response, including errors, has its own x-request-id, which is a UUID."""
    responses = [
        probe.post_token(),
        probe.post_token(probe.parameters(grant_type="nonsense")),
        probe.post_token(send_basic=False),
        probe.revoke("nonsense"),
        probe.ping(None),
        probe.ping(probe.mint().access),
        probe.request("GET", TOKEN_PATH),
        probe.request("GET", REVOKE_PATH),
    ]
    request_ids = [response.header("x-request-id") for response in responses]
    for request_id in request_ids:
        expect(_is_uuid((request_id or "").lower()), "x-request-id to be a UUID", request_id)
    distinct = len(set(request_ids))
    expect(distinct == len(request_ids), f"{len(request_ids)} different x-request-ids", distinct)


@check("token.request-id-own", "choice")
def token_request_id_own(probe: Probe) -> None:
    """The server does not echo the caller's request id."""
    sent = "00000000-1111-4222-8333-444444444444"
    response = probe.request("GET", PING_PATH, headers=[("X-Request-ID", sent)])
    expect(response.header("x-request-id") != sent, "another x-request-id", sent)


@check("claims.header", "spec, live")
def claims_header(probe: Probe) -> None:
    """The header has alg EdDSA, cty JWT and a kid, and nothing else."""
    header, _ = probe.mint().decode()
    expect(header.get("alg") == "EdDSA", "alg EdDSA", header.get("alg"))
    expect(header.get("cty") == "JWT", "cty JWT", header.get("cty"))
    expect(isinstance(header.get("kid"), str) and bool(header["kid"]), "a kid", header.get("kid"))
    expect(header.keys() == {"alg", "cty", "kid"}, "only alg, cty and kid", ", ".join(header))


@check("claims.iss", "live")
def claims_iss(probe: Probe) -> None:
    """iss is https://api.moov.io#applications."""
    issuer = probe.mint().claims().get("iss")
    expect(issuer == ISSUER, ISSUER, issuer)


@check("claims.aud", "live")
def claims_aud(probe: Probe) -> None:
    """aud is the key's origins, followed by Moov's three hosts."""
    audiences = probe.mint().claims().get("aud")
    if not isinstance(audiences, list):
        raise CheckFailed(f"expected aud to be a list, got {type(audiences).__name__}")
    expect(audiences[-3:] == AUDIENCES, f"aud to end with {', '.join(AUDIENCES)}", audiences[-3:])
    origin = probe.target.origin
    expect(origin is None or origin in audiences[:-3], f"aud to contain {origin}", audiences[:-3])


@check("claims.aud-origins", "live", needs=("control plane",))
def claims_aud_origins(probe: Probe) -> None:
    """aud begins with the key's origins, in their order."""
    origins = ["https://b.example", "https://a.example"]
    audiences = probe.with_new_key(origins=origins).mint().claims().get("aud")
    expect(audiences == [*origins, *AUDIENCES], f"{[*origins, *AUDIENCES]}", audiences)


@check("claims.scp", "live")
def claims_scp(probe: Probe) -> None:
    """scp is the granted scope."""
    pair = probe.mint()
    scope = pair.claims().get("scp")
    expect(scope == pair.scope, pair.scope, scope)


@check("claims.account", "live")
def claims_account(probe: Probe) -> None:
    """aid and caid are UUIDs; caid is the platform's account."""
    claims = probe.mint().claims()
    for name in ("aid", "caid"):
        expect(_is_uuid(claims.get(name)), f"{name} to be a UUID", claims.get(name))
    account = probe.key.account_id
    expect(account is None or claims["caid"] == account, f"caid {account}", claims["caid"])


@check("claims.times", "live")
def claims_times(probe: Probe) -> None:
    """exp is iat + 3,600 seconds, and agrees with expires_in."""
    pair = probe.mint()
    claims, response = pair.claims(), pair.response
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise CheckFailed(f"expected iat and exp to be integers, got {issued} and {expires}")
    expect(expires - issued == LIFETIME, f"exp to be iat + {LIFETIME}", expires - issued)
    expect(abs(issued - response.server_time) <= 300, f"iat to be now, {response.server_time:.0f}", issued)
    expires_in = response.json_object().get("expires_in")
    expected = expires if probe.expectations.expires_in_is_unix_time else expires - issued
    expect(expires_in == expected, "expires_in to agree with exp", expires_in)


@check("claims.jti", "choice")
def claims_jti(probe: Probe) -> None:
    """Each token has its own jti."""
    found = [probe.mint().claims().get("jti") for _ in range(2)]
    expect(all(isinstance(jti, str) and jti for jti in found), "a jti in each token", found)
    expect(found[0] != found[1], "two different jtis", found)


@check("claims.refreshed", "live, choice")
def claims_refreshed(probe: Probe) -> None:
    """A refreshed token has the same claims as the first one, except iat, exp and jti."""
    first, second = probe.mint_and_refresh()
    before, after = first.claims(), second.claims()
    names = (before.keys() | after) - {"iat", "exp", "jti"}
    changed = sorted(name for name in names if before.get(name, ...) != after.get(name, ...))
    expect(not changed, "the same claims", changed)


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
