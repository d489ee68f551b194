"""What is told of a failed comparison with what hides its values: names, kinds, and no value."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mockmoov.client import Token
from mockmoov.pytest_plugin import comparing
from mockmoov.pytest_plugin.comparing import compared
from mockmoov.testing import MintedToken
from mockmoov.testing.environment import Hidden

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOKEN = Token(
    access_token="very-secret", refresh_token="secret-too", token_type="Bearer", scope="/a.b", expires_at=NOON
)
SECRETS = Hidden(client_id="mine", client_secret="very-secret")
SHOWN = "<values of client_id, client_secret>"


class Own(Hidden):
    """What somebody makes of ours hides as much."""


def test_the_names_of_what_hides_itself_are_those_of_the_classes() -> None:
    classes = (Token, Hidden, MintedToken)
    assert {f"{kind.__module__}.{kind.__qualname__}" for kind in classes} == comparing._HIDDEN


@pytest.mark.parametrize(
    ("left", "right", "lines"),
    [
        (
            SECRETS,
            {},
            ["{SHOWN} == <dict that is not shown>", "only left: client_id, client_secret"],
        ),
        (
            {"client_id": "mine", "very-secret": 1},
            SECRETS,
            ["<dict that is not shown> == {SHOWN}", "only right: client_secret", "other names: 1"],
        ),
        (
            SECRETS,
            {"client_id": "mine", "client_secret": "another"},
            ["{SHOWN} == <dict that is not shown>", "another value: client_secret"],
        ),
        (SECRETS, None, ["{SHOWN} == None"]),
        (True, SECRETS, ["True == {SHOWN}"]),
        (Own(SECRETS), "very-secret", ["{SHOWN} == <str that is not shown>"]),
    ],
)
def test_names_are_told_that_the_hidden_side_has_and_no_value(
    left: Any, right: Any, lines: list[str]
) -> None:
    assert compared("==", left, right) == [line.replace("{SHOWN}", SHOWN) for line in lines]


def test_of_two_tokens_it_is_told_what_differs_and_the_value_only_of_what_a_repr_shows() -> None:
    other = Token(
        access_token="another-secret",
        refresh_token="secret-too",
        token_type="Bearer",
        scope="/c.d",
        expires_at=NOON,
    )
    lines = compared("==", TOKEN, other)
    assert lines is not None
    assert lines[1:] == ["another access_token", "another scope: '/a.b', '/c.d'"]
    assert "secret" not in lines[0]


def test_what_hides_nothing_is_left_to_others() -> None:
    assert compared("==", {"a": 1}, "very-secret") is None
