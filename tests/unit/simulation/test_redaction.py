"""Redaction: no secret and no whole token in the journal or the log, and nothing that no table lists."""

import base64
import hashlib
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.simulation.masking import HIDDEN
from mockmoov.simulation.redaction import (
    METHODS,
    redact_headers,
    redact_method,
    redact_parameters,
    redact_path,
    repeats_secret,
    short_hash,
    show_client_id,
    show_origin,
    show_path,
    token_name,
)

UUID = "6f1c2f0e-4f0b-4e0c-9d39-0b6a3c1b7a52"
JTI = "0123456789abcdef0123456789abcdef"
WORDS = frozenset(["", "oauth2", "token", "ping", "accounts"])
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
# Credentials as generators make them; shorter ones are hidden only where they are those of the client.
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


PATHS = {
    "/oauth2/token": "/oauth2/token",
    f"/accounts/{UUID}/x": f"/accounts/{UUID}/...",
    f"/accounts/{UUID.upper()}": f"/accounts/{UUID.upper()}",
    f"/{SECRET}": "/...",
    "/ping/": "/ping/",
    "/Ping": "/...",
    "/p%69ng": "/...",
    "": "",
    "*": "...",
    f"/{UUID}x": "/...",
}


@given(path=ODD)
def test_path_keeps_only_known_words_and_uuids(path: str) -> None:
    assert {path: redact_path(path, WORDS) for path in PATHS} == PATHS
    assert set(redact_path(path, WORDS).split("/")) <= {*WORDS, HIDDEN}
    assert len(redact_path("/ping" * 1000, WORDS)) == 200


@given(method=ODD)
@example(method="get")
def test_method_is_kept_if_http_defines_it(method: str) -> None:
    assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} == METHODS
    assert {redact_method(known) for known in METHODS} == METHODS
    assert redact_method(method) == (method if method in METHODS else HIDDEN)


@given(token=ODD)
@example(token="\udfff")
def test_opaque_token_is_named_by_a_short_hash(token: str) -> None:
    assert short_hash(token) == token_name(token) == hash_of(token)


def test_jwt_is_named_by_a_jti_of_the_right_form() -> None:
    assert token_name(jwt_of({"jti": JTI, "sub": "x"})) == JTI
    odd: list[object] = [
        {},
        {"jti": 5},
        {"jti": SECRET},
        {"jti": JTI + "0"},
        {"jti": JTI.upper()},
        [JTI],
        None,
    ]
    for token in map(jwt_of, odd):
        assert token_name(token) == hash_of(token)


# --- parameters -------------------------------------------------------------------------------------

# How each value is redacted; None: the parameter or header is left out.
PARAMETERS: dict[str, list[tuple[object, str | None]]] = {
    "grant_type": [
        *((name, name) for name in ("client_credentials", "refresh_token", "password", "authorization_code")),
        ("x", HIDDEN),
        (None, HIDDEN),
    ],
    "scope": [
        ("/ping.read /accounts.write", "/ping.read /accounts.write"),
        (f"/accounts/{UUID}/cards.read", f"/accounts/{UUID}/cards.read"),
        (f"/ping.read {SECRET}", "/ping.read (not of the form /family.permission)"),
        (" \t/ping.read\n", "/ping.read"),
        ("", ""),
        (5, HIDDEN),
        (" ".join(["/accounts.read"] * 20), " ".join(["/accounts.read"] * 20)),
        (" ".join(["/accounts.read"] * 21), " ".join(["/accounts.read"] * 20 + [HIDDEN])),
    ],
    "client_id": [("id", "id"), ("other", HIDDEN)],
    "client_secret": [("x", HIDDEN)],
    "client_type": [*((name, name) for name in ("web", "device", "service", "w", "d", "s")), ("x", HIDDEN)],
    "refresh_token": [("x", hash_of("x")), (jwt_of({"jti": JTI}), JTI)],
    "token": [("x", hash_of("x")), (("a", "b"), HIDDEN)],
    "token_type_hint": [*((name, name) for name in ("access_token", "refresh_token")), ("x", HIDDEN)],
    "password": [("x", None)],
    "Scope": [("/ping.read", None)],
    "": [("x", None)],
}


