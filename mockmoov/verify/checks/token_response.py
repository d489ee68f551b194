"""Owns the rules of a granted token request. Must not know transports or reports."""

from uuid import UUID

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import LIFETIME, MEMBERS
from mockmoov.verify.kit import PING_PATH, REVOKE, TOKEN
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.results import NotCheckable

topic = Topic("token")
_SLACK = 300  # seconds between the server's clock and ours, where it does not say what time it is
_MOST = 4096  # characters of a token

# What the Go SDK of 2023 calls itself, in any release of it.
PINNED = ("User-Agent", "speakeasy-sdk/go 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go")


@topic.check("status", "seed, spec")
def _(probe: Probe) -> None:
    """A form with Basic credentials, all of it right, is answered 200."""
    probe.token().want_status(200)


@topic.check("members", "seed, spec")
def _(probe: Probe) -> None:
    """A success has exactly access_token, expires_in, refresh_token, scope and token_type."""
    members = probe.token().document().keys()
    want(members == MEMBERS, f"{', '.join(sorted(MEMBERS))}", ", ".join(sorted(members)))


@topic.check("member-types", "seed, spec")
def _(probe: Probe) -> None:
    """expires_in is a whole number, the other members are texts that are not empty."""
    document = probe.token().document()
    for name in sorted(MEMBERS & document.keys()):
        kind = int if name == "expires_in" else str
        value = document[name]
        want(type(value) is kind and bool(value), f"{name} to be a {kind.__name__}", type(value).__name__)


@topic.check("type", "live, spec, sdk")
def _(probe: Probe) -> None:
    """token_type is Bearer in this spelling; jwt or opaque where the 2023 SDK's contract is the default."""
    shown = probe.mint().answer.text("token_type")
    want(shown in probe.reading.token_types, " or ".join(sorted(probe.reading.token_types)), shown)


@topic.check("expires-in", "seed, spec, live")
def _(probe: Probe) -> None:
    """expires_in is a lifetime in seconds in 2023, and the Unix time of expiry in dated versions."""
    answer = probe.mint().answer
    remaining = probe.reading.lifetime(answer.number("expires_in"), answer.server_now)
    kind = "a Unix time to come" if probe.reading.expires_at_unix_time else "a lifetime in seconds"
    want(-_SLACK < remaining < 10**8, kind, answer.document().get("expires_in"))


@topic.check("lifetime", "live")
def _(probe: Probe) -> None:
    """An access token lives for 3,600 seconds."""
    answer = probe.mint().answer
    remaining = probe.reading.lifetime(answer.number("expires_in"), answer.server_now)
    slack = 2 if answer.header("date") else _SLACK
    want(abs(remaining - LIFETIME) <= slack, f"{LIFETIME} seconds", remaining)


@topic.check("content-type", "seed, spec, rfc 6749 §5.1")
def _(probe: Probe) -> None:
    """A success is application/json."""
    probe.token().want_status(200).want_json()


@topic.check("no-store", "rfc 6749 §5.1")
def _(probe: Probe) -> None:
    """A success says Cache-Control: no-store."""
    probe.token().want_status(200).want_directive("cache-control", "no-store")


@topic.check("pragma", "rfc 6749 §5.1")
def _(probe: Probe) -> None:
    """A success says Pragma: no-cache."""
    probe.token().want_status(200).want_directive("pragma", "no-cache")


@topic.check("length", "seed, spec")
def _(probe: Probe) -> None:
    """Both tokens are printable ASCII of at most 4,096 characters."""
    pair = probe.mint()
    for name, token in (("access_token", pair.access), ("refresh_token", pair.refresh)):
        want(
            len(token) <= _MOST and token.isascii() and token.isprintable(), f"a printable {name}", len(token)
        )


@topic.check("fresh", "rfc 6749 §10.10")
def _(probe: Probe) -> None:
    """Each request gives tokens of its own, and the two of a pair differ."""
    one, two = probe.mint(), probe.mint()
    tokens = {one.access, one.refresh, two.access, two.refresh}
    want(len(tokens) == 4, "four different tokens", f"{len(tokens)}")


@topic.check("scope-order", "live", examples=6, needs=("two scopes",))
def _(probe: Probe) -> None:
    """For any order of the scopes asked for, they come back in that order with single spaces."""

    def law(asked: tuple[str, ...]) -> None:
        scope = probe.mint(scope=" ".join(asked)).scope
        want(scope == " ".join(asked), " ".join(asked), scope)

    probe.for_all(st.permutations(probe.target.scopes).map(tuple), law)


@topic.check("scope-repeats", "choice", examples=6)
def _(probe: Probe) -> None:
    """For any repeats among the scopes asked for, each comes back once, where it came first."""

    def law(asked: list[str]) -> None:
        scope = probe.mint(scope=" ".join(asked)).scope
        want(scope == " ".join(dict.fromkeys(asked)), " ".join(dict.fromkeys(asked)), scope)

    probe.for_all(st.lists(st.sampled_from(probe.target.scopes), min_size=2, max_size=5), law)


@topic.check("scope-spaces", "choice", examples=6)
def _(probe: Probe) -> None:
    """For any white space around and between the scopes asked for, single spaces come back."""

    def law(spaces: tuple[str, str, str]) -> None:
        before, between, after = spaces
        scope = probe.mint(scope=before + between.join(probe.target.scopes) + after).scope
        want(scope == probe.scope, probe.scope, scope)

    space = st.text(" ", min_size=1, max_size=4)
    probe.for_all(st.tuples(space, space, space), law)


@topic.check("pinned-sdk", "seed, sdk", contract="2023")
def _(probe: Probe) -> None:
    """The 2023 Go SDK, known by its User-Agent, gets jwt or opaque for token_type."""
    shown = probe.pair(probe.token(headers=[PINNED])).answer.text("token_type")
    want(shown in ("jwt", "opaque"), "jwt or opaque", shown)


@topic.check("pinned-sdk-dated", "choice", contract="dated")
def _(probe: Probe) -> None:
    """X-Moov-Version wins over the User-Agent of the 2023 Go SDK."""
    if probe.reading.version is None:
        raise NotCheckable("this run sends no X-Moov-Version")
    pair = probe.pair(probe.token(headers=[PINNED]))
    shown = pair.answer.text("token_type")
    want(shown in probe.reading.token_types, "Bearer", shown)


@topic.check("request-id", "spec")
def _(probe: Probe) -> None:
    """Every answer, refusals included, carries a x-request-id of its own, which is a UUID."""
    answers = [
        probe.token(),
        probe.token(probe.minting(grant_type="nonsense")),
        probe.token(credentials=False),
        probe.revoke("nonsense"),
        probe.ping(None),
        probe.ping(probe.mint().access),
        probe.ask("GET", TOKEN),
        probe.ask("GET", REVOKE),
    ]
    shown = [answer.header("x-request-id") for answer in answers]
    for value in shown:
        want(_is_uuid(value), "x-request-id to be a UUID", value)
    want(len(set(shown)) == len(shown), "an x-request-id of its own for each answer", f"{len(set(shown))}")


@topic.check("request-id-own", "choice")
def _(probe: Probe) -> None:
    """A request id of the caller is not echoed."""
    own = "00000000-1111-4222-8333-444444444444"
    answer = probe.ask("GET", PING_PATH, headers=[("X-Request-ID", own)])
    want(answer.header("x-request-id") != own, "another x-request-id", own)


def _is_uuid(value: str | None) -> bool:
    try:
        return str(UUID(value or "")) == (value or "").lower()
    except ValueError:
        return False
