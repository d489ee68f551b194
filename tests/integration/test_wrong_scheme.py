"""A client that speaks TLS to the http port, http to the https port, or doesn't trust us leaves a hint."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from logging.handlers import QueueHandler
from queue import SimpleQueue
from urllib.parse import urlsplit

import pytest

from mockmoov.testing import MockMoov
from tests.support.listening import LOOPS, connected, moov_on

HTTP_HINT = "a client sent http to the https port: use https://"
TLS_HINT = "a client sent TLS to the http port: use http:// here"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT")


@pytest.fixture(scope="module", params=LOOPS)
def moov(request: pytest.FixtureRequest) -> Iterator[MockMoov]:
    with moov_on(request.param) as server:
        yield server


@pytest.fixture
def lines() -> Iterator[Callable[[], str]]:
    """A function that waits for the next warning in the log."""
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = QueueHandler(records)
    logging.getLogger("mockmoov").addHandler(handler)
    yield lambda: records.get(timeout=10).getMessage()
    logging.getLogger("mockmoov").removeHandler(handler)
    assert records.empty()


def test_http_on_the_https_port_leaves_a_hint(moov: MockMoov, lines: Callable[[], str]) -> None:
    for method in METHODS:
        with connected(moov.https_url) as connection:
            connection.sendall(f"{method} /secret HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert lines() == HTTP_HINT, method


def test_other_failed_handshake_leaves_a_line(moov: MockMoov, lines: Callable[[], str]) -> None:
    for sent in (b"", b"\x16\x03\x01\xff\xff" + b"\x00" * 50):  # a client that leaves; too long a record
        with connected(moov.https_url) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(4096) == b""
    assert lines() == "a TLS handshake failed: PACKET_LENGTH_TOO_LONG"


def test_rejected_certificate_leaves_a_hint(moov: MockMoov, lines: Callable[[], str]) -> None:
    for ca_pem, name in ((None, "localhost"), (moov.ca_pem, "another.example")):
        context = ssl.create_default_context(cadata=ca_pem)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            with connected(moov.https_url) as plain, pytest.raises(ssl.SSLCertVerificationError):
                context.wrap_socket(plain, server_hostname=name)
            line = lines()
            assert "it must trust the CA" in line
            assert "tls_names must list the name" in line


def test_tls_on_the_http_port_leaves_a_hint(moov: MockMoov, lines: Callable[[], str]) -> None:
    with connected(moov.url) as plain, pytest.raises(ssl.SSLError):
        ssl.create_default_context(cadata=moov.ca_pem).wrap_socket(plain, server_hostname="localhost")
    assert lines() == f"{TLS_HINT}; https:// is on port {urlsplit(moov.https_url).port}"
    with MockMoov() as other, connected(other.url) as plain:
        plain.sendall(b"\x16\x03\x01")
        assert lines() == f"{TLS_HINT}; the setting tls turns https on"


def test_tls_within_tls_is_only_unreadable(moov: MockMoov, lines: Callable[[], str]) -> None:
    with connected(moov.https_url, moov.ca_pem) as connection:
        connection.sendall(b"\x16\x03\x01")
        assert lines() == "a request cannot be read: Invalid method encountered"
