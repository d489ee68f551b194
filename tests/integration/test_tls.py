"""HTTPS next to http on the same server: generated certificates, own certificates, trust, connections."""

import asyncio
import contextlib
import os
import socket
import ssl
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import trustme
from click.testing import Result
from cryptography.hazmat.primitives import serialization

import mockmoov.verify.run  # noqa: F401 - so that no test pays for it
from mockmoov.config.settings import Layer, Settings, load
from mockmoov.testing import BindError, ControlError, MockMoov, SettingsError
from mockmoov.web.certificates import make_certificate, make_context
from mockmoov.web.listeners import open_listeners
from mockmoov.web.uvicorn_server import Acceptor
from tests.support import asgi, command_line
from tests.support.extras import advice
from tests.support.listening import LOOPS, connected, moov_on
from tests.support.servers import basic

EXTRA = f"tls needs trustme: {advice('tls')}"


def settings(**values: object) -> Settings:
    return load(Layer(settings={"tls": True, "port": 0, "tls_port": 0, **values}))


class Tls(NamedTuple):
    context: ssl.SSLContext
    ca_pem: bytes | None


def made(**values: object) -> Tls:
    chosen = settings(**values)
    certificate = make_certificate(chosen)
    context, ca_pem = make_context(chosen, certificate), certificate.ca if certificate else None
    assert context is not None
    return Tls(context, ca_pem)


