"""`mockmoov serve --openapi`: over a real socket, from the start-up line to the answer."""

import logging
from pathlib import Path

import httpx2
import pytest
import yaml

from mockmoov.testing import MockMoov
from tests.support import command_line
from tests.support.openapi import every_operation
from tests.support.servers import CLIENT_ID, CLIENT_SECRET
from tests.support.serving import serving_process

pytestmark = pytest.mark.slow


def test_server_answers_with_examples_over_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(yaml.safe_dump(every_operation("3.1.0")))
    with serving_process("--openapi", str(path)) as (url, process):
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(3)]
        assert lines[2] == "openapi.yaml: 209 operations are answered, 0 are unknown"
        with httpx2.Client(base_url=url, auth=(CLIENT_ID, CLIENT_SECRET), trust_env=False) as http:
            response = http.get("/accounts")
            assert (response.status_code, response.json()["mode"]) == (200, "sandbox")
            head = http.head("/accounts")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == response.headers["content-length"]
        assert httpx2.get(f"{url}/accounts", trust_env=False).status_code == 401


def test_unusable_file_is_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text("openapi: 3.1.0\npaths: {/accounts: {get: []}}\n")
    result = command_line.run("serve", "--port=0", f"--openapi={path}")
    expected = "mockmoov: openapi openapi.yaml: paths./accounts.get must be an object\n"
    assert (result.exit_code, result.stderr) == (2, expected)


def test_server_in_a_test_logs_how_many_operations_it_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("openapi: 3.1.0\npaths: {/accounts: {get: {}}, /none: {get: {}}}\n")
    with caplog.at_level(logging.INFO), MockMoov(openapi=path):
        assert "a.yaml: 1 operations are answered, 1 are unknown" in caplog.messages
