"""The pytest plugin as other test suites use it: most tests here run one, in this process."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import trustme

from mockmoov.client import TokenClient
from mockmoov.pytest_plugin import marker, reports
from mockmoov.testing import MockMoov
from mockmoov.testing.environment import VARIABLES
from mockmoov.testing.types import KeyArguments, SettingArguments
from tests.support.serving import environment

ROOT = Path(__file__).parents[2]
CONTROL_TOKEN = "a-control-token-of-0123456789"
ASYNCIO = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
Suite = Callable[..., pytest.RunResult]

# A run in this process unloads what it imports first; these stay loaded. A second cryptography doesn't work.
LOADED = (TokenClient, marker, reports, trustme)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[MockMoov]:
    """A running server without a control token."""
    with MockMoov() as server:
        httpx2.get(f"{server.url}/ping", headers={"authorization": f"Bearer {server.mint()}"})
        yield server


@pytest.fixture
def suite(pytester: pytest.Pytester, elsewhere: MockMoov, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Run a file of tests in this process, with no plugin but ours; `ini` are lines of the ini file."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("MOCKMOOV_URL", raising=False)

    def run(tests: str, *flags: str, ini: str = "", conftest: str = "") -> pytest.RunResult:
        pytester.makefile(".ini", pytest=f"[pytest]\n{ini}")
        pytester.makepyfile(test_it=tests, conftest=conftest)
        own = ("-W", "error", "-p", "no:cacheprovider", "-p", "mockmoov.pytest_plugin")
        return pytester.runpytest_inprocess(*own, *flags)

    return run


@pytest.fixture
def process(pytester: pytest.Pytester) -> Suite:
    """The same in its own process, with the plugins that users have, and a clean environment."""

    def run(tests: str, *flags: str) -> pytest.RunResult:
        pytester.makefile(".ini", pytest=ASYNCIO)
        pytester.makepyfile(test_it=tests)
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            patch.setenv("PYTHONPATH", str(ROOT))
            unused = ("cacheprovider", "schemathesis", "hypothesispytest", "pytest_cov", "randomly")
            quick = [option for plugin in unused for option in ("-p", f"no:{plugin}")]
            return pytester.runpytest_subprocess("-W", "error", *quick, *flags)

    return run


def text_of(result: pytest.RunResult) -> str:
    return "\n".join(result.outlines)


def failures_of(result: pytest.RunResult) -> dict[str, list[str]]:
    """The lines of each failure or error, by the name of its test."""
    text = text_of(result)
    title = r"_{3,} (?:ERROR at \w+ of )?(\S+) _{3,}\n"
    found = re.findall(rf"(?sm)^{title}(.*?)\n(?=-{{5,}} |={{5,}} |_{{3,}} )", text)
    assert found, text
    return {name: lines.splitlines() for name, lines in found}


def failure_of(result: pytest.RunResult) -> list[str]:
    (lines,) = failures_of(result).values()
    return lines


# --- the fixtures -------------------------------------------------------------------------------


def test_fixtures_share_a_fresh_key_for_each_test(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = VARIABLES
    monkeypatch.setenv(first, "of the user")
    for name in (*others, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://localhost:1")
    suite(
        """
        import os

        import httpx2
        import pytest

        seen = set()

        @pytest.mark.parametrize("turn", range(3))
        def test_key(turn, mockmoov, moov):
            assert moov.url == mockmoov.url
            assert moov.client_id in {key.client_id for key in mockmoov.api_keys}
            assert not moov.exchanges() and not moov.faults
            assert not seen & {key.client_id for key in mockmoov.api_keys}  # earlier ones are gone
            seen.add(moov.client_id)
            assert len(seen) == turn + 1

        def test_credentials(moov, moov_api_key):
            assert moov_api_key == moov.credentials

        def test_token(moov, moov_token):
            assert moov_token.claims["scp"] == "/ping.read"
            with httpx2.Client(trust_env=False) as http:
                answer = http.get(f"{moov.url}/ping", headers={"authorization": f"Bearer {moov_token}"})
            assert answer.status_code == 200
            assert [exchange.path for exchange in moov.exchanges()] == ["/ping"]

        def test_client_uses_no_proxy(moov, moov_client):
            token = moov_client.create(scope="/ping.read")
            assert moov_client.refresh(token).access_token != token.access_token
            assert moov.exchanges.count(endpoint="token", status=200) == 2

        def test_environment(moov, moov_env):
            assert moov_env["MOOV_BASE_URL"] == moov.url
            assert {name: os.environ[name] for name in moov_env} == moov_env
        """
    ).assert_outcomes(passed=7)
    restored = {name: os.environ.get(name) for name in VARIABLES}
    assert restored == {first: "of the user"} | dict.fromkeys(others)


def test_key_lives_as_long_as_fixtures_that_use_it(suite: Suite, elsewhere: MockMoov) -> None:
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


def test_servers_of_a_session_stop_at_its_end(suite: Suite, pytester: pytest.Pytester) -> None:
    threads = threading.active_count()
    suite(
        """
        from pathlib import Path

        import pytest

        @pytest.mark.mockmoov(default_version="latest")
        def test_it(mockmoov, moov):
            Path("urls").write_text(f"{mockmoov.url} {moov.url}")
        """
    ).assert_outcomes(passed=1)
    urls = (pytester.path / "urls").read_text().split()
    assert urls[0] != urls[1]
    for url in urls:
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url, trust_env=False)
    assert threading.active_count() == threads


def test_wider_fixture_needs_its_own_key(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture(scope="class")
        def program(moov): pass
        def test_that_cannot_begin(program): pass

        @pytest.fixture(scope="class")
        def key(mockmoov):
            key = mockmoov.new_api_key()
            yield key
            key.delete()

        class TestIt:
            def test_one(self, key): key.clock.freeze(0)
            def test_two(self, key): assert key.clock.now().timestamp() == 0
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    assert "access the function scoped fixture moov with a class scoped request" in text_of(result)


# --- the marker ---------------------------------------------------------------------------------


def test_marker_configures_key_token_and_faults(suite: Suite) -> None:
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

        @pytest.mark.mockmoov(faults=["unavailable", BAD_GATEWAY], untriggered="ignore")
        def test_plan(moov, moov_client):
            assert [fault.status for fault in moov.faults] == [503, 502]
            with pytest.raises(ServerError):
                moov_client.create(scope="/ping.read")

        LIST_ACCOUNTS = {"endpoint": "listAccounts", "json": []}

        @pytest.mark.mockmoov(stubs=["getAccount", LIST_ACCOUNTS], untriggered="ignore")
        def test_stubs(moov):
            assert [stub.endpoint for stub in moov.stubs] == ["getAccount", "listAccounts"]

        @pytest.mark.mockmoov(scope="/fed.read")
        def test_by_another_fixture(moov_token):
            assert moov_token.claims["scp"] == "/fed.read"

        @pytest.mark.mockmoov(client_id="mine")
        def test_late(request):
            assert request.getfixturevalue("moov").client_id == "mine"

        @pytest.mark.mockmoov(client_id="mine")
        @pytest.mark.usefixtures("moov")
        def test_unseen(): pass

        class TestOwn:
            @pytest.fixture
            def moov(self): return "own"

            @pytest.mark.mockmoov(client_id="mine")
            def test_it(self, moov): assert moov == "own"
        """
    ).assert_outcomes(passed=7)


