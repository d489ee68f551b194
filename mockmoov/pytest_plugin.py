"""Owns the pytest fixtures, the marker and the options. Must not know how a server is run or controlled.

Imports nothing of ours until a fixture is used.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest

if TYPE_CHECKING:
    from mockmoov.client import TokenClient
    from mockmoov.double import MintedToken, MockMoov, MoovKey

_KEY = pytest.StashKey["MoovKey"]()
_SERVERS = pytest.StashKey[dict[str, "MockMoov"]]()
_Answer = TypeVar("_Answer")
_WISHES = ("fail", "ignore")
_SHOWN_WISHES = " or ".join(_WISHES)
_MARKER = """\
mockmoov(faults=[...], scope="...", unmet_faults="fail", **members): what `moov` is to be in this test. \
`faults`: presets by name, or members of faults; `scope`: of `moov_token`; `unmet_faults`: fail or ignore; \
any other member is an attribute of the API key (scopes, origins, ...) or a setting of the server \
(default_version, token_format, ...), which then is one of its own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("mockmoov")
    group.addoption(
        "--mockmoov-url", metavar="URL", help="Use the mockmoov at this URL instead of starting one."
    )
    parser.addini("mockmoov_url", "URL of a running mockmoov; --mockmoov-url wins.")
    parser.addini("mockmoov_control_token", "What the mockmoov at that URL wants in X-Mockmoov-Token.")
    parser.addini("mockmoov_settings", "Settings of the server, a line each: NAME = VALUE.", type="linelist")
    wish = "fail (default) or ignore: planned faults that never happened."
    parser.addini("mockmoov_unmet_faults", wish, default="fail")
    shown = "How many exchanges a failed test shows; default 20, 0 for none."
    parser.addini("mockmoov_exchanges", shown, default="20")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; refuse values in the ini file that mean nothing."""
    config.addinivalue_line("markers", _MARKER)
    if config.getini("mockmoov_unmet_faults") not in _WISHES:
        raise pytest.UsageError(f"mockmoov_unmet_faults must be {_SHOWN_WISHES}")
    if not re.fullmatch("[0-9]{1,9}", config.getini("mockmoov_exchanges")):
        raise pytest.UsageError("mockmoov_exchanges must be a whole number")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    for server in config.stash.get(_SERVERS, {}).values():
        server.stop()


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockmoov(pytestconfig: pytest.Config) -> "MockMoov":
    """The server of this session: one that is started for it, or the one of `--mockmoov-url`."""
    return _server(pytestconfig, {})


@pytest.fixture
def moov(request: pytest.FixtureRequest) -> Iterator["MoovKey"]:
    """A fresh API key on the server, with a clock, faults and a journal of its own; gone after the test."""
    asked = _Asked(request.node)
    server = _server(request.config, asked.settings)
    key = _do(server.new_api_key, **asked.attributes)
    try:
        for fault in asked.faults:
            _do(key.faults.add, **({"preset": fault} if isinstance(fault, str) else fault))
        request.node.stash[_KEY] = key
        yield key
    finally:
        _unless_gone(key.delete)


@pytest.fixture
def moov_api_key(moov: "MoovKey") -> Mapping[str, str]:
    """The credentials and ids of that key: client_id, client_secret, account_id, application_id."""
    return moov.credentials


@pytest.fixture
def moov_token(request: pytest.FixtureRequest, moov: "MoovKey") -> "MintedToken":
    """An access token of that key, with the scope that the marker names, or `/ping.read`."""
    return _do(moov.mint, scope=_Asked(request.node).scope)


@pytest.fixture
def moov_client(moov: "MoovKey") -> Iterator["TokenClient"]:
    """A client of ours with the credentials of that key."""
    import httpx2  # noqa: PLC0415 - who does not use it does not pay

    from mockmoov.client import TokenClient  # noqa: PLC0415

    with httpx2.Client(trust_env=False) as http:
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


class _Asked:
    """The markers of a test, the nearest one winning, sorted by whom they concern."""

    def __init__(self, node: pytest.Item) -> None:
        from mockmoov.double.arguments import KeyArguments, SettingArguments  # noqa: PLC0415
        from mockmoov.wording import nearest  # noqa: PLC0415

        members: dict[str, Any] = {}
        for marker in reversed(list(node.iter_markers("mockmoov"))):
            if marker.args:
                _refuse("@pytest.mark.mockmoov takes keyword arguments only")
            members |= marker.kwargs
        self.faults: list[Any] = list(members.pop("faults", ()))
        self.scope: str = members.pop("scope", "/ping.read")
        self.unmet_faults: str | None = members.pop("unmet_faults", None)
        keys, settings = KeyArguments.__annotations__, SettingArguments.__annotations__
        for name in members:
            if name not in keys and name not in settings:
                known = ["faults", "scope", "unmet_faults", *keys, *settings]
                _refuse(f"@pytest.mark.mockmoov has no {name}{nearest(name, known)}")
        self.attributes = {name: value for name, value in members.items() if name in keys}
        self.settings = {name: value for name, value in members.items() if name not in keys}


def _refuse(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)


def _do(change: Callable[..., _Answer], **members: Any) -> _Answer:
    """Do it for the markers."""
    from mockmoov.double import ControlError  # noqa: PLC0415

    try:
        return change(**members)
    except (ControlError, TypeError, ValueError) as error:
        _refuse(f"@pytest.mark.mockmoov: {error}")


def _server(config: pytest.Config, settings: Mapping[str, Any]) -> "MockMoov":
    """The server with these settings beside those of the ini file; one for all tests that want the same."""
    from mockmoov.double import BindError, ControlError, MockMoov, SettingsError  # noqa: PLC0415

    servers = config.stash.setdefault(_SERVERS, {})
    name = repr(sorted(settings.items()))
    if name not in servers:
        url = config.getoption("--mockmoov-url") or config.getini("mockmoov_url")
        if url and settings:
            _refuse(
                f"the server at {url} runs already: @pytest.mark.mockmoov cannot set {', '.join(settings)}"
            )
        try:
            servers[name] = (
                MockMoov.connect(url, control_token=config.getini("mockmoov_control_token") or None)
                if url
                else MockMoov(**{**_ini_settings(config), **settings})
            )
        except (BindError, ControlError, SettingsError) as error:
            _refuse(str(error))
    return servers[name]


def _ini_settings(config: pytest.Config) -> dict[str, Any]:
    lines = (line.partition("=") for line in config.getini("mockmoov_settings"))
    return {name.strip(): value.strip() for name, _, value in lines}


# --- what a test is told --------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed although a fault that it planned never happened."""
    result = yield
    key = item.stash.get(_KEY, None)
    if key is not None and _wants_faults_met(item):
        unmet = _unless_gone(key.faults.unmet)
        if unmet:
            pytest.fail(_explain(unmet), pytrace=False)
    return result


