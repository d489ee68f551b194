"""The table of other fakes: what each is for, how it is brought here and served.

`{port}` in a command is the port to listen on, `{contract}` the name of Moov's contract that is asked about,
`{fixtures}` the folder of our OpenAPI descriptions, `{python}` this interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mockmoov import __version__
from tests.e2e.foreign_clients.clients import MAVEN, NPM, Command

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Fake:
    """A server that stands in for an authorization server, as it is asked about one of Moov's contracts."""

    name: str
    title: str
    version: str
    meant_for: str
    set_up: str
    folder: str = ""
    needs: tuple[str, ...] = ()
    fetch: Command = ()
    command: Command
    environment: Mapping[str, str] = field(default_factory=dict)


OURS = Fake(
    name="mockmoov",
    title="mockmoov",
    version=__version__,
    meant_for="Moov's OAuth endpoints: that contract, and nothing else.",
    set_up="`mockmoov serve`, as it comes",
    command=("{python}", "-m", "mockmoov", "serve", "--host", "127.0.0.1", "--port", "{port}"),
)
PRISM = Fake(
    name="Prism",
    title="Prism, `@stoplight/prism-cli`",
    version="5.14.2",
    meant_for=(
        "Any API that has an OpenAPI description: it checks requests against it and answers with examples."
        " It keeps no state and knows no OAuth."
    ),
    set_up="`prism mock` over our description of the contract (`fixtures/openapi-*.yaml`), as it comes",
    folder="prism",
    needs=("node", "npm"),
    fetch=NPM,
    command=("node_modules/.bin/prism", "mock", "--port", "{port}", "{fixtures}/openapi-{contract}.yaml"),
)
OAUTH2_MOCK_SERVER = Fake(
    name="oauth2-mock-server",
    title="`oauth2-mock-server`",
    version="8.2.3",
    meant_for=(
        "Tests of programs that take tokens of some OpenID provider: signed tokens for whoever asks, which a"
        " test can shape by hooks. It checks no credentials by design."
    ),
    set_up="endpoints at Moov's paths, an Ed25519 key; no hooks",
    folder="oauth2-mock-server",
    needs=("node", "npm"),
    fetch=NPM,
    command=("node", "serve.mjs", "{port}"),
)
MOCK_OAUTH2_SERVER = Fake(
    name="mock-oauth2-server",
    title="`no.nav.security:mock-oauth2-server`",
    version="6.0.2",
    meant_for=(
        "Tests of programs on the JVM, and of others by container: many issuers, most grants, callbacks,"
        " a login page. It takes any client's credentials by design."
    ),
    set_up="stand-alone, the issuer called `oauth2`, so that its paths are Moov's; no callbacks",
    folder="mock-oauth2-server",
    needs=("mvn", "java"),
    fetch=MAVEN,
    command=(
        *("java", "-XX:TieredStopAtLevel=1", "-cp", "lib/*"),
        "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt",
    ),
    environment={"SERVER_PORT": "{port}", "SERVER_HOSTNAME": "127.0.0.1"},
)
FAKES = (OURS, PRISM, OAUTH2_MOCK_SERVER, MOCK_OAUTH2_SERVER)
