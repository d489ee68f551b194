"""Reads requests: bytes to parameters, parameters to OAuth messages.

The grammar of RFC 6749 is checked here and nowhere else. Bodies are JSON or forms; a request without a body
may send its parameters in the query string (live).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import cast
from urllib.parse import unquote_plus, unquote_to_bytes

from msgspec import Struct

from mockmoov.oauth import hints
from mockmoov.oauth.encoding import remembered
from mockmoov.oauth.errors import OAuthError, invalid_client, invalid_request
from mockmoov.oauth.messages import (
    ClientCredentials,
    FrozenHeaders,
    Headers,
    HttpRequest,
    RevocationRequest,
    TokenRequest,
)
from mockmoov.oauth.records import ClientType

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

# RFC 6749 Appendix A, for the parameters in which other characters make the whole request invalid.
_GRAMMAR = {
    "client_id": re.compile(r"[\x20-\x7e]*"),  # A.1: *VSCHAR
    "client_secret": re.compile(r"[\x20-\x7e]*"),  # A.2: *VSCHAR
    # A.10: grant-name / URI-reference (RFC 3986 §2)
    "grant_type": re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+"),
}
_TOKEN_PARAMETERS = (*_GRAMMAR, "client_type", "scope", "refresh_token")
_REVOCATION_PARAMETERS = ("client_id", "client_secret", "token", "token_type_hint")
_CLIENT_TYPES: dict[str, ClientType] = {
    "web": "web", "device": "device", "service": "service", "w": "web", "d": "device", "s": "service",
}  # fmt: skip
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_WHITE_SPACE = b" \t\r\n"
_LARGEST_KNOWN = 2048  # bytes of a request that is remembered

Pairs = Iterable[tuple[str, object]]


class Parameters(Struct, frozen=True, kw_only=True):
    """The parameters of a request, as far as they could be read, and what is wrong with them, if anything.

    A value is a string; from a JSON body it may be any JSON value.
    """

    by_name: Mapping[str, object]
    error: OAuthError | None = None


NO_PARAMETERS = Parameters(by_name={})


class Message(Struct, frozen=True, kw_only=True, eq=False):
    """What an OAuth request says: its parameters, and the message that they are, or what is wrong with it.

    `client_ids` are what `claimed_client_ids` finds.
    """

    parameters: Parameters
    parsed: TokenRequest | RevocationRequest | OAuthError
    client_ids: tuple[str, ...]


Parse = Callable[[Headers, Parameters], TokenRequest | RevocationRequest]


def read_message(parse: Parse, request: HttpRequest) -> Message:
    """Read an OAuth request, or remember what it said: clients send the same one again and again."""
    is_small = len(request.query) + len(request.body) <= _LARGEST_KNOWN
    is_known = is_small and isinstance(request.headers, FrozenHeaders)
    return (_known_message if is_known else _read_message)(parse, request)


def _read_message(parse: Parse, request: HttpRequest) -> Message:
    parameters = read_parameters(request)
    try:
        parsed: TokenRequest | RevocationRequest | OAuthError = parse(request.headers, parameters)
    except OAuthError as error:
        parsed, error.__traceback__, error.__context__ = error, None, None  # they keep the request alive
    return Message(
        parameters=parameters,
        parsed=parsed,
        client_ids=claimed_client_ids(request.headers, parameters),
    )


_known_message = lru_cache(maxsize=128)(_read_message)


def read_parameters(request: HttpRequest) -> Parameters:
    """Read the parameters of a request from its body, or from its query if it has no body.

    Never raises: the error is in the result. Of a repeated parameter the first value counts.
    """
    by_name: dict[str, object] = {}
    try:
        if request.query and "client_secret" in query_names(request.query):
            # RFC 6749 §2.3.1
            raise invalid_request("client_secret was sent in the query string: use HTTP Basic or the body")
        for name, value in _pairs(request):
            if name in by_name:
                raise invalid_request("a parameter is repeated: send each one once")  # RFC 6749 §3.2
            by_name[name] = value
    except OAuthError as error:
        return Parameters(by_name=by_name, error=error)
    return Parameters(by_name=by_name)


def has_json_body(headers: Headers, limit: int) -> bool:
    """Whether a request has a JSON body that isn't declared longer than `limit` bytes."""
    media_type = headers.get("content-type", ("",))[0].partition(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        return False
    length = headers.get("content-length", ("",))[0]
    return "transfer-encoding" in headers or (length.isdecimal() and 0 < int(length[:18]) <= limit)


def parse_token_request(headers: Headers, parameters: Parameters) -> TokenRequest:
    """Parse a request to the token endpoint (RFC 6749 §4.4.2, §6); raises `OAuthError`."""
    values = _known(parameters, _TOKEN_PARAMETERS)
    client_type = _CLIENT_TYPES.get(values.get("client_type", "web"))
    if client_type is None:
        raise invalid_request("client_type must be web, device or service")
    return TokenRequest(
        credentials=_credentials(headers, values),
        grant_type=values.get("grant_type"),
        scope=values.get("scope"),
        refresh_token=values.get("refresh_token"),
        client_type=client_type,
    )


def parse_revocation_request(headers: Headers, parameters: Parameters) -> RevocationRequest:
    """Parse a request to revocation (RFC 7009 §2.1) or introspection (RFC 7662 §2.1); raises `OAuthError`."""
    values = _known(parameters, _REVOCATION_PARAMETERS)
    return RevocationRequest(
        credentials=_credentials(headers, values),
        token=values.get("token"),
        token_type_hint=values.get("token_type_hint"),
    )


def parse_authorization(headers: Headers) -> tuple[str, str]:
    """Split the `Authorization` header into the scheme, in lower case, and the rest (RFC 9110 §11.6.2).

    Both are empty without the header. Raises `OAuthError` if there are several.
    """
    values = headers.get("authorization", ("",))
    if len(values) > 1:
        raise invalid_request("more than one Authorization header was sent")
    scheme, _, rest = values[0].strip(" \t").partition(" ")
    return scheme.lower(), rest.strip(" \t")


@remembered
def parse_basic(encoded: str) -> ClientCredentials:
    """Parse the credentials of `Authorization: Basic` (RFC 7617 §2, RFC 6749 §2.3.1); raises `OAuthError`."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        problem = "the Basic credentials are not base64-encoded UTF-8 text"
        raise invalid_client(problem + hints.basic_hint(encoded)) from None
    client_id, colon, client_secret = text.partition(":")
    if not colon:
        raise invalid_client("the Basic credentials have no colon: encode client_id:client_secret")
    return ClientCredentials(
        client_ids=_raw_and_decoded(client_id), client_secrets=_raw_and_decoded(client_secret)
    )


def _credentials(headers: Headers, parameters: dict[str, str]) -> ClientCredentials | None:
    scheme, rest = parse_authorization(headers)
    in_body = {name: (parameters[name],) for name in ("client_id", "client_secret") if name in parameters}
    if scheme == "basic":
        basic = parse_basic(rest)
        in_header = {"client_id": basic.client_ids, "client_secret": basic.client_secrets}
        for name, (value,) in in_body.items():
            if value not in in_header[name]:  # RFC 6749 §2.3: one method per request
                raise invalid_request(
                    f"{name} differs between the body and the Authorization header, "
                    "which a client may have added from ~/.netrc"
                )
        return basic
    if not in_body:
        return None
    return ClientCredentials(
        client_ids=in_body.get("client_id", ()),
        client_secrets=in_body.get("client_secret", ()),
        parameter="client_secret",
    )


def _raw_and_decoded(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((value, unquote_plus(value))))


def claimed_client_ids(headers: Headers, parameters: Parameters) -> tuple[str, ...]:
    """Return the client id that a request claims, in each way to decode it; empty if it claims none."""
    try:
        scheme, rest = parse_authorization(headers)
        if scheme == "basic":
            return parse_basic(rest).client_ids
    except OAuthError:
        pass
    client_id = parameters.by_name.get("client_id")
    return (client_id,) if isinstance(client_id, str) else ()


def bearer_token(headers: Headers) -> str | None:
    """Return the token of `Authorization: Bearer` (RFC 6750 §2.1); None without one, or with two headers."""
    try:
        scheme, rest = parse_authorization(headers)
    except OAuthError:
        return None
    return rest if scheme == "bearer" else None


def _known(parameters: Parameters, names: Iterable[str]) -> dict[str, str]:
    """Return the known parameters that have a value: an empty one counts as absent (RFC 6749 §3.2)."""
    if parameters.error:
        raise parameters.error
    values: dict[str, str] = {}
    for name in names:
        value = parameters.by_name.get(name)
        if not (value is None or isinstance(value, str)):
            listed = ": join its items with spaces" if name == "scope" and isinstance(value, list) else ""
            raise invalid_request(f"{name} must be a string{listed}")
        if value:
            if name in _GRAMMAR and not _GRAMMAR[name].fullmatch(value):
                odd = hints.oddity(value) or "contains a character that it cannot have (RFC 6749 Appendix A)"
                raise invalid_request(f"{name} {odd}")
            values[name] = value
    return values


def query_names(query: bytes) -> set[str]:
    """The names of the parameters in a query string."""
    return {unquote_plus(pair.partition("=")[0]) for pair in query.decode("latin-1").split("&")}


def _pairs(request: HttpRequest) -> Pairs:
    if "content-encoding" in request.headers:
        raise invalid_request("Content-Encoding is not supported: send the body uncompressed")
    if any(value.lower() != "chunked" for value in request.headers.get("transfer-encoding", ())):
        raise invalid_request("Transfer-Encoding must be chunked")
    if not request.body:
        return _parse_form(request.query)
    content_types = request.headers.get("content-type", ("",))
    if len(content_types) > 1:
        raise invalid_request("more than one Content-Type header was sent")
    media_type = content_types[0].partition(";")[0].strip().lower()
    looks_like_json = request.body.lstrip(_WHITE_SPACE).startswith(b"{")
    if media_type == JSON or (looks_like_json and media_type in (FORM, "")):
        return _parse_json(request.body)
    if media_type == FORM:
        return _parse_form(request.body)
    reason = "Content-Type must be application/json or application/x-www-form-urlencoded"
    raise invalid_request(reason + hints.media_type_hint(media_type))


def _parse_form(data: bytes) -> Pairs:
    """Parse a form; bytes that are not UTF-8 become lone surrogates, which no grammar allows."""
    if _BAD_ESCAPE.search(data):
        raise invalid_request("the form contains an invalid percent escape: encode % as %25")
    for field in data.replace(b"+", b" ").split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            yield _form_text(name), _form_text(value)


def _form_text(data: bytes) -> str:
    return (unquote_to_bytes(data) if b"%" in data else data).decode("utf-8", "surrogateescape")


# Objects become tuples of pairs, to detect repeats. Numbers aren't converted: Python limits their length.
# NaN and Infinity, which aren't JSON, are rejected, since `int` can't read them.
_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=lambda _: 0, parse_float=lambda _: 0.0, parse_constant=int
)


def _parse_json(data: bytes) -> Pairs:
    try:
        document = _DECODER.decode(data.decode())
    except (ValueError, RecursionError):
        raise invalid_request(f"the body is not JSON{hints.json_hint(data)}") from None
    if not isinstance(document, tuple):
        raise invalid_request("the JSON body is not an object")
    return cast("Pairs", document)
