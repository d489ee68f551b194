"""Moov's operations: what each answers to whom. What is expected comes from the data file alone."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import mockmoov
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.operations import BY_PATH, missing_scope_reason
from mockmoov.server.routing import Routes
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import NOW, Clock, Header, basic, bearer, new_server, post_form, sender
from tools.generate_tables import operation_names_module, operations_module, scopes_module

DATA = json.loads((Path(mockmoov.__file__).parent / "data" / "operations.json").read_bytes())
ACCOUNT, OTHER = "5352b013-ae58-4a63-8a3f-97f316a917cf", "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
RESOURCE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


@dataclass(frozen=True, kw_only=True)
class Operation:
    name: str
    method: str
    template: str
    scopes: tuple[str, ...]

    @property
    def path(self) -> str:
        return re.sub(r"\{\w+\}", RESOURCE, self.template.replace("{accountID}", ACCOUNT))

    def wants(self, account: str = ACCOUNT) -> str:
        """The scopes that it wants of a token for an account; of any, if it wants none."""
        return " ".join(scope.replace("{accountID}", account) for scope in self.scopes) or "/fed.read"

    @property
    def unwanted(self) -> str:
        return "/fed.read" if "/ping.read" in self.scopes else "/ping.read"

    @property
    def is_bound(self) -> bool:
        """Whether it wants a scope of the account in its path."""
        return "{accountID}" in self.template and any("{accountID}" in scope for scope in self.scopes)

    @property
    def passes(self) -> int:
        return 200 if self.name == "ping" else 501


OPERATIONS = [
    Operation(name=entry["name"], method=method, template=template, scopes=tuple(entry["scopes"]))
    for template, methods in DATA["operations"].items()
    for method, entry in methods.items()
]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


class Spending:
    """A server, and tokens of it by what they are for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.send: Send = sender(new_server(clock=self.clock))
        self.mint = cache(self._mint)
        self.mint_expired = cache(self._mint_expired)
        self.mint_revoked = cache(self._mint_revoked)

    def _mint(self, scope: str) -> Header:
        parameters = {"grant_type": "client_credentials", "scope": scope}
        answer = post_form(self.send, "/oauth2/token", basic(), **parameters)
        return bearer(json.loads(answer[2])["access_token"])

    def _mint_expired(self, scope: str) -> Header:
        self.clock.now = NOW - 3600.5
        header = self._mint(scope)
        self.clock.now = NOW
        return header

    def _mint_revoked(self, scope: str) -> Header:
        header = self._mint(scope)
        assert post_form(self.send, "/oauth2/revoke", basic(), token=header[1].split()[1])[0] == 204
        return header


@pytest.fixture(scope="module")
def spending() -> Spending:
    return Spending()


def status_of(answer: Answer) -> int:
    """The status of an answer whose body is empty, as all of these are."""
    status, headers, body = answer
    assert body == b""
    assert "www-authenticate" not in headers
    assert "content-type" not in headers
    assert headers["x-request-id"]
    assert ("x-mockmoov-reason" in headers) == (status != 200)
    return status


# Who asks, and what comes: by name the credentials, and the status by operation.
CASES: Mapping[str, tuple[Callable[[Spending, Operation], list[Header]], Callable[[Operation], int]]] = {
    "no token": (lambda _, __: [], lambda _: 401),
    "wrong scope": (
        lambda spending, operation: [spending.mint(operation.unwanted)],
        lambda operation: 403 if operation.scopes else operation.passes,
    ),
    "right scope": (
        lambda spending, operation: [spending.mint(operation.wants())],
        lambda operation: operation.passes,
    ),
    "right scope for another account": (
        lambda spending, operation: [spending.mint(operation.wants(OTHER))],
        lambda operation: 403 if operation.is_bound else operation.passes,
    ),
    "expired": (lambda spending, operation: [spending.mint_expired(operation.wants())], lambda _: 401),
    "revoked": (lambda spending, operation: [spending.mint_revoked(operation.wants())], lambda _: 401),
    "Basic": (lambda _, __: [basic()], lambda operation: operation.passes),
}


@each_operation
@pytest.mark.parametrize("case", CASES)
def test_an_operation_answers_as_the_gateway_does(
    operation: Operation, case: str, spending: Spending
) -> None:
    credentials, expected = CASES[case]
    answer = spending.send(operation.method, operation.path, credentials(spending, operation), b"")
    assert status_of(answer) == expected(operation)


# --- the data file ----------------------------------------------------------------------------------


def test_there_are_189_operations_each_with_a_name_of_its_own() -> None:
    assert len(OPERATIONS) == 189
    assert len({operation.name for operation in OPERATIONS}) == 189
    assert DATA["source"].startswith("spec: ")


def test_generated_tables_match_their_json_files() -> None:
    folder = Path(mockmoov.__file__).parent / "data"
    assert (folder / "scopes.py").read_text() == scopes_module()
    assert (folder / "operations.py").read_text() == operations_module()
    assert (folder / "operation_names.py").read_text() == operation_names_module()


