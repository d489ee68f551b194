"""What an origin is, and the Origin rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.origins import (
    ORIGIN_POLICIES,
    OriginPolicy,
    is_loopback,
    is_loopback_host,
    origin_rejection_reason,
    request_origin,
    serialize_origin,
)

SHOP = "https://shop.example"
AUDIENCES = (SHOP, "https://api.moov.io", "https://cards.moov.io", "https://api.moov.money", "not an origin")
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)
POLICIES = {name: policy for name, policy in ORIGIN_POLICIES.items() if policy}


# --- what an origin is ------------------------------------------------------------------------------


@given(st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535))
def test_origins_are_compared_serialised(scheme: str, host: str, port: int) -> None:
    default = {"http": 80, "https": 443}[scheme]
    expected = f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}"
    assert serialize_origin(f"{scheme}://{host}:{port}") == expected
    assert serialize_origin(f"{scheme}://{host}:{port}".upper()) == expected
    assert serialize_origin(expected) == expected
    assert serialize_origin(f"{scheme}://{host}") == f"{scheme}://{host}"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Shop.Example", SHOP),
        ("HTTPS://shop.example:443", SHOP),
        ("https://shop.example:0443", SHOP),
        ("https://shop.example:80", "https://shop.example:80"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://shop.example:08080", "http://shop.example:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]"),
        ("moz-extension://abc:80", "moz-extension://abc:80"),
    ],
)
def test_an_origin_is_serialised(text: str, origin: str) -> None:
    assert serialize_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "shop.example",
        "//shop.example",
        "https://",
        "https:///",
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example?query",
        "https://shop.example#fragment",
        "https://user@shop.example",
        "https://user:secret@shop.example",
        "https://shop.example:",
        "https://shop.example:port",
        "https://shop.example:123456",
        "https://shop.example:-1",
        "https://shop example",
        "https://shop.example, https://other.example",
        " https://shop.example",
        "https://shop.example\n",
        "https://::1",
        "http://[::1",
        "http://[shop]",
        "https:\\\\shop.example",
        "https://shop.example\\@other.example",
    ],
)
def test_what_is_more_or_less_than_scheme_host_and_port_is_no_origin(text: str) -> None:
    assert serialize_origin(text) is None
    assert not is_loopback(text)


# --- this machine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "app.localhost", "a.b.localhost", "127.0.0.1", "127.255.255.254", "[::1]"],
)
def test_a_loopback_host_can_only_mean_this_machine(host: str) -> None:
    assert is_loopback_host(host)
    assert is_loopback(f"http://{host.lower()}")
    assert is_loopback(f"https://{host.lower()}:3000")


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".localhost",
        "localhost.example",
        "notlocalhost",
        "127.0.0.1.example",
        "127.0.0",
        "1127.0.0.1",
        "128.0.0.1",
        "0.0.0.0",
        "[::2]",
        "::1",
        "[::ffff:127.0.0.1]",
        "shop.example",
    ],
)
def test_another_host_is_not_loopback(host: str) -> None:
    assert not is_loopback_host(host)
    assert not is_loopback(f"http://{host}")


# --- which origin a request names -------------------------------------------------------------------


def headers(**named: tuple[str, ...] | str) -> dict[str, tuple[str, ...]]:
    return {name: (value,) if isinstance(value, str) else value for name, value in named.items()}


@pytest.mark.parametrize(
    ("sent", "origin"),
    [
        (headers(), None),
        (headers(origin="https://Shop.example:443"), SHOP),
        (headers(referer="https://Shop.example:443/cart?id=1#top"), SHOP),
        (headers(referer="https://shop.example"), SHOP),
        (headers(origin=SHOP, referer="https://other.example/"), SHOP),
        (headers(origin="null", referer=f"{SHOP}/"), ""),
        (headers(origin="", referer=f"{SHOP}/"), ""),
        (headers(origin=f"{SHOP}/"), ""),
        (headers(origin=(SHOP, SHOP)), ""),
        (headers(referer=(f"{SHOP}/", f"{SHOP}/")), ""),
        (headers(referer="https://user@shop.example/"), ""),
        (headers(referer="/cart"), ""),
        (headers(referer="about:blank"), ""),
        (headers(referer=""), ""),
        (headers(referer="http://[::1/"), ""),
        (headers(referer="http://[::1]:3000/x"), "http://[::1]:3000"),
    ],
)
def test_a_request_names_its_origin_by_origin_or_else_by_referer(
    sent: dict[str, tuple[str, ...]], origin: str | None
) -> None:
    assert request_origin(sent) == origin


@given(st.text(), st.sampled_from(["origin", "referer"]))
def test_any_header_is_an_origin_or_none(text: str, name: str) -> None:
    origin = request_origin({name: (text,)})
    assert origin is not None
    assert origin == "" or serialize_origin(origin) == origin


# --- the rule ---------------------------------------------------------------------------------------

FOREIGN = [
    headers(origin="https://other.example"),
    headers(origin="http://shop.example"),
    headers(origin=f"{SHOP}:8443"),
    headers(origin="null"),
    headers(origin=f"{SHOP}/"),
    headers(origin=(SHOP, SHOP)),
    headers(origin="not an origin"),
    headers(origin=""),
    headers(referer="https://other.example/"),
    headers(referer=""),
    headers(origin="https://other.example", referer=f"{SHOP}/"),
]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("sent", FOREIGN)
def test_a_foreign_origin_is_refused(policy: OriginPolicy, sent: dict[str, tuple[str, ...]]) -> None:
    assert (
        origin_rejection_reason(policy, sent, AUDIENCES)
        == "this origin was not registered on the API key when the token was issued: "
        "register it, then request a new token"
    )


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize(
    "sent",
    [
        headers(origin="https://SHOP.example:443"),
        headers(referer=f"{SHOP}/cart"),
        headers(origin=SHOP, referer="https://other.example/"),
        headers(origin="https://api.moov.money"),
    ],
)
def test_an_origin_among_the_audiences_passes(policy: OriginPolicy, sent: dict[str, tuple[str, ...]]) -> None:
    assert origin_rejection_reason(policy, sent, AUDIENCES) == ""
    assert origin_rejection_reason(policy, sent, ["HTTPS://Shop.Example:443", "https://API.moov.money"]) == ""


def test_no_origin_passes_unless_one_is_required() -> None:
    assert origin_rejection_reason(ORIGIN_POLICIES["if-present"], {}, AUDIENCES) == ""
    required = origin_rejection_reason(ORIGIN_POLICIES["required"], {}, AUDIENCES)
    assert required == "no Origin or Referer header was sent: origin_policy=required needs one"


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://LOCALHOST", "http://127.0.0.9:1", "https://[::1]"]
)
def test_a_loopback_origin_on_any_port_passes_unless_the_docs_are_followed_to_the_letter(origin: str) -> None:
    sent = headers(origin=origin)
    assert origin_rejection_reason(ORIGIN_POLICIES["if-present"], sent, AUDIENCES) == ""
    required = origin_rejection_reason(ORIGIN_POLICIES["required"], sent, (*AUDIENCES, origin))
    assert (
        required == "Moov rejects loopback origins: use a registered origin, or set origin_policy=if-present"
    )


@pytest.mark.parametrize("sent", [headers(), *FOREIGN])
def test_the_rule_can_be_off(sent: dict[str, tuple[str, ...]]) -> None:
    assert origin_rejection_reason(ORIGIN_POLICIES["off"], sent, AUDIENCES) == ""


def test_there_are_three_policies() -> None:
    assert list(ORIGIN_POLICIES) == ["if-present", "required", "off"]


def test_a_port_that_no_socket_has_is_no_origin() -> None:
    assert serialize_origin("https://shop.example:65535") == "https://shop.example:65535"
    assert serialize_origin("https://shop.example:65536") is None


@pytest.mark.parametrize(
    "host", ["evil.com/.localhost", "evil.com#.localhost", "127.999.0.1", "127.0.0.256", "x localhost"]
)
def test_what_only_ends_like_this_machine_is_not_it(host: str) -> None:
    assert not is_loopback_host(host)


def test_an_app_has_an_origin_of_its_own_scheme_with_or_without_a_port() -> None:
    assert serialize_origin("capacitor://LOCALHOST") == "capacitor://localhost"
    assert serialize_origin("capacitor://localhost:80") == "capacitor://localhost:80"
