"""Moov's applications: the one of the caller, and new API keys for it (sdk: moov-go; not in the spec)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.encoding import read_json_object
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.responses import render_error, render_invalid_field, render_json
from mockmoov.server.new_api_keys import ApiKeyConflictError, create_api_key, new_credentials
from mockmoov.storage.repository import Repository

_MAX_TEXT = 200  # characters of a name or a description (choice)


def list_applications(api_key: ApiKey) -> HttpResponse:
    """The application of an API key, in a list."""
    created = _rfc3339(api_key.created_at)
    application = {
        "applicationID": api_key.application_id,
        "accountID": api_key.account_id,
        "name": "mockmoov",
        "description": "",
        "allowedScopes": list(SCOPES if api_key.scopes is None else api_key.scopes),
        "createdOn": created,
        "updatedOn": created,
        "disabledOn": None,
    }
    return render_json([application])


def create_application_key(
    repository: Repository, caller: ApiKey, application_id: str, body: bytes, *, now: float
) -> HttpResponse:
    """Create an API key with the caller's application, account, scopes and grants."""
    if application_id.lower() != caller.application_id:
        return render_error(404, "there is no such application of this API key: see GET /applications")
    try:
        members = _read(body)
        api_key = replace(
            make_api_key({**new_credentials(), "origins": members.get("origins", [])}),
            account_id=caller.account_id,
            application_id=caller.application_id,
            scopes=caller.scopes,
            grants=caller.grants,
        )
        create_api_key(repository, api_key, now)
    except FieldError as error:
        return render_invalid_field(error)
    except ApiKeyConflictError as error:
        return render_error(409, str(error))
    created = {
        "applicationKeyID": str(uuid4()),
        "applicationID": api_key.application_id,
        "accountID": api_key.account_id,
        "name": members["name"],
        "description": members.get("description", ""),
        "origins": api_key.origins,
        "clientId": api_key.client_id,
        "clientSecret": api_key.client_secret,
        "createdOn": _rfc3339(now),
        "updatedOn": _rfc3339(now),
        "lastUsed": None,
        "disabledOn": None,
    }
    return render_json(created)


def _rfc3339(seconds: float) -> str:
    """A time in Unix seconds as in RFC 3339 §5.6."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(body: bytes) -> Mapping[str, Any]:
    """The members of a new key, without nulls; raises `FieldError`."""
    try:
        document = read_json_object(body)
    except ValueError as error:
        raise FieldError("name", str(error)) from None
    members = {name: value for name, value in document.items() if value is not None}
    for name in ("name", "description"):
        text = members.get(name, "")
        if not isinstance(text, str) or len(text) > _MAX_TEXT or not text.isprintable():
            raise FieldError(name, f"must be printable text of at most {_MAX_TEXT} characters")
    if not members.get("name", "").strip():
        raise FieldError("name", "is required")
    return members
