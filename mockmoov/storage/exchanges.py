"""How a journal encodes exchanges, reads them, and finds those that match a query."""

from collections.abc import Iterable

from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import EXACT, Query, matching

_EXCHANGE = Decoder(Exchange)

Encoded = tuple[int, bytes]
"""The number of an exchange, and the exchange as JSON."""


def decode(encoded: Iterable[Encoded]) -> list[Exchange]:
    """The exchanges with their numbers."""
    return [replace(_EXCHANGE.decode(value), number=number) for number, value in encoded]


def numbers_of_matching(encoded: Iterable[Encoded], query: Query) -> list[int]:
    """The numbers of the encoded exchanges that match a query. Most others are passed over undecoded."""
    exact = {name: getattr(query, name) for name in EXACT}
    members = [to_json({name: value})[1:-1] for name, value in exact.items() if value is not None]
    return [
        number
        for number, value in encoded
        if all(member in value for member in members) and matching(decode([(number, value)]), query)
    ]
