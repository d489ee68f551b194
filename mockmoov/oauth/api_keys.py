"""Makes API keys from JSON-like input, and validates them."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

from mockmoov.oauth import scopes
from mockmoov.oauth.errors import FieldError, InvalidValueError
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.suggestions import nearest

# Moov's documented example (seed); the origin is a choice.
EXAMPLE: Mapping[str, Any] = {
    "client_id": "5clTR_MdVrrkgxw2",
    "client_secret": "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-",
    "account_id": "5352b013-ae58-4a63-8a3f-97f316a917cf",
    "application_id": "c520f1b9-0ba7-42f5-b977-248cdbe41c69",
    "origins": ["http://localhost:3000"],
}
# Any fixed namespace works; this is the one for OIDs (RFC 9562 §6.6).
_NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
_ANY_ACCOUNT = EXAMPLE["account_id"]
_CREDENTIAL = re.compile(r"[\x20-\x7e]+")  # RFC 6749 Appendix A.1, A.2


def make_api_key(members: Mapping[str, Any]) -> ApiKey:
    """Make an API key from JSON-like members; raises `FieldError`.

    `client_id` and `client_secret` are required. Default ids are derived from the client id, so that each
    key has its own account. The epoch is set when the key is stored.
    """
    for name in members:
        if name not in _MEMBERS:
            raise _unknown_member(name)
    checked = {}
    for name, value in members.items():
        try:
            if value is not None:
                checked[name] = _MEMBERS[name](value)
        except ValueError as error:
            quoted = error.quoted if isinstance(error, InvalidValueError) else error
            prefix = f"{name} of an API key"
            raise FieldError(name, f"{prefix} {error}", quoted=f"{prefix} {quoted}") from None
    for name in ("client_id", "client_secret"):
        if name not in checked:
            raise FieldError(name, f"an API key needs a {name}")
    defaults = {
        "account_id": str(uuid5(_NAMESPACE, f"account {checked['client_id']}")),
        "application_id": str(uuid5(_NAMESPACE, f"application {checked['client_id']}")),
        "grants": tuple(GRANTS),
    }
    return ApiKey(**{**defaults, **checked}, epoch="")


def _unknown_member(name: str) -> FieldError:
    """The error for an unknown member. It is quoted only if it is a typo: it may be a misplaced secret."""
    if hint := nearest(name, _MEMBERS):
        return FieldError(name, f"an API key has no member {name!r}{hint}")
    return FieldError("...", f"unknown member: an API key has {', '.join(_MEMBERS)}")


def unknown_scope(api_key: ApiKey, known: Callable[[str], bool]) -> str:
    """Return the first scope of the API key that isn't known, or ""; a template stands for any account."""
    concrete = {scope: scope.replace(scopes.ACCOUNT_ID, _ANY_ACCOUNT) for scope in api_key.scopes or ()}
    return next((scope for scope, example in concrete.items() if not known(example)), "")


def _credential(value: object) -> str:
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise ValueError("must be printable ASCII text")
    return value


def _client_id(value: object) -> str:
    if ":" in _credential(value):
        raise ValueError("must not contain a colon: HTTP Basic uses it as the separator")  # RFC 7617 §2
    if value in (".", ".."):
        raise ValueError("must not be . or ..: clients remove these from a URL's path")  # RFC 3986 §5.2.4
    return str(value)


def _uuid(value: object) -> str:
    try:
        return str(UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise InvalidValueError("must be a UUID", value) from None


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidValueError("must be a list of strings", value)
    return tuple(value)


def _origins(value: object) -> tuple[str, ...]:
    return tuple(map(_origin, _strings(value)))


def _origin(text: str) -> str:
    if origin := serialize_origin(text):
        return origin
    expected = "must be a list of origins such as https://shop.example, without a path or a pattern"
    raise InvalidValueError(expected, text)


def _grants(value: object) -> tuple[str, ...]:
    for name in _strings(value):
        if name not in GRANTS:
            raise ValueError(f"contains an unknown grant {name!r}{nearest(name, GRANTS)}")
    return _strings(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError("must be true or false", value)
    return value


_MEMBERS: Mapping[str, Callable[[object], Any]] = {
    "client_id": _client_id,
    "client_secret": _credential,
    "account_id": _uuid,
    "application_id": _uuid,
    "origins": _origins,
    "scopes": lambda value: tuple(map(scopes.canonical, _strings(value))),
    "grants": _grants,
    "enabled": _flag,
}
