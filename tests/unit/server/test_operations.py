"""Moov's operations at the server: what each answers to whom. The data file alone says what is expected."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import mockmoov
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import NOW, Clock, Header, basic, bearer, new_server, sender
from tests.support.tokens import mint, revoke
from tools.generate_tables import (
    operation_names_module,
    operation_sources_module,
    operations_module,
    scopes_module,
)

FOLDER = Path(mockmoov.__file__).parent / "data"
DATA = json.loads((FOLDER / "operations.json").read_bytes())["operations"]
ACCOUNT, OTHER = "5352b013-ae58-4a63-8a3f-97f316a917cf", "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
RESOURCE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
CARDS = f"/accounts/{ACCOUNT}/cards"
EMPTY = -1  # stands for an answer that has what it must not have, or lacks what it must have


def path_of(template: str) -> str:
    return re.sub(r"\{\w+\}", RESOURCE, template.replace("{accountID}", ACCOUNT))


@dataclass(frozen=True, kw_only=True)
class Operation:
    name: str
    method: str
    template: str
    scopes: tuple[str, ...]
    is_basic_only: bool

    def required(self, account: str = ACCOUNT) -> str:
        """The scopes that it requires, for an account; another one if it requires none."""
        return " ".join(self.scopes).replace("{accountID}", account) or "/fed.read"

    @property
    def other_scope(self) -> str:
        return "/fed.read" if "/ping.read" in self.scopes else "/ping.read"

    @property
    def is_bound(self) -> bool:
        """Whether it requires a scope for the account in its path."""
        return "{accountID}" in self.template and "{accountID}" in self.required("{accountID}")

    @property
    def success(self) -> int:
        if self.is_basic_only:
            return 403
        return 200 if self.name == "ping" else 501  # there is no upstream


OPERATIONS = [
    Operation(
        name=entry["name"],
        method=method,
        template=template,
        scopes=tuple(entry["scopes"] or ()),
        is_basic_only=entry["scopes"] is None,
    )
    for template, methods in DATA.items()
    for method, entry in methods.items()
]


class Moov:
    """A server, and its tokens by scope."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.send: Send = sender(new_server(clock=self.clock))
        self.token = cache(self._token)
        self.expired_token = cache(self._expired_token)
        self.revoked_token = cache(self._revoked_token)

    def _token(self, scope: str) -> Header:
        return bearer(mint(self.send, scope)["access_token"])

    def _expired_token(self, scope: str) -> Header:
        self.clock.now = NOW - 3600.5
        header = self._token(scope)
        self.clock.now = NOW
        return header

    def _revoked_token(self, scope: str) -> Header:
        header = self._token(scope)
        assert revoke(self.send, header[1].split()[1])[0] == 204
        return header

    def status(self, method: str, path: str, *headers: Header) -> int:
        return bare_status(self.send(method, path, list(headers), b""))


def bare_status(answer: Answer) -> int:
    """The status of an answer that has no body, a request id, and a reason unless it is a success."""
    status, headers, body = answer
    is_bare = (
        body == b"" and headers["x-request-id"] and not {"www-authenticate", "content-type"} & {*headers}
    )
    return status if is_bare and ("x-mockmoov-reason" in headers) == (status != 200) else EMPTY


@pytest.fixture(scope="module")
def moov() -> Moov:
    return Moov()


# By who asks: the credentials, and the status that each operation answers.
CASES: Mapping[str, tuple[Callable[[Moov, Operation], list[Header]], Callable[[Operation], int]]] = {
    "no token": (lambda _, __: [], lambda _: 401),
    "another scope": (
        lambda moov, operation: [moov.token(operation.other_scope)],
        lambda operation: 403 if operation.scopes else operation.success,
    ),
    "all scopes": (
        lambda moov, operation: [moov.token(operation.required())],
        lambda operation: operation.success,
    ),
    "all scopes of another account": (
        lambda moov, operation: [moov.token(operation.required(OTHER))],
        lambda operation: 403 if operation.is_bound else operation.success,
    ),
    "expired": (lambda moov, operation: [moov.expired_token(operation.required())], lambda _: 401),
    "revoked": (lambda moov, operation: [moov.revoked_token(operation.required())], lambda _: 401),
    "Basic": (
        lambda moov, operation: [moov.token("/ping.read") if operation.is_basic_only else basic()],
        lambda operation: operation.success,
    ),
}


