"""Endpoints of mockmoov that need no access to the control plane: health, keys, metadata, introspection."""

from collections.abc import Callable, Mapping

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth import contracts, responses
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.grants import GRANTS, authenticate_client
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.records import AccessToken, ApiKey, RefreshToken
from mockmoov.oauth.requests import parse_revocation_request, read_parameters
from mockmoov.oauth.signing_keys import jwks
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.server.routing import OWN_LIKENESS, Routes

_PEM = ("content-type", "application/x-pem-file")
_DESCRIBED = ("iss", "aud", "iat", "exp", "jti")  # claims of an access token
_CLIENT_AUTHENTICATION = ["client_secret_basic", "client_secret_post"]  # RFC 7591 §2


class Discovery:
    """mockmoov's own public endpoints."""

    def __init__(self, server: AuthorizationServer, ca_pem: bytes | None = None) -> None:
        self._server = server
        self._ca_pem = ca_pem
        self.routes: Routes[Callable[[HttpRequest], HttpResponse]] = Routes(
            {
                "/_mockmoov/health": {"GET": _health},
                "/_mockmoov/ca.pem": {"GET": self._ca},
                "/_mockmoov/introspect": {"POST": self._introspect},
                "/.well-known/jwks.json": {"GET": self._jwks},
                "/.well-known/oauth-authorization-server": {"GET": self._metadata},
            },
            likeness=OWN_LIKENESS,
        )

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The response to a request to one of these paths."""
        found = self.routes.endpoint(request)
        if isinstance(found, HttpResponse):
            return found
        answer, _ = found
        if len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        try:
            return answer(request)
        except OAuthError as error:  # RFC 7662 §2.3: 401 wherever the credentials were
            return responses.render_oauth_error(contracts.RFC_ERRORS, OAuthError(error.code, error.reason))

    def has(self, path: str) -> bool:
        """Whether a path belongs here; all of `/.well-known/` does."""
        return path.startswith("/.well-known/") or self.routes.find(path) is not None

    def _ca(self, _request: HttpRequest) -> HttpResponse:
        if self._ca_pem is None:
            reason = "there is no CA: tls is off, or uses the certificate of tls_cert"
            return responses.render_error(404, reason)
        return HttpResponse(status=200, headers=(_PEM, *responses.NO_STORE), body=self._ca_pem)

    def _jwks(self, _request: HttpRequest) -> HttpResponse:
        return responses.render_json(jwks(self._server.repository.signing_keys()))

    def _metadata(self, request: HttpRequest) -> HttpResponse:  # RFC 8414 §2
        issuer = self._server.settings.public_url or _requested_url(request)
        return responses.render_json(
            {
                "issuer": issuer,
                "token_endpoint": f"{issuer}/oauth2/token",
                "token_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
                "revocation_endpoint": f"{issuer}/oauth2/revoke",
                "revocation_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
                "introspection_endpoint": f"{issuer}/_mockmoov/introspect",
                "introspection_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "grant_types_supported": list(GRANTS),
                "response_types_supported": [],
                "scopes_supported": list(SCOPES),
            }
        )

    def _introspect(self, request: HttpRequest) -> HttpResponse:  # RFC 7662 §2
        message = parse_revocation_request(request.headers, read_parameters(request))
        credentials = message.credentials
        keys = self._server.repository.api_keys(credentials.client_ids if credentials else ())
        api_key = authenticate_client(keys, credentials)
        if message.token is None:  # RFC 7662 §2.1
            raise OAuthError(ErrorCode.INVALID_REQUEST, "token is missing")
        return responses.render_json(self._describe(message.token, api_key))

    def _describe(self, text: str, api_key: ApiKey) -> dict[str, object]:
        now = self._server.simulation.now(api_key.client_id)
        refresh = self._server.validator.live_refresh_token(text, api_key, now)
        if refresh is not None:
            return _describe(refresh, {"iat": refresh.issued_at, "exp": refresh.expires_at})
        try:
            owner, access = self._server.validator.live_access_token(text, now)
        except OAuthError:
            return {"active": False}
        if owner != api_key:
            return {"active": False}
        named = {name: access.claims[name] for name in _DESCRIBED if name in access.claims}
        return _describe(access, {"token_type": "Bearer", **named})


def _describe(token: AccessToken | RefreshToken, claims: Mapping[str, object]) -> dict[str, object]:
    # sub: RFC 7662 §2.2; as in RFC 9068 §2.2 it is the client
    return {
        "active": True,
        "client_id": token.client_id,
        "sub": token.client_id,
        "scope": token.scope,
        **claims,
    }


def _health(_request: HttpRequest) -> HttpResponse:
    return responses.render_json({"status": "ok"})


def _requested_url(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.headers.get('host', ('localhost',))[0]}"
