"""The plugin, in the hands of test suites as they are written elsewhere: each test here runs one."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from mockmoov.client import TokenClient
from mockmoov.pytest_plugin import marker, reports
from mockmoov.testing import MockMoov
from mockmoov.testing.environment import VARIABLES
from mockmoov.testing.types import KeyArguments, SettingArguments
from tests.support.serving import environment

ROOT = Path(__file__).parents[2]
CONTROL_TOKEN = "a-control-token-of-0123456789"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
NO_VARIABLES: Mapping[str, str] = {}
Suite = Callable[..., pytest.RunResult]

# Used by the suites. A run in this process forgets what it was the first to import; these it finds.
LOADED = (TokenClient, marker, reports)
NO_URL = "--mockmoov-url (mockmoov_url) must start with http:// or https:// and contain no user name"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[MockMoov]:
    """A server that runs already, and answers to no token."""
    with MockMoov() as server:
        httpx2.get(f"{server.url}/ping", headers={"authorization": f"Bearer {server.mint()}"})
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[MockMoov]:
    """One that wants a control token."""
    with MockMoov(control_token=CONTROL_TOKEN) as server:
        yield server


@pytest.fixture
def suite(pytester: pytest.Pytester, elsewhere: MockMoov) -> Suite:
    """Run a file of tests, in this process; `ini` are lines of the ini file."""

    def run(tests: str, *flags: str, ini: str = "", conftest: str = "") -> pytest.RunResult:
        pytester.makefile(".ini", pytest=INI + ini)
        pytester.makepyfile(test_it=tests, conftest=conftest)
        return pytester.runpytest_inprocess("-W", "error", "-p", "no:cacheprovider", *flags)

    return run


@pytest.fixture
def process(pytester: pytest.Pytester) -> Suite:
    """The same in a process of its own, with nothing of ours or pytest's in the environment."""

    def run(
        tests: str,
        *flags: str,
        ini: str = "",
        conftest: str = "",
        variables: Mapping[str, str] = NO_VARIABLES,
    ) -> pytest.RunResult:
        pytester.makefile(".ini", pytest=INI + ini)
        pytester.makepyfile(test_it=tests, conftest=conftest)
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            for name, value in {"PYTHONPATH": str(ROOT), **variables}.items():
                patch.setenv(name, value)
            return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *flags)

    return run


def lines_of(result: pytest.RunResult) -> str:
    return "\n".join(result.outlines)


def failure_of(result: pytest.RunResult) -> list[str]:
    """The lines of the only failure or error, without its title."""
    text = lines_of(result)
    found = re.search(r"\n_{5,} .*? _{5,}\n(.*?)\n(?:-{5,}|={5,}|_{5,}) ", text, re.DOTALL)
    assert found is not None, text
    return found[1].splitlines()


# --- the fixtures -------------------------------------------------------------------------------------


def test_moov_is_a_fresh_key_on_the_server_of_the_session(suite: Suite) -> None:
    suite(
        """
        import pytest

        seen = set()

        @pytest.mark.parametrize("turn", range(3))
        def test_it(turn, mockmoov, moov):
            assert moov.url == mockmoov.url
            assert moov.client_id in {key.client_id for key in mockmoov.api_keys}
            assert not moov.exchanges() and not moov.faults
            assert not seen & {key.client_id for key in mockmoov.api_keys}  # those of before are gone
            seen.add(moov.client_id)
            assert len(seen) == turn + 1
        """
    ).assert_outcomes(passed=3)


def test_the_other_fixtures_speak_for_that_key(suite: Suite) -> None:
    suite(
        """
        import os

        import httpx2

        def test_credentials(moov, moov_api_key):
            assert moov_api_key == {
                "client_id": moov.client_id,
                "client_secret": moov.client_secret,
                "account_id": moov.account_id,
                "application_id": moov.application_id,
            }
            assert moov.client_secret not in repr(moov_api_key)

        def test_token(moov, moov_token):
            assert moov_token.claims["scp"] == "/ping.read"
            answer = httpx2.get(f"{moov.url}/ping", headers={"authorization": f"Bearer {moov_token}"})
            assert answer.status_code == 200
            assert [exchange.path for exchange in moov.exchanges()] == ["/ping"]

        def test_client(moov, moov_client):
            token = moov_client.create(scope="/ping.read")
            assert moov_client.refresh(token).access_token != token.access_token
            assert moov.exchanges.count(endpoint="token", status=200) == 2

        def test_environment(moov, moov_env):
            assert moov_env["MOOV_BASE_URL"] == moov.url
            assert {name: os.environ[name] for name in moov_env} == moov_env
            assert moov.client_secret not in repr(moov_env)
        """
    ).assert_outcomes(passed=4)


