"""Routes: from a method and a path to what answers there, compared with a naive search."""

import sys
from collections.abc import Mapping
from types import FrameType

from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.routing import _OTHER_PATHS, Routes

SEGMENTS = st.sampled_from(["a", "b", "", "{x}", "{y}", "%7Bx%7D"])
TEMPLATES = st.lists(SEGMENTS, max_size=4).map(lambda segments: "/" + "/".join(segments))
PATHS = st.lists(st.sampled_from(["a", "b", "c", "", "{x}", "%7Bx%7D"]), max_size=4).map(
    lambda segments: "/" + "/".join(segments)
)


def request(method: str, path: str) -> HttpRequest:
    return HttpRequest(method=method, path=path, query=b"", headers={}, body=b"")


# --- against a naive search ---------------------------------------------------------------------------


def table_of(templates: list[str]) -> dict[str, dict[str, int]]:
    """A number for each; of templates that differ only in names of parameters, the first."""
    distinct = {template.replace("{y}", "{x}"): template for template in reversed(templates)}
    chosen = [template for template in dict.fromkeys(templates) if template in distinct.values()]
    return {template: {"POST": number} for number, template in enumerate(chosen)}


def naive(templates: Mapping[str, object], path: str) -> tuple[str, dict[str, str]] | None:
    """The best template: the one that is literal where others are not, from the left."""
    values = path.split("/")
    found = []
    for template in templates:
        names = template.split("/")
        pairs = list(zip(names, values, strict=False))
        fits = len(names) == len(values) and all(
            value != "" if name.startswith("{") else name == value for name, value in pairs
        )
        if fits:
            parameters = {name[1:-1]: value for name, value in reversed(pairs) if name.startswith("{")}
            found.append(([name.startswith("{") for name in names], template, parameters))
    return min(found)[1:] if found else None


@given(templates=st.lists(TEMPLATES, max_size=8), path=PATHS)
@example(templates=["/{x}"], path="/{x}")
@example(templates=["/{x}/{x}", "/{y}/a"], path="/a/a")
def test_find_agrees_with_a_naive_search(templates: list[str], path: str) -> None:
    table = table_of(templates)
    routes = Routes(table)
    assert routes.templates == tuple(table)
    expected, found = naive(table, path), routes.find(path)
    if expected is None:
        assert found is None
    else:
        template, parameters = expected
        assert found is not None
        assert found[0] == table[template]
        if len(parameters) == template.count("{"):
            assert found[1] == parameters


# --- examples -----------------------------------------------------------------------------------------

ROUTES = Routes(
    {
        "/a/{id}/c": {"GET": 1, "POST": 2},
        "/a/b/{name}": {"GET": 3},
        "/a/{other}": {"GET": 4},
        "/a": {"GET": 5},
        "/": {"GET": 6},
    }
)


def test_raw_segments_match_and_literal_ones_win() -> None:
    expected: dict[str, tuple[int, dict[str, str]]] = {
        "/a/x/c": (1, {"id": "x"}),
        "/a/b/c": (3, {"name": "c"}),  # the literal segment that comes first wins
        "/a/b/d": (3, {"name": "d"}),
        "/a/b": (4, {"other": "b"}),  # a literal segment that leads nowhere is left again
        "/a/{id}/c": (1, {"id": "{id}"}),
        "/a/%2F": (4, {"other": "%2F"}),
        "/a": (5, {}),
        "/": (6, {}),
    }
    assert {path: ROUTES.endpoint(request("GET", path)) for path in expected} == expected


def test_other_paths_are_404() -> None:
    for path in ("", "a", "//", "/a/", "/a//c", "/a/x/d", "/a/x/c/", "/A", "/a/b/c/d", "/b", "/a" * 50_000):
        assert ROUTES.find(path) is None, path
        refused = ROUTES.endpoint(request("GET", path))
        assert isinstance(refused, HttpResponse), path
        assert (refused.status, dict(refused.headers)["x-mockmoov-reason"][:12]) == (404, "no such path")


def test_another_method_is_405_with_those_allowed() -> None:
    refused = ROUTES.endpoint(request("PUT", "/a/x/c"))
    assert isinstance(refused, HttpResponse)
    headers = dict(refused.headers)
    assert (refused.status, headers["allow"]) == (405, "GET, HEAD, POST")
    assert headers["x-mockmoov-reason"] == "no such method on this path: it has GET, HEAD, POST"
    assert ROUTES.endpoint(request("POST", "/a/x/c")) == (2, {"id": "x"})
    assert ROUTES.endpoint(request("HEAD", "/a/x/c")) == (1, {"id": "x"})
    refused = Routes({"/a": {"POST": 1}}).endpoint(request("HEAD", "/a"))  # HEAD goes with GET only
    assert isinstance(refused, HttpResponse)
    assert (refused.status, dict(refused.headers)["allow"]) == (405, "POST")
    assert ROUTES.error({"GET": 0}, request("GET", "/a")) is None


