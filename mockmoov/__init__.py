"""mockmoov: a test double of Moov's OAuth 2.0 endpoints."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockmoov.testing import Clock, ControlError, Exchange, Fault, MintedToken, MockMoov, MoovKey, Stub

__version__ = "0.1.0"
__all__ = [
    "Clock",
    "ControlError",
    "Exchange",
    "Fault",
    "MintedToken",
    "MockMoov",
    "MoovKey",
    "Stub",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used, because `mockmoov.testing` brings in the whole server."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mockmoov.config.real_files import real_files  # noqa: PLC0415

    with real_files():
        from mockmoov import testing  # noqa: PLC0415
    return getattr(testing, name)
