"""The way from a method and a path to what answers there, held against a naive one."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.routing import Routes

SEGMENTS = st.sampled_from(["a", "b", "", "{x}", "{y}", "%7Bx%7D"])
TEMPLATES = st.lists(SEGMENTS, max_size=4).map(lambda segments: "/" + "/".join(segments))
PATHS = st.lists(st.sampled_from(["a", "b", "c", "", "{x}", "%7Bx%7D"]), max_size=4).map(
    lambda segments: "/" + "/".join(segments)
)


def asking(method: str, path: str) -> HttpRequest:
    return HttpRequest(method=method, path=path, query=b"", headers={}, body=b"")


def table_of(templates: list[str]) -> dict[str, dict[str, int]]:
    """A number for each; templates that differ only in names of parameters are left out but one."""
    distinct = {template.replace("{y}", "{x}"): template for template in reversed(templates)}
    chosen = [template for template in dict.fromkeys(templates) if template in distinct.values()]
    return {template: {"GET": number} for number, template in enumerate(chosen)}


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
def test_a_path_finds_the_template_that_a_naive_search_finds(templates: list[str], path: str) -> None:
    table = table_of(templates)
    expected = naive(table, path)
    found = Routes(table).find(path)
    if expected is None:
        assert found is None
    else:
        template, parameters = expected
        assert found is not None
        assert found[0] == table[template]
        if len(parameters) == template.count("{"):
            assert found[1] == parameters


@given(templates=st.lists(TEMPLATES, max_size=8))
def test_every_template_without_parameters_finds_itself(templates: list[str]) -> None:
    table = table_of(templates)
    routes = Routes(table)
    assert routes.templates == tuple(table)
    assert routes.methods == tuple(table.values())
    for template, methods in table.items():
        if "{" not in template:
            assert routes.find(template) == (methods, {})


ROUTES = Routes(
    {
        "/a/{id}/c": {"GET": 1, "POST": 2},
        "/a/b/{name}": {"GET": 3},
        "/a/{other}": {"GET": 4},
        "/a": {"GET": 5},
        "/": {"GET": 6},
    }
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/x/c", (1, {"id": "x"})),
        ("/a/b/c", (3, {"name": "c"})),  # the literal segment that comes first wins
        ("/a/b/d", (3, {"name": "d"})),
        ("/a/b", (4, {"other": "b"})),  # a literal one that leads nowhere is left again
        ("/a/%2F", (4, {"other": "%2F"})),
        ("/a", (5, {})),
        ("/", (6, {})),
    ],
)
def test_raw_segments_are_matched_and_literal_ones_win(
    path: str, expected: tuple[int, dict[str, str]]
) -> None:
    assert ROUTES.endpoint(asking("GET", path)) == expected


@pytest.mark.parametrize("path", ["", "a", "//", "/a/", "/a//c", "/a/x/d", "/a/x/c/", "/A", "/a/b/c/d", "/b"])
def test_there_is_nothing_elsewhere(path: str) -> None:
    assert ROUTES.find(path) is None
    refused = ROUTES.endpoint(asking("GET", path))
    assert isinstance(refused, HttpResponse)
    assert (refused.status, dict(refused.headers)["x-mockmoov-reason"][:12]) == (404, "no such path")


def reason_of(routes: Routes[int], path: str) -> str:
    refused = routes.error({}, asking("GET", path))
    assert refused is not None
    assert (refused.status, refused.body) == (404, b"")
    return dict(refused.headers)["x-mockmoov-reason"]


MOOVS = Routes({path: {"GET": 1} for path in ("/oauth2/token", "/oauth2/revoke", "/ping", "/cards/{id}")})


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/oauth/token", "/oauth2/token"),
        ("/oauth2/tokens", "/oauth2/token"),
        ("/oauth2/token/", "/oauth2/token"),
        ("//oauth2/token", "/oauth2/token"),
        ("/oauth2/token/oauth2/token", "/oauth2/token"),
        ("/v1/oauth2/revoke", "/oauth2/revoke"),
        ("/pong", "/ping"),
    ],
)
def test_a_path_that_is_nearly_one_is_answered_with_that_one(path: str, near: str) -> None:
    assert reason_of(MOOVS, path) == f"no such path; did you mean {near}?"


@pytest.mark.parametrize("path", ["", "/none", "/card/1", "/favicon.ico", "/oauth2/token" + "/" * 28])
def test_a_path_that_is_near_to_none_or_too_long_for_a_slip_is_answered_with_none(path: str) -> None:
    assert reason_of(MOOVS, path) == "no such path"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
def test_no_answer_repeats_a_path_that_was_sent(path: str) -> None:
    hints = {f"; did you mean {template}?" for template in MOOVS.templates if "{" not in template}
    said = reason_of(MOOVS, f"/{path}").removeprefix("no such path")
    assert said in {"", *hints, "; try /_mockmoov/health"}


@pytest.mark.parametrize("path", ["/", "/_mockmoov", "/_mockmoov/"])
def test_who_looks_whether_anyone_is_there_is_told_where_to_ask(path: str) -> None:
    assert reason_of(MOOVS, path) == "no such path; try /_mockmoov/health"


def test_how_much_alike_a_path_must_be_is_for_the_table_to_say() -> None:
    table = {"/_ours/reset": {"GET": 1}, "/_ours/faults": {"GET": 2}}
    assert reason_of(Routes(table), "/_ours/rest") == "no such path; did you mean /_ours/reset?"
    assert reason_of(Routes(table, likeness=0.85), "/_ours/rest") == (
        "no such path; did you mean /_ours/reset?"
    )
    assert reason_of(Routes(table), "/_ours/health") == "no such path; did you mean /_ours/faults?"
    assert reason_of(Routes(table, likeness=0.85), "/_ours/health") == "no such path"


def test_a_path_says_which_methods_it_has() -> None:
    refused = ROUTES.endpoint(asking("PUT", "/a/x/c"))
    assert isinstance(refused, HttpResponse)
    headers = dict(refused.headers)
    assert (refused.status, headers["allow"]) == (405, "GET, POST")
    assert headers["x-mockmoov-reason"] == "no such method on this path"
    assert ROUTES.endpoint(asking("POST", "/a/x/c")) == (2, {"id": "x"})


def test_what_is_there_is_not_refused() -> None:
    assert ROUTES.error({"GET": 0}, asking("GET", "/a")) is None


def test_a_path_with_very_many_segments_is_no_burden() -> None:
    assert ROUTES.find("/a" * 50_000) is None


CARDS = Routes({"/cards/{id}": {"GET": 1}, "/cards/{id}/details": {"GET": 2}, "/cards/all": {"POST": 3}})


@pytest.mark.parametrize(
    ("path", "is_clear"),
    [
        ("/cards/1", True),
        ("/cards/1;v=2", True),
        ("/cards/1%2Fother", True),
        ("/cards/1/details", True),
        ("/cards/all", True),
        ("/nowhere", True),
        ("/cards/1%2Fdetails", False),
        ("/cards/1%2fdetail%73", False),
        ("/cards/1%2F%2Fdetails%2F", False),
        ("/cards/1%5Cdetails;v=2", False),
        ("/cards/%61ll", False),
        ("/cards/all;v=2", False),
    ],
)
def test_a_path_is_clear_unless_another_reading_leads_elsewhere(path: str, is_clear: bool) -> None:
    assert CARDS.is_clear(path) == is_clear
