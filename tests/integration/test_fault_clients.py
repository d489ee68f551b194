"""What a program sees of each planned fault, through httpx2, curl and Node's fetch, on a real connection.

`FAULTS` says of each fault what goes over the wire, for any client, and how its request ends. `ENDS` says how
each client reports that: an exception, an exit code. Every client requests a token, as a form with Basic.
"""

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mockmoov import MockMoov, MoovKey
from mockmoov.simulation.faults import PRESETS, Fault
from tests.support.missing import without

PATIENCE, IMPATIENCE = 60.0, 0.5  # seconds that a client waits, and where there is nothing to wait for
FORM = {"grant_type": "client_credentials", "scope": "/ping.read"}
MEMBERS = ["access_token", "expires_in", "refresh_token", "scope", "token_type"]
PAGE = b"<!doctype html><h1>Not today</h1>"


# --- the clients --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client saw of a response, `status` None if none came, and how it reported the end."""

    end: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """What to request: for which API key, how often at most while the status is 503, and how long to wait."""

    key: MoovKey
    tries: int = 1
    patience: float = PATIENCE

    @property
    def url(self) -> str:
        return f"{self.key.url}/oauth2/token"

    @property
    def authorization(self) -> str:
        credentials = f"{self.key.client_id}:{self.key.client_secret}"
        return "Basic " + b64encode(credentials.encode()).decode()


def httpx2_sees(request: TokenRequest, _folder: Path) -> Seen:
    seen, headers = Seen(end=""), {"authorization": request.authorization}
    try:
        with httpx2.Client(trust_env=False, timeout=request.patience) as client:
            for _ in range(request.tries):
                with client.stream("POST", request.url, headers=headers, data=FORM) as answer:
                    seen = Seen(end="", status=answer.status_code, headers=answer.headers)
                    seen = replace(seen, body=answer.read())
                if answer.status_code != 503:
                    break
        answer.raise_for_status()
        return replace(seen, end="token" if "access_token" in answer.json() else "no access_token")
    except (httpx2.HTTPError, ValueError) as error:
        return replace(seen, end=type(error).__name__)


def curl_sees(request: TokenRequest, folder: Path) -> Seen:
    head, body = folder / "head", folder / "body"
    command = ["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--fail-with-body"]
    command += ["--max-time", str(request.patience), "--dump-header", str(head), "--output", str(body)]
    command += ["--header", f"authorization: {request.authorization}", "--write-out", "%{http_code}"]
    for name, value in FORM.items():
        command += ["--data-urlencode", f"{name}={value}"]
    if request.tries > 1:
        command += ["--retry", str(request.tries - 1), "--retry-delay", "1"]
    ended = subprocess.run([*command, request.url], capture_output=True, text=True, timeout=90, check=False)
    lines = head.read_text().strip().split("\n\n")[-1].splitlines()[1:] if head.exists() else []
    fields = (line.partition(":") for line in lines if ":" in line)
    return Seen(
        end=f"exit {ended.returncode}",
        status=int(ended.stdout) or None,
        headers={name.lower(): value.strip() for name, _, value in fields},
        body=body.read_bytes() if body.exists() else b"",
    )


FETCH = """\
const [url, authorization, patience, tries] = process.argv.slice(1);
const report = { end: "", status: null, headers: {}, body: "" };
const form = () => new URLSearchParams({ grant_type: "client_credentials", scope: "/ping.read" });
try {
  for (let attempt = 0; attempt < tries; attempt++) {
    const signal = AbortSignal.timeout(patience * 1000);
    const answer = await fetch(url, { method: "POST", headers: { authorization }, body: form(), signal });
    report.status = answer.status;
    report.headers = Object.fromEntries(answer.headers);
    report.body = await answer.text();
    if (answer.status !== 503) break;
  }
  if (report.status >= 400) report.end = "not ok";
  else report.end = "access_token" in JSON.parse(report.body) ? "token" : "no access_token";
} catch (error) {
  report.end = [error.name, error.cause?.code].filter(Boolean).join(" ");
}
console.log(JSON.stringify(report));
"""


def fetch_sees(request: TokenRequest, folder: Path) -> Seen:
    command = ["node", "--input-type=module", "--eval", FETCH, request.url, request.authorization]
    command += [str(request.patience), str(request.tries)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=True, cwd=folder, env=env
    )
    report = json.loads(ended.stdout)
    return Seen(**{**report, "body": report["body"].encode()})


CLIENTS: Mapping[str, Callable[[TokenRequest, Path], Seen]] = {
    "httpx2": httpx2_sees,
    "curl": curl_sees,
    "fetch": fetch_sees,
}
PROGRAMS = {"curl": "curl", "fetch": "node"}


