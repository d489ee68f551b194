"""The control plane under `/_mockmoov/`: what a test may change, and see."""

from mockmoov.control.guard import Exposure, make_guard
from mockmoov.control.plane import Control

__all__ = ["Control", "Exposure", "make_guard"]
