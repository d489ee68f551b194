"""The pytest plugin: fixtures, the marker `mockmoov`, options, and what a failed test shows.

pytest imports this module in every run, so it imports the rest of mockmoov only where it is used.
"""

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from mockmoov.client import TokenClient
    from mockmoov.pytest_plugin.marker import MarkerOptions
    from mockmoov.testing import MintedToken, MockMoov, MoovKey

_KEY = pytest.StashKey["MoovKey | None"]()  # the key of `moov`; None once the fixture has ended
_SERVERS = pytest.StashKey[dict[str, "MockMoov"]]()
_Result = TypeVar("_Result")
_MARKER = """\
mockmoov(faults=[...], stubs=[...], scope="...", untriggered="fail", **others): configure `moov` for this \
test. `faults`: preset names or mappings; `stubs`: mappings; `scope`: that of `moov_token`; \
`untriggered`: fail or ignore, if a fault or stub is never used; \
`others`: attributes of the API key (scopes, origins, ...) or server settings (default_version, ...). \
Tests with equal server settings share a server."""


# --- options --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("mockmoov")
    group.addoption("--mockmoov-url", metavar="URL", help="Use the running mockmoov at this URL.")
    url = "URL of a running mockmoov; MOCKMOOV_URL and --mockmoov-url override it."
    parser.addini("mockmoov_url", url, default="")
    parser.addini("mockmoov_control_token", "The control_token of the mockmoov at that URL.", default="")
    parser.addini("mockmoov_ca_file", "PEM file with the CA certificate for an https URL.", default="")
    parser.addini("mockmoov_settings", "Server settings, one NAME = VALUE per line.", type="linelist")
    untriggered = "What to do if a planned fault or stub is never used: fail (default) or ignore."
    parser.addini("mockmoov_untriggered", untriggered, default="fail")
    exchanges = "Number of exchanges that a failed test shows; default 20, 0 for none."
    parser.addini("mockmoov_exchanges", exchanges, default="20")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and check the options."""
    config.addinivalue_line("markers", _MARKER)
    if config.getini("mockmoov_untriggered") not in ("fail", "ignore"):
        raise pytest.UsageError("mockmoov_untriggered must be fail or ignore")
    if not re.fullmatch("[0-9]{1,9}", config.getini("mockmoov_exchanges")):
        raise pytest.UsageError("mockmoov_exchanges must be a whole number")
    if not re.fullmatch(r"(https?://[^\s@]+)?", _url(config)):
        raise pytest.UsageError(
            "--mockmoov-url (mockmoov_url) must start with http:// or https:// and contain no user name"
        )
    for line in config.getini("mockmoov_settings"):
        if "=" not in line:
            raise pytest.UsageError(f"mockmoov_settings: each line must be NAME = VALUE, not {line!r}")


def _url(config: pytest.Config) -> str:
    """The URL of the running server to use, or "". `mockmoov run -- pytest` sets the variable."""
    return str(
        config.getoption("--mockmoov-url") or os.environ.get("MOCKMOOV_URL") or config.getini("mockmoov_url")
    )


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockmoov(pytestconfig: pytest.Config) -> "MockMoov":
    """The server of this session: started for it, or the running one at `--mockmoov-url`."""
    return _server(pytestconfig, {})


@pytest.fixture
def moov(request: pytest.FixtureRequest) -> Iterator["MoovKey"]:
    """A new API key with its own clock, faults, stubs and exchanges; deleted after the test."""
    options, stash = _marker_options(request.node), request.node.stash
    server: MockMoov = (
        _server(request.config, options.settings) if options.settings else request.getfixturevalue("mockmoov")
    )
    with _fail_in_one_line():
        key = server.new_api_key(**options.attributes)
    try:
        for fault in options.faults:
            with _fail_in_one_line():
                key.faults.add(**fault)
        for stub in options.stubs:
            with _fail_in_one_line():
                key.stubs.add(**stub)
        stash[_KEY] = key
        yield key
    finally:
        stash[_KEY] = None
        _unless_deleted(key.delete)


@pytest.fixture
def moov_api_key(moov: "MoovKey") -> Mapping[str, str]:
    """The credentials and ids of `moov`: client_id, client_secret, account_id, application_id."""
    return moov.credentials


@pytest.fixture
def moov_token(request: pytest.FixtureRequest, moov: "MoovKey") -> "MintedToken":
    """An access token of `moov` with the scope from the marker, or `/ping.read`."""
    with _fail_in_one_line():
        return moov.mint(_marker_options(request.node).scope)


@pytest.fixture
def moov_client(pytestconfig: pytest.Config, moov: "MoovKey") -> Iterator["TokenClient"]:
    """A `mockmoov.client.TokenClient` with the credentials of `moov`."""
    from mockmoov.config.real_files import real_files  # noqa: PLC0415

    with real_files(), _fail_in_one_line("mockmoov_ca_file "):
        import httpx2  # noqa: PLC0415

        from mockmoov.client import TokenClient  # noqa: PLC0415
        from mockmoov.config.tls_trust import trust_context  # noqa: PLC0415

        trusted = trust_context(pytestconfig.getini("mockmoov_ca_file") or None)
        http = httpx2.Client(trust_env=False, verify=trusted)
    with http:
        yield TokenClient(
            moov.url, client_id=moov.client_id, client_secret=moov.client_secret, http_client=http
        )


@pytest.fixture
def moov_env(moov: "MoovKey", monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment variables that Moov's SDKs and most programs read, set for this test."""
    for name, value in moov.environ.items():
        monkeypatch.setenv(name, value)
    return moov.environ