@pytest.mark.slow
def test_equal_settings_share_a_server_and_nearest_wins(suite: Suite) -> None:
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

        @pytest.mark.mockmoov(faults=["unavailable"])
        class TestThatDoesNotUseIt:
            def test_it(self): pass

        def test_urls(mockmoov):
            assert urls[0] == urls[1] and len({*urls, mockmoov.url}) == 3
        """
    ).assert_outcomes(passed=5)


def test_only_the_same_application_shares_a_server(suite: Suite) -> None:
    suite(
        """
        import httpx2
        import pytest

        class Fake:
            def __init__(self, number):
                self.number = number

            def __repr__(self):
                return "Fake()"

            async def __call__(self, scope, receive, send):
                if scope["type"] == "http":
                    await send({"type": "http.response.start", "status": 200 + self.number})
                    await send({"type": "http.response.body"})

        one, other = Fake(1), Fake(2)
        urls = []

        @pytest.mark.parametrize("expected", [
            pytest.param(fake.number, marks=pytest.mark.mockmoov(upstream=fake)) for fake in (one, other, one)
        ])
        def test_it(moov, expected):
            auth = (moov.client_id, moov.client_secret)
            answer = httpx2.get(f"{moov.url}/accounts", auth=auth, trust_env=False)
            assert answer.status_code == 200 + expected
            urls.append(moov.url)

        def test_urls():
            assert urls[0] == urls[2] != urls[1]
        """
    ).assert_outcomes(passed=4)


OURS = "@pytest.mark.mockmoov: "
ONE_FAULT = f"{OURS}each fault must be a preset name, or a mapping from names to values"
INVALID_MARKERS = [
    ("scops=[]", f"{OURS}unknown argument scops; did you mean scopes?"),
    ("zzz=1", f"{OURS}unknown argument zzz"),
    ("'unavailable'", "@pytest.mark.mockmoov takes keyword arguments only"),
    ("faults='unavailable'", f"{OURS}faults must be a list of preset names or mappings"),
    ("faults=[503]", ONE_FAULT),
    ("faults=[{1: 2}]", ONE_FAULT),
    ("stubs={}", f"{OURS}stubs must be a list of operation names or mappings"),
    ("stubs=[1]", f"{OURS}each stub must be an operation name, or a mapping from names to values"),
    ("stubs=[{'json': []}]", f"{OURS}each stub needs an endpoint, such as listAccounts"),
    ("stubs=['listAcounts']", "mockmoov: endpoint must be an operation"),
    ("stubs=['token']", "mockmoov: a stub answers an operation: for token"),
    ("untriggered='never'", f"{OURS}untriggered must be fail or ignore"),
    ("faults=['unavialable']", "mockmoov: preset must be one of cut, "),
    ("faults=[{'status': object()}]", "mockmoov: this cannot be written as JSON"),
    ("scopes=['/pign.read']", "mockmoov: there is no scope /pign.read; did you mean /ping.read?"),
    ("scope=''", "mockmoov: scope"),
    ("default_version='latset'", "mockmoov: default_version must be "),
    ("host='203.0.113.7'", "mockmoov: "),
]


def test_invalid_marker_fails_in_one_line(suite: Suite) -> None:
    tests = ["import pytest"]
    for number, (arguments, _) in enumerate(INVALID_MARKERS):
        tests.append(f"@pytest.mark.mockmoov({arguments})\ndef test_{number}(moov_token): pass")
    result = suite("\n".join(tests))
    result.assert_outcomes(errors=len(INVALID_MARKERS))
    found = failures_of(result)
    wrong = [
        (arguments, found[f"test_{number}"])
        for number, (arguments, message) in enumerate(INVALID_MARKERS)
        if not re.fullmatch(f"{re.escape(message)}.*", "\n".join(found[f"test_{number}"]))
    ]
    assert wrong == []


def test_marker_of_a_test_without_moov_fails_in_one_line(suite: Suite) -> None:
    tests = ["import pytest"]
    markers = ("faults=['unavailable']", "fualts=[]", "default_version='latest'", "")
    for number, arguments in enumerate(markers):
        mark = f"pytest.mark.mockmoov({arguments})"
        tests += [f"@{mark}\ndef test_{number}(): pass"]
        tests += [f"@pytest.mark.parametrize('x', [pytest.param(1, marks={mark})])"]
        tests += [f"def test_param_{number}(x): pass"]
    result = suite("\n".join(tests))
    result.assert_outcomes(failed=8)
    message = "@pytest.mark.mockmoov has no effect: this test does not use the fixture moov"
    assert list(failures_of(result).values()) == [[message]] * 8


def test_marker_takes_every_attribute_and_setting() -> None:
    keys = set(KeyArguments.__annotations__)
    settings = set(SettingArguments.__annotations__) - {"stubs"}  # which the marker adds to the key
    assert not keys & settings
    read = marker.read_marker(dict.fromkeys([*keys, *settings]))
    assert (set(read.attributes), set(read.settings)) == (keys, settings)


def test_marker_options_and_fixtures_are_explained(suite: Suite) -> None:
    assert "@pytest.mark.mockmoov(faults=" in text_of(suite("", "--markers"))
    text = text_of(suite("", "--help"))
    for name in ("--mockmoov-url", "mockmoov_url", "mockmoov_control_token", "mockmoov_ca_file"):
        assert name in text
    text = text_of(suite("", "--fixtures"))
    for name in ("mockmoov", "moov", "moov_api_key", "moov_token", "moov_client", "moov_env"):
        assert re.search(rf"(?m)^{name}( \[session scope\])? -- ", text)


# --- the options --------------------------------------------------------------------------------

ON_WHICH_SERVER = """
    import os

    def test_it(mockmoov, moov, moov_client):
        assert moov.url == mockmoov.url == os.environ["EXPECTED_URL"]
        moov_client.create(scope="/ping.read")
