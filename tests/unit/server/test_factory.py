"""create_server: settings become a server with its keys; a bad key file is a settings error."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from mockmoov.config.settings import Layer, SettingsError, load
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from tests.support.servers import Clock, another_key, sender
from tests.support.tokens import members, mint, ping, refresh, revoke


def create(**settings: Any) -> AuthorizationServer:
    return create_server(load(Layer(settings=settings)))


def private_key(server: AuthorizationServer) -> str:
    return server.repository.signing_keys().private_key


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


SEEDS = st.text("abcé", min_size=1)


@given(first=SEEDS, second=SEEDS)
def test_seed_decides_the_signing_key(first: str, second: str) -> None:
    keys = [private_key(create(seed=seed)) for seed in (first, first, second)]
    assert keys[0] == keys[1]
    assert (keys[0] == keys[2]) == (first == second)


def test_without_seed_or_file_each_server_has_its_own_key() -> None:
    assert private_key(create()) != private_key(create())


def test_pem_and_jwk_of_one_key_sign_alike(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(pem(key))
    (tmp_path / "key.jwk").write_text(OKPAlgorithm.to_jwk(key))
    servers = [create(signing_key=str(tmp_path / name)) for name in ("key.pem", "key.jwk")]
    assert servers[0].repository.signing_keys() == servers[1].repository.signing_keys()


def test_tokens_of_an_earlier_server_are_good_with_its_seed_only() -> None:
    before, after, other, without = (
        sender(create(**settings)) for settings in ({"seed": "s"}, {"seed": "s"}, {"seed": "t"}, {})
    )
    pair = mint(before)
    found = [ping(send, pair["access_token"]) for send in (before, after, other, without)]
    assert found == [200, 200, 401, 401]
    for send in (other, without):
        assert members(refresh(send, pair["refresh_token"])) == {"error": "invalid_grant"}
    assert refresh(after, pair["refresh_token"])[0] == 200


def test_each_api_key_has_its_own_account_and_epoch() -> None:
    server = create(api_keys=[another_key(name) for name in ("a", "b", "c")])
    keys = server.repository.api_keys(["a", "b", "c", "d", "5clTR_MdVrrkgxw2"])
    assert [key.client_id for key in keys] == ["a", "b", "c"]
    assert len({key.epoch for key in keys} - {""}) == 3
    assert len({key.account_id for key in keys}) == 3


def test_server_reads_the_given_clock() -> None:
    clock = Clock()
    server = create_server(load(), clock=clock)
    for _ in range(2):
        assert server.simulation.now() == clock.now
        clock.shift(0.25)


def test_bad_key_file_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage")
    (tmp_path / "x25519").write_bytes(pem(X25519PrivateKey.generate()))
    reasons = {
        "garbage": "not an unencrypted private key in PEM or JWK format",
        "x25519": "not an Ed25519 private key",
        "missing": "No such file or directory",
        ".": "Is a directory",
    }
    for name, reason in reasons.items():
        path = str(tmp_path / name)
        with pytest.raises(SettingsError) as caught:
            create(signing_key=path)
        assert str(caught.value) == f"signing_key {path}: {reason}"


def test_key_given_in_place_of_its_path_is_not_repeated() -> None:
    key = Ed25519PrivateKey.generate()
    text, jwk = pem(key).decode(), OKPAlgorithm.to_jwk(key)
    for given_key, secret in ((text, text.splitlines()[1]), (jwk, json.loads(jwk)["d"])):
        with pytest.raises(SettingsError) as caught:
            create(signing_key=given_key)
        assert secret not in str(caught.value)


@pytest.mark.slow
def test_nothing_is_forgotten_while_the_servers_clock_stands() -> None:
    clock = Clock(10**9)
    settings = {"token_format": "opaque", "access_token_lifetime": 1}
    send = sender(create_server(load(Layer(settings=settings)), clock=clock))
    tokens = [mint(send)["access_token"] for _ in range(2)]
    clock.shift(0.9999)  # while it stands there, on the wall the rest of a second passes many times over
    assert revoke(send, tokens[0])[0] == 204
    for _ in range(2100):  # enough for the store to look twice for what it may forget
        mint(send)
    assert [ping(send, token) for token in tokens] == [401, 200]
