"""Members of JSON objects become checked values, or errors that name the member."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as, require_known, require_one_of


class Inner(Struct, frozen=True, kw_only=True):
    more: Mapping[str, int] = {}


class Form(Struct, frozen=True, kw_only=True):
    endpoint: str | None = None
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    rate: float = 0.5
    is_on: bool = False
    names: tuple[str, ...] = ()
    more: Mapping[str, int] = {}
    inner: Inner = Inner()
    text: bytes = b""
    hidden: str = ""


def problem(members: Mapping[str, Any], **options: Any) -> tuple[str, str]:
    with pytest.raises(FieldError) as caught:
        parse_as(members, Form, **{"hidden": ("hidden",), **options})
    return caught.value.field, str(caught.value)


def test_members_become_a_form() -> None:
    members = {"endpoint": None, "count": 9, "rate": 1, "is_on": True, "names": ["a"], "more": {"a": 1}}
    assert parse_as(members, Form) == Form(count=9, rate=1.0, is_on=True, names=("a",), more={"a": 1})
    assert parse_as({"count": "3", "rate": "1.5"}, Form, strict=False) == Form(count=3, rate=1.5)
    assert parse_as({"hidden": "x"}, Form) == Form(hidden="x")


PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"endpoint": 5}, "endpoint", "endpoint must be a string or null, got an integer"),
    ({"count": "5"}, "count", "count must be an integer, got a string"),
    ({"count": 0}, "count", "count must be an integer >= 1"),
    ({"count": 10}, "count", "count must be an integer <= 9"),
    ({"rate": []}, "rate", "rate must be a number, got a list"),
    ({"is_on": 1}, "is_on", "is_on must be a boolean, got an integer"),
    ({"names": {}}, "names", "names must be a list, got an object"),
    ({"names": [1]}, "names[0]", "names[0] must be a string, got an integer"),
    ({"more": {"a": 1, "x-b": "c"}}, "more.x-b", "more.x-b must be an integer, got a string"),
    ({"more": {"Secret-0123": "b"}}, "more[...]", "more[...] must be an integer, got a string"),
    ({"inner": {"more": {"a": "b"}}}, "inner.more.a", "inner.more.a must be an integer, got a string"),
    ({"text": "!"}, "text", "text: invalid base64 encoded string"),
    ({"more": 1.5}, "more", "more must be an object, got a number"),
    ({"hidden": "x"}, "hidden", "there is no field hidden"),
    ({"cuont": 1}, "cuont", "there is no field cuont; did you mean count?"),
    ({"operation": "x"}, "operation", "there is no field operation; it is called endpoint"),
    ({"Secret-0123": 1}, "...", "there is no field ..."),
    ({"x" * 41: 1}, "...", "there is no field ..."),
    ({"x" * 40: 1}, "x" * 40, f"there is no field {'x' * 40}"),
]


@pytest.mark.parametrize(("members", "name", "message"), PROBLEMS)
def test_problem_is_named_with_its_field(members: dict[str, Any], name: str, message: str) -> None:
    assert problem(members) == (name, message)


def test_text_is_converted_only_on_request() -> None:
    assert problem({"count": "x"}, strict=False) == ("count", "count must be an integer, got a string")
    assert problem({"count": "3"})[0] == "count"


def test_unknown_name_is_suggested_or_renamed() -> None:
    require_known("a", iter("ab"), "letter")
    for name, known, message in (
        ("aab", ["aaa", "zzz"], "there is no letter aab; did you mean aaa?"),
        ("json", ["body"], "there is no letter json; it is called body"),
        ("params", ["query"], "there is no letter params; it is called query"),
        (
            "pathParameters",
            ["path_parameters"],
            "there is no letter pathParameters; it is called path_parameters",
        ),
        ("json", ["jsn"], "there is no letter json; did you mean jsn?"),
        ("q", ["zzz"], "there is no letter q"),
    ):
        with pytest.raises(FieldError, match=f"^{re.escape(message)}$") as caught:
            require_known(name, known, "letter")
        assert caught.value.field == name


def test_known_names_are_listed_on_request() -> None:
    message = "there is no letter c, only aa, bb"
    with pytest.raises(FieldError, match=f"^{message}$"):
        require_known("c", ["aa", "bb"], "letter", are_listed=True)
    with pytest.raises(FieldError, match=r"^there is no letter aab, only aa, bb; did you mean aa\?$"):
        require_known("aab", ["aa", "bb"], "letter", are_listed=True)


def test_value_must_be_one_of_the_options() -> None:
    assert require_one_of("color", "red", {"red", "blue"}) == "red"
    for value, description, message in (
        ("green", "", "color must be one of blue, red"),
        ("bleu", "", "color must be one of blue, red; did you mean blue?"),
        (["red"], "", "color must be one of blue, red"),
        (None, "", "color must be one of blue, red"),
        ("bleu", "a color", "color must be a color; did you mean blue?"),
    ):
        with pytest.raises(FieldError, match=f"^{re.escape(message)}") as caught:
            require_one_of("color", value, {"red", "blue"}, description)
        assert caught.value.field == "color"


class Required(Struct, frozen=True, kw_only=True):
    name: str


def test_problem_of_the_whole_has_no_field() -> None:
    with pytest.raises(FieldError, match=r"^\.\.\.: object missing required field `name`$") as caught:
        parse_as({}, Required)
    assert caught.value.field == "..."


def test_options_are_listed_without_a_description() -> None:
    with pytest.raises(FieldError, match=r"^color must be one of blue, red$"):
        require_one_of("color", "green", ["red", "blue"])
