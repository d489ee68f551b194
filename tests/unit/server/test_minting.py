"""Each defect of a token fails for exactly one reason; two JOSE libraries and mockmoov itself are witnesses.

A verifier here has every check switched on, and its keys from the JWKS as it is served. It must refuse the
defective token for the reason that the table gives, pass it if that one check is left out, and pass it as it
is once that one thing is as in a good token and the signature is made anew.
"""

import dataclasses
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import errors
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from mockmoov import MockMoov, MoovKey
from mockmoov.oauth.token_defects import CLAIM_DEFECTS, DEFECTS
from mockmoov.testing import DefectName

# RFC 9864 gives Ed25519 a name of its own; live Moov's tokens have the older one.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")

ISSUER, AUDIENCE = "https://api.moov.io#applications", "https://api.moov.io"
ALGORITHM = "EdDSA"
REQUIRED = ("iss", "aud", "exp", "iat", "jti", "scp", "aid", "caid")
ALTERED = "the token is unknown: it was altered, signed by another key, or issued by another server"


@dataclass(frozen=True, kw_only=True)
class Token:
    """A compact JWS, taken apart."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def members(self) -> Mapping[str, Any]:
        header = {f"header.{name}": value for name, value in self.header.items()}
        return header | {f"claims.{name}": value for name, value in self.claims.items()}


def taken_apart(text: str) -> Token:
    header, claims, signature = text.split(".")
    return Token(
        header=json.loads(decoded(header)),
        claims=json.loads(decoded(claims)),
        signing_input=f"{header}.{claims}".encode(),
        signature=decoded(signature),
    )


def signed(private_key: Ed25519PrivateKey, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A token written here, by none of the libraries and not by mockmoov."""
    signing_input = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{signing_input}.{encoded(private_key.sign(signing_input.encode()))}"


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


# --- the verifiers ------------------------------------------------------------------------------------


class RefusedError(Exception):
    """A verifier refuses a token; `reason` is the library's class, and the claim at fault if it names one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Verify = Callable[[str], Mapping[str, Any]]


_PYJWT = ("signature", "exp", "nbf", "iat", "aud", "iss", "sub", "jti")


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What PyJWT checks; each can be left out."""

    kid: bool = True
    required: tuple[str, ...] = REQUIRED
    left_out: str | None = None

    def without(self, name: str) -> "Checks":
        if name == "kid":
            return dataclasses.replace(self, kid=False)
        if name == "required exp":
            return dataclasses.replace(
                self, required=tuple(claim for claim in self.required if claim != "exp")
            )
        assert name in _PYJWT
        return dataclasses.replace(self, left_out=name)

    def options(self) -> Any:
        asked = {f"verify_{name}": name != self.left_out for name in _PYJWT}
        return {"require": list(self.required), **asked}


def pyjwt(jwks: Any, checks: Checks | None = None) -> Verify:
    checks = checks or Checks()
    keys = jwt.PyJWKSet.from_dict(jwks)

    def verify(text: str) -> Mapping[str, Any]:
        try:
            key = keys[jwt.get_unverified_header(text)["kid"]] if checks.kid else keys.keys[0]
            return jwt.decode(
                text,
                key.key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options=checks.options(),
            )
        except KeyError:  # as a set of keys says that it has none with this kid
            raise RefusedError("KeyError kid") from None
        except jwt.MissingRequiredClaimError as error:
            raise RefusedError(f"MissingRequiredClaimError {error.claim}") from None
        except jwt.PyJWTError as error:
            raise RefusedError(type(error).__name__) from None

    return verify


