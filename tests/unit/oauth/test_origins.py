"""Origins: how they are normalized, which are loopback, which one a request has, and Moov's Origin rule."""

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.messages import Headers
from mockmoov.oauth.origins import (
    NOT_AN_ORIGIN,
    ORIGIN_POLICIES,
    is_loopback,
    is_loopback_host,
    origin_rejection_reason,
    request_origin,
    serialize_origin,
)

SHOP = "https://shop.example"
AUDIENCES = (SHOP, "https://api.moov.io", "https://cards.moov.io", "https://api.moov.money", "not an origin")
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)
POLICIES = [policy for policy in ORIGIN_POLICIES.values() if policy]


@given(st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535) | st.sampled_from([80, 443]))
@example("https", "shop", 443)
@example("https", "shop", 80)
def test_serialized_origin_is_lower_case_without_default_port(scheme: str, host: str, port: int) -> None:
    default = {"http": 80, "https": 443}[scheme]
    expected = f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}"
    assert serialize_origin(f"{scheme}://{host}:{port}") == expected
    assert serialize_origin(f"{scheme}://{host}:{port}".upper()) == expected
    assert serialize_origin(expected) == expected
    assert serialize_origin(f"{scheme}://{host}") == f"{scheme}://{host}"


SERIALIZED = {
    "https://Shop.Example": SHOP,
    "HTTPS://shop.example:443": SHOP,
    "https://shop.example:0443": SHOP,
    "https://shop.example:80": "https://shop.example:80",
    "https://shop.example:65535": "https://shop.example:65535",
    "http://shop.example:443": "http://shop.example:443",
    "http://shop.example:08080": "http://shop.example:8080",
    "http://[::1]:3000": "http://[::1]:3000",
    "http://[2001:DB8::1]:80": "http://[2001:db8::1]",
    "moz-extension://abc:80": "moz-extension://abc:80",
    "capacitor://LOCALHOST": "capacitor://localhost",
    "capacitor://localhost:80": "capacitor://localhost:80",
}
NOT_ORIGINS = [
    "", "null", "https://*.example", "shop.example", "//shop.example", "https://", "https:///", "https://shop.example/",
    "https://shop.example/path", "https://shop.example?query", "https://shop.example#fragment",
    "https://user@shop.example", "https://user:secret@shop.example", "https://shop.example:",
    "https://shop.example:port", "https://shop.example:65536", "https://shop.example:123456",
    "https://shop.example:-1", "https://shop example", "https://shop.example, https://other.example",
    " https://shop.example", "https://shop.example\n", "https://::1", "http://[::1", "http://[shop]",
    "https:\\\\shop.example", "https://shop.example\\@other.example",
]  # fmt: skip


def test_origin_is_exactly_scheme_host_and_port() -> None:
    assert {text: serialize_origin(text) for text in SERIALIZED} == SERIALIZED
    assert [text for text in NOT_ORIGINS if serialize_origin(text) is not None or is_loopback(text)] == []


LOOPBACK_HOSTS = [
    "localhost", "LOCALHOST", "app.localhost", "a.b.localhost", "127.0.0.1", "127.255.255.254", "[::1]",
]  # fmt: skip
OTHER_HOSTS = [
    "", ".localhost", "localhost.example", "notlocalhost", "127.0.0.1.example", "127.0.0", "1127.0.0.1",
    "128.0.0.1", "127.999.0.1", "127.0.0.256", "0.0.0.0", "[::2]", "::1", "[::ffff:127.0.0.1]",
    "shop.example", "evil.com/.localhost", "evil.com#.localhost", "x localhost",
]  # fmt: skip


def test_loopback_hosts_always_mean_the_local_machine() -> None:
    for host in LOOPBACK_HOSTS:
        origins = (f"http://{host.lower()}", f"https://{host.lower()}:3000")
        assert (host, is_loopback_host(host), *map(is_loopback, origins)) == (host, True, True, True)
    assert [host for host in OTHER_HOSTS if is_loopback_host(host) or is_loopback(f"http://{host}")] == []