def test_the_operations_are_those_of_the_data_file() -> None:
    served = {
        (item.name, method, template, item.scopes)
        for template, methods in BY_PATH.items()
        for method, item in methods.items()
    }
    assert served == {(item.name, item.method, item.template, item.scopes) for item in OPERATIONS}


@each_operation
def test_what_an_operation_wants_is_in_the_catalogue(operation: Operation) -> None:
    assert set(operation.scopes) <= set(SCOPES)


def test_finding_an_operation_takes_no_longer_among_ten_thousand() -> None:
    many = {template: {"GET": template} for template in DATA["operations"]}
    more = {f"{template}/{number}": {"GET": ""} for template in many for number in range(100)}
    path = f"/accounts/{ACCOUNT}/cards/{RESOURCE}"
    assert steps(Routes(many), path) == steps(Routes(many | more), path)


def steps(routes: Routes[str], path: str) -> int:
    """How many calls it takes to find a path; not those of garbage that is collected meanwhile."""
    count = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"} and frame.f_globals["__name__"] == Routes.__module__

    sys.setprofile(profile)
    try:
        found = routes.find(path)
    finally:
        sys.setprofile(None)
    assert found is not None
    return count


# --- the order of the checks ------------------------------------------------------------------------


@pytest.mark.parametrize("template", DATA["operations"])
def test_another_method_on_a_path_is_405_with_allow_before_anything_else(
    template: str, spending: Spending
) -> None:
    methods = list(DATA["operations"][template])
    path = next(item.path for item in OPERATIONS if item.template == template)
    for method in METHODS:
        if method not in methods:
            answer = spending.send(method, path, [("x-moov-version", "malformed")], b"")
            assert (status_of(answer), answer[1]["allow"]) == (405, ", ".join(methods))


@pytest.mark.parametrize("template", DATA["operations"])
def test_a_path_that_is_only_like_one_is_404(template: str, spending: Spending) -> None:
    path = next(item.path for item in OPERATIONS if item.template == template)
    for wrong in (f"{path}/", f"/{path}", path.upper(), f"{path}//", path.replace("/", "%2F")):
        assert status_of(spending.send("GET", wrong, [basic()], b"")) == 404


def test_an_empty_segment_is_no_parameter(spending: Spending) -> None:
    assert status_of(spending.send("GET", "/accounts//cards", [basic()], b"")) == 404


@each_operation
def test_a_malformed_version_is_404_before_anyone_is_asked_for_a_token(
    operation: Operation, spending: Spending
) -> None:
    answer = spending.send(operation.method, operation.path, [("x-moov-version", "v1")], b"")
    assert status_of(answer) == 404


def test_a_rate_limit_stands_between_401_and_403() -> None:
    send = sender(new_server(rate_limit=1))
    token = bearer(json.loads(mint(send, "/fed.read")[2])["access_token"])
    path = f"/accounts/{ACCOUNT}/cards"
    assert send("GET", path, [], b"")[0] == 401
    assert send("GET", path, [token], b"")[0] == 429
    assert send("GET", path, [], b"")[0] == 401


def mint(send: Send, scope: str) -> Answer:
    return post_form(send, "/oauth2/token", basic(), grant_type="client_credentials", scope=scope)


# --- whose scope ------------------------------------------------------------------------------------


def test_the_account_in_the_path_is_compared_without_case(spending: Spending) -> None:
    token = spending.mint(f"/accounts/{ACCOUNT}/cards.read")
    for account in (ACCOUNT, ACCOUNT.upper(), ACCOUNT.title()):
        assert status_of(spending.send("GET", f"/accounts/{account}/cards", [token], b"")) == 501


@pytest.mark.parametrize("account", ["{accountID}", "%7BaccountID%7D", "me", "..", "%2e%2e", "*", "'", " "])
def test_what_is_no_account_is_nobodys(account: str, spending: Spending) -> None:
    token = spending.mint(f"/accounts/{ACCOUNT}/cards.read")
    assert status_of(spending.send("GET", f"/accounts/{account}/cards", [token], b"")) == 403


def test_an_encoded_account_is_another_than_the_one_it_stands_for(spending: Spending) -> None:
    path = f"/accounts/{ACCOUNT}/cards".replace("-", "%2D")
    assert (
        status_of(spending.send("GET", path, [spending.mint(f"/accounts/{ACCOUNT}/cards.read")], b"")) == 403
    )


MANY = next(operation for operation in OPERATIONS if len(operation.scopes) > 1)


