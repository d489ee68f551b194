"""Minted tokens, valid and with a defect, and the keys that sign them."""

import json
from typing import Any

import jwt
import pytest

from mockmoov.control_plane import tokens
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.oauth.tokens import MAX_LENGTH
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, NOW, Clock, another_key, basic, bearer, new_server, post_form

KEY = f"/api-keys/{CLIENT_ID}"
OTHER = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
FORM = "each scope must be of the form /family.permission or /accounts/{accountID}/family.permission"
each_owner = pytest.mark.parametrize("of", ["", KEY])
each_format = pytest.mark.parametrize("token_format", ["jwt", "opaque"])


def mint(desk: Desk, of: str = "", **members: Any) -> str:
    token: str = desk.post(f"{of}/tokens", **members)["access_token"]
    return token


def is_active(desk: Desk, token: str) -> bool:
    answer = post_form(desk.send, "/_mockmoov/introspect", basic(), token=token)
    active: bool = json.loads(answer[2])["active"]
    return active


def reason(desk: Desk, token: str) -> str:
    status, headers, _ = desk.send("GET", "/ping", [bearer(token)], b"")
    assert status == 401
    return headers["x-mockmoov-reason"]


@each_owner
@each_format
def test_a_minted_token_works_like_a_granted_one(of: str, token_format: str) -> None:
    desk = Desk(token_format=token_format)
    minted = desk.post(f"{of}/tokens", scope="/ping.read /accounts.read")
    token, claims = minted["access_token"], minted["claims"]
    assert (minted.status, minted["client_id"], minted["defect"]) == (201, CLIENT_ID, None)
    assert claims["scp"] == "/ping.read /accounts.read"
    assert (claims["iat"], claims["exp"]) == (int(NOW), int(NOW) + 3600)
    assert desk.ping(token) == 200
    assert is_active(desk, token)
    if token_format == "jwt":
        assert jwt.decode(token, options={"verify_signature": False}) == claims
    else:
        assert "." not in token


def test_minted_tokens_share_no_id_and_no_family(desk: Desk) -> None:
    claims = [desk.post("/tokens")["claims"] for _ in range(2)]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["mockmoov"]["family"] != claims[1]["mockmoov"]["family"]


def test_any_well_formed_scope_can_be_minted(desk: Desk) -> None:
    assert desk.ping(mint(desk, scope="/no-such.scope")) == 403


@each_owner
def test_a_malformed_scope_can_be_minted_as_a_claim(desk: Desk, of: str) -> None:
    odd = "anything at all, even this"
    assert desk.post(f"{of}/tokens", scope=odd).problem == (422, FORM, "scope")
    assert desk.post(f"{of}/tokens", claims={"scp": odd})["claims"]["scp"] == odd
    assert desk.post(f"{of}/tokens", scope=odd, claims={"scp": None})["claims"]["scp"] is None


@each_owner
def test_account_id_in_a_scope_is_that_of_the_key(desk: Desk, of: str) -> None:
    account = desk.get(KEY)["account_id"]
    token = desk.post(f"{of}/tokens", scope="/accounts/{accountID}/cards.read /ping.read")
    assert token["claims"]["scp"] == f"/accounts/{account}/cards.read /ping.read"
    desk.new_key(client_id="other", account_id=OTHER)
    token = desk.post("/tokens", scope="/accounts/{accountID}/cards.read", client_id="other")
    assert token["claims"]["scp"] == f"/accounts/{OTHER}/cards.read"


@each_owner
def test_the_default_scope_is_that_of_ping(desk: Desk, of: str) -> None:
    minted = desk.post(f"{of}/tokens")
    assert minted["claims"]["scp"] == "/ping.read"
    assert desk.ping(minted["access_token"]) == 200


def test_a_token_is_for_the_named_or_the_first_key() -> None:
    desk = Desk(new_server(keys=[another_key("first"), another_key("second")]))
    bodies: list[dict[str, Any]] = [{}, {"client_id": "second"}, {"client_id": None}]
    owners = [desk.post("/tokens", **body)["client_id"] for body in bodies]
    assert owners == ["first", "second", "first"]
    assert desk.post("/api-keys/second/tokens")["client_id"] == "second"


