"""What a failed test shows: errors in the plugin's words, what was planned in vain, the last exchanges."""

import re
from collections.abc import Iterable

from mockmoov.simulation.faults import Fault, describe_fault
from mockmoov.simulation.journal import format_line
from mockmoov.simulation.stubs import Stub, describe_stub
from mockmoov.testing.mock_moov import MoovKey
from mockmoov.testing.transport import ControlError

# The messages of the server and its handles name the arguments of `MockMoov`; the plugin has other names.
_OPTION_NAMES = (
    (re.compile(r"^MockMoov: "), ""),
    (re.compile(r"^ca_file\b|(?<=; set )ca_file\b"), "mockmoov_ca_file"),
    (re.compile(r"^X-Mockmoov-Token is missing or wrong$"), r"\g<0>; set mockmoov_control_token"),
    (re.compile(r"start the server in another one, .*"), "run the tests with `mockmoov run -- pytest`"),
)


def with_option_names(error: Exception) -> str:
    """The message of an error, with the plugin's options in place of arguments."""
    message = str(error)
    for pattern, replacement in _OPTION_NAMES:
        message = pattern.sub(replacement, message)
    return message


def untriggered_plans(faults: Iterable[Fault], stubs: Iterable[Stub]) -> str:
    """List the planned faults and stubs that were never used; "" if there are none."""
    lines = [
        *_list("These planned faults never happened:", map(describe_fault, faults)),
        *_list("These stubs answered nothing:", map(describe_stub, stubs)),
    ]
    if lines:
        lines += [
            "The program sent fewer or different requests than planned: see the exchanges below.",
            "To allow this, use @pytest.mark.mockmoov(untriggered='ignore')"
            " or set mockmoov_untriggered = ignore.",
        ]
    return "\n".join(lines)


def _list(heading: str, items: Iterable[str]) -> list[str]:
    lines = [f"  - {item}" for item in items]
    return [heading, *lines] if lines else []


def last_exchanges(key: MoovKey, limit: int) -> str:
    """List the last exchanges of a key, one per line; never raises `ControlError`."""
    try:
        exchanges, dropped = key.exchanges(), key.exchanges.dropped
    except ControlError as error:
        return f"cannot show the exchanges of {key}: {error}"
    if not exchanges and not dropped:
        return f"no exchanges of {key}"
    lines = [format_line(exchange) for exchange in exchanges[max(0, len(exchanges) - limit) :]]
    return "\n".join([f"the last {len(lines)} of {len(exchanges) + dropped} exchanges of {key}", *lines])
