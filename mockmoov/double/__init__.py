"""The handle that a test holds: a server of its own, or one that runs elsewhere.

with MockMoov() as moov:
    key = moov.new_api_key()
    key.faults.add("unavailable", endpoint="token", times=2)
    key.clock.shift(hours=2)
    assert len(key.exchanges(endpoint="token")) == 0
"""

from mockmoov.double.handles import Clock, Exchanges, Faults, MintedToken, SigningKeys
from mockmoov.double.moov import ApiKeys, MockMoov, MoovKey
from mockmoov.double.transport import ControlError
from mockmoov.faults import Fault
from mockmoov.records import Exchange
from mockmoov.serve import BindError
from mockmoov.settings import SettingsError

__all__ = [
    "ApiKeys",
    "BindError",
    "Clock",
    "ControlError",
    "Exchange",
    "Exchanges",
    "Fault",
    "Faults",
    "MintedToken",
    "MockMoov",
    "MoovKey",
    "SettingsError",
    "SigningKeys",
]
