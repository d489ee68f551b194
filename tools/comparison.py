"""Runs the contract suite against other fakes, to see which rules they follow.

Run as `python -m tools.comparison`; it takes some minutes. It installs each server of tools/other_fakes/,
serves it on this machine and runs `mockmoov verify` against it, once for each contract. Then it repeats
three of Prism's failures with curl. It writes reports/comparison.md, and fails if a server cannot be
installed or verified, or if the suite does not report one of the three failures.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mockmoov.verify.check import Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import RECOMMENDED_VERSION
from tests.e2e.foreign_clients.clients import CLIENT_ID, CLIENT_SECRET
from tests.e2e.foreign_clients.programs import clean_environment, run, tool_environment
from tools.markdown import line
from tools.other_fakes import FAKES, HERE, PRISM, Fake

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "comparison.md"
START_SECONDS, STOP_SECONDS, VERIFY_SECONDS = 60.0, 10.0, 300.0
CONTRACTS: Mapping[str, tuple[str, ...]] = {"2023": (), "dated": ("--moov-version", RECOMMENDED_VERSION)}
"""The options of `mockmoov verify` for each contract. Without options it verifies both."""
LABELS = {"2023": "2023", "dated": RECOMMENDED_VERSION}
MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "not-checkable": "·", "": ""}
GROUPS: Mapping[str, Callable[[Check], bool]] = {
    "OAuth's own rules, of the RFCs": lambda check: check.severity == "documented" and "rfc" in check.tags,
    "Moov's rules, documented": lambda check: check.severity == "documented" and "rfc" not in check.tags,
    "Moov's rules, observed": lambda check: check.severity == "observed",
    "mockmoov's choices where nobody says": lambda check: check.severity == "our choice",
}

NO_PAIR = "expected refresh_token to be a string"
"""The reason of a check that starts with a token pair, if the server issues no refresh token."""

COMMONEST = 6
"""The number of reasons to list for each column."""

Column = tuple[str, str]
"""A fake's name and a contract's."""
Ended = Mapping[str, tuple[str, str]]
"""The status and the reason of each check, by id."""


# --- running -------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(fake: Fake, folder: Path, contract: str) -> Iterator[str]:
    """Run a fake in a process. Yields its URL."""
    port = free_port()
    places = {"port": port, "fixtures": ROOT / "fixtures", "contract": contract, "python": sys.executable}
    argv = [part.format(**places) for part in fake.command]
    env = clean_environment() | {name: value.format(**places) for name, value in fake.environment.items()}
    with (folder / f"log-{port}").open("wb") as log:
        server = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        await_port(server, port, fake.name)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def await_port(server: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{name} does not listen on port {port}")


def verified(url: str, contract: str, folder: Path) -> list[dict[str, Any]]:
    """The checks of the suite's JSON report."""
    path = folder / "report.json"
    argv = [sys.executable, "-m", "mockmoov", "verify", url, *CONTRACTS[contract], "--json", str(path)]
    credentials = {"MOCKMOOV_CLIENT_ID": CLIENT_ID, "MOCKMOOV_CLIENT_SECRET": CLIENT_SECRET}
    said = subprocess.run(
        argv, cwd=ROOT, env=clean_environment() | credentials, timeout=VERIFY_SECONDS, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    if said.returncode not in (0, 1):
        raise RuntimeError(f"{url} cannot be verified: {said.stdout[-500:]}{said.stderr[-500:]}")
    checks: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["checks"]
    return checks


def ended(checks: Sequence[Mapping[str, Any]], contract: str) -> Ended:
    """How the checks ended under one contract."""
    return {
        check["id"]: (run["status"], run["reason"])
        for check in checks
        for run in check["runs"]
        if run["contract"] == LABELS[contract] and run["status"] != "finding"
    }


def brought_here(fake: Fake, parent: Path) -> Path:
    """The folder to serve a fake in."""
    folder = parent / fake.name
    if not fake.folder:
        folder.mkdir()
        return folder
    shutil.copytree(HERE / fake.folder, folder)
    fetched = run(fake.fetch, cwd=folder, env=tool_environment(), out=folder)
    if fetched.returncode != 0:
        raise RuntimeError(f"{fake.name} cannot be fetched: {fetched.stdout}{fetched.stderr}"[:800])
    return folder


# --- by hand -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A failure to repeat with curl: the check that reports it, the right response, and the commands."""

    check: str
    right: str
    lines: tuple[str, ...]


_KEY = f'-u {CLIENT_ID}:"$CLIENT_SECRET"'
_MINT = "--data 'grant_type=client_credentials&scope=/ping.read'"
REPEATS = (
    Repeat(
        check="client.wrong-secret",
        right='401 with `{"error":"invalid_client"}` (seed, RFC 6749 §5.2)',
        lines=(f"curl -i -u {CLIENT_ID}:not-the-secret {_MINT} $URL/oauth2/token",),
    ),
    Repeat(
        check="token.scope-order",
        right="`scope` is the requested scope, `/ping.read` (live, RFC 6749 §5.1)",
        lines=(f"curl -i {_KEY} {_MINT} $URL/oauth2/token",),
    ),
    Repeat(
        check="revoke.access-token",
        right="401 for a revoked token (RFC 7009 §2, live)",
        lines=(
            f"curl -i {_KEY} --data token=$TOKEN $URL/oauth2/revoke",
            'curl -i -H "Authorization: Bearer $TOKEN" $URL/ping',
        ),
    ),
)


def typed(repeat: Repeat, url: str) -> str:
    """The commands with their responses, as a shell shows them."""
    minted = f"curl -s {_KEY} {_MINT} $URL/oauth2/token"
    token = json.loads(_shell(minted, url))["access_token"]
    shown = []
    for command in repeat.lines:
        answer = _shell(command.replace("curl -i", "curl -s -i"), url, TOKEN=token)
        head, _, body = answer.replace("\r", "").partition("\n\n")
        shown += [f"$ {command}", head.splitlines()[0], *([_short(body)] if body else [])]
    return "\n".join(shown)


def _shell(command: str, url: str, **variables: str) -> str:
    env = {**os.environ, "URL": url, "CLIENT_SECRET": CLIENT_SECRET, "NO_PROXY": "127.0.0.1", **variables}
    ended = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, check=True)
    return ended.stdout


