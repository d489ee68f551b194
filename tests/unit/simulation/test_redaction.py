"""What may be told of a request: no secret, no whole token, nothing that no table names."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mockmoov.simulation.redaction import (
    HIDDEN,
    METHODS,
    redact_headers,
    redact_method,
    redact_parameters,
    redact_path,
    short_hash,
    token_name,
)

UUID = "6f1c2f0e-4f0b-4e0c-9d39-0b6a3c1b7a52"
JTI = "0123456789abcdef0123456789abcdef"
WORDS = frozenset(["", "oauth2", "token", "ping", "accounts"])
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
# Credentials as generators make them; shorter ones are blotted out only where they are those of the client.
SECRETS = st.text("ABCDEFabcdef0123456789_-", min_size=16, max_size=60).filter(
    lambda text: len(text) > 32 or not text.replace("-", "").isalpha()
)
ODD = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt_of(claims: object) -> str:
    return f"{segment({'alg': 'EdDSA'})}.{segment(claims)}.{'s' * 86}"


def hash_of(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


# --- Paths and methods ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/oauth2/token", "/oauth2/token"),
        (f"/accounts/{UUID}/x", f"/accounts/{UUID}/..."),
        (f"/accounts/{UUID.upper()}", f"/accounts/{UUID.upper()}"),
        (f"/{SECRET}", "/..."),
        ("/ping/", "/ping/"),
        ("/Ping", "/..."),
        ("/p%69ng", "/..."),
        ("", ""),
        ("*", "..."),
        (f"/{UUID}x", "/..."),
    ],
)
def test_of_a_path_only_known_words_and_uuids_are_told(path: str, shown: str) -> None:
    assert redact_path(path, WORDS) == shown


@given(path=ODD)
def test_of_a_path_nothing_else_is_told(path: str) -> None:
    assert set(redact_path(path, WORDS).split("/")) <= {*WORDS, HIDDEN}


def test_a_long_path_is_told_in_part() -> None:
    assert len(redact_path("/ping" * 1000, WORDS)) == 200


@given(method=ODD | st.sampled_from(sorted(METHODS)))
def test_a_method_is_told_if_it_is_one_of_https_own(method: str) -> None:
    assert redact_method(method) == (method if method in METHODS else HIDDEN)


def test_the_methods_are_those_of_http() -> None:
    assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} == METHODS
    assert redact_method("get") == HIDDEN


# --- Tokens ---------------------------------------------------------------------------------------


@given(token=ODD)
@example(token="\udfff")
def test_a_token_is_named_by_a_short_hash(token: str) -> None:
    assert short_hash(token) == token_name(token) == hash_of(token)


def test_a_jwt_is_named_by_its_id() -> None:
    assert token_name(jwt_of({"jti": JTI, "sub": "x"})) == JTI


@pytest.mark.parametrize(
    "claims", [{}, {"jti": 5}, {"jti": SECRET}, {"jti": JTI + "0"}, {"jti": JTI.upper()}, [JTI], None]
)
def test_a_jwt_whose_id_is_not_like_ours_is_named_by_its_hash(claims: object) -> None:
    token = jwt_of(claims)
    assert token_name(token) == hash_of(token)


# --- Parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("grant_type", "client_credentials", "client_credentials"),
        ("grant_type", "refresh_token", "refresh_token"),
        ("grant_type", "password", "password"),
        ("grant_type", "authorization_code", "authorization_code"),
        ("grant_type", "x", HIDDEN),
        ("scope", "/ping.read /accounts.write", "/ping.read /accounts.write"),
        ("scope", f"/accounts/{UUID}/cards.read", f"/accounts/{UUID}/cards.read"),
        ("scope", f"/ping.read {SECRET}", "/ping.read (not of the form /family.permission)"),
        ("scope", " \t/ping.read\n", "/ping.read"),
        ("scope", "", ""),
        ("client_id", "id", "id"),
        ("client_id", "other", HIDDEN),
        ("client_secret", "x", HIDDEN),
        ("client_type", "web", "web"),
        ("client_type", "d", "d"),
        ("client_type", "x", HIDDEN),
        ("refresh_token", "x", hash_of("x")),
        ("refresh_token", jwt_of({"jti": JTI}), JTI),
        ("token", "x", hash_of("x")),
        ("token_type_hint", "access_token", "access_token"),
        ("token_type_hint", "x", HIDDEN),
        ("grant_type", None, HIDDEN),
        ("scope", 5, HIDDEN),
        ("token", ("a", "b"), HIDDEN),
    ],
)
def test_a_known_parameter_is_told_as_its_table_says(name: str, value: object, shown: str) -> None:
    assert redact_parameters({name: value}, "id") == {name: shown}


def test_every_word_of_a_table_is_told() -> None:
    for name, words in (
        ("client_type", ["web", "device", "service", "w", "d", "s"]),
        ("token_type_hint", ["access_token", "refresh_token"]),
    ):
        assert [redact_parameters({name: word}, None)[name] for word in words] == words


def test_an_unknown_parameter_is_not_told() -> None:
    assert redact_parameters({"password": "x", "": "y", "Scope": "z", "scope": "/ping.read"}, "id") == {
        "scope": "/ping.read"
    }


def test_of_many_scopes_the_first_are_told() -> None:
    asked = ["/accounts.read"] * 21
    assert redact_parameters({"scope": " ".join(asked[:20])}, None) == {"scope": " ".join(asked[:20])}
    assert redact_parameters({"scope": " ".join(asked)}, None) == {"scope": " ".join([*asked[:20], HIDDEN])}


def test_no_client_id_is_told_where_none_exists() -> None:
    assert redact_parameters({"client_id": "id"}, None) == {"client_id": HIDDEN}


# --- Headers --------------------------------------------------------------------------------------


def header(name: str, *values: str, secret: str | None = None) -> str | None:
    return redact_headers({name: values}, secret).get(name)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("authorization", "Basic abc", "Basic ..."),
        ("authorization", "basic", "basic ..."),
        ("authorization", f"Bearer  {jwt_of({'jti': JTI})} ", f"Bearer {JTI}"),
        ("authorization", "BEARER x", f"BEARER {hash_of('x')}"),
        ("authorization", "Bearer  x ", f"Bearer {hash_of('x')}"),
        ("authorization", f"Token {SECRET}", HIDDEN),
        ("authorization", SECRET, HIDDEN),
        ("authorization", "", HIDDEN),
        ("content-type", "application/json", "application/json"),
        ("content-type", "Application/JSON; charset=UTF-8", "Application/JSON; charset=UTF-8"),
        ("content-type", "multipart/form-data; boundary=x", HIDDEN),
        ("content-type", "x" * 21 + "/json", HIDDEN),
        ("content-type", "json", HIDDEN),
        ("origin", "https://shop.example", "https://shop.example"),
        ("origin", "HTTPS://Shop.example:443", "https://shop.example"),
        ("origin", "null", HIDDEN),
        ("origin", "https://user:pw@shop.example", HIDDEN),
        ("referer", "https://shop.example:8443/a?b=c#d", "https://shop.example:8443"),
        ("referer", "about:blank", HIDDEN),
        ("referer", f"https://{SECRET}.example/", "https://....example"),
        ("user-agent", "curl/8.5.0", "curl/8.5.0"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) é", "Mozilla/5.0 (X11; Linux x86_64) \\xe9"),
        ("user-agent", "speakeasy-sdk/python-requests-and-more", "speakeasy-sdk/python-requests-and-more"),
        ("user-agent", f"curl {SECRET}", "curl ..."),
        ("user-agent", "abcdefghijklmnop", "abcdefghijklmnop"),
        ("user-agent", "abcdefghijklmno1", HIDDEN),
        ("user-agent", "abcdefghijklmn1", "abcdefghijklmn1"),
        ("user-agent", "AppleWebKit-Nightly-fork", "AppleWebKit-Nightly-fork"),
        ("user-agent", "x" * 32, "x" * 32),
        ("user-agent", "x" * 33, HIDDEN),
        ("user-agent", "vzYuVOfzqhzwkWMDrlzsnCoNRppYHVMOsUPCaUZqJqc", HIDDEN),  # letters alone, and a token
        ("user-agent", "GfstrKCwthAOlBpy", HIDDEN),
        ("user-agent", "abcdefghijklmnop-", HIDDEN),
        ("referer", f"https://{'x' * 33}.example/", "https://....example"),
        ("x-idempotency-key", UUID, UUID),
        ("x-idempotency-key", SECRET, HIDDEN),
        ("x-moov-version", "v2024.01.00", "v2024.01.00"),
        ("x-moov-version", "latest", "latest"),
        ("x-moov-version", "v2024.1.0", HIDDEN),
        ("cookie", "a=b", None),
        ("x-api-key", "x", None),
        ("host", "localhost", None),
    ],
)  # fmt: skip
def test_a_known_header_is_told_as_its_table_says(name: str, value: str, shown: str | None) -> None:
    assert header(name, value) == shown


def test_of_a_repeated_header_the_first_is_told() -> None:
    assert header("x-moov-version", "latest", SECRET) == "latest"


@pytest.mark.parametrize("name", ["user-agent", "content-type", "origin"])
def test_the_secret_of_the_client_is_blotted_out_however_short_it_is(name: str) -> None:
    values = {"user-agent": "curl/hush x", "content-type": "text/hush", "origin": "http://hush"}
    assert header(name, values[name], secret="hush") == values[name].replace("hush", HIDDEN)
    assert header(name, values[name], secret=None) == values[name]


@given(value=ODD, name=st.sampled_from(["user-agent", "origin", "referer", "authorization", "content-type"]))
def test_what_is_told_is_a_line_of_ascii(value: str, name: str) -> None:
    shown = header(name, value)
    assert shown is not None
    assert shown.isascii()
    assert name == "authorization" or shown.isprintable() or not shown
    assert len(shown) < 300


PLACES = st.sampled_from(
    [
        "user-agent",
        "origin",
        "referer",
        "authorization",
        "content-type",
        "x-moov-version",
        "x-idempotency-key",
    ]
)
FORMS = st.sampled_from(
    ["{}", "Bearer {}", "Token {}", "https://{}/", "https://a.example/{}?x={}", "a {} b", "{};q=1"]
)


@given(secret=SECRETS, place=PLACES, form=FORMS)
def test_no_credential_is_told_in_a_header(secret: str, place: str, form: str) -> None:
    assert secret not in str(header(place, form.format(secret, secret)))


@given(
    secret=SECRETS,
    given_to=st.sampled_from(["scope", "token", "refresh_token", "grant_type", "client_id", "x"]),
)
def test_no_credential_is_told_in_a_parameter(secret: str, given_to: str) -> None:
    assert secret not in str(redact_parameters({given_to: secret, "scope": f"{secret} /{secret}"}, "id"))


@given(
    parameters=st.dictionaries(
        ODD | st.sampled_from(["scope", "token", "client_id", "grant_type"]), ODD | st.integers()
    )
)
def test_whatever_was_sent_can_be_told_as_json(parameters: dict[str, Any]) -> None:
    shown = redact_parameters(parameters, "id")
    assume(shown)
    assert json.dumps(shown, ensure_ascii=False).encode()