def calls(routes: Routes[str], path: str) -> int:
    """How many calls `find` makes to find a path."""
    count = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"} and frame.f_globals["__name__"] == Routes.__module__

    sys.setprofile(profile)
    try:
        found = routes.find(path)
    finally:
        sys.setprofile(None)
    assert found is not None
    return count


def test_find_takes_no_more_steps_among_10_000_routes() -> None:
    few = {f"/{letter}/{{id}}/b": {"GET": letter} for letter in "abcdefghij"}
    more = {f"{template}/{number}": {"GET": ""} for template in few for number in range(1000)}
    assert calls(Routes(few), "/c/x/b") == calls(Routes(few | more), "/c/x/b")
    assert calls(Routes({"/a/b": {"GET": ""}}), "/a/b") <= 2  # `find`, and one look into a dictionary


# --- suggestions --------------------------------------------------------------------------------------

MOOVS = Routes({path: {"GET": 1} for path in ("/oauth2/token", "/oauth2/revoke", "/ping", "/cards/{id}")})


def hint(routes: Routes[int], path: str) -> str:
    refused = routes.error({}, request("GET", path))
    assert refused is not None
    assert (refused.status, refused.body) == (404, b"")
    start, _, rest = dict(refused.headers)["x-mockmoov-reason"].partition("no such path")
    assert start == ""
    return rest


EMPTY = "; a part of it is empty: the program may have had no value for it"
PAGE = "; health is at /_mockmoov/health, and the page at /_mockmoov/ if the control plane is on"


def test_404_suggests_the_nearest_path() -> None:
    expected = {
        "/oauth/token": "; did you mean /oauth2/token?",
        "/oauth2/tokens": "; did you mean /oauth2/token?",
        "/oauth2/token/": "; did you mean /oauth2/token?",
        "//oauth2/token": "; did you mean /oauth2/token?",
        "/oauth2/token/oauth2/token": "; did you mean /oauth2/token?",
        "/v1/oauth2/revoke": "; did you mean /oauth2/revoke?",
        "/pong": "; did you mean /ping?",
        "/none": "",
        "/card/1": "; did you mean /cards/{id}?",
        "/favicon.ico": "",
        "/cards//1": "; the part after /cards is empty: the program may have had no value for it",
        "/none//1": EMPTY,
        **dict.fromkeys(("/", "/_mockmoov", "/_mockmoov/", "", "/healthz"), PAGE),
    }
    assert {path: hint(MOOVS, path) for path in expected} == expected


def test_404_suggests_nothing_for_over_40_characters() -> None:
    routes = Routes({"/".ljust(39, "a"): {"GET": 1}})
    assert hint(routes, "/".ljust(40, "a")) != ""
    assert hint(routes, "/".ljust(41, "a")) == ""


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
def test_404_never_repeats_the_path(path: str) -> None:
    hints = {f"; did you mean {template}?" for template in MOOVS.templates}
    words = {word for template in MOOVS.templates for word in template.split("/")}
    empty = {EMPTY, *(EMPTY.replace("a part of it", f"the part after /{word}") for word in words)}
    assert hint(MOOVS, f"/{path}") in {"", *hints, *empty, *_OTHER_PATHS.values()}


def test_likeness_decides_how_near_a_suggestion_must_be() -> None:
    table = {"/_ours/reset": {"GET": 1}, "/_ours/faults": {"GET": 2}}
    assert hint(Routes(table), "/_ours/rest") == "; did you mean /_ours/reset?"
    assert hint(Routes(table, likeness=0.85), "/_ours/rest") == "; did you mean /_ours/reset?"
    assert hint(Routes(table), "/_ours/health") == "; did you mean /_ours/faults?"
    assert hint(Routes(table, likeness=0.85), "/_ours/health") == ""


# --- other readings of a path -------------------------------------------------------------------------


def test_path_is_clear_unless_decoding_leads_elsewhere() -> None:
    routes = Routes({"/cards/{id}": {"GET": 1}, "/cards/{id}/details": {"GET": 2}, "/cards/all": {"POST": 3}})
    expected = {
        "/cards/1": True,
        "/cards/1;v=2": True,
        "/cards/1%2Fother": True,
        "/cards/1/details": True,
        "/cards/all": True,
        "/nowhere": True,
        "/cards/1%2Fdetails": False,
        "/cards/1%2fdetail%73": False,
        "/cards/1%2F%2Fdetails%2F": False,
        "/cards/1%5Cdetails;v=2": False,
        "/cards/%61ll": False,
        "/cards/all;v=2": False,
    }
    assert {path: routes.is_clear(path) for path in expected} == expected
