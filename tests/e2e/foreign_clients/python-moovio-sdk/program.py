"""Gets, refreshes and revokes tokens with Moov's Python SDK (moovio-sdk), sync and async.

What the SDK sends (26.8.6):

- `POST /oauth2/token`, `POST /oauth2/revoke`: `content-type: application/json`, `accept: application/json`;
  members that are not given are left out of the body.
- `GET /ping`: `accept: */*`, no body.
- `authorization: Basic`, on every call, from `components.Security(username, password)`, not percent-encoded;
  `http_headers={"Authorization": ...}` replaces it, which is how a bearer token is used.
- `x-moov-version: v2026.07.00`, set by a hook on every call: always the dated contract.
- `user-agent: speakeasy-sdk/python 26.8.6 2.950.2 v2026.07.00 moovio_sdk`.
- It retries nothing unless told to, and follows redirects.

What it accepts: `token_type` `Bearer` exactly; 204 for a revocation; JSON for 400 (`GenericError`) and 422
(`AuthTokenRequestError`, `RevokeTokenRequestError`); any other refusal is an `APIError`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

from moovio_sdk import Moov
from moovio_sdk.models import components, errors

URL = os.environ["MOCKMOOV_URL"]
CLIENT_ID = os.environ["MOCKMOOV_CLIENT_ID"]
CLIENT_SECRET = os.environ["MOCKMOOV_CLIENT_SECRET"]

CLIENT_CREDENTIALS = components.GrantType.CLIENT_CREDENTIALS
REFRESH_TOKEN = components.GrantType.REFRESH_TOKEN
SCOPES = "/ping.read /accounts.write"

failures = 0


def check(name: str, ok: bool, came: object) -> None:
    """Print the outcome of one check; `came` must hold no token."""
    global failures  # noqa: PLW0603
    failures += not ok
    print(f"ok {name}" if ok else f"not ok {name}: {str(came)[:300]}")


def sdk(secret: str = CLIENT_SECRET) -> Moov:
    """The SDK as its documentation makes it, with the server's URL as the only addition."""
    return Moov(server_url=URL, security=components.Security(username=CLIENT_ID, password=secret))


def bearer(access_token: str) -> dict[str, str]:
    """The header that replaces the SDK's own Basic."""
    return {"Authorization": f"Bearer {access_token}"}


def check_token(name: str, token: components.AuthToken, scope: str) -> None:
    """Check what every fresh token of the dated contract has."""
    check(f"{name}: Bearer", token.token_type is components.TokenType.BEARER, token.token_type)
    check(f"{name}: scope", token.scope == scope, token.scope)
    left = token.expires_in - time.time()
    check(f"{name}: expiry is a Unix time", 3500 < left <= 3601, token.expires_in)


def caught(call: Callable[[], object]) -> errors.MoovError | None:
    """The SDK's error, if the call raised one."""
    try:
        call()
    except errors.MoovError as error:
        return error
    return None


async def caught_async(call: Awaitable[object]) -> errors.MoovError | None:
    """The SDK's error, if awaiting raised one."""
    try:
        await call
    except errors.MoovError as error:
        return error
    return None


def check_status(name: str, error: errors.MoovError | None, status: int) -> None:
    """Check for an `APIError`, the SDK's error for statuses without a documented body."""
    ok = isinstance(error, errors.APIError) and error.status_code == status and error.body == ""
    check(name, ok, repr(error))


def check_generic(name: str, error: errors.MoovError | None, code: str) -> None:
    """Check for a `GenericError`, the SDK's error for 400."""
    check(name, isinstance(error, errors.GenericError) and error.data.error == code, repr(error))


def check_request_error(name: str, error: errors.MoovError | None, field: str) -> None:
    """Check for an `AuthTokenRequestError`, the SDK's error for 422, naming exactly one field."""
    named = (
        error.data.model_dump(exclude_none=True) if isinstance(error, errors.AuthTokenRequestError) else {}
    )
    check(name, list(named) == [field], repr(error))


def check_revoke_error(name: str, error: errors.MoovError | None) -> None:
    """Check for a `RevokeTokenRequestError` naming the token."""
    check(name, isinstance(error, errors.RevokeTokenRequestError) and bool(error.data.token), repr(error))


def life_of_a_token(moov: Moov) -> None:
    """Create, use, refresh, revoke."""
    create, revoke = moov.authentication.create_access_token, moov.authentication.revoke_access_token
    one = create(grant_type=CLIENT_CREDENTIALS, scope="/ping.read").result
    check_token("one scope", one, "/ping.read")
    check("ping by Basic", bool(moov.ping.ping().headers["x-request-id"]), "no x-request-id")
    pong = moov.ping.ping(http_headers=bearer(one.access_token))
    check("ping by bearer", bool(pong.headers["x-request-id"]), "no x-request-id")

    several = create(grant_type=CLIENT_CREDENTIALS, scope=SCOPES).result
    check_token("several scopes", several, SCOPES)
    refreshed = create(grant_type=REFRESH_TOKEN, refresh_token=several.refresh_token).result
    check_token("refresh", refreshed, SCOPES)
    check("refresh brings a new pair", refreshed.access_token != several.access_token, "the same again")

    revoke(token=refreshed.access_token, token_type_hint=components.TokenTypeHint.ACCESS_TOKEN)
    error = caught(lambda: moov.ping.ping(http_headers=bearer(refreshed.access_token)))
    check_status("ping with a revoked access token", error, 401)
    revoke(token=one.refresh_token)
    error = caught(lambda: moov.ping.ping(http_headers=bearer(one.access_token)))
    check_status("revoking a refresh token revokes its access token", error, 401)
    error = caught(lambda: create(grant_type=REFRESH_TOKEN, refresh_token=several.refresh_token))
    check_request_error("a used refresh token", error, "refresh_token")


