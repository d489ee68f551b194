"""The pytest plugin and files of state: tests use one only if their suite names it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from mockmoov.client import TokenClient
from mockmoov.pytest_plugin import marker, reports

ROOT = Path(__file__).parents[2]
# A run in this process unloads what it imports first; these stay loaded. A second cryptography doesn't work.
LOADED = (TokenClient, marker, reports, trustme)
OWN = ("-W", "error", "-p", "no:cacheprovider", "-p", "mockmoov.pytest_plugin")
Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Run a file of tests in this process; `ini` are lines of the ini file."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("MOCKMOOV_STORE", f"sqlite:{pytester.path / 'of-the-environment.db'}")
    for name in ("MOCKMOOV_URL", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)

    def run(tests: str, *, ini: str = "", conftest: str = "") -> pytest.RunResult:
        pytester.makefile(".ini", pytest=f"[pytest]\n{ini}")
        pytester.makepyfile(test_it=tests, conftest=conftest)
        return pytester.runpytest_inprocess(*OWN)

    return run


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".db" in path.name)


def test_plugin_keeps_state_in_memory_whatever_is_in_the_environment(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    tests = "def test_it(mockmoov, moov): assert mockmoov.config['store']['value'] == 'memory'"
    suite(tests).assert_outcomes(passed=1)
    assert files_in(pytester.path) == []


KEPT = """
    from pathlib import Path

    def test_it(moov, moov_token, mockmoov):
        kept = Path("kept")
        if kept.exists():
            assert mockmoov.api_keys.get(kept.read_text()).exchanges.count() == 0
        kept.write_text(mockmoov.new_api_key().client_id)
        assert moov_token.claims["exp"] - moov_token.claims["iat"] == 60
"""
FIXTURE = """
    import pytest
    from mockmoov import MockMoov

    @pytest.fixture(scope="session")
    def mockmoov():
        with MockMoov(store="sqlite:state.db", access_token_lifetime=60) as server:
            yield server
"""


@pytest.mark.parametrize(
    "configuration",
    [
        {"conftest": FIXTURE},
        {"ini": "mockmoov_settings =\n    store = sqlite:state.db\n    access_token_lifetime = 60\n"},
    ],
    ids=["a fixture", "the ini file"],
)
def test_suite_may_name_a_file_that_the_next_run_finds(
    suite: Suite, pytester: pytest.Pytester, configuration: dict[str, str]
) -> None:
    for _ in range(2):
        suite(KEPT, **configuration).assert_outcomes(passed=1)
        assert files_in(pytester.path) == ["state.db"]  # closed


def test_marker_may_name_a_file_that_its_tests_share(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        """
        import pytest

        urls = set()

        @pytest.mark.mockmoov(store="sqlite:marked.db")
        @pytest.mark.parametrize("turn", range(2))
        def test_marked(turn, moov, mockmoov):
            urls.add(moov.url)
            assert moov.url != mockmoov.url and len(urls) == 1
            assert moov.client_id not in {key.client_id for key in mockmoov.api_keys}

        @pytest.mark.mockmoov(store="sqlite:none/marked.db")
        def test_wrong(moov): pass
        """
    ).assert_outcomes(passed=2, errors=1)
    assert files_in(pytester.path) == ["marked.db"]


WORKERS = """
    import os

    import pytest

    @pytest.mark.parametrize("turn", range(4))
    def test_it(turn, mockmoov, moov):
        worker = os.environ["PYTEST_XDIST_WORKER"]
        assert mockmoov.config["store"]["value"].endswith(f"/state-{worker}.db")
        assert len(mockmoov.api_keys.list()) == 2  # the key of the settings, and that of this test
"""


@pytest.mark.slow
def test_workers_of_xdist_have_a_file_each(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makefile(".ini", pytest="[pytest]\nmockmoov_settings = store = sqlite:state.db\n")
    pytester.makepyfile(test_it=WORKERS)
    for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "MOCKMOOV"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess(*OWN, "-p", "xdist", "-n", "2", "--dist=each")
    result.assert_outcomes(passed=8)
    assert files_in(pytester.path) == ["state-gw0.db", "state-gw1.db"]
