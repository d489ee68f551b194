"""Minter: each defect of a token breaks one rule; PyJWT, joserfc and mockmoov are the witnesses.

Each verifier has every check switched on and takes its keys from the JWKS. It must refuse a defective token
for the reason in the table, accept it with that one check left out, and accept it once that one member is as
in a good token and the signature is made anew.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import errors
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from mockmoov.oauth.encoding import decode, encode
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.records import REVOKED
from mockmoov.oauth.signing_keys import jwks
from mockmoov.oauth.token_defects import CLAIM_DEFECTS, DEFECTS
from mockmoov.server.minting import Minted, Minter, MintRequest
from tests.support.servers import CLIENT_ID, Clock, new_server

# RFC 9864 gives Ed25519 a name of its own; live Moov's tokens have the older one.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")

ISSUER, AUDIENCE = "https://api.moov.io#applications", "https://api.moov.io"
REQUIRED = ("iss", "aud", "exp", "iat", "jti", "scp", "aid", "caid")
ALTERED = "the token was altered: its signature does not match"
ALGORITHM = "the token is not signed with EdDSA, as Moov's tokens are"
LACKS_API = f"the token is not for this API: its aud lacks {AUDIENCE}"
UNKNOWN = (
    "the token is of another server, or from before a restart or a reset: request a new one; "
    "tokens survive a restart only with the setting store or seed"
)
Verify = Callable[[str], str | None]  # the reason for which a token is refused


# --- the verifiers ------------------------------------------------------------------------------------


def pyjwt(keys: Any, without: str = "") -> Verify:
    """PyJWT, with one check left out."""
    key_set = jwt.PyJWKSet.from_dict(keys)
    checks = ("signature", "exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    options: Any = {f"verify_{name}": name != without for name in checks}
    options["require"] = [name for name in REQUIRED if without != f"required {name}"]

    def verify(text: str) -> str | None:
        try:
            kid = jwt.get_unverified_header(text)["kid"]
            key = key_set.keys[0] if without == "kid" else key_set[kid]
            jwt.decode(text, key.key, ["EdDSA"], options, audience=AUDIENCE, issuer=ISSUER)
        except KeyError:
            return "unknown kid"
        except jwt.MissingRequiredClaimError as error:
            return f"MissingRequiredClaimError {error.claim}"
        except jwt.PyJWTError as error:
            return type(error).__name__
        return None

    return verify


def joserfc(keys: Any) -> Verify:
    key_set = KeySet.import_key_set(keys)
    claims: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
    claims["iss"]["value"], claims["aud"]["value"] = ISSUER, AUDIENCE
    registry = joserfc_jwt.JWTClaimsRegistry(**claims)

    def verify(text: str) -> str | None:
        try:
            registry.validate(joserfc_jwt.decode(text, key_set, ["EdDSA"]).claims)
        except errors.ClaimError as error:
            return f"{type(error).__name__} {error.claim}"
        except (errors.ExpiredTokenError, errors.InvalidTokenError):
            pytest.skip("joserfc before 1.6, the last for cryptography 42, doesn't name the claim")
        except errors.JoseError as error:
            return type(error).__name__
        return None

    return verify


# --- the tokens ---------------------------------------------------------------------------------------


class Defect(NamedTuple):
    """What is wrong, and how each verifier says so.

    `member` is the one that differs from a good token (None: the signature), `check` what PyJWT must leave
    out to accept it. A library gives no reason for what it cannot know.
    """

    member: str | None
    check: str
    pyjwt: str | None
    joserfc: str | None
    mockmoov: str


TABLE = {
    "expired": Defect(
        "exp", "exp", "ExpiredSignatureError", "ExpiredTokenError exp", "the token expired"
    ),
    "not-yet-valid": Defect(
        "nbf", "nbf", "ImmatureSignatureError", "InvalidClaimError nbf", "the token is not valid yet"
    ),
    "wrong-audience": Defect(
        "aud", "aud", "InvalidAudienceError", "InvalidClaimError aud", LACKS_API
    ),
    "wrong-issuer": Defect(
        "iss", "iss", "InvalidIssuerError", "InvalidClaimError iss", "the token has the wrong issuer"
    ),
    "no-exp": Defect(
        "exp", "required exp", "MissingRequiredClaimError exp", "MissingClaimError exp",
        "the token has no valid exp claim",
    ),
    "unknown-kid": Defect("kid", "kid", "unknown kid", "InvalidKeyIdError", UNKNOWN),
    "bad-signature": Defect(None, "signature", "InvalidSignatureError", "BadSignatureError", ALTERED),
    "alg-none": Defect("alg", "signature", "InvalidAlgorithmError", "UnsupportedAlgorithmError", ALGORITHM),
    "hs256-public-key": Defect(
        "alg", "signature", "InvalidAlgorithmError", "UnsupportedAlgorithmError", ALGORITHM
    ),
    "revoked": Defect("jti", "", None, None, f"the token {REVOKED}"),
}  # fmt: skip


class Token(NamedTuple):
    """The two JSON parts of a compact JWS; no name is in both."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> "Token":
        return cls(*(json.loads(decode(part)) for part in text.split(".")[:2]))

    def replaced(self, member: str | None, good: "Token") -> "Token":
        """The same with one member as in a good token."""
        parts = zip(self, good, strict=True)
        return Token(*({**_without(part, member), **_only(model, member)} for part, model in parts))

    def signed(self, key: Ed25519PrivateKey) -> str:
        signing_input = ".".join(encode(json.dumps(part).encode()) for part in self)
        return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


