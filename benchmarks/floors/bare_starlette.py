"""A bare Starlette application: it reads the form, not the credentials; PyJWT signs and verifies.

A token call signs one JWT. A refresh uses a refresh token up and signs one, too. A revocation forgets a
refresh token. A protected call verifies one JWT.
"""

from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.floors import HEADER, RefreshTokens, claims, response

_KEY = Ed25519PrivateKey.generate()
_PUBLIC_KEY = _KEY.public_key()
_refresh_tokens = RefreshTokens()


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


async def _token(request: Request) -> Response:
    scope = _refresh_tokens.scope(await _form(request))
    if scope is None:
        return Response(status_code=400)
    access_token = jwt.encode(claims(scope), _KEY, "EdDSA", headers=HEADER)
    return JSONResponse(response(access_token, _refresh_tokens.issue(scope), scope))


async def _revoke(request: Request) -> Response:
    _refresh_tokens.use((await _form(request))["token"])
    return Response(status_code=204)


async def _ping(request: Request) -> Response:
    try:
        token = request.headers["authorization"].removeprefix("Bearer ")
        jwt.decode(token, _PUBLIC_KEY, ["EdDSA"], options={"verify_aud": False})
    except jwt.PyJWTError:
        return Response(status_code=401)
    return Response()


async def _root(_request: Request) -> Response:
    return Response()


app = Starlette(
    routes=[
        Route("/oauth2/token", _token, methods=["POST"]),
        Route("/ping", _ping),
        Route("/oauth2/revoke", _revoke, methods=["POST"]),
        Route("/", _root),
    ]
)
