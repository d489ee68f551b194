"""The checks of the suite, a file for each topic."""

from collections.abc import Mapping

from mockmoov.verify.check import Check
from mockmoov.verify.checks import (
    applications,
    client_authentication,
    extensions,
    faults_and_clock,
    open_questions,
    operations,
    protected_resources,
    refresh,
    requests,
    revocation,
    scopes_and_errors,
    stubs,
    tokens,
    versions,
)

FILES = (
    tokens, client_authentication, requests, scopes_and_errors, refresh, revocation, protected_resources,
    operations, stubs, applications, versions, faults_and_clock, extensions, open_questions,
)  # fmt: skip
"""The files in the order in which their checks run."""

CHECKS: Mapping[str, Check] = {
    value.id: value for file in FILES for value in vars(file).values() if isinstance(value, Check)
}
"""Every check by id, in the order in which they run."""
