"""docs/messages.md lists every message of the code; real refusals and failed starts have no other."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mockmoov.config.settings import Layer, SettingsError, load
from mockmoov.config.sources import from_file
from mockmoov.server.factory import create_server
from mockmoov.web.app import create_app
from mockmoov.web.listeners import BindError, open_listeners
from tests.support.asgi import ask_all
from tests.support.near_misses import NEAR_MISSES
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, new_server, sender
from tests.support.tokens import mint, refresh
from tools import messages
from tools.message_templates import collect, stale_rows, unknown_errors
from tools.messages import Data, Entry, Section, Unlisted

DATA = messages.read_data()
FEWEST_LETTERS = 7  # of a message apart from what varies; others match nearly anything
SUBJECT = "(?:[a-z_]+ |the token )?"  # of a message that says what is odd about it
AUTH = (CLIENT_ID, CLIENT_SECRET)
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "a.b"}
JSON, FORM = {"content-type": "application/json"}, {"content-type": "application/x-www-form-urlencoded"}
ACCOUNT, SOMEBODY = "5352b013-ae58-4a63-8a3f-97f316a917cf", "11111111-2222-4333-8444-555555555555"


def unlisted(texts: Iterable[str], prefix: str = "") -> list[str]:
    """The messages that aren't on the page; a prefix may precede those that are."""
    letters = {text: len(re.sub(r"{.*?}|[^A-Za-z]", "", text)) for text in DATA.listed()}
    specific = [text for text, count in letters.items() if count >= FEWEST_LETTERS]
    patterns = [re.compile(prefix + messages.pattern(text.strip()).pattern) for text in specific]
    return [text for text in texts if not any(pattern.fullmatch(text) for pattern in patterns)]


@pytest.mark.slow  # it reads the whole package
def test_every_message_has_an_entry() -> None:
    wrong = messages.problems(collect(), DATA)
    assert not wrong, "\n\n" + "\n\n".join(wrong)


@pytest.mark.slow  # it reads the whole package
def test_every_error_is_in_the_tables_of_the_tool() -> None:
    assert unknown_errors() == {}, "add its class to a table in tools/message_templates.py"


@pytest.mark.slow  # it reads the whole package
def test_tables_of_the_tool_name_nothing_else() -> None:
    assert stale_rows() == [], "remove or rename these in tools/message_templates.py"


def test_page_is_that_of_the_data() -> None:
    assert messages.PAGE.read_text(encoding="utf-8") == messages.render(DATA), "run `make messages`"


def test_every_entry_has_a_cause_and_a_cure() -> None:
    assert [entry.texts for entry in DATA.entries() if not (entry.cause and entry.cure)] == []


def test_entry_to_paste_is_that_of_a_similar_stale_message() -> None:
    entry = Entry(texts=["scope {scope} is unknown", "that"], cause='it is "misspelt"', cure="correct it")
    data = Data("", [Section("Scopes", "", [entry])], [Unlisted(["that"], "nobody reads it")])
    found = {"scope {scope} is not known": "scopes.py:7", "something else entirely": "other.py:1"}
    similar, new, stale, also_stale, twice = messages.problems(found, data)
    assert similar.splitlines() == [
        'scopes.py:7: this message has no entry in messages.toml; it may replace "scope {scope} is unknown"',
        "[[sections.messages]]",
        'texts = ["scope {scope} is not known"]',
        r'cause = "it is \"misspelt\""',
        'cure = "correct it"',
    ]
    assert new.splitlines()[0] == "other.py:1: this message has no entry in messages.toml"
    assert stale == 'messages.toml: the code has no message "scope {scope} is unknown": remove it'
    assert also_stale == 'messages.toml: the code has no message "that": remove it'
    assert twice == 'messages.toml: the message "that" is there twice'


# --- real messages ----------------------------------------------------------------------------------

