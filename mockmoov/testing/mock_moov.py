"""`MockMoov`, the server that a test starts or connects to, and `MoovKey`, an API key on it."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import quote

from starlette.types import ASGIApp

from mockmoov.config.real_files import real_files
from mockmoov.config.settings import Layer, Settings, SettingsError, load
from mockmoov.control_plane.access import control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.control_plane.server import shown_value
from mockmoov.oauth.encoding import read_json, to_json
from mockmoov.oauth.records import ClientType
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from mockmoov.testing.environment import SecretMapping, environment, own_namespace, own_store
from mockmoov.testing.handles import Clock, Exchanges, Faults, MintedToken, SigningKeys, Stubs
from mockmoov.testing.transport import (
    Control,
    ControlError,
    HttpTransport,
    InProcessTransport,
    hide_traceback,
)
from mockmoov.testing.types import DefectName, KeyArguments, KeyChanges, SettingArguments
from mockmoov.web.app import create_app
from mockmoov.web.listeners import Listeners, open_listeners
from mockmoov.web.uvicorn_server import BackgroundServer, require_threads

__tracebackhide__ = hide_traceback
_log = logging.getLogger("mockmoov")


def _load(settings: SettingArguments) -> Settings:
    loaded = load(Layer(settings={"port": 0, "tls_port": 0, **settings}, source="MockMoov: "))
    if loaded.workers > 1:
        raise SettingsError("MockMoov: workers: MockMoov serves in this process: leave it out")
    return replace(
        loaded,
        store=own_store(loaded.store, os.environ),
        store_namespace=own_namespace(loaded.store_namespace, os.environ),
    )


class _Controls:
    """What a test can control on a server and on an API key alike."""

    def __init__(self, url: str, control: Control) -> None:
        self.url = url
        self.clock = Clock(control)
        self.faults = Faults(control)
        self.stubs = Stubs(control)
        self.exchanges = Exchanges(control)
        self._control = control

    def mint(
        self,
        scope: str = "/ping.read",
        *,
        client_type: ClientType = "web",
        lifetime: int | None = None,
        claims: Mapping[str, Any] | None = None,
        defect: DefectName | None = None,
    ) -> MintedToken:
        """Make an access token without a request. The scope may be one that the key may not request.

        `{accountID}` in the scope becomes the account of the key. `lifetime` is in seconds, `claims` are
        added to the token or replace its own, and `defect` makes it invalid in one way. A server mints
        tokens of the first API key in its settings.
        """
        body: dict[str, Any] = {"scope": scope, "client_type": client_type, "claims": claims or {}}
        body |= {"lifetime": lifetime, "defect": defect}
        document = self._control("POST", "/tokens", body)
        token = MintedToken(document["access_token"])
        token.claims, token.defect = document["claims"], document["defect"]
        return token

    def reset(self) -> None:
        """Restore the clock, remove all faults, stubs and exchanges, and invalidate all tokens.

        Resetting a server also restores the API keys and stubs of its settings, and deletes all others. It
        makes a new signing key, unless `seed` or `signing_key` names one.
        """
        self._control("POST", "/reset", {})


class MockMoov(_Controls):
    """A mockmoov server: `MockMoov(**settings)` starts one on a free port, in a thread of this process.

    It accepts requests at once. Raises `BindError`, `SettingsError` or `StartError`. Call `stop`, or use
    `with`. Servers in one process share nothing, unless they have the same `store`. `clock`, `faults`,
    `stubs`, `exchanges`, `api_keys` and `signing_keys` control it. `upstream` is a URL, or an ASGI
    application, which runs in the same thread.

    The methods are thread-safe and work in sync and async tests: each takes microseconds, or one HTTP
    request after `connect`; only `exchanges.wait` blocks for longer.
    """

    def __init__(self, **settings: Unpack[SettingArguments]) -> None:
        require_threads()
        loaded = _load(settings)
        with real_files(), ExitStack() as on_failure:
            listeners = open_listeners(loaded)  # before anything is written to the store
            on_failure.callback(listeners.close)
            server = create_server(loaded)
            on_failure.callback(server.close)
            app = create_app(server, exposure=listeners.exposure, ca_pem=listeners.ca_pem)
            background = BackgroundServer(app, listeners.sockets, listeners.secure)
            on_failure.pop_all()
        if server.examples:
            _log.info("%s", server.examples.summary)
        self._server: AuthorizationServer | None = server
        self._listeners: Listeners | None = listeners
        self._background: BackgroundServer | None = background
        control_plane = ControlPlane(server, control_access(loaded, "process"))
        self._attach(listeners.url, InProcessTransport(control_plane, loaded.control_token))

    @classmethod
    def connect(cls, url: str, *, control_token: str | None = None, ca_file: str | None = None) -> Self:
        """Connect to a running mockmoov server; raises `ControlError` if none answers at `url`.

        For https, `ca_file` is a PEM file with the certificate of the CA; raises `ValueError` if it isn't.
        """
        handle = cls.__new__(cls)
        handle._server = handle._listeners = handle._background = None
        url = url.rstrip("/")
        transport = HttpTransport(url, control_token, ca_file)
        try:
            Control(transport)("GET", "/config")
        except ControlError:
            transport.close()
            raise
        handle._attach(url, transport)
        return handle

    def _attach(self, url: str, transport: InProcessTransport | HttpTransport) -> None:
        control = Control(transport)
        super().__init__(url, control)
        self.api_keys = ApiKeys(url, control)
        self.signing_keys = SigningKeys(control)

    def __repr__(self) -> str:
        return f"MockMoov(url={self.url!r})"

    def new_api_key(self, **members: Unpack[KeyArguments]) -> "MoovKey":
        """Create an API key; missing credentials are generated."""
        return self.api_keys.create(**members)

    @property
    def config(self) -> dict[str, Any]:
        """Every setting by name, with its `value` and `source`; secrets show only whether they are set."""
        return dict(self._control("GET", "/config")["settings"])

    def differing_settings(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the settings that this server has otherwise; raises `SettingsError`.

        Of secrets it is only known whether they are set.
        """
        expected, found = load(Layer(settings=settings)), self.config
        shown = {name: read_json(to_json(shown_value(expected, name))) for name in settings}
        return tuple(name for name in settings if shown[name] != found[name]["value"])

    @property
    def server(self) -> AuthorizationServer:
        """The server in this process, for `mockmoov.asgi.Guard`; not available after `connect`."""
        if self._server is None:
            raise AttributeError("not available after MockMoov.connect(): the server runs elsewhere")
        return self._server

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for HTTP clients that call it without a socket; not after `connect`."""
        ca_pem = self._listeners.ca_pem if self._listeners else None
        return create_app(self.server, exposure="process", ca_pem=ca_pem)

    @property
    def https_url(self) -> str:
        """The https URL of `MockMoov(tls=True)`."""
        if self._listeners is None or self._listeners.https_url is None:
            raise AttributeError("this server has no https URL: use MockMoov(tls=True)")
        return self._listeners.https_url

    @property
    def ca_pem(self) -> str:
        """The CA certificate, PEM, that https clients must trust; `tls_ca_file` writes it to a file."""
        if self._listeners is None or self._listeners.ca_pem is None:
            raise AttributeError("this server has no CA: use MockMoov(tls=True) without tls_cert")
        return self._listeners.ca_pem.decode()

    def stop(self) -> None:
        """Stop the server, or disconnect after `connect`; safe to call more than once."""
        if self._background:
            self._background.stop()
        if self._server:
            self._server.close()
        self._control.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ApiKeys:
    """The API keys of a server."""

    def __init__(self, url: str, control: Control) -> None:
        self._url = url
        self._control = control

    def create(self, **members: Unpack[KeyArguments]) -> "MoovKey":
        """Create a key; missing credentials are generated."""
        body = {name: value for name, value in members.items() if value is not None}
        return self._key(self._control("POST", "/api-keys", body))

    def get(self, client_id: str) -> "MoovKey":
        """The key with this client id, without its secret; raises `ControlError` if there is none."""
        return self._key(self._control("GET", f"/api-keys/{quote(client_id, safe='')}"))

    def list(self) -> tuple["MoovKey", ...]:
        """Every key in the order of creation, without secrets."""
        return tuple(map(self._key, self._control("GET", "/api-keys")["api_keys"]))

    def __iter__(self) -> Iterator["MoovKey"]:
        return iter(self.list())

    def _key(self, document: Mapping[str, Any]) -> "MoovKey":
        return MoovKey(self._url, self._control.transport, document)


class MoovKey(_Controls):
    """An API key. Its `clock`, `faults`, `stubs`, `exchanges` and tokens are its own: no other key changes.

    Its attributes can only be read; `change` changes them.
    """

    def __init__(
        self, url: str, transport: InProcessTransport | HttpTransport, document: Mapping[str, Any]
    ) -> None:
        path = f"/api-keys/{quote(document['client_id'], safe='')}"
        super().__init__(url, Control(transport, path))
        self._members = document

    @property
    def client_id(self) -> str:
        """The client id."""
        return str(self._members["client_id"])

    @property
    def client_secret(self) -> str:
        """The secret; empty unless this handle created the key, or `change` has set it."""
        return str(self._members.get("client_secret", ""))

    @property
    def account_id(self) -> str:
        """The account, which is the claim `caid`."""
        return str(self._members["account_id"])

    @property
    def application_id(self) -> str:
        """The application, which is the claim `aid`."""
        return str(self._members["application_id"])

    @property
    def origins(self) -> tuple[str, ...]:
        """The registered origins."""
        return tuple(self._members["origins"])

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """The scopes that the key may request; None: all."""
        scopes = self._members["scopes"]
        return None if scopes is None else tuple(scopes)

    @property
    def grants(self) -> tuple[str, ...]:
        """The grant types that the key may use."""
        return tuple(self._members["grants"])

    @property
    def enabled(self) -> bool:
        """Whether the key and its tokens are accepted."""
        return bool(self._members["enabled"])

    def __repr__(self) -> str:
        return f"MoovKey(client_id={self.client_id!r}, url={self.url!r})"

    def change(self, **members: Unpack[KeyChanges]) -> None:
        """Change attributes; None restores the default. Existing tokens stay valid."""
        secret = members.get("client_secret") or self.client_secret
        self._members = {**self._control("PATCH", "", members), "client_secret": secret}

    def disable(self) -> None:
        """Refuse this key and its tokens until `enable`."""
        self.change(enabled=False)

    def enable(self) -> None:
        """Undo `disable`."""
        self.change(enabled=True)

    def delete(self) -> None:
        """Delete the key, its tokens and its exchanges."""
        self._control("DELETE", "")

    @property
    def credentials(self) -> SecretMapping:
        """client_id, client_secret, account_id and application_id; an unknown secret is empty."""
        return SecretMapping(
            client_id=self.client_id,
            client_secret=self.client_secret,
            account_id=self.account_id,
            application_id=self.application_id,
        )

    @property
    def environ(self) -> SecretMapping:
        """The environment variables that make programs use this key; nothing is set."""
        return environment(self.url, self.credentials)
