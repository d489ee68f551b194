"""The web page: who may have its files, what they may do, and that they load nothing from elsewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from mockmoov.web import web_page
from mockmoov.web.app import create_app
from tests.support.apps import access_log, loopback_app, network_app
from tests.support.asgi import ask, ask_all
from tests.support.servers import new_server

FOLDER = Path(web_page.__file__).parent / "page"
FILES = sorted(FOLDER.iterdir())
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TOKEN = "only-for-tests-0123456789"
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
EMBEDDED = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}


@pytest.mark.parametrize("path", ["/", "/_mockmoov"])
def test_a_browser_is_led_to_the_page_and_nobody_else(path: str) -> None:
    app = loopback_app()
    page = ask(app, "GET", path, headers=HTML)
    assert (page.status_code, page.headers["location"]) == (302, "/_mockmoov/")
    assert ask(app, "HEAD", path, headers=HTML).status_code == 302
    for method, headers in (("GET", {}), ("GET", {"accept": "*/*"}), ("POST", HTML)):
        other = ask(app, method, path, headers=headers)
        assert (other.status_code, other.content) == (404, b"")
        assert other.headers["x-mockmoov-reason"]


def test_root_says_how_to_turn_the_page_on() -> None:
    response = ask(network_app(), "GET", "/", headers=HTML)
    assert (response.status_code, response.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert response.text == (
        "This is mockmoov. It has a page, but the control plane is off: "
        "set control_token, or set control to on\n"
    )
    assert ask(network_app(control_token=TOKEN), "GET", "/", headers=HTML).status_code == 302


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_need_no_token_and_forbid_everything_foreign(file: Path) -> None:
    app = network_app(control_token=TOKEN)
    path = "/_mockmoov/" if file.name == "index.html" else f"/_mockmoov/page/{file.name}"
    response, head = ask_all(app, [("GET", path, {}), ("HEAD", path, {})])
    assert (response.status_code, response.content) == (200, file.read_bytes())
    assert (head.status_code, head.content) == (200, b"")
    assert {name: response.headers.get(name) for name in EXPECTED} == EXPECTED
    assert response.headers["content-type"] == TYPES[file.suffix]
    assert ask(app, "GET", "/_mockmoov/config").status_code == 401


EXPECTED = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "access-control-allow-origin": None,
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def test_only_links_lead_to_the_page_from_another_site() -> None:
    foreign = {"origin": "https://evil.example"}
    requests: list[tuple[str, dict[str, str], int]] = [
        ("/_mockmoov/", LINK, 200),
        ("/_mockmoov/", EMBEDDED, 403),
        ("/_mockmoov/page/main.js", EMBEDDED, 403),
        ("/_mockmoov/page/main.js", foreign, 403),
        ("/_mockmoov/page/main.js", {"origin": "http://localhost"}, 200),
        ("/_mockmoov/page/main.js", {"sec-fetch-site": "same-origin"}, 200),
        ("/_mockmoov/", {"host": "evil.example"}, 421),
        ("/_mockmoov/config", LINK, 403),
    ]
    asked = [("GET", path, {"headers": headers}) for path, headers, _ in requests]
    found = [response.status_code for response in ask_all(loopback_app(), asked)]
    assert found == [status for *_, status in requests]


def test_unknown_files_and_methods_are_refused() -> None:
    app = loopback_app()
    paths = (
        "/_mockmoov/page/none.js",
        "/_mockmoov/page/..%2fapp.py",
        "/_mockmoov/page/%2e%2e/app.py",
        "/_mockmoov",
    )
    for path in paths:
        assert ask(app, "GET", path).status_code == 404, path
    response = ask(app, "POST", "/_mockmoov/", json={})
    assert (response.status_code, response.headers["allow"], response.content) == (405, "GET, HEAD", b"")


def test_neither_the_journal_nor_the_log_fill_up_while_the_page_is_open() -> None:
    app = create_app(new_server(), exposure="loopback")
    by_page = {"headers": {"sec-fetch-site": "same-origin"}}
    with access_log() as lines:
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/_mockmoov/", {"headers": HTML}),
            ("GET", "/_mockmoov/page/main.js", by_page),
            ("GET", "/_mockmoov/exchanges/wait?timeout=0", by_page),
            ("POST", "/_mockmoov/reset", {**by_page, "json": {}}),
            ("GET", "/_mockmoov/none", by_page),
        ]
        *_, journal = ask_all(app, [*asked, ("GET", "/_mockmoov/exchanges", by_page)])
    assert journal.json()["count"] == 0
    assert [line.split()[:2] for line in lines] == [
        ["GET", "/_mockmoov/"],
        ["POST", "/_mockmoov/reset"],
        ["GET", "/_mockmoov/none"],
    ]


# --- the files ----------------------------------------------------------------------------------

_FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "localStorage",
)


def test_files_are_light_and_load_nothing_from_elsewhere() -> None:
    assert sum(file.stat().st_size for file in FILES) < 150_000
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert [word for word in _FORBIDDEN if word in text] == [], file.name
        hosts = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert hosts <= {"http://localhost", "https://api.moov.io"}, file.name  # in texts
        names = re.findall(r"(?:from |import |href=|src=)\"(?:\./|page/)([\w.-]+)\"", text)
        assert set(names) <= {file.name for file in FILES}, file.name
    index = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", index) == []
