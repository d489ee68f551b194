"""Moov's SDKs through mockmoov to Prism, which mocks our description of a few operations.

A sufficient token gets Prism's bodies. Any other never reaches Prism, as its log shows.
"""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moovio_sdk import Moov
from moovio_sdk.models import components, errors

from mockmoov.testing import EndpointName, MockMoov, MoovKey
from tests.e2e.foreign_clients.clients import CLIENTS
from tests.e2e.foreign_clients.programs import clean_environment, run

HERE = Path(__file__).parent
DESCRIPTION = HERE.parents[2] / "fixtures" / "operations.yaml"
SDK = next(client for client in CLIENTS if client.name == "js-moovio-sdk")
PATIENCE = 60.0  # seconds
OTHER_ACCOUNT = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
TERMINAL = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Prism:
    """Prism in a process of its own, and its log."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self._log = log

    def received(self) -> list[str]:
        """The requests that it got so far, such as `get /accounts/{id}/files`."""
        return re.findall(r"\[HTTP SERVER\] (\S+ \S+) .*Request received", self._log.read_text("utf-8"))


@contextmanager
def prism(folder: Path, log: Path) -> Iterator[Prism]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", "node_modules/@stoplight/prism-cli/dist/index.js", "mock", str(DESCRIPTION)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--errors"],
            cwd=folder,
            env=clean_environment(),
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "Prism is listening" not in log.read_text("utf-8"):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.05)
        yield Prism(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def upstream(
    installed: Callable[[str, Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prism]:
    folder = installed("prism", HERE / "prism" / "package.json")
    with prism(folder, tmp_path_factory.mktemp("prism") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def moov(upstream: Prism) -> Iterator[MockMoov]:
    with MockMoov(upstream=upstream.url) as moov:
        yield moov


@pytest.fixture
def key(moov: MockMoov) -> MoovKey:
    return moov.new_api_key()


RequestContext = Callable[[Moov, str, Mapping[str, str]], Any]


def countries(sdk: Moov, account: str, headers: Mapping[str, str]) -> Any:
    return sdk.accounts.get_countries(account_id=account, http_headers=headers).result.countries


def new_countries(sdk: Moov, account: str, headers: Mapping[str, str]) -> Any:
    answer = sdk.accounts.assign_countries(account_id=account, countries=["NZ"], http_headers=headers)
    return answer.result.countries


def deleted(sdk: Moov, _account: str, headers: Mapping[str, str]) -> Any:
    answer = sdk.terminal_applications.delete(terminal_application_id=TERMINAL, http_headers=headers)
    return bool(answer.headers["x-request-id"])


# By operation: how the Python SDK calls it, what Prism's body has there, and the scope that it wants.
OPERATIONS: Mapping[EndpointName, tuple[RequestContext, Any, str]] = {
    "listBankAccounts": (
        lambda sdk, account, headers: (
            sdk.bank_accounts.list(account_id=account, http_headers=headers).result[0].fingerprint
        ),
        "from-prism",
        "/accounts/{accountID}/bank-accounts.read",
    ),
    "getAccountCountries": (countries, ["CA", "US"], "/accounts/{accountID}/profile.read"),
    "assignAccountCountries": (new_countries, ["NZ"], "/accounts/{accountID}/profile.write"),
    "listEventTypes": (
        lambda sdk, _, headers: sdk.webhooks.list_event_types(http_headers=headers).result[0].type,
        "account.created",
        "",
    ),
    "deleteTerminalApplication": (deleted, True, "/terminal-applications.write"),
    "getTermsOfServiceToken": (
        lambda sdk, _, headers: sdk.accounts.get_terms_of_service_token(http_headers=headers).result.token,
        "from-prism",
        "",
    ),
}


def scopes(account: str) -> str:
    """All that the operations want for an account."""
    wanted = dict.fromkeys(scope for _, _, scope in OPERATIONS.values() if scope)
    return " ".join(wanted).replace("{accountID}", account)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def seen_by(upstream: Prism, before: int, expected: int) -> list[str]:
    """What Prism's log has since then, once it has as much as is expected; its log is not written at once."""
    deadline = time.monotonic() + PATIENCE
    while len(upstream.received()) < before + expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return upstream.received()[before:]


def assert_operation(name: EndpointName, upstream: Prism, moov: MockMoov, key: MoovKey) -> None:
    """Prism's body for a sufficient token; a 401 or a 403 for the others, and Prism sees nothing."""
    call, expected, scope = OPERATIONS[name]
    good = bearing(key.mint(scope.replace("{accountID}", key.account_id) or "/ping.read"))
    bad = [bearing(key.mint(defect="expired")), bearing(key.mint(defect="revoked"))]
    if scope:
        bad += [bearing(key.mint("/fed.read"))]
    if "{accountID}" in scope:
        bad += [bearing(key.mint(scope.replace("{accountID}", OTHER_ACCOUNT)))]
    before = len(upstream.received())
    sdk = Moov(server_url=moov.url)
    for headers in bad:
        with pytest.raises(errors.APIError) as rejected:
            call(sdk, key.account_id, headers)
        assert (rejected.value.status_code, rejected.value.body) in {(401, ""), (403, "")}
    assert call(sdk, key.account_id, good) == expected, name
    assert len(seen_by(upstream, before, 1)) == 1
    statuses = [exchange.status for exchange in key.exchanges(endpoint=name)]
    assert len(statuses) == len(bad) + 1
    assert statuses[-1] in {200, 204}


def test_python_sdk_reaches_prism_with_sufficient_tokens_only(
    upstream: Prism, moov: MockMoov, key: MoovKey
) -> None:
    for name in OPERATIONS:
        assert_operation(name, upstream, moov, key)


def test_python_sdk_reaches_prism_with_basic_credentials(
    upstream: Prism, moov: MockMoov, key: MoovKey
) -> None:
    before = len(upstream.received())
    security = components.Security(username=key.client_id, password=key.client_secret)
    sdk = Moov(server_url=moov.url, security=security)
    for call, expected, _ in OPERATIONS.values():
        assert call(sdk, key.account_id, {}) == expected
    assert len(seen_by(upstream, before, len(OPERATIONS))) == len(OPERATIONS)


def in_javascript(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value).replace("True", "true")


def test_typescript_sdk_reaches_prism_with_good_tokens_only(
    installed: Callable[[str, Path], Path], upstream: Prism, moov: MockMoov, key: MoovKey
) -> None:
    folder = installed("js-moovio-sdk", HERE.parent / "foreign_clients" / SDK.folder / "package.json")
    shutil.copy(HERE / "program.mjs", folder)
    before = len(upstream.received())
    env = clean_environment() | {
        "MOCKMOOV_URL": moov.url,
        "ACCOUNT": key.account_id,
        "GOOD": key.mint(scopes(key.account_id)),
        "BAD": key.mint(defect="expired"),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    ended = run(("node", "program.mjs"), cwd=folder, env=env, out=folder)
    said = ended.stdout.splitlines()
    assert said[: len(OPERATIONS)] == [f"{name} refused 401" for name in OPERATIONS], ended.stderr
    expected = [f"{name} came {in_javascript(value)}" for name, (_, value, _) in OPERATIONS.items()]
    assert said[len(OPERATIONS) :] == expected, ended.stderr
    assert len(seen_by(upstream, before, len(OPERATIONS))) == len(OPERATIONS)