"""


@pytest.mark.slow
def test_url_option_selects_a_running_server(
    suite: Suite, elsewhere: MockMoov, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPECTED_URL", elsewhere.url)
    flag, ini = f"--mockmoov-url={elsewhere.url}", f"mockmoov_url = {elsewhere.url}"
    suite(ON_WHICH_SERVER, f"{flag}/").assert_outcomes(passed=1)
    suite(ON_WHICH_SERVER, ini=ini).assert_outcomes(passed=1)
    suite(ON_WHICH_SERVER, flag, ini="mockmoov_url = http://localhost:1").assert_outcomes(passed=1)
    seeded = "mockmoov_settings = seed = 1"
    assert (
        "has another seed than mockmoov_settings" in failure_of(suite(ON_WHICH_SERVER, flag, ini=seeded))[0]
    )
    suite(ON_WHICH_SERVER, flag, "-o", "mockmoov_settings=", ini=seeded).assert_outcomes(passed=1)


@pytest.mark.slow
def test_running_server_may_need_a_control_token(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    with MockMoov(control_token=CONTROL_TOKEN) as guarded:
        monkeypatch.setenv("EXPECTED_URL", guarded.url)
        url, right = f"--mockmoov-url={guarded.url}", f"mockmoov_control_token={CONTROL_TOKEN}"
        suite(ON_WHICH_SERVER, url, ini=right).assert_outcomes(passed=1)
        suite(ON_WHICH_SERVER, url, "-o", right).assert_outcomes(passed=1)
        for ini in ("", "mockmoov_control_token = another-token-of-0123456789"):
            result = suite(ON_WHICH_SERVER, url, ini=ini)
            message = "mockmoov: X-Mockmoov-Token is missing or wrong; set mockmoov_control_token"
            assert failure_of(result) == [message]
            assert "another-token" not in text_of(result)


@pytest.mark.slow
def test_running_server_may_use_https(suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = str(tmp_path / "ca.pem")
    with MockMoov(tls=True, tls_ca_file=path) as moov:
        monkeypatch.setenv("EXPECTED_URL", moov.https_url)
        url = f"--mockmoov-url={moov.https_url}"
        suite(ON_WHICH_SERVER, url, ini=f"mockmoov_ca_file = {path}").assert_outcomes(passed=1)
        untrusted = suite(ON_WHICH_SERVER, url)
        absent = suite(ON_WHICH_SERVER, url, ini=f"mockmoov_ca_file = {path}-not")
        monkeypatch.setenv("SSL_CERT_FILE", path)
        suite(ON_WHICH_SERVER, url).assert_outcomes(passed=1)
    [line] = failure_of(untrusted)
    assert line.startswith(f"mockmoov: no mockmoov answers at {moov.https_url}: ")
    assert line.endswith("; set mockmoov_ca_file to the CA certificate")
    assert failure_of(absent) == [f"mockmoov: mockmoov_ca_file {path}-not: No such file or directory"]


def test_absent_server_fails_each_test_in_one_line(suite: Suite) -> None:
    for url in ("http://localhost:1", "http://["):
        result = suite("def test_one(moov): pass\ndef test_two(moov): pass", f"--mockmoov-url={url}")
        result.assert_outcomes(errors=2)
        for lines in failures_of(result).values():
            assert len(lines) == 1
            assert lines[0].startswith(f"mockmoov: no mockmoov answers at {url}: ")


def test_settings_come_from_the_ini_file_and_a_marker(suite: Suite) -> None:
    suite(
        """
        import pytest

        def test_ini(moov_token):
            assert moov_token.claims["exp"] - moov_token.claims["iat"] == 60

        @pytest.mark.mockmoov(access_token_lifetime=10)
        def test_marker(moov_token):
            assert moov_token.claims["exp"] - moov_token.claims["iat"] == 10
            assert moov_token.claims["iss"] == "https://a=b.example"
        """,
        ini="mockmoov_settings =\n    access_token_lifetime = 60\n    issuer=https://a=b.example\n",
    ).assert_outcomes(passed=2)


def test_impossible_settings_fail_in_one_line(suite: Suite, elsewhere: MockMoov) -> None:
    wrong = suite("def test_it(mockmoov): pass", ini="mockmoov_settings = prot = 1")
    assert failure_of(wrong) == ["mockmoov_settings: unknown setting prot; did you mean port?"]
    port = elsewhere.url.rpartition(":")[2]
    [line] = failure_of(suite("def test_it(moov): pass", ini=f"mockmoov_settings = port = {port}"))
    assert re.match(rf"mockmoov: .*{port}.*in use", line), line
    mark = "@pytest.mark.mockmoov(port=1, default_version='latest')"
    marked = f"import pytest\n\n{mark}\ndef test_it(moov): pass"
    assert failure_of(suite(marked, f"--mockmoov-url={elsewhere.url}")) == [
        f"mockmoov: the running server at {elsewhere.url} has another port, default_version than "
        "mockmoov_settings or the marker: give it to that server, as in "
        "`mockmoov run --NAME VALUE -- pytest`"
    ]


def test_settings_that_a_running_server_has_are_fine(suite: Suite, elsewhere: MockMoov) -> None:
    mark = "@pytest.mark.mockmoov(default_version='2023', tls=False)"
    marked = f"import pytest\n\n{mark}\ndef test_it(moov): pass"
    ini = "mockmoov_settings =\n    default_version = 2023\n    audiences = https://api.moov.io"
    flag = f"--mockmoov-url={elsewhere.url}"
    assert "has another audiences than" in failure_of(suite(marked, flag, ini=ini))[0]
    ini = "mockmoov_settings =\n    default_version = 2023\n    refresh_rotation = yes"
    suite(marked, flag, ini=ini).assert_outcomes(passed=1)


NO_URL = "--mockmoov-url (mockmoov_url) must start with http:// or https:// and contain no user name"
INVALID_OPTIONS = {
    "mockmoov_untriggered = never": "mockmoov_untriggered must be fail or ignore",
    "mockmoov_exchanges = -1": "mockmoov_exchanges must be a whole number",
    "mockmoov_exchanges = many": "mockmoov_exchanges must be a whole number",
    "mockmoov_settings = port 1": "mockmoov_settings: each line must be NAME = VALUE, not 'port 1'",
    "mockmoov_url = localhost:8080": NO_URL,
    "mockmoov_url = http://user:very-secret@localhost": NO_URL,
}


def test_invalid_option_stops_the_run(suite: Suite) -> None:
    results = {ini: suite("def test_it(): pass", ini=ini) for ini in INVALID_OPTIONS}
    results["flag"] = suite("def test_it(): pass", "--mockmoov-url=localhost:8080")
    for ini, result in results.items():
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        errors = "\n".join(result.errlines)
        assert f"ERROR: {INVALID_OPTIONS.get(ini, NO_URL)}" in errors
        assert "very-secret" not in errors


# --- what a failed test shows -------------------------------------------------------------------

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


@pytest.mark.slow
def test_failed_test_shows_its_exchanges_and_no_secret(suite: Suite, pytester: pytest.Pytester) -> None:
    for flags in ("", "--showlocals --tb=long -vv", "-rA --log-level=DEBUG"):
        result = suite(FAILING, *flags.split(), conftest=PROGRAM)
        result.assert_outcomes(failed=1)
        result.stdout.re_match_lines(
            [
                r"-+ mockmoov -+",
                r"the last 6 of 6 exchanges of MoovKey\(client_id='.*', url='http://localhost:\d+'\)",
                r"#\d+ .* GMT POST /oauth2/token client_credentials /ping.read \(contract 2023\) -> 200$",
                r"#\d+ .* GMT GET /ping \(contract 2023\) -> 401: the token expired \d+ s ago, .*",
            ]
        )
        secrets = (pytester.path / "secrets").read_text().splitlines()
        assert len(secrets) == 4
        assert not [secret for secret in secrets if secret in text_of(result)]


@pytest.mark.slow
def test_option_limits_the_exchanges_that_are_shown(suite: Suite) -> None:
    for limit, shown in {0: 0, 2: 2}.items():
        text = text_of(suite(FAILING, conftest=PROGRAM, ini=f"mockmoov_exchanges = {limit}"))
        assert len(re.findall(r"(?m)^#\d+ ", text)) == shown
        assert (f"the last {shown} of 6 exchanges" in text) is (limit > 0)
    text = text_of(suite("def test_it(program): pass", "-rA", conftest=PROGRAM))
    assert "1 passed" in text
    assert "exchanges of" not in text


def test_failed_fixture_shows_exchanges_while_the_key_lives(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def login(moov_client):
            moov_client.create(scope="/accounts.wirte")

        def test_login(login): pass

        @pytest.fixture
        def first():
            yield
            raise RuntimeError

        def test_first(first, moov): pass
        """
    )
    result.assert_outcomes(passed=1, errors=2)
    unknown_scope = r"#\d+ .* -> 400: scope /accounts.wirte is not known; did you mean.*"
    result.stdout.re_match_lines([r"the last 1 of 1 exchanges .*", unknown_scope])
    assert text_of(result).count("exchanges of") == 1


