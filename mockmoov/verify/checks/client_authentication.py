"""Checks of client authentication."""

import itertools
from collections.abc import Callable, Mapping
from urllib.parse import quote

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.masking import basic
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Response, expect

WRONG_SECRETS: Mapping[str, Callable[[str], str]] = {
    "one extra character": lambda secret: secret + "x",
    "missing character": lambda secret: secret[:-1],
    "swapped case": lambda secret: secret.swapcase(),
    "a leading space": lambda secret: " " + secret,
    "wrong last character": lambda secret: secret[:-1] + ("y" if secret[-1] == "x" else "x"),
    "empty": lambda _: "",
    "another secret": lambda _: "not-the-secret-of-this-key",
}
"""Functions that turn the right secret into a wrong one, by what is wrong with it."""

_ways_to_be_wrong = st.sampled_from(sorted(WRONG_SECRETS))
_undecodable = st.sampled_from(["", "!", "no-colon-in-it", "bm8tY29sb24=", "%%%", "/////w=="])
_bits = st.lists(st.booleans(), min_size=1, max_size=8).filter(any)


@check("client.body-form", "seed, spec")
def client_body_form(probe: Probe) -> None:
    """Credentials in a form body are accepted."""
    probe.post_token(probe.parameters_with_key(), send_basic=False).expect_status(200)


@check("client.body-json", "seed, spec")
def client_body_json(probe: Probe) -> None:
    """Credentials in a JSON body are accepted."""
    probe.post_token(probe.parameters_with_key(), send_basic=False, as_json=True).expect_status(200)


@check("client.both", "sdk")
def client_both(probe: Probe) -> None:
    """The same credentials in the header and the body are accepted."""
    probe.post_token(probe.parameters_with_key()).expect_status(200)


@check("client.disagreeing", "rfc 6749 §2.3")
def client_disagreeing(probe: Probe) -> None:
    """Different credentials in the header and the body are invalid_request."""
    for change in ({"client_id": "another-client"}, {"client_secret": "another-secret"}):
        probe.post_token(probe.parameters_with_key() | change).expect_error("invalid request")


@check("client.percent-encoded", "rfc 6749 §2.3.1, sdk", _bits, _bits, examples=5)
def client_percent_encoded(probe: Probe, of_id: list[bool], of_secret: list[bool]) -> None:
    """Basic credentials may be percent-encoded, in whole or in part."""
    user, password = _encoded(probe.key.client_id, of_id), _encoded(probe.key.client_secret, of_secret)
    probe.hide(password, "ENCODED_SECRET")
    probe.hide(basic(user, password), "ENCODED_BASIC")
    probe.post_token(headers=[probe.basic(user, password)], send_basic=False).expect_status(200)


@check("client.raw-percent", "choice", needs=("control plane",))
def client_raw_percent(probe: Probe) -> None:
    """A secret that contains a percent sign or a plus may also be sent unencoded."""
    client = probe.with_new_key(client_secret="kept%41+as-it-is-0123456789")  # noqa: S106
    client.post_token(headers=[client.basic()], send_basic=False).expect_status(200)


@check("client.wrong-secret", "seed, rfc 6749 §5.2, live", _ways_to_be_wrong, examples=7)
def client_wrong_secret(probe: Probe, way: str) -> None:
    """A wrong secret in the header gets 401, in 2023 with invalid_client and a challenge, else no body."""
    _by_header(probe, _wrong(probe, way)).expect_error("invalid client")


@check("client.wrong-secret-in-body", "seed, spec", _ways_to_be_wrong, examples=4)
def client_wrong_secret_in_body(probe: Probe, way: str) -> None:
    """A wrong secret in the body gets 400 invalid_client in 2023, and an empty 401 in dated versions."""
    body = probe.parameters_with_key() | {"client_secret": _wrong(probe, way)}
    probe.post_token(body, send_basic=False).expect_error("invalid client in body")


@check("client.unknown", "seed, rfc 6749 §5.2")
def client_unknown(probe: Probe) -> None:
    """An unknown client gets the same error as a wrong secret."""
    _by_header(probe, "some-secret", "nobody-at-all").expect_error("invalid client")
    body = {"client_id": "nobody-at-all", "client_secret": "some-secret"}
    probe.post_token(probe.parameters(**body), send_basic=False).expect_error("invalid client in body")


@check("client.unknown-indistinguishable", "choice")
def client_unknown_indistinguishable(probe: Probe) -> None:
    """Status, body and headers don't reveal whether the client is unknown or the secret is wrong."""
    unknown = _by_header(probe, "not-the-secret", "nobody-at-all")
    wrong = _by_header(probe, "not-the-secret")
    one, other = _comparable(unknown), _comparable(wrong)
    expect(one == other, "the same response", f"{one} and {other}")


@check("client.nothing-sent", "seed, rfc 6749 §5.2, live")
def client_nothing_sent(probe: Probe) -> None:
    """A request without credentials gets 401."""
    probe.post_token(send_basic=False).expect_error("invalid client")


