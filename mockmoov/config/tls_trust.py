"""Decides which CAs a client trusts, and explains failed connections, for all that connects to a server."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# The other scheme, and what errors say if the server may expect that one. Errors of TLS depend on how far the
# handshake came before the server closed the connection.
_OTHER_SCHEMES = {
    "https": (
        "http",
        "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG|UNEXPECTED_EOF|reset by peer",
    ),
    "http": ("https", "without (?:sending a )?response|reset by peer"),
}


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
    other, symptoms = _OTHER_SCHEMES.get(scheme.lower(), ("", ""))
    is_likely = other and re.search(symptoms, text)
    return f"; if this is a port for {other}, use {other}://{rest}" if is_likely else ""
