"""Control a mockmoov server from a test: start one with `MockMoov()`, or use `MockMoov.connect(url)`.

with MockMoov() as moov:
    key = moov.new_api_key()
    key.faults.add("unavailable", endpoint="token", times=2)
    key.stubs.add("listAccounts", json=[{"accountID": key.account_id}])
    key.clock.shift(hours=2)
    assert len(key.exchanges(endpoint="token")) == 0
"""

from mockmoov.config.settings import SettingsError
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.faults import Fault
from mockmoov.simulation.stubs import Stub
from mockmoov.testing.handles import Clock, Exchanges, Faults, MintedToken, SigningKeys, Stubs
from mockmoov.testing.mock_moov import ApiKeys, MockMoov, MoovKey
from mockmoov.testing.transport import ControlError
from mockmoov.testing.types import DefectName, EndpointName, GrantType, PresetName
from mockmoov.web.listeners import BindError
from mockmoov.web.uvicorn_server import StartError

__all__ = [
    "ApiKeys", "BindError", "Clock", "ControlError", "DefectName", "EndpointName", "Exchange", "Exchanges",
    "Fault", "Faults", "GrantType", "MintedToken", "MockMoov", "MoovKey", "PresetName", "SettingsError",
    "SigningKeys", "StartError", "Stub", "Stubs",
]  # fmt: skip