def trusting(ca_pem: str | bytes | None) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem.decode() if isinstance(ca_pem, bytes) else ca_pem)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """The client's side of a handshake in memory; raises the error of either side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                waiting.remove(end)
    return ends[0]


def test_tls_is_off_by_default() -> None:
    assert (make_certificate(Settings()), make_context(Settings(), None)) == (None, None)


def test_the_certificate_is_for_loopback_and_tls_names() -> None:
    tls = made(tls_names="API.moov.io, 10.0.0.9, fd00::9, mockmoov")
    for name in ("localhost", "127.0.0.1", "::1", "api.moov.io", "10.0.0.9", "fd00::9", "mockmoov"):
        assert shaken(tls.context, trusting(tls.ca_pem), name).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shaken(tls.context, trusting(tls.ca_pem), "moov.io")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shaken(tls.context, trusting(made().ca_pem), "localhost")


def test_the_certificate_lasts_as_long_as_clients_allow() -> None:
    tls = made()
    certificate: Any = shaken(tls.context, trusting(tls.ca_pem), "localhost").getpeercert()
    begins, ends = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
    now = datetime.now(UTC).timestamp()
    assert begins < now - 3600
    assert now + timedelta(days=300).total_seconds() < ends < begins + timedelta(days=398).total_seconds() + 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_is_1_2_or_later() -> None:
    tls = made()
    tls.context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that nothing else refuses older versions
    for version, passes in (("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)):
        client = trusting(tls.ca_pem)
        client.set_ciphers("DEFAULT:@SECLEVEL=0")
        client.minimum_version = client.maximum_version = ssl.TLSVersion[version]
        if passes:
            assert shaken(tls.context, client, "localhost").version() == version.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError):
                shaken(tls.context, client, "localhost")


def test_http_2_is_never_negotiated() -> None:
    tls = made()
    for offered in (["h2", "http/1.1"], ["h2"]):
        client = trusting(tls.ca_pem)
        client.set_alpn_protocols(offered)
        assert shaken(tls.context, client, "localhost").selected_alpn_protocol() in (None, "http/1.1")


def test_a_name_that_cannot_be_certified_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"^tls_names: "):
        made(tls_names="xn--999999999")


def test_an_error_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    for values in ({}, {"tls_ca_folder": str(tmp_path)}):
        with pytest.raises(SettingsError) as caught:
            made(**values)
        assert str(caught.value) == EXTRA
    result = command_line.run("serve", "--tls")
    assert (result.exit_code, result.stderr) == (2, f"mockmoov: {EXTRA}\n")


def test_the_ca_certificate_is_written_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    tls = made(tls_ca_file=str(path))
    assert path.read_bytes() == tls.ca_pem
    assert b"PRIVATE" not in path.read_bytes()
    shaken(tls.context, ssl.create_default_context(cafile=path), "localhost")


def test_a_ca_is_new_unless_a_folder_keeps_it(tmp_path: Path) -> None:
    folder = str(tmp_path / "a" / "b")
    assert made().ca_pem != made().ca_pem
    first, second = made(tls_ca_folder=folder), made(tls_ca_folder=folder, tls_names="moov")
    assert first.ca_pem == second.ca_pem
    shaken(second.context, trusting(first.ca_pem), "moov")


def test_only_the_owner_may_read_a_kept_key(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    before = os.umask(0)
    try:
        made(tls_ca_folder=str(folder))
    finally:
        os.umask(before)
    (kept,) = folder.iterdir()
    assert b"PRIVATE KEY" in kept.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_simultaneous_starts_keep_one_ca(tmp_path: Path) -> None:
    together, found = threading.Barrier(8), list[bytes | None]()

    def make() -> None:
        together.wait()
        found.append(made(tls_ca_folder=str(tmp_path / "ca")).ca_pem)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(list((tmp_path / "ca").iterdir())) == 1


def test_a_broken_kept_ca_is_an_error_and_stays(tmp_path: Path) -> None:
    kept = tmp_path / "ca-with-key.pem"
    broken = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    for content in (b"", b"\x00\xff", broken):
        kept.write_bytes(content)
        with pytest.raises(SettingsError, match=r"^tls_ca_folder: .* is not a CA's certificate"):
            made(tls_ca_folder=str(tmp_path))
        assert kept.read_bytes() == content


def test_a_missing_folder_for_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(SettingsError, match=r"^tls needs a folder for temporary files: .*/no/such/folder"):
        made()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("tls_ca_file", "tls_ca_folder"):
        with pytest.raises(SettingsError, match=rf"^{name} .*file/below: Not a directory"):
            made(**{name: str(tmp_path / "file" / "below")})


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, trustme.CA]:
    """A folder with a certificate and its key from elsewhere, and their CA."""
    folder, ca = tmp_path_factory.mktemp("brought"), trustme.CA()
    certificate = ca.issue_cert("moov.test")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (folder / "other.pem").write_bytes(ca.issue_cert("moov.test").private_key_pem.bytes())
    (folder / "empty.pem").touch()
    return folder, ca


def test_an_own_certificate_needs_no_extra(
    brought: tuple[Path, trustme.CA], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ca = brought
    monkeypatch.setitem(sys.modules, "trustme", None)
    tls = made(tls_cert=str(folder / "cert.pem"), tls_key=str(folder / "key.pem"))
    assert tls.ca_pem is None
    shaken(tls.context, trusting(ca.cert_pem.bytes()), "moov.test")


def test_an_own_certificate_that_is_broken_is_named(brought: tuple[Path, trustme.CA], tmp_path: Path) -> None:
    folder, _ = brought
    locked, password = tmp_path / "locked.pem", serialization.BestAvailableEncryption(b"secret")
    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(pem, pkcs8, password))  # nobody is asked for the password
    table = [
        ("none.pem", "key.pem", "No such file or directory"),
        ("cert.pem", "none.pem", "No such file or directory"),
        ("cert.pem", "other.pem", "key values mismatch"),
        ("cert.pem", "empty.pem", "."),
        ("empty.pem", "key.pem", "."),
        ("cert.pem", str(locked), "."),
    ]
    for certificate, key_file, reason in table:
        paths = {"tls_cert": str(folder / certificate), "tls_key": str(folder / key_file)}
        with pytest.raises(SettingsError, match=rf"^tls_cert .*, tls_key .*: {reason}"):
            made(**paths)


def ask(url: str, path: str, ca_pem: str | None = None, **options: Any) -> httpx2.Response:
    verify = trusting(ca_pem) if ca_pem else False
    with httpx2.Client(verify=verify, trust_env=False) as client:
        return client.request("POST" if "data" in options else "GET", url + path, **options)


@pytest.fixture(params=LOOPS)
def moov(request: pytest.FixtureRequest) -> Iterator[MockMoov]:
    """A server with http and https, on each event loop."""
    with moov_on(request.param, tls_names=["api.moov.io"]) as server:
        yield server


def test_http_and_https_are_one_server(moov: MockMoov) -> None:
    auth = dict([basic()])
    both = ((moov.url, None), (moov.https_url, moov.ca_pem))
    mint = {"grant_type": "client_credentials", "scope": "/ping.read"}
    token = ask(moov.url, "/oauth2/token", headers=auth, data=mint).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert [ask(url, "/ping", ca_pem, headers=bearer).status_code for url, ca_pem in both] == [200, 200]
    revoked = ask(moov.https_url, "/oauth2/revoke", moov.ca_pem, headers=auth, data={"token": token})
    assert revoked.status_code == 204
    assert [ask(url, "/ping", ca_pem, headers=bearer).status_code for url, ca_pem in both] == [401, 401]
    assert [exchange.endpoint for exchange in moov.exchanges()] == [
        "token", "ping", "ping", "revoke", "ping", "ping",
    ]  # fmt: skip


def test_every_url_of_the_server_answers(moov: MockMoov) -> None:
    """Metadata has the URL of the request, and names of the certificate are known hosts."""
    for url, ca_pem in ((moov.url, None), (moov.https_url, moov.ca_pem)):
        metadata = ask(url, "/.well-known/oauth-authorization-server", ca_pem).json()
        assert metadata["jwks_uri"] == f"{url}/.well-known/jwks.json"
        for host, status in (("api.moov.io", 401), ("API.moov.io:443", 401), ("moov.io", 421)):
            assert ask(url, "/ping", ca_pem, headers={"host": host}).status_code == status
        for address in ("127.0.0.1", "[::1]"):
            assert ask(url.replace("localhost", address), "/ping", ca_pem).status_code == 401


def test_the_ca_is_open_to_everyone() -> None:
    """Over a socket and in process."""
    with MockMoov(tls=True, control="off") as moov:
        response = ask(moov.url, "/_mockmoov/ca.pem", headers={"origin": "https://evil.example"})
        assert (response.status_code, response.text) == (200, moov.ca_pem)
        assert response.headers["content-type"] == "application/x-pem-file"
        assert "PRIVATE" not in response.text
        assert asgi.ask(moov.app, "GET", "http://moov/_mockmoov/ca.pem").text == moov.ca_pem


def test_a_server_without_a_ca_answers_404(brought: tuple[Path, trustme.CA]) -> None:
    own = {"tls_cert": str(brought[0] / "cert.pem"), "tls_key": str(brought[0] / "key.pem")}
    for values in ({}, {"tls": True, **own}):
        with MockMoov(**values) as moov:  # type: ignore[arg-type]
            response = ask(moov.url, "/_mockmoov/ca.pem")
            assert (response.status_code, response.content) == (404, b"")
            assert "tls" in response.headers["x-mockmoov-reason"]
            with pytest.raises(AttributeError, match="has no CA"):
                _ = moov.ca_pem
            assert hasattr(moov, "https_url") == bool(values)


def test_a_handle_trusts_its_ca_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "ca.pem")
    with MockMoov(tls=True, tls_ca_file=path) as moov:
        with MockMoov.connect(moov.https_url, ca_file=path) as handle:
            assert handle.mint()
            with pytest.raises(AttributeError, match="has no https"):
                _ = handle.https_url
        advice = r"certificate verify failed.*; set ca_file to the CA certificate"
        with pytest.raises(ControlError, match=advice):
            MockMoov.connect(moov.https_url)
        monkeypatch.setenv("SSL_CERT_FILE", path)
        with MockMoov.connect(moov.https_url) as handle:
            assert handle.mint()


@pytest.fixture(params=["missing", "invalid"])
def bad_ca_file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    if request.param == "invalid":
        path.write_text("no certificate")
    return str(path)


def test_a_handle_names_a_bad_ca_file(bad_ca_file: str) -> None:
    with pytest.raises(ValueError, match=f"^ca_file {bad_ca_file}: "):
        MockMoov.connect("https://localhost:1", ca_file=bad_ca_file)


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def received(connection: socket.socket) -> bytes:
    """What arrives until the other side ends the connection."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


