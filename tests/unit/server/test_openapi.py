"""The setting openapi: a sufficient request is answered with an example, and nothing else changes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockmoov.config.settings import SettingsError
from mockmoov.oauth.errors import printable
from mockmoov.oauth.operations import BY_PATH
from tests.support.contract_fixtures import Send
from tests.support.extras import advice
from tests.support.openapi import (
    ACCOUNT,
    SCHEMA_POINTER,
    VERSIONS,
    description,
    every_operation,
    is_valid,
    operations,
    with_schema,
)
from tests.support.servers import basic, bearer, new_server, sender
from tests.support.tokens import mint

ANSWERED_HERE = {"ping", "listApplications", "createApplicationKey"}
BASIC_ONLY = {"listApplications", "createApplicationKey"}


def serving(path: Path, document: Any) -> Send:
    path.write_text(yaml.safe_dump(document) if path.suffix == ".yaml" else json.dumps(document))
    return sender(new_server(openapi=str(path)))


@pytest.mark.slow  # hundreds of operations
@pytest.mark.parametrize("suffix", ["yaml", "json"])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_operation_answers_a_valid_example(version: str, suffix: str, tmp_path: Path) -> None:
    document = every_operation(version)
    send = serving(tmp_path / f"openapi.{suffix}", document)
    wrong, asked = [], 0
    for method, path, pointer in operations():
        operation = BY_PATH[path][method]
        if operation.name in ANSWERED_HERE:
            continue
        scope = " ".join(operation.scope_sets[0]).replace("{accountID}", ACCOUNT) or "/ping.read"
        token = mint(send, scope.replace("{partnerAccountID}", ACCOUNT))["access_token"]
        target = path.replace("{accountID}", ACCOUNT).replace("{", "").replace("}", "")
        status, headers, body = send(method, target, [bearer(token)], b"")
        place = f"paths.{pointer.split('/')[2].replace('~1', '/')}.{method.lower()}.responses.200"
        reason = printable(f"made from the schema in openapi.{suffix}: {place}")
        asked += 1
        if (status, headers["x-mockmoov-reason"]) != (200, reason):
            wrong.append((operation.name, status, str(headers)))
        elif not is_valid(document, pointer + SCHEMA_POINTER, json.loads(body)):
            wrong.append((operation.name, status, str(body)))
    assert not wrong
    assert asked >= 200


def test_only_a_sufficient_request_gets_the_example(tmp_path: Path) -> None:
    send = serving(tmp_path / "a.yaml", with_schema({"type": "array", "example": [{"id": 1}]}))
    good, bad = (bearer(mint(send, scope)["access_token"]) for scope in ("/accounts.read", "/ping.read"))
    assert [send("GET", "/accounts", headers, b"")[0] for headers in ([good], [bad], [], [basic()])] == [
        200,
        403,
        401,
        200,
    ]
    assert send("GET", "/accounts", [good], b"")[2] == b'[{"id":1}]'


def test_example_is_in_the_journal_and_faults_come_first(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(with_schema({"type": "integer"})))
    server = new_server(openapi=str(path))
    send = sender(server)
    fault = json.dumps({"endpoint": "listAccounts", "status": 503, "times": 1}).encode()
    assert send("POST", "/_mockmoov/faults", [("content-type", "application/json")], fault)[0] == 201
    assert [send("GET", "/accounts", [basic()], b"")[0] for _ in range(2)] == [503, 200]
    example = server.simulation.journal().exchanges[-1]
    reason = "made from the schema in a.yaml: paths./accounts.get.responses.200"
    assert (example.endpoint, example.status, example.reason) == ("listAccounts", 200, reason)


def test_mockmoovs_own_answers_stay(tmp_path: Path) -> None:
    document = description({})
    success = {"200": {"content": {"application/json": {"example": "not mine"}}}}
    names = {"/ping": "get", "/applications": "get", "/nowhere": "get"}
    document["paths"] = {path: {method: {"responses": success}} for path, method in names.items()}
    send = serving(tmp_path / "a.json", document)
    assert send("GET", "/ping", [basic()], b"")[2] == b""
    assert b"applicationID" in send("GET", "/applications", [basic()], b"")[2]
    assert send("GET", "/nowhere", [basic()], b"")[0] == 404
    assert send("GET", "/accounts", [basic()], b"")[0] == 501


def test_unusable_file_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("swagger: '2.0'")
    (tmp_path / "b.yaml").write_bytes(b" " * (16 * 1024 * 1024 + 2))
    reasons = {
        "a.yaml": 'openapi a.yaml: openapi must be 3.0 or 3.1, not "2.0"',
        "b.yaml": "openapi b.yaml: larger than 16 MiB",
        "c.yaml": f"openapi {tmp_path}/c.yaml: No such file or directory",
        ".": f"openapi {tmp_path}/.: Is a directory",
    }
    for name, reason in reasons.items():
        with pytest.raises(SettingsError) as caught:
            new_server(openapi=f"{tmp_path}/{name}")
        assert str(caught.value) == reason


def test_missing_library_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mockmoov.openapi.examples", None)
    with pytest.raises(SettingsError) as caught:
        new_server(openapi="a.yaml")
    assert str(caught.value) == f"openapi needs the extra mockmoov[openapi]: {advice('openapi')}"


def test_openapi_and_upstream_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match=r"^upstream and openapi exclude each other"):
        new_server(openapi="a.yaml", upstream="http://localhost:1")
