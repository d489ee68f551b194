"""Our own endpoints: health, keys, metadata and introspection, each marked as not Moov's."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import MAX_BODY
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    Clock,
    another_key,
    basic,
    bearer,
    new_control,
    new_server,
    post_form,
    sender,
)

INTROSPECT = "/_mockmoov/introspect"
OURS = {
    "/_mockmoov/health": "GET",
    INTROSPECT: "POST",
    "/.well-known/jwks.json": "GET",
    "/.well-known/oauth-authorization-server": "GET",
}
OTHER = another_key()
OTHER_BASIC = basic(OTHER["client_id"], OTHER["client_secret"])
FORMATS = ("jwt", "opaque")
each_format = pytest.mark.parametrize("token_format", FORMATS)


def new_sender(clock: Clock | None = None, **settings: Any) -> Send:
    key = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "origins": ["https://shop.example"]}
    return sender(new_server(clock=clock, keys=[key, OTHER], **settings))


def members(answer: Answer) -> dict[str, Any]:
    assert answer[0] == 200, answer
    document: dict[str, Any] = json.loads(answer[2])
    return document


def get(send: Send, path: str, **headers: str) -> dict[str, Any]:
    return members(send("GET", path, list(headers.items()), b""))


def mint(send: Send, scope: str = "/ping.read /accounts.read") -> dict[str, Any]:
    return members(post_form(send, "/oauth2/token", basic(), grant_type="client_credentials", scope=scope))


def introspect(send: Send, token: str, header: tuple[str, str] | None = None, **more: str) -> dict[str, Any]:
    return members(post_form(send, INTROSPECT, header or basic(), token=token, **more))


def refresh(send: Send, token: str) -> dict[str, Any]:
    return members(post_form(send, "/oauth2/token", basic(), grant_type="refresh_token", refresh_token=token))


INACTIVE = {"active": False}


# --- all of them ------------------------------------------------------------------------------------


@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "OPTIONS", "x"]),
    path=st.sampled_from([*OURS, "/_mockmoov/", "/_mockmoov/none", "/.well-known/none"]) | st.text(),
    body=st.binary(max_size=50) | st.just(b"a" * (MAX_BODY + 1)),
    headers=st.dictionaries(
        st.sampled_from(["host", "content-type", "authorization", "content-encoding"]),
        st.lists(st.text(st.characters(max_codepoint=255)), min_size=1, max_size=2).map(tuple),
    ),
)
def test_every_answer_is_marked_as_ours_is_not_stored_and_never_a_5xx(
    method: str, path: str, body: bytes, headers: Mapping[str, tuple[str, ...]]
) -> None:
    request = HttpRequest(method=method, path=path, headers=headers, body=body)
    answer = CONTROL.handle(request)
    found = dict(answer.headers)
    assert len(found) == len(answer.headers)
    assert found["x-mockmoov-extension"] == "not part of Moov's API"
    assert found["cache-control"] == "no-store"
    assert 200 <= answer.status < 500
    assert (answer.status >= 400) == ("x-mockmoov-reason" in found)
    if answer.status == 200:
        json.loads(answer.body)


CONTROL = new_control(new_server())


@pytest.mark.parametrize(("path", "right"), OURS.items())
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_another_method_is_405_with_the_right_one_in_allow(path: str, right: str, method: str) -> None:
    status, headers, body = new_sender()(method, path, [], b"")
    if method != right:
        assert (status, headers["allow"], body) == (405, right, b"")
    else:
        assert "allow" not in headers


@pytest.mark.parametrize("path", ["/_mockmoov/", "/_mockmoov/health/", "/.well-known/openid-configuration"])
def test_another_path_is_404(path: str) -> None:
    assert new_sender()("GET", path, [], b"")[0] == 404


def test_a_body_over_the_limit_is_413() -> None:
    status, headers, _ = new_sender()("POST", INTROSPECT, [basic()], b"a" * (MAX_BODY + 1))
    assert (status, headers["connection"]) == (413, "close")


@pytest.mark.parametrize("path", OURS)
@pytest.mark.parametrize("version", ["nonsense", "v2026.07.00"])
def test_moovs_version_header_means_nothing_here(path: str, version: str) -> None:
    send = new_sender()
    extra = [("x-moov-version", version)]
    status = send(OURS[path], path, extra, b"")[0]
    assert status == send(OURS[path], path, [], b"")[0]


def test_health_is_ok() -> None:
    assert get(new_sender(), "/_mockmoov/health") == {"status": "ok"}


# --- keys ---------------------------------------------------------------------------------------


@given(seed=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_the_jwks_verifies_tokens_and_has_no_private_member(seed: str) -> None:
    send = new_sender(seed=seed)
    document = get(send, "/.well-known/jwks.json")
    assert set(document) == {"keys"}
    (key,) = document["keys"]
    assert set(key) == {"kty", "crv", "x", "alg", "use", "kid"}
    token = mint(send)["access_token"]
    found = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        found.key,
        algorithms=["EdDSA"],
        audience="https://api.moov.io",
        issuer="https://api.moov.io#applications",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["scp"] == "/ping.read /accounts.read"


def test_the_jwks_of_one_server_refuses_the_tokens_of_another() -> None:
    key = jwt.PyJWK(get(new_sender(), "/.well-known/jwks.json")["keys"][0])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(mint(new_sender())["access_token"], key.key, algorithms=["EdDSA"])


# --- metadata -----------------------------------------------------------------------------------

METADATA = "/.well-known/oauth-authorization-server"
# RFC 8414 §2; the authorization endpoint is not required where no grant type uses one.
REQUIRED = {"issuer", "token_endpoint", "response_types_supported"}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:1", "mockmoov"])
def test_the_metadata_has_what_rfc_8414_requires_and_its_urls_follow_scheme_and_host(
    scheme: str, host: str
) -> None:
    request = HttpRequest(method="GET", path=METADATA, scheme=scheme, headers={"host": (host,)})
    document = json.loads(new_control(new_server()).handle(request).body)
    assert document.keys() >= REQUIRED
    base = f"{scheme}://{host}"
    assert document["issuer"] == base
    endpoints = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert endpoints == {
        "token_endpoint": f"{base}/oauth2/token",
        "revocation_endpoint": f"{base}/oauth2/revoke",
        "introspection_endpoint": f"{base}{INTROSPECT}",
        "jwks_uri": f"{base}/.well-known/jwks.json",
    }


def test_every_endpoint_of_the_metadata_is_served() -> None:
    send = new_sender()
    document = get(send, METADATA, host="here")
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert send("TRACE", url.removeprefix("http://here"), [], b"")[0] == 405


def test_the_metadata_says_what_the_server_does() -> None:
    document = get(new_sender(), METADATA)
    assert document["issuer"] == "http://localhost"
    assert document["grant_types_supported"] == ["client_credentials", "refresh_token"]
    assert document["response_types_supported"] == []
    assert document["scopes_supported"] == list(SCOPES)
    methods = [value for name, value in document.items() if name.endswith("_auth_methods_supported")]
    assert methods == [["client_secret_basic", "client_secret_post"]] * 3


# --- introspection ----------------------------------------------------------------------------------


@each_format
def test_a_live_access_token_is_described(token_format: str) -> None:
    send = new_sender(token_format=token_format, access_token_lifetime=60)
    describe_fault = introspect(send, mint(send)["access_token"])
    assert describe_fault.pop("jti")
    assert describe_fault == {
        "active": True,
        "client_id": CLIENT_ID,
        "scope": "/ping.read /accounts.read",
        "token_type": "Bearer",
        "iss": "https://api.moov.io#applications",
        "aud": [
            "https://shop.example",
            "https://api.moov.io",
            "https://cards.moov.io",
            "https://api.moov.money",
        ],
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    }


@each_format
def test_a_live_refresh_token_is_described(token_format: str) -> None:
    send = new_sender(token_format=token_format, refresh_token_lifetime=60)
    assert introspect(send, mint(send)["refresh_token"]) == {
        "active": True,
        "client_id": CLIENT_ID,
        "scope": "/ping.read /accounts.read",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    }


@each_format
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_token_is_active_until_it_expires_and_not_then(token_format: str, kind: str) -> None:
    clock = Clock()
    send = new_sender(clock, token_format=token_format, access_token_lifetime=60, refresh_token_lifetime=60)
    token = mint(send)[kind]
    clock.now = int(NOW) + 59.999
    assert introspect(send, token)["active"] is True
    clock.now = int(NOW) + 60
    assert introspect(send, token) == INACTIVE


@each_format
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_the_hint_makes_no_difference(token_format: str, kind: str) -> None:
    send = new_sender(token_format=token_format)
    token = mint(send)[kind]
    for hint in ("access_token", "refresh_token", "nonsense"):
        assert introspect(send, token, token_type_hint=hint)["active"] is True


@each_format
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_key_sees_its_own_tokens_only(token_format: str, kind: str) -> None:
    send = new_sender(token_format=token_format)
    assert introspect(send, mint(send)[kind], OTHER_BASIC) == INACTIVE


@given(st.text())
def test_a_text_that_is_no_token_is_inactive(text: str) -> None:
    assert introspect(SENDER, text.encode("utf-8", "replace").decode() or "x") == INACTIVE


SENDER = new_sender()


@each_format
def test_an_altered_token_is_inactive(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    for token in mint(send)["access_token"], mint(send)["refresh_token"]:
        for place in (0, len(token) // 2):
            other = "A" if token[place] != "A" else "B"
            assert introspect(send, token[:place] + other + token[place + 1 :]) == INACTIVE


@each_format
def test_a_used_up_refresh_token_is_inactive_and_its_successor_active(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    before = mint(send)
    after = refresh(send, before["refresh_token"])
    assert introspect(send, before["refresh_token"]) == INACTIVE
    assert introspect(send, after["refresh_token"])["active"] is True
    assert introspect(send, before["access_token"])["active"] is True


def test_introspection_uses_nothing_up() -> None:
    send = new_sender()
    token = mint(send)["refresh_token"]
    assert [introspect(send, token)["active"] for _ in range(3)] == [True] * 3
    refresh(send, token)
    assert [introspect(send, token)["active"] for _ in range(3)] == [False] * 3
    assert send("GET", "/ping", [basic()], b"")[0] == 200


@each_format
def test_a_revoked_access_token_is_inactive_and_no_other(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    pair = mint(send)
    assert post_form(send, "/oauth2/revoke", basic(), token=pair["access_token"])[0] == 204
    assert introspect(send, pair["access_token"]) == INACTIVE
    assert introspect(send, pair["refresh_token"])["active"] is True


@each_format
def test_all_of_a_revoked_family_is_inactive(token_format: str) -> None:
    send = new_sender(token_format=token_format)
    before = mint(send)
    after = refresh(send, before["refresh_token"])
    assert post_form(send, "/oauth2/revoke", basic(), token=after["refresh_token"])[0] == 204
    for pair in (before, after):
        assert introspect(send, pair["access_token"]) == INACTIVE
        assert introspect(send, pair["refresh_token"]) == INACTIVE


@each_format
@pytest.mark.parametrize("change", [{"enabled": False}, {}])
def test_the_tokens_of_a_disabled_or_renewed_key_are_inactive(
    token_format: str, change: dict[str, object]
) -> None:
    server = new_server(token_format=token_format)
    send = sender(server)
    pair = mint(send)
    assert server.repository.reset_api_key(CLIENT_ID, epoch="another") is not None
    assert introspect(send, pair["access_token"]) == INACTIVE
    assert introspect(send, pair["refresh_token"]) == INACTIVE
    if change:
        disabled = new_sender_with(enabled=False)
        assert post_form(disabled, INTROSPECT, basic(), token=pair["access_token"])[0] == 401


def new_sender_with(**change: Any) -> Send:
    return sender(new_server(keys=[{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **change}]))


WRONG: dict[str, tuple[list[tuple[str, str]], dict[str, str]]] = {
    "none": ([], {}),
    "a wrong secret": ([basic(CLIENT_ID, "wrong")], {}),
    "an unknown client": ([basic("nobody", CLIENT_SECRET)], {}),
    "a wrong secret in the body": ([], {"client_id": CLIENT_ID, "client_secret": "wrong"}),
    "no secret in the body": ([], {"client_id": CLIENT_ID}),
    "a bearer token": ([bearer("x")], {}),
    "Basic that cannot be decoded": ([("authorization", "Basic !")], {}),
}


@pytest.mark.parametrize(("headers", "body"), WRONG.values(), ids=WRONG)
def test_wrong_credentials_are_401_with_a_challenge_wherever_they_were(
    headers: list[tuple[str, str]], body: dict[str, str]
) -> None:
    send = new_sender()
    status, found, answer = post_form(send, INTROSPECT, *headers, token=mint(send)["access_token"], **body)
    assert status == 401
    assert json.loads(answer) == {"error": "invalid_client"}
    assert found["www-authenticate"] == 'Basic realm="moov"'


def test_credentials_in_the_body_are_as_good_as_basic() -> None:
    send = new_sender()
    token = mint(send)["access_token"]
    answer = post_form(send, INTROSPECT, token=token, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    assert members(answer)["active"] is True


@pytest.mark.parametrize("parameters", [{}, {"token": ""}])
def test_a_request_without_a_token_is_invalid(parameters: dict[str, str]) -> None:
    status, _, body = post_form(new_sender(), INTROSPECT, basic(), **parameters)
    assert (status, json.loads(body)) == (400, {"error": "invalid_request"})


def test_a_request_that_cannot_be_read_is_invalid() -> None:
    for headers, body in (
        ([("content-type", "text/plain")], b"token=x"),
        ([("content-type", "application/x-www-form-urlencoded")], b"token=x&token=y"),
    ):
        status, _, answer = new_sender()("POST", INTROSPECT, [*headers, basic()], body)
        assert (status, json.loads(answer)) == (400, {"error": "invalid_request"})


def test_an_answer_names_no_secret() -> None:
    server = new_server()
    send = sender(server)
    token = mint(send)["access_token"]
    keys = server.repository.signing_keys()
    for path, method in OURS.items():
        answer = send(method, path, [basic()], f"token={token}".encode())
        said = repr(answer) + base64.b64encode(answer[2]).decode()
        for secret in (CLIENT_SECRET, keys.private_key, keys.refresh_secret, token):
            assert secret not in said
