"""A server in memory, two on one file and two on one Redis answer every request alike, whatever the order.

The shared ones are restarted in between, and the one in memory is not: a restart changes no answer.
"""

import json
import re
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from mockmoov.config.settings import Layer, load
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.encoding import decode
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from mockmoov.server.starting import Found, restart_advice
from tests.support.contract_fixtures import Answer
from tests.support.redis_servers import new_name, redis_url
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    Clock,
    Header,
    another_key,
    bearer,
    post_form,
    sender,
)
from tests.support.tokens import members

ACCESS, REFRESH = 100, 1000  # lifetimes in seconds
OTHER = "other"  # an API key that may be created, changed and deleted
SECRETS = {CLIENT_ID: CLIENT_SECRET, OTHER: str(another_key(OTHER)["client_secret"])}
CONTROL = "/_mockmoov"
ACCOUNT = f"/accounts/{EXAMPLE['account_id']}"
SUFFICIENT = f"/ping.read {ACCOUNT}/profile.read"
# What a server draws at random: JWTs, refresh tokens and their hashes, and request ids; by their length,
# opaque tokens and ids of signing keys (43), families and secrets (32), other ids (16).
RANDOM = re.compile(
    r"(?<![\w.-])(?:eyJ[\w-]+\.[\w-]+\.[\w-]*|Wy[\w-]+\.[\w-]+|sha256:[0-9a-f]{12}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w-]{43}|[\w-]{32}|[\w-]{16})(?![\w.-])",
    re.ASCII,
)

owners = st.sampled_from([None, CLIENT_ID, OTHER])
client_ids = st.sampled_from([CLIENT_ID, CLIENT_ID, OTHER])
others = st.sampled_from([None, None, None, CLIENT_ID, OTHER])  # instead of the client of a token
scope_sets = st.sampled_from(["/ping.read", SUFFICIENT, "/fed.read", "/nope.read"])
versions = st.sampled_from([None, "v2026.07.00"])
selections: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "after": st.integers(0, 2),
        "every": st.integers(1, 2),
        "times": st.integers(1, 2),
        "where": st.just({"method": "GET"}),
    },
)
faults = st.builds(
    dict[str, Any],
    selections,
    preset=st.sampled_from(["unavailable", "rate-limited", "missing-refresh-token", "string-expires-in"]),
    endpoint=st.sampled_from([None, "token", "revoke", "ping"]),
    probability=st.sampled_from([1, 0.5]),
    seed=st.integers(0, 3),
    start=st.sampled_from([None, NOW, NOW + ACCESS]),
    end=st.sampled_from([None, NOW + 2 * ACCESS]),
)
stubs = st.builds(
    dict[str, Any],
    selections,
    endpoint=st.sampled_from(["ping", "ping", "getAccount", "token"]),
    status=st.sampled_from([200, 404]),
    json=st.just({"of": "{accountID}"}),
)
clock_changes = st.sampled_from(
    [
        *[("shift", {"seconds": seconds}) for seconds in (ACCESS, REFRESH, -ACCESS / 3, -3 * REFRESH)],
        ("move-to", {"to": NOW + ACCESS}),
        ("freeze", {}),
        ("freeze", {"at": NOW}),
        ("resume", {}),
    ]
)
attributes = st.sampled_from(
    [
        {"enabled": False},
        {"enabled": None},
        {"scopes": ["/ping.read"]},
        {"scopes": None},
        {"origins": ["https://shop.example"]},
        {"grants": ["refresh_token"]},
        {"grants": None},
        {"scopes": ["/nope.read"]},
    ]
)
queries = st.sampled_from(
    [
        "",
        "status=200",
        "endpoint=token",
        "grant_type=refresh_token",
        "status=503&method=POST",
        f"since={NOW + ACCESS}",
    ]
)
defects = st.sampled_from([*[None] * 5, *DEFECTS])
paths = st.sampled_from(["/ping", "/ping?a=1", ACCOUNT, "/accounts"])
kinds = st.sampled_from(["access_token", "refresh_token"])