def _server(config: pytest.Config, settings: Mapping[str, Any]) -> "MockMoov":
    """The server with these settings and those of the ini file; tests with equal settings share it.

    An application equals only itself, whatever its `repr`. Its server keeps it, so that no other gets its id.
    """
    from mockmoov.config.real_files import real_files  # noqa: PLC0415

    servers = config.stash.setdefault(_SERVERS, {})
    name = repr(sorted((key, id(value) if callable(value) else value) for key, value in settings.items()))
    if name not in servers:
        with real_files(), _fail_in_one_line():
            servers[name] = _new_server(config, settings)
        config.add_cleanup(servers[name].stop)
    return servers[name]


def _new_server(config: pytest.Config, settings: Mapping[str, Any]) -> "MockMoov":
    from mockmoov.pytest_plugin.marker import read_settings  # noqa: PLC0415
    from mockmoov.testing import MockMoov  # noqa: PLC0415

    with _fail_in_one_line("mockmoov_settings: "):
        settings = {**read_settings(config.getini("mockmoov_settings")), **settings}
    url = _url(config)
    if not url:
        return MockMoov(**settings)
    control_token, ca_file = map(config.getini, ("mockmoov_control_token", "mockmoov_ca_file"))
    control_token = control_token or os.environ.get("MOCKMOOV_CONTROL_TOKEN")
    server = MockMoov.connect(url, control_token=control_token or None, ca_file=ca_file or None)
    if names := server.differing_settings(settings):
        server.stop()
        raise ValueError(
            f"the running server at {url} has another {', '.join(names)} than mockmoov_settings or the "
            "marker: give it to that server, as in `mockmoov run --NAME VALUE -- pytest`"
        )
    return server


# --- checks and reports ---------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed if its marker had no effect, or a planned fault or stub was never used."""
    result = yield
    is_marked = any(marker.name == "mockmoov" for marker in item.own_markers)  # not its class or module
    if is_marked and _KEY not in item.stash and "moov" not in getattr(item, "fixturenames", ()):
        pytest.fail(
            "@pytest.mark.mockmoov has no effect: this test does not use the fixture moov", pytrace=False
        )
    key = item.stash.get(_KEY, None)
    if key is not None:
        from mockmoov.pytest_plugin.reports import untriggered_plans  # noqa: PLC0415

        marker_option = _marker_options(item).untriggered
        if (marker_option or item.config.getini("mockmoov_untriggered")) == "fail":
            faults = _unless_deleted(key.faults.untriggered) or ()
            stubs = _unless_deleted(key.stubs.untriggered) or ()
            if message := untriggered_plans(faults, stubs):
                pytest.fail(message, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last exchanges of a failed test."""
    report = yield
    key, limit = item.stash.get(_KEY, None), int(item.config.getini("mockmoov_exchanges"))
    if key is not None and limit and report.failed:
        from mockmoov.pytest_plugin.reports import last_exchanges  # noqa: PLC0415

        report.sections.append(("mockmoov", last_exchanges(key, limit)))
    return report


# --- helpers --------------------------------------------------------------------------------------


def _marker_options(node: pytest.Item) -> "MarkerOptions":
    """The options from all markers of a test; the closest marker wins."""
    from mockmoov.pytest_plugin.marker import read_marker  # noqa: PLC0415

    arguments: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("mockmoov"))):
        if marker.args:
            pytest.fail("@pytest.mark.mockmoov takes keyword arguments only", pytrace=False)
        arguments |= marker.kwargs
    with _fail_in_one_line("@pytest.mark.mockmoov: "):
        return read_marker(arguments)


@contextmanager
def _fail_in_one_line(prefix: str = "mockmoov: ") -> Iterator[None]:
    """Turn an error of mockmoov into a test failure without a traceback."""
    from mockmoov.testing import BindError, ControlError, StartError  # noqa: PLC0415

    try:
        yield
    except (BindError, ControlError, StartError, ValueError) as error:
        from mockmoov.pytest_plugin.reports import with_option_names  # noqa: PLC0415

        raise pytest.fail.Exception(f"{prefix}{with_option_names(error)}", pytrace=False) from None


def _unless_deleted(action: Callable[[], _Result]) -> _Result | None:
    """Call a method of a key; None if the test has deleted the key or reset the server."""
    from mockmoov.testing import ControlError  # noqa: PLC0415

    with _fail_in_one_line():
        try:
            return action()
        except ControlError as error:
            if error.status == 404:
                return None
            raise
