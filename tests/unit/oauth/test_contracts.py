"""The wire contracts: how one is chosen, and how each one renders responses and errors."""

import json
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.contracts import (
    CONTRACT_2023,
    CONTRACT_2023_SDK,
    CONTRACT_DATED,
    RECOMMENDED_VERSION,
    RFC_ERRORS,
    Contract,
    ErrorFormat,
    contract_named,
    malformed_version_reason,
    select_contract,
)
from mockmoov.oauth.errors import ErrorCode, ExpiredTokenError, FieldError, OAuthError
from mockmoov.oauth.messages import HttpResponse, TokenResponse
from mockmoov.oauth.responses import (
    REASON_HEADER,
    render_empty,
    render_error,
    render_invalid_field,
    render_json,
    render_oauth_error,
    render_rate_limited,
    render_token_response,
    render_too_large,
    render_unauthorized,
)

SDK_2023 = "speakeasy-sdk/go 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go"
CONTRACTS = [CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED]
BOTH_2023 = CONTRACTS[:2]
VERSIONS = st.builds(
    "v{:04}.{:02}.{:02}".format,
    st.integers(0, 9999),
    st.integers(0, 99),
    st.integers(0, 99),
)
VERSIONS |= VERSIONS.map(lambda version: version[:-3]) | st.just("latest")
TOKEN = TokenResponse(
    access_token="access",
    refresh_token="refresh",
    scope="/ping.read /accounts.write",
    issued_at=1_750_000_000,
    expires_at=1_750_003_600,
    token_format="jwt",
    jti="jti",
    family="family",
    sequence=0,
    refresh_expires_at=1_752_592_000,
)
UNCACHED = {"cache-control": "no-store", "pragma": "no-cache"}
JSON = {"content-type": "application/json"}


def headers(response: HttpResponse) -> dict[str, str]:
    named = dict(response.headers)
    assert len(named) == len(response.headers)
    return named


def parts(response: HttpResponse) -> tuple[int, bytes, dict[str, str]]:
    return response.status, response.body, headers(response)


# --- choosing a contract ----------------------------------------------------------------------------


@given(VERSIONS, st.sampled_from(CONTRACTS))
@example("latest", CONTRACT_2023)
@example("v9000.00.00", CONTRACT_2023)
@example("v2024.01", CONTRACT_2023_SDK)
def test_version_header_wins_over_client_and_default(version: str, default: Contract) -> None:
    sent = {"x-moov-version": (version,), "user-agent": (SDK_2023,)}
    assert select_contract(sent, default) is CONTRACT_DATED
    assert contract_named(version) is CONTRACT_DATED


MALFORMED_VERSIONS = [
    "", " ", "dev", "2022", "2023", "2023-sdk", "dated", "Latest", "latest ", "v2024", "v2024.", "v2024.01.",
    "v2024.1.00", "v2024.01.0", "v2024.01.000", "v24.01.00", "v20240.01", "V2024.01.00", "2024.01.00",
    " v2024.01.00", "v2024.01.00\n", "v2024-01-00", "v2024.01.00, v2024.01.00", "v\u0662024.01.00",
]  # fmt: skip


def test_malformed_or_repeated_version_selects_no_contract() -> None:
    sent = [*((version,) for version in MALFORMED_VERSIONS), ("latest", "latest"), ("latest", "v2024.01.00")]
    accepted = [
        values
        for values, default in product(sent, CONTRACTS)
        if select_contract({"x-moov-version": values}, default) is not None
    ]
    assert accepted == []


OTHER_AGENTS = [
    "",
    "curl/8.5.0",
    "speakeasy-sdk/go 0.5.0 2.173.0 v2024.01.00 github.com/moovfinancial/moov-go",
    "speakeasy-sdk/go 0.5.0 2.173.0 2.0.0 github.com/speakeasy-sdks/moov-go",
    "speakeasy-sdk/typescript 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go",
    f"{SDK_2023}-fork",
    f"x {SDK_2023}",
]


def test_without_a_version_only_the_2023_sdk_is_pinned() -> None:
    for default in CONTRACTS:
        assert select_contract({}, default) is default
        chosen = {agent: select_contract({"user-agent": (agent,)}, default) for agent in OTHER_AGENTS}
        assert chosen == dict.fromkeys(OTHER_AGENTS, default)
        for agent in (SDK_2023, "speakeasy-sdk/go 9 x 1.0.0 github.com/speakeasy-sdks/moov-go"):
            assert select_contract({"user-agent": (agent,)}, default) is CONTRACT_2023_SDK


