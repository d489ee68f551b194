"""Decides which CAs a client trusts, and explains failed connections, for all that connects to a server."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# What errors say if a server answers TLS with something else, or closes the connection when it gets no TLS.
_NOT_TLS = "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG"
_NOT_HTTP = "without (?:sending a )?response"


def trust_context(ca_file: str | None) -> "ssl.SSLContext":
    """A TLS context that trusts the CAs in a PEM file or, without one, the CAs of this machine.

    Raises `ValueError` with a message that continues the name of the option: "ca.pem: No such file ...".
    """
    import ssl  # noqa: PLC0415 - only https needs it

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # includes `ssl.SSLError`
        raise ValueError(f"{ca_file}: {error.strerror}") from None


def connection_hint(error: Exception, url: str, option: str) -> str:
    """Advice to append to the error of a connection to a URL: another scheme, or the option for the CA.

    `option` is its name where it is set, such as `--ca-file`. Without advice it is "".
    """
    text = str(error)
    if "certificate verify failed" in text:
        return f"; set {option} to the CA certificate"
    scheme, _, rest = url.partition("://")
    if scheme.lower() == "https" and re.search(_NOT_TLS, text):
        return f"; this port answers without TLS: use http://{rest}"
    if scheme.lower() == "http" and re.search(_NOT_HTTP, text):
        return f"; if this is a port for https, use https://{rest}"
    return ""
