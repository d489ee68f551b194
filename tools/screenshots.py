"""`make screenshots`: pictures of each view of the page, light and dark, into `docs/`.

The server has had some traffic before: tokens, refreshes, refusals, a fault, a stub.
"""

import base64
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.processes import ROOT
from mockmoov.testing import MockMoov, MoovKey
from tests.support.browser import browsing
from tests.support.page import Tab

VIEWS = {"exchanges": "exchanges", "tokens": "tokens", "controls": "controls", "start": "start"}
_SIZE = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}


def traffic(moov: MockMoov, key: MoovKey) -> None:
    """What a program under test asks for in an hour."""
    with httpx2.Client(base_url=moov.url, headers={"user-agent": "checkout/2.3"}) as client:

        def token(**form: str) -> dict[str, str]:
            response = client.post("/oauth2/token", data=form, auth=(key.client_id, key.client_secret))
            return dict(response.json()) if response.is_success else {}

        def call(path: str, access_token: str) -> None:
            client.get(path, headers={"authorization": f"Bearer {access_token}"})

        scope = f"/ping.read /accounts/{key.account_id}/cards.read"
        tokens = token(grant_type="client_credentials", scope=scope)
        call("/ping", tokens["access_token"])
        key.stubs.add("listCards", json=[{"cardID": "1"}])
        call(f"/accounts/{key.account_id}/cards", tokens["access_token"])
        call(f"/accounts/{key.account_id}/wallets", tokens["access_token"])
        key.clock.shift(minutes=50)
        refreshed = token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        call("/ping", refreshed["access_token"])
        key.clock.shift(minutes=15)
        call("/ping", tokens["access_token"])  # expired by now
        key.faults.add("unavailable", times=1)
        token(grant_type="client_credentials", scope="/ping.read")
        other = token(grant_type="client_credentials", scope="/ping.read")
        token(grant_type="client_credentials", scope="/pong.read")
        client.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(key.client_id, "wrong"))
        client.post(
            "/oauth2/revoke", data={"token": other["access_token"]}, auth=(key.client_id, key.client_secret)
        )
        call("/ping", other["access_token"])


def main() -> None:
    """Take them."""
    with MockMoov() as moov, tempfile.TemporaryDirectory() as profile, browsing(Path(profile)) as browser:
        key = moov.new_api_key(client_id="checkout", origins=["https://shop.example"])
        traffic(moov, key)
        tab, driver = Tab(browser.driver, moov.url), browser.driver
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _SIZE)
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            for name, view in VIEWS.items():
                tab.open(view).shows("Live")
                time.sleep(1.5)  # the time line is drawn once the clocks are known
                image = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
                (ROOT / "docs" / f"page-{name}-{scheme}.png").write_bytes(base64.b64decode(image))


if __name__ == "__main__":
    main()
