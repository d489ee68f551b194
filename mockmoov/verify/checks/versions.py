"""Checks of `X-Moov-Version`."""

import re

from hypothesis import strategies as st

from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import check
from mockmoov.verify.probe import PING_PATH, REVOKE_PATH, TOKEN_PATH, Probe
from mockmoov.verify.response import Response, expect

_SHORT = re.compile(r"v[0-9]{4}\.[0-9]{2}")
_paths = st.sampled_from([TOKEN_PATH, REVOKE_PATH, PING_PATH])
_years, _months, _builds = st.integers(2024, 2035), st.integers(1, 12), st.integers(0, 99)
_well_formed = st.one_of(st.just("latest"), st.builds("v{}.{:02}.{:02}".format, _years, _months, _builds))
_malformed = st.one_of(
    st.sampled_from(
        ["dev", "2022", "v2024", "v2024.1.00", "v2024.1", "2024.01.00", "V2024.01.00", "v2024.01."]
    ),
    st.sampled_from(["LATEST", "newest", "v24.01.00", "v2024-01-00", "v2024.01.0", "v2024.01.000", "0"]),
    st.sampled_from(["v2024.01.00 x", "v2024.01.00.00", "v02024.01.00", "v2024.01.xx"]),
    st.text("v0129.xyz", min_size=1, max_size=10).filter(lambda text: not _SHORT.fullmatch(text)),
)


@check("version.malformed", "docs, live", _malformed, _paths, contract="dated", examples=8)
def version_malformed(probe: Probe, version: str, path: str) -> None:
    """A malformed version gets 404 with no body, at every path."""
    _send_versions(probe, path, [version]).expect_empty(404)


@check("version.dev", "docs, live", contract="dated")
def version_dev(probe: Probe) -> None:
    """The version dev, which SDKs built from their main branch send, gets 404 with no body."""
    _send_versions(probe, TOKEN_PATH, ["dev"]).expect_empty(404)


@check("version.dev-reason", "choice", contract="dated", needs=("mockmoov",))
def version_dev_reason(probe: Probe) -> None:
    """The reason for the version dev names it."""
    reason = _send_versions(probe, TOKEN_PATH, ["dev"]).header("x-mockmoov-reason") or ""
    expect("dev" in re.findall("[a-z]+", reason), "a reason that names dev", reason)


@check("version.empty-or-repeated", "choice", contract="dated")
def version_empty_or_repeated(probe: Probe) -> None:
    """An empty or repeated version is malformed."""
    for versions in ([""], ["v2024.01.00", "v2024.01.00"], ["latest", "v2024.01.00"]):
        _send_versions(probe, TOKEN_PATH, versions).expect_empty(404)


@check("version.latest", "spec", contract="dated")
def version_latest(probe: Probe) -> None:
    """The version latest selects the dated contract."""
    _expect_dated(probe, "latest")


@check("version.unknown", "docs", _well_formed, contract="dated", examples=5)
def version_unknown(probe: Probe, version: str) -> None:
    """Any well-formed version, known or not, selects the dated contract."""
    _expect_dated(probe, version)


@check("version.short", "sdk", contract="dated")
def version_short(probe: Probe) -> None:
    """The last part of a version may be missing."""
    for version in ("v2024.01", "v2025.07"):
        _expect_dated(probe, version)


@check("version.of-moov-go", "sdk", contract="dated")
def version_of_moov_go(probe: Probe) -> None:
    """The versions that moov-go exports beyond Moov's own select the dated contract."""
    for version in ("v9000.00.00", "v2024.00.00", "v0001.00.00"):
        _expect_dated(probe, version)


@check("version.month", "choice", contract="dated")
def version_month(probe: Probe) -> None:
    """A version with a month that does not exist is well-formed."""
    for version in ("v2024.13.00", "v2026.99.99"):
        _expect_dated(probe, version)


@check("version.old", "choice", contract="dated")
def version_old(probe: Probe) -> None:
    """A version older than v2024.01.00 is treated as v2024.01.00."""
    for version in ("v2023.10.00", "v1999.01.00", "v0000.01.00", "v2023.01"):
        _expect_dated(probe, version)


@check("version.everywhere", "docs", contract="dated")
def version_everywhere(probe: Probe) -> None:
    """A well-formed version is accepted at every path."""
    for version in ("v2026.10.00", "v2026.08.00"):
        _send_versions(probe, PING_PATH, [version]).expect_empty(200)
        _send_versions(probe, REVOKE_PATH, [version]).expect_empty(204)


def _expect_dated(probe: Probe, version: str) -> None:
    response = _send_versions(probe, TOKEN_PATH, [version])
    expires_in = probe.token_pair(response).response.integer("expires_in")
    expect(expires_in > LONGEST_LIFETIME, "expires_in to be a Unix time", expires_in)


def _send_versions(probe: Probe, path: str, versions: list[str]) -> Response:
    """Send a request with these values of `X-Moov-Version`; everything else in it is valid."""
    headers = [("X-Moov-Version", version) for version in versions]
    if path == PING_PATH:
        return probe.request("GET", path, headers=[probe.basic(), *headers], send_version=False)
    parameters = probe.parameters() if path == TOKEN_PATH else {"token": "nonsense"}
    return probe.post(path, parameters, headers=headers, send_version=False)
