"""What holds for every test: how many examples Hypothesis draws, and how much an unmarked test may cost."""

import os
import time
from collections.abc import Generator

import pytest
from hypothesis import settings
from hypothesis import strategies as st

pytest_plugins = ["pytester"]

# `make test` uses quick, `make test-all` full, `make test-soak` soak. CI draws the same examples each time.
for name, max_examples in {"quick": 10, "full": 100, "soak": 2000}.items():
    if os.environ.get("CI") and name != "soak":
        settings.register_profile(
            name, max_examples=max_examples, deadline=None, derandomize=True, database=None, print_blob=True
        )
    else:
        settings.register_profile(name, max_examples=max_examples, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def unicode_tables() -> None:
    """Have Hypothesis make its tables of characters: that takes seconds, once in a new clone."""
    st.text().validate()


MAX_CPU_SECONDS = 2.0  # of a test that is not marked slow


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail an unmarked test that uses much processor time: it must be marked, or made cheaper."""
    began = time.process_time()
    yield
    used = time.process_time() - began
    is_marked = any(item.get_closest_marker(name) for name in ("slow", "soak"))
    is_quick = item.config.getoption("hypothesis_profile") in (None, "quick")
    if used > MAX_CPU_SECONDS and is_quick and not is_marked:
        pytest.fail(f"it used {used:.1f} s of processor time: mark it slow, or make it cheaper")
