"""mockmoov: a test double of Moov's OAuth 2.0 endpoints."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockmoov.testing import ControlError, MockMoov, MoovKey

__version__ = "0.1.0"
__all__ = ["ControlError", "MockMoov", "MoovKey", "__version__"]


def __getattr__(name: str) -> Any:
    """The handle, imported once it is used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mockmoov import testing  # noqa: PLC0415 - it brings the server; the client needs none

    return getattr(testing, name)