def joserfc(jwks: Any) -> Verify:
    keys = KeySet.import_key_set(jwks)
    wanted: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
    wanted |= {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    registry = joserfc_jwt.JWTClaimsRegistry(**wanted)

    def verify(text: str) -> Mapping[str, Any]:
        try:
            token = joserfc_jwt.decode(text, keys, algorithms=[ALGORITHM])
            registry.validate(token.claims)
        except errors.ClaimError as error:
            raise RefusedError(f"{type(error).__name__} {error.claim}") from None
        except (errors.ExpiredTokenError, errors.InvalidTokenError):
            pytest.skip("joserfc before 1.6, the last for cryptography 42, doesn't name the claim")
        except errors.JoseError as error:
            raise RefusedError(type(error).__name__) from None
        return token.claims

    return verify


VERIFIERS: Mapping[str, Callable[[Any], Verify]] = {"pyjwt": pyjwt, "joserfc": joserfc}


# --- the table ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Defect:
    """What is wrong, and who says so in which words.

    `member`: the one part that is not as in a good token, None if that is the signature. `check`: what PyJWT
    must leave out to let it pass. The other three: the reasons of the libraries, None where they cannot know,
    and of mockmoov.
    """

    member: str | None
    check: str | None
    pyjwt: str | None
    joserfc: str | None
    mockmoov: str


TABLE = {
    "expired": Defect(
        member="claims.exp",
        check="exp",
        pyjwt="ExpiredSignatureError",
        joserfc="ExpiredTokenError exp",
        mockmoov="the token has expired",
    ),
    "not-yet-valid": Defect(
        member="claims.nbf",
        check="nbf",
        pyjwt="ImmatureSignatureError",
        joserfc="InvalidClaimError nbf",
        mockmoov="the token is not valid yet",
    ),
    "wrong-audience": Defect(
        member="claims.aud",
        check="aud",
        pyjwt="InvalidAudienceError",
        joserfc="InvalidClaimError aud",
        mockmoov="the token is not for this audience",
    ),
    "wrong-issuer": Defect(
        member="claims.iss",
        check="iss",
        pyjwt="InvalidIssuerError",
        joserfc="InvalidClaimError iss",
        mockmoov="the token has the wrong issuer",
    ),
    "no-exp": Defect(
        member="claims.exp",
        check="required exp",
        pyjwt="MissingRequiredClaimError exp",
        joserfc="MissingClaimError exp",
        mockmoov="the token has no valid exp claim",
    ),
    "unknown-kid": Defect(
        member="header.kid",
        check="kid",
        pyjwt="KeyError kid",
        joserfc="InvalidKeyIdError",
        mockmoov=ALTERED,
    ),
    "bad-signature": Defect(
        member=None,
        check="signature",
        pyjwt="InvalidSignatureError",
        joserfc="BadSignatureError",
        mockmoov=ALTERED,
    ),
    "alg-none": Defect(
        member="header.alg",
        check="signature",
        pyjwt="InvalidAlgorithmError",
        joserfc="UnsupportedAlgorithmError",
        mockmoov=ALTERED,
    ),
    "hs256-public-key": Defect(
        member="header.alg",
        check="signature",
        pyjwt="InvalidAlgorithmError",
        joserfc="UnsupportedAlgorithmError",
        mockmoov=ALTERED,
    ),
    # No token says that it was revoked: whoever wants to know must ask.
    "revoked": Defect(
        member="claims.jti", check=None, pyjwt=None, joserfc=None, mockmoov="the token was revoked"
    ),
}
each_defect = pytest.mark.parametrize("defect", TABLE)
each_verifier = pytest.mark.parametrize("library", VERIFIERS)


def test_every_defect_is_in_the_table() -> None:
    assert tuple(TABLE) == DEFECTS


# --- what they are asked about ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def moov(private_key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockMoov]:
    """A server that signs with a key that the test holds, too."""
    pem: Path = tmp_path_factory.mktemp("keys") / "signing.pem"
    pem.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with MockMoov(signing_key=str(pem)) as moov:
        yield moov


@pytest.fixture(scope="module")
def key(moov: MockMoov) -> MoovKey:
    return moov.new_api_key()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def jwks(moov: MockMoov, http: httpx2.Client) -> Any:
    return http.get(f"{moov.url}/.well-known/jwks.json").json()


@pytest.fixture
def used(key: MoovKey, http: httpx2.Client) -> Callable[[str], tuple[int, str | None]]:
    """Use a token at /ping: the status, and mockmoov's reason if it is refused."""

    def use(token: str) -> tuple[int, str | None]:
        answer = http.get(f"{key.url}/ping", headers={"authorization": f"Bearer {token}"})
        return answer.status_code, answer.headers.get("x-mockmoov-reason")

    return use


@pytest.fixture
def is_active(key: MoovKey, http: httpx2.Client) -> Callable[[str], bool]:
    """Ask introspection about a token."""

    def ask(token: str) -> bool:
        credentials = key.client_id, key.client_secret or ""
        url = f"{key.url}/_mockmoov/introspect"
        return bool(http.post(url, auth=credentials, data={"token": token}).json()["active"])

    return ask


def repaired(defective: str, good: str, defect: Defect, private_key: Ed25519PrivateKey) -> str:
    """The defective token with its one member as in the good one, signed anew."""
    token, model = taken_apart(defective), taken_apart(good)
    parts = {"header": dict(token.header), "claims": dict(token.claims)}
    if defect.member is not None:
        place, _, name = defect.member.partition(".")
        parts[place].pop(name, None)
        if defect.member in model.members:
            parts[place][name] = model.members[defect.member]
    return signed(private_key, parts["header"], parts["claims"])


# --- good tokens --------------------------------------------------------------------------------------


def test_a_good_token_passes_every_check_of_everybody(
    key: MoovKey, jwks: Any, http: httpx2.Client, used: Callable[[str], Any], is_active: Callable[[str], bool]
) -> None:
    data = {"grant_type": "client_credentials", "scope": "/ping.read"}
    credentials = key.client_id, key.client_secret or ""
    issued = http.post(f"{key.url}/oauth2/token", auth=credentials, data=data).json()["access_token"]
    for token in (issued, key.mint()):
        for library in VERIFIERS.values():
            assert library(jwks)(token) == taken_apart(token).claims
        assert used(token) == (200, None)
        assert is_active(token)


def test_what_is_signed_here_is_signed_as_mockmoov_does(key: MoovKey, private_key: Ed25519PrivateKey) -> None:
    minted = taken_apart(key.mint())
    signature = taken_apart(signed(private_key, minted.header, minted.claims)).signature
    public_key = private_key.public_key()
    public_key.verify(minted.signature, minted.signing_input)
    assert len(signature) == len(minted.signature)


# --- defective tokens ---------------------------------------------------------------------------------


@each_verifier
@each_defect
def test_a_library_refuses_a_defective_token_for_its_reason_and_takes_it_repaired(
    library: str, defect: DefectName, key: MoovKey, jwks: Any, private_key: Ed25519PrivateKey
) -> None:
    row, verify = TABLE[defect], VERIFIERS[library](jwks)
    defective, good = key.mint(defect=defect), key.mint()
    expected = getattr(row, library)
    if expected is None:
        assert verify(defective) == taken_apart(defective).claims
    else:
        with pytest.raises(RefusedError) as refused:
            verify(defective)
        assert refused.value.reason == expected
    mended = repaired(defective, good, row, private_key)
    assert verify(mended) == taken_apart(mended).claims


@each_defect
def test_mockmoov_refuses_a_defective_token_for_its_reason_and_takes_it_repaired(
    defect: DefectName,
    key: MoovKey,
    private_key: Ed25519PrivateKey,
    used: Callable[[str], Any],
    is_active: Callable[[str], bool],
) -> None:
    defective, good = key.mint(defect=defect), key.mint()
    assert used(defective) == (401, TABLE[defect].mockmoov)
    assert not is_active(defective)
    mended = repaired(defective, good, TABLE[defect], private_key)
    assert used(mended) == (200, None)
    assert is_active(mended)


@each_defect
def test_a_verifier_that_leaves_out_one_check_takes_the_defective_token_as_it_is(
    defect: DefectName, key: MoovKey, jwks: Any
) -> None:
    defective, check = key.mint(defect=defect), TABLE[defect].check
    careless = Checks().without(check) if check else Checks()
    assert pyjwt(jwks, careless)(defective) == taken_apart(defective).claims


@each_defect
def test_a_repair_changes_one_member_and_nothing_else(
    defect: DefectName, key: MoovKey, private_key: Ed25519PrivateKey
) -> None:
    defective, good = key.mint(defect=defect), key.mint()
    before = taken_apart(defective).members
    after = taken_apart(repaired(defective, good, TABLE[defect], private_key)).members
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    assert changed == [name for name in [TABLE[defect].member] if name is not None]


@each_defect
def test_the_signature_is_the_right_one_unless_it_is_what_is_wrong(
    defect: DefectName, key: MoovKey, jwks: Any
) -> None:
    token = taken_apart(key.mint(defect=defect))
    public_key = Ed25519PublicKey.from_public_bytes(decoded(jwks["keys"][0]["x"]))
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if defect == "alg-none":
        assert token.signature == b""  # RFC 7519 §6.1
    elif defect == "hs256-public-key":  # who takes the public key for the secret of a MAC is deceived
        assert token.signature == hmac.new(pem, token.signing_input, hashlib.sha256).digest()
    elif defect == "bad-signature":
        with pytest.raises(InvalidSignature):
            public_key.verify(token.signature, token.signing_input)
        assert len(token.signature) == 64
    else:
        public_key.verify(token.signature, token.signing_input)


@each_defect
def test_a_defect_keeps_the_claims_that_were_wished_for_and_the_scope(
    defect: DefectName, key: MoovKey
) -> None:
    token = key.mint("/ping.read /accounts.write", defect=defect, claims={"extra": [1]})
    shown = taken_apart(token).claims
    assert (shown["scp"], shown["extra"]) == ("/ping.read /accounts.write", [1])
    assert shown == token.claims


def test_an_opaque_token_may_have_the_defects_that_its_claims_can_have(http: httpx2.Client) -> None:
    with MockMoov(token_format="opaque") as moov:
        key = moov.new_api_key()
        defects: tuple[Any, ...] = (None, *CLAIM_DEFECTS, "revoked")
        for defect in defects:
            token = key.mint(defect=defect)
            assert "." not in token
            answer = http.get(f"{key.url}/ping", headers={"authorization": f"Bearer {token}"})
            expected = (401, TABLE[defect].mockmoov) if defect else (200, None)
            assert (answer.status_code, answer.headers.get("x-mockmoov-reason")) == expected, defect


# --- that the verifiers look at what they are said to -------------------------------------------------


@each_verifier
@pytest.mark.parametrize("name", REQUIRED)
def test_a_verifier_misses_each_claim_that_is_required(
    library: str, name: str, key: MoovKey, jwks: Any, private_key: Ed25519PrivateKey
) -> None:
    token = taken_apart(key.mint())
    claims = {other: value for other, value in token.claims.items() if other != name}
    missing = {"pyjwt": "MissingRequiredClaimError", "joserfc": "MissingClaimError"}[library]
    with pytest.raises(RefusedError, match=f"^{missing} {name}$"):
        VERIFIERS[library](jwks)(signed(private_key, token.header, claims))


@pytest.mark.parametrize(
    ("library", "reason"), [("pyjwt", "ImmatureSignatureError"), ("joserfc", "InvalidClaimError iat")]
)
def test_a_verifier_looks_at_the_time_of_issue(library: str, reason: str, key: MoovKey, jwks: Any) -> None:
    issued_at = key.mint().claims["iat"] + 1800
    with pytest.raises(RefusedError, match=f"^{reason}$"):
        VERIFIERS[library](jwks)(key.mint(claims={"iat": issued_at}))


@pytest.mark.parametrize(
    ("library", "reason"), [("pyjwt", "InvalidSignatureError"), ("joserfc", "BadSignatureError")]
)
def test_a_verifier_takes_the_key_of_the_set_and_no_other(
    library: str, reason: str, key: MoovKey, jwks: Any
) -> None:
    token = taken_apart(key.mint())
    with pytest.raises(RefusedError, match=f"^{reason}$"):
        VERIFIERS[library](jwks)(signed(Ed25519PrivateKey.generate(), token.header, token.claims))