def test_parameters_are_redacted_as_listed() -> None:
    wrong = [
        (name, value, got)
        for name, values in PARAMETERS.items()
        for value, expected in values
        if (got := redact_parameters({name: value}, "id").get(name)) != expected
    ]
    assert wrong == []
    several = {"password": "x", "token": "y", "scope": "/ping.read"}
    assert redact_parameters(several, "id") == {"token": hash_of("y"), "scope": "/ping.read"}
    assert redact_parameters({"client_id": "id"}, None) == {"client_id": HIDDEN}


@given(secret=SECRETS)
def test_parameters_never_show_a_credential(secret: str) -> None:
    for name in ("scope", "token", "refresh_token", "grant_type", "client_id", "x"):
        assert secret not in str(redact_parameters({name: secret, "scope": f"{secret} /{secret}"}, "id"))


@given(st.dictionaries(ODD | st.sampled_from(["scope", "token", "client_id"]), ODD | st.integers()))
@example({"scope": "\ud800", "token": "\ud800", "client_id": "\ud800"})
def test_redacted_parameters_can_be_written_as_json(parameters: dict[str, Any]) -> None:
    assert json.dumps(redact_parameters(parameters, "id"), ensure_ascii=False).encode()


# --- headers ----------------------------------------------------------------------------------------

HEADERS: dict[str, list[tuple[str, str | None]]] = {
    "authorization": [
        ("Basic abc", "Basic ..."),
        ("basic", "basic ..."),
        (f"Bearer  {jwt_of({'jti': JTI})} ", f"Bearer {JTI}"),
        ("BEARER x", f"BEARER {hash_of('x')}"),
        ("Bearer  x ", f"Bearer {hash_of('x')}"),
        (f"Token {SECRET}", HIDDEN),
        (SECRET, HIDDEN),
        ("", HIDDEN),
    ],
    "content-type": [
        ("application/json", "application/json"),
        ("Application/JSON; charset=UTF-8", "Application/JSON; charset=UTF-8"),
        ("APPLICATION/JSON;CHARSET=utf-8", "APPLICATION/JSON;CHARSET=utf-8"),
        ("multipart/form-data; boundary=x", HIDDEN),
        ("x" * 21 + "/json", HIDDEN),
        ("json", HIDDEN),
    ],
    "origin": [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.example:443", "https://shop.example"),
        ("null", HIDDEN),
        ("https://user:pw@shop.example", HIDDEN),
    ],
    "referer": [
        ("https://shop.example:8443/a?b=c#d", "https://shop.example:8443"),
        ("about:blank", HIDDEN),
        (f"https://{SECRET}.example/", "https://....example"),
        (f"https://{'x' * 33}.example/", "https://....example"),
    ],
    "user-agent": [
        ("curl/8.5.0", "curl/8.5.0"),
        ("Mozilla/5.0 (X11; Linux x86_64) é", "Mozilla/5.0 (X11; Linux x86_64) ..."),
        ("of+another=key, (~odd~ characters!)", "..., (... ...)"),  # the secret of another API key
        ("speakeasy-sdk/python-requests-and-more", "speakeasy-sdk/python-requests-and-more"),
        (f"curl {SECRET}", "curl ..."),
        ("abcdefghijklmnop", "abcdefghijklmnop"),
        ("abcdefghijklmno1", HIDDEN),
        ("abcdefghijklmn1", "abcdefghijklmn1"),
        ("AppleWebKit-Nightly-fork", "AppleWebKit-Nightly-fork"),
        ("x" * 32, "x" * 32),
        ("x" * 33, HIDDEN),
        ("vzYuVOfzqhzwkWMDrlzsnCoNRppYHVMOsUPCaUZqJqc", HIDDEN),  # only letters, and a token
        ("GfstrKCwthAOlBpy", HIDDEN),
        ("abcdefghijklmnop-", HIDDEN),
    ],
    "x-idempotency-key": [(UUID, UUID), (SECRET, SECRET), (jwt_of({"jti": JTI}), JTI)],
    "x-wait-for": [("payment-method", "payment-method"), (SECRET, HIDDEN)],
    "x-moov-version": [("v2024.01.00", "v2024.01.00"), ("latest", "latest"), ("v2024.1.0", HIDDEN)],
    "cookie": [("a=b", None)],
    "x-api-key": [("x", None)],
    "host": [("localhost", None)],
}
REDACTED = [name for name, values in HEADERS.items() if values[0][1]]


