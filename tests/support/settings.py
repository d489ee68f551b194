"""Settings for tests: values that are valid and values that aren't, in each source."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from mockmoov.cli.main import main
from mockmoov.cli.serve import serve
from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import EXAMPLE

Values = dict[str, Any]

WORD = st.from_regex(r"[a-zA-Z0-9.:#/-]{1,20}", fullmatch=True)
TEXT = st.text(st.characters(max_codepoint=0xD7FF), min_size=1).filter(str.isprintable)
HEADER_VALUE = st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True)
SECRET = st.from_regex(r"~[A-Za-z0-9_-]{12,40}~", fullmatch=True)
CONCRETE_SCOPES = [scope.replace("{accountID}", str(EXAMPLE["account_id"])) for scope in SCOPES]
API_KEY = st.fixed_dictionaries(
    {"client_secret": SECRET},
    optional={
        "account_id": st.uuids().map(str),
        "application_id": st.uuids().map(str),
        "origins": st.lists(st.sampled_from(["https://shop.example", "http://localhost:3000"])),
        "scopes": st.lists(st.sampled_from([*SCOPES, *CONCRETE_SCOPES]), max_size=3),
        "grants": st.lists(st.sampled_from(["client_credentials", "refresh_token"]), unique=True),
        "enabled": st.booleans(),
    },
)
API_KEYS = st.dictionaries(
    WORD.filter(lambda word: ":" not in word and word not in (".", "..")), API_KEY, min_size=1, max_size=2
).map(lambda keys: [{"client_id": client_id, **members} for client_id, members in keys.items()])
STUBS = st.lists(
    st.fixed_dictionaries(
        {"endpoint": st.sampled_from(["listAccounts", "GET /accounts/{accountID}"])},
        optional={
            "status": st.sampled_from([200, 404]),
            "json": st.lists(st.booleans() | st.just({"id": "{accountID}"}), max_size=2),
            "where": st.just({"query": {"count": "1"}, "body": {"amount": {"value": 100}}}),
            "times": st.integers(1, 9),
        },
    ),
    max_size=2,
)
INVALID_STUBS: Mapping[str, Any] = {
    "endpoint is missing": {}, "a stub answers an operation: for token": {"endpoint": "token"},
    "endpoint must be a string or null": {"endpoint": 1}, "; did you mean times?": {"time": 1},
    "status must be an integer >= 200": {"endpoint": "ping", "status": 20},
}  # fmt: skip
TEXTS = ("tls_ca_file", "tls_ca_folder", "tls_cert", "tls_key", "issuer", "openapi", "seed", "signing_key")
SWITCHES = ("tls", "refresh_rotation", "refresh_reuse_detection", "access_log", "journal_bodies")
RANGES = {
    "port": (0, 65535), "tls_port": (0, 65535), "access_token_lifetime": (1, 10**8),
    "refresh_token_lifetime": (1, 10**8), "refresh_grace_seconds": (0, 10**8), "rate_limit": (0, 10**6),
    "upstream_timeout": (1, 3600), "journal_size": (0, 10**6), "workers": (1, 64),
}  # fmt: skip
CHOICES = {
    "token_format": ["jwt", "opaque"], "scope_catalogue": ["strict", "open"],
    "origin_policy": ["if-present", "required", "off"], "control": ["auto", "on", "off"],
    "log_format": ["text", "json"],
}  # fmt: skip


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    both = st.sampled_from([low, high]) | st.integers(low, high)
    return both.filter(lambda value: value != Settings().tls_port)  # http and https need different ports


def beyond(low: int, high: int) -> list[Any]:
    return [low - 1, high + 1, str(low - 1), str(high + 1), 16**5000, "", "1.5", 1.0, True, None]


# Native values that are valid, from which the text that means the same is derived, and values of any kind
# that are invalid.
VALUES: Mapping[str, tuple[st.SearchStrategy[Any], list[Any]]] = {
    **dict.fromkeys(TEXTS, (TEXT, ["", "a\nb", "-----BEGIN PRIVATE KEY-----\n", "\x7f", 1, []])),
    **dict.fromkeys(SWITCHES, (st.booleans(), ["", "maybe", "onn", 2, 16**5000, 1.0, None, []])),
    **{name: (integers(*bounds), beyond(*bounds)) for name, bounds in RANGES.items()},
    **{
        name: (st.sampled_from(words), ["", words[0].upper(), "x", 1, 16**5000, None])
        for name, words in CHOICES.items()
    },
    "store_namespace": (st.sampled_from(["a", "A.b_c-1"]), ["", "a:b", "a b", "*", "a" * 65, 1, None]),
    "store": (
        st.sampled_from(
            ["memory", "sqlite:/state.db", "sqlite:/a b/é.sqlite", "redis://[::1]:1/2", "unix:///a"]
        ),
        [
            *("", "sqlite", "sqlite:", "sqlite::memory:", ":memory:", "sqlite:///a", "sqlite:a/", "state.db"),
            *("SQLITE:a", "sqlite:file:a?mode=ro", "sqlite:a\nb", "redis://:1", 1, None, []),
        ],
    ),
    "host": (WORD, ["", "a\nb", 1, None]),
    "allowed_hosts": (
        st.lists(
            st.sampled_from(
                [
                    "moov",
                    "My_Moov:8080",
                    "10.0.0.1",
                    "[::1]:80",
                    "::1",
                    "a.example",
                    ".A.example",
                    ".a:1",
                    "*",
                ]
            ),
            max_size=3,
        ),
        [
            *(1, [1], ["a", ""], ",", None, {}, "http://a", "a/b", "a?b", "a:", "a:0", "a:65536", "a:123456"),
            *(
                "é",
                "\u212a",
                "a..b",
                "..",
                ":80",
                "*.a.example",
                "**",
                "a@b",
                "[::1",
                "[1.2.3.4]",
                "fe80::1%lo",
            ),
        ],
    ),
    "public_url": (
        st.sampled_from(["https://moov.example", "http://localhost:1/moov"]),
        [
            *("", "moov.example", "ftp://a", "https://", "https://a?b", "https://a#b", "https://a b", 1),
            *(
                "https://a:0",
                "https://a:65536",
                "https://é",
                "https://\u212a",
                "https://[::g]",
                "https://[1.2.3.4]",
            ),
        ],
    ),
    "cors_origins": (
        st.lists(st.sampled_from(["*", "https://shop.example", "http://a.example:81"])),
        ["null", "shop.example", "https://shop.example/", "https://*.example", [1], 1, None],
    ),
    "tls_names": (
        st.lists(st.sampled_from(["api.moov.io", "xn--zrich-kva.test", "10.0.0.1", "fd00::1"]), max_size=3),
        [
            "api.moov.io:443",
            "*.moov.io",
            "-a",
            "a-",
            "a_b",
            "a..b",
            "fe80::1%lo",
            "é",
            "\u212a",
            "http://a",
            [1],
            1,
            None,
        ],
    ),
    "default_version": (
        st.sampled_from(["2023", "2023-sdk", "latest", "v2024.01", "v2026.10.00"]),
        ["2024", "v2026.2.00", "V2026.01.00", "", "lates", 2024, None],
    ),
    "audiences": (st.lists(WORD, min_size=1, max_size=3), ["", [], [1], 7, None]),
    "upstream": (
        st.sampled_from(["http://localhost:4010", "https://[::1]/a/b", "HTTP://a-b.example:80"]),
        [
            *("", "localhost:4010", "ftp://a", "//a", "http://", "http://a b", "http://a\n", 1, None),
            *("http://u:p@a", "http://u@a", "http://a?b", "http://a#b", "http://a:65536", "http://a:x"),
            *("http://:80", "http://a/..", "http://a/./b", "http://a//b", "http://a/%2e", "http://[g]"),
            *("http://a..b", "http://a,b"),
        ],
    ),
    "api_keys": (API_KEYS, ["", "[]", "{}", "[1]", "null", [], {}, 1, "[" * 100_000, f"[{'9' * 5000}]"]),
    "stubs": (STUBS, ["", "{}", "[1]", "null", "[" * 100_000, {}, 1, [1]]),
    "control_token": (HEADER_VALUE, ["", "a\nb", "\x7f", 42, [], "schlüssel", " a", "a "]),
}
GOOD = {name: strategy for name, (strategy, _) in VALUES.items()}
OF_TLS = ("tls_port", "tls_names", "tls_ca_file", "tls_ca_folder", "tls_cert", "tls_key")
# Settings that conflict with no other.
FREE = sorted(GOOD.keys() - {"signing_key", "openapi", "store_namespace", *OF_TLS})
SPELLED = {True: ("on", "true", "yes", "1", "ON", "True"), False: ("off", "false", "no", "0", "OFF")}


@st.composite
def good_values(draw: st.DrawFn) -> Values:
    """Values of any settings that do not contradict each other."""
    with_tls = [(), ("tls_port", "tls_names"), ("tls_ca_file", "tls_ca_folder"), ("tls_cert", "tls_key")]
    names = draw(st.sampled_from(with_tls))
    values: Values = draw(st.fixed_dictionaries({}, optional={name: GOOD[name] for name in FREE}))
    values |= {name: draw(GOOD[name]) for name in names} | ({"tls": True} if names else {})
    if "://" in values.get("store", ""):
        values |= draw(st.fixed_dictionaries({}, optional={"store_namespace": GOOD["store_namespace"]}))
    if "seed" not in values:
        values |= draw(st.fixed_dictionaries({}, optional={"signing_key": GOOD["signing_key"]}))
    if "upstream" not in values:
        values |= draw(st.fixed_dictionaries({}, optional={"openapi": GOOD["openapi"]}))
    if 0 < values.get("port", 0) == values.get("tls_port"):
        del values["port"]
    return values


def as_text(name: str, value: Any, pick: int = 0) -> str:
    """The value as an environment variable or a flag gives it."""
    if isinstance(value, bool):
        return SPELLED[value][pick % len(SPELLED[value])]
    if name in ("api_keys", "stubs"):
        return json.dumps(value)
    return (",", " ", ", ")[pick % 3].join(value) if isinstance(value, list) else str(value)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {to_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def spell_flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def serve_parameters(*arguments: str) -> Values:
    """What the real command line makes of the arguments of `serve`."""
    parent = main.make_context("mockmoov", ["serve"])
    return serve.make_context("serve", [*arguments], parent=parent).params


def flags(values: Mapping[str, str]) -> Layer:
    parsed = serve_parameters(*(f"{spell_flag(name)}={value}" for name, value in values.items()))
    given = {name: value for name, value in parsed.items() if name in SETTINGS and value is not None}
    return Layer(settings=given, spell=spell_flag)


def environment(values: Mapping[str, str]) -> Layer:
    return from_environment({PREFIX + name.upper(): text for name, text in values.items()}, pytest.fail)


def file(path: Path, values: Values) -> Layer:
    path.write_text("".join(f"{name} = {to_toml(value)}\n" for name, value in values.items()), "utf-8")
    return from_file(str(path))


def message_of(*layers: Layer) -> str:
    """The message of the error that these layers raise."""
    with pytest.raises(SettingsError) as caught:
        load(*layers)
    return str(caught.value)