def headers(**named: tuple[str, ...] | str) -> Headers:
    return {name: (value,) if isinstance(value, str) else value for name, value in named.items()}


REQUESTS: list[tuple[Headers, str | None]] = [
    (headers(), None),
    (headers(origin="https://Shop.example:443"), SHOP),
    (headers(referer="https://Shop.example:443/cart?id=1#top"), SHOP),
    (headers(referer=SHOP), SHOP),
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
]


def test_request_origin_is_origin_or_else_referer() -> None:
    assert [(sent, request_origin(sent)) for sent, _ in REQUESTS] == REQUESTS


@given(st.text(), st.sampled_from(["origin", "referer"]))
def test_any_header_text_has_an_origin_or_none(text: str, name: str) -> None:
    origin = request_origin({name: (text,)})
    assert origin is not None
    assert origin == "" or serialize_origin(origin) == origin


REGISTERED = [
    headers(origin="https://SHOP.example:443"),
    headers(referer=f"{SHOP}/cart"),
    headers(origin=SHOP, referer="https://other.example/"),
    headers(origin="https://api.moov.money"),
]
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
LOOPBACK = [
    headers(origin=origin)
    for origin in ("http://localhost:3000", "http://LOCALHOST", "http://127.0.0.9:1", "https://[::1]")
]


def test_only_origins_among_the_audiences_pass() -> None:
    odd_spelling = ["HTTPS://Shop.Example:443", "https://API.moov.money"]
    rows = product(POLICIES, REGISTERED, [AUDIENCES, odd_spelling])
    assert [row for row in rows if origin_rejection_reason(*row) != ""] == []
    rejected = product(POLICIES, FOREIGN, [AUDIENCES])
    assert [row for row in rejected if origin_rejection_reason(*row) == ""] == []


def test_reason_names_the_origin_and_a_similar_one() -> None:
    advice = "; add it, and request a new token"
    similar = f", but {SHOP} is: scheme and port count"
    reasons = {
        "https://other.example": f"https://other.example is not an origin of the API key{advice}",
        "http://shop.example": f"http://shop.example is not an origin of the API key{similar}{advice}",
        f"{SHOP}:8443": f"{SHOP}:8443 is not an origin of the API key{similar}{advice}",
        "https://[::2]": f"https://[::2] is not an origin of the API key{advice}",
        "null": "the page has no origin, as a file or a sandboxed frame has none: serve it over http",
        f"{SHOP}/": NOT_AN_ORIGIN,
    }
    policy = ORIGIN_POLICIES["if-present"]
    found = {
        origin: origin_rejection_reason(policy, headers(origin=origin), [*AUDIENCES, "https://[::3]"])
        for origin in reasons
    }
    assert found == reasons
    late = origin_rejection_reason(
        policy, headers(origin=f"{SHOP}:8443"), AUDIENCES, registered=[f"{SHOP}:8443"]
    )
    assert late == f"{SHOP}:8443 was added to the API key after the token was issued: request a new token"


def test_loopback_and_absent_origins_pass_unless_required() -> None:
    lenient, required, off = ORIGIN_POLICIES.values()
    assert list(ORIGIN_POLICIES) == ["if-present", "required", "off"]
    assert {origin_rejection_reason(lenient, sent, AUDIENCES) for sent in (headers(), *LOOPBACK)} == {""}
    absent = "no Origin or Referer header was sent: origin_policy=required needs one"
    assert origin_rejection_reason(required, {}, AUDIENCES) == absent
    loopback = "Moov rejects loopback origins: use a registered origin, or set origin_policy=if-present"
    for sent in LOOPBACK:
        assert origin_rejection_reason(required, sent, (*AUDIENCES, *sent["origin"])) == loopback
    everything = (headers(), *FOREIGN, *LOOPBACK)
    assert {origin_rejection_reason(off, sent, AUDIENCES) for sent in everything} == {""}
