"""The certificate that https uses: one of a CA that mockmoov makes, or one from the settings."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from mockmoov.config.settings import Settings, SettingsError

if TYPE_CHECKING:
    import trustme

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LIFETIME = timedelta(days=397)  # of a server's certificate: some clients refuse longer ones
_KEPT = "ca-with-key.pem"


def make_tls(settings: Settings) -> tuple[ssl.SSLContext | None, bytes | None]:
    """The TLS context, None without TLS, and the PEM of mockmoov's own CA, if any; raises `SettingsError`."""
    if not settings.tls:
        return None, None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 §3.1.1
    context.set_alpn_protocols(["http/1.1"])
    if settings.tls_cert is not None and settings.tls_key is not None:
        _load(context, settings.tls_cert, settings.tls_key)
        return context, None
    try:
        return context, _certify(context, settings)
    except OSError as error:  # of the temporary file that OpenSSL reads
        raise SettingsError(f"tls needs a folder for temporary files: {error}") from None


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        reason = error.strerror
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or "unreadable").replace("_", " ").lower()
        raise SettingsError(f"tls_cert {certificate}, tls_key {key}: {reason}") from None


def _certify(context: ssl.SSLContext, settings: Settings) -> bytes:
    """Give the context a certificate of mockmoov's own CA; returns the CA's certificate in PEM."""
    with _naming("tls_ca_folder", settings.tls_ca_folder):
        ca = _kept_ca(Path(settings.tls_ca_folder)) if settings.tls_ca_folder else _new_ca()
    now = datetime.now(UTC)
    names = dict.fromkeys((*_LOOPBACK, *settings.tls_names))
    try:
        server = ca.issue_cert(*names, not_before=now - timedelta(days=1), not_after=now + _LIFETIME)
    except UnicodeError as error:  # of a name that no certificate may have
        raise SettingsError(f"tls_names: {error}") from None
    server.configure_cert(context)
    ca_pem = ca.cert_pem.bytes()
    if settings.tls_ca_file is not None:
        with _naming("tls_ca_file", settings.tls_ca_file):
            Path(settings.tls_ca_file).write_bytes(ca_pem)
    return ca_pem


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
