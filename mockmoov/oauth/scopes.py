"""Owns scope syntax and the catalogue of Moov's scopes. Must not know HTTP, keys or tokens."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.suggestions import nearest

ACCOUNT_ID = "{accountID}"
SCOPE_FORM = f"of the form /family.permission or /accounts/{ACCOUNT_ID}/family.permission"
UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_ACCOUNT = re.compile(UUID)
_ACCOUNT_SCOPE = re.compile(rf"/accounts/({UUID})(/.+)")
_FORM = re.compile(r"(?:/accounts/\{accountID\})?/[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"(?:/accounts/\{accountID\})?/[a-z-]{1,30}\.[a-z-]{1,30}")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3, App. A.4
_QUOTED = 100  # characters of a scope that a reason may repeat
_TOLD = 3  # of the scopes of one token
_SOME_ACCOUNT = "00000000-0000-4000-8000-000000000000"


def is_account(text: str) -> bool:
    """Whether it can be the id of an account: a UUID."""
    return _ACCOUNT.fullmatch(text) is not None


def template(scope: str) -> str:
    """The scope with an account's id, if it names one, replaced by `{accountID}`."""
    match = _ACCOUNT_SCOPE.fullmatch(scope)
    return f"/accounts/{ACCOUNT_ID}{match[2]}" if match else scope


def canonical(scope: str) -> str:
    """The scope as it is compared: UUIDs compare without case, all else with it."""
    match = _ACCOUNT_SCOPE.fullmatch(scope)
    return f"/accounts/{match[1].lower()}{match[2]}" if match else scope


def _in_catalogue(scope: str) -> bool:
    return ACCOUNT_ID not in scope and template(scope) in SCOPES


def is_well_formed(scope: str) -> bool:
    """Whether it is of the form of a scope, in the catalogue or not."""
    return ACCOUNT_ID not in scope and _FORM.fullmatch(template(scope)) is not None


_Known = Callable[[str], bool]
# The values of the setting `scope_catalogue`.
CATALOGUES: dict[str, _Known] = {"strict": _in_catalogue, "open": is_well_formed}


def parse_scope(text: str) -> tuple[str, ...]:
    """The scope tokens of a `scope` parameter in the order asked, without repeats (RFC 6749 §3.3)."""
    tokens = dict.fromkeys(token for token in _WHITE_SPACE.split(text) if token)
    if not tokens:
        raise invalid_scope("scope is missing: name at least one, such as /accounts.write")
    if not all(map(is_scope_token, tokens)):
        raise invalid_scope("scope is malformed: scope tokens are printable ASCII between single spaces")
    first: dict[str, str] = {}
    for token in tokens:
        first.setdefault(canonical(token), token)
    return tuple(first.values())


def is_scope_token(scope: str) -> bool:
    """Whether it has the form that RFC 6749 §3.3 gives scopes."""
    return _SCOPE_TOKEN.fullmatch(scope) is not None


def check_grantable(tokens: Iterable[str], known: _Known, allowed: tuple[str, ...] | None) -> None:
    """Refuse the first token that is not known, or not among those `allowed` to the key (None: all)."""
    for token in tokens:
        if not known(token):
            raise invalid_scope(f"scope {quote_scope(token)} is not known{_advice(token, known)}")
        if allowed is not None and canonical(token) not in allowed and template(token) not in allowed:
            raise invalid_scope(f"scope {quote_scope(token)} is not allowed to this API key")


def covers(granted: Iterable[str], requested: Iterable[str]) -> bool:
    """Whether every requested scope was granted. Exact: write does not imply read."""
    return set(map(canonical, requested)) <= set(map(canonical, granted))


def permits(granted: Iterable[str], required: Iterable[str]) -> bool:
    """Whether the granted scopes hold every required one; a template is met by any account's."""
    held = {form for scope in granted for form in (canonical(scope), template(scope))}
    return held.issuperset(map(canonical, required))


def invalid_scope(reason: str) -> OAuthError:
    """The refusal of a `scope` parameter."""
    return OAuthError(ErrorCode.INVALID_SCOPE, reason, parameter="scope")


def quote_scope(scope: str) -> str:
    """The scope as a reason or a journal may repeat it: only what reads like one, lest it be a secret."""
    plain = len(scope) <= _QUOTED and _PLAIN.fullmatch(template(scope))
    return scope if plain else "(not of the form /family.permission)"


def summarize_scopes(granted: Iterable[str]) -> str:
    """What a token has, as a reason may say it: the first few that read like scopes, and how many others."""
    scopes = list(granted)
    told = list(islice((scope for scope in scopes if scope == quote_scope(scope)), _TOLD))
    others = len(scopes) - len(told)
    if not told:
        return f"{others} of another form" if others else "none"
    return " ".join(told) + (f" and {others} more" if others else "")


def _advice(scope: str, known: _Known) -> str:
    """What to do about a scope that is not known, or nothing."""
    return next((advice for holds, advice in _ADVICE if holds(scope, known)), "") or did_you_mean(scope)


# What is wrong with a scope more often than a slip of a letter, and what to do about it.
_ADVICE: tuple[tuple[Callable[[str, _Known], bool], str], ...] = (
    (
        lambda scope, known: known(scope.replace(ACCOUNT_ID, _SOME_ACCOUNT)),
        f"; put the UUID of an account in place of {ACCOUNT_ID}",
    ),
    (lambda scope, _: "," in scope, "; put spaces between scopes"),
)


def did_you_mean(scope: str) -> str:
    """`; did you mean ...?` with the nearest known scope, or nothing if none is near."""
    head, slash, name = scope[-_QUOTED:].rpartition("/")
    account = _ACCOUNT_SCOPE.fullmatch(scope)

    def spell(near: str) -> str:
        same = [known for known in _by_name()[near] if known.startswith("/accounts/") == bool(head)]
        suggestion = (same or _by_name()[near])[0]
        return suggestion.replace(ACCOUNT_ID, account[1] if account else ACCOUNT_ID)

    hint = nearest(slash + name, _by_name(), spell, likeness=0.8)
    return f"{hint} ({ACCOUNT_ID}: the UUID of an account)" if ACCOUNT_ID in hint else hint


@cache
def _by_name() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for known in SCOPES:
        names.setdefault("/" + known.rpartition("/")[2], []).append(known)
    return names