def test_the_client_goes_straight_to_the_server_whatever_proxy_there_is(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://localhost:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    suite("def test_it(moov_client): moov_client.create(scope='/ping.read')").assert_outcomes(passed=1)


def test_the_environment_is_as_before_after_the_test(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    first, *others = VARIABLES
    monkeypatch.setenv(first, "of the user")
    for name in others:
        monkeypatch.delenv(name, raising=False)
    suite("def test_it(moov_env): pass").assert_outcomes(passed=1)
    assert {name: os.environ.get(name) for name in VARIABLES} == {first: "of the user"} | dict.fromkeys(
        others
    )


def test_a_key_outlives_the_fixtures_and_finalizers_that_use_it_and_no_more(
    suite: Suite, elsewhere: MockMoov
) -> None:
    before = [key.client_id for key in elsewhere.api_keys]
    suite(
        """
        import pytest

        @pytest.fixture
        def program(moov):
            yield moov
            assert moov.exchanges.count() == 0

        def test_it(program, request):
            request.addfinalizer(lambda: program.mint())

        @pytest.fixture
        def broken(moov):
            raise RuntimeError

        def test_that_never_begins(broken): pass

        def test_that_fails(moov):
            assert False

        def test_that_is_skipped(moov):
            pytest.skip("not today")

        @pytest.mark.mockmoov(faults=["no such thing"])
        def test_that_cannot_begin(moov): pass
        """,
        f"--mockmoov-url={elsewhere.url}",
    ).assert_outcomes(passed=1, failed=1, skipped=1, errors=2)
    assert [key.client_id for key in elsewhere.api_keys] == before


def test_the_servers_that_a_session_started_are_stopped_at_its_end(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    threads = threading.active_count()
    suite(
        """
        from pathlib import Path

        import pytest

        @pytest.mark.mockmoov(default_version="latest")
        def test_one(moov):
            Path("one").write_text(moov.url)

        def test_two(moov):
            Path("two").write_text(moov.url)
        """
    ).assert_outcomes(passed=2)
    urls = [(pytester.path / name).read_text() for name in ("one", "two")]
    assert urls[0] != urls[1]
    for url in urls:
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url)
    assert threading.active_count() == threads


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_a_fixture_that_lives_longer_than_a_test_is_told_that_moov_does_not(suite: Suite, scope: str) -> None:
    result = suite(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def program(moov): pass

        def test_it(program): pass
        """
    )
    result.assert_outcomes(errors=1)
    message = f"You tried to access the function scoped fixture moov with a {scope} scoped request object."
    assert message in lines_of(result)


def test_such_a_fixture_makes_a_key_of_its_own(suite: Suite) -> None:
    suite(
        """
        import pytest

        @pytest.fixture(scope="class")
        def key(mockmoov):
            key = mockmoov.new_api_key()
            yield key
            key.delete()

        class TestIt:
            def test_one(self, key):
                key.clock.freeze(0)

            def test_two(self, key):
                assert key.clock.now().timestamp() == 0
        """
    ).assert_outcomes(passed=2)


# --- the marker ---------------------------------------------------------------------------------------


def test_a_marker_says_what_the_key_the_token_and_the_plan_are_to_be(suite: Suite) -> None:
    suite(
        """
        import pytest

        from mockmoov.client import ServerError

        @pytest.mark.mockmoov(
            scopes=["/ping.read"],
            client_id="mine",
            client_secret="not-a-secret",
            scope="/fed.read /accounts/{accountID}/cards.read",
        )
        def test_key_and_token(moov, moov_token):
            assert (moov.client_id, moov.client_secret) == ("mine", "not-a-secret")
            assert moov.scopes == ("/ping.read",)
            assert moov_token.claims["scp"] == f"/fed.read /accounts/{moov.account_id}/cards.read"

        BAD_GATEWAY = {"status": 502, "endpoint": "ping"}

        @pytest.mark.mockmoov(faults=["unavailable", BAD_GATEWAY], untriggered_faults="ignore")
        def test_plan(moov, moov_client):
            assert [fault.status for fault in moov.faults] == [503, 502]
            with pytest.raises(ServerError):
                moov_client.create(scope="/ping.read")
        """
    ).assert_outcomes(passed=2)


def test_tests_that_want_the_same_settings_share_a_server_that_is_theirs_alone(suite: Suite) -> None:
    suite(
        """
        import pytest

        pytestmark = pytest.mark.mockmoov(access_token_lifetime=60)
        urls = []

        @pytest.mark.parametrize("turn", range(2))
        def test_of_the_module(moov, moov_token, turn):
            assert moov_token.claims["exp"] - moov_token.claims["iat"] == 60
            urls.append(moov.url)

        @pytest.mark.mockmoov(token_format="opaque", access_token_lifetime=30, scope="/fed.read")
        class TestClass:
            @pytest.mark.mockmoov(access_token_lifetime=10)
            def test_that_the_nearest_wins(self, moov, moov_token):
                assert moov_token.claims["exp"] - moov_token.claims["iat"] == 10
                assert moov_token.claims["scp"] == "/fed.read" and "." not in moov_token
                urls.append(moov.url)

        def test_urls(mockmoov):
            assert urls[0] == urls[1] and len({*urls, mockmoov.url}) == 3
        """
    ).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("scops=[]", "@pytest.mark.mockmoov: unknown argument scops; did you mean scopes?"),
        ("fault=[]", "@pytest.mark.mockmoov: unknown argument fault; did you mean faults?"),
        ("default_verison=1", "@pytest.mark.mockmoov: unknown argument default_verison; did you mean"),
        ("zzz=1", "@pytest.mark.mockmoov: unknown argument zzz"),
        ("'unavailable'", "@pytest.mark.mockmoov takes keyword arguments only"),
        ("faults='unavailable'", "@pytest.mark.mockmoov: faults must be a list of preset names or mappings"),
        (
            "faults=[503]",
            "@pytest.mark.mockmoov: each fault must be a preset name, or a mapping from names to values",
        ),
        (
            "faults=[{1: 2}]",
            "@pytest.mark.mockmoov: each fault must be a preset name, or a mapping from names to values",
        ),
        ("untriggered_faults='never'", "@pytest.mark.mockmoov: untriggered_faults must be fail or ignore"),
        ("faults=['unavialable']", "mockmoov: preset must be one of cut, "),
        ("faults=[{'stauts': 503}]", "mockmoov: there is no field stauts; did you mean status?"),
        ("faults=[{'status': object()}]", "mockmoov: this cannot be written as JSON"),
        (
            "faults=[{'status': 503, 'start': datetime(2030, 1, 1)}]",
            "mockmoov: a datetime needs a time zone here",
        ),
        ("scopes=['/pign.read']", "mockmoov: there is no scope /pign.read; did you mean /ping.read?"),
        ("default_version='latset'", "mockmoov: default_version must be "),
        ("host='203.0.113.7'", "mockmoov: "),
    ],
)
def test_a_marker_that_asks_for_what_is_not_there_is_refused_in_a_line(
    suite: Suite, marker: str, message: str
) -> None:
    result = suite(
        f"""
        from datetime import datetime

        import pytest

        @pytest.mark.mockmoov({marker})
        def test_it(moov): pass
        """
    )
    result.assert_outcomes(errors=1)
    [line] = failure_of(result)
    assert line.startswith(message)


IN_VAIN = "@pytest.mark.mockmoov has no effect: this test does not use the fixture moov"


@pytest.mark.parametrize("marker", ["faults=['unavailable']", "fualts=[]", "default_version='latest'", ""])
def test_a_marker_of_a_test_that_does_not_use_what_it_is_for_fails_in_a_line(
    suite: Suite, marker: str
) -> None:
    result = suite(
        f"""
        import pytest

        @pytest.mark.mockmoov({marker})
        def test_it(): pass

        @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.mockmoov({marker}))])
        def test_it_by_its_parameter(x): pass
        """
    )
    result.assert_outcomes(failed=2)
    assert result.outlines.count(IN_VAIN) == 2


def test_a_marker_of_a_class_or_a_module_asks_nothing_of_those_that_do_not_use_it(suite: Suite) -> None:
    suite(
        """
        import pytest

        pytestmark = pytest.mark.mockmoov(access_token_lifetime=60)

        @pytest.mark.mockmoov(faults=["unavailable"])
        class TestClass:
            def test_it(self): pass

        def test_it(): pass
        """
    ).assert_outcomes(passed=2)


def test_it_may_be_used_by_way_of_another_fixture_or_while_the_test_runs_or_be_ones_own(suite: Suite) -> None:
    suite(
        """
        import unittest

        import pytest

        @pytest.mark.mockmoov(scope="/fed.read")
        def test_another(moov_token):
            assert moov_token.claims["scp"] == "/fed.read"

        @pytest.mark.mockmoov(client_id="mine")
        def test_late(request):
            assert request.getfixturevalue("moov").client_id == "mine"

        @pytest.mark.mockmoov(client_id="mine")
        @pytest.mark.usefixtures("moov")
        def test_unseen(): pass

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def hold(self, moov): self.moov = moov

            @pytest.mark.mockmoov(client_id="mine")
            def test_it(self): assert self.moov.client_id == "mine"

        class TestOwn:
            @pytest.fixture
            def moov(self): return "own"

            @pytest.mark.mockmoov(client_id="mine")
            def test_it(self, moov): assert moov == "own"
        """
    ).assert_outcomes(passed=5)


def test_a_scope_that_cannot_be_one_is_refused_in_a_line(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.mark.mockmoov(scope="")
        def test_it(moov_token): pass
        """
    )
    result.assert_outcomes(errors=1)
    assert failure_of(result)[0].startswith("mockmoov: scope")