def body_credentials() -> None:
    """Credentials in the body, as moov-go sends them beside Basic, and alone."""
    with sdk() as moov:
        both = moov.authentication.create_access_token(
            grant_type=CLIENT_CREDENTIALS,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            scope="/ping.read",
        ).result
    check_token("Basic and body", both, "/ping.read")
    with Moov(server_url=URL) as moov:
        alone = moov.authentication.create_access_token(
            grant_type=CLIENT_CREDENTIALS,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            scope="/ping.read",
            client_type=components.OAuth2ClientType.SERVICE,
        ).result
        check_token("body alone, client type service", alone, "/ping.read")
        moov.authentication.revoke_access_token(
            token=alone.access_token, client_id=CLIENT_ID, client_secret=CLIENT_SECRET
        )
        error = caught(lambda: moov.ping.ping(http_headers=bearer(alone.access_token)))
        check_status("revoked with body credentials", error, 401)


def refusals(moov: Moov) -> None:
    """Each of the SDK's error classes."""
    create, revoke = moov.authentication.create_access_token, moov.authentication.revoke_access_token
    error = caught(lambda: create(grant_type=CLIENT_CREDENTIALS, scope="/no-such.scope"))
    check_request_error("wrong scope", error, "scope")
    error = caught(lambda: create(grant_type=CLIENT_CREDENTIALS))
    check_request_error("no scope", error, "scope")
    error = caught(lambda: create(grant_type=REFRESH_TOKEN, refresh_token="never-was-one"))
    check_request_error("unknown refresh token", error, "refresh_token")
    error = caught(
        lambda: create(grant_type=CLIENT_CREDENTIALS, scope="/ping.read", client_id="x", client_secret="y")
    )
    check_generic("Basic and body disagree", error, "invalid_request")
    check_revoke_error("nothing to revoke", caught(lambda: revoke(token="")))
    error = caught(lambda: revoke(token="any", client_id="x", client_secret="y"))
    check_generic("revoke: Basic and body disagree", error, "invalid_request")
    check(
        "revoking an unknown token is no error",
        caught(lambda: revoke(token="never-was-one")) is None,
        "an error",
    )

    other = create(grant_type=CLIENT_CREDENTIALS, scope="/accounts.write").result
    error = caught(lambda: moov.ping.ping(http_headers=bearer(other.access_token)))
    check_status("ping without its scope", error, 403)
    with sdk("not-the-secret") as stranger:
        login = stranger.authentication.create_access_token
        error = caught(lambda: login(grant_type=CLIENT_CREDENTIALS, scope="/ping.read"))
        check_status("wrong secret", error, 401)
        error = caught(lambda: stranger.authentication.revoke_access_token(token="any"))
        check_status("revoke: wrong secret", error, 401)
        check_status("ping: wrong secret", caught(stranger.ping.ping), 401)


async def life_of_a_token_async() -> None:
    """The same life through the async half of the SDK."""
    async with sdk() as moov:
        create = moov.authentication.create_access_token_async
        revoke = moov.authentication.revoke_access_token_async
        token = (await create(grant_type=CLIENT_CREDENTIALS, scope=SCOPES)).result
        check_token("async", token, SCOPES)
        await moov.ping.ping_async()
        await moov.ping.ping_async(http_headers=bearer(token.access_token))
        refreshed = (await create(grant_type=REFRESH_TOKEN, refresh_token=token.refresh_token)).result
        check_token("async refresh", refreshed, SCOPES)
        await revoke(token=refreshed.refresh_token, token_type_hint=components.TokenTypeHint.REFRESH_TOKEN)
        error = await caught_async(moov.ping.ping_async(http_headers=bearer(refreshed.access_token)))
        check_status("async ping with a revoked token", error, 401)
        error = await caught_async(create(grant_type=REFRESH_TOKEN, refresh_token=refreshed.refresh_token))
        check_request_error("async refresh with a revoked token", error, "refresh_token")
        check_revoke_error("async: nothing to revoke", await caught_async(revoke(token="")))


def main() -> int:
    """Run every check; 0 only if all were ok."""
    with sdk() as moov:
        life_of_a_token(moov)
        refusals(moov)
    body_credentials()
    asyncio.run(life_of_a_token_async())
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
