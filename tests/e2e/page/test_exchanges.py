"""The page in a browser: the exchanges, what reaches it from outside, and who may have it."""

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from selenium.webdriver import Keys

from mockmoov.testing import MockMoov
from tests.support.browser import Browser
from tests.support.page import Tab, request_token
from tests.support.servers import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.slow
TOKEN = "only-for-tests-0123456789"
HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "\"'><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "{{constructor.constructor('window.hacked=1')()}}",
    "\u202egnol\u2066" + "x" * 400,
)


def rows(tab: Tab) -> list[str]:
    return [" ".join(row.text.split()) for row in tab.all("exchange")]


def has_rows(tab: Tab, count: int) -> bool:
    return len(rows(tab)) == count


def run_curl(line: str) -> str:
    """What a copied command prints, in a shell that has the secret."""
    env = {"CLIENT_SECRET": CLIENT_SECRET, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", f"{line} --silent"], env=env, check=True, capture_output=True, text=True, timeout=20
    ).stdout


# --- what it displays ---------------------------------------------------------------------------


def test_exchanges_appear_while_the_page_is_open(tab: Tab, moov: MockMoov) -> None:
    tab.open().shows("Live", "No requests yet.")
    key = moov.new_api_key(client_id="checkout")
    request_token(moov, key)
    request_token(moov, key, grant_type="client_credentials", scope="/pong.read")
    tab.until(lambda: len(rows(tab)) == 2)
    refused, granted = rows(tab)
    assert "token 200 checkout 2023" in granted
    assert "token 400 checkout 2023 scope /pong.read is not known" in refused
    key.faults.add("unavailable", times=1)
    request_token(moov, key)
    tab.until(lambda: "503" in rows(tab)[0] and "fault" in rows(tab)[0])


