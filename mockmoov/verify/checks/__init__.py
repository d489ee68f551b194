"""The checks, a topic a file; this one only lists the files."""

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

TOPICS = (
    token_response.topic,
    access_token_claims.topic,
    client_authentication.topic,
    request_format.topic,
    request_order.topic,
    scopes_and_errors.topic,
    scopes_and_errors.scopes,
    scopes_and_errors.errors,
    refresh.topic,
    rotation.topic,
    revocation.topic,
    protected_resources.topic,
    origin.topic,
    versions.topic,
    faults_and_clock.topic,
    faults_and_clock.failures,
    faults_and_clock.clock,
    reference_client.topic,
    extensions.topic,
    open_questions.topic,
)

CHECKS: Mapping[str, Check] = {check.id: check for topic in TOPICS for check in topic}
"""Every check by id, in the order in which they run."""