@pytest.mark.slow
def test_failure_shows_the_line_of_the_test(suite: Suite) -> None:
    result = suite(
        """
        from mockmoov import MockMoov

        def test_fault(moov): moov.faults.add("unavailble")
        def test_key(moov): moov.change(grants=["password"])
        def test_wait(moov): moov.exchanges.wait(timeout=0)
        """
    )
    result.assert_outcomes(failed=3)
    text = text_of(result)
    assert "did you mean unavailable?" in text
    assert re.findall(r"^(\S+\.py):\d+: ", text, re.MULTILINE) == ["test_it.py"] * 3


# --- planned faults -----------------------------------------------------------------------------

UNTRIGGERED = """
    import pytest

    @pytest.mark.mockmoov(faults=["unavailable"]{option})
    def test_it(moov, moov_client):
        moov.faults.add("slow", endpoint="revoke", times=2)
        where = {{"query": {{"count": "1"}}, "body": []}}
        moov.stubs.add("listAccounts", status=404, times=2, where=where)
"""


@pytest.mark.slow
def test_untriggered_fault_fails_the_test_unless_allowed(suite: Suite) -> None:
    result = suite(UNTRIGGERED.format(option=""))
    result.assert_outcomes(failed=1)
    assert failure_of(result) == [
        "These planned faults never happened:",
        "  - preset='unavailable', status=503",
        "  - preset='slow', endpoint='revoke', times=2, delay=2.0",
        "These stubs answered nothing:",
        "  - 'listAccounts', times=2, status=404, where query and body",
        "The program sent fewer or different requests than planned: see the exchanges below.",
        "To allow this, use @pytest.mark.mockmoov(untriggered='ignore')"
        " or set mockmoov_untriggered = ignore.",
    ]
    assert "no exchanges of MoovKey(" in text_of(result)
    ignored = "mockmoov_untriggered = ignore"
    suite(UNTRIGGERED.format(option=", untriggered='ignore'")).assert_outcomes(passed=1)
    suite(UNTRIGGERED.format(option=""), ini=ignored).assert_outcomes(passed=1)
    suite(UNTRIGGERED.format(option=", untriggered='fail'"), ini=ignored).assert_outcomes(failed=1)


