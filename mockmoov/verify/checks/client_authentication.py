"""Owns the rules of client authentication. Must not know transports or reports."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.masking import basic
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Answer, want_same

topic = Topic("client")

NEAR_MISSES: Mapping[str, Callable[[str], str]] = {
    "one character more": lambda secret: secret + "x",
    "one character less": lambda secret: secret[:-1],
    "the case swapped": lambda secret: secret.swapcase(),
    "a space before": lambda secret: " " + secret,
    "the last character another": lambda secret: secret[:-1] + ("y" if secret[-1] == "x" else "x"),
    "nothing": lambda _: "",
    "another one": lambda _: "not-the-secret-of-this-key",
}
"""Secrets that are wrong, by what is wrong with them; the right one goes in."""


@topic.check("body-form", "seed, spec")
def _(probe: Probe) -> None:
    """Credentials in a form are accepted."""
    probe.token(probe.in_body(), credentials=False).want_status(200)


@topic.check("body-json", "seed, spec")
def _(probe: Probe) -> None:
    """Credentials in a JSON body are accepted."""
    probe.token(probe.in_body(), credentials=False, as_json=True).want_status(200)


@topic.check("both", "sdk")
def _(probe: Probe) -> None:
    """The same credentials in the header and in the body are accepted."""
    probe.token(probe.in_body()).want_status(200)


@topic.check("disagreeing", "rfc 6749 §2.3")
def _(probe: Probe) -> None:
    """Other credentials in the body than in the header are invalid_request."""
    for other in ({"client_id": "another-client"}, {"client_secret": "another-secret"}):
        probe.token(probe.in_body() | other).want_refusal(probe.refusal("request"))


@topic.check("percent-encoded", "rfc 6749 §2.3.1, sdk", examples=5)
def _(probe: Probe) -> None:
    """For any way of percent-encoding Basic credentials, they are accepted."""
    key = probe.key

    def law(masks: tuple[list[bool], list[bool]]) -> None:
        user, password = _encoded(key.client_id, masks[0]), _encoded(key.client_secret, masks[1])
        probe.hide(password, "ENCODED_SECRET")
        probe.hide(basic(user, password), "ENCODED_BASIC")
        probe.token(headers=[probe.basic(user, password)], credentials=False).want_status(200)

    bits = st.lists(st.booleans(), min_size=1, max_size=8).filter(any)
    probe.for_all(st.tuples(bits, bits), law)


@topic.check("raw-percent", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """A secret with a percent sign or a plus in it is accepted as it is, too."""
    other = probe.own(client_secret="kept%41+as-it-is-0123456789")  # noqa: S106
    other.token(headers=[other.basic()], credentials=False).want_status(200)


@topic.check("wrong-secret", "seed, rfc 6749 §5.2, live", examples=7)
def _(probe: Probe) -> None:
    """For any wrong secret in the header: 401, in 2023 with invalid_client and a challenge, else empty."""

    def law(miss: str) -> None:
        _by_header(probe, _wrong(probe, miss)).want_refusal(probe.refusal("client"))

    probe.for_all(st.sampled_from(sorted(NEAR_MISSES)), law)


@topic.check("wrong-secret-in-body", "seed, spec", examples=4)
def _(probe: Probe) -> None:
    """For any wrong secret in the body: 400 invalid_client in 2023, 401 and empty in dated versions."""

    def law(miss: str) -> None:
        body = probe.in_body() | {"client_secret": _wrong(probe, miss)}
        probe.token(body, credentials=False).want_refusal(probe.refusal("client in body"))

    probe.for_all(st.sampled_from(sorted(NEAR_MISSES)), law)


@topic.check("unknown", "seed, rfc 6749 §5.2")
def _(probe: Probe) -> None:
    """An unknown client is refused as a wrong secret is."""
    probe.token(headers=[probe.basic("nobody-at-all", "some-secret")], credentials=False).want_refusal(
        probe.refusal("client")
    )
    body = {"client_id": "nobody-at-all", "client_secret": "some-secret"}
    probe.token(probe.minting(**body), credentials=False).want_refusal(probe.refusal("client in body"))


@topic.check("unknown-is-not-told", "choice")
def _(probe: Probe) -> None:
    """Nothing in an answer tells an unknown client from a wrong secret."""
    unknown = _by_header(probe, "not-the-secret", "nobody-at-all")
    wrong = _by_header(probe, "not-the-secret")
    want_same([_told(unknown), _told(wrong)], "answer")


@topic.check("nothing-sent", "seed, rfc 6749 §5.2, live")
def _(probe: Probe) -> None:
    """No credentials at all are a 401."""
    probe.token(credentials=False).want_refusal(probe.refusal("client"))


@topic.check("challenge", "seed, rfc 6749 §5.2", contract="2023")
def _(probe: Probe) -> None:
    """The challenge of a 401 is Basic realm="moov"; a 400 has none."""
    _by_header(probe, "not-the-secret").want_header("www-authenticate", 'Basic realm="moov"')
    body = probe.in_body() | {"client_secret": "not-the-secret"}
    probe.token(body, credentials=False).want_header("www-authenticate", None)


@topic.check("no-challenge", "live", contract="dated")
def _(probe: Probe) -> None:
    """A 401 has no body and no WWW-Authenticate."""
    answers = [_by_header(probe, "not-the-secret"), probe.token(credentials=False)]
    for answer in answers:
        answer.want_empty(401).want_header("www-authenticate", None)


@topic.check("other-scheme", "seed")
def _(probe: Probe) -> None:
    """An empty Authorization, or one of another scheme, is ignored beside credentials in the body."""
    for value in ("", "Bearer not-a-token", "Digest a=b"):
        probe.token(probe.in_body(), credentials=False, headers=[("Authorization", value)]).want_status(200)


@topic.check("other-scheme-alone", "choice")
def _(probe: Probe) -> None:
    """Another scheme without credentials in the body counts as nothing sent."""
    headers = [("Authorization", "Bearer not-a-token")]
    probe.token(credentials=False, headers=headers).want_refusal(probe.refusal("client"))


@topic.check("scheme-case", "rfc 7617 §2")
def _(probe: Probe) -> None:
    """The scheme may be written in any case."""
    name, value = probe.basic()
    for scheme in ("basic", "BASIC", "bAsIc"):
        probe.token(credentials=False, headers=[(name, scheme + value[5:])]).want_status(200)


@topic.check("undecodable", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any Basic header that cannot be decoded: 401, even beside good credentials in the body."""

    def law(value: str) -> None:
        headers = [("Authorization", f"Basic {value}".strip())]
        probe.token(probe.in_body(), credentials=False, headers=headers).want_status(401)

    probe.for_all(st.sampled_from(["", "!", "no-colon-in-it", "bm8tY29sb24=", "%%%", "/////w=="]), law)


