"""The page in a browser: tokens on the time line, and the decoder."""

import httpx2
import pytest

from mockmoov.testing import MockMoov
from tests.support.page import Tab, request_token

pytestmark = pytest.mark.slow


def position_of_now(tab: Tab) -> float:
    """Where the line of now is, in pixels; 0 while there is none."""
    return float(tab.run("return document.querySelector('line.now')?.getAttribute('x1') ?? 0"))


def ping(moov: MockMoov, token: str) -> int:
    return httpx2.get(f"{moov.url}/ping", headers={"authorization": f"Bearer {token}"}).status_code


def test_life_of_a_family_is_on_the_time_line(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    first = request_token(moov, key).json()
    key.clock.shift(minutes=30)
    second = request_token(moov, key, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    tab.open("tokens").shows("Live", "Family")
    tab.until(lambda: len(tab.all("token-bar")) == 2)
    assert len(tab.all("token-lane")) == 1
    form = {"token": second["access_token"]}
    httpx2.post(f"{moov.url}/oauth2/revoke", data=form, auth=(key.client_id, key.client_secret))
    assert ping(moov, second["access_token"]) == 401
    request_token(moov)  # another key, another family
    tab.until(lambda: len(tab.all("token-lane")) == 2)
    tab.driver.find_element("css selector", "details summary").click()
    table = tab.find("token-table")
    tab.until(lambda: "Revoked 2 #2" in table.text and "Active 1 #1" in table.text)
    tab.open("tokens/2")
    details = tab.find("token-details")
    tab.until(lambda: "Refused" in details.text and "/ping.read" in details.text)
    jti = moov.exchanges()[1].issued["access_token"]
    assert jti in details.text
    assert second["access_token"] not in tab.driver.page_source


def test_line_of_now_moves_with_the_clock_and_stands_still_with_it(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    token = request_token(moov, key).json()["access_token"]
    tab.open("tokens")
    before = tab.until(lambda: position_of_now(tab))
    key.clock.shift(minutes=30)
    ping(moov, token)  # the page looks at a clock after each exchange of its key
    tab.until(lambda: position_of_now(tab) > before + 50)
    tab.click("token-bar")
    tab.until(lambda: "left" in tab.find("time-left").text or "in" in tab.find("time-left").text)
    key.clock.shift(hours=2)
    ping(moov, token)
    tab.until(lambda: "xpired" in tab.find("token-details").text)


def test_page_says_what_is_missing(tab: Tab, moov: MockMoov) -> None:
    tab.open("tokens").shows("The journal has no tokens yet.", "records neither minted tokens nor resets")
    moov.mint("/ping.read")
    request_token(moov)
    tab.until(lambda: tab.all("token-bar"))
    assert (len(tab.all("token-bar")), len(tab.all("token-lane"))) == (1, 1)


def test_dropped_exchanges_are_counted(tab: Tab) -> None:
    with MockMoov(journal_size=5) as small:
        for _ in range(8):
            request_token(small)
        other = Tab(tab.driver, small.url).open("tokens")
        other.shows("The journal dropped 3 exchanges")
        assert len(other.all("token-bar")) == 5
        other.leave()
    tab.open("start").shows("Live")


def test_decoder_reads_a_token_and_judges_its_scopes(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    token = key.mint("/ping.read /accounts/{accountID}/cards.read", lifetime=3600)
    tab.open("tokens").shows("Live")
    tab.enter("decode-token", token)
    tab.shows("Not expired.", "/accounts/", '"EdDSA"', "checkout")
    tab.until(lambda: "Signed by the key" in tab.text or "Not checked" in tab.text)
    for operation, verdict in {
        "ping": "Enough",
        "listCards": "Enough for the account",
        "linkCard": "Not enough. Missing: /accounts/{accountID}/cards.write",
        "createApplicationKey": "takes no token",
    }.items():
        tab.enter("decode-operation", operation)
        tab.until(lambda expected=verdict: expected in tab.find("scope-check").text, operation)  # type: ignore[misc]
    key.clock.shift(hours=2)
    tab.enter("decode-token", key.mint("/ping.read", defect="expired"))
    tab.shows("Expired.")
    tab.enter("decode-token", key.mint("/ping.read", defect="bad-signature"))
    tab.until(lambda: "The signature is wrong" in tab.text or "Not checked" in tab.text)
    tab.enter("decode-token", "no.token")
    tab.until(lambda: tab.find("decode-error").text)
    assert token not in tab.driver.current_url
