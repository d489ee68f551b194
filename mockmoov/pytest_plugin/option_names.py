"""Error messages of the server and its handles, reworded for users of the plugin.

The messages name the arguments of `MockMoov`; the plugin's users set options with other names.
"""

import re

_REPLACEMENTS = (
    (re.compile(r"^MockMoov: "), ""),
    (re.compile(r"^ca_file\b|(?<=; set )ca_file\b"), "mockmoov_ca_file"),
    (re.compile(r"^X-Mockmoov-Token is missing or wrong$"), r"\g<0>; set mockmoov_control_token"),
)


def with_option_names(error: Exception) -> str:
    """The message of an error, with the plugin's options in place of arguments."""
    message = str(error)
    for pattern, replacement in _REPLACEMENTS:
        message = pattern.sub(replacement, message)
    return message
