"""Decides which CAs a client trusts, for everything here that connects to a server over https."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def trust_context(ca_file: str | None) -> "ssl.SSLContext":
    """A TLS context that trusts the CAs in a PEM file or, without one, the CAs of this machine.

    Raises `ValueError` with a message that continues the name of the option: "ca.pem: No such file ...".
    """
    import ssl  # noqa: PLC0415 - only https needs it

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # includes `ssl.SSLError`
        raise ValueError(f"{ca_file}: {error.strerror}") from None


def trust_hint(error: Exception, option: str) -> str:
    """Advice to append to a connection error: the option to set, if the certificate isn't trusted."""
    is_untrusted = "certificate verify failed" in str(error)
    return f"; set {option} to the CA certificate" if is_untrusted else ""
