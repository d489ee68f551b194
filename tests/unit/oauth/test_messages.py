"""Messages: headers that can be remembered."""

from mockmoov.oauth.messages import FrozenHeaders


def headers_of(count: int) -> FrozenHeaders:
    return FrozenHeaders({f"x-{number}": ("1",) for number in range(count)})


def test_equal_headers_have_equal_hashes_and_others_differ() -> None:
    assert hash(headers_of(3)) == hash(headers_of(3)) != hash(headers_of(4))
    assert headers_of(3) == headers_of(3) != headers_of(4)
    assert len({hash(headers_of(count)) for count in range(20)}) == 20
