"""Hints for the reason of a refusal: what is odd about what was sent, and what was probably meant.

A hint never repeats a value, which may be a secret. It repeats a name only if that is like a known one.
"""

import re
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from itertools import islice

from mockmoov.oauth.errors import printable
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.suggestions import nearest

_SIMILAR = 6  # characters of a part of a secret
_MOST_NAMES = 50  # of parameters that are looked at

# What other APIs and Moov's dashboard call these parameters. Without separators, in lower case.
_OTHER_NAMES: Mapping[str, frozenset[str]] = {
    "grant_type": frozenset(("granttype", "grant", "granttypes")),
    "scope": frozenset(("scope", "scopes")),
    "client_id": frozenset(("clientid", "publickey", "apikey")),
    "client_secret": frozenset(("clientsecret", "secretkey", "privatekey", "secret")),
    "refresh_token": frozenset(("refreshtoken", "token", "refresh")),
    "token": frozenset(("token", "accesstoken", "refreshtoken")),
}
_BETWEEN_WORDS = r"[\s_.\-\ufeff]"
_NO_VALUES = (
    "undefined",
    "null",
    "Null",
    "NULL",
    "none",
    "None",
    "nil",
    "NaN",
    r"\[object Object\]",
    r"\[object Promise\]",
)
_PLACEHOLDER = r"\$\w+|\$?\{+[^{}]*\}+|%\w+%|<[^<>]{0,40}>|\$\(.*\)|(?i:your)[ _-].*"
# Forms of a value that nobody means to send, and what they are; the first that matches counts.
_ODDITIES: Mapping[str, str] = {
    r"": "is empty",
    r"\s+": "consists of white space",
    r".*[\r\n]": "ends with a line break",
    r"\s.*|.*\s": "begins or ends with white space",
    r".*(?:\\[nr]|%0[AaDd])": "ends with a line break, written out",
    r"([\"'`]).*\1": "is in quotes",
    **dict.fromkeys(_NO_VALUES, "is the word {value}: the program had no value to send"),
    r"\{\s*\".*": "is JSON: send only the value in it",
    _PLACEHOLDER: "is a placeholder that nothing has filled in",
    r"<.*>|\[.*\]": "is in brackets",
}
_OTHER_GRANTS = ("authorization_code", "password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer")
_OTHER_SCHEMES = ("token", "jwt", "digest", "oauth", "apikey", "api-key", "negotiate", "mac", "dpop")
_VERSION = r"[vV]?([0-9]{4})[.-]([0-9]{1,2})(?:[.-]([0-9]{1,2}))?"


def oddity(value: str) -> str:
    """What is odd about a credential or a token, as a predicate such as `is in quotes`; "" if nothing is."""
    found = (text for form, text in _ODDITIES.items() if re.fullmatch(form, value, re.DOTALL))
    return next(found, "").format(value=value)


def odd_value(value: str) -> str:
    """`: it is in quotes` or the like, or ""."""
    return f": it {odd}" if (odd := oddity(value)) else ""


def similar_secret(sent: str, key: ApiKey) -> str:
    """How a wrong client secret is like the right one, or the client id; or ""."""
    if sent == key.client_id:
        return ": it is the same as client_id"
    if len(sent) >= _SIMILAR and sent in key.client_secret:
        return f": it is only {len(sent)} of the {len(key.client_secret)} characters of the right one"
    return ": only its case is wrong" if sent.lower() == key.client_secret.lower() else ""


def missing_parameter_hint(
    missing: Iterable[str], sent: Iterable[str], in_query: Iterable[str] = (), *, has_body: bool = True
) -> str:
    """Where the `missing` parameters may be: under another name, empty, or in a query string that isn't read.

    `sent` are the names of the parameters that were read.
    """
    names, query = list(islice(sent, _MOST_NAMES)), set(in_query) if has_body else set()
    found = {name: other for name in missing if (other := _similar_name(name, names))}
    if empty := [name for name, other in found.items() if name == other]:
        return f"; {' and '.join(empty)} was sent empty"
    if found:
        others = " and ".join(f"{printable(other, 40)} to {name}" for name, other in found.items())
        return f"; rename {others}"
    if in_the_query := [name for name in missing if name in query]:
        return f"; {' and '.join(in_the_query)} in the query string is not read, as there is a body"
    return ""


