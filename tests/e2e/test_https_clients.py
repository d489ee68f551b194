"""Clients that verify the certificate, for localhost and for Moov's own name."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mockmoov.testing import MockMoov
from tests.support.missing import without

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "https"
NAME = "api.moov.io"
PLAIN = """
import httpx2, sys
print(httpx2.get(sys.argv[2] + "/ping", headers={"Authorization": sys.argv[1]}).status_code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server with https: its CA's file, a bearer's header, and its URLs by both names."""

    ca_file: str
    authorization: str
    urls: tuple[str, str]

    @property
    def port(self) -> str:
        return self.urls[0].rpartition(":")[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ca_file = str(tmp_path_factory.mktemp("ca") / "ca.pem")
    with MockMoov(tls=True, tls_names=[NAME], tls_ca_file=ca_file) as moov:
        yield Served(
            ca_file=ca_file,
            authorization=f"Bearer {moov.mint()}",
            urls=(moov.https_url, moov.https_url.replace("localhost", NAME)),
        )


def output(argv: Sequence[str], folder: Path, **variables: str) -> list[str]:
    """The lines that a program prints."""
    trust = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    kept = {name: value for name, value in os.environ.items() if name not in trust}
    env = kept | {"NO_PROXY": "*", "no_proxy": "*", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"} | variables
    ended = subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    return ended.stdout.splitlines() or ended.stderr.splitlines()


def tool(name: str) -> str:
    found = shutil.which(name)
    return found or without(f"{name} is not on this machine")


# --- each client: with the CA of a file, or without -------------------------------------------------


def curl(served: Served, ca_file: str | None, folder: Path) -> list[str]:
    argv = [tool("curl"), "--silent", "--show-error", "--output", os.devnull, "--write-out", "%{http_code}\n"]
    argv += ["--resolve", f"{NAME}:{served.port}:127.0.0.1", *(["--cacert", ca_file] if ca_file else [])]
    asked = ["--header", f"Authorization: {served.authorization}"]
    return [output([*argv, *asked, f"{url}/ping"], folder)[-1] for url in served.urls]


def httpx(served: Served, ca_file: str | None, folder: Path) -> list[str]:
    """httpx2 finds the CA by a variable. It cannot find the other name."""
    argv = [sys.executable, "-c", PLAIN, served.authorization, served.urls[0]]
    return output(argv, folder, **({"SSL_CERT_FILE": ca_file} if ca_file else {}))[-1:]


def node(served: Served, ca_file: str | None, folder: Path) -> list[str]:
    argv = [tool("node"), str(HERE / "program.mjs"), served.authorization, *served.urls]
    return output(argv, folder, **({"NODE_EXTRA_CA_CERTS": ca_file} if ca_file else {}))


def go(served: Served, ca_file: str | None, folder: Path) -> list[str]:
    argv = [tool("go"), "run", str(HERE / "main.go"), served.authorization, *served.urls]
    return output(argv, folder, **({"SSL_CERT_FILE": ca_file} if ca_file else {}))


def java(served: Served, ca_file: str | None, folder: Path) -> list[str]:
    store = []
    if ca_file:
        trust = ["-importcert", "-noprompt", "-alias", "mockmoov", "-file", ca_file]
        output([tool("keytool"), *trust, "-keystore", "trust.p12", "-storepass", "changeit"], folder)
        store = ["-Djavax.net.ssl.trustStore=trust.p12", "-Djavax.net.ssl.trustStorePassword=changeit"]
    (folder / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
    argv = [tool("java"), *store, "-Djdk.net.hosts.file=hosts", str(HERE / "Program.java")]
    return output([*argv, served.authorization, *served.urls], folder)


Client = Callable[[Served, str | None, Path], list[str]]
CLIENTS: Mapping[str, Client] = {
    "curl": curl,
    "httpx2": httpx,
    "Node fetch": node,
    "Go": go,
    "Java": java,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_client_trusts_both_names_if_it_knows_the_ca(
    client: Client, served: Served, tmp_path: Path
) -> None:
    seen = client(served, served.ca_file, tmp_path)
    assert seen == ["200"] * (1 if client is httpx else len(served.urls))
    refused = client(served, None, tmp_path)
    assert len(refused) == len(seen)
    for line in refused:
        assert "certif" in line.lower() or "UNABLE_TO_VERIFY" in line or line == "000", line