@dataclass
class Twins:
    """What two servers drew at random where they answered alike; the same stands for the same everywhere."""

    shared: dict[str, str] = field(default_factory=dict)
    in_memory: dict[str, str] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """A text for the server in memory, as one for the shared ones."""
        return RANDOM.sub(lambda found: self.shared.get(found[0], found[0]), text)

    def compare(self, in_memory: str, shared: str) -> None:
        """Both texts must be the same, but for what is random."""
        assert RANDOM.sub("?", in_memory) == RANDOM.sub("?", shared)
        for here, there in zip(RANDOM.findall(in_memory), RANDOM.findall(shared), strict=True):
            is_new = here not in self.shared and there not in self.in_memory
            assert len(here) == len(there)
            assert self.shared.setdefault(here, there) == there
            assert self.in_memory.setdefault(there, here) == here
            if is_new and "." in here:
                self.compare(contents(here), contents(there))


def contents(token: str) -> str:
    """What a signed token says, header and all, without its signature."""
    return " ".join(decode(part).decode() for part in token.split(".")[:-1])


class Issued(NamedTuple):
    """The tokens of a response to an API key, "" for one that isn't there."""

    client_id: str
    access_token: str
    refresh_token: str


# What the reasons of a server say only if a restart ends its tokens.
RESTARTS = {
    "issued before the server started, or before its": "issued before its",
    "from before a restart or a reset": "from before a reset",
}


