"""Owns the rules of `X-Moov-Version`. Must not know transports or reports."""

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import LONGEST_LIFETIME
from mockmoov.verify.kit import PING_PATH, REVOKE, TOKEN
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Answer, want

topic = Topic("version")

_malformed = st.one_of(
    st.sampled_from(
        ["v2024.1.00", "2024.01.00", "v2024.02.00", "v2024.13.00", "V2024.01.00", "v2024.01", "v2024.01.00 x"]
    ),
    st.sampled_from(["LATEST", "newest", "v24.01.00", "v2024-01-00", "v2024.01.0", "v2024.01.000", "0"]),
    st.text("v0129.xyz", min_size=1, max_size=10).filter(lambda text: len(text) != 11),
)


@topic.check("malformed", "docs, live", contract="dated", examples=8)
def _(probe: Probe) -> None:
    """For any malformed version: 404 without a body, at every path."""

    def law(drawn: tuple[str, str]) -> None:
        version, path = drawn
        _asked(probe, path, [version]).want_empty(404)

    probe.for_all(st.tuples(_malformed, st.sampled_from([TOKEN, REVOKE, PING_PATH])), law)


@topic.check("empty-or-repeated", "choice", contract="dated")
def _(probe: Probe) -> None:
    """An empty version, or two of them, are malformed."""
    for versions in ([""], ["v2024.01.00", "v2024.01.00"], ["latest", "v2024.01.00"]):
        _asked(probe, TOKEN, versions).want_empty(404)


@topic.check("unknown", "docs", contract="dated", examples=5)
def _(probe: Probe) -> None:
    """For any version that is well-formed, known or not, the dated contract is served."""

    def law(version: str) -> None:
        _is_dated(probe, _asked(probe, TOKEN, [version]))

    years, quarters = st.integers(2024, 2035), st.sampled_from(["01", "04", "07", "10"])
    versions = st.builds("v{}.{}.{:02}".format, years, quarters, st.integers(0, 99))
    probe.for_all(st.one_of(st.just("latest"), versions), law)


@topic.check("old", "choice", contract="dated")
def _(probe: Probe) -> None:
    """A version older than v2024.01.00 is served as that one."""
    for version in ("v2023.10.00", "v1999.01.00", "v0000.01.00"):
        _is_dated(probe, _asked(probe, TOKEN, [version]))


@topic.check("everywhere", "docs", contract="dated")
def _(probe: Probe) -> None:
    """A well-formed version is accepted at every path."""
    _asked(probe, PING_PATH, ["v2026.07.00"]).want_empty(200)
    _asked(probe, REVOKE, ["v2026.07.00"]).want_empty(204)


def _is_dated(probe: Probe, answer: Answer) -> None:
    expires_in = probe.pair(answer).answer.number("expires_in")
    want(expires_in > LONGEST_LIFETIME, "expires_in to be a Unix time", expires_in)


def _asked(probe: Probe, path: str, versions: list[str]) -> Answer:
    """A request that is good but for its version; the contract's own header is left out."""
    headers = [("X-Moov-Version", version) for version in versions]
    if path == PING_PATH:
        return probe.ask("GET", path, headers=[probe.basic(), *headers], version=False)
    parameters = probe.minting() if path == TOKEN else {"token": "nonsense"}
    return probe.post(path, parameters, headers=headers, version=False)
