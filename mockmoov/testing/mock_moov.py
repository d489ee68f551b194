"""Owns `MockMoov` and the handle of an API key. Must not know what the control plane does."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, Unpack
from urllib.parse import quote

from starlette.types import ASGIApp

from mockmoov.config.settings import Layer, load
from mockmoov.control_plane.access import control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from mockmoov.testing.environment import Hidden, environment
from mockmoov.testing.handles import Clock, Exchanges, Faults, MintedToken, Place, SigningKeys, minted
from mockmoov.testing.transport import ControlError, Local, Remote, Transport, hide_refusals
from mockmoov.testing.types import KeyArguments, KeyChanges, SettingArguments
from mockmoov.web.app import create_app
from mockmoov.web.listeners import Listeners, open_listeners
from mockmoov.web.uvicorn_server import BackgroundServer

__tracebackhide__ = hide_refusals
ClientType = Literal["web", "device", "service"]


class _Controls:
    """What both a server and an API key have."""

    def __init__(self, url: str, place: Place) -> None:
        self.url = url
        self.clock = Clock(place)
        self.faults = Faults(place)
        self.exchanges = Exchanges(place)
        self._place = place

    def mint(
        self,
        scope: str = "/ping.read",
        *,
        client_type: ClientType = "web",
        lifetime: int | None = None,
        claims: Mapping[str, Any] | None = None,
        defect: str | None = None,
    ) -> MintedToken:
        """A new access token, whatever the key may ask for; a scope need not be in the catalogue.

        `{accountID}` in a scope is the account of the key, without one of the first of the settings.
        `lifetime` in seconds; `claims` are added, or stand in for its own; `defect`: expired, not-yet-valid,
        wrong-audience, wrong-issuer, no-exp, unknown-kid, bad-signature, alg-none, hs256-public-key, revoked.
        """
        wish: dict[str, Any] = {"scope": scope, "client_type": client_type, "claims": claims or {}}
        wish |= {"lifetime": lifetime, "defect": defect}
        return minted(self._place.change("POST", "/tokens", wish))

    def reset(self) -> None:
        """Begin again: clock, faults and journal are as at first, and tokens of before are dead."""
        self._place.change("POST", "/reset", {})


class MoovKey(_Controls):
    """An API key. What is done here touches no other key; tokens of this key live by its clock."""

    client_secret: str | None

    def __init__(self, url: str, transport: Transport, shown: Mapping[str, Any]) -> None:
        super().__init__(url, Place(transport, f"/api-keys/{quote(shown['client_id'], safe='')}"))
        self.client_secret = None
        self._show(shown)

    def _show(self, shown: Mapping[str, Any]) -> None:
        self.client_id: str = shown["client_id"]
        self.account_id: str = shown["account_id"]
        self.application_id: str = shown["application_id"]
        self.origins: tuple[str, ...] = tuple(shown["origins"])
        self.scopes: tuple[str, ...] | None = None if shown["scopes"] is None else tuple(shown["scopes"])
        self.grants: tuple[str, ...] = tuple(shown["grants"])
        self.enabled: bool = shown["enabled"]
        self.client_secret = shown.get("client_secret", self.client_secret)

    def __repr__(self) -> str:
        return f"MoovKey(client_id={self.client_id!r}, url={self.url!r})"

    def change(self, **members: Unpack[KeyChanges]) -> None:
        """Change attributes; None restores the default. Tokens stay good."""
        self._show(self._place.change("PATCH", "", members))
        self.client_secret = members.get("client_secret", self.client_secret)

    def disable(self) -> None:
        """Let nothing of this key pass, its tokens included, until it is enabled."""
        self.change(enabled=False)

    def enable(self) -> None:
        """Undo `disable`."""
        self.change(enabled=True)

    def delete(self) -> None:
        """Remove the key and all that belongs to it."""
        self._place.change("DELETE", "")

    @property
    def credentials(self) -> Hidden:
        """client_id, client_secret, account_id and application_id; the secret is empty if it is not known."""
        return Hidden(
            client_id=self.client_id,
            client_secret=self.client_secret or "",
            account_id=self.account_id,
            application_id=self.application_id,
        )

    @property
    def environ(self) -> Hidden:
        """The environment variables that Moov's SDKs and most programs read, for this key and server."""
        return environment(
            self.url,
            client_id=self.client_id,
            client_secret=self.client_secret or "",
            account_id=self.account_id,
        )


