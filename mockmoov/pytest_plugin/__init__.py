"""Owns the pytest fixtures, the marker and the options. Must not know how a server is run or controlled.

Imports nothing of ours until a fixture is used.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from mockmoov.client import TokenClient
    from mockmoov.pytest_plugin.marker import Wishes
    from mockmoov.testing import MintedToken, MockMoov, MoovKey

_KEY = pytest.StashKey["MoovKey | None"]()
_SERVERS = pytest.StashKey[dict[str, "MockMoov"]]()
_Answer = TypeVar("_Answer")
_MARKER = """\
mockmoov(faults=[...], scope="...", untriggered_faults="fail", **members): configure `moov` for this test. \
`faults`: names of presets, or mappings; `scope`: the scope of `moov_token`; \
`untriggered_faults`: fail or ignore. Any other member is an attribute of the API key (scopes, origins, ...) \
or a setting (default_version, token_format, ...), which gives the test a server with that setting."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("mockmoov")
    group.addoption("--mockmoov-url", metavar="URL", help="Use the mockmoov at this URL, and start none.")
    parser.addini("mockmoov_url", "URL of a running mockmoov; --mockmoov-url wins.", default="")
    wanted = "What the mockmoov at that URL wants in X-Mockmoov-Token."
    parser.addini("mockmoov_control_token", wanted, default="")
    parser.addini("mockmoov_ca_file", "CA certificate, PEM, of an https URL there.", default="")
    parser.addini("mockmoov_settings", "Settings of the server, a line each: NAME = VALUE.", type="linelist")
    wish = "fail (default) or ignore: planned faults that never happened."
    parser.addini("mockmoov_untriggered_faults", wish, default="fail")
    shown = "How many exchanges a failed test shows; default 20, 0 for none."
    parser.addini("mockmoov_exchanges", shown, default="20")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; refuse values in the ini file that mean nothing."""
    config.addinivalue_line("markers", _MARKER)
    if config.getini("mockmoov_untriggered_faults") not in ("fail", "ignore"):
        raise pytest.UsageError("mockmoov_untriggered_faults must be fail or ignore")
    if not re.fullmatch("[0-9]{1,9}", config.getini("mockmoov_exchanges")):
        raise pytest.UsageError("mockmoov_exchanges must be a whole number")
    if not re.fullmatch(r"(https?://[^\s@]+)?", _url(config)):
        raise pytest.UsageError("--mockmoov-url (mockmoov_url) must be http:// or https://, naming no user")
    for line in config.getini("mockmoov_settings"):
        if "=" not in line:
            raise pytest.UsageError(f"mockmoov_settings must be lines of NAME = VALUE, which {line!r} is not")
        if url := _url(config):
            raise pytest.UsageError(
                f"mockmoov_settings cannot set a server that runs already, as {url} does: "
                "-o mockmoov_settings= leaves them out"
            )


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockmoov(pytestconfig: pytest.Config) -> "MockMoov":
    """The server of this session: one that is started for it, or the one of `--mockmoov-url`."""
    return _server(pytestconfig, {})


@pytest.fixture
def moov(request: pytest.FixtureRequest) -> Iterator["MoovKey"]:
    """A fresh API key on the server, with a clock, faults and a journal of its own; gone after the test."""
    wishes, stash = _wishes(request.node), request.node.stash
    server: MockMoov = (
        _server(request.config, wishes.settings) if wishes.settings else request.getfixturevalue("mockmoov")
    )
    with _told_in_a_line():
        key = server.new_api_key(**wishes.attributes)
    try:
        for fault in wishes.faults:
            with _told_in_a_line():
                key.faults.add(**fault)
        stash[_KEY] = key
        yield key
    finally:
        stash[_KEY] = None
        _unless_gone(key.delete)


@pytest.fixture
def moov_api_key(moov: "MoovKey") -> Mapping[str, str]:
    """The credentials and ids of that key: client_id, client_secret, account_id, application_id."""
    return moov.credentials


@pytest.fixture
def moov_token(request: pytest.FixtureRequest, moov: "MoovKey") -> "MintedToken":
    """An access token of that key, with the scope that the marker names, or `/ping.read`."""
    with _told_in_a_line():
        return moov.mint(_wishes(request.node).scope)


@pytest.fixture
def moov_client(pytestconfig: pytest.Config, moov: "MoovKey") -> Iterator["TokenClient"]:
    """A client of ours with the credentials of that key."""
    import ssl  # noqa: PLC0415 - who does not use it does not pay

    import httpx2  # noqa: PLC0415

    from mockmoov.client import TokenClient  # noqa: PLC0415

    trusted = ssl.create_default_context(cafile=pytestconfig.getini("mockmoov_ca_file") or None)
    with httpx2.Client(trust_env=False, verify=trusted) as http:
        yield TokenClient(
            moov.url, client_id=moov.client_id, client_secret=moov.client_secret or "", http_client=http
        )


@pytest.fixture
def moov_env(moov: "MoovKey", monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment variables that Moov's SDKs and most programs read, set for this test."""
    for name, value in moov.environ.items():
        monkeypatch.setenv(name, value)
    return moov.environ


