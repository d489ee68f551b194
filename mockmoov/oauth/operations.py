"""Owns Moov's operations, from a data file, and what each wants of a token. Must not know HTTP or stores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mockmoov.data.operations import OPERATIONS
from mockmoov.oauth.scopes import (
    ACCOUNT_ID,
    covers,
    is_account,
    permits,
    quote_scope,
    summarize_scopes,
    template,
)

ACCOUNT_PARAMETER = ACCOUNT_ID[1:-1]  # its name in a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of Moov's operations (spec). It wants all of its scopes; without any, any valid token will do."""

    name: str
    scopes: tuple[str, ...]


# Every operation except those of /oauth2, by path template and method.
BY_PATH: Mapping[str, Mapping[str, Operation]] = {
    path: {method: Operation(name=name, scopes=scopes) for method, (name, scopes) in methods.items()}
    for path, methods in OPERATIONS.items()
}


def missing_scope_reason(granted: Sequence[str], scopes: Iterable[str], parameters: Mapping[str, str]) -> str:
    """Why a token with the granted scopes may not do what wants these, or "" if it may.

    Scopes of an account are those of the account in the path, given by the path's parameters; where none is
    in it, any account's will do.
    """
    account = parameters.get(ACCOUNT_PARAMETER)
    if account is None:
        missing = [scope for scope in scopes if not permits(granted, [scope])]
    else:
        bound = {scope.replace(ACCOUNT_ID, account): scope for scope in scopes}
        missing = [scope for scope in bound if not covers(granted, [scope])]
        wanted = " ".join(bound[scope] for scope in missing)
        if ACCOUNT_ID in wanted and not is_account(account):
            return f"the token lacks scope {wanted}; the account in the path is no UUID"
    if not missing:
        return ""
    elsewhere = permits(granted, map(template, missing))
    hint = "it has it for another account" if elsewhere else f"it has {summarize_scopes(granted)}"
    return f"the token lacks scope {' '.join(map(quote_scope, missing))}; {hint}"