TOKEN_REQUESTS: list[dict[str, Any]] = [
    {"data": MINT},
    {"data": MINT, "auth": ("nobody", "secret")},
    {"data": MINT, "auth": (CLIENT_ID, "wrong")},
    {"data": MINT, "auth": ("disabled", "secret-of-disabled-0123456789")},
    {"data": MINT, "headers": {"authorization": "Basic !"}},
    {"data": MINT, "headers": {"authorization": "Basic YQ=="}},
    {"data": MINT, "headers": [("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")]},
    {"data": {**MINT, "client_id": "other"}, "auth": AUTH},
    {"params": {**MINT, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}},
    {"data": {"scope": "/ping.read"}, "auth": AUTH},
    {"data": {**MINT, "grant_type": "password"}, "auth": AUTH},
    {"data": REFRESH, "auth": ("other", "secret-of-other-0123456789")},
    {"data": {**MINT, "client_type": "phone"}, "auth": AUTH},
    {"data": {"grant_type": "refresh_token"}, "auth": AUTH},
    {"data": REFRESH, "auth": AUTH},
    {"content": b"a", "headers": {"content-type": "text/plain"}, "auth": AUTH},
    {"content": b"a", "headers": [*FORM.items(), *JSON.items()], "auth": AUTH},
    {"content": b"a", "headers": {**FORM, "content-encoding": "gzip"}, "auth": AUTH},
    {"content": b"a", "headers": {**FORM, "transfer-encoding": "gzip"}, "auth": AUTH},
    {"content": b"{", "headers": JSON, "auth": AUTH},
    {"content": b"[]", "headers": JSON, "auth": AUTH},
    {"content": b"scope=%x", "headers": FORM, "auth": AUTH},
    {"content": b"scope=a&scope=b", "headers": FORM, "auth": AUTH},
    {"json": {**MINT, "scope": ["/ping.read"]}, "auth": AUTH},
    {"data": {**MINT, "grant_type": "client_credentials\n"}, "auth": AUTH},
    {"content": b" " * 2**17, "headers": FORM, "auth": AUTH},
    {"data": {"grant_type": "client_credentials"}, "auth": AUTH},
    {"data": {**MINT, "scope": '"/ping.read"'}, "auth": AUTH},
    {"data": {**MINT, "scope": "/pin.read"}, "auth": AUTH},
    {"data": {**MINT, "scope": "/ping.read,/accounts.read"}, "auth": AUTH},
    {"data": {**MINT, "scope": "/accounts/{accountID}/cards.read"}, "auth": AUTH},
    {"data": MINT, "auth": ("narrow", "secret-of-narrow-0123456789")},
    {"data": MINT, "auth": AUTH, "headers": {"x-moov-version": "dev"}},
    {"data": MINT, "auth": AUTH, "headers": {"x-moov-version": "2026"}},
    {"data": MINT, "auth": AUTH, "headers": {"host": "moov.internal"}},
    {"data": MINT, "auth": AUTH, "headers": {"host": ""}},
]
OTHER_REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/oauth2/revoke", {"data": {"token_type_hint": "a"}, "auth": AUTH}),
    ("POST", "/oauth2/revoke", {"data": {"token": "a", "token_type_hint": "a"}, "auth": AUTH}),
    ("GET", "/ping", {}),
    ("GET", "/ping", {"headers": {"authorization": "Bearer a.b.c"}}),
    ("GET", "/oauth2/token", {}),
    ("GET", "/oauth2/tokens", {}),
    ("GET", "/", {}),
    ("GET", "/accounts", {"auth": AUTH}),
    ("GET", f"/accounts/{ACCOUNT}/cards", {"auth": AUTH}),
    ("POST", "/applications/a/keys", {"json": {"name": "a"}, "auth": AUTH}),
    ("GET", "/_mockmoov/ca.pem", {}),
    ("GET", "/_mockmoov/fault", {}),
    ("GET", "/_mockmoov/config", {"headers": {"origin": "https://shop.example"}}),
    ("GET", "/_mockmoov/config", {"headers": {"sec-fetch-site": "cross-site"}}),
    ("GET", "/_mockmoov/page/main.js", {"headers": {"sec-fetch-site": "cross-site"}}),
    ("GET", "/_mockmoov/page/nothing", {}),
    ("POST", "/_mockmoov/", {}),
    (
        "OPTIONS",
        "/ping",
        {"headers": {"origin": "https://shop.example", "access-control-request-method": "GET"}},
    ),
    ("OPTIONS", "/ping", {"headers": {"origin": "null", "access-control-request-method": "GET"}}),
]