def test_a_marker_may_name_every_attribute_and_setting_and_no_name_is_both() -> None:
    keys, settings = set(KeyArguments.__annotations__), set(SettingArguments.__annotations__)
    assert not keys & settings
    read = marker.read_marker(dict.fromkeys([*keys, *settings]))
    assert (set(read.attributes), set(read.settings)) == (keys, settings)


def test_the_marker_and_the_options_are_explained(pytester: pytest.Pytester, suite: Suite) -> None:
    assert "@pytest.mark.mockmoov(faults=" in lines_of(suite("", "--markers"))
    text = lines_of(suite("", "--help"))
    for name in (
        "--mockmoov-url",
        "mockmoov_url",
        "mockmoov_control_token",
        "mockmoov_ca_file",
        "mockmoov_settings",
    ):
        assert name in text
    text = lines_of(suite("", "--fixtures"))
    for name in ("mockmoov", "moov", "moov_api_key", "moov_token", "moov_client", "moov_env"):
        assert re.search(rf"(?m)^{name}( \[session scope\])? -- ", text)


# --- the options --------------------------------------------------------------------------------------

ON_WHICH_SERVER = """
    import os

    def test_it(mockmoov, moov, moov_client):
        assert moov.url == mockmoov.url == os.environ["EXPECTED_URL"]
        moov_client.create(scope="/ping.read")
"""