def _short(body: str) -> str:
    """A body with shortened tokens."""
    document = json.loads(body)
    for name in ("access_token", "refresh_token"):
        if name in document:
            document[name] = f"{document[name][:12]}..."
    return json.dumps(document)


# --- the report ----------------------------------------------------------------------------------------


def kept(checks: Sequence[Check], found: Ended) -> str:
    """How many of the rules that could be checked are followed."""
    statuses = [found[check.id][0] for check in checks if check.id in found]
    checkable = [status for status in statuses if status != "not-checkable"]
    return f"{checkable.count('passed')} of {len(checkable)}"


def verdicts() -> list[Check]:
    return [check for check in CHECKS.values() if not check.finding]


def summary(columns: Mapping[Column, Ended]) -> str:
    rows = [
        line(title, *(kept([c for c in verdicts() if belongs(c)], found) for found in columns.values()))
        for title, belongs in GROUPS.items()
    ]
    stopped = [sum(reason.startswith(NO_PAIR) for _, reason in found.values()) for found in columns.values()]
    rows.append(line("not tested, because there is no refresh token", *stopped))
    return "\n".join([*heading("rules followed, of those that could be checked", columns), *rows])


def heading(first: str, columns: Mapping[Column, Ended]) -> list[str]:
    names = [f"{name}, {contract}" for name, contract in columns]
    return [line(first, *names), line("---", *("--:" for _ in names))]


def complaints(columns: Mapping[Column, Ended]) -> str:
    """The most common reasons of failures: one missing feature can fail many checks."""
    rows = []
    for (name, contract), found in columns.items():
        reasons = Counter(
            reason.split(", got ")[0] for status, reason in found.values() if status == "failed"
        )
        common = [f"{reason} ({count})" for reason, count in reasons.most_common(COMMONEST) if count > 1]
        rows.append(line(f"{name}, {contract}", "; ".join(common).replace("|", "\\|") or "none failed"))
    return "\n".join([line("", "the most common reasons"), line("---", "---"), *rows])