def test_generated_tables_match_their_json_files() -> None:
    assert (FOLDER / "scopes.py").read_text() == scopes_module()
    assert (FOLDER / "operations.py").read_text() == operations_module()
    assert (FOLDER / "operation_sources.py").read_text() == operation_sources_module()
    assert (FOLDER / "operation_names.py").read_text() == operation_names_module()


@pytest.mark.parametrize("case", CASES)
def test_each_operation_answers_as_moovs_gateway_does(case: str, moov: Moov) -> None:
    credentials, expected = CASES[case]
    wrong = []
    for operation in OPERATIONS:
        path = path_of(operation.template)
        status = moov.status(operation.method, path, *credentials(moov, operation))
        if status != expected(operation):
            wrong.append((operation.name, status))
    assert wrong == []


def test_another_method_is_405_before_anything_else(moov: Moov) -> None:
    wrong = []
    for template, methods in DATA.items():
        allowed = ", ".join(methods).replace("GET", "GET, HEAD")
        for method in set(METHODS) - set(allowed.split(", ")):
            answer = moov.send(method, path_of(template), [("x-moov-version", "malformed")], b"")
            if (bare_status(answer), answer[1].get("allow")) != (405, allowed):
                wrong.append((method, template, answer))
    assert wrong == []


def test_head_is_answered_as_get_is(moov: Moov) -> None:
    wrong = []
    for operation in OPERATIONS:
        path = path_of(operation.template)
        if operation.method == "GET":
            for headers in ([], [moov.token(operation.required())], [moov.token(operation.other_scope)]):
                answers = [moov.status(method, path, *headers) for method in ("GET", "HEAD")]
                if answers[0] != answers[1]:
                    wrong.append((operation.name, answers))
    assert wrong == []


def test_path_that_only_looks_similar_is_404(moov: Moov) -> None:
    similar = ["/accounts//cards"]
    for path in map(path_of, DATA):
        similar += (f"{path}/", f"/{path}", path.upper(), f"{path}//", path.replace("/", "%2F"))
    assert [path for path in similar if moov.status("GET", path, basic()) != 404] == []


def test_malformed_version_is_404_before_any_token(moov: Moov) -> None:
    version = ("x-moov-version", "v1")
    wrong = [
        item.name for item in OPERATIONS if moov.status(item.method, path_of(item.template), version) != 404
    ]
    assert wrong == []


def test_account_in_the_path_is_compared_raw(moov: Moov) -> None:
    token = moov.token(f"{CARDS}.read")
    expected = dict.fromkeys((ACCOUNT, ACCOUNT.upper()), 501)
    others = (
        "{accountID}",
        "%7BaccountID%7D",
        "me",
        "..",
        "%2e%2e",
        "*",
        "'",
        " ",
        ACCOUNT.replace("-", "%2D"),
    )
    expected |= dict.fromkeys(others, 403)
    assert {name: moov.status("GET", f"/accounts/{name}/cards", token) for name in expected} == expected


def test_refusals_explain_themselves(moov: Moov) -> None:
    lacking = moov.send("GET", CARDS, [moov.token("/ping.read")], b"")[1]
    assert lacking["x-mockmoov-reason"] == f"the token lacks scope {CARDS}.read; it has /ping.read"
    assert "set upstream" in moov.send("GET", "/accounts", [basic()], b"")[1]["x-mockmoov-reason"]


def test_faults_and_journal_name_operations() -> None:
    server = new_server()
    send = sender(server)
    fault = json.dumps({"endpoint": "listCards", "status": 418}).encode()
    assert send("POST", "/_mockmoov/faults", [("content-type", "application/json")], fault)[0] == 201
    wallets = f"/accounts/{ACCOUNT}/wallets"
    requests = [
        ("POST", CARDS),
        ("GET", wallets),
        ("GET", CARDS),
        ("PUT", CARDS),
        ("GET", f"{CARDS}/secret-42"),
    ]
    statuses = [send(method, path, [], b"")[0] for method, path in requests]
    assert statuses == [401, 401, 418, 405, 401]
    journal = server.simulation.journal().exchanges
    assert [(exchange.endpoint, exchange.path) for exchange in journal] == [
        ("linkCard", CARDS),
        ("listWallets", wallets),
        ("listCards", CARDS),
        (None, CARDS),
        ("getCard", f"{CARDS}/..."),
    ]