def test_no_token_without_its_key(desk: Desk) -> None:
    unknown = desk.post("/tokens", client_id="nobody")
    assert unknown.problem == (422, "there is no API key with this client_id", "client_id")
    desk.ask("DELETE", KEY)
    assert desk.post("/tokens").problem[2] == "client_id"


def test_a_lifetime_starts_on_the_clock_of_the_key(desk: Desk) -> None:
    desk.post(f"{KEY}/clock/shift", days=1)
    claims = desk.post("/tokens", lifetime=5)["claims"]
    assert (claims["iat"], claims["exp"]) == (int(NOW) + 86400, int(NOW) + 86405)


def test_the_default_lifetime_is_that_of_the_settings() -> None:
    claims = Desk(access_token_lifetime=77).post("/tokens", lifetime=None)["claims"]
    assert claims["exp"] - claims["iat"] == 77


def test_only_browser_tokens_are_bound_to_an_origin(desk: Desk) -> None:
    for client_type, status in (("web", 401), ("device", 200), ("service", 200)):
        headers = [bearer(mint(desk, client_type=client_type)), ("origin", "https://evil.example")]
        assert desk.send("GET", "/ping", headers, b"")[0] == status


@each_format
def test_claims_are_added_or_replaced(token_format: str) -> None:
    desk = Desk(token_format=token_format)
    minted = desk.post("/tokens", claims={"sub": "é", "exp": int(NOW) + 1, "aud": None})
    claims = minted["claims"]
    assert (claims["sub"], claims["exp"], claims["aud"]) == ("é", int(NOW) + 1, None)
    assert (
        reason(desk, minted["access_token"])
        == "the token is not for this API: its aud lacks https://api.moov.io"
    )


ODD_CLAIMS: list[dict[str, Any]] = [
    {"exp": 1e308}, {"exp": 2**64 - 1}, {"exp": -1e308}, {"exp": "x"}, {"exp": True},
    {"iat": None, "exp": 0.5}, {"iat": -(2**63), "exp": 2**64 - 1}, {"mockmoov": []}, {"jti": 5},
    {"mockmoov": {"client_id": "nobody"}},
]  # fmt: skip


@each_format
def test_odd_claims_break_nothing(token_format: str) -> None:
    desk = Desk(token_format=token_format)
    wrong = []
    for claims in ODD_CLAIMS:
        for defect in (None, *DEFECTS):
            reply = desk.post("/tokens", claims=claims, defect=defect)
            if reply.status == 201:
                is_right = desk.ping(reply["access_token"]) in (200, 401)
            else:
                is_right = (reply.status, reply.problem[2]) == (422, "claims")
            if not is_right:
                wrong.append((claims, defect, reply))
    assert wrong == []


@each_format
def test_claims_may_have_any_64_bit_integer(token_format: str) -> None:
    desk = Desk(token_format=token_format)
    for number in (-(2**63), 2**64 - 1, -1, 10**19):
        assert desk.ping(mint(desk, claims={"n": number, "deep": [{"n": number}]})) == 200, number


@each_owner
def test_tokens_with_a_defect_are_rejected(desk: Desk, of: str) -> None:
    """The reasons are in tests/unit/server/test_minting.py."""
    for defect in DEFECTS:
        minted = desk.post(f"{of}/tokens", defect=defect)
        assert minted["defect"] == defect
        assert desk.ping(minted["access_token"]) == 401, defect
        assert not is_active(desk, minted["access_token"]), defect


def test_defects_of_opaque_tokens_outlive_the_expiry(wall: Clock) -> None:
    desk = Desk(new_server(clock=wall, token_format="opaque"))
    reasons = {"no-exp": "the token has no valid exp claim", "expired": "the token expired 7202 s ago"}
    tokens = {defect: mint(desk, defect=defect) for defect in reasons}
    wall.shift(7200)
    found = {defect: reason(desk, token).partition(",")[0] for defect, token in tokens.items()}
    assert found == reasons