def test_default_version_names_a_contract() -> None:
    names = ["2023", "2023-sdk", RECOMMENDED_VERSION, "latest", "", "dated", "2024", "dev"]
    found = [contract_named(name) for name in names]
    assert found == [*CONTRACTS, CONTRACT_DATED, None, None, None, None]
    assert [contract.name for contract in CONTRACTS] == ["2023", "2023-sdk", "dated"]


@pytest.mark.parametrize(
    ("contract", "types", "expires_in"),
    [
        (CONTRACT_2023, {"jwt": "Bearer", "opaque": "Bearer"}, 3600),
        (CONTRACT_2023_SDK, {"jwt": "jwt", "opaque": "opaque"}, 3600),
        (CONTRACT_DATED, {"jwt": "Bearer", "opaque": "Bearer"}, 1_750_003_600),
    ],
)
def test_token_response_has_five_members(contract: Contract, types: dict[Any, str], expires_in: int) -> None:
    for token_format, token_type in types.items():
        status, body, named = parts(
            render_token_response(contract, replace(TOKEN, token_format=token_format))
        )
        assert (status, named) == (200, {**JSON, **UNCACHED})
        assert json.loads(body) == {
            "access_token": "access",
            "expires_in": expires_in,
            "refresh_token": "refresh",
            "scope": "/ping.read /accounts.write",
            "token_type": token_type,
        }
    assert {expires_in, contract.other_expires_in(TOKEN)} == {3600, 1_750_003_600}


def test_responses_are_never_cached() -> None:
    assert parts(render_json({"a": 1})) == (200, b'{"a":1}', {**JSON, **UNCACHED})
    for status in (200, 204):
        assert parts(render_empty(status)) == (status, b"", UNCACHED)


# --- errors -----------------------------------------------------------------------------------------

PARAMETERS = [None, "scope", "refresh_token", "token", "token_type_hint", "client_secret"]
BECAUSE = {REASON_HEADER: "because"}
BASIC = {"www-authenticate": 'Basic realm="moov"'}
FIELD_TEXTS = {
    "scope": "must be a space-delimited list of scopes that may be granted",
    "refresh_token": "must be a refresh token that may be used",
    "token": "must be the token to revoke",
    "token_type_hint": "must be access_token or refresh_token",
}


def rendered(contract: Contract, code: ErrorCode, parameter: str | None) -> tuple[int, bytes, dict[str, str]]:
    return parts(render_oauth_error(contract, OAuthError(code, "because", parameter=parameter)))


def expected_2023(code: ErrorCode, parameter: str | None) -> tuple[int, bytes, dict[str, str]]:
    is_basic = code == "invalid_client" and parameter != "client_secret"
    named = {**JSON, **(BASIC if is_basic else {}), **UNCACHED, **BECAUSE}
    return 401 if is_basic else 400, b'{"error":"%s"}' % code.encode(), named


def expected_dated(code: ErrorCode, parameter: str | None) -> tuple[int, bytes, dict[str, str]]:
    if parameter in FIELD_TEXTS:
        return 422, json.dumps({parameter: FIELD_TEXTS[parameter]}, separators=(",", ":")).encode(), {
            **JSON, **UNCACHED, **BECAUSE,
        }  # fmt: skip
    if code == "invalid_client":
        return 401, b"", {**UNCACHED, **BECAUSE}
    return 400, b'{"error":"%s"}' % code.encode(), {**JSON, **UNCACHED, **BECAUSE}


def test_2023_errors_are_400_or_401_with_the_code() -> None:
    rows = product([*BOTH_2023, RFC_ERRORS], ErrorCode, PARAMETERS)
    wrong = [(row, got) for row in rows if (got := rendered(*row)) != expected_2023(*row[1:])]
    assert wrong == []


def test_dated_errors_are_422_for_fields_and_empty_401() -> None:
    rows = product(ErrorCode, PARAMETERS)
    wrong = [(row, got) for row in rows if (got := rendered(CONTRACT_DATED, *row)) != expected_dated(*row)]
    assert wrong == []


@given(
    st.sampled_from(CONTRACTS),
    st.sampled_from(ErrorCode),
    st.sampled_from(PARAMETERS),
    st.text(st.characters()),
)
@example(CONTRACT_2023, ErrorCode.INVALID_SCOPE, "scope", "é" * 300)
def test_reason_is_in_the_header_and_never_in_the_body(
    contract: Contract, code: ErrorCode, parameter: str | None, reason: str
) -> None:
    response = render_oauth_error(contract, OAuthError(code, reason, parameter=parameter))
    assert (response.status, response.body) == rendered(contract, code, parameter)[:2]
    assert re.fullmatch("[ -~]{0,200}", headers(response)[REASON_HEADER])


