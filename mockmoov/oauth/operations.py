"""Moov's operations, and the scopes that each one requires."""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from mockmoov.data.operations import OPERATIONS
from mockmoov.oauth import scopes
from mockmoov.oauth.errors import FieldError, printable
from mockmoov.oauth.scopes import ACCOUNT_ID

ACCOUNT_PARAMETER = ACCOUNT_ID[1:-1]  # the name of the path parameter


class Operation(Struct, frozen=True, kw_only=True):
    """One of Moov's operations. It requires all scopes of one of its sets; an empty set takes any token.

    Without a set it takes no token, only an API key with HTTP Basic.

    In a scope `{accountID}` is the account in the path, `{partnerAccountID}` that of the API key.
    """

    name: str
    scope_sets: tuple[tuple[str, ...], ...]


_PARAMETER = re.compile(r"\{([^}]+)\}")
_QUOTED = 60  # characters of a wrong name in an error
_PARTNER_ACCOUNT_ID = "{partnerAccountID}"
# Every operation outside /oauth2, by path template and method.
BY_PATH: Mapping[str, Mapping[str, Operation]] = {
    path: {method: Operation(name=name, scope_sets=sets) for method, (name, sets) in methods.items()}
    for path, methods in OPERATIONS.items()
}

OPERATION_NAMES = tuple(dict.fromkeys(item.name for methods in BY_PATH.values() for item in methods.values()))
# Every way to name an endpoint, and its name: `getAccount` and `GET /accounts/{accountID}` are the same one.
ENDPOINTS: Mapping[str, str] = {
    **{name: name for name in ("token", "revoke", *OPERATION_NAMES)},
    "POST /oauth2/token": "token",
    "POST /oauth2/revoke": "revoke",
    **{
        f"{method} {path}": item.name for path, methods in BY_PATH.items() for method, item in methods.items()
    },
}


def path_parameters(operation: str) -> frozenset[str]:
    """The names of an operation's path parameters, in all of its paths."""
    paths = (path for path, methods in BY_PATH.items() for item in methods.values() if item.name == operation)
    return frozenset(parameter for path in paths for parameter in _PARAMETER.findall(path))


def endpoint_name(endpoint: str) -> str:
    """The name of an endpoint, given its name or its method and path; raises `FieldError`."""
    name = ENDPOINTS.get(endpoint)
    if name is None:
        raise _unknown(endpoint, "token, revoke or an operation", ENDPOINTS)
    return name


def operation_name(endpoint: str) -> str:
    """The same for operations only."""
    name = ENDPOINTS.get(endpoint)
    if name is None or name not in OPERATION_NAMES:
        operations = {key: name for key, name in ENDPOINTS.items() if name in OPERATION_NAMES}
        raise _unknown(endpoint, "an operation", operations)
    return name


def _unknown(endpoint: str, expected: str, known: Mapping[str, str]) -> FieldError:
    from mockmoov.oauth.endpoint_suggestions import suggest_endpoint  # noqa: PLC0415 - only a mistake needs it

    example = "such as listAccounts or GET /accounts/{accountID}"
    hint = suggest_endpoint(endpoint, known) + "; `mockmoov operations` lists them"
    return FieldError(
        "endpoint", f'endpoint must be {expected}, {example}, not "{printable(endpoint, _QUOTED)}"{hint}'
    )


def missing_scope_reason(
    granted: Sequence[str],
    scope_sets: Iterable[Iterable[str]],
    parameters: Mapping[str, str],
    own_account: str,
) -> str:
    """Why the granted scopes are not enough for an operation that needs one of these sets, or "" if they are.

    Account scopes must be for the account in the path (`parameters`: its path parameters, raw). If the path
    contains no account, a scope for any account is enough. `own_account` is that of the API key.
    """
    reasons = []
    for needed in scope_sets:
        scoped = [scope.replace(_PARTNER_ACCOUNT_ID, own_account) for scope in needed]
        if not (reason := _missing_reason(granted, scoped, parameters)):
            return ""
        reasons.append(reason)
    return reasons[0] if reasons else "no token is enough here: send the API key with HTTP Basic"


def _missing_reason(granted: Sequence[str], needed: Iterable[str], parameters: Mapping[str, str]) -> str:
    account = parameters.get(ACCOUNT_PARAMETER)
    if account is None:
        missing = [scope for scope in needed if not scopes.permits(granted, [scope])]
    else:
        bound = {scope.replace(ACCOUNT_ID, account): scope for scope in needed}
        missing = [scope for scope in bound if not scopes.covers(granted, [scope])]
        templates = " ".join(bound[scope] for scope in missing)
        if ACCOUNT_ID in templates and not scopes.is_account(account):
            return f"the token lacks scope {templates}; the account in the path is not a UUID"
    if not missing:
        return ""
    others = [scopes.other_account(granted, scope) for scope in missing]
    has = f"the same for account {others[0]}" if all(others) else scopes.summarize_scopes(granted)
    return f"the token lacks scope {' '.join(map(scopes.quote_scope, missing))}; it has {has}"
