"""mockmoov's own public endpoints: health, JWKS, metadata and introspection, each marked as not Moov's."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import MAX_BODY
from tests.support.contract_fixtures import Send
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    Clock,
    Header,
    another_key,
    basic,
    bearer,
    new_control,
    new_server,
    post_form,
    sender,
)
from tests.support.tokens import members, mint, refresh, revoke

INTROSPECT = "/_mockmoov/introspect"
JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"
ENDPOINTS = {"/_mockmoov/health": "GET", INTROSPECT: "POST", JWKS: "GET", METADATA: "GET"}
ALLOWED = {"GET": "GET, HEAD", "POST": "POST"}
FORM = ("content-type", "application/x-www-form-urlencoded")
INACTIVE = {"active": False}
SCOPE = "/ping.read /accounts.read"
each_format = pytest.mark.parametrize("token_format", ["jwt", "opaque"])


def new_sender(clock: Clock | None = None, **settings: Any) -> Send:
    keys = [{**EXAMPLE, "origins": ["https://shop.example"]}, another_key()]
    return sender(new_server(clock=clock, keys=keys, **settings))


def get(send: Send, path: str, *headers: Header) -> dict[str, Any]:
    answer = send("GET", path, list(headers), b"")
    assert answer[0] == 200, answer
    return members(answer)


def introspect(send: Send, token: str, credentials: Header | None = None, **more: str) -> dict[str, Any]:
    answer = post_form(send, INTROSPECT, credentials or basic(), token=token, **more)
    assert answer[0] == 200, answer
    return members(answer)


def actives(send: Send, *tokens: str) -> list[bool]:
    return [introspect(send, token)["active"] for token in tokens]


CONTROL = new_control(new_server())


@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "OPTIONS", "x"]),
    path=st.sampled_from([*ENDPOINTS, "/_mockmoov/", "/_mockmoov/none", "/.well-known/none"]) | st.text(),
    body=st.binary(max_size=50) | st.just(b"a" * (MAX_BODY + 1)),
    headers=st.dictionaries(
        st.sampled_from(["host", "content-type", "authorization", "content-encoding"]),
        st.lists(st.text(st.characters(max_codepoint=255)), min_size=1, max_size=2).map(tuple),
    ),
)
def test_every_answer_is_marked_and_never_a_5xx(
    method: str, path: str, body: bytes, headers: Mapping[str, tuple[str, ...]]
) -> None:
    answer = CONTROL.handle(HttpRequest(method=method, path=path, headers=headers, body=body))
    found = dict(answer.headers)
    assert len(found) == len(answer.headers)
    assert found["x-mockmoov-extension"] == "not part of Moov's API"
    assert found["cache-control"] == "no-store"
    assert 200 <= answer.status < 500
    assert (answer.status >= 400) == ("x-mockmoov-reason" in found)
    if answer.status == 200:
        json.loads(answer.body)


def test_wrong_paths_methods_and_sizes_are_refused() -> None:
    send = new_sender()
    cases: list[tuple[str, str, bytes, int, str | None]] = [
        (method, path, b"", 405, ALLOWED[right])
        for path, right in ENDPOINTS.items()
        for method in ("GET", "POST", "PUT", "HEAD")
        if method not in ALLOWED[right]
    ]
    cases += [
        ("GET", path, b"", 404, None)
        for path in ("/_mockmoov/", "/_mockmoov/health/", "/.well-known/openid-configuration")
    ]
    cases += [("POST", INTROSPECT, b"a" * (MAX_BODY + 1), 413, None)]
    wrong = []
    for method, path, body, status, allow in cases:
        found, headers, content = send(method, path, [basic()], body)
        if (found, headers.get("allow"), content) != (status, allow, b""):
            wrong.append((method, path, found, headers))
    assert wrong == []


def test_moovs_version_header_has_no_effect_here() -> None:
    send = new_sender()
    for path, method in ENDPOINTS.items():
        versions: list[list[Header]] = [[], [("x-moov-version", "x")], [("x-moov-version", "v2026.07.00")]]
        assert len({send(method, path, headers, b"")[0] for headers in versions}) == 1, path


def test_health_is_ok() -> None:
    assert get(new_sender(), "/_mockmoov/health") == {"status": "ok"}


# --- keys and metadata --------------------------------------------------------------------------------


def test_jwks_verifies_this_servers_tokens_only() -> None:
    send = new_sender()
    document = get(send, JWKS)
    assert set(document) == {"keys"}
    (key,) = document["keys"]
    assert set(key) == {"kty", "crv", "x", "alg", "use", "kid"}
    token = mint(send, SCOPE)["access_token"]
    found = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(token)["kid"]]
    audience, issuer = "https://api.moov.io", "https://api.moov.io#applications"
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, found.key, ["EdDSA"], options, audience=audience, issuer=issuer)
    assert claims["scp"] == SCOPE
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(mint(new_sender())["access_token"], found.key, ["EdDSA"])


def test_metadata_urls_follow_scheme_and_host() -> None:
    control = new_control(new_server())
    for base in ("http://localhost:8080", "https://127.0.0.1", "http://[::1]:1", "https://mockmoov"):
        scheme, _, host = base.partition("://")
        request = HttpRequest(method="GET", path=METADATA, scheme=scheme, headers={"host": (host,)})
        document = json.loads(control.handle(request).body)
        assert document["issuer"] == base
        assert {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))} == {
            "token_endpoint": f"{base}/oauth2/token",
            "revocation_endpoint": f"{base}/oauth2/revoke",
            "introspection_endpoint": f"{base}{INTROSPECT}",
            "jwks_uri": f"{base}{JWKS}",
        }


def test_metadata_describes_the_server() -> None:
    send = new_sender()
    document = get(send, METADATA)
    urls = {document.pop(name) for name in list(document) if name.endswith(("_endpoint", "_uri"))}
    for url in urls:
        assert send("TRACE", url.removeprefix("http://localhost"), [], b"")[0] == 405
    methods = ["client_secret_basic", "client_secret_post"]
    assert document == {  # RFC 8414 §2
        "issuer": "http://localhost",
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "response_types_supported": [],
        "scopes_supported": list(SCOPES),
    }


# --- introspection ------------------------------------------------------------------------------------


@each_format
def test_valid_tokens_are_described(token_format: str) -> None:
    send = new_sender(token_format=token_format, access_token_lifetime=60, refresh_token_lifetime=70)
    pair = mint(send, SCOPE)
    common = {"active": True, "client_id": CLIENT_ID, "sub": CLIENT_ID, "scope": SCOPE, "iat": int(NOW)}
    access = introspect(send, pair["access_token"])
    assert access.pop("jti")
    moovs = ["https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"]
    assert access == common | {
        "token_type": "Bearer",
        "iss": "https://api.moov.io#applications",
        "aud": ["https://shop.example", *moovs],
        "exp": int(NOW) + 60,
    }
    assert introspect(send, pair["refresh_token"]) == common | {"exp": int(NOW) + 70}


@each_format
def test_token_is_active_until_it_expires(token_format: str) -> None:
    clock = Clock()
    send = new_sender(clock, token_format=token_format, access_token_lifetime=60, refresh_token_lifetime=60)
    pair = mint(send)
    tokens = pair["access_token"], pair["refresh_token"]
    clock.now = int(NOW) + 59.999
    assert actives(send, *tokens) == [True, True]
    clock.now = int(NOW) + 60
    assert actives(send, *tokens) == [False, False]


@each_format
def test_only_the_right_key_and_text_make_a_token_active(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    pair = mint(send)
    other = basic("other", another_key()["client_secret"])
    for token in (pair["access_token"], pair["refresh_token"]):
        for hint in ("access_token", "refresh_token", "nonsense"):
            assert introspect(send, token, token_type_hint=hint)["active"] is True
        assert introspect(send, token, other) == INACTIVE
        for place in (0, len(token) // 2):
            altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            assert introspect(send, altered) == INACTIVE


SENDER = new_sender()


@given(st.text(min_size=1))
def test_any_other_text_is_inactive(text: str) -> None:
    assert introspect(SENDER, text.encode("utf-8", "replace").decode()) == INACTIVE


@each_format
def test_introspection_follows_refresh_and_revocation(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    first = mint(send)
    assert actives(send, *[first["refresh_token"]] * 3) == [True] * 3  # it uses nothing up
    second = members(refresh(send, first["refresh_token"]))
    tokens = [pair[kind] for kind in ("access_token", "refresh_token") for pair in (first, second)]
    assert actives(send, *tokens) == [True, True, False, True]
    assert revoke(send, first["access_token"])[0] == 204
    assert actives(send, *tokens) == [False, True, False, True]
    assert revoke(send, second["refresh_token"])[0] == 204
    assert actives(send, *tokens) == [False] * 4


def test_bad_introspection_requests_are_refused() -> None:
    send = sender(new_server(keys=[EXAMPLE, another_key(enabled=False)]))
    text = ("content-type", "text/plain")
    token, secret = f"token={mint(send)['access_token']}", another_key()["client_secret"]
    unproved = (401, 'Basic realm="moov"', b'{"error":"invalid_client"}')  # wherever the credentials are
    invalid = (400, None, b'{"error":"invalid_request"}')
    requests: list[tuple[Header, list[Header], str, tuple[int, str | None, bytes]]] = [
        (FORM, [], token, unproved),
        (FORM, [basic(CLIENT_ID, "wrong")], token, unproved),
        (FORM, [basic("nobody", CLIENT_SECRET)], token, unproved),
        (FORM, [basic("other", secret)], token, unproved),
        (FORM, [], f"{token}&client_id={CLIENT_ID}&client_secret=wrong", unproved),
        (FORM, [], f"{token}&client_id={CLIENT_ID}", unproved),
        (FORM, [bearer("x")], token, unproved),
        (FORM, [("authorization", "Basic !")], token, unproved),
        (FORM, [basic()], "", invalid),
        (FORM, [basic()], "token=", invalid),
        (FORM, [basic()], "token=x&token=y", invalid),
        (text, [basic()], token, invalid),
    ]
    wrong = []
    for content_type, headers, form, expected in requests:
        status, found, body = send("POST", INTROSPECT, [content_type, *headers], form.encode())
        if (status, found.get("www-authenticate"), body) != expected:
            wrong.append((headers, form, status, found, body))
    assert wrong == []
    credentials = f"client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    assert members(send("POST", INTROSPECT, [FORM], f"{token}&{credentials}".encode()))["active"] is True


def test_no_answer_contains_a_secret() -> None:
    server = new_server()
    send = sender(server)
    token = mint(send)["access_token"]
    keys = server.repository.signing_keys()
    secrets = (CLIENT_SECRET, keys.private_key, keys.refresh_secret, token)
    for path, method in ENDPOINTS.items():
        answer = send(method, path, [basic(), FORM], f"token={token}".encode())
        assert answer[0] == 200, path
        text = repr(answer) + base64.b64encode(answer[2]).decode()
        assert not any(secret in text for secret in secrets), path