@pytest.mark.parametrize("body", [None, lambda error: {"error": error.reason}])
def test_headers_of_a_format_are_sent_with_and_without_body(body: Any) -> None:
    own = ErrorFormat(status=499, body=body, headers=(("x-own", "yes"),))
    contract = replace(CONTRACT_DATED, errors={ErrorCode.INVALID_GRANT: own})
    status, sent, named = rendered(contract, ErrorCode.INVALID_GRANT, None)
    assert (status, named["x-own"]) == (499, "yes")
    assert sent == (b'{"error":"because"}' if body else b"")


def test_errors_without_a_body_have_no_content_type() -> None:
    rejected = OAuthError(ErrorCode.INVALID_CLIENT, "because")
    for contract in CONTRACTS:
        assert parts(render_unauthorized(contract, rejected)) == (401, b"", {**UNCACHED, **BECAUSE})
    expired = ExpiredTokenError("because")
    hints = [headers(render_unauthorized(contract, expired))[REASON_HEADER] for contract in CONTRACTS]
    hint = "; expires_in of a dated version is a Unix time, so do not add it to the current time"
    assert hints == ["because", "because", f"because{hint}"]
    not_allowed = render_error(405, "no\nline", (("allow", "POST"),))
    assert parts(not_allowed) == (405, b"", {"allow": "POST", **UNCACHED, REASON_HEADER: r"no\nline"})
    advice = "send vYYYY.MM.BB, vYYYY.MM or latest, or no such header for contract 2023-sdk"
    dev, twice = "dev is not one: SDKs built from their main branch send it", "it was sent more than once"
    notes = {("latest", "latest"): f"; {twice}", ("dev", "dev"): f"; {twice}", ("dev",): f"; {dev}"}
    for sent, note in {("v1",): "", **notes}.items():
        reason = f"X-Moov-Version is malformed: {advice}{note}"
        assert malformed_version_reason(sent, CONTRACT_2023_SDK) == reason
    invalid = {"content-type": "application/json", **UNCACHED, REASON_HEADER: "name: is required"}
    assert parts(render_invalid_field(FieldError("name", "is required"))) == (
        422, b'{"name":"is required"}', invalid,
    )  # fmt: skip
    too_large = {"connection": "close", **UNCACHED, REASON_HEADER: "the body is larger than 65536 bytes"}
    assert parts(render_too_large(65536)) == (413, b"", too_large)


# --- rate limit -------------------------------------------------------------------------------------


@given(st.sampled_from(CONTRACTS), st.floats(2e-6, 10**6) | st.just(0.0))
@example(CONTRACT_DATED, 0.0)
@example(CONTRACT_2023, 1.5)
def test_retry_after_is_enough_whole_seconds(contract: Contract, seconds: float) -> None:
    status, body, named = parts(render_rate_limited(contract, seconds))
    assert (status, body) == (429, b"")
    assert named[REASON_HEADER] == "too many requests for this account"
    assert re.fullmatch("[1-9][0-9]*", named["retry-after"])
    assert seconds <= int(named["retry-after"]) < max(seconds + 1, 1.5)
    assert ("x-retry-in" in named) == (contract is not CONTRACT_DATED)


@given(st.sampled_from(BOTH_2023), st.floats(2e-6, 10**6))
def test_2023_contracts_add_a_duration(contract: Contract, seconds: float) -> None:
    sent = headers(render_rate_limited(contract, seconds))["x-retry-in"]
    duration = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s)", sent)
    assert duration
    assert (duration[2] == "s") == (seconds >= 1)
    assert float(duration[1]) * {"ms": 0.001, "s": 1}[duration[2]] == pytest.approx(seconds, rel=1e-4)


@pytest.mark.parametrize(
    ("seconds", "duration", "retry_after"),
    [(0.0467, "46.7ms", "1"), (1, "1s", "1"), (1.5, "1.5s", "2"), (0.25, "250ms", "1"), (90, "90s", "90")],
)
def test_durations_have_the_documented_format(seconds: float, duration: str, retry_after: str) -> None:
    named = headers(render_rate_limited(CONTRACT_2023, seconds))
    assert (named["x-retry-in"], named["retry-after"]) == (duration, retry_after)