def test_other_outcomes_do_not_mention_planned_faults(suite: Suite) -> None:
    result = suite(
        """
        import unittest

        import pytest

        from mockmoov.client import ServerError

        @pytest.fixture(autouse=True)
        def plan(moov):
            moov.faults.add("unavailable")

        def test_that_fails(): assert False, "for its own reason"
        def test_that_is_skipped(): pytest.skip("not today")
        def test_that_is_expected_to_fail(): pytest.xfail("not yet")

        class TestCase(unittest.TestCase):
            def test_that_fails(self): self.fail("for its own reason")
            def test_that_is_skipped(self): self.skipTest("not today")

        def test_triggered(moov_client):
            with pytest.raises(ServerError):
                moov_client.create(scope="/ping.read")

        def test_removed(moov):
            moov.faults.clear()
        """
    )
    result.assert_outcomes(passed=2, failed=2, skipped=2, xfailed=1)
    assert "planned faults" not in text_of(result)
    assert text_of(result).count("E   AssertionError: for its own reason") == 2


# --- what tests do to the server, and the suites they are in ------------------------------------


def test_test_may_delete_its_key_reset_or_stop_the_server(suite: Suite) -> None:
    suite(
        """
        def test_delete(moov): moov.delete()
        def test_reset(moov, mockmoov): mockmoov.reset()
        def test_stop(moov, mockmoov): mockmoov.stop()
        """
    ).assert_outcomes(passed=3)
    result = suite("def test_it(moov): moov.delete(); assert False")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"cannot show the exchanges of MoovKey\(.*\): there is no API key .*"])