@topic.check("no-secret", "choice")
def _(probe: Probe) -> None:
    """A client_id without a secret in the body is refused as a wrong secret there is."""
    for absent in (None, ""):
        answer = probe.token(probe.in_body() | {"client_secret": absent}, credentials=False)
        answer.want_refusal(probe.refusal("client in body"))


@topic.check("wrong-twice", "choice")
def _(probe: Probe) -> None:
    """The same wrong secret in the header and in the body is a 401."""
    body = probe.in_body() | {"client_secret": "not-the-secret"}
    answer = probe.token(body, credentials=False, headers=[probe.basic(None, "not-the-secret")])
    answer.want_refusal(probe.refusal("client"))


@topic.check("two-headers", "choice")
def _(probe: Probe) -> None:
    """More than one Authorization header is invalid_request."""
    answer = probe.token(credentials=False, headers=[probe.basic(), probe.basic()])
    answer.want_refusal(probe.refusal("request"))


@topic.check("secret-in-query", "rfc 6749 §2.3.1")
def _(probe: Probe) -> None:
    """A client_secret in the query string is invalid_request."""
    query = f"/oauth2/token?client_secret={quote(probe.key.client_secret, safe='')}"
    probe.post(query, probe.minting()).want_refusal(probe.refusal("request"))


@topic.check("disabled", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """A disabled key is refused as a wrong secret is, and its tokens are 401."""
    other = probe.own()
    access = other.mint().access
    probe.plane.change(other.key, enabled=False)
    other.token().want_refusal(probe.refusal("client"))
    other.ping(access).want_empty(401)


def _wrong(probe: Probe, miss: str) -> str:
    return probe.hide(NEAR_MISSES[miss](probe.key.client_secret), "WRONG_SECRET")


def _by_header(probe: Probe, secret: str, client_id: str | None = None) -> Answer:
    header = probe.basic(client_id, secret)
    probe.hide(header[1].partition(" ")[2], "WRONG_BASIC")
    return probe.token(headers=[header], credentials=False)


def _told(answer: Answer) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """What an answer tells beside what is different in every one."""
    passing = ("date", "x-request-id")
    return (
        answer.status,
        answer.body,
        tuple(sorted((k, v) for k, v in answer.headers.items() if k not in passing)),
    )


def _encoded(text: str, mask: list[bool]) -> str:
    """The text with the characters encoded that the mask, over and over, says; and all that must be."""
    bits = (mask * len(text))[: len(text)]
    return "".join(
        f"%{ord(char):02X}" if bit or char in "%+: " else char for char, bit in zip(text, bits, strict=True)
    )