def header(name: str, *values: str, secret: str | None = None) -> str | None:
    return redact_headers({name: values}, secret).get(name)


def test_headers_are_redacted_as_listed() -> None:
    wrong = [
        (name, value, got)
        for name, values in HEADERS.items()
        for value, expected in values
        if (got := header(name, value)) != expected
    ]
    assert wrong == []
    assert header("x-moov-version", "latest", SECRET) == "latest"  # the first of several


def test_secret_of_the_client_is_hidden_however_short() -> None:
    for name, value in {
        "user-agent": "curl/hush x",
        "content-type": "text/hush",
        "origin": "http://hush",
    }.items():
        assert header(name, value, secret="hush") == value.replace("hush", HIDDEN)
        assert header(name, value, secret=None) == value


@given(value=ODD)
@example(value="\ud800 é")
def test_redacted_header_is_one_line_of_ascii(value: str) -> None:
    for name in ("user-agent", "origin", "referer", "authorization", "content-type"):
        redacted = header(name, value)
        assert redacted is not None
        assert redacted.isascii()
        assert redacted.isprintable()
        assert len(redacted) < 300


FORMS = [
    "{0}",
    "Bearer {0}",
    "Token {0}",
    "https://{0}/",
    "https://a.example/{0}?x={0}",
    "a {0} b",
    "{0};q=1",
]


@given(secret=SECRETS)
def test_headers_never_show_a_credential(secret: str) -> None:
    names = [name for name in REDACTED if name != "x-idempotency-key"]  # which is kept as it is
    rows = [(name, form.format(secret)) for name in names for form in FORMS]
    assert [row for row in rows if secret in str(header(*row))] == []


# --- the log ------------------------------------------------------------------------------------

DOTTED_SECRET = "abc-DEF_012.345"
SHOWN_PATHS = {  # with the known words accounts and abcdef01, which is also a part of the secret
    "/accounts/abcdef01/x": "/accounts/abcdef01/x",
    "/oauth/token.json": "/oauth/token.json",
    f"/x/{DOTTED_SECRET}/y": "/x/.../y",
    "/ABCDEF01": "/...",
    "/a%62cdef01x": "/...",
    "/abcdef0": "/abcdef0",
    f"/{UUID}/a%20b": f"/{UUID}/a%20b",
    "/0123456789abcdefXYZ": "/...",
    "/0123456789%61bcdefXYZ": "/...",
    "/a b": "/...",
    "/\u00e9\n": "/\\xe9\\n",
}
REPEATED = {
    DOTTED_SECRET: True, "ABCDEF012345": True, "'abc-DEF_012.345' ": True, "xabcdef01": True,
    "ef012345x": True, "abcdef0": False, "": False, "f012345x": False, "f012346": False,
}  # fmt: skip


def test_a_path_of_the_log_hides_secrets_in_any_form() -> None:
    words = frozenset(("accounts", "abcdef01"))
    assert {path: show_path(path, words, lambda: [DOTTED_SECRET]) for path in SHOWN_PATHS} == SHOWN_PATHS
    assert show_path("/secret", words, lambda: ["secret"]) == "/..."


def test_a_part_of_a_secret_is_recognized_from_eight_characters() -> None:
    assert {text: repeats_secret(text, ["other", DOTTED_SECRET]) for text in REPEATED} == REPEATED
    assert [repeats_secret(text, ["pass"]) for text in ("pass", "PASS ", "passe", "pas")] == [
        True,
        True,
        False,
        False,
    ]
    assert not repeats_secret("...", ["--"])


def test_a_client_id_of_the_log_is_short_and_no_secret() -> None:
    shown = {
        "mine\n": r"mine\n",
        "x" * 23: "x" * 23,
        "x" * 24: "...",
        UUID: UUID,
        "abc-def-012": "...",
    }
    assert {claimed: show_client_id(claimed, lambda: [DOTTED_SECRET]) for claimed in shown} == shown


def test_an_origin_of_the_log_has_no_path_and_no_credentials() -> None:
    shown = {
        "null": "null", "NULL": "...", "https://shop.example": "https://shop.example",
        "https://shop.example/x": "https://shop.example", "nonsense": "...",
    }  # fmt: skip
    assert {origin: show_origin(origin) for origin in shown} == shown
