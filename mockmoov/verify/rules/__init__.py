"""The checks, a topic a file; this one only lists the files."""

from collections.abc import Mapping

from mockmoov.verify.registry import Check
from mockmoov.verify.rules import success

TOPICS = (success.topic,)

CHECKS: Mapping[str, Check] = {check.id: check for topic in TOPICS for check in topic}
"""Every check by id, in the order in which they run."""
