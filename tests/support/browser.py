"""A headless Chromium and pages of any origin for it."""

import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.support.missing import without

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip
NAMES = ("shop.example", "evil.example")  # that are this machine to the browser
_FETCH = """
const [url, options, done] = arguments;
fetch(url, options).then(async answer => done({
    status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text(),
}), error => done({ error: String(error) }));
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a page could read of an answer; `status` is 0 if the browser did not let it."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""


class Browser:
    """Pages at `http://NAME:PORT/`, `fetch` called in them."""

    def __init__(self, driver: webdriver.Chrome, port: int) -> None:
        self.driver = driver
        self._port = port

    def origin(self, name: str) -> str:
        """The origin of the page with this host name."""
        return f"http://{name}:{self._port}"

    def fetch(self, name: str, url: str, **options: Any) -> Read:
        """Call `fetch` in the page with this host name."""
        if self.driver.current_url != f"{self.origin(name)}/":
            self.driver.get(f"{self.origin(name)}/")
        return Read(**self.driver.execute_async_script(_FETCH, url, options))


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile; without one the test is skipped, or fails in CI."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        without("Debian's chromium and chromium-driver are not on this machine")
    options = Options()
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = chromium
    rules = ", ".join(f"MAP {name} 127.0.0.1" for name in NAMES)
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}"):
        options.add_argument(flag)
    with _pages() as port:
        chrome = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(chrome, port)
        finally:
            chrome.quit()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><link rel=icon href=data:,><title>A page</title>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@contextlib.contextmanager
def _pages() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
