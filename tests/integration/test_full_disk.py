"""A disk that is full or read-only under a server: 503, and no restart when there is room again."""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from mockmoov.oauth.responses import REASON_HEADER
from tests.support.connections import over_http
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import basic, post_form
from tests.support.serving import serving, serving_process
from tests.support.tokens import members, mint, ping, refresh, revoke

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="only Linux lets a test limit and mount what it needs"
    ),
]
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
REASONS = ("the disk is full", "the disk failed, or is full", "read-only")


def request_until(send: Send, is_over: Callable[[Answer], bool]) -> dict[str, set[str]]:
    """Request, use up and revoke tokens until an answer ends it; those that were acknowledged, by fate."""
    known: dict[str, set[str]] = {"good": set(), "used": set(), "revoked": set(), "unsure": set()}
    while True:
        answer = post_form(send, "/oauth2/token", basic(), **MINT)
        if is_over(answer):
            return known
        if answer[0] != 200:
            continue
        pair = members(answer)
        renewed = refresh(send, pair["refresh_token"])
        known["used" if renewed[0] == 200 else "unsure"].add(pair["refresh_token"])
        fate = "revoked" if revoke(send, pair["access_token"])[0] == 204 else "unsure"
        known[fate].add(pair["access_token"])
        if renewed[0] == 200:
            known["good"].add(members(renewed)["access_token"])


def assert_kept(send: Send, known: dict[str, set[str]]) -> None:
    """All that was acknowledged still holds."""
    statuses = {"good": 200, "revoked": 401}
    wrong = [
        (fate, token)
        for fate, status in statuses.items()
        for token in known[fate]
        if ping(send, token) != status
    ]
    assert wrong == []
    assert {refresh(send, token)[0] for token in known["used"]} <= {400}


def is_503(answer: Answer) -> bool:
    status, headers, body = answer
    assert status in (200, 503), (status, headers, body)
    if status == 503:
        assert any(reason in headers[REASON_HEADER] for reason in REASONS), headers
        assert (headers["retry-after"], body) == ("1", b"")
    return status == 503


def limit_size_of_files(process: int, size: int) -> None:
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


def test_server_goes_on_when_its_file_may_grow_again(tmp_path: Path) -> None:
    path, log = tmp_path / "state.db", tmp_path / "log"
    store = f"--store=sqlite:{path}"
    with ExitStack() as stack:
        stderr = stack.enter_context(log.open("w"))
        url, process = stack.enter_context(serving_process(store, "--access-log=off", stderr=stderr))
        send = stack.enter_context(over_http(url))
        known = []
        for _ in range(2):
            size = path.with_name("state.db-wal").stat().st_size
            limit_size_of_files(process.pid, size + 60_000)
            known.append(request_until(send, is_503))
            assert send("GET", "/_mockmoov/health", [], b"")[0] == 200
            limit_size_of_files(process.pid, resource.RLIM_INFINITY)
            mint(send)
            assert_kept(send, known[-1])
        assert sum(len(each["good"]) for each in known) > 10
    with serving(store, "--access-log=off") as url, over_http(url) as send:
        for each in known:
            assert_kept(send, {**each, "good": set()})  # replayed above, which ended them
    assert "Traceback" not in log.read_text()


# --- a small disk ---------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 1 MiB at a folder; skips where that isn't allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write a file until there is no room."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_server_goes_on_when_its_disk_has_room_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with small_disk(tmp_path / "disk") as disk, log.open("w") as stderr:
        store = f"--store=sqlite:{disk / 'state.db'}"
        with serving_process(store, "--access-log=off", stderr=stderr) as (url, _), over_http(url) as send:
            for _ in range(2):
                ballast = disk / "ballast"
                fill(ballast)
                known = request_until(send, is_503)
                ballast.unlink()
                mint(send)
                assert_kept(send, known)
        with serving(store, "--access-log=off") as url, over_http(url) as send:
            assert_kept(send, {**known, "good": set()})
    assert "Traceback" not in log.read_text()