def _wants_faults_met(item: pytest.Item) -> bool:
    wish = _Asked(item).unmet_faults or item.config.getini("mockmoov_unmet_faults")
    if wish not in _WISHES:
        _refuse(f"unmet_faults of @pytest.mark.mockmoov must be {_SHOWN_WISHES}")
    return bool(wish == "fail")


def _unless_gone(ask: Callable[[], _Answer]) -> _Answer | None:
    """What a key says of itself; None if the test has deleted it, or reset the server."""
    from mockmoov.double import ControlError  # noqa: PLC0415

    try:
        return ask()
    except ControlError as error:
        if error.status != 404:
            raise
        return None


def _explain(unmet: tuple[Any, ...]) -> str:
    from mockmoov.faults import described  # noqa: PLC0415

    return "\n".join(
        [
            "planned faults that never happened to any request:",
            *(f"  - {described(fault)}" for fault in unmet),
            "The program asked less, or otherwise, than the plan expects: compare with the exchanges below.",
            "To allow this: @pytest.mark.mockmoov(unmet_faults='ignore'), or mockmoov_unmet_faults = ignore.",
        ]
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test asked, and the reasons that it was given."""
    report = yield
    key = item.stash.get(_KEY, None)
    most = int(item.config.getini("mockmoov_exchanges"))
    if key is not None and most and call.when == "call" and report.failed:
        report.sections.append(("mockmoov", _history(key, most)))
    return report


def _history(key: "MoovKey", most: int) -> str:
    from mockmoov.double import ControlError  # noqa: PLC0415
    from mockmoov.journal import told  # noqa: PLC0415

    try:
        exchanges, dropped = key.exchanges(), key.exchanges.dropped
    except ControlError as error:
        return f"the exchanges of {key} cannot be shown: {error}"
    shown = [told(exchange) for exchange in exchanges[max(0, len(exchanges) - most) :]]
    return "\n".join([f"the last {len(shown)} of {len(exchanges) + dropped} exchanges of {key}", *shown])
