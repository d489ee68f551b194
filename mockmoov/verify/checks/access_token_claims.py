"""Checks of the header and the claims of access tokens."""

from uuid import UUID

from mockmoov.verify.check import check
from mockmoov.verify.expectations import LIFETIME
from mockmoov.verify.jwt_claims import claims_of, decode_jwt
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import expect
from mockmoov.verify.results import CheckFailed

ISSUER = "https://api.moov.io#applications"
AUDIENCES = ["https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"]
"""The last audiences of every token (live)."""


@check("claims.header", "spec, live")
def claims_header(probe: Probe) -> None:
    """The header has alg EdDSA, cty JWT and a kid, and nothing else."""
    header, _ = decode_jwt(probe.mint().access)
    expect(header.get("alg") == "EdDSA", "alg EdDSA", header.get("alg"))
    expect(header.get("cty") == "JWT", "cty JWT", header.get("cty"))
    expect(isinstance(header.get("kid"), str) and bool(header["kid"]), "a kid", header.get("kid"))
    expect(header.keys() == {"alg", "cty", "kid"}, "only alg, cty and kid", ", ".join(header))


@check("claims.iss", "live")
def claims_iss(probe: Probe) -> None:
    """iss is https://api.moov.io#applications."""
    issuer = claims_of(probe.mint().access).get("iss")
    expect(issuer == ISSUER, ISSUER, issuer)


@check("claims.aud", "live")
def claims_aud(probe: Probe) -> None:
    """aud is the key's origins, followed by Moov's three hosts."""
    audiences = claims_of(probe.mint().access).get("aud")
    if not isinstance(audiences, list):
        raise CheckFailed(f"expected aud to be a list, got {type(audiences).__name__}")
    expect(audiences[-3:] == AUDIENCES, f"aud to end with {', '.join(AUDIENCES)}", audiences[-3:])
    origin = probe.target.origin
    expect(origin is None or origin in audiences[:-3], f"aud to contain {origin}", audiences[:-3])


@check("claims.aud-origins", "live", needs=("control plane",))
def claims_aud_origins(probe: Probe) -> None:
    """aud begins with the key's origins, in their order."""
    origins = ["https://b.example", "https://a.example"]
    audiences = claims_of(probe.with_new_key(origins=origins).mint().access).get("aud")
    expect(audiences == [*origins, *AUDIENCES], f"{[*origins, *AUDIENCES]}", audiences)


@check("claims.scp", "live")
def claims_scp(probe: Probe) -> None:
    """scp is the granted scope."""
    pair = probe.mint()
    scope = claims_of(pair.access).get("scp")
    expect(scope == pair.scope, pair.scope, scope)


@check("claims.account", "live")
def claims_account(probe: Probe) -> None:
    """aid and caid are UUIDs; caid is the platform's account."""
    claims = claims_of(probe.mint().access)
    for name in ("aid", "caid"):
        expect(_is_uuid(claims.get(name)), f"{name} to be a UUID", claims.get(name))
    account = probe.key.account_id
    expect(account is None or claims["caid"] == account, f"caid {account}", claims["caid"])


@check("claims.times", "live")
def claims_times(probe: Probe) -> None:
    """exp is iat + 3,600 seconds, and agrees with expires_in."""
    pair = probe.mint()
    claims, response = claims_of(pair.access), pair.response
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise CheckFailed(f"expected iat and exp to be integers, got {issued} and {expires}")
    expect(expires - issued == LIFETIME, f"exp to be iat + {LIFETIME}", expires - issued)
    expect(abs(issued - response.server_time) <= 300, f"iat to be now, {response.server_time:.0f}", issued)
    expires_in = response.json_object().get("expires_in")
    expect(
        expires_in == (expires if probe.expectations.expires_in_is_unix_time else expires - issued),
        "expires_in to agree with exp",
        expires_in,
    )


@check("claims.jti", "choice")
def claims_jti(probe: Probe) -> None:
    """Each token has its own jti."""
    found = [claims_of(probe.mint().access).get("jti") for _ in range(2)]
    expect(all(isinstance(jti, str) and jti for jti in found), "a jti in each token", found)
    expect(found[0] != found[1], "two different jtis", found)


@check("claims.refreshed", "live, choice")
def claims_refreshed(probe: Probe) -> None:
    """A refreshed token has the same claims as the first one, except iat, exp and jti."""
    first = probe.mint()
    second = probe.token_pair(probe.refresh(first.refresh))
    ignored = {"iat", "exp", "jti"}
    before, after = (
        {k: v for k, v in claims_of(p.access).items() if k not in ignored} for p in (first, second)
    )
    expect(
        before == after,
        "the same claims",
        sorted(k for k in before.keys() | after if before.get(k) != after.get(k)),
    )


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
