"""Checks of `X-Moov-Version`."""

from hypothesis import strategies as st

from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import check
from mockmoov.verify.probe import PING_PATH, REVOKE_PATH, TOKEN_PATH, Probe
from mockmoov.verify.response import Response, expect

_paths = st.sampled_from([TOKEN_PATH, REVOKE_PATH, PING_PATH])
_years, _quarters = st.integers(2024, 2035), st.sampled_from(["01", "04", "07", "10"])
_well_formed = st.one_of(
    st.just("latest"), st.builds("v{}.{}.{:02}".format, _years, _quarters, st.integers(0, 99))
)
_malformed = st.one_of(
    st.sampled_from(
        ["v2024.1.00", "2024.01.00", "v2024.02.00", "v2024.13.00", "V2024.01.00", "v2024.01", "v2024.01.00 x"]
    ),
    st.sampled_from(["LATEST", "newest", "v24.01.00", "v2024-01-00", "v2024.01.0", "v2024.01.000", "0"]),
    st.text("v0129.xyz", min_size=1, max_size=10).filter(lambda text: len(text) != 11),
)


@check("version.malformed", "docs, live", _malformed, _paths, contract="dated", examples=8)
def version_malformed(probe: Probe, version: str, path: str) -> None:
    """A malformed version gets 404 with no body, at every path."""
    _send_versions(probe, path, [version]).expect_empty(404)


@check("version.empty-or-repeated", "choice", contract="dated")
def version_empty_or_repeated(probe: Probe) -> None:
    """An empty or repeated version is malformed."""
    for versions in ([""], ["v2024.01.00", "v2024.01.00"], ["latest", "v2024.01.00"]):
        _send_versions(probe, TOKEN_PATH, versions).expect_empty(404)


@check("version.unknown", "docs", _well_formed, contract="dated", examples=5)
def version_unknown(probe: Probe, version: str) -> None:
    """Any well-formed version, known or not, selects the dated contract."""
    _expect_dated(probe, version)


@check("version.old", "choice", contract="dated")
def version_old(probe: Probe) -> None:
    """A version older than v2024.01.00 is treated as v2024.01.00."""
    for version in ("v2023.10.00", "v1999.01.00", "v0000.01.00"):
        _expect_dated(probe, version)


@check("version.everywhere", "docs", contract="dated")
def version_everywhere(probe: Probe) -> None:
    """A well-formed version is accepted at every path."""
    _send_versions(probe, PING_PATH, ["v2026.07.00"]).expect_empty(200)
    _send_versions(probe, REVOKE_PATH, ["v2026.07.00"]).expect_empty(204)


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