REQUEST = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n"


def test_faults_reset_and_cut_tls_connections(moov: MockMoov) -> None:
    moov.faults.add("reset", times=1)
    with connected(moov.https_url, moov.ca_pem) as connection:
        connection.sendall(REQUEST)
        with socket.socket(fileno=connection.detach()) as below:
            below.settimeout(10)
            with pytest.raises(ConnectionResetError):
                received(below)  # nothing but session tickets arrives
    moov.faults.add("cut", times=1, status=503, text="0123456789")
    with connected(moov.https_url, moov.ca_pem) as connection:
        connection.sendall(REQUEST)
        arrived = b""
        with contextlib.suppress(ssl.SSLEOFError):
            while piece := connection.recv(4096):
                arrived += piece
    head, _, body = arrived.partition(b"\r\n\r\n")
    assert b"content-length: 10" in head
    assert body == b"01234"


def test_a_client_without_tls_leaves_no_error_in_the_log(
    moov: MockMoov, caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 50, b""):
        with connected(moov.https_url) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                received(connection)
        assert ask(moov.https_url, "/ping", moov.ca_pem).status_code == 401
    assert problems(caplog) == []


def test_open_connections_do_not_keep_it_from_stopping(
    moov: MockMoov, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither idle ones nor those that are in the middle of the handshake."""
    assert moov._background is not None
    thread = moov._background._thread
    with contextlib.ExitStack() as stack:
        for speaks_tls in (True, False) * 5:
            stack.enter_context(connected(moov.https_url, moov.ca_pem if speaks_tls else None))
        assert ask(moov.https_url, "/ping", moov.ca_pem).status_code == 401
        moov.stop()
        assert not thread.is_alive()
    with pytest.raises(httpx2.ConnectError):
        ask(moov.https_url, "/ping", moov.ca_pem)
    assert problems(caplog) == []


def test_a_failed_accept_does_not_end_the_listener() -> None:
    tls = made()

    async def go(listener: socket.socket) -> str:
        handshakes = Acceptor(tls.context, asyncio.Protocol)
        handshakes.listen([listener])
        await asyncio.sleep(0)  # accepting fails, as the socket does not listen yet
        listener.listen()
        _, writer = await asyncio.open_connection(
            *listener.getsockname(), ssl=trusting(tls.ca_pem), server_hostname="localhost"
        )
        version: str = writer.get_extra_info("ssl_object").version()
        writer.transport.abort()
        await handshakes.stop()
        return version

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert asyncio.run(go(bound)) == "TLSv1.3"


def test_a_taken_https_port_frees_the_http_port() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(BindError, match=f"port {taken}"):
            open_listeners(settings(host="127.0.0.1", port=port, tls_port=taken))
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))


def invoke(*arguments: str, **variables: str) -> Result:
    return command_line.run(*arguments, env=variables)


def test_commands_trust_the_ca_file(tmp_path: Path) -> None:
    path = str(tmp_path / "ca.pem")
    with MockMoov(tls=True, tls_ca_file=path) as moov:
        for command in (["healthcheck"], ["token", "--scope", "/ping.read"]):
            arguments = [*command, "--url", moov.https_url]
            for result in (
                invoke(*arguments, "--ca-file", path),
                invoke(*arguments, MOCKMOOV_CA_FILE=path),
                invoke(*arguments, MOCKMOOV_TLS="on", MOCKMOOV_TLS_CA_FILE=path),
            ):
                assert result.exit_code == 0, result.output
            refused = invoke(*arguments)
            assert refused.exit_code == 1
            assert "certificate verify failed" in refused.stderr
            assert refused.stderr.endswith("; set --ca-file to the CA certificate\n")


def test_a_bad_ca_file_is_exit_code_2(bad_ca_file: str) -> None:
    url = "https://localhost:1"
    for arguments in (
        ["healthcheck", "--url", url],
        ["token", "--scope", "/ping.read", "--url", url],
        ["verify", "--client-id", "a", "--client-secret", "b", url],
    ):
        result = invoke(*arguments, "--ca-file", bad_ca_file)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"mockmoov: --ca-file {bad_ca_file}: ")
