"""Checks of stubs, and of what the journal keeps of the requests that they answer.

Each check adds stubs for `createTransfer` of a new key; most have a name, which shows which one answered.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from mockmoov.verify.check import check
from mockmoov.verify.probe import JSON, Header, Probe
from mockmoov.verify.response import Response, expect
from mockmoov.verify.target import PING_SCOPE

_OPERATION = "createTransfer"
_TRANSFER = {"amount": {"currency": "USD", "value": 1204}, "description": "A refund"}
_CARD_NUMBER, _PASSWORD = "4111111111111111", "not-a-word-17"


@check("stub.answers", "choice", needs=("control plane",))
def stub_answers(probe: Probe) -> None:
    """A stub answers with its status, its headers and its JSON."""
    answer = {"error": {"amount": "too large"}, "limits": [1, 2.5, None, True]}
    client = _with_stubs(probe, {"status": 422, "headers": {"X-Limit": "7"}, "json": answer})
    response = _create(client, _token(client)).expect_status(422).expect_json().expect_header("x-limit", "7")
    expect(response.json_object() == answer, json.dumps(answer), response)


@check("stub.after-guard", "choice", needs=("control plane",))
def stub_after_guard(probe: Probe) -> None:
    """A stub doesn't answer a request that gets 401 or 403, and such a request doesn't use it up."""
    client = _with_stubs(probe, {"json": {}, "times": 1})
    expired = probe.control_plane.mint(client.key, scope=_scope(client.key.account_id), defect="expired")
    for token, status in ((None, 401), (expired, 401), (client.mint(scope=PING_SCOPE).access, 403)):
        _create(client, token).expect_status(status)
    _create(client, _token(client)).expect_status(200)


@check("stub.last", "choice", needs=("control plane",))
def stub_last(probe: Probe) -> None:
    """Of the stubs that match a request, the last one added answers."""
    _expect_order(_with_stubs(probe, _named("first"), _named("last")), "last", "last")


@check("stub.times", "choice", needs=("control plane",))
def stub_times(probe: Probe) -> None:
    """A stub answers as many requests as its `times`; then an earlier stub answers."""
    client = _with_stubs(probe, _named("earlier"), _named("twice", times=2))
    _expect_order(client, "twice", "twice", "earlier")


@check("stub.every", "choice", needs=("control plane",))
def stub_every(probe: Probe) -> None:
    """A stub skips its first `after` matches, and then answers every `every`-th."""
    client = _with_stubs(probe, _named("earlier"), _named("due", after=1, every=2))
    _expect_order(client, "earlier", "earlier", "due", "earlier", "due")


@check("stub.where", "choice", needs=("control plane",))
def stub_where(probe: Probe) -> None:
    """A stub answers the requests that meet all its conditions: path parameters, query, headers and body."""
    account, other = (str(uuid4()) for _ in range(2))
    where = {
        "path_parameters": {"accountID": account},
        "query": {"mode": "fast lane"},
        "headers": {"X-Wait-For": "rail-response"},
        "body": {"amount": {"currency": "USD"}},
    }
    client = _with_stubs(probe, _named("any"), _named("chosen", where=where))
    token = _token(client, account, other)
    matching: dict[str, Any] = {
        "account": account,
        "query": "?mode=fast%20lane&page=1",
        "headers": (("x-wait-for", "rail-response"),),
        "body": _TRANSFER,
    }
    differences: list[dict[str, Any]] = [
        {"account": other},
        {"query": "?mode=slow"},
        {"headers": ()},
        {"body": {"amount": {"currency": "EUR", "value": 1204}}},
    ]
    _expect_name(_create(client, token, **matching), "chosen")
    for difference in differences:
        _expect_name(_create(client, token, **matching | difference), "any")


@check("stub.filled", "choice", needs=("control plane",))
def stub_filled(probe: Probe) -> None:
    """`{accountID}` in the strings of a stub's JSON becomes that of the path, and `{{` a brace."""
    template = {"account": "{accountID}", "links": ["/accounts/{accountID}"], "brace": "{{accountID}"}
    client = _with_stubs(probe, {"json": template})
    account = client.key.account_id
    filled = {"account": account, "links": [f"/accounts/{account}"], "brace": "{accountID}"}
    response = _create(client, _token(client)).expect_status(200)
    expect(response.json_object() == filled, json.dumps(filled), response)