def test_filters_are_in_the_url(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    request_token(moov)
    request_token(moov, key)
    request_token(moov, key, grant_type="none")
    httpx2.get(f"{moov.url}/ping")
    for query, expected in {
        "key=checkout": 2,
        "status=4xx": 2,
        "status=200&key=checkout": 1,
        "endpoint=ping": 1,
        "text=GRANT_TYPE%20must": 1,
        "text=nothing+of+the+kind": 0,
    }.items():
        tab.open(f"exchanges?{query}")
        tab.until(partial(has_rows, tab, expected), query)
    tab.open().shows("Live")
    tab.enter("filter-key", "checkout")
    tab.enter("filter-status", "2xx")
    tab.until(lambda: len(rows(tab)) == 1)
    address = tab.driver.current_url
    assert "key=checkout" in address
    tab.driver.refresh()
    tab.until(lambda: len(rows(tab)) == 1)
    assert tab.driver.current_url == address


def test_an_exchange_has_an_address_details_and_a_curl_command(tab: Tab, moov: MockMoov) -> None:
    request_token(moov)
    tab.open("exchanges/1")
    details = tab.find("details")
    for text in ("POST /oauth2/token", "client_credentials", "/ping.read", "Basic ..."):
        assert text in details.text
    command = tab.find("curl", details).text
    assert CLIENT_SECRET not in command
    assert "access_token" in json.loads(run_curl(command))
    assert moov.exchanges.count(status=200) == 2


def test_arrow_keys_enter_and_escape_lead_through_the_list(tab: Tab, moov: MockMoov) -> None:
    for _ in range(3):
        request_token(moov)
    tab.open()
    tab.until(lambda: len(rows(tab)) == 3)
    tab.click("exchange")
    tab.find("details")
    assert tab.driver.current_url.endswith("/3")
    tab.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    tab.until(lambda: not tab.find("exchange") or not tab.driver.current_url.endswith("/3"))


def test_paused_page_counts_and_cleared_journal_is_empty(tab: Tab, moov: MockMoov) -> None:
    request_token(moov)
    tab.open()
    tab.until(lambda: len(rows(tab)) == 1)
    tab.click("pause")
    request_token(moov)
    tab.until(lambda: "1 new" in tab.text)
    assert len(rows(tab)) == 1
    tab.click("pause")
    tab.until(lambda: len(rows(tab)) == 2)
    tab.click("clear")
    tab.click("clear-confirm")
    tab.shows("No requests yet.")
    assert moov.exchanges.count() == 0


def test_page_notices_what_is_cleared(tab: Tab, moov: MockMoov) -> None:
    key = moov.new_api_key(client_id="checkout")
    request_token(moov)
    request_token(moov, key)
    tab.open()
    tab.until(lambda: len(rows(tab)) == 2)
    for _ in range(5):
        with httpx2.Client(base_url=moov.url) as client:
            control = {"content-type": "application/json"}
            client.request("DELETE", "/_mockmoov/exchanges", headers=control)
            client.get("/ping")  # at once: its number is one that the page knows
        tab.until(lambda: len(rows(tab)) == 1 and "ping" in rows(tab)[0])
    request_token(moov, key)
    tab.until(lambda: len(rows(tab)) == 2)
    key.delete()
    tab.until(lambda: len(rows(tab)) == 1)


def test_page_lets_go_of_dropped_exchanges(tab: Tab) -> None:
    with MockMoov(journal_size=3) as small:
        other = Tab(tab.driver, small.url).open()
        other.shows("Live")
        for _ in range(5):
            request_token(small)
        other.until(lambda: len(rows(other)) == 3)
        other.shows("The journal dropped 2")
        assert small.exchanges.count() == 3
        other.leave()
    tab.open("start").shows("Live")


def test_full_journal_has_few_rows_and_all_are_found(browser: Browser) -> None:
    with MockMoov() as moov, httpx2.Client(base_url=moov.url) as client:
        for number in range(10_100):
            client.get("/ping", headers={"user-agent": f"number {number}."})
        tab = Tab(browser.driver, moov.url).open()
        tab.shows("10000 exchanges", "The journal dropped 100")
        assert 0 < len(rows(tab)) <= 500
        tab.enter("filter-text", "number 5000.")
        tab.until(lambda: len(rows(tab)) == 1)
        assert tab.problems() == []
        tab.leave()


def test_unanswered_operation_leads_to_the_stubs_of_its_key(tab: Tab, moov: MockMoov) -> None:
    bearer = {"authorization": f"Bearer {moov.mint('/accounts.read')}"}
    assert httpx2.get(f"{moov.url}/accounts", headers=bearer).status_code == 501
    tab.open("exchanges/1").find("add-stub").click()
    tab.shows("Stubs")
    assert tab.driver.current_url.endswith(f"#/controls/{CLIENT_ID}")


# --- hostile text -------------------------------------------------------------------------------


def test_hostile_text_runs_nothing_and_breaks_no_layout(tab: Tab, moov: MockMoov) -> None:
    with httpx2.Client(base_url=moov.url) as client:
        for number, text in enumerate(HOSTILE):
            name = "".join(character for character in text if character.isascii() and character != ":")
            key = moov.new_api_key(client_id=f"{number}{name}"[:60])
            auth = (key.client_id, key.client_secret)
            agent = (b"user-agent", text.encode())
            client.post("/oauth2/token", data={"grant_type": text, "scope": text}, auth=auth)
            client.post("/oauth2/token", json={"scope": text, text: text}, headers=[agent])
            client.get(f"/accounts/{httpx2.QueryParams({'a': text})}", headers=[agent])
            bearer = (b"authorization", b"Bearer " + text.encode())
            client.get("/ping", params={text: text}, headers=[agent, bearer])
            moov.stubs.add("listAccounts", json={text: text}, times=1)
            bearer = (b"authorization", f"Bearer {moov.mint('/accounts.read')}".encode())
            client.get("/accounts", params={"name": text}, headers=[agent, bearer])
    for view in VIEWS:
        tab.open(view).shows("Live")
        for number in range(1, 6) if view == "exchanges" else ():
            tab.open(f"exchanges/{number}")
            tab.find("details")
            assert_calm(tab)
        assert_calm(tab)


VIEWS = ("exchanges", "tokens", "controls", "start")


def assert_calm(tab: Tab) -> None:
    assert tab.run("return window.hacked") is None
    assert tab.run("return document.querySelectorAll('img:not([width]), script:not([src])').length") == 0
    assert tab.run("return document.documentElement.scrollWidth <= window.innerWidth") is True


# --- who may have it ----------------------------------------------------------------------------


def test_page_asks_for_the_control_token_and_keeps_it_for_the_tab(browser: Browser) -> None:
    with MockMoov(control_token=TOKEN) as moov:
        tab = Tab(browser.driver, moov.url).open()
        tab.enter("control-token", "wrong")
        tab.find("control-token").send_keys(Keys.ENTER)
        tab.shows("This token is wrong.")
        tab.enter("control-token", TOKEN)
        tab.find("control-token").send_keys(Keys.ENTER)
        tab.shows("Live")
        tab.driver.refresh()
        tab.shows("Live")
        assert tab.run("return [localStorage.length, document.cookie]") == [0, ""]
        assert TOKEN not in tab.driver.current_url
        tab.run("sessionStorage.clear()")
        tab.leave()


def test_page_recovers_from_a_restart_and_notices_another_version(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MockMoov() as moov:
        port = int(moov.url.rpartition(":")[2])
        moov.faults.add("unavailable", endpoint="revoke")
        request_token(moov)
        tab = Tab(browser.driver, moov.url).open("controls")
        tab.until(lambda: tab.all("fault-item"))
        tab.click("nav-exchanges")
        tab.until(lambda: len(rows(tab)) == 1)
    tab.shows("The server is not responding")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "9.9.9")
    with MockMoov(port=port) as moov:
        for _ in range(3):  # at once, so that the old number is there again
            request_token(moov, grant_type="none")
        tab.shows("Live", "9.9.9")
        tab.until(lambda: len(rows(tab)) == 3 and all("400" in row for row in rows(tab)))
        tab.click("nav-controls")
        tab.shows("No faults are planned.")
        assert tab.all("fault-item") == []


@pytest.mark.parametrize("name", ["localhost", "shop.example", "evil.example"])
def test_other_pages_can_neither_read_nor_drive_it(browser: Browser, moov: MockMoov, name: str) -> None:
    moov.clock.freeze()
    before = moov.clock.now()
    json_type = {"content-type": "application/json"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/_mockmoov/", {}),
        ("/_mockmoov/page/main.js", {}),
        ("/_mockmoov/exchanges", {}),
        ("/_mockmoov/exchanges", {"mode": "no-cors"}),
        ("/_mockmoov/clock/shift", {"method": "POST", "headers": json_type, "body": '{"hours": 1}'}),
        ("/_mockmoov/clock/shift", {"method": "POST", "mode": "no-cors", "body": '{"hours": 1}'}),
    ]
    for path, options in calls:
        read = browser.fetch(name, moov.url + path, **options)
        assert (read.status, read.body) == (0, ""), (path, options)
    frame = (
        "const made = document.createElement('iframe'); made.src = arguments[0]; document.body.append(made);"
    )
    browser.driver.execute_script(frame, f"{moov.url}/_mockmoov/")
    assert moov.clock.now() == before


# --- start here, accessibility ------------------------------------------------------------------


def test_start_has_commands_that_work_here(tab: Tab, moov: MockMoov) -> None:
    tab.open("start").shows("Moov's contract of 2023", "default_version")
    command = tab.find("start-curl").text
    assert "access_token" in json.loads(run_curl(command))
    assert moov.url in tab.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_accessibility_problem(
    tab: Tab, moov: MockMoov, installed: Callable[[str, Path], Path], scheme: str
) -> None:
    axe = installed("axe-core", Path(__file__).parent / "package.json") / "node_modules/axe-core/axe.min.js"
    request_token(moov)
    request_token(moov, grant_type="none")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for view in (*VIEWS, "exchanges/1"):
        tab.open(view).shows("Live")
        tab.run(axe.read_text(encoding="utf-8"))
        found = tab.driver.execute_async_script("const done = arguments[0]; axe.run().then(done, done);")
        serious = [
            (each["id"], [node["target"] for node in each["nodes"]][:3])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], view
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