def _similar_name(name: str, names: Iterable[str]) -> str:
    """The name that was probably meant by this one, or ""."""
    return next((other for other in names if other == name or _bare(other) in _OTHER_NAMES.get(name, ())), "")


def _bare(name: str) -> str:
    return re.sub(_BETWEEN_WORDS, "", name[:100].lower())


def grant_type_hint(sent: str, known: Iterable[str]) -> str:
    """What was probably meant by an unknown grant type, or that Moov doesn't have it."""
    if sent in _OTHER_GRANTS:
        return f"; Moov does not have {sent}"
    return nearest(sent.lower().replace("-", "_"), known)


def elsewhere(restart_advice: str) -> str:
    """Where a token may come from that is unknown here; without advice, tokens survive a restart."""
    earlier = "a restart or a reset" if restart_advice else "a reset"
    return f"is of another server, or from before {earlier}: request a new one{restart_advice}"


def expired(expires_at: float, now: float) -> str:
    """Since when a token has expired, as a predicate; times in Unix seconds."""
    if expires_at < 0:
        return "has expired"
    return f"expired {now - expires_at:.0f} s ago, at {formatdate(expires_at, usegmt=True)}"


def scheme_hint(scheme: str, rest: str) -> str:
    """What is wrong with an Authorization header of another scheme, which is in lower case."""
    if found := re.match(r"(bearer|basic)\W", scheme):
        return f"the Authorization header lacks a space after {found[1].title()}"
    if scheme in _OTHER_SCHEMES and rest:
        return f"the Authorization header has the scheme {scheme}: send Bearer"
    if ":" in scheme:
        return "the Authorization header lacks a scheme: encode client_id:client_secret, after the word Basic"
    if not rest:
        return "the Authorization header lacks a scheme: put the word Bearer before the token"
    return "the Authorization header has another scheme than Bearer and Basic"


def basic_for_bearer_hint(client_id: str) -> str:
    """What a program may have meant that sent wrong Basic credentials to an operation."""
    if client_id.count(".") == 2 and client_id.startswith("ey"):
        return "; the client_id is a token: send it as a Bearer token"
    return "; ~/.netrc may have replaced a Bearer token: remove its entry for this host"


def query_token_hint(names: Iterable[str]) -> str:
    """That an access token in the query string is not read, if there is one."""
    return "; the access_token in the query string is not read" if "access_token" in names else ""


def token_oddity(text: str) -> str:
    """What is odd about the text of a token, as a predicate; "" if it looks like one."""
    if text.lower().startswith(("bearer ", "bearer:")):
        return "begins with the word Bearer, which is not a part of it"
    return oddity(text)


def version_hint(sent: str) -> str:
    """The version that was probably meant by a malformed one, or ""."""
    if sent == "dev":
        return "; dev is not one: SDKs built from their main branch send it"
    if not (found := re.fullmatch(_VERSION, sent.strip())):
        return nearest(sent.strip().lower(), ("latest",))
    year, *rest = (int(part) for part in found.groups() if part)
    return f"; did you mean v{'.'.join([f'{year:04}', *(f'{part:02}' for part in rest)])}?"


def json_hint(body: bytes) -> str:
    """Why a body isn't JSON, if that is a common mistake, or ""."""
    if body.startswith(b"\xef\xbb\xbf"):
        return ": it begins with a byte order mark, so save it as UTF-8 without one"
    start = body.lstrip()[:2]
    if start.startswith(b"{'"):
        return ": it has single quotes, as Python prints a dict; JSON has double quotes"
    if b"=" in body and start[:1].isalpha():
        return ", but looks like a form: send Content-Type application/x-www-form-urlencoded"
    return ""


def basic_hint(encoded: str) -> str:
    """Why Basic credentials can't be decoded, if that is a common mistake, or ""."""
    if ":" in encoded:
        return ": encode client_id:client_secret before you send it"
    if not encoded:
        return ": nothing follows the word Basic"
    if re.fullmatch(r"[\w-]+", encoded, re.ASCII):
        return ": use the standard alphabet of base64, with padding"
    return ""


def media_type_hint(media_type: str) -> str:
    """Which media type was sent; one that doesn't look like one is not repeated."""
    if not media_type:
        return "; none was sent"
    return f", not {media_type}" if re.fullmatch(r"[a-z]{1,20}/[a-z.+-]{1,40}", media_type) else ""