@check("client.challenge", "seed, rfc 6749 §5.2", contract="2023")
def client_challenge(probe: Probe) -> None:
    """A 401 has the challenge Basic realm="moov"; a 400 has no challenge."""
    _by_header(probe, "not-the-secret").expect_header("www-authenticate", 'Basic realm="moov"')
    body = probe.parameters_with_key() | {"client_secret": "not-the-secret"}
    probe.post_token(body, send_basic=False).expect_header("www-authenticate", None)


@check("client.no-challenge", "live", contract="dated")
def client_no_challenge(probe: Probe) -> None:
    """A 401 has no body and no WWW-Authenticate."""
    for response in (_by_header(probe, "not-the-secret"), probe.post_token(send_basic=False)):
        response.expect_empty(401).expect_header("www-authenticate", None)


@check("client.other-scheme", "seed")
def client_other_scheme(probe: Probe) -> None:
    """An empty Authorization, or one with another scheme, is ignored if the body has credentials."""
    for value in ("", "Bearer not-a-token", "Digest a=b"):
        headers = [("Authorization", value)]
        probe.post_token(probe.parameters_with_key(), send_basic=False, headers=headers).expect_status(200)


@check("client.other-scheme-alone", "choice")
def client_other_scheme_alone(probe: Probe) -> None:
    """Another scheme, without credentials in the body, counts as no credentials."""
    headers = [("Authorization", "Bearer not-a-token")]
    probe.post_token(send_basic=False, headers=headers).expect_error("invalid client")


@check("client.scheme-case", "rfc 7617 §2")
def client_scheme_case(probe: Probe) -> None:
    """The scheme Basic is case-insensitive."""
    name, value = probe.basic()
    for scheme in ("basic", "BASIC", "bAsIc"):
        probe.post_token(send_basic=False, headers=[(name, scheme + value[5:])]).expect_status(200)


@check("client.undecodable", "choice", _undecodable, examples=4)
def client_undecodable(probe: Probe, value: str) -> None:
    """A Basic header that cannot be decoded gets 401, even if the body has valid credentials."""
    headers = [("Authorization", f"Basic {value}".strip())]
    probe.post_token(probe.parameters_with_key(), send_basic=False, headers=headers).expect_status(401)


@check("client.no-secret", "choice")
def client_no_secret(probe: Probe) -> None:
    """A client_id without a secret in the body gets the same error as a wrong secret."""
    for absent in (None, ""):
        response = probe.post_token(probe.parameters_with_key() | {"client_secret": absent}, send_basic=False)
        response.expect_error("invalid client in body")


@check("client.wrong-twice", "choice")
def client_wrong_twice(probe: Probe) -> None:
    """The same wrong secret in the header and the body gets 401."""
    body = probe.parameters_with_key() | {"client_secret": "not-the-secret"}
    response = probe.post_token(body, send_basic=False, headers=[probe.basic(None, "not-the-secret")])
    response.expect_error("invalid client")


@check("client.two-headers", "choice")
def client_two_headers(probe: Probe) -> None:
    """More than one Authorization header is invalid_request."""
    probe.post_token(send_basic=False, headers=[probe.basic(), probe.basic()]).expect_error("invalid request")


@check("client.secret-in-query", "rfc 6749 §2.3.1")
def client_secret_in_query(probe: Probe) -> None:
    """A client_secret in the query string is invalid_request."""
    query = f"/oauth2/token?client_secret={quote(probe.key.client_secret, safe='')}"
    probe.post(query, probe.parameters()).expect_error("invalid request")


@check("client.disabled", "choice", needs=("control plane",))
def client_disabled(probe: Probe) -> None:
    """A disabled key gets the same error as a wrong secret, and its tokens get 401."""
    client = probe.with_new_key()
    access = client.mint().access
    probe.control_plane.update_key(client.key, enabled=False)
    client.post_token().expect_error("invalid client")
    client.ping(access).expect_empty(401)


def _wrong(probe: Probe, name: str) -> str:
    return probe.hide(WRONG_SECRETS[name](probe.key.client_secret), "WRONG_SECRET")


def _by_header(probe: Probe, secret: str, client_id: str | None = None) -> Response:
    header = probe.basic(client_id, secret)
    probe.hide(header[1].partition(" ")[2], "WRONG_BASIC")
    return probe.post_token(headers=[header], send_basic=False)


def _comparable(response: Response) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """The response without the headers that differ in every response, and without mockmoov's explanation."""
    ignored = ("date", "x-request-id", "x-mockmoov-reason")
    headers = ((k, v) for k, v in response.headers.items() if k not in ignored)
    return response.status, response.body, tuple(sorted(headers))


def _encoded(text: str, mask: list[bool]) -> str:
    """The text, percent-encoded where the repeated mask is true, and where it must be."""
    bits = zip(text, itertools.cycle(mask), strict=False)
    return "".join(f"%{ord(char):02X}" if bit or char in "%+: " else char for char, bit in bits)
