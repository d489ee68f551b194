"""The certificate that https uses: one of a CA that mockmoov makes, or one from the settings."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import Struct

from mockmoov.config.settings import Settings, SettingsError

if TYPE_CHECKING:
    import trustme

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LIFETIME = timedelta(days=397)  # of a server's certificate: some clients refuse longer ones
_KEPT = "ca-with-key.pem"


class Certificate(Struct, frozen=True):
    """A certificate that mockmoov has made: its private key with its chain, and its CA, in PEM."""

    key_and_chain: bytes
    ca: bytes


def make_certificate(settings: Settings) -> Certificate | None:
    """A new certificate; None without TLS, or if the settings name one. Raises `SettingsError`."""
    return _certify(settings) if settings.tls and settings.tls_cert is None else None


def make_context(settings: Settings, certificate: Certificate | None) -> ssl.SSLContext | None:
    """The TLS context with the certificate, or with that of the settings; None without TLS.

    Raises `SettingsError`.
    """
    if not settings.tls:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 §3.1.1
    context.set_alpn_protocols(["http/1.1"])
    if certificate is None:
        _load(context, str(settings.tls_cert), str(settings.tls_key))
        return context
    try:
        with TemporaryDirectory() as folder:  # OpenSSL reads files only
            file = Path(folder, "certificate.pem")
            _write_secret(file, certificate.key_and_chain)
            context.load_cert_chain(file)
    except OSError as error:
        raise SettingsError(f"tls needs a folder for temporary files: {error}") from None
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        reason = error.strerror
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or "unreadable").replace("_", " ").lower()
        raise SettingsError(f"tls_cert {certificate}, tls_key {key}: {reason}") from None


def _certify(settings: Settings) -> Certificate:
    """A certificate of mockmoov's own CA."""
    with _naming("tls_ca_folder", settings.tls_ca_folder):
        ca = _kept_ca(Path(settings.tls_ca_folder)) if settings.tls_ca_folder else _new_ca()
    now = datetime.now(UTC)
    names = dict.fromkeys((*_LOOPBACK, *settings.tls_names))
    try:
        server = ca.issue_cert(*names, not_before=now - timedelta(days=1), not_after=now + _LIFETIME)
    except UnicodeError as error:  # of a name that no certificate may have
        raise SettingsError(f"tls_names: {error}") from None
    ca_pem = ca.cert_pem.bytes()
    if settings.tls_ca_file is not None:
        with _naming("tls_ca_file", settings.tls_ca_file):
            Path(settings.tls_ca_file).write_bytes(ca_pem)
    return Certificate(server.private_key_and_cert_chain_pem.bytes(), ca_pem)


@contextmanager
def _naming(name: str, path: str | None) -> Iterator[None]:
    """Turn an error of a file into one that names the setting with its path."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{name} {path}: {error.strerror}") from None


def _new_ca() -> "trustme.CA":
    try:
        import trustme  # noqa: PLC0415 - only who speaks TLS pays for it
    except ImportError:
        raise SettingsError("tls needs trustme: pip install trustme") from None
    return trustme.CA(organization_name="mockmoov", organization_unit_name="tests only " + token_hex(4))


def _kept_ca(folder: Path) -> "trustme.CA":
    """The CA kept in a folder, made if there is none; of two made at once the first stays."""
    kept = folder / _KEPT
    if not kept.exists():
        ca = _new_ca()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_secret(kept, ca.private_key_pem.bytes() + ca.cert_pem.bytes())
    import trustme  # noqa: PLC0415

    pem = kept.read_bytes()
    try:
        return trustme.CA.from_pem(pem, pem)
    except ValueError:
        raise SettingsError(f"tls_ca_folder: {kept} is not a CA's certificate with its private key") from None


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, unless there is one."""
    partial = path.with_name(f"{path.name}.{token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    with suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()
