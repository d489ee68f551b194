"""The web page in a headless Chromium, as a user sees and drives it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from mockmoov.testing import MockMoov, MoovKey
from tests.support.servers import CLIENT_ID, CLIENT_SECRET

_SIZE = (1280, 900)
_WAIT_SECONDS = 10
_POLL_SECONDS = 0.05
_REFUSED = "the server responded with a status of 422"  # Chromium logs it; the page displays why
_ADDRESSES = "return performance.getEntriesByType('resource').map(entry => entry.name)"
# Choose an option as a user does; false if there is none with this value yet.
_CHOOSE = """
const [field, value] = arguments;
if (![...field.options].some(option => option.value === value)) return false;
field.value = value;
for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, {bubbles: true}));
return true;
"""
_Found = TypeVar("_Found")


class Tab:
    """A tab that shows the page of the server at `url`. Elements are found by their `data-testid`."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.leave()

    def leave(self) -> None:
        """Close the page, so that it asks its server nothing more, and forget what it logged."""
        self.driver.set_window_size(*_SIZE)
        self.driver.get("about:blank")
        self._log()

    def open(self, view: str = "") -> "Tab":
        """Load the page anew, at a view such as `exchanges?status=4xx`."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/_mockmoov/" + (f"#/{view}" if view else ""))
        return self

    def until(self, find: Callable[[], _Found | None], why: str = "") -> _Found:
        """What a function finds, once that is true."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                if found := find():
                    return found
            except StaleElementReferenceException:  # it was drawn again
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{why or 'it'} did not happen; the page has: {self.text[:2000]}")
            time.sleep(_POLL_SECONDS)

    @property
    def text(self) -> str:
        """All that the page displays."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, *texts: str) -> None:
        """Wait until the page displays all of these texts."""
        self.until(lambda: all(text in self.text for text in texts), f"to show {texts}")

    def all(self, testid: str, within: WebElement | None = None) -> list[WebElement]:
        """The elements that are there now."""
        return (within or self.driver).find_elements(By.CSS_SELECTOR, f'[data-testid="{testid}"]')

    def find(self, testid: str, within: WebElement | None = None) -> WebElement:
        """The first one, once it is visible."""
        return self.until(
            lambda: next((each for each in self.all(testid, within) if each.is_displayed()), None), testid
        )

    def click(self, testid: str, within: WebElement | None = None) -> None:
        """Click it."""
        self.find(testid, within).click()

    def enter(self, testid: str, text: str, within: WebElement | None = None) -> None:
        """Put a text into a field, or choose an option."""
        field = self.find(testid, within)
        if field.tag_name == "select":
            self.until(lambda: self.run(_CHOOSE, field, text), f"the choice {text}")
        else:
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text or Keys.DELETE)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def problems(self) -> list[str]:
        """What the console complains about, and what was loaded from elsewhere."""
        return self._log() + [name for name in self.run(_ADDRESSES) if not name.startswith(f"{self.url}/")]

    def _log(self) -> list[str]:
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        messages = [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]
        return [message for message in messages if _REFUSED not in message]


def request_token(moov: MockMoov, key: MoovKey | None = None, **form: str) -> httpx2.Response:
    """Request a token with an API key, or else the example key."""
    auth = (key.client_id, key.client_secret) if key else (CLIENT_ID, CLIENT_SECRET)
    form = form or {"grant_type": "client_credentials", "scope": "/ping.read"}
    return httpx2.post(f"{moov.url}/oauth2/token", data=form, auth=auth)
