"""Owns what a test is told of its API key when it fails. Must not know pytest."""

from collections.abc import Iterable

from mockmoov.simulation.faults import Fault, described
from mockmoov.simulation.journal import told
from mockmoov.testing.mock_moov import MoovKey
from mockmoov.testing.transport import ControlError


def unmet_faults(unmet: Iterable[Fault]) -> str:
    """Which planned faults never happened, and what to do about it."""
    return "\n".join(
        [
            "planned faults that never happened to any request:",
            *(f"  - {described(fault)}" for fault in unmet),
            "The program asked less, or otherwise, than the plan expects: compare with the exchanges below.",
            "To allow this: @pytest.mark.mockmoov(unmet_faults='ignore'), or mockmoov_unmet_faults = ignore.",
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
    shown = [told(exchange) for exchange in exchanges[max(0, len(exchanges) - most) :]]
    return "\n".join([f"the last {len(shown)} of {len(exchanges) + dropped} exchanges of {key}", *shown])
