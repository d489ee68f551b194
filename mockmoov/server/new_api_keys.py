"""Creates API keys: their credentials, and the limit on how many there may be."""

from secrets import token_urlsafe

from msgspec.structs import replace

from mockmoov.oauth.records import ApiKey
from mockmoov.storage.repository import Repository, new_epoch

MAX_API_KEYS = 10_000


class ApiKeyConflictError(Exception):
    """The API key cannot be created; the message says why."""


def new_credentials() -> dict[str, str]:
    """A random client id and secret."""
    return {"client_id": token_urlsafe(12), "client_secret": token_urlsafe(24)}


def as_created(api_key: ApiKey, now: float, epoch: str) -> ApiKey:
    """The API key as created `now` (Unix seconds), with its epoch."""
    return replace(api_key, epoch=epoch, created_at=now)


def create_api_key(repository: Repository, api_key: ApiKey, now: float) -> None:
    """Store an API key as created `now` (Unix seconds); raises `ApiKeyConflictError`."""
    if repository.count_api_keys() >= MAX_API_KEYS:
        raise ApiKeyConflictError(f"the limit of {MAX_API_KEYS} API keys is reached: delete some")
    if not repository.create_api_key(as_created(api_key, now, new_epoch())):
        raise ApiKeyConflictError("an API key with this client_id already exists")
