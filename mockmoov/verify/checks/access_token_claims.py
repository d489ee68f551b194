"""Owns the rules of what an access token says of itself. Must not know transports or reports."""

from uuid import UUID

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import LIFETIME
from mockmoov.verify.jwt_claims import claims_of, segments
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.results import Failed

topic = Topic("claims")

ISSUER = "https://api.moov.io#applications"
AUDIENCES = ["https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"]
"""What ends the audiences of every token (live)."""


@topic.check("header", "spec, live")
def _(probe: Probe) -> None:
    """The header says EdDSA, JWT, and which key."""
    header, _ = segments(probe.mint().access)
    want(header.get("alg") == "EdDSA", "alg EdDSA", header.get("alg"))
    want(header.get("cty") == "JWT", "cty JWT", header.get("cty"))
    want(isinstance(header.get("kid"), str) and bool(header["kid"]), "a kid", header.get("kid"))
    want(header.keys() == {"alg", "cty", "kid"}, "alg, cty and kid alone", ", ".join(header))


@topic.check("iss", "live")
def _(probe: Probe) -> None:
    """iss is Moov's applications."""
    issuer = claims_of(probe.mint().access).get("iss")
    want(issuer == ISSUER, ISSUER, issuer)


@topic.check("aud", "live")
def _(probe: Probe) -> None:
    """aud is the key's origins, then Moov's three hosts."""
    audiences = claims_of(probe.mint().access).get("aud")
    if not isinstance(audiences, list):
        raise Failed(f"wanted aud to be a list, got {type(audiences).__name__}")
    want(audiences[-3:] == AUDIENCES, f"aud to end with {', '.join(AUDIENCES)}", audiences[-3:])
    origin = probe.target.origin
    want(origin is None or origin in audiences[:-3], f"aud to have {origin}", audiences[:-3])


@topic.check("aud-origins", "live", needs=("control plane",))
def _(probe: Probe) -> None:
    """aud begins with the origins of the key, in their order."""
    origins = ["https://b.example", "https://a.example"]
    audiences = claims_of(probe.own(origins=origins).mint().access).get("aud")
    want(audiences == [*origins, *AUDIENCES], f"{[*origins, *AUDIENCES]}", audiences)


@topic.check("scp", "live")
def _(probe: Probe) -> None:
    """scp is the granted scope."""
    pair = probe.mint()
    scope = claims_of(pair.access).get("scp")
    want(scope == pair.scope, pair.scope, scope)


@topic.check("account", "live")
def _(probe: Probe) -> None:
    """aid and caid are UUIDs; caid is the platform's account."""
    claims = claims_of(probe.mint().access)
    for name in ("aid", "caid"):
        want(_is_uuid(claims.get(name)), f"{name} to be a UUID", claims.get(name))
    account = probe.key.account_id
    want(account is None or claims["caid"] == account, f"caid {account}", claims["caid"])


@topic.check("times", "live")
def _(probe: Probe) -> None:
    """exp is 3,600 seconds after iat, and what expires_in says."""
    pair = probe.mint()
    claims, answer = claims_of(pair.access), pair.answer
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise Failed(f"wanted iat and exp to be whole numbers, got {issued} and {expires}")
    want(expires - issued == LIFETIME, f"exp to be iat + {LIFETIME}", expires - issued)
    want(abs(issued - answer.server_now) <= 300, f"iat to be now, {answer.server_now:.0f}", issued)
    expires_in = answer.document().get("expires_in")
    want(
        expires_in == (expires if probe.reading.expires_at_unix_time else expires - issued),
        "expires_in as exp",
        expires_in,
    )


@topic.check("jti", "choice")
def _(probe: Probe) -> None:
    """jti is there, and another one in each token."""
    found = [claims_of(probe.mint().access).get("jti") for _ in range(2)]
    want(all(isinstance(jti, str) and jti for jti in found) and found[0] != found[1], "a jti for each", found)


@topic.check("refreshed", "live, choice")
def _(probe: Probe) -> None:
    """A refreshed token has the claims of its predecessor, but for its times, its jti and its scope."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    passing = {"iat", "exp", "jti"}
    before, after = (
        {k: v for k, v in claims_of(p.access).items() if k not in passing} for p in (first, second)
    )
    want(
        before == after,
        "the same claims",
        sorted(k for k in before.keys() | after if before.get(k) != after.get(k)),
    )


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
