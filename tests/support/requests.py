"""The requests that properties draw, from nearly right to noise."""

import json
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import strategies as st

from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Header, basic, bearer

PATHS = ["/oauth2/token", "/oauth2/revoke", "/ping"]
NAMES = [
    "grant_type", "client_id", "client_secret", "scope", "refresh_token", "client_type", "token",
    "token_type_hint",
]  # fmt: skip
VALUES = [
    "client_credentials", "refresh_token", "access_token", CLIENT_ID, CLIENT_SECRET, "/ping.read",
    "/accounts.write", "/ping.read /ping.read", "/nope.read", "", " ", "web", "d", "toaster", "a.b", "a.b.c",
    "\ud800", "é", "\x00", '"',
]  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """One request to send."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes


_texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=30), st.text("abc/.{}-", max_size=200))
_pairs = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), _texts), max_size=6)
_json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def _form(pairs: list[tuple[str, str]]) -> bytes:
    return urlencode(
        [(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass")) for a, b in pairs]
    ).encode()


def _json_object(pairs: list[tuple[str, object]]) -> bytes:
    """A JSON object that may repeat names."""
    return ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}").encode()


_ODD_BODIES = [
    b"[" * 100_000, b'{"scope":' * 20_000, b'{"a":' + b"9" * 6000 + b"}", b'{"a":NaN}', b"{}", b"x" * 70_000
]  # fmt: skip
_members = st.tuples(st.sampled_from(NAMES), st.one_of(_texts, _json_values))
_BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=80),
    _pairs.map(_form),
    st.lists(_members, max_size=6, unique_by=lambda member: member[0]).map(_json_object),
    st.lists(_members, max_size=5).map(_json_object),
    st.sampled_from(_ODD_BODIES),
)
_printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30
)
_KNOWN_HEADERS = [
    basic(), basic(CLIENT_ID, "wrong"), basic("", ""), bearer("a.b.c"), ("authorization", ""),
    ("content-type", "application/json"), ("content-encoding", "gzip"),
    ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ("origin", "null"), ("referer", "http://[x"),
    ("x-moov-version", "v2026.07.00"), ("x-moov-version", "v1999.01.00"),
]  # fmt: skip
_HEADER_NAMES = ["authorization", "content-type", "origin", "referer", "x-moov-version", "user-agent", "x"]
_HEADERS = st.lists(
    st.one_of(
        st.sampled_from(_KNOWN_HEADERS),
        st.tuples(st.sampled_from(_HEADER_NAMES), _printable),
        _printable.map(lambda text: ("authorization", f"Basic {text}")),
        _printable.map(lambda text: ("authorization", f"Bearer {text}")),
    ),
    max_size=5,
)
_QUERIES = st.one_of(
    st.just(""),
    _pairs.map(lambda pairs: "?" + _form(pairs).decode()),
    st.binary(max_size=20).map(lambda data: "?" + quote_from_bytes(data)),
    st.just("?scope=%zz"),
)
_METHODS = st.one_of(st.just("POST"), st.sampled_from(["POST", "GET", "HEAD", "PUT", "OPTIONS", "BREW"]))
_PATHS = st.one_of(
    *[st.sampled_from(PATHS)] * 2, st.text(max_size=20).map(lambda text: "/" + text.replace("?", ""))
)


def requests() -> st.SearchStrategy[Drawn]:
    """Any request: mostly to Moov's paths, mostly with names and values that mean something."""
    target = st.tuples(_PATHS, _QUERIES).map("".join)
    return st.builds(Drawn, _METHODS, target, _HEADERS.map(tuple), _BODIES)
