"""What a program sees of each planned fault, through httpx2, curl and Node's fetch, on a real connection.

`FAULTS` says of each fault what goes over the wire, for any client; `SAID` what each client makes of it, in
its own words: an exception, an exit code. Every client asks for a token, as a form with Basic.
"""

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from mockmoov import MockMoov, MoovKey
from mockmoov.simulation.faults import PRESETS, Fault
from tests.support.missing import without

PATIENCE, IMPATIENCE = 60.0, 0.5  # seconds that a client waits, and where there is nothing to wait for
ISSUER, AUDIENCE = "https://api.moov.io#applications", "https://api.moov.io"
FORM = {"grant_type": "client_credentials", "scope": "/ping.read"}
MEMBERS = ["access_token", "expires_in", "refresh_token", "scope", "token_type"]
PAGE = b"<!doctype html><h1>Not today</h1>"


# --- the clients --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client saw of an answer: `status` None if none came, and what it said in the end."""

    said: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to ask: the API key, how often at most while the answer is 503, and how long to wait for it."""

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


def httpx2_sees(question: Question, _folder: Path) -> Seen:
    seen = Seen(said="")
    headers = {"authorization": question.authorization}
    try:
        with httpx2.Client(trust_env=False, timeout=question.patience) as client:
            for _ in range(question.tries):
                with client.stream("POST", question.url, headers=headers, data=FORM) as answer:
                    seen = Seen(said="", status=answer.status_code, headers=answer.headers)
                    body = answer.read()
                if answer.status_code != 503:
                    break
        seen = Seen(said="", status=answer.status_code, headers=answer.headers, body=body)
        answer.raise_for_status()
        said = "token" if "access_token" in answer.json() else "no access_token"
    except (httpx2.HTTPError, ValueError) as error:
        said = type(error).__name__
    return Seen(said=said, status=seen.status, headers=seen.headers, body=seen.body)


def curl_sees(question: Question, folder: Path) -> Seen:
    head, body = folder / "head", folder / "body"
    command = ["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--fail-with-body"]
    command += ["--max-time", str(question.patience), "--dump-header", str(head), "--output", str(body)]
    command += ["--header", f"authorization: {question.authorization}", "--write-out", "%{http_code}"]
    for name, value in FORM.items():
        command += ["--data-urlencode", f"{name}={value}"]
    if question.tries > 1:
        command += ["--retry", str(question.tries - 1), "--retry-delay", "1"]
    ended = subprocess.run([*command, question.url], capture_output=True, text=True, timeout=90, check=False)
    lines = head.read_text().strip().split("\n\n")[-1].splitlines()[1:] if head.exists() else []
    fields = (line.partition(":") for line in lines if ":" in line)
    return Seen(
        said=f"exit {ended.returncode}",
        status=int(ended.stdout) or None,
        headers={name.lower(): value.strip() for name, _, value in fields},
        body=body.read_bytes() if body.exists() else b"",
    )


FETCH = """\
const [url, authorization, patience, tries] = process.argv.slice(1);
const report = { said: "", status: null, headers: {}, body: "" };
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
  if (report.status >= 400) report.said = "not ok";
  else report.said = "access_token" in JSON.parse(report.body) ? "token" : "no access_token";
} catch (error) {
  report.said = [error.name, error.cause?.code].filter(Boolean).join(" ");
}
console.log(JSON.stringify(report));
"""


def fetch_sees(question: Question, folder: Path) -> Seen:
    command = ["node", "--input-type=module", "--eval", FETCH, question.url, question.authorization]
    command += [str(question.patience), str(question.tries)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=True, cwd=folder, env=env
    )
    report = json.loads(ended.stdout)
    return Seen(**{**report, "body": report["body"].encode()})


CLIENTS: Mapping[str, Callable[[Question, Path], Seen]] = {
    "httpx2": httpx2_sees,
    "curl": curl_sees,
    "fetch": fetch_sees,
}
PROGRAMS = {"curl": "curl", "fetch": "node"}
each_client = pytest.mark.parametrize(
    "client", [pytest.param(name, marks=[pytest.mark.slow] * (name in PROGRAMS)) for name in CLIENTS]
)


def client_named(name: str) -> Callable[[Question, Path], Seen]:
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


def begins_a_token(seen: bytes) -> bool:
    return seen.startswith(b'{"access_token":"ey')


NOTHING = exactly(b"")
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"


@dataclass(frozen=True, kw_only=True)
class OnTheWire:
    """A fault, and what of an answer goes over the wire; a header of None does not. The journal knows."""

    members: Mapping[str, Any]
    status: int | None
    body: Body = NOTHING
    headers: Mapping[str, str | None] = field(default_factory=dict)
    journal: int | str | None = "the same"
    is_slow: bool = False


def preset(name: str, status: int | None, body: Body = NOTHING, **headers: str | None) -> OnTheWire:
    shown = {header.replace("_", "-"): value for header, value in headers.items()}
    return OnTheWire(members={"preset": name}, status=status, body=body, headers=shown)


OAUTH_ERROR = {"error": "server_error"}
FAULTS: Mapping[str, OnTheWire] = {
    # Each preset as it is.
    "server-error": preset("server-error", 500, content_type=None),
    "unavailable": preset("unavailable", 503, content_type=None),
    "gateway-timeout": preset("gateway-timeout", 504, content_type=None),
    "rate-limited": preset("rate-limited", 429, retry_after="1", content_type=None),
    "html": preset("html", 502, lambda seen: b"<h1>502 Bad Gateway</h1>" in seen, content_type=HTML),
    "empty-body": preset("empty-body", 200, content_type=JSON, content_length="0"),
    "truncated-json": preset(
        "truncated-json",
        200,
        lambda seen: begins_a_token(seen) and len(seen) == 40,
        content_type=JSON,
        content_length="40",
    ),
    "wrong-content-type": preset("wrong-content-type", 200, a_token(), content_type=TEXT),
    "missing-access-token": preset("missing-access-token", 200, a_token(drop=("access_token",))),
    "missing-refresh-token": preset("missing-refresh-token", 200, a_token(drop=("refresh_token",))),
    "missing-expires-in": preset("missing-expires-in", 200, a_token(drop=("expires_in",))),
    "string-expires-in": preset("string-expires-in", 200, a_token(expires_in="3600"), content_type=JSON),
    "negative-expires-in": preset("negative-expires-in", 200, a_token(expires_in=-1)),
    "huge-expires-in": preset("huge-expires-in", 200, a_token(expires_in=10**18)),
    "slow": OnTheWire(members={"preset": "slow"}, status=200, body=a_token(), is_slow=True),
    "hang": preset("hang", None),
    "reset": preset("reset", None),
    "cut": preset("cut", 200, lambda seen: seen == b"" or (begins_a_token(seen) and b"}" not in seen)),
    # A status, with a body of choice.
    "status with JSON": OnTheWire(
        members={"status": 500, "body": OAUTH_ERROR},
        status=500,
        body=exactly(b'{"error":"server_error"}'),
        headers={"content-type": JSON},
    ),
    "status with HTML": OnTheWire(
        members={"status": 502, "text": PAGE.decode(), "content_type": HTML},
        status=502,
        body=exactly(PAGE),
        headers={"content-type": HTML},
    ),
    "success with HTML": OnTheWire(
        members={"status": 200, "text": PAGE.decode(), "content_type": HTML}, status=200, body=exactly(PAGE)
    ),
    "status with truncated JSON": OnTheWire(
        members={"status": 400, "body": OAUTH_ERROR, "truncate": 9},
        status=400,
        body=exactly(b'{"error":'),
        headers={"content-type": JSON, "content-length": "9"},
    ),
    "success with truncated JSON": OnTheWire(
        members={"status": 200, "body": OAUTH_ERROR, "truncate": 9}, status=200, body=exactly(b'{"error":')
    ),
    "JSON of a wrong content type": OnTheWire(
        members={"status": 400, "body": OAUTH_ERROR, "content_type": "text/html; charset=latin-1"},
        status=400,
        body=exactly(b'{"error":"server_error"}'),
        headers={"content-type": "text/html; charset=latin-1"},
    ),
    "no content": OnTheWire(
        members={"status": 204}, status=204, headers={"content-length": None, "content-type": None}
    ),
    "members missing": OnTheWire(
        members={"drop": ["token_type", "scope"]}, status=200, body=a_token(drop=("token_type", "scope"))
    ),
    "expires_in is null": OnTheWire(
        members={"set": {"expires_in": None}}, status=200, body=a_token(expires_in=None)
    ),
    "expires_in is a fraction": OnTheWire(
        members={"set": {"expires_in": 0.5}}, status=200, body=a_token(expires_in=0.5)
    ),
    "headers of choice": OnTheWire(
        members={"status": 503, "headers": {"Retry-After": "soon", "X-Extra": "1"}},
        status=503,
        headers={"retry-after": "soon", "x-extra": "1"},
    ),
    "429 with Retry-After": OnTheWire(
        members={"status": 429, "retry_after": 7.2}, status=429, headers={"retry-after": "8"}
    ),
    # The connection.
    "delay": OnTheWire(members={"delay": 0.05}, status=200, body=a_token(), headers={"content-type": JSON}),
    "delay, then a status": OnTheWire(members={"delay": 0.05, "status": 503}, status=503),
    "delay, then a reset": OnTheWire(members={"delay": 0.05, "network_error": "reset"}, status=None),
    "cut of an answer of choice": OnTheWire(
        members={"status": 502, "text": "x" * 1000, "network_error": "cut"},
        status=502,
        body=lambda seen: seen in (b"", b"x" * 500),
        headers={"content-length": "1000"},
    ),
    "cut of an answer without a body": OnTheWire(
        members={"status": 503, "network_error": "cut"}, status=None, journal=503
    ),
}

# --- what each client says ----------------------------------------------------------------------------

_EACH_A_TOKEN = (
    "wrong-content-type", "missing-refresh-token", "missing-expires-in", "string-expires-in",
    "negative-expires-in", "huge-expires-in", "slow", "members missing", "expires_in is null",
    "expires_in is a fraction", "delay",
)  # fmt: skip
_EACH_REFUSED = (
    "server-error", "unavailable", "gateway-timeout", "rate-limited", "html", "status with JSON",
    "status with HTML", "status with truncated JSON", "JSON of a wrong content type", "headers of choice",
    "429 with Retry-After", "delay, then a status",
)  # fmt: skip
_EACH_NO_JSON = (
    "empty-body", "truncated-json", "success with HTML", "success with truncated JSON", "no content",
)  # fmt: skip
SAID: Mapping[str, Mapping[str, str]] = {
    "httpx2": {
        **dict.fromkeys(_EACH_A_TOKEN, "token"),
        **dict.fromkeys(_EACH_REFUSED, "HTTPStatusError"),
        **dict.fromkeys(_EACH_NO_JSON, "JSONDecodeError"),
        "missing-access-token": "no access_token",
        "hang": "ReadTimeout",
        "reset": "ReadError",
        "delay, then a reset": "ReadError",
        "cut": "RemoteProtocolError",
        "cut of an answer of choice": "RemoteProtocolError",
        "cut of an answer without a body": "RemoteProtocolError",
    },
    "curl": {  # it reads no JSON; its exit codes are in its manual
        **dict.fromkeys(_EACH_A_TOKEN, "exit 0"),
        **dict.fromkeys(_EACH_REFUSED, "exit 22"),
        **dict.fromkeys(_EACH_NO_JSON, "exit 0"),
        "missing-access-token": "exit 0",
        "hang": "exit 28",
        "reset": "exit 56",
        "delay, then a reset": "exit 56",
        "cut": "exit 18",
        "cut of an answer of choice": "exit 18",
        "cut of an answer without a body": "exit 52",
    },
    "fetch": {
        **dict.fromkeys(_EACH_A_TOKEN, "token"),
        **dict.fromkeys(_EACH_REFUSED, "not ok"),
        **dict.fromkeys(_EACH_NO_JSON, "SyntaxError"),
        "missing-access-token": "no access_token",
        "hang": "TimeoutError",
        "reset": "TypeError ECONNRESET",
        "delay, then a reset": "TypeError ECONNRESET",
        "cut": "TypeError UND_ERR_SOCKET",
        "cut of an answer of choice": "TypeError UND_ERR_SOCKET",
        "cut of an answer without a body": "TypeError UND_ERR_SOCKET",
    },
}


def test_every_client_says_something_of_every_fault_and_every_preset_is_among_them() -> None:
    assert {wire.members.get("preset") for wire in FAULTS.values()} - {None} == set(PRESETS)
    assert set(SAID) == set(CLIENTS)
    for said in SAID.values():
        assert set(said) == set(FAULTS)


def test_all_that_a_fault_can_do_is_among_them() -> None:
    what = {"delay", "status", "headers", "body", "text", "content_type", "retry_after", "drop", "set"}
    what |= {"truncate", "network_error"}
    used = {name for wire in FAULTS.values() for name in wire.members}
    used |= {name for members in PRESETS.values() for name in members}
    assert what <= set(Fault.__annotations__)
    assert what <= used


# --- the tests ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moov() -> Iterator[MockMoov]:
    with MockMoov() as moov:
        yield moov


@pytest.fixture
def key(moov: MockMoov) -> Iterator[MoovKey]:
    key = moov.new_api_key()
    yield key
    key.delete()


ROWS = [
    pytest.param(
        client,
        name,
        id=f"{client}: {name}",
        marks=[pytest.mark.slow] * (client in PROGRAMS or wire.is_slow),
    )
    for client in CLIENTS
    for name, wire in FAULTS.items()
]


@pytest.mark.parametrize(("client", "name"), ROWS)
def test_a_client_sees_a_fault_as_it_goes_over_the_wire_and_says_so(
    client: str, name: str, key: MoovKey, tmp_path: Path
) -> None:
    wire, ask = FAULTS[name], client_named(client)
    fault = key.faults.add(**wire.members, endpoint="token", times=1)
    began = time.monotonic()
    patience = IMPATIENCE if fault.network_error == "hang" else PATIENCE
    seen = ask(Question(key=key, patience=patience), tmp_path)
    took = time.monotonic() - began
    assert (seen.said, seen.status) == (SAID[client][name], wire.status)
    assert took >= fault.delay
    assert wire.body(seen.body), seen
    assert {header: seen.headers.get(header) for header in wire.headers} == wire.headers
    assert [(item.matched, item.triggered) for item in key.faults] == [(1, 1)]
    (exchange,) = key.exchanges.wait(1, timeout=60)
    expected = wire.status if wire.journal == "the same" else wire.journal
    assert (exchange.status, exchange.fault) == (expected, fault.id)


@each_client
def test_after_two_503s_a_client_that_tries_again_gets_a_token_that_can_be_verified(
    client: str, key: MoovKey, tmp_path: Path
) -> None:
    key.faults.add("unavailable", endpoint="token", times=2)
    seen = client_named(client)(Question(key=key, tries=3), tmp_path)
    assert (seen.said, seen.status) == (SAID[client]["delay"], 200)
    assert [exchange.status for exchange in key.exchanges(endpoint="token")] == [503, 503, 200]
    assert key.faults.untriggered() == ()
    token = json.loads(seen.body)["access_token"]
    jwks = jwt.PyJWKSet.from_dict(
        httpx2.get(f"{key.url}/.well-known/jwks.json", trust_env=False).raise_for_status().json()
    )
    claims = jwt.decode(
        token,
        jwks[jwt.get_unverified_header(token)["kid"]].key,
        algorithms=["EdDSA"],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": ["exp", "iat", "iss", "aud", "jti"]},
    )
    assert (claims["scp"], claims["caid"]) == ("/ping.read", key.account_id)
    headers = {"authorization": f"Bearer {token}"}
    assert httpx2.get(f"{key.url}/ping", headers=headers, trust_env=False).status_code == 200


@pytest.mark.slow
def test_curl_waits_as_long_as_retry_after_says(key: MoovKey, tmp_path: Path) -> None:
    key.faults.add("rate-limited", retry_after=2, times=1)
    began = time.monotonic()
    seen = client_named("curl")(Question(key=key, tries=2), tmp_path)
    assert (seen.said, seen.status) == ("exit 0", 200)
    assert time.monotonic() - began >= 2
    assert [exchange.status for exchange in key.exchanges()] == [429, 200]


@pytest.mark.slow
def test_curl_keeps_the_half_of_an_answer_that_arrives_before_the_cut(key: MoovKey, tmp_path: Path) -> None:
    key.faults.add("cut")
    seen = client_named("curl")(Question(key=key), tmp_path)
    assert len(seen.body) == int(seen.headers["content-length"]) // 2 > 100


@each_client
def test_a_client_that_was_left_hanging_delays_no_other(client: str, key: MoovKey, tmp_path: Path) -> None:
    key.faults.add("hang", times=1)
    seen = [
        client_named(client)(Question(key=key, patience=patience), tmp_path)
        for patience in (IMPATIENCE, PATIENCE)
    ]
    assert [one.said for one in seen] == [SAID[client]["hang"], SAID[client]["delay"]]
    assert [exchange.status for exchange in key.exchanges()] == [None, 200]
