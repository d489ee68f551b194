"""What the tests of the page share: a browser, a server, and a tab that shows its page."""

from collections.abc import Iterator

import pytest

from mockmoov.testing import MockMoov
from tests.support.browser import Browser, browsing
from tests.support.page import Tab


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def moov() -> Iterator[MockMoov]:
    with MockMoov() as server:
        yield server


@pytest.fixture
def tab(browser: Browser, moov: MockMoov) -> Iterator[Tab]:
    opened = Tab(browser.driver, moov.url)
    yield opened
    problems = opened.problems()
    opened.leave()
    assert problems == []
