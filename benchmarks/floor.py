"""The floor: the least a Starlette token endpoint can do.

One form parsed, one JWT signed by PyJWT, one JSON answer of the size of mockmoov's; no client is
authenticated, no scope looked at. uvicorn has mockmoov's own options, so that only the applications
differ; but it sends the date, which mockmoov does itself. Run as `python -m benchmarks.floor PORT`.
"""

import sys
import time
from secrets import token_hex
from urllib.parse import parse_qs

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEY = Ed25519PrivateKey.generate()
HEADER = {"kid": "LAS4xSFmq5xQg2jl-oMLxBh0iL4l6D9IrMnly0uPQJM", "cty": "JWT"}
CLAIMS = {
    "iss": "https://api.moov.io#applications",
    "aud": [
        "http://localhost:3000",
        "https://api.moov.io",
        "https://cards.moov.io",
        "https://api.moov.money",
    ],
    "scp": "/accounts.write",
    "aid": "c520f1b9-0ba7-42f5-b977-248cdbe41c69",
    "caid": "5352b013-ae58-4a63-8a3f-97f316a917cf",
    "iat": 0,
    "exp": 0,
    "jti": "",
    "private": {
        "client_id": "5clTR_MdVrrkgxw2",
        "client_type": "web",
        "epoch": "8268be53019e5f9a",
        "family": "ea8eb1e2423b00ee93808dbcf03b9048",
    },
}
REFRESH_TOKEN = "r" * 207


async def token(request: Request) -> JSONResponse:
    form = parse_qs((await request.body()).decode())
    now = int(time.time())
    scope = form["scope"][0]
    claims = {**CLAIMS, "scp": scope, "iat": now, "exp": now + 3600, "jti": token_hex(16)}
    return JSONResponse(
        {
            "access_token": jwt.encode(claims, KEY, "EdDSA", headers=HEADER),
            "expires_in": 3600,
            "refresh_token": REFRESH_TOKEN,
            "scope": scope,
            "token_type": "Bearer",
        }
    )


async def health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/oauth2/token", token, methods=["POST"]), Route("/", health)])


def main() -> None:
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