# --- what a test asks for -------------------------------------------------------------------------


def _wishes(node: pytest.Item) -> "Wishes":
    """The markers of a test, the nearest one winning."""
    from mockmoov.pytest_plugin.marker import read_wishes  # noqa: PLC0415

    members: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("mockmoov"))):
        if marker.args:
            pytest.fail("@pytest.mark.mockmoov takes keyword arguments only", pytrace=False)
        members |= marker.kwargs
    with _told_in_a_line("@pytest.mark.mockmoov: "):
        return read_wishes(members)


def _server(config: pytest.Config, settings: Mapping[str, Any]) -> "MockMoov":
    """The server with these settings beside those of the ini file; one for all tests that want the same."""
    servers = config.stash.setdefault(_SERVERS, {})
    name = repr(sorted(settings.items()))
    if name not in servers:
        with _told_in_a_line():
            servers[name] = _new_server(config, settings)
        config.add_cleanup(servers[name].stop)
    return servers[name]


def _new_server(config: pytest.Config, settings: Mapping[str, Any]) -> "MockMoov":
    from mockmoov.pytest_plugin.marker import read_settings  # noqa: PLC0415
    from mockmoov.testing import MockMoov  # noqa: PLC0415

    url = _url(config)
    if not url:
        with _told_in_a_line("mockmoov_settings: "):
            given = read_settings(config.getini("mockmoov_settings"))
        return MockMoov(**{**given, **settings})
    if settings:
        raise ValueError(f"the server at {url} runs already: a marker cannot set {', '.join(settings)}")
    control_token, ca_file = map(config.getini, ("mockmoov_control_token", "mockmoov_ca_file"))
    return MockMoov.connect(url, control_token=control_token or None, ca_file=ca_file or None)


def _url(config: pytest.Config) -> str:
    """Of the server that runs elsewhere; empty if there is none."""
    return config.getoption("--mockmoov-url") or str(config.getini("mockmoov_url"))


@contextmanager
def _told_in_a_line(beginning: str = "mockmoov: ") -> Iterator[None]:
    """What is refused, or not there, fails the test with its message, without a traceback."""
    from mockmoov.testing import BindError, ControlError  # noqa: PLC0415

    try:
        yield
    except (BindError, ControlError, ValueError) as error:
        from mockmoov.pytest_plugin.option_names import spelled  # noqa: PLC0415

        raise pytest.fail.Exception(f"{beginning}{spelled(error)}", pytrace=False) from None


def _unless_gone(ask: Callable[[], _Answer]) -> _Answer | None:
    """What a key says of itself; None if the test has deleted it, or reset the server."""
    from mockmoov.testing import ControlError  # noqa: PLC0415

    with _told_in_a_line():
        try:
            return ask()
        except ControlError as error:
            if error.status == 404:
                return None
            raise


# --- what a test is told --------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed although a fault that it planned never happened, or its marker was idle."""
    result = yield
    if _has_idle_marker(item):
        pytest.fail(
            "@pytest.mark.mockmoov says what `moov` is to be, and this test does not use it", pytrace=False
        )
    key = item.stash.get(_KEY, None)
    if key is not None:
        from mockmoov.pytest_plugin.reports import untriggered_faults  # noqa: PLC0415

        wish = _wishes(item).untriggered_faults or item.config.getini("mockmoov_untriggered_faults")
        untriggered = _unless_gone(key.faults.untriggered) if wish == "fail" else None
        if untriggered:
            pytest.fail(untriggered_faults(untriggered), pytrace=False)
    return result


def _has_idle_marker(item: pytest.Item) -> bool:
    """Whether a test, and not only its class or module, has the marker, but never had `moov`."""
    is_marked = any(marker.name == "mockmoov" for marker in item.own_markers)
    return is_marked and _KEY not in item.stash and "moov" not in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test asked, and the reasons that it was given."""
    report = yield
    key, most = item.stash.get(_KEY, None), int(item.config.getini("mockmoov_exchanges"))
    if key is not None and most and report.failed:
        from mockmoov.pytest_plugin.reports import history  # noqa: PLC0415

        report.sections.append(("mockmoov", history(key, most)))
    return report