class ServersAgree(RuleBasedStateMachine):
    """Each request goes to the server in memory, to one on the file, and to one on Redis."""

    granted: Bundle[Issued] = Bundle("granted")
    minted: Bundle[Issued] = Bundle("minted")
    fault_paths: Bundle[str] = Bundle("fault_paths")
    kids: Bundle[str] = Bundle("kids")

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()

    def teardown(self) -> None:
        self.cleanup.close()

    @initialize(
        target=granted,
        values=st.fixed_dictionaries(
            {
                "token_format": st.sampled_from(["jwt", "opaque"]),
                "default_version": st.sampled_from(["2023", "v2026.07.00"]),
                "rate_limit": st.sampled_from([0, 0, 0, 2]),
                "refresh_grace_seconds": st.sampled_from([0, ACCESS]),
                "refresh_rotation": st.sampled_from([True, True, False]),
                "journal_size": st.sampled_from([0, 5, 10_000]),
            },
            optional={"seed": st.just("a seed")},
        ),
    )
    def start(self, values: Mapping[str, object]) -> Any:
        folder = self.cleanup.enter_context(TemporaryDirectory())
        self.wall, self.which = Clock(), 0
        self.newest: deque[Issued] = deque(maxlen=3)
        self.values = {**values, "access_token_lifetime": ACCESS, "refresh_token_lifetime": REFRESH}
        self.is_seeded = "seed" in values
        self.memory = self.create({"store": "memory"})
        self.send_to_memory = sender(self.memory)
        self.advice = restart_advice(self.memory.settings)
        on_redis = {"store": redis_url(), "store_namespace": new_name()}
        self.shared = [Pair(self, {"store": f"sqlite:{Path(folder) / 'state.db'}"}), Pair(self, on_redis)]
        self.control("POST", None, "/api-keys", another_key(OTHER))
        return multiple(*[self.request_tokens(client_id) for client_id in (CLIENT_ID, OTHER)])

    def create(self, store: Mapping[str, str]) -> AuthorizationServer:
        chosen = load(Layer(settings={**self.values, **store}))
        server = create_server(chosen, clock=self.wall)
        self.cleanup.callback(server.close)
        return server

    # --- one request to all ---

    def send(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """The answer of all servers, as the one in memory gave it."""
        answer = self.send_to_memory(method, target, headers, body)
        text = printed(answer)
        for of_memory, shared in ((self.advice, ""), *RESTARTS.items()):
            text = text.replace(of_memory, shared)
        for pair in self.shared:
            translate = pair.twins.translate
            other = pair.senders[self.which](
                method,
                translate(target),
                [(name, translate(value)) for name, value in headers],
                translate(body.decode()).encode(),
            )
            assert other[0] == answer[0] != 500
            pair.twins.compare(text, printed(other))
        return answer

    def control(self, method: str, owner: str | None, path: str, body: object = None) -> Answer:
        prefix = CONTROL if owner is None else f"{CONTROL}/api-keys/{owner}"
        headers = [("content-type", "application/json")]
        return self.send(method, prefix + path, headers, b"" if body is None else json.dumps(body).encode())

    def post(self, path: str, client_id: str, version: str | None = None, **parameters: str) -> Answer:
        credentials = {"client_id": client_id, "client_secret": SECRETS[client_id]}
        return post_form(self.send, path, *chosen(version), **credentials, **parameters)

    def request_tokens(self, client_id: str, scope: str = "/ping.read", version: str | None = None) -> Any:
        form = {"grant_type": "client_credentials", "scope": scope}
        return self.issued(client_id, self.post("/oauth2/token", client_id, version, **form))

    def issued(self, client_id: str, answer: Answer) -> Any:
        """The tokens in an answer, as a rule returns them."""
        found = members(answer) if answer[2] else {}
        tokens = Issued(client_id, found.get("access_token", ""), found.get("refresh_token", ""))
        if not tokens.access_token:
            return multiple()
        self.newest.append(tokens)
        return tokens

    # --- clients ---

    @rule(target=granted, client_id=client_ids, scope=scope_sets, version=versions)
    def request_token(self, client_id: str, scope: str, version: str | None) -> Any:
        return self.request_tokens(client_id, scope, version)

    @rule(target=granted, token=granted, client_id=others, version=versions)
    def refresh(self, token: Issued, client_id: str | None, version: str | None) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        client_id = client_id or token.client_id
        return self.issued(client_id, self.post("/oauth2/token", client_id, version, **form))

    @rule(token=granted | minted, kind=kinds, client_id=others, version=versions)
    def revoke(self, token: Issued, kind: str, client_id: str | None, version: str | None) -> None:
        self.post("/oauth2/revoke", client_id or token.client_id, version, token=getattr(token, kind))

    @rule(
        tokens=st.lists(granted | minted, min_size=1, max_size=4),
        path=paths,
        version=versions,
    )
    def use(self, tokens: list[Issued], path: str, version: str | None) -> None:
        for token in tokens:
            self.send("GET", path, [bearer(token.access_token), *chosen(version)], b"")

    @rule(path=paths, version=versions, times=st.integers(1, 4))
    def use_new_token(self, path: str, version: str | None, times: int) -> None:
        """The token is valid and sufficient: faults and stubs answer."""
        minted = members(self.control("POST", CLIENT_ID, "/tokens", {"scope": SUFFICIENT}))
        for _ in range(times):
            self.send("GET", path, [bearer(minted["access_token"]), *chosen(version)], b"")

    # --- tests ---

    @rule(seconds=st.sampled_from([0.25, 1, ACCESS - 1, ACCESS, REFRESH]))
    def wait(self, seconds: float) -> None:
        self.wall.shift(seconds)

    @rule(owner=owners, change=clock_changes)
    def change_clock(self, owner: str | None, change: tuple[str, object]) -> None:
        self.control("POST", owner, f"/clock/{change[0]}", change[1])

    @rule(more=st.sampled_from([{}, {"account_id": None, "origins": ["https://a.example"]}]))
    def create_api_key(self, more: dict[str, object]) -> None:
        self.control("POST", None, "/api-keys", more)

    @rule(client_id=client_ids, change=attributes)
    def change_api_key(self, client_id: str, change: object) -> None:
        self.control("PATCH", client_id, "", change)

    @rule()
    def delete_or_create_api_key(self) -> None:
        """Not that of the settings, as a restart creates it again."""
        if self.control("DELETE", OTHER, "")[0] == 404:
            self.control("POST", None, "/api-keys", another_key(OTHER))

    @rule(owner=owners)
    def reset(self, owner: str | None) -> None:
        self.control("POST", owner, "/reset")

    @rule(target=minted, client_id=client_ids, scope=scope_sets, defect=defects)
    def mint(self, client_id: str, scope: str, defect: str | None) -> Any:
        wish = {"scope": scope, "defect": defect}
        return self.issued(client_id, self.control("POST", client_id, "/tokens", wish))

    @precondition(lambda self: not self.is_seeded)  # a restart signs with the key of the seed again
    @rule(target=kids)
    def rotate(self) -> str:
        before = members(self.control("GET", None, "/signing-keys"))
        self.control("POST", None, "/signing-keys/rotate")
        return str(before["signs"])

    @rule(kid=consumes(kids))
    def drop(self, kid: str) -> None:
        self.control("DELETE", None, f"/signing-keys/{kid}")

    @rule(target=fault_paths, owner=owners, fault=faults)
    def add_fault(self, owner: str | None, fault: object) -> Any:
        answer = self.control("POST", owner, "/faults", fault)
        return f"/faults/{members(answer)['fault']['id']}" if answer[0] == 201 else multiple()

    @rule(owner=owners, stub=stubs)
    def add_stub(self, owner: str | None, stub: object) -> None:
        self.control("POST", owner, "/stubs", stub)

    @rule(owner=owners, path=st.sampled_from(["/faults", "/stubs", "/exchanges"]) | fault_paths)
    def remove(self, owner: str | None, path: str) -> None:
        self.control("DELETE", owner, path)

    @rule(owner=owners, query=queries, count=st.integers(1, 3))
    def wait_for_exchanges(self, owner: str | None, query: str, count: int) -> None:
        self.control("GET", owner, f"/exchanges/wait?timeout=0&count={count}&{query}")

    # --- the shared stores ---

    @rule(which=st.integers(0, 1))
    def use_server(self, which: int) -> None:
        """The next requests go to this server of each pair."""
        self.which = which

    @rule(stopped=st.sampled_from([[0], [1], [0, 1]]))
    def restart(self, stopped: list[int]) -> None:
        for pair in self.shared:
            for which in stopped:
                pair.servers[which].close()
            for which in stopped:
                pair.start(which)
                assert pair.servers[which].found == found_in(self.memory)

    @invariant()
    def tokens_are_alike(self) -> None:
        for token in self.newest:
            self.post("/_mockmoov/introspect", token.client_id, token=token.access_token)
            self.post("/_mockmoov/introspect", token.client_id, token=token.refresh_token)

    @invariant()
    def all_state_is_the_same(self) -> None:
        for owner in (None, CLIENT_ID, OTHER):
            for path in ("/clock", "/faults", "/stubs", "/exchanges?limit=3"):
                self.control("GET", owner, path)
        self.control("GET", None, "/api-keys")
        self.control("GET", None, "/signing-keys")


class Pair:
    """Two servers on one store, and what they drew at random."""

    def __init__(self, machine: ServersAgree, store: Mapping[str, str]) -> None:
        self.machine, self.store, self.twins = machine, store, Twins()
        self.servers = [machine.create(store) for _ in range(2)]
        self.senders = [sender(server) for server in self.servers]

    def start(self, which: int) -> None:
        """Start one of them again."""
        self.servers[which] = self.machine.create(self.store)
        self.senders[which] = sender(self.servers[which])


def printed(answer: Answer) -> str:
    """Headers and body; the date of the control plane is the real one."""
    _, headers, body = answer
    omitted = "date" if "x-mockmoov-extension" in headers else None
    return json.dumps({name: headers[name] for name in headers if name != omitted}) + body.decode()


def chosen(version: str | None) -> list[Header]:
    """The header that chooses a contract."""
    return [("x-moov-version", version)] if version else []


def found_in(server: AuthorizationServer) -> Found:
    """What a start on the same state would find."""
    repository = server.repository
    return Found(
        is_new=False,
        api_keys=repository.count_api_keys(),
        families=repository.count_families(10_001),
        exchanges=server.simulation.count_exchanges(),
    )


TestServersAgree = pytest.mark.timeout(600)(
    pytest.mark.slow(ServersAgree.TestCase)
)  # to shrink takes minutes
TestServersAgree.settings = settings(stateful_step_count=60)
