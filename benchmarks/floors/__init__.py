"""The floors: how little a program can do and still answer the same calls.

Their tokens have mockmoov's claims and sizes. None of them looks at scopes, origins, faults or clocks, or
keeps a journal. uvicorn runs with mockmoov's options, so that only the applications differ.
"""

import time
from secrets import token_hex, token_urlsafe

CLIENT_ID, CLIENT_SECRET = "5clTR_MdVrrkgxw2", "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
HEADER = {"alg": "EdDSA", "cty": "JWT", "kid": "LAS4xSFmq5xQg2jl-oMLxBh0iL4l6D9IrMnly0uPQJM"}
LIFETIME = 3600  # seconds
CLAIMS = {
    "iss": "https://api.moov.io#applications",
    "aud": [
        "http://localhost:3000",
        "https://api.moov.io",
        "https://cards.moov.io",
        "https://api.moov.money",
    ],
    "aid": "c520f1b9-0ba7-42f5-b977-248cdbe41c69",
    "caid": "5352b013-ae58-4a63-8a3f-97f316a917cf",
    "mockmoov": {
        "client_id": CLIENT_ID,
        "client_type": "web",
        "epoch": "8268be53019e5f9a",
        "family": "ea8eb1e2423b00ee93808dbcf03b9048",
    },
}


def claims(scope: str) -> dict[str, object]:
    """The claims of a new access token."""
    now = int(time.time())
    return {**CLAIMS, "scp": scope, "iat": now, "exp": now + LIFETIME, "jti": token_hex(16)}


class RefreshTokens:
    """Refresh tokens that work once: random texts, each kept with its scope until it is used or revoked."""

    def __init__(self) -> None:
        self._scopes: dict[str, str] = {}

    def issue(self, scope: str) -> str:
        """A new one, as long as mockmoov's."""
        token = token_urlsafe(149)
        self._scopes[token] = scope
        return token

    def use(self, token: str) -> str | None:
        """Its scope, the first time."""
        return self._scopes.pop(token, None)

    def scope(self, form: dict[str, str]) -> str | None:
        """The scope that a token request gets; None if its refresh token does not work."""
        return self.use(form["refresh_token"]) if "refresh_token" in form else form["scope"]


def response(access_token: str, refresh_token: str, scope: str) -> dict[str, object]:
    """The members of a token response."""
    return {
        "access_token": access_token,
        "expires_in": LIFETIME,
        "refresh_token": refresh_token,
        "scope": scope,
        "token_type": "Bearer",
    }
