"""The checks of the suite, a file for each topic."""

from collections.abc import Mapping

from mockmoov.verify.check import Check
from mockmoov.verify.checks import (
    access_token_claims,
    client_authentication,
    extensions,
    faults_and_clock,
    open_questions,
    origin,
    protected_resources,
    reference_client,
    refresh,
    request_format,
    request_order,
    revocation,
    rotation,
    scopes_and_errors,
    token_response,
    versions,
)

FILES = (
    token_response,
    access_token_claims,
    client_authentication,
    request_format,
    request_order,
    scopes_and_errors,
    refresh,
    rotation,
    revocation,
    protected_resources,
    origin,
    versions,
    faults_and_clock,
    reference_client,
    extensions,
    open_questions,
)
"""The files in the order in which their checks run."""

CHECKS: Mapping[str, Check] = {
    value.id: value for file in FILES for value in vars(file).values() if isinstance(value, Check)
}
"""Every check by id, in the order in which they run."""
