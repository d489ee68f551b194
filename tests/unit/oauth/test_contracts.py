"""The two contracts, row by row of their tables."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from mockmoov.oauth.contracts import (
    CONTRACT_2023,
    CONTRACT_2023_SDK,
    CONTRACT_DATED,
    RFC_ERRORS,
    Contract,
    ErrorFormat,
    contract_named,
    select_contract,
)
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.messages import HttpResponse, TokenResponse
from mockmoov.oauth.responses import (
    NO_STORE,
    REASON_HEADER,
    render_empty,
    render_error,
    render_json,
    render_oauth_error,
    render_rate_limited,
    render_token_response,
    render_too_large,
    render_unauthorized,
)

JSON = ("content-type", "application/json")
CHALLENGE = ("www-authenticate", 'Basic realm="moov"')
SDK_2023 = "speakeasy-sdk/go 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go"
CONTRACTS = [CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED]
BOTH_2023 = CONTRACTS[:2]
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
VERSIONS = st.builds(
    "v{:04}.{}.{:02}".format,
    st.integers(0, 9999),
    st.sampled_from(["01", "04", "07", "10"]),
    st.integers(0, 99),
) | st.just("latest")
TOKEN = TokenResponse(
    access_token="access",
    refresh_token="refresh",
    scope="/ping.read /accounts.write",
    issued_at=1_750_000_000,
    expires_at=1_750_003_600,
    token_format="jwt",
    jti="jti",
)


def headers(response: HttpResponse) -> dict[str, str]:
    named = dict(response.headers)
    assert len(named) == len(response.headers)
    return named


def members(response: HttpResponse) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(response.body)
    return document


# --- which contract ---------------------------------------------------------------------------------


def test_a_contract_has_a_name() -> None:
    assert [contract.name for contract in CONTRACTS] == ["2023", "2023-sdk", "dated"]


@given(VERSIONS, st.sampled_from(CONTRACTS))
def test_a_version_header_wins_over_client_and_default(version: str, default: Contract) -> None:
    sent = {"x-moov-version": (version,), "user-agent": (SDK_2023,)}
    assert select_contract(sent, default) is CONTRACT_DATED
    assert contract_named(version) is CONTRACT_DATED


@pytest.mark.parametrize(
    "version",
    [
        "",
        " ",
        "2023",
        "2023-sdk",
        "dated",
        "Latest",
        "latest ",
        "v2024",
        "v2024.01",
        "v2024.1.00",
        "v2024.01.0",
        "v2024.01.000",
        "v2024.02.00",
        "v2024.00.00",
        "v2024.13.00",
        "v24.01.00",
        "V2024.01.00",
        "2024.01.00",
        " v2024.01.00",
        "v2024.01.00\n",
        "v2024-01-00",
        "v2024.01.00, v2024.01.00",
        "v\u0662024.01.00",
    ],
)
@pytest.mark.parametrize("default", CONTRACTS)
def test_a_malformed_version_is_no_contract(version: str, default: Contract) -> None:
    assert select_contract({"x-moov-version": (version,)}, default) is None


@given(st.lists(VERSIONS, min_size=2, max_size=3))
def test_a_repeated_version_header_is_malformed(versions: list[str]) -> None:
    assert select_contract({"x-moov-version": tuple(versions)}, CONTRACT_2023) is None
    assert select_contract({"x-moov-version": (versions[0], versions[0])}, CONTRACT_2023) is None


@each_contract
def test_without_a_version_the_default_is_served(contract: Contract) -> None:
    assert select_contract({}, contract) is contract
    assert select_contract({"user-agent": ("curl/8.5.0",)}, contract) is contract


@pytest.mark.parametrize("agent", [SDK_2023, "speakeasy-sdk/go 9 x 1.0.0 github.com/speakeasy-sdks/moov-go"])
def test_the_2023_go_sdk_is_pinned_to_what_it_understands(agent: str) -> None:
    for default in CONTRACTS:
        assert select_contract({"user-agent": (agent,)}, default) is CONTRACT_2023_SDK


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "speakeasy-sdk/go 0.5.0 2.173.0 v2024.01.00 github.com/moovfinancial/moov-go",
        "speakeasy-sdk/go 0.5.0 2.173.0 2.0.0 github.com/speakeasy-sdks/moov-go",
        "speakeasy-sdk/typescript 0.5.0 2.173.0 1.0.0 github.com/speakeasy-sdks/moov-go",
        f"{SDK_2023}-fork",
        f"x {SDK_2023}",
    ],
)
def test_no_other_client_is_pinned(agent: str) -> None:
    assert select_contract({"user-agent": (agent,)}, CONTRACT_DATED) is CONTRACT_DATED


def test_a_default_version_stands_for_a_contract() -> None:
    assert contract_named("2023") is CONTRACT_2023
    assert contract_named("2023-sdk") is CONTRACT_2023_SDK
    assert contract_named("latest") is CONTRACT_DATED
    assert contract_named("v2026.07.00") is CONTRACT_DATED
    for name in ("", "dated", "2024", "v2024.02.00"):
        assert contract_named(name) is None


# --- success ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contract", "token_format", "token_type", "expires_in"),
    [
        (CONTRACT_2023, "jwt", "Bearer", 3600),
        (CONTRACT_2023, "opaque", "Bearer", 3600),
        (CONTRACT_2023_SDK, "jwt", "jwt", 3600),
        (CONTRACT_2023_SDK, "opaque", "opaque", 3600),
        (CONTRACT_DATED, "jwt", "Bearer", 1_750_003_600),
        (CONTRACT_DATED, "opaque", "Bearer", 1_750_003_600),
    ],
)
def test_a_token_response_has_the_five_members_as_its_contract_has_them(
    contract: Contract, token_format: Any, token_type: str, expires_in: int
) -> None:
    token = TokenResponse(**{**asdict(TOKEN), "token_format": token_format})
    response = render_token_response(contract, token)
    assert response.status == 200
    assert members(response) == {
        "access_token": "access",
        "expires_in": expires_in,
        "refresh_token": "refresh",
        "scope": "/ping.read /accounts.write",
        "token_type": token_type,
    }
    assert headers(response) == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "pragma": "no-cache",
    }


def test_nothing_that_is_ours_may_be_cached() -> None:
    response = render_json({"a": 1})
    assert headers(response)["cache-control"] == "no-store"
    assert (response.status, response.body) == (200, b'{"a":1}')


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_has_no_body_and_no_content_type(status: int) -> None:
    response = render_empty(status)
    assert (response.status, response.body) == (status, b"")
    assert headers(response) == {"cache-control": "no-store", "pragma": "no-cache"}


# --- refusals ---------------------------------------------------------------------------------------

PARAMETERS = [None, "scope", "refresh_token", "token", "token_type_hint", "client_secret"]
FIELD_ERRORS = ["scope", "refresh_token", "token", "token_type_hint"]


def rendered(contract: Contract, code: ErrorCode, parameter: str | None) -> HttpResponse:
    response = render_oauth_error(contract, OAuthError(code, "because", parameter=parameter))
    named = headers(response)
    assert named[REASON_HEADER] == "because"
    assert (named["cache-control"], named["pragma"]) == ("no-store", "no-cache")
    assert ("content-type" in named) == bool(response.body)
    assert named.get("content-type", "application/json") == "application/json"
    return response


@pytest.mark.parametrize("contract", [*BOTH_2023, RFC_ERRORS])
@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_the_2023_contract_has_400_with_the_code_and_no_field_errors(
    contract: Contract, code: ErrorCode, parameter: str | None
) -> None:
    response = rendered(contract, code, parameter)
    assert response.body == b'{"error":"%s"}' % code.encode()
    in_the_header = code == "invalid_client" and parameter != "client_secret"
    assert response.status == (401 if in_the_header else 400)
    assert (CHALLENGE in response.headers) == in_the_header
    assert ("www-authenticate" in headers(response)) == in_the_header


@pytest.mark.parametrize("code", [code for code in ErrorCode if code != "invalid_client"])
def test_the_dated_contract_has_400_with_the_code(code: ErrorCode) -> None:
    response = rendered(CONTRACT_DATED, code, None)
    assert (response.status, members(response)) == (400, {"error": code})


@pytest.mark.parametrize("parameter", [None, "client_secret"])
def test_the_dated_contract_has_an_empty_401_for_client_authentication(parameter: str | None) -> None:
    response = rendered(CONTRACT_DATED, ErrorCode.INVALID_CLIENT, parameter)
    assert (response.status, response.body) == (401, b"")
    assert "www-authenticate" not in headers(response)


@pytest.mark.parametrize("parameter", FIELD_ERRORS)
@pytest.mark.parametrize(
    "code", [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_GRANT, ErrorCode.INVALID_SCOPE]
)
def test_the_dated_contract_has_422_where_one_parameter_is_at_fault(parameter: str, code: ErrorCode) -> None:
    response = rendered(CONTRACT_DATED, code, parameter)
    assert response.status == 422
    ((name, text),) = members(response).items()
    assert name == parameter
    assert isinstance(text, str)
    assert text
    assert "because" not in text


@given(
    st.sampled_from(CONTRACTS),
    st.sampled_from(ErrorCode),
    st.sampled_from(PARAMETERS),
    st.text(st.characters()),
)
def test_a_reason_is_told_in_its_header_and_never_in_the_body(
    contract: Contract, code: ErrorCode, parameter: str | None, reason: str
) -> None:
    response = render_oauth_error(contract, OAuthError(code, reason, parameter=parameter))
    other = render_oauth_error(contract, OAuthError(code, "because", parameter=parameter))
    assert (response.status, response.body) == (other.status, other.body)
    assert re.fullmatch("[ -~]{0,200}", headers(response)[REASON_HEADER])


@pytest.mark.parametrize("body", [None, lambda error: {"error": error.reason}])
def test_a_refusals_own_headers_are_sent_with_and_without_a_body(body: Any) -> None:
    refusal = ErrorFormat(status=499, body=body, headers=(("x-own", "yes"),))
    contract = replace(CONTRACT_DATED, errors={ErrorCode.INVALID_GRANT: refusal})
    response = rendered(contract, ErrorCode.INVALID_GRANT, None)
    assert (response.status, headers(response)["x-own"]) == (499, "yes")
    assert response.body == (b'{"error":"because"}' if body else b"")


@each_contract
def test_a_refused_bearer_is_an_empty_401_without_a_challenge(contract: Contract) -> None:
    response = render_unauthorized(contract, OAuthError(ErrorCode.INVALID_CLIENT, "because"))
    assert (response.status, response.body) == (401, b"")
    assert response.headers == (*NO_STORE, (REASON_HEADER, "because"))


def test_a_refusal_without_a_body_has_no_content_type() -> None:
    response = render_error(405, "no\nline", (("allow", "POST"),))
    assert (response.status, response.body) == (405, b"")
    assert headers(response) == {
        "allow": "POST",
        "cache-control": "no-store",
        "pragma": "no-cache",
        "x-mockmoov-reason": r"no\nline",
    }


def test_a_body_too_large_ends_the_connection() -> None:
    response = render_too_large(65536)
    assert (response.status, response.body) == (413, b"")
    assert headers(response)["connection"] == "close"
    assert headers(response)[REASON_HEADER] == "the body is larger than 65536 bytes"


# --- rate limit -------------------------------------------------------------------------------------


@given(st.sampled_from(CONTRACTS), st.floats(0, 10**6))
def test_retry_after_is_whole_seconds_at_least_one_and_never_too_few(
    contract: Contract, seconds: float
) -> None:
    response = render_rate_limited(contract, seconds)
    assert (response.status, response.body) == (429, b"")
    assert headers(response)[REASON_HEADER] == "too many requests for this account"
    waited = headers(response)["retry-after"]
    assert re.fullmatch("[1-9][0-9]*", waited)
    assert seconds <= int(waited) < max(seconds + 1, 1.5)


@given(st.sampled_from(BOTH_2023), st.floats(2e-6, 10**6))
def test_the_2023_contract_adds_a_duration(contract: Contract, seconds: float) -> None:
    duration = re.fullmatch(
        r"([0-9]+(?:\.[0-9]+)?)(ms|s)", headers(render_rate_limited(contract, seconds))["x-retry-in"]
    )
    assert duration
    assert (duration[2] == "s") == (seconds >= 1)
    assert float(duration[1]) * {"ms": 0.001, "s": 1}[duration[2]] == pytest.approx(seconds, rel=1e-4)


@pytest.mark.parametrize(
    ("seconds", "duration", "retry_after"),
    [(0.0467, "46.7ms", "1"), (1, "1s", "1"), (1.5, "1.5s", "2"), (0.25, "250ms", "1"), (90, "90s", "90")],
)
def test_durations_are_written_as_in_the_documentation(
    seconds: float, duration: str, retry_after: str
) -> None:
    named = headers(render_rate_limited(CONTRACT_2023, seconds))
    assert (named["x-retry-in"], named["retry-after"]) == (duration, retry_after)


def test_the_dated_contract_has_retry_after_only() -> None:
    assert "x-retry-in" not in headers(render_rate_limited(CONTRACT_DATED, 0.5))