def test_lost_server_is_reported_in_one_line(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    with MockMoov() as gone:
        monkeypatch.setattr("mockmoov.testing.gone", gone, raising=False)
        tests = "from mockmoov.testing import gone\n\ndef test_it(moov): gone.stop()"
        result = suite(tests, f"--mockmoov-url={gone.url}")
    result.assert_outcomes(failed=1, errors=1)
    messages = [line for line in result.outlines if line.startswith("mockmoov: ")]
    assert len(messages) == 2
    assert all(line.startswith(f"mockmoov: no mockmoov answers at {gone.url}: ") for line in messages)


def test_suite_may_replace_the_server_and_change_the_key(suite: Suite) -> None:
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
    for mode in ("prepend", "append", "importlib"):
        suite("def test_it(moov): pass", f"--import-mode={mode}").assert_outcomes(passed=1)


def test_unittest_suite_uses_an_automatic_fixture(suite: Suite) -> None:
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
    assert "These planned faults never happened:" in text_of(result)


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


@pytest.mark.slow
def test_async_tests_use_the_same_fixtures(suite: Suite) -> None:
    conftest = "import pytest\n\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'"
    asyncio = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    for marks, flags in {
        "": ("-p", "pytest_asyncio.plugin", *asyncio),
        "pytestmark = pytest.mark.anyio": ("-p", "anyio.pytest_plugin"),
    }.items():
        result = suite(ASYNC.format(marks=marks), *flags, conftest=conftest)
        result.assert_outcomes(passed=1, failed=1)
        assert "These planned faults never happened:" in text_of(result)


# --- in a process of its own --------------------------------------------------------------------


@pytest.mark.slow
def test_interrupted_run_deletes_its_keys_and_stops_servers(process: Suite, elsewhere: MockMoov) -> None:
    before = [key.client_id for key in elsewhere.api_keys]
    for flags in ((), (f"--mockmoov-url={elsewhere.url}",)):
        result = process("def test_one(moov): raise KeyboardInterrupt", *flags)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert "no tests ran" in text_of(result)
    assert [key.client_id for key in elsewhere.api_keys] == before


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
@pytest.mark.timeout(300)  # two runs with two workers each
def test_xdist_workers_have_a_server_each_or_share_one(
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
    assert re.search(r"#\d+ .* -> 400: scope /accounts.wirte is not known; did you mean", text_of(result))


UNUSED = """
    import sys

    import pytest

    @pytest.mark.mockmoov(faults=["unavailable"])
    def test_with_a_marker_only(): pass

    def test_it():
        ours = {name for name in sys.modules if name.partition(".")[0] == "mockmoov"}
        assert ours == {"mockmoov", "mockmoov.pytest_plugin"}
        assert not {"starlette", "uvicorn", "msgspec", "nacl", "cryptography", "httpx2"} & set(sys.modules)
"""


@pytest.mark.slow
def test_run_without_our_fixtures_imports_no_server(process: Suite) -> None:
    process(UNUSED, "-p", "no:anyio").assert_outcomes(passed=1, failed=1)


@pytest.mark.slow
def test_plugin_is_found_and_can_be_turned_off(process: Suite) -> None:
    tests = "def test_it(moov): pass"
    process(tests).assert_outcomes(passed=1)
    assert "fixture 'moov' not found" in text_of(process(tests, "-p", "no:mockmoov"))