@pytest.mark.parametrize("few", list(combinations(MANY.scopes, len(MANY.scopes) - 1)))
def test_of_several_scopes_all_are_needed(few: tuple[str, ...], spending: Spending) -> None:
    token = spending.mint(" ".join(few).replace("{accountID}", ACCOUNT))
    answer = spending.send(MANY.method, MANY.path, [token], b"")
    (missing,) = set(MANY.scopes) - set(few)
    lacked = missing.replace("{accountID}", ACCOUNT)
    assert status_of(answer) == 403
    assert answer[1]["x-mockmoov-reason"].startswith(f"the token lacks scope {lacked}; it has ")


def test_where_no_account_is_in_the_path_any_accounts_scope_passes(spending: Spending) -> None:
    for account in (ACCOUNT, OTHER):
        token = spending.mint(f"/accounts/{account}/transfers.read")
        assert status_of(spending.send("GET", "/receipts", [token], b"")) == 501
    assert status_of(spending.send("GET", "/receipts", [spending.mint("/ping.read")], b"")) == 403


def test_a_scope_without_an_account_does_not_stand_for_one_with(spending: Spending) -> None:
    token = spending.mint("/accounts.read /accounts.write")
    assert status_of(spending.send("GET", f"/accounts/{ACCOUNT}", [token], b"")) == 403


# --- what is told -----------------------------------------------------------------------------------


def reason(send: Send, path: str, *headers: Header) -> str:
    return send("GET", path, list(headers), b"")[1]["x-mockmoov-reason"]


def test_a_refusal_says_which_scope_is_missing_and_that_it_is_there_for_another(spending: Spending) -> None:
    path, other = f"/accounts/{ACCOUNT}/cards", spending.mint(f"/accounts/{OTHER}/cards.read")
    lacks = f"the token lacks scope /accounts/{ACCOUNT}/cards.read"
    assert reason(spending.send, path, spending.mint("/ping.read")) == f"{lacks}; it has /ping.read"
    assert reason(spending.send, path, other) == f"{lacks}; it has this scope for another account"


def test_a_refusal_does_not_repeat_what_is_no_account() -> None:
    secret = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
    refusal = missing_scope_reason(
        ["/ping.read"], ["/accounts/{accountID}/cards.read"], {"accountID": secret}
    )
    assert refusal == (
        "the token lacks scope /accounts/{accountID}/cards.read; the account in the path is not a UUID"
    )


def test_what_is_no_account_is_not_to_blame_where_no_scope_names_an_account() -> None:
    assert (
        missing_scope_reason([], ["/ping.read"], {"accountID": "me"})
        == "the token lacks scope /ping.read; it has none"
    )


def test_a_refusal_says_what_the_token_has_and_nothing_that_is_no_scope() -> None:
    secret = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
    assert (
        missing_scope_reason(["/ping.raed"], ["/ping.read"], {})
        == "the token lacks scope /ping.read; it has /ping.raed"
    )
    assert secret not in missing_scope_reason([secret], ["/ping.read"], {})


def test_without_an_upstream_the_answer_says_how_to_have_one(spending: Spending) -> None:
    assert "set upstream" in reason(spending.send, "/accounts", basic())


def test_an_operation_may_be_named_in_faults_and_in_the_journal() -> None:
    server = new_server()
    send = sender(server)
    fault: dict[str, Any] = {"endpoint": "listCards", "status": 418}
    body = json.dumps(fault).encode()
    assert send("POST", "/_mockmoov/faults", [("content-type", "application/json")], body)[0] == 201
    path = f"/accounts/{ACCOUNT}/cards"
    assert send("POST", path, [], b"")[0] == 401
    assert send("GET", f"/accounts/{ACCOUNT}/wallets", [], b"")[0] == 401
    assert send("GET", path, [], b"")[0] == 418
    assert send("PUT", path, [], b"")[0] == 405
    told = [(item.endpoint, item.path, item.status) for item in server.simulation.journal().exchanges]
    assert told == [
        ("linkCard", path, 401),
        ("listWallets", f"/accounts/{ACCOUNT}/wallets", 401),
        ("listCards", path, 418),
        (None, path, 405),
    ]


def test_the_journal_tells_of_a_path_only_words_of_moovs_and_uuids() -> None:
    server = new_server()
    sender(server)("GET", f"/accounts/{ACCOUNT}/cards/secret-4242", [], b"")
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.endpoint, exchange.path) == ("getCard", f"/accounts/{ACCOUNT}/cards/...")


def test_a_wrong_name_of_an_operation_is_answered_with_the_nearest() -> None:
    send = sender(new_server())
    fault = json.dumps({"endpoint": "listCard", "status": 418}).encode()
    status, _, body = send("POST", "/_mockmoov/faults", [("content-type", "application/json")], fault)
    assert status == 422
    assert json.loads(body) == {
        "error": "endpoint must be token, revoke or the name of an operation, such as ping"
        "; did you mean listCards?",
        "field": "endpoint",
    }
    status, _, body = send("GET", "/_mockmoov/exchanges?endpoint=nonsense", [], b"")
    assert (status, json.loads(body)["field"]) == (422, "endpoint")
