"""Owns what a test is told of its API key when it fails. Must not know pytest."""

from collections.abc import Iterable

from mockmoov.simulation.faults import Fault, describe_fault
from mockmoov.simulation.journal import format_line
from mockmoov.testing.mock_moov import MoovKey
from mockmoov.testing.transport import ControlError


def untriggered_faults(untriggered: Iterable[Fault]) -> str:
    """Which planned faults never happened, and what to do about it."""
    return "\n".join(
        [
            "planned faults that never happened to any request:",
            *(f"  - {describe_fault(fault)}" for fault in untriggered),
            "The program sent fewer requests, or others, than planned: compare with the exchanges below.",
            "To allow this, set @pytest.mark.mockmoov(untriggered_faults='ignore')"
            " or mockmoov_untriggered_faults = ignore.",
        ]
    )


def history(key: MoovKey, most: int) -> str:
    """The last exchanges of a key, each with the reason that it was given; never raises `ControlError`."""
    try:
        exchanges, dropped = key.exchanges(), key.exchanges.dropped
    except ControlError as error:
        return f"the exchanges of {key} cannot be shown: {error}"
    if not exchanges and not dropped:
        return f"no exchanges of {key}"
    shown = [format_line(exchange) for exchange in exchanges[max(0, len(exchanges) - most) :]]
    return "\n".join([f"the last {len(shown)} of {len(exchanges) + dropped} exchanges of {key}", *shown])
