"""Bootstrap: settings become a server with its keys in place; a bad key file is a settings error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from mockmoov.config.settings import Layer, SettingsError, load
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from tests.support.servers import Clock, another_key, basic, bearer, post_form, sender


def create(**settings: Any) -> AuthorizationServer:
    return create_server(load(Layer(settings=settings)))


def private_key(server: AuthorizationServer) -> str:
    return server.repository.signing_keys().private_key


def pem(key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def mint(server: AuthorizationServer) -> dict[str, Any]:
    answer = post_form(
        sender(server), "/oauth2/token", basic(), grant_type="client_credentials", scope="/ping.read"
    )
    assert answer[0] == 200
    members: dict[str, Any] = json.loads(answer[2])
    return members


def ping(server: AuthorizationServer, token: str) -> int:
    return sender(server)("GET", "/ping", [bearer(token)], b"")[0]


SEEDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(first=SEEDS, second=SEEDS)
def test_the_same_seed_means_the_same_key_and_another_seed_another(first: str, second: str) -> None:
    keys = [private_key(create(seed=seed)) for seed in (first, first, second)]
    assert keys[0] == keys[1]
    assert (keys[0] == keys[2]) == (first == second)


def test_without_seed_or_file_every_server_has_a_key_of_its_own() -> None:
    assert private_key(create()) != private_key(create())


def test_pem_and_jwk_of_one_key_sign_alike(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(pem(key))
    (tmp_path / "key.jwk").write_text(OKPAlgorithm.to_jwk(key))
    servers = [create(signing_key=str(tmp_path / name)) for name in ("key.pem", "key.jwk")]
    assert private_key(servers[0]) == private_key(servers[1])
    assert servers[0].repository.signing_keys() == servers[1].repository.signing_keys()


def test_tokens_do_not_rise_from_the_dead_in_a_new_server_with_the_same_key() -> None:
    before, after = create(seed="s"), create(seed="s")
    pair = mint(before)
    assert ping(before, pair["access_token"]) == 200
    assert ping(after, pair["access_token"]) == 401
    refused = post_form(
        sender(after),
        "/oauth2/token",
        basic(),
        grant_type="refresh_token",
        refresh_token=pair["refresh_token"],
    )
    assert refused[2] == b'{"error":"invalid_grant"}'


def test_every_api_key_of_the_settings_is_known_with_an_epoch_of_its_own() -> None:
    server = create(api_keys=[another_key(name) for name in ("a", "b", "c")])
    keys = server.repository.api_keys(["a", "b", "c", "d", "5clTR_MdVrrkgxw2"])
    assert [key.client_id for key in keys] == ["a", "b", "c"]
    assert len({key.epoch for key in keys} - {""}) == 3
    assert len({key.account_id for key in keys}) == 3


def test_the_server_reads_the_clock_it_was_given() -> None:
    clock = Clock()
    server = create_server(load(), clock=clock)
    for _ in range(2):
        assert server.simulation.now() == clock.now
        clock.shift(0.25)


NOT_KEYS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "garbage": lambda: b"garbage",
    "not ascii": lambda: b"{\xff",
    "json of no key": lambda: b"{}",
    "jwk without a private part": lambda: OKPAlgorithm.to_jwk(
        Ed25519PrivateKey.generate().public_key()
    ).encode(),
    "nested json": lambda: b'{"kty":' + b"[" * 100_000,
    "encrypted pem": lambda: pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"password")),
    "public pem": lambda: (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
    "Ed448": lambda: pem(ed448.Ed448PrivateKey.generate()),
    "RSA": lambda: pem(rsa.generate_private_key(65537, 2048)),
    # An Ed25519 key whose algorithm identifier says something that nobody knows.
    "an unknown algorithm": lambda: pem(Ed25519PrivateKey.generate()).replace(
        b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2V/"
    ),
}


@pytest.mark.parametrize("content", NOT_KEYS.values(), ids=NOT_KEYS)
def test_a_file_without_an_ed25519_private_key_is_a_settings_error(
    tmp_path: Path, content: Callable[[], bytes]
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content())
    with pytest.raises(SettingsError, match=r"not an Ed25519|not an unencrypted") as caught:
        create(signing_key=str(path))
    assert str(caught.value).startswith(f"signing_key {path}: ")


def test_a_key_file_that_cannot_be_read_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        create(signing_key=str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match="Is a directory"):
        create(signing_key=str(tmp_path))


@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_a_private_key_given_in_place_of_its_path_is_not_repeated(form: str) -> None:
    key = Ed25519PrivateKey.generate()
    text = pem(key).decode() if form == "pem" else OKPAlgorithm.to_jwk(key)
    secret = text.splitlines()[1] if form == "pem" else json.loads(text)["d"]
    with pytest.raises(SettingsError) as caught:
        create(signing_key=text)
    assert secret not in str(caught.value)


def test_nothing_is_forgotten_while_the_servers_clock_stands_still() -> None:
    clock = Clock(10**9)
    server = create_server(
        load(Layer(settings={"token_format": "opaque", "access_token_lifetime": 1})), clock=clock
    )
    tokens = [mint(server)["access_token"] for _ in range(2)]
    clock.shift(0.9999)  # it stays there: on the wall, the rest of a second passes many times over
    assert post_form(sender(server), "/oauth2/revoke", basic(), token=tokens[0])[0] == 204
    for _ in range(2100):  # enough for the store to look twice for what it may forget
        mint(server)
    assert (ping(server, tokens[0]), ping(server, tokens[1])) == (401, 200)
