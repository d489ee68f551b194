"""The checks, a topic a file; this one only lists the files."""

from collections.abc import Mapping

from mockmoov.verify.registry import Check
from mockmoov.verify.rules import (
    claims,
    client,
    conforming,
    disturbed,
    extensions,
    grants,
    origins,
    refreshing,
    requests,
    revoking,
    rotation,
    spending,
    success,
    unknowns,
    verdicts,
    versions,
)

TOPICS = (
    success.topic,
    claims.topic,
    client.topic,
    requests.topic,
    verdicts.topic,
    grants.topic,
    grants.scopes,
    grants.errors,
    refreshing.topic,
    rotation.topic,
    revoking.topic,
    spending.topic,
    origins.topic,
    versions.topic,
    disturbed.topic,
    disturbed.failures,
    disturbed.clock,
    conforming.topic,
    extensions.topic,
    unknowns.topic,
)

CHECKS: Mapping[str, Check] = {check.id: check for topic in TOPICS for check in topic}
"""Every check by id, in the order in which they run."""
