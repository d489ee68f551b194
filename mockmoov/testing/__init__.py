"""The handle that a test holds: a server of its own, or one that runs elsewhere.

with MockMoov() as moov:
    key = moov.new_api_key()
    key.faults.add("unavailable", endpoint="token", times=2)
    key.clock.shift(hours=2)
    assert len(key.exchanges(endpoint="token")) == 0
"""

from mockmoov.config.settings import SettingsError
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.faults import Fault
from mockmoov.testing.handles import Clock, Exchanges, Faults, MintedToken, SigningKeys
from mockmoov.testing.mock_moov import ApiKeys, MockMoov, MoovKey
from mockmoov.testing.transport import ControlError
from mockmoov.web.uvicorn_server import BindError

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