def client_named(name: str) -> Callable[[TokenRequest, Path], Seen]:
    """The client; gives up if its program is missing."""
    program = PROGRAMS.get(name)
    if program is not None and shutil.which(program) is None:
        without(f"{program} is not on this machine")
    return CLIENTS[name]


# --- what goes over the wire --------------------------------------------------------------------------

Body = Callable[[bytes], bool]


def exactly(body: bytes) -> Body:
    return lambda seen: seen == body


def a_token(drop: tuple[str, ...] = (), **changed: object) -> Body:
    """The members of a token response, without some and with others changed."""

    def fits(seen: bytes) -> bool:
        document = json.loads(seen)
        return list(document) == [name for name in MEMBERS if name not in drop] and all(
            document[name] == value and type(document[name]) is type(value) for name, value in changed.items()
        )

    return fits


def a_unix_time(seen: bytes) -> bool:
    """Whether this is the contract of 2023 with the `expires_in` of the other."""
    return a_token()(seen) and bool(json.loads(seen)["expires_in"] > 10**9)


def begins_a_token(seen: bytes) -> bool:
    return seen.startswith(b'{"access_token":"ey')


NOTHING = exactly(b"")
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"


@dataclass(frozen=True)
class Effect:
    """How a request ends under a fault; which status, headers and body go over the wire, None for none.

    `journaled` is the status in the journal where it is another than that.
    """

    end: str
    status: int | None
    members: Mapping[str, Any]
    body: Body = NOTHING
    headers: Mapping[str, str | None] = field(default_factory=dict)
    journaled: int | None = None


def half_a_token(seen: bytes) -> bool:
    return seen == b"" or (begins_a_token(seen) and b"}" not in seen)


def of_preset(
    name: str, end: str, status: int | None, body: Body = NOTHING, **headers: str | None
) -> tuple[str, Effect]:
    named = {header.replace("_", "-"): value for header, value in headers.items()}
    return name, Effect(end, status, {"preset": name}, body, named)


OF_PRESETS = dict(
    [
        of_preset("server-error", "refused", 500, content_type=None),
        of_preset("unavailable", "refused", 503, content_type=None),
        of_preset("gateway-timeout", "refused", 504, content_type=None),
        of_preset("rate-limited", "refused", 429, retry_after="1", content_type=None),
        of_preset(
            "html", "refused", 502, lambda seen: b"<h1>502 Bad Gateway</h1>" in seen, content_type=HTML
        ),
        of_preset("empty-body", "no JSON", 200, content_type=JSON, content_length="0"),
        of_preset("truncated-json", "no JSON", 200, begins_a_token, content_type=JSON, content_length="40"),
        of_preset("wrong-content-type", "token", 200, a_token(), content_type=TEXT),
        of_preset("missing-access-token", "no token", 200, a_token(drop=("access_token",))),
        of_preset("missing-refresh-token", "token", 200, a_token(drop=("refresh_token",))),
        of_preset("missing-expires-in", "token", 200, a_token(drop=("expires_in",))),
        of_preset("string-expires-in", "token", 200, a_token(expires_in="3600"), content_type=JSON),
        of_preset("negative-expires-in", "token", 200, a_token(expires_in=-1)),
        of_preset("huge-expires-in", "token", 200, a_token(expires_in=10**18)),
        of_preset("expires-in-other", "token", 200, a_unix_time),
        of_preset(
            "edge-blocked",
            "refused",
            403,
            exactly(b"error code: 1010"),
            content_type=TEXT,
            cf_ray="9a1f0c3e5b7d2468-IAD",
            x_request_id=None,
        ),
        of_preset("slow", "token", 200, a_token()),
        of_preset("hang", "hang", None),
        of_preset("reset", "reset", None),
        of_preset("cut", "cut", 200, half_a_token),
    ]
)
FAULTS = {
    **OF_PRESETS,
    "HTML": Effect(
        *("no JSON", 200, {"text": PAGE.decode(), "content_type": HTML}, exactly(PAGE)),
        {"content-type": HTML},
    ),
    "truncated JSON": Effect(
        *("refused", 400, {"status": 400, "body": {"error": "server_error"}, "truncate": 9}),
        *(exactly(b'{"error":'), {"content-type": JSON, "content-length": "9"}),
    ),
    "no content": Effect(
        "no JSON", 204, {"status": 204}, headers={"content-length": None, "content-type": None}
    ),
    "members missing, and a null": Effect(
        *("token", 200, {"drop": ["token_type", "scope"], "set": {"expires_in": None}}),
        a_token(drop=("token_type", "scope"), expires_in=None),
    ),
    "headers of choice": Effect(
        *("refused", 503, {"status": 503, "headers": {"Retry-After": "soon", "X-Extra": "1"}}, NOTHING),
        {"retry-after": "soon", "x-extra": "1"},
    ),
    "429": Effect("refused", 429, {"status": 429, "retry_after": 7.2}, NOTHING, {"retry-after": "8"}),
    # The connection.
    "delay, then a status": Effect("refused", 503, {"delay": 0.05, "status": 503}),
    "delay, then a reset": Effect("reset", None, {"delay": 0.05, "network_error": "reset"}),
    "cut of a body of choice": Effect(
        *("cut", 502, {"status": 502, "text": "x" * 1000, "network_error": "cut"}),
        lambda seen: seen in (b"", b"x" * 500),
        {"content-length": "1000"},
    ),
    "cut without a body": Effect("nothing", None, {"status": 503, "network_error": "cut"}, journaled=503),
}
# How each client reports an end. curl reads no JSON; its exit codes are in its manual.
ENDS = {
    end: dict(zip(("httpx2", "curl", "fetch"), reports, strict=True))
    for end, *reports in (
        ("token", "token", "exit 0", "token"),
        ("no token", "no access_token", "exit 0", "no access_token"),
        ("no JSON", "JSONDecodeError", "exit 0", "SyntaxError"),
        ("refused", "HTTPStatusError", "exit 22", "not ok"),
        ("hang", "ReadTimeout", "exit 28", "TimeoutError"),
        ("reset", "ReadError", "exit 56", "TypeError ECONNRESET"),
        ("cut", "RemoteProtocolError", "exit 18", "TypeError UND_ERR_SOCKET"),
        ("nothing", "RemoteProtocolError", "exit 52", "TypeError UND_ERR_SOCKET"),
    )
}