def every_check(columns: Mapping[Column, Ended]) -> str:
    rows = []
    for check in verdicts():
        marks = (MARKS[found.get(check.id, ("", ""))[0]] for found in columns.values())
        rows.append(line(f"`{check.id}`: {check.title.replace('|', chr(92) + '|')}", check.severity, *marks))
    names = [f"{name}, {contract}" for name, contract in columns]
    return "\n".join([line("rule", "severity", *names), line("---", "---", *(":-:" for _ in names)), *rows])


def report(columns: Mapping[Column, Ended], shown: Mapping[str, str]) -> str:
    """The report as Markdown."""
    fakes = [line(fake.title, fake.version, fake.meant_for, fake.set_up) for fake in FAKES]
    repeats = "\n\n".join(
        f"`{repeat.check}`: {CHECKS[repeat.check].title}. Right is {repeat.right}.\n\n"
        f"<!-- not run: typed against Prism by `python -m tools.comparison` -->\n"
        f"```text\n{shown[repeat.check]}\n```"
        for repeat in REPEATS
    )
    return f"""# How other fakes follow Moov's contract

Written by `python -m tools.comparison` on {date.today()}: a run of `mockmoov verify` against each server on
one machine, once for each contract, with one API key and no control plane except mockmoov's own.

The question is whether a program that is tested against a fake gets the responses that it will get from
Moov. None of the others claims to be Moov, and each is good at what it was made for. Some of what they leave
out, such as rejecting a wrong secret, they leave out on purpose. The authors of mockmoov read the contract
and wrote the suite; mockmoov is in the table as the control. A server may also follow a rule by accident: one
that refuses everything follows all rules about errors.

| fake | version | what it is meant for | how it was set up |
|---|---|---|---|
{chr(10).join(fakes)}

The versions are exact; their dependencies are what the registries had on that day.

## In short

{summary(columns)}

## What the failures say

One missing feature fails many checks. A server that issues no refresh token with client_credentials, as
RFC 6749 §4.4.3 advises, fails each check that starts with a token pair: the last row above says how many. A
server without an operation that uses a token fails each check that ends with one.

{complaints(columns)}

## What each is good for

- **Prism** checks the form of a request against the description, and has a response for every operation. It
  does not check secrets or tokens, returns the example's scope whatever the request says, and rotates and
  revokes nothing.
- **oauth2-mock-server** signs real tokens with real keys, and has hooks to change them. It does not
  authenticate clients, does not know scopes, and issues refresh tokens with other grants only.
- **mock-oauth2-server** has most grants, real keys and many issuers in one process. It accepts any client and
  any scope, and issues refresh tokens with other grants only.

## Three of Prism's failures, by hand

These use curl instead of the suite, against Prism with our description of the 2023 contract.

{repeats}

## Every rule

✓ passed, ✗ failed, · not checkable there (needs mockmoov's control plane, or a JWT); empty: not a rule of
that contract.

{every_check(columns)}
"""


def main() -> int:
    """Run everything and write the report."""
    columns: dict[Column, Ended] = {}
    shown: dict[str, str] = {}
    with TemporaryDirectory() as directory:
        for fake in FAKES:
            folder = brought_here(fake, Path(directory))
            for contract in CONTRACTS:
                with serving(fake, folder, contract) as url:
                    columns[fake.name, contract] = ended(verified(url, contract, folder), contract)
                    print(
                        f"{fake.name}, {contract}: {kept(verdicts(), columns[fake.name, contract])}",
                        flush=True,
                    )
                    if (fake, contract) == (PRISM, "2023"):
                        shown = {repeat.check: typed(repeat, url) for repeat in REPEATS}
    REPORT.write_text(report(columns, shown), encoding="utf-8")
    wrong = [repeat.check for repeat in REPEATS if columns[PRISM.name, "2023"][repeat.check][0] != "failed"]
    for check in wrong:
        print(f"{check} is repeated with curl, but the suite does not report it")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