BAD: list[tuple[dict[str, Any], str, str]] = [  # body, the field that is blamed, and part of the message
    ({"scope": ""}, "scope", "scope must be a string"),
    *(({"scope": scope}, "scope", FORM) for scope in (
        "ping.read", "/ping.read  /fed.read", " ", "/accounts/mine/cards.read",
        "/accounts/{accountid}/cards.read",
    )),
    ({"scope": "a\n"}, "scope", "scope must be a string"),
    ({"scope": "é"}, "scope", "scope must be a string"),
    ({"scope": None}, "scope", "scope must be a string, got null"),
    ({"scope": "x" * 4097}, "scope", "length <= 4096"),
    ({"scope": "/x." + "x" * 4093}, "claims", f"the token would be longer than {MAX_LENGTH} characters"),
    ({"lifetime": 0}, "lifetime", ">= 1"),
    ({"lifetime": 10**8 + 1}, "lifetime", "<= 100000000"),
    ({"client_type": "w"}, "client_type", "invalid enum value"),
    ({"claims": []}, "claims", "claims must be an object, got a list"),
    ({"claims": {"a": "b" * 5000}}, "claims", "the token would be longer"),
    ({"claims": {"jti": 5}, "defect": "revoked"}, "claims", "it is not an access token"),
    ({"defect": "expird"}, "defect", "; did you mean expired?"),
    ({"defects": "expired"}, "defects", "there is no field defects; did you mean defect?"),
]  # fmt: skip


@each_owner
def test_bad_members_are_named(desk: Desk, of: str) -> None:
    assert desk.mismatches("POST", f"{of}/tokens", BAD) == []


def test_a_path_with_a_key_takes_no_client_id(desk: Desk) -> None:
    answer = desk.post(f"{KEY}/tokens", client_id="other")
    assert answer.problem == (422, "there is no field client_id; did you mean client_type?", "client_id")


def test_a_rotated_key_verifies_until_it_is_dropped(desk: Desk) -> None:
    before = desk.get("/signing-keys").document
    old = mint(desk)
    after = desk.post("/signing-keys/rotate").document
    new = mint(desk)
    kids = [jwt.get_unverified_header(token)["kid"] for token in (old, new)]
    assert kids == [before["signs"], after["signs"]]
    assert after["keys"][1:] == before["keys"]
    assert after["keys"][0]["kid"] == after["signs"]
    assert json.loads(desk.send("GET", "/.well-known/jwks.json", [], b"")[2]) == {"keys": after["keys"]}
    assert (desk.ping(old), desk.ping(new)) == (200, 200)
    assert desk.ask("DELETE", f"/signing-keys/{before['signs']}").status == 204
    assert (desk.ping(old), desk.ping(new)) == (401, 200)
    assert desk.get("/signing-keys").document == {"signs": after["signs"], "keys": after["keys"][:1]}


def test_the_signing_or_an_unknown_key_is_not_dropped(desk: Desk) -> None:
    signs = desk.get("/signing-keys")["signs"]
    answer = desk.ask("DELETE", f"/signing-keys/{signs}")
    assert answer.problem == (409, "this key signs new tokens: rotate the keys first", None)
    answer = desk.ask("DELETE", "/signing-keys/nobody")
    assert answer.problem == (404, "there is no signing key with this kid", None)


def test_the_number_of_retired_keys_is_limited(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MAX_RETIRED_KEYS", 1)
    desk.post("/signing-keys/rotate")
    answer = desk.post("/signing-keys/rotate")
    assert answer.problem == (409, "the limit of 1 retired keys is reached: drop some", None)


def test_private_keys_are_never_listed(desk: Desk) -> None:
    private = desk.server.repository.signing_keys().private_key
    for answer in (desk.get("/signing-keys"), desk.post("/signing-keys/rotate"), desk.get("/config")):
        assert private not in json.dumps(answer.document)
        assert '"d"' not in json.dumps(answer.document)
