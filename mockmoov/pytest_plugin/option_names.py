"""Owns how a refusal reads to who uses the plugin: by the names of its options. Must not know pytest."""

import re

# What the handle calls its arguments, and what to say instead or beside it.
_SPELLED = (
    (re.compile(r"^MockMoov: "), ""),
    (re.compile(r"^ca_file\b|(?<=; )ca_file\b"), "mockmoov_ca_file"),
    (re.compile(r"^X-Mockmoov-Token is missing or wrong$"), r"\g<0>; mockmoov_control_token has it"),
)


def spelled(error: Exception) -> str:
    """The message of a refusal, with the options of the plugin in place of arguments."""
    message = str(error)
    for pattern, instead in _SPELLED:
        message = pattern.sub(instead, message)
    return message