@check("stub.another-key", "choice", needs=("control plane",))
def stub_another_key(probe: Probe) -> None:
    """A stub of one key doesn't answer the requests of another."""
    clients = {name: _with_stubs(probe, _named(name)) for name in ("one", "other")}
    for name, client in clients.items():
        _expect_order(client, name)


@check("stub.journal", "choice", needs=("control plane",))
def stub_journal(probe: Probe) -> None:
    """The journal has the path parameters, the query and the JSON body of a request, and its stub."""
    client = probe.with_new_key()
    stub = probe.control_plane.add_stub(client.key, _OPERATION)
    account = client.key.account_id
    expected = {
        "endpoint": _OPERATION,
        "stub": stub,
        "path_parameters": {"accountID": account},
        "query": {"mode": ["fast lane"]},
        "body": _TRANSFER,
    }
    _create(client, _token(client), query="?mode=fast%20lane").expect_empty(200)
    exchange = _last_exchange(client)
    for name, value in expected.items():
        expect(exchange.get(name) == value, f"{name} {json.dumps(value)}", json.dumps(exchange.get(name)))


@check("stub.masked", "choice", needs=("control plane",))
def stub_masked(probe: Probe) -> None:
    """The journal masks passwords and card numbers in what an operation was sent."""
    client = _with_stubs(probe, {})
    body = {"card": {"cardNumber": _CARD_NUMBER}, "password": _PASSWORD, "description": _CARD_NUMBER}
    _create(client, _token(client), query=f"?card={_CARD_NUMBER}", body=body).expect_empty(200)
    exchange = json.dumps(_last_exchange(client))
    for value in (_CARD_NUMBER, _PASSWORD):
        expect(value not in exchange, f"{value} to be masked", exchange)


def _named(name: str, **members: object) -> dict[str, object]:
    """A stub whose answer has this name."""
    return {"json": {"name": name}, **members}


def _with_stubs(probe: Probe, *stubs: Mapping[str, object]) -> Probe:
    """A probe with a new key that has these stubs."""
    client = probe.with_new_key()
    for stub in stubs:
        probe.control_plane.add_stub(client.key, _OPERATION, **stub)
    return client


def _token(client: Probe, *accounts: str) -> str:
    """A token that may create transfers of these accounts, by default that of the key."""
    return client.mint(scope=" ".join(map(_scope, accounts or [client.key.account_id]))).access


def _scope(account: str | None) -> str:
    return f"/accounts/{account}/transfers.write"


def _create(
    client: Probe,
    token: str | None,
    *,
    account: str | None = None,
    query: str = "",
    headers: tuple[Header, ...] = (),
    body: object = _TRANSFER,
) -> Response:
    """Create a transfer; by default one of the key's account."""
    path = f"/accounts/{account or client.key.account_id}/transfers{query}"
    content = json.dumps(body).encode()
    return client.call(path, token, ("Content-Type", JSON), *headers, method="POST", body=content)


def _expect_order(client: Probe, *names: str) -> None:
    """The stubs with these names answer, in this order."""
    token = _token(client)
    for name in names:
        _expect_name(_create(client, token), name)


def _expect_name(response: Response, name: str) -> None:
    expect(response.expect_status(200).json_object() == {"name": name}, f"the stub {name}", response)


def _last_exchange(client: Probe) -> Mapping[str, object]:
    exchanges = client.control_plane.exchanges(client.key)
    expect(bool(exchanges), "the request in the journal", "an empty journal")
    return exchanges[-1]