def test_table_has_every_preset_and_every_effect() -> None:
    assert set(OF_PRESETS) == set(PRESETS)
    what = {"delay", "status", "headers", "body", "text", "content_type", "retry_after", "drop", "set"}
    what |= {"other_expires_in", "truncate", "network_error"}
    used = {name for wire in FAULTS.values() for name in wire.members}
    used |= {name for members in PRESETS.values() for name in members}
    assert what <= used & set(Fault.__annotations__)


# --- the tests ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moov() -> Iterator[MockMoov]:
    with MockMoov() as moov:
        yield moov


@pytest.fixture
def key(moov: MockMoov) -> Iterator[MoovKey]:
    key = moov.new_api_key()
    yield key
    key.delete()


def differences(client: str, name: str, key: MoovKey, folder: Path) -> list[object]:
    """What differs from the table when this fault, and no other, happens to a client."""
    wire = FAULTS[name]
    fault = key.faults.add(**wire.members, endpoint="token", times=1)
    patience = IMPATIENCE if fault.network_error == "hang" else PATIENCE
    began = time.monotonic()
    seen = client_named(client)(TokenRequest(key=key, patience=patience), folder)
    took = time.monotonic() - began
    (exchange,) = key.exchanges.wait(1, timeout=60)
    pairs: list[tuple[object, object]] = [
        ((seen.end, seen.status), (ENDS[wire.end][client], wire.status)),
        ({header: seen.headers.get(header) for header in wire.headers}, wire.headers),
        (wire.body(seen.body) or seen.body, True),
        (took >= fault.delay, True),
        ([(item.matched, item.triggered) for item in key.faults], [(1, 1)]),
        ((exchange.status, exchange.fault), (wire.journaled or wire.status, fault.id)),
    ]
    key.faults.clear()
    key.exchanges.clear()
    return [(name, found, expected) for found, expected in pairs if found != expected]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_sees_every_fault_as_described(client: str, key: MoovKey, tmp_path: Path) -> None:
    wrong = []
    for number, name in enumerate(FAULTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        wrong += differences(client, name, key, folder)
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_client_that_retries_gets_a_valid_token(client: str, key: MoovKey, tmp_path: Path) -> None:
    key.faults.add("unavailable", endpoint="token", times=2)
    seen = client_named(client)(TokenRequest(key=key, tries=3), tmp_path)
    assert (seen.end, seen.status) == (ENDS["token"][client], 200)
    assert [exchange.status for exchange in key.exchanges(endpoint="token")] == [503, 503, 200]
    assert key.faults.untriggered() == ()
    token = json.loads(seen.body)["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert httpx2.get(f"{key.url}/ping", headers=headers, trust_env=False).status_code == 200


@pytest.mark.slow
def test_curl_waits_for_retry_after_and_keeps_half_a_response(key: MoovKey, tmp_path: Path) -> None:
    curl = client_named("curl")
    key.faults.add("rate-limited", retry_after=2, times=1)
    began = time.monotonic()
    seen = curl(TokenRequest(key=key, tries=2), tmp_path)
    assert (seen.end, seen.status) == ("exit 0", 200)
    assert time.monotonic() - began >= 2
    assert [exchange.status for exchange in key.exchanges()] == [429, 200]
    key.faults.add("cut")
    seen = curl(TokenRequest(key=key), tmp_path)
    assert len(seen.body) == int(seen.headers["content-length"]) // 2 > 100