def test_page_has_the_reason_of_every_refusal() -> None:
    keys = [
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        another_key(grants=["client_credentials"]),
        another_key("disabled", enabled=False),
        another_key("narrow", scopes=["/accounts.read"]),
    ]
    server = new_server(keys=keys)
    send = sender(server)
    app = create_app(server, exposure="loopback")
    requests = [("POST", "/oauth2/token", options) for options in TOKEN_REQUESTS] + OTHER_REQUESTS
    token = mint(send, f"/ping.read /accounts/{SOMEBODY}/cards.read")
    bearer = {"authorization": f"Bearer {token['access_token']}"}
    requests += [
        ("GET", "/institutions", {"headers": bearer}),
        ("GET", f"/accounts/{ACCOUNT}/cards", {"headers": bearer}),
        ("GET", "/accounts/mine/cards", {"headers": bearer}),
        ("GET", "/ping", {"headers": {**bearer, "origin": "https://shop.example"}}),
    ]
    answers = ask_all(app, requests)
    refresh(send, token["refresh_token"])
    wider = {**REFRESH, "refresh_token": mint(send)["refresh_token"], "scope": "/accounts.read"}
    used = {**REFRESH, "refresh_token": token["refresh_token"]}
    answers += ask_all(app, [("POST", "/oauth2/token", {"data": wider, "auth": AUTH})])
    answers += ask_all(app, [("POST", "/oauth2/token", {"data": used, "auth": AUTH})] * 2)
    answers += ask_all(app, [("GET", "/ping", {"headers": bearer})])
    reasons = [
        answer.headers.get("x-mockmoov-reason", f"{answer!r} to {answer.request.url}") for answer in answers
    ]
    assert unlisted(reasons, prefix=SUBJECT) == []
    assert len(set(reasons)) >= 50


def test_page_has_the_reason_of_every_near_miss() -> None:
    reasons = [reason for _, reason in NEAR_MISSES.values()]
    assert unlisted(reasons, prefix=SUBJECT) == []


def start(*layers: Layer) -> None:
    """Start a server with these settings, and stop it."""
    settings = load(*layers)
    open_listeners(settings).close()
    create_server(settings).close()


def message_of(fails: Callable[[], object]) -> str:
    with pytest.raises((SettingsError, BindError)) as caught:
        fails()
    return str(caught.value)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_page_has_the_error_of_every_failed_start(tmp_path: Path) -> None:
    other = written(tmp_path / "other", "something else")
    misplaced = written(tmp_path / "mockmoov.toml", "[[stubs]]\nport = 1\n")
    key = {"client_id": "a", "client_secret": "b"}
    settings: list[dict[str, object]] = [
        {"prot": 1},
        {"port": "x"},
        {"access_log": "x"},
        {"control": "x"},
        {"issuer": ""},
        {"control_token": " x"},
        {"default_version": "2022"},
        {"audiences": []},
        {"cors_origins": 1},
        {"cors_origins": "shop.example"},
        {"upstream": "localhost:1"},
        {"upstream": 1},
        {"allowed_hosts": "http://a"},
        {"tls_names": "*.example"},
        {"store": "state.db"},
        {"seed": "a", "signing_key": "b"},
        {"upstream": "http://a", "openapi": "b"},
        {"tls_cert": "a"},
        {"tls": "on", "tls_cert": "a", "tls_key": "b", "tls_ca_file": "c"},
        {"tls": "on", "port": 9, "tls_port": 9},
        {"tls_names": "a"},
        {"api_keys": "x"},
        {"api_keys": []},
        {"api_keys": [{}]},
        {"api_keys": [key, key]},
        {"api_keys": [{**key, "account_id": "x"}]},
        {"api_keys": [{**key, "scopes": ["/pin.read"]}]},
        {"stubs": [{"endpoint": "pong"}]},
        {"signing_key": "-----BEGIN\n"},
        {"signing_key": other},
        {"openapi": other},
        {"host": "not.a.name.of.this.machine.invalid"},
        {"store": f"sqlite:{tmp_path}"},
        {"store": f"sqlite:{tmp_path}/nowhere/state.db"},
        {"store": f"sqlite:{other}/state.db"},
        {"store": f"sqlite:{other}"},
    ]
    found = [message_of(partial(start, Layer(settings={"port": 0, **each}))) for each in settings]
    found.append(message_of(partial(from_file, str(misplaced))))
    assert unlisted(found, prefix=r"(?:[\w/.-]+:? |contains an invalid \w+(?:, number \d+)?: )*") == []
    assert len(found) == len(set(found))
