"""The page in a browser: each control does what its API does, and its curl line does the same."""

import subprocess
from pathlib import Path

import httpx2
import pytest

from mockmoov.testing import MockMoov, MoovKey
from tests.support.page import Tab, request_token

pytestmark = pytest.mark.slow


def confirm(tab: Tab) -> None:
    tab.click("confirm-yes")


def seconds(of: MockMoov | MoovKey) -> float:
    return of.clock.now().timestamp()


def run_curl(tab: Tab, testid: str, **env: str) -> None:
    line = str(tab.run("return arguments[0].textContent", tab.all(testid)[0]))
    path = {"PATH": "/usr/bin:/bin", **env}
    subprocess.run(
        ["/bin/sh", "-c", f"{line} --silent --fail"], env=path, check=True, timeout=20, capture_output=True
    )


def test_clock_is_moved_frozen_and_resumed(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    tab.open("controls/checkout").shows("Live", "Ticks")
    tab.click("clock-move-3600")
    tab.shows("1 h ahead of the server's clock")
    assert 3590 < seconds(key) - seconds(moov) < 3610
    tab.enter("clock-seconds", "-1800")
    tab.click("clock-shift")
    tab.until(lambda: 1790 < seconds(key) - seconds(moov) < 1810)
    tab.enter("clock-time-to", "2030-01-01T00:00:00Z")
    tab.click("clock-move-to")
    tab.shows("2030-01-01 00:00")
    tab.click("clock-freeze")
    tab.shows("Frozen")
    frozen = key.clock.now()
    tab.click("clock-resume")
    tab.until(lambda: key.clock.now() > frozen)
    tab.enter("clock-time-to", "yesterday")
    tab.click("clock-move-to")
    tab.shows("must be Unix seconds or ISO 8601")


def test_faults_are_planned_counted_and_removed(tab: Tab, moov: MockMoov) -> None:
    tab.open("controls").shows("Live", "No faults are planned.")
    tab.enter("fault-preset", "unavailable")
    tab.enter("fault-endpoint", "token")
    tab.enter("fault-times", "2")
    tab.click("fault-add")
    tab.shows("Matched 0 times, triggered 0 times")
    assert request_token(moov).status_code == 503
    tab.shows("Matched once, triggered once")
    tab.enter("fault-endpoint", "tokn")
    tab.click("fault-add")
    tab.shows("did you mean token?")
    tab.click("fault-remove")
    tab.shows("No faults are planned.")
    assert moov.faults.list() == ()


def test_stubs_answer(tab: Tab, moov: MockMoov) -> None:
    tab.open("controls").shows("Live", "No stubs are planned.")
    tab.enter("stub-endpoint", "listAccounts")
    tab.enter("stub-body", '[{"accountID": "1"}]')
    tab.click("stub-add")
    tab.until(lambda: tab.all("stub-item"))
    headers = {"authorization": f"Bearer {moov.mint('/accounts.read')}"}
    assert httpx2.get(f"{moov.url}/accounts", headers=headers).json() == [{"accountID": "1"}]
    tab.enter("stub-body", "{")
    tab.click("stub-add")
    tab.shows("The body is not JSON")


def test_stub_starts_from_the_example_of_a_description(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "moov.yaml"
    file.write_text(DESCRIPTION)
    with MockMoov(openapi=str(file)) as described:
        other = Tab(tab.driver, described.url).open("controls")
        other.shows("Live")
        other.enter("stub-endpoint", "listAccounts")
        other.click("stub-example")
        other.until(lambda: '"accountID": "a"' in str(other.find("stub-body").get_attribute("value")))
        other.enter("stub-endpoint", "ping")
        other.click("stub-example")
        other.shows("The server has no example for ping.")
        assert other.find("stub-status").get_attribute("value") == "200"
        other.leave()
    tab.open("start").shows("Live")


DESCRIPTION = """
openapi: 3.1.0
info: {title: Moov, version: "1"}
paths:
  /accounts:
    get:
      responses:
        "200":
          description: The accounts.
          content: {application/json: {example: [{accountID: a}]}}
"""


def test_minted_token_appears_once_and_is_handed_to_the_decoder(tab: Tab, moov: MockMoov) -> None:
    tab.open("controls").shows("Live", "Mint a token")
    tab.until(lambda: "expired" in tab.find("mint-defect").text)
    tab.click("mint")
    token = tab.find("minted-token").get_attribute("value") or ""
    headers = {"authorization": f"Bearer {token}"}
    assert httpx2.get(f"{moov.url}/ping", headers=headers).status_code == 200
    tab.click("decode-minted")
    tab.shows("Not expired.")
    assert token not in tab.driver.current_url
    tab.open("controls").shows("Mint a token")
    assert token not in tab.driver.page_source
    tab.enter("mint-defect", "expired")
    tab.click("mint")
    spoiled = tab.find("minted-token").get_attribute("value") or ""
    assert httpx2.get(f"{moov.url}/ping", headers={"authorization": f"Bearer {spoiled}"}).status_code == 401


def test_api_keys_are_created_changed_and_deleted(tab: Tab, moov: MockMoov) -> None:
    tab.open("controls").shows("Live", "API keys")
    tab.enter("key-new-origins", "https://shop.example")
    tab.click("key-create")
    tab.find("key-created")
    assert tab.find("secret").text == "••••••••"
    tab.click("secret-reveal")
    secret = tab.find("secret").text
    tab.until(lambda: len(tab.all("key-item")) == 2)
    item = tab.all("key-item")[0]
    assert "https://shop.example" in item.text
    name = item.text.split()[0]
    auth = (name, secret)
    form = {"grant_type": "client_credentials", "scope": "/ping.read"}
    assert httpx2.post(f"{moov.url}/oauth2/token", data=form, auth=auth).status_code == 200
    item.find_element("css selector", "summary").click()
    tab.click("key-enabled", item)
    tab.click("key-save", item)
    tab.until(lambda: httpx2.post(f"{moov.url}/oauth2/token", data=form, auth=auth).status_code == 401)
    tab.until(lambda: "Disabled" in tab.all("key-item")[0].text)
    item = tab.all("key-item")[0]
    item.find_element("css selector", "summary").click()
    tab.click("key-delete", item)
    confirm(tab)
    tab.until(lambda: len(tab.all("key-item")) == 1)
    tab.open("controls").shows("Live")
    assert secret not in tab.driver.page_source


def test_signing_key_is_rotated_and_the_server_reset(tab: Tab, moov: MockMoov) -> None:
    token = request_token(moov).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    tab.open("controls").shows("Live", "Signs")
    tab.click("signing-rotate")
    tab.until(lambda: len(tab.all("signing-item")) == 2)
    assert httpx2.get(f"{moov.url}/ping", headers=headers).status_code == 200
    tab.click("signing-drop")
    confirm(tab)
    tab.until(lambda: len(tab.all("signing-item")) == 1)
    assert httpx2.get(f"{moov.url}/ping", headers=headers).status_code == 401
    token = request_token(moov).json()["access_token"]
    tab.click("reset")
    confirm(tab)
    headers = {"authorization": f"Bearer {token}"}
    tab.until(lambda: httpx2.get(f"{moov.url}/ping", headers=headers).status_code == 401)


def test_curl_lines_do_the_same(tab: Tab, moov: MockMoov) -> None:
    tab.open("controls").shows("Live", "Ticks")
    before = seconds(moov)
    tab.enter("clock-seconds", "7200")
    run_curl(tab, "clock-shift-curl")
    assert 7190 < seconds(moov) - before < 7260
    tab.enter("fault-preset", "unavailable")
    tab.enter("fault-times", "1")
    run_curl(tab, "fault-add-curl")
    tab.enter("stub-endpoint", "listAccounts")
    tab.enter("stub-body", '{"it\'s": "$HOME `id`"}')
    run_curl(tab, "stub-add-curl")
    assert [fault.status for fault in moov.faults.list()] == [503]
    assert [stub.json for stub in moov.stubs.list()] == [{"it's": "$HOME `id`"}]
