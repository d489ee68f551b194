"""Scopes: their syntax (RFC 6749 §3.3), Moov's catalogue, and how scopes are compared."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.encoding import remembered
from mockmoov.oauth.errors import invalid_scope
from mockmoov.oauth.suggestions import nearest

ACCOUNT_ID = "{accountID}"
SCOPE_FORM = f"of the form /family.permission or /accounts/{ACCOUNT_ID}/family.permission"
UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_ACCOUNT_SCOPE = re.compile(rf"/accounts/({UUID})(/.+)")
_FORM = r"(?:/accounts/\{accountID\})?/[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
_PLAIN = r"(?:/accounts/\{accountID\})?/[a-z-]{1,30}\.[a-z-]{1,30}"
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3, Appendix A.4
_MAX_QUOTED = 100  # characters of a scope that a reason may quote
_MAX_LISTED = 3  # scopes of a token that a reason lists
_SOME_ACCOUNT = "00000000-0000-4000-8000-000000000000"


def is_account(text: str) -> bool:
    """Whether a text can be the id of an account: a UUID."""
    return re.fullmatch(UUID, text) is not None


def template(scope: str) -> str:
    """Replace the account id in a scope, if there is one, by `{accountID}`."""
    match = _ACCOUNT_SCOPE.fullmatch(scope)
    return f"/accounts/{ACCOUNT_ID}{match[2]}" if match else scope


def canonical(scope: str) -> str:
    """Normalize a scope for comparison: the case of a UUID doesn't matter, any other case does."""
    match = _ACCOUNT_SCOPE.fullmatch(scope)
    return f"/accounts/{match[1].lower()}{match[2]}" if match else scope


def is_well_formed(scope: str) -> bool:
    """Whether a text has the form of a Moov scope, whether in the catalogue or not."""
    return ACCOUNT_ID not in scope and re.fullmatch(_FORM, template(scope)) is not None


_Known = Callable[[str], bool]
# The values of the setting `scope_catalogue`.
CATALOGUES: dict[str, _Known] = {
    "strict": lambda scope: ACCOUNT_ID not in scope and template(scope) in SCOPES,
    "open": is_well_formed,
}


@remembered
def parse_scope(text: str) -> tuple[str, ...]:
    """Split a `scope` parameter into tokens, without repeats (RFC 6749 §3.3); raises `OAuthError`."""
    tokens = dict.fromkeys(token for token in _WHITE_SPACE.split(text) if token)
    if not tokens:
        raise invalid_scope(
            "scope is missing: name at least one, such as /accounts.write", missing=("scope",)
        )
    if not all(map(is_scope_token, tokens)):
        raise invalid_scope(
            "scope is malformed: it contains a quote, a backslash or a character outside printable ASCII"
        )
    first: dict[str, str] = {}
    for token in tokens:
        first.setdefault(canonical(token), token)
    return tuple(first.values())


def is_scope_token(scope: str) -> bool:
    """Whether a text is a `scope-token` of RFC 6749 §3.3."""
    return _SCOPE_TOKEN.fullmatch(scope) is not None


def check_grantable(tokens: Iterable[str], known: _Known, allowed: tuple[str, ...] | None) -> None:
    """Raise `OAuthError` for an unknown scope, or one not `allowed` (scopes and templates; None: all)."""
    for token in tokens:
        if not known(token):
            raise invalid_scope(_why_unknown(token, known))
        if allowed is not None and canonical(token) not in allowed and template(token) not in allowed:
            has = summarize_scopes(allowed)
            raise invalid_scope(f"{_name(token, known)} is not allowed for this API key, which has {has}")


def _why_unknown(scope: str, known: _Known) -> str:
    if "," in scope:
        return "scope contains a comma: separate scopes with spaces"
    return f"{_name(scope, known)} is not known{_advice(scope, known)}"


def _name(scope: str, known: _Known) -> str:
    is_quoted = quote_scope(scope) == scope or known(f"/{scope}")
    return f"scope {scope}" if is_quoted else "a scope that is not of the form /family.permission"


def covers(granted: Iterable[str], requested: Iterable[str]) -> bool:
    """Whether every requested scope was granted. Exact: write doesn't imply read."""
    return set(map(canonical, requested)) <= set(map(canonical, granted))


def permits(granted: Iterable[str], required: Iterable[str]) -> bool:
    """Whether every required scope was granted; a template matches the scope of any account."""
    forms = {form for scope in granted for form in (canonical(scope), template(scope))}
    return forms.issuperset(map(canonical, required))


def other_account(granted: Iterable[str], missing: str) -> str:
    """The account for which the same scope was granted, or ""."""
    found = (scope for scope in granted if scope != missing and template(scope) == template(missing))
    return next((match[1] for scope in found if (match := _ACCOUNT_SCOPE.fullmatch(scope))), "")


def quote_scope(scope: str) -> str:
    """Quote a scope for a reason or the journal, unless it doesn't look like one: it may be a secret."""
    plain = len(scope) <= _MAX_QUOTED and re.fullmatch(_PLAIN, template(scope))
    return scope if plain else "(not of the form /family.permission)"


def summarize_scopes(granted: Iterable[str]) -> str:
    """List the first few scopes of a token that may be quoted, and count the rest, for a reason."""
    scopes = list(granted)
    listed = list(islice((scope for scope in scopes if scope == quote_scope(scope)), _MAX_LISTED))
    others = len(scopes) - len(listed)
    if not listed:
        return f"{others} of another form" if others else "none"
    return " ".join(listed) + (f" and {others} more" if others else "")


def _advice(scope: str, known: _Known) -> str:
    """Say what to do about an unknown scope, or return ""."""
    if known(scope.replace(ACCOUNT_ID, _SOME_ACCOUNT)):
        return f"; replace {ACCOUNT_ID} with the UUID of an account"
    hint = did_you_mean(scope)
    return f"{hint} (replace {ACCOUNT_ID} with the UUID of an account)" if ACCOUNT_ID in hint else hint


def did_you_mean(scope: str) -> str:
    """Format `; did you mean ...?` with the most similar known scope, or return "" if none is similar."""
    head, slash, name = scope[-_MAX_QUOTED:].rpartition("/")
    account = _ACCOUNT_SCOPE.fullmatch(scope)

    def spell(near: str) -> str:
        same = [known for known in _by_name()[near] if known.startswith("/accounts/") == bool(head)]
        suggestion = (same or _by_name()[near])[0]
        return suggestion.replace(ACCOUNT_ID, account[1] if account else ACCOUNT_ID)

    return nearest(slash + name, _by_name(), spell, likeness=0.8)


@cache
def _by_name() -> dict[str, list[str]]:
    """The templates of the catalogue by `/family.permission`."""
    names: dict[str, list[str]] = {}
    for known in SCOPES:
        names.setdefault("/" + known.rpartition("/")[2], []).append(known)
    return names
