"""The log of `mockmoov serve` and `mockmoov run` on standard error: text, or JSON lines."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.servers import CLIENT_ID, CLIENT_SECRET
from tests.support.serving import environment, serving_process

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
GRANT = {"grant_type": "client_credentials", "scope": "/ping.read"}
MEMBERS = ["time", "level", "message", "request_id", "method", "path", "status", "client_id"]
MEMBERS += ["grant_type", "contract", "reason", "ms"]


def log_of(tmp_path: Path, *flags: str) -> list[str]:
    """What a server writes to standard error for a token, a refusal and SIGTERM."""
    log = tmp_path / "log"
    with log.open("w") as file, serving_process(*flags, stderr=file) as (url, process):
        assert (
            httpx2.post(f"{url}/oauth2/token", auth=(CLIENT_ID, CLIENT_SECRET), data=GRANT).status_code == 200
        )
        assert httpx2.get(f"{url}/ping").status_code == 401
        process.terminate()
        assert process.wait(30) == 0
    return log.read_text().splitlines()


@pytest.mark.slow
def test_text_has_time_level_and_what_happened(tmp_path: Path) -> None:
    token, refusal, end = log_of(tmp_path)
    assert re.fullmatch(rf"{TIME} INFO POST /oauth2/token 200 client_id={CLIENT_ID} .*ms", token)
    assert re.fullmatch(rf"{TIME} INFO GET /ping 401 contract=2023 reason='no Authorization .*ms", refusal)
    assert re.fullmatch(rf"{TIME} INFO SIGTERM: the server stops", end)


@pytest.mark.slow
def test_json_has_the_same_as_members(tmp_path: Path) -> None:
    token, refusal, end = map(json.loads, log_of(tmp_path, "--log-format=json"))
    assert list(token) == list(refusal) == MEMBERS
    assert re.fullmatch(TIME, token["time"])
    shown = {name: token[name] for name in ("level", "message", "status", "client_id", "contract", "reason")}
    assert shown == {
        "level": "INFO", "message": "POST /oauth2/token 200", "status": 200, "client_id": CLIENT_ID,
        "contract": "2023", "reason": None,
    }  # fmt: skip
    assert (refusal["status"], refusal["client_id"]) == (401, None)
    assert list(end) == MEMBERS[:3]


def errors_of(*command: str, **variables: str) -> tuple[int, list[Mapping[str, Any]]]:
    """The exit code of a command, and the JSON objects that it writes to standard error."""
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        env={**environment(), **variables},
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.slow
def test_errors_of_the_start_are_json_too(tmp_path: Path) -> None:
    file = tmp_path / "mockmoov.toml"
    file.write_text("port = 99999")
    written = tmp_path / "written.toml"
    written.write_text("log_format = 'json'\nrate_limit = 'x'")
    serve = ("-m", "mockmoov", "serve", "--port=0")
    table = [
        ((*serve, "--rate-limit=x", "--log-format=json"), {}, "--rate-limit must be"),
        (serve, {"MOCKMOOV_LOG_FORMAT": "json", "MOCKMOOV_PROT": "1"}, "MOCKMOOV_PROT: there is no such"),
        (serve, {"MOCKMOOV_LOG_FORMAT": "json", "MOCKMOOV_CONFIG": str(file)}, f"{file}: port must be"),
        ((*serve, "--log-format=json", "--signing-key=none.pem"), {}, "signing_key none.pem: No such"),
        ((*serve, "--log-format=json", f"--ready-file={tmp_path}"), {}, f"--ready-file {tmp_path}: "),
        ((*serve, f"--config={written}"), {}, f"{written}: rate_limit must be"),
    ]
    for command, variables, message in table:
        code, (error,) = errors_of(*command, **variables)
        assert (code, error["level"]) == (2, "ERROR")
        assert error["message"].startswith(message)


FAILING = """
import warnings
from mockmoov.cli import logs
logs.configure("text")
logs.configure("json")
warnings.warn("a warning")
raise ValueError("a failure")
"""


@pytest.mark.slow
def test_warnings_and_tracebacks_are_json_too() -> None:
    code, (warning, failure) = errors_of("-c", FAILING)
    assert code == 1
    assert (warning["level"], "a warning" in warning["message"]) == ("WARNING", True)
    assert (failure["level"], failure["message"]) == ("CRITICAL", "mockmoov itself failed")
    assert failure["traceback"].endswith("ValueError: a failure")
