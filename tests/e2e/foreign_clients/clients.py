"""The table of foreign clients: what each is, how it is brought here, pointed at the server and run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CHECKS = HERE / "checks"
CLIENT_ID = "5clTR_MdVrrkgxw2"
CLIENT_SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"

Command = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One foreign program; `{python}` and `{out}` in a command are this interpreter and its folder."""

    name: str
    title: str
    """What its users call it."""
    version: str
    """The exact version, which `pinned` names; empty for what comes with the tool."""
    pinned: str = ""
    """The file of the program's folder, or of the repository's, that pins the version."""
    point: str
    """The line of configuration that points the client at a server on http://localhost:8080."""
    contracts: tuple[str, ...]
    """What the client lands on by itself, first, and what else the program asks for by header."""
    folder: str
    needs: tuple[str, ...]
    """Programs on the path, or `module:NAME` for a Python module."""
    fetch: Command = ()
    """What brings the client here; it may fail where there is no network."""
    build: tuple[Command, ...] = ()
    """What must not fail once the client is here."""
    command: Command

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of all the checks that the program prints, so that none can go missing."""
        return tuple((CHECKS / f"{self.name}.txt").read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """What was answered when a client was asked for."""

    date: str
    error: str
    package: str
    built: str
    """What was built from public source outside CI, with every check ok."""

    def __str__(self) -> str:
        return f"{self.package} on {self.date}: {self.error}"


NPM = (
    "npm", "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund",
    "--omit=peer", "--prefer-offline",
)  # fmt: skip
# -U: a package that was refused is asked for again.
MAVEN = (
    "mvn", "--quiet", "--batch-mode", "-Dstyle.color=never", "-U",
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DoutputDirectory=lib",
)  # fmt: skip
_JAVAC = ("javac", "-cp", "lib/*", "-d", "classes", "Program.java")
# A short life: the quick compiler is enough, and less memory for two of them at once.
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-cp", "classes:lib/*", "Program")

CLIENTS = (
    Client(
        name="python-moovio-sdk",
        title="Moov's Python SDK, `moovio-sdk`",
        version="26.8.6",
        pinned="constraints.txt",
        point='Moov(server_url="http://localhost:8080", security=...)',
        contracts=("dated",),
        folder="python-moovio-sdk",
        needs=("module:moovio_sdk",),
        command=("{python}", "program.py"),
    ),
    Client(
        name="js-moovio-sdk",
        title="Moov's TypeScript SDK, `@moovio/sdk`",
        version="26.7.1",
        pinned="package.json",
        point='new Moov({ serverURL: "http://localhost:8080", security: ... })',
        contracts=("dated",),
        folder="js-moovio-sdk",
        needs=("node", "npm"),
        fetch=NPM,
        command=("node", "program.mjs"),
    ),
    Client(
        name="node-moovio",
        title="Moov's older Node SDK, `@moovio/node`",
        version="1.2.2",
        pinned="package.json",
        point='new Moov(credentials, { prefixUrl: "http://localhost:8080" })',
        contracts=("2023", "dated"),
        folder="node-moovio",
        needs=("node", "npm"),
        fetch=NPM,
        command=("node", "program.mjs"),
    ),
    Client(
        name="java-moov",
        title="Moov's Java SDK, `io.moov:sdk`",
        version="26.8.7",
        pinned="pom.xml",
        point='Moov.builder().serverURL("http://localhost:8080")',
        contracts=("dated",),
        folder="java-moov",
        needs=("mvn", "javac"),
        fetch=MAVEN,
        build=(_JAVAC,),
        command=_JAVA,
    ),
    Client(
        name="go-moov",
        title="Moov's Go SDK, `github.com/moovfinancial/moov-go`",
        version="0.49.0",
        pinned="go.mod",
        point="MOOV_URL_SCHEME=http MOOV_HOST=localhost:8080",
        contracts=("2023",),
        folder="go-moov",
        needs=("go",),
        fetch=("go", "mod", "download", "github.com/moovfinancial/moov-go@v0.49.0"),
        build=(("go", "mod", "tidy"), ("go", "build", "-o", "{out}/program", ".")),
        command=("{out}/program",),
    ),
    Client(
        name="go-moov-2023",
        title="the Go SDK of 2023, `github.com/speakeasy-sdks/moov-go`",
        version="0.5.0",
        pinned="go.mod",
        point='moovgo.WithServerURL("http://localhost:8080")',
        contracts=("2023",),
        folder="go-moov-2023",
        needs=("go",),
        fetch=("go", "mod", "download", "github.com/speakeasy-sdks/moov-go@v0.5.0"),
        build=(("go", "mod", "tidy"), ("go", "build", "-o", "{out}/program", ".")),
        command=("{out}/program",),
    ),
    Client(
        name="go-oauth2",
        title="`golang.org/x/oauth2`",
        version="0.37.0",
        pinned="go.mod",
        point='clientcredentials.Config{TokenURL: "http://localhost:8080/oauth2/token", ...}',
        contracts=("2023",),
        folder="go-oauth2",
        needs=("go",),
        fetch=("go", "mod", "download"),
        build=(("go", "build", "-o", "{out}/program", "."),),
        command=("{out}/program",),
    ),
    Client(
        name="java-nimbus",
        title="Nimbus OAuth 2.0 SDK, `com.nimbusds:oauth2-oidc-sdk`",
        version="11.37.2",
        pinned="pom.xml",
        point='new TokenRequest.Builder(URI.create("http://localhost:8080/oauth2/token"), ...)',
        contracts=("2023", "dated"),
        folder="java-nimbus",
        needs=("mvn", "javac"),
        fetch=MAVEN,
        build=(_JAVAC,),
        command=_JAVA,
    ),
    Client(
        name="go-net-http",
        title="Go's `net/http`, parameters in the query string",
        version="",
        point='http.NewRequest("POST", "http://localhost:8080/oauth2/token?" + query.Encode(), nil)',
        contracts=("2023",),
        folder="go-oauth2",
        needs=("go",),
        fetch=("go", "mod", "download"),
        build=(("go", "build", "-o", "{out}/program", "./plain"),),
        command=("{out}/program",),
    ),
    Client(
        name="node-fetch",
        title="Node's `fetch` with `URLSearchParams`",
        version="",
        point='fetch("http://localhost:8080/oauth2/token", { method: "POST", ... })',
        contracts=("2023", "dated"),
        folder="node-fetch",
        needs=("node",),
        command=("node", "program.mjs"),
    ),
    Client(
        name="curl",
        title="`curl`",
        version="",
        point="curl -X POST http://localhost:8080/oauth2/token ...",
        contracts=("2023",),
        folder="curl",
        needs=("curl",),
        command=("sh", "program.sh"),
    ),
)


def unavailable() -> dict[str, Absence]:
    """What was answered for each client that could not be had."""
    listed = tomllib.loads((HERE / "unavailable.toml").read_text(encoding="utf-8"))["unavailable"]
    return {
        entry["client"]: Absence(
            date=str(entry["date"]),
            error=entry["error"],
            package=f"{entry['package']} {entry['version']}",
            built=entry["built"],
        )
        for entry in listed
    }