def _without(part: Mapping[str, Any], member: str | None) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != member}


def _only(part: Mapping[str, Any], member: str | None) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name == member}


class Mint:
    """A minter with its server's keys and verdicts."""

    def __init__(self, **settings: Any) -> None:
        self.now = time.time()
        self.server = new_server(clock=Clock(self.now), **settings)
        self.minter = Minter(self.server.repository, self.server.policy, self.server.settings.token_format)
        keys = self.server.repository.signing_keys()
        self.key = Ed25519PrivateKey.from_private_bytes(decode(keys.private_key))
        self.jwks = jwks(keys)

    def mint(self, scope: str = "/ping.read", defect: str | None = None, **claims: Any) -> Minted:
        (api_key,) = self.server.repository.api_keys([CLIENT_ID])
        request = MintRequest(scope=scope, client_type="web", lifetime=3600, claims=claims, defect=defect)
        return self.minter.mint(api_key, request, now=self.now)

    def text(self, defect: str | None = None, **claims: Any) -> str:
        return self.mint(defect=defect, **claims).access_token

    def verify(self, text: str) -> str | None:
        """mockmoov's own verdict; not when the token expired."""
        try:
            self.server.validator.live_access_token(text, self.now)
        except OAuthError as refused:
            return re.sub(r" [12] s ago, at .*", "", refused.reason)
        return None

    def verdicts(self, text: str) -> tuple[str | None, str | None, str | None]:
        """Of PyJWT, joserfc and mockmoov."""
        return pyjwt(self.jwks)(text), joserfc(self.jwks)(text), self.verify(text)


@pytest.fixture(scope="module")
def moov() -> Mint:
    return Mint()


# --- the rules ----------------------------------------------------------------------------------------


def test_every_defect_is_in_the_table() -> None:
    assert tuple(TABLE) == DEFECTS


def test_good_token_passes_every_verifier(moov: Mint) -> None:
    text = moov.text()
    assert moov.verdicts(text) == (None, None, None)
    assert moov.verdicts(Token.parse(text).signed(moov.key)) == (None, None, None)


def test_defective_token_is_refused_for_its_reason_only(moov: Mint) -> None:
    reasons = {name: moov.verdicts(moov.text(name)) for name in TABLE}
    assert reasons == {name: (row.pyjwt, row.joserfc, row.mockmoov) for name, row in TABLE.items()}
    careless = {name: pyjwt(moov.jwks, row.check)(moov.text(name)) for name, row in TABLE.items()}
    assert careless == dict.fromkeys(TABLE)


def test_repair_of_one_member_makes_a_token_good(moov: Mint) -> None:
    good, wrong = Token.parse(moov.text()), []
    for name, (member, *_) in TABLE.items():
        before = Token.parse(moov.text(name))
        after = before.replaced(member, good)
        old, new = {**before.header, **before.claims}, {**after.header, **after.claims}
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        verdicts = moov.verdicts(after.signed(moov.key))
        if changed != ([member] if member else []) or verdicts != (None, None, None):
            wrong.append((name, changed, verdicts))
    assert wrong == []


def test_defect_keeps_scope_and_extra_claims(moov: Mint) -> None:
    for name in TABLE:
        minted = moov.mint("/ping.read /accounts.write", name, extra=[1])
        claims = Token.parse(minted.access_token).claims
        assert (claims["scp"], claims["extra"]) == ("/ping.read /accounts.write", [1])
        assert claims == minted.claims


def test_opaque_token_has_the_defects_of_claims() -> None:
    moov = Mint(token_format="opaque")
    names = (*CLAIM_DEFECTS, "revoked")
    assert moov.verify(moov.text()) is None
    assert {name: moov.verify(moov.text(name)) for name in names} == {
        name: TABLE[name].mockmoov for name in names
    }


def test_verifiers_check_claims_time_and_key(moov: Mint) -> None:
    good = Token.parse(moov.text())
    for name in REQUIRED:
        claims = {other: value for other, value in good.claims.items() if other != name}
        missing = moov.verdicts(Token(good.header, claims).signed(moov.key))
        assert missing[:2] == (f"MissingRequiredClaimError {name}", f"MissingClaimError {name}")
    later = moov.text(iat=int(moov.now) + 1800)
    assert moov.verdicts(later)[:2] == ("ImmatureSignatureError", "InvalidClaimError iat")
    forged = good.signed(Ed25519PrivateKey.generate())
    assert moov.verdicts(forged) == ("InvalidSignatureError", "BadSignatureError", ALTERED)
