"""How requests are bent: headers, parameters, credentials."""

import base64
import json
from collections.abc import Callable

from msgspec.structs import replace

from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.requests import JSON, read_parameters

Understand = Callable[[HttpRequest], HttpRequest]
Given = dict[str, object]
CREDENTIAL_NAMES = ("client_id", "client_secret")


def with_header(request: HttpRequest, name: str, *values: str) -> HttpRequest:
    """The request with a header set, or without it if there are no values."""
    headers = {key: value for key, value in request.headers.items() if key != name}
    return replace(request, headers={**headers, name: values} if values else headers)


def unreadable(request: HttpRequest) -> HttpRequest:
    """The request as one that is refused with invalid_request."""
    return with_header(request, "content-encoding", "bent")


def when(predicate: Callable[[HttpRequest], object], change: Understand) -> Understand:
    return lambda request: change(request) if predicate(request) else request


def only_header(name: str) -> Callable[[HttpRequest], str]:
    return lambda request: request.headers.get(name, ("",))[0]


def has(name: str) -> Callable[[HttpRequest], bool]:
    return lambda request: name in request.headers


def ignoring(name: str) -> Understand:
    return lambda request: with_header(request, name)


def media_type(request: HttpRequest) -> str:
    return only_header("content-type")(request).partition(";")[0].strip().lower()


def looks_like_json(request: HttpRequest) -> bool:
    return request.body.lstrip().startswith(b"{")


def given(request: HttpRequest) -> Given:
    """The parameters, from body or query; none if they cannot be read."""
    parameters = read_parameters(request)
    return {} if parameters.error else dict(parameters.by_name)


def with_parameters(change: Callable[[Given], Given]) -> Understand:
    """Change the parameters of what can be read and has any."""

    def understand(request: HttpRequest) -> HttpRequest:
        before = given(request)
        after = change(before)
        if after == before:
            return request
        return replace(with_header(request, "content-type", JSON), body=json.dumps(after).encode())

    return understand


def has_body_credentials(request: HttpRequest) -> bool:
    return any(given(request).get(name) for name in CREDENTIAL_NAMES)


def scheme(request: HttpRequest) -> str:
    return only_header("authorization")(request).partition(" ")[0]


def decoded_basic(request: HttpRequest) -> bytes:
    """What Basic credentials are; nothing if they cannot be decoded."""
    rest = only_header("authorization")(request).partition(" ")[2]
    try:
        return base64.b64decode(rest, validate=True) if scheme(request).lower() == "basic" else b""
    except ValueError:
        return b""


def without_credentials(parameters: Given) -> Given:
    return {name: value for name, value in parameters.items() if name not in CREDENTIAL_NAMES}


def is_moovs(request: HttpRequest) -> bool:
    return request.path.startswith("/oauth2/")
