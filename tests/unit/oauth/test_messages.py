"""Messages: headers that can be remembered."""

from mockmoov.oauth.messages import FrozenHeaders, Headers


def headers_of(count: int) -> FrozenHeaders:
    return FrozenHeaders({f"x-{number}": ("1",) for number in range(count)})


def test_equal_headers_have_equal_hashes_and_others_differ() -> None:
    assert hash(headers_of(3)) == hash(headers_of(3)) != hash(headers_of(4))
    assert headers_of(3) == headers_of(3) != headers_of(4)
    assert len({hash(headers_of(count)) for count in range(20)}) == 20


def test_few_and_short_headers_are_frozen_and_others_stay_as_they_are() -> None:
    most, longest = FrozenHeaders.MOST, FrozenHeaders.LONGEST
    rows: list[tuple[Headers, bool]] = [
        (dict(headers_of(most)), True),
        (dict(headers_of(most + 1)), False),
        ({"same": ("1",) * most}, True),
        ({"same": ("1",) * (most + 1)}, False),
        ({"a": ("1" * (longest - 1),), "b": ("1",)}, True),
        ({"a": ("1" * longest,), "b": ("1",)}, False),
        ({}, True),
    ]
    for headers, is_frozen in rows:
        found = FrozenHeaders.of(headers)
        assert found == headers
        assert isinstance(found, FrozenHeaders) is is_frozen
        assert (found is headers) is not is_frozen