def test_a_server_elsewhere_is_used_if_its_url_is_given(
    suite: Suite, elsewhere: MockMoov, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPECTED_URL", elsewhere.url)
    suite(ON_WHICH_SERVER, f"--mockmoov-url={elsewhere.url}").assert_outcomes(passed=1)
    suite(ON_WHICH_SERVER, f"--mockmoov-url={elsewhere.url}/").assert_outcomes(passed=1)
    suite(ON_WHICH_SERVER, ini=f"mockmoov_url = {elsewhere.url}").assert_outcomes(passed=1)
    flags, ini = f"--mockmoov-url={elsewhere.url}", "mockmoov_url = http://localhost:1"
    suite(ON_WHICH_SERVER, flags, ini=ini).assert_outcomes(passed=1)


def test_a_server_elsewhere_may_want_a_token(
    suite: Suite, guarded: MockMoov, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPECTED_URL", guarded.url)
    url = f"--mockmoov-url={guarded.url}"
    suite(ON_WHICH_SERVER, url, ini=f"mockmoov_control_token = {CONTROL_TOKEN}").assert_outcomes(passed=1)
    suite(ON_WHICH_SERVER, url, "-o", f"mockmoov_control_token={CONTROL_TOKEN}").assert_outcomes(passed=1)
    for ini in ("", "mockmoov_control_token = another-token-of-0123456789"):
        result = suite(ON_WHICH_SERVER, url, ini=ini)
        result.assert_outcomes(errors=1)
        said = "mockmoov: X-Mockmoov-Token is missing or wrong; set mockmoov_control_token"
        assert failure_of(result) == [said]
        assert "another-token" not in lines_of(result)


def test_a_server_elsewhere_may_have_https(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = str(tmp_path / "ca.pem")
    with MockMoov(tls=True, tls_ca_file=path) as moov:
        monkeypatch.setenv("EXPECTED_URL", moov.https_url)
        url = f"--mockmoov-url={moov.https_url}"
        suite(ON_WHICH_SERVER, url, ini=f"mockmoov_ca_file = {path}").assert_outcomes(passed=1)
        refused = suite(ON_WHICH_SERVER, url)
        absent = suite(ON_WHICH_SERVER, url, ini=f"mockmoov_ca_file = {path}-not")
        monkeypatch.setenv("SSL_CERT_FILE", path)
        suite(ON_WHICH_SERVER, url).assert_outcomes(passed=1)
    [said] = failure_of(refused)
    assert said.startswith(f"mockmoov: no mockmoov answers at {moov.https_url}: ")
    assert said.endswith("; set mockmoov_ca_file to the CA certificate")
    assert failure_of(absent) == [f"mockmoov: mockmoov_ca_file {path}-not: No such file or directory"]


@pytest.mark.parametrize("url", ["http://localhost:1", "http://["])
def test_a_server_that_is_not_there_fails_each_test_in_a_line(suite: Suite, url: str) -> None:
    result = suite("def test_one(moov): pass\ndef test_two(moov): pass", f"--mockmoov-url={url}")
    result.assert_outcomes(errors=2)
    messages = [line for line in result.outlines if line.startswith("mockmoov: ")]
    assert len(messages) == 2
    assert all(line.startswith(f"mockmoov: no mockmoov answers at {url}: ") for line in messages)
    assert "Traceback" not in lines_of(result)


def test_a_server_elsewhere_has_the_settings_that_it_has(suite: Suite, elsewhere: MockMoov) -> None:
    result = suite(
        """
        import pytest

        @pytest.mark.mockmoov(port=1, default_version="latest")
        def test_it(moov): pass
        """,
        f"--mockmoov-url={elsewhere.url}",
    )
    result.assert_outcomes(errors=1)
    assert failure_of(result) == [
        "mockmoov: the marker cannot change settings of the running server at "
        f"{elsewhere.url}: port, default_version"
    ]


def test_settings_stand_in_the_ini_file_and_a_marker_wins(suite: Suite) -> None:
    suite(
        """
        import pytest

        def test_ini(mockmoov):
            assert mockmoov.config["access_token_lifetime"]["value"] == 60
            assert mockmoov.config["issuer"]["value"] == "https://a=b.example"

        @pytest.mark.mockmoov(access_token_lifetime=10)
        def test_marker(moov, moov_token):
            assert moov_token.claims["exp"] - moov_token.claims["iat"] == 10
            assert moov_token.claims["iss"] == "https://a=b.example"
        """,
        ini="mockmoov_settings =\n    access_token_lifetime = 60\n    issuer=https://a=b.example\n",
    ).assert_outcomes(passed=2)


def test_a_wrong_setting_in_the_ini_file_fails_in_a_line(suite: Suite) -> None:
    result = suite("def test_it(mockmoov): pass", ini="mockmoov_settings = prot = 1")
    result.assert_outcomes(errors=1)
    assert failure_of(result) == ["mockmoov_settings: unknown setting prot; did you mean port?"]


def test_a_port_that_is_taken_fails_in_a_line(suite: Suite, elsewhere: MockMoov) -> None:
    port = elsewhere.url.rpartition(":")[2]
    result = suite("def test_it(moov): pass", ini=f"mockmoov_settings = port = {port}")
    result.assert_outcomes(errors=1)
    [line] = failure_of(result)
    assert re.match(rf"mockmoov: .*{port}.*in use", line), line


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        ("mockmoov_untriggered_faults = never", "mockmoov_untriggered_faults must be fail or ignore"),
        ("mockmoov_exchanges = -1", "mockmoov_exchanges must be a whole number"),
        ("mockmoov_exchanges = many", "mockmoov_exchanges must be a whole number"),
        (
            "mockmoov_settings = port 1",
            "mockmoov_settings: each line must be NAME = VALUE, not 'port 1'",
        ),
        (
            "mockmoov_url = http://there.example\nmockmoov_settings = port = 1",
            "mockmoov_settings cannot change the running server at http://there.example: "
            "clear them with -o mockmoov_settings=",
        ),
        ("mockmoov_url = localhost:8080", NO_URL),
        ("mockmoov_url = nonsense", NO_URL),
        ("mockmoov_url = http://user:very-secret@localhost", NO_URL),
    ],
)
def test_an_option_that_means_nothing_stops_the_run(
    suite: Suite, capsys: pytest.CaptureFixture[str], ini: str, message: str
) -> None:
    result = suite("def test_it(): pass", ini=ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in "\n".join(result.errlines)
    assert "very-secret" not in "\n".join(result.errlines)


def test_a_flag_that_is_no_url_stops_the_run(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    result = suite("def test_it(): pass", "--mockmoov-url=localhost:8080")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {NO_URL}" in "\n".join(result.errlines)


def test_settings_for_a_server_elsewhere_stop_the_run_until_they_are_taken_back(
    suite: Suite, elsewhere: MockMoov
) -> None:
    flags, ini = ["-q", f"--mockmoov-url={elsewhere.url}"], "mockmoov_settings = seed = 1"
    result = suite("def test_it(moov): pass", *flags, ini=ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    suite("def test_it(moov): pass", *flags, "-o", "mockmoov_settings=", ini=ini).assert_outcomes(passed=1)


# --- what a failed test shows -------------------------------------------------------------------------

PROGRAM = """
    from pathlib import Path

    import httpx2
    import pytest

    @pytest.fixture
    def program(moov, moov_client, moov_token):
        token = moov_client.create(scope="/ping.read")
        secrets = moov.client_secret, moov_token[-40:], token.access_token[-40:], token.refresh_token[-20:]
        Path("secrets").write_text("\\n".join(secrets))
        bearer = {"authorization": f"Bearer {moov_token}"}
        for _ in range(3):
            httpx2.get(f"{moov.url}/ping", headers=bearer)
        httpx2.post(f"{moov.url}/oauth2/token", auth=(moov.client_id, f"wrong-{moov.client_secret}"))
        moov.clock.shift(hours=2)
        httpx2.get(f"{moov.url}/ping", headers=bearer)
"""
FAILING = """
    def test_it(program, moov, moov_client, moov_token, moov_env, moov_api_key):
        assert moov.exchanges() == []
"""


@pytest.mark.parametrize("flags", [(), ("--showlocals", "--tb=long", "-vv"), ("-rA", "--log-level=DEBUG")])
def test_a_failed_test_shows_its_last_exchanges_with_their_reasons_and_no_secret(
    suite: Suite, pytester: pytest.Pytester, flags: tuple[str, ...]
) -> None:
    result = suite(FAILING, *flags, conftest=PROGRAM)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"-+ mockmoov -+",
            r"the last 6 of 6 exchanges of MoovKey\(client_id='.*', url='http://localhost:\d+'\)",
            r"#\d+ .* GMT POST /oauth2/token client_credentials /ping.read \(contract 2023\) -> 200$",
            r"#\d+ .* GMT GET /ping \(contract 2023\) -> 401: the token has expired$",
        ]
    )
    secrets = (pytester.path / "secrets").read_text().splitlines()
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in lines_of(result)]


@pytest.mark.parametrize(("most", "shown"), [(0, 0), (2, 2), (100, 6)])
def test_how_many_exchanges_are_shown_is_an_option(suite: Suite, most: int, shown: int) -> None:
    text = lines_of(suite(FAILING, conftest=PROGRAM, ini=f"mockmoov_exchanges = {most}"))
    assert len(re.findall(r"(?m)^#\d+ ", text)) == shown
    assert (f"the last {shown} of 6 exchanges" in text) is (most > 0)


def test_a_test_that_passes_shows_nothing(suite: Suite) -> None:
    text = lines_of(suite("def test_it(program): pass", "-rA", conftest=PROGRAM))
    assert "1 passed" in text
    assert "exchanges of" not in text


def test_a_fixture_that_fails_shows_the_exchanges_too(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def login(moov_client):
            moov_client.create(scope="/accounts.wirte")

        def test_it(login): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines(
        [
            r"the last 1 of 1 exchanges .*",
            r"#\d+ .* -> 400: scope /accounts.wirte is not known; did you mean.*",
        ]
    )


def test_a_comparison_of_other_things_is_told_as_ever(suite: Suite) -> None:
    result = suite(
        """
        def test_it(moov):
            assert {"a": 1} == {"a": 2}

        def test_ours(moov):
            assert moov == {"a": 2}
        """
    )
    result.assert_outcomes(failed=2)
    assert "assert {'a': 1} == {'a': 2}" in lines_of(result)
    assert re.search(r"assert MoovKey\(.*\) == \{'a': 2\}", lines_of(result))


def test_a_refusal_shows_the_line_of_the_test_and_none_of_ours(suite: Suite) -> None:
    result = suite(
        """
        from mockmoov import MockMoov

        def test_fault(moov): moov.faults.add("unavailble")
        def test_key(moov): moov.change(grants=["password"])
        def test_wait(moov): moov.exchanges.wait(timeout=0)
        """
    )
    result.assert_outcomes(failed=3)
    assert "did you mean unavailable?" in lines_of(result)
    places = re.findall(r"^(\S+\.py):\d+: ", lines_of(result), re.MULTILINE)
    assert places == ["test_it.py"] * 3


def test_an_error_of_another_kind_shows_where_it_was(suite: Suite) -> None:
    result = suite("def test_it(moov): moov.clock.shift('2 hours')")
    result.assert_outcomes(failed=1)
    assert re.search(r"^\S*handles\.py:\d+: TypeError", lines_of(result), re.MULTILINE)


def test_what_fails_after_the_key_is_gone_shows_no_exchanges(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def first():
            yield
            raise RuntimeError

        def test_it(first, moov): pass
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "exchanges of" not in lines_of(result)


# --- planned faults -----------------------------------------------------------------------------------

UNMET = """
    import pytest

    @pytest.mark.mockmoov(faults=["unavailable"]{wish})
    def test_it(moov, moov_client):
        moov.faults.add("slow", endpoint="revoke", times=2)
"""


def test_a_planned_fault_that_never_happened_fails_the_test_and_says_what_to_do(suite: Suite) -> None:
    result = suite(UNMET.format(wish=""))
    result.assert_outcomes(failed=1)
    assert failure_of(result) == [
        "These planned faults never happened:",
        "  - preset='unavailable', status=503",
        "  - preset='slow', endpoint='revoke', times=2, delay=2.0",
        "The program sent fewer or different requests than planned: see the exchanges below.",
        "To allow this, use @pytest.mark.mockmoov(untriggered_faults='ignore')"
        " or set mockmoov_untriggered_faults = ignore.",
    ]
    assert "no exchanges of MoovKey(" in lines_of(result)


def test_planned_faults_that_never_happened_may_be_allowed(suite: Suite) -> None:
    ignored = "mockmoov_untriggered_faults = ignore"
    suite(UNMET.format(wish=", untriggered_faults='ignore'")).assert_outcomes(passed=1)
    suite(UNMET.format(wish=""), ini=ignored).assert_outcomes(passed=1)
    suite(UNMET.format(wish=", untriggered_faults='fail'"), ini=ignored).assert_outcomes(failed=1)


def test_planned_faults_are_not_asked_for_where_the_test_has_another_verdict(suite: Suite) -> None:
    result = suite(
        """
        import unittest

        import pytest

        @pytest.fixture(autouse=True)
        def plan(moov):
            moov.faults.add("unavailable")

        def test_that_fails(): assert False, "for its own reason"

        def test_that_is_skipped(): pytest.skip("not today")

        def test_that_is_expected_to_fail(): pytest.xfail("not yet")

        class TestCase(unittest.TestCase):
            def test_that_fails(self): self.fail("for its own reason")

            def test_that_is_skipped(self): self.skipTest("not today")
        """
    )
    result.assert_outcomes(failed=2, skipped=2, xfailed=1)
    assert "planned faults" not in lines_of(result)
    assert lines_of(result).count("E   AssertionError: for its own reason") == 2


def test_planned_faults_that_happened_or_were_removed_are_well(suite: Suite) -> None:
    suite(
        """
        import pytest

        from mockmoov.client import ServerError

        @pytest.mark.mockmoov(faults=["unavailable"])
        def test_met(moov_client):
            with pytest.raises(ServerError):
                moov_client.create(scope="/ping.read")

        @pytest.mark.mockmoov(faults=["unavailable"])
        def test_removed(moov):
            moov.faults.clear()
        """
    ).assert_outcomes(passed=2)


# --- what tests do to the server ----------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["moov.delete()", "mockmoov.reset()", "mockmoov.stop()"])
def test_a_test_may_delete_its_key_reset_the_server_or_stop_it(suite: Suite, deed: str) -> None:
    suite(f"def test_it(moov, mockmoov): {deed}").assert_outcomes(passed=1)


def test_a_failed_test_without_its_key_says_that_there_is_nothing_to_show(suite: Suite) -> None:
    result = suite("def test_it(moov): moov.delete(); assert False")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"cannot show the exchanges of MoovKey\(.*\): there is no API key .*"])


def test_a_server_elsewhere_that_goes_away_is_told_in_a_line(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MockMoov() as gone:
        monkeypatch.setattr("mockmoov.testing.gone", gone, raising=False)
        result = suite(
            """
            from mockmoov.testing import gone

            def test_it(moov): gone.stop()
            """,
            f"--mockmoov-url={gone.url}",
        )
    result.assert_outcomes(failed=1, errors=1)
    messages = [line for line in result.outlines if line.startswith("mockmoov: ")]
    assert len(messages) == 2
    assert all(line.startswith(f"mockmoov: no mockmoov answers at {gone.url}: ") for line in messages)


# --- suites as they are -------------------------------------------------------------------------------


def test_a_suite_may_put_a_server_of_its_own_in_place_and_dress_the_key(suite: Suite) -> None:
    suite(
        """
        def test_it(mockmoov, moov, moov_token):
            assert moov.url == mockmoov.url
            assert moov_token.claims["exp"] - moov_token.claims["iat"] == 7
            assert moov.clock.now().timestamp() == 0
        """,
        conftest="""
        import pytest

        from mockmoov import MockMoov

        @pytest.fixture(scope="session")
        def mockmoov():
            with MockMoov(access_token_lifetime=7) as server:
                yield server

        @pytest.fixture
        def moov(moov):
            moov.clock.freeze(0)
            return moov
        """,
    ).assert_outcomes(passed=1)


def test_a_suite_of_unittest_has_the_fixtures_by_way_of_one_that_is_used_automatically(suite: Suite) -> None:
    result = suite(
        """
        import unittest

        import pytest

        @pytest.mark.mockmoov(faults=["unavailable"])
        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def hold(self, moov, moov_client):
                self.moov, self.client = moov, moov_client

            def test_that_meets_the_fault(self):
                with self.assertRaises(Exception):
                    self.client.create(scope="/ping.read")
                self.assertEqual(self.moov.exchanges.count(status=503), 1)

            def test_that_does_not(self): pass
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "These planned faults never happened:" in lines_of(result)


@pytest.mark.parametrize("flags", [(), ("--mockmoov-url",)])
def test_a_run_that_is_stopped_takes_its_keys_and_servers_along(
    process: Suite, elsewhere: MockMoov, flags: tuple[str, ...]
) -> None:
    before = [key.client_id for key in elsewhere.api_keys]
    tests = "def test_one(moov): raise KeyboardInterrupt\ndef test_two(moov): pass"
    result = process(tests, *(f"{flag}={elsewhere.url}" for flag in flags))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "no tests ran" in lines_of(result)
    assert [key.client_id for key in elsewhere.api_keys] == before


ASYNC = """
    import threading

    import pytest

    from mockmoov.client import AsyncTokenClient

    {marks}

    @pytest.fixture
    async def token(moov):
        async with AsyncTokenClient(
            moov.url, client_id=moov.client_id, client_secret=moov.client_secret
        ) as client:
            yield await client.create(scope="/ping.read")
        assert moov.exchanges.count() == 1

    async def test_one(moov, token, moov_token):
        assert [exchange.status for exchange in await moov.exchanges.wait_async(1)] == [200]

    @pytest.mark.mockmoov(faults=["unavailable"])
    async def test_two(moov): pass
"""


@pytest.mark.parametrize(
    ("marks", "flags"),
    [
        ("", ("-o", "asyncio_mode=auto", "-p", "no:anyio")),
        ("pytestmark = pytest.mark.anyio", ("-p", "no:asyncio", "-W", "ignore::pytest.PytestConfigWarning")),
    ],
    ids=["pytest-asyncio", "anyio"],
)
def test_asynchronous_tests_and_fixtures_use_the_same_fixtures(
    suite: Suite, marks: str, flags: tuple[str, ...]
) -> None:
    conftest = "import pytest\n\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'"
    result = suite(ASYNC.format(marks=marks), *flags, conftest=conftest)
    result.assert_outcomes(passed=1, failed=1)
    assert "These planned faults never happened:" in lines_of(result)


def test_fixtures_of_the_session_may_be_asynchronous(suite: Suite) -> None:
    suite(
        """
        import asyncio

        import pytest

        pytestmark = pytest.mark.asyncio(loop_scope="session")

        @pytest.fixture(scope="session")
        async def key(mockmoov):
            key = mockmoov.new_api_key()
            yield key
            await asyncio.sleep(0)
            key.delete()

        async def test_one(key, moov):
            assert key.url == moov.url
        """,
        *("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=session"),
    ).assert_outcomes(passed=1)


MANY = """
    import os
    from pathlib import Path

    import pytest

    @pytest.mark.parametrize("turn", range(8))
    def test_it(turn, moov, moov_client):
        moov.clock.shift(hours=turn)
        moov_client.create(scope="/ping.read")
        assert moov.exchanges.count() == 1
        Path(f"url-{os.environ['PYTEST_XDIST_WORKER']}").write_text(moov.url)

    def test_that_fails(moov_client):
        moov_client.create(scope="/accounts.wirte")
"""


@pytest.mark.slow
def test_two_workers_have_a_server_each_or_share_one_elsewhere(
    process: Suite, pytester: pytest.Pytester, elsewhere: MockMoov
) -> None:
    def urls() -> set[str]:
        return {path.read_text() for path in pytester.path.glob("url-gw*")}

    result = process(MANY, "-n", "2", "--dist=each")
    result.assert_outcomes(passed=16, failed=2)
    assert len(urls()) == 2
    result = process(MANY, "-n", "2", f"--mockmoov-url={elsewhere.url}")
    result.assert_outcomes(passed=8, failed=1)
    assert urls() == {elsewhere.url}
    assert re.search(r"#\d+ .* -> 400: scope /accounts.wirte is not known; did you mean", lines_of(result))


NOTHING = """
    import sys

    import pytest

    @pytest.mark.mockmoov(faults=["unavailable"])
    def test_that_is_marked_in_vain(): pass

    def test_it():
        ours = {name for name in sys.modules if name.partition(".")[0] == "mockmoov"}
        assert ours == {"mockmoov", "mockmoov.pytest_plugin"}
        assert not {"starlette", "uvicorn", "msgspec", "cryptography", "httpx2"} & set(sys.modules)
"""


def test_a_run_that_uses_no_fixture_imports_nothing_of_ours(process: Suite) -> None:
    process(NOTHING, "-p", "no:schemathesis", "-p", "no:anyio").assert_outcomes(passed=1, failed=1)


def test_the_plugin_can_be_turned_off(process: Suite) -> None:
    tests = "def test_it(moov): pass"
    assert "fixture 'moov' not found" in lines_of(process(tests, "-p", "no:mockmoov"))


def test_the_plugin_can_be_named_where_none_is_found_by_itself(process: Suite) -> None:
    tests, none = "def test_it(moov): pass", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    flags = ("-p", "mockmoov.pytest_plugin", "-W", "ignore::pytest.PytestConfigWarning")
    process(tests, *flags, variables=none).assert_outcomes(passed=1)


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_every_way_of_importing_tests_will_do(suite: Suite, mode: str) -> None:
    suite("def test_it(moov): pass", f"--import-mode={mode}").assert_outcomes(passed=1)