class ApiKeys:
    """The API keys of a server."""

    def __init__(self, url: str, transport: Transport) -> None:
        self._url = url
        self._transport = transport

    def create(self, **members: Unpack[KeyArguments]) -> MoovKey:
        """A new key; credentials are generated if none are given."""
        given = {name: value for name, value in members.items() if value is not None}
        return MoovKey(self._url, self._transport, self._transport("POST", "/api-keys", body=given))

    def get(self, client_id: str) -> MoovKey:
        """The key with this client id; its secret is not told. Raises `ControlError`."""
        path = f"/api-keys/{quote(client_id, safe='')}"
        return MoovKey(self._url, self._transport, self._transport("GET", path))

    def list(self) -> tuple[MoovKey, ...]:
        """Every key, in the order of creation; secrets are not told."""
        shown = self._transport("GET", "/api-keys")["api_keys"]
        return tuple(MoovKey(self._url, self._transport, item) for item in shown)

    def __iter__(self) -> Iterator[MoovKey]:
        return iter(self.list())


class MockMoov(_Controls):
    """A mockmoov: `MockMoov(**settings)` is a new one on a free port, in a thread of this process.

    It answers once this is made; raises `BindError` or `SettingsError`. `stop` it, or use `with`. Several in
    one process share nothing. Methods may be used from any thread, in sync and in async tests alike: they
    take microseconds here, and one round trip with `connect`; only `exchanges.wait` waits.
    """

    def __init__(self, **settings: Unpack[SettingArguments]) -> None:
        loaded = load(Layer(values={"port": 0, "tls_port": 0, **settings}, source="MockMoov: "))
        server = create_server(loaded)
        places = open_listeners(loaded)
        app = create_app(server, exposure=places.exposure, ca_pem=places.ca_pem)
        self._server: AuthorizationServer | None = server
        self._background: BackgroundServer | None = BackgroundServer(app, places.sockets, places.secure)
        self._listeners: Listeners | None = places
        inside = ControlPlane(server, control_access(loaded, "process"))
        self._begin(places.url, Local(inside, loaded.control_token))

    @classmethod
    def connect(cls, url: str, *, control_token: str | None = None, ca_file: str | None = None) -> Self:
        """The one that answers at a URL, whoever started it; raises `ControlError` if none does.

        `ca_file` has the CA's certificate, PEM, where the URL is https; `ValueError` if it has none.
        """
        handle = cls.__new__(cls)
        handle._server = handle._background = handle._listeners = None
        url = url.rstrip("/")
        transport = Remote(url, control_token, ca_file)
        try:
            transport("GET", "/config")
        except ControlError:
            transport.close()
            raise
        handle._begin(url, transport)
        return handle

    def _begin(self, url: str, transport: Transport) -> None:
        super().__init__(url, Place(transport))
        self._transport = transport
        self.api_keys = ApiKeys(url, transport)
        self.signing_keys = SigningKeys(transport)

    def __repr__(self) -> str:
        return f"MockMoov(url={self.url!r})"

    @property
    def server(self) -> AuthorizationServer:
        """What answers, of a server in this process: for `mockmoov.asgi.Guard`."""
        if self._server is None:
            raise AttributeError("a server that runs elsewhere has no application here")
        return self._server

    @property
    def app(self) -> ASGIApp:
        """The ASGI application of a server in this process, for transports that need no socket."""
        ca_pem = self._listeners.ca_pem if self._listeners else None
        return create_app(self.server, exposure="process", ca_pem=ca_pem)

    @property
    def https_url(self) -> str:
        """The URL under which it speaks TLS: `MockMoov(tls=True)`."""
        if self._listeners is None or self._listeners.https_url is None:
            raise AttributeError("this server has no https: MockMoov(tls=True)")
        return self._listeners.https_url

    @property
    def ca_pem(self) -> str:
        """The certificate of the CA that clients of https must know; `tls_ca_file` writes it to a file."""
        if self._listeners is None or self._listeners.ca_pem is None:
            raise AttributeError("this server has no CA: MockMoov(tls=True)")
        return self._listeners.ca_pem.decode()

    @property
    def config(self) -> dict[str, Any]:
        """Each setting by name, with its `value` and its `source`; of secrets only whether they are set."""
        return dict(self._transport("GET", "/config")["settings"])

    def new_api_key(self, **members: Unpack[KeyArguments]) -> MoovKey:
        """A new API key; credentials are generated if none are given."""
        return self.api_keys.create(**members)

    def stop(self) -> None:
        """Stop the server, or let go of the one that runs elsewhere; more than once does nothing."""
        if self._background:
            self._background.stop()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
