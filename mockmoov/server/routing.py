"""Finds what answers a method and a path.

Raw path segments are matched, still percent-encoded. A literal segment wins over a `{parameter}`. Nothing is
redirected. A look-up takes as many steps as the path has segments, however many templates there are.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast
from urllib.parse import unquote

from msgspec import Struct

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.oauth.scopes import UUID
from mockmoov.oauth.suggestions import nearest

T = TypeVar("T")
_PAGE = "; health is at /_mockmoov/health, and the page at /_mockmoov/ if the control plane is on"
_ONLY_GRANTS = "; Moov has no authorization endpoint, only the client_credentials and refresh_token grants"
_JWKS = "; did you mean /.well-known/jwks.json?"
# Paths at which people look, or which other servers have, and what to use here.
_OTHER_PATHS = {
    "/": _PAGE,
    "/_mockmoov": _PAGE,
    "/_mockmoov/": _PAGE,
    "/health": _PAGE,
    "/healthz": _PAGE,
    "/token": "; did you mean /oauth2/token?",
    "/oauth/token": "; did you mean /oauth2/token?",
    "/revoke": "; did you mean /oauth2/revoke?",
    "/oauth/revoke": "; did you mean /oauth2/revoke?",
    "/introspect": "; did you mean /_mockmoov/introspect?",
    "/oauth2/introspect": "; did you mean /_mockmoov/introspect?",
    "/authorize": _ONLY_GRANTS,
    "/oauth/authorize": _ONLY_GRANTS,
    "/oauth2/authorize": _ONLY_GRANTS,
    "/jwks.json": _JWKS,
    "/oauth2/jwks": _JWKS,
    "/oauth2/keys": _JWKS,
    "/.well-known/openid-configuration": (
        "; Moov has no OpenID Connect, but there is /.well-known/oauth-authorization-server"
    ),
}
_BELOW_ACCOUNT = "/accounts/{accountID}"
_VERSION_PREFIX = r"/(?:api|v[0-9]+)(?=/)"
_LONGEST_SLIP = 40  # characters of a path that may be a slip: comparing takes their square
_LIKENESS = 0.65  # a base URL that already has the path doubles it, which is more alike than this
OWN_LIKENESS = 0.85  # for paths that all begin with /_mockmoov/ or /.well-known/


class _Node(Struct, Generic[T]):
    methods: Mapping[str, T] | None = None
    template: str = ""
    names: tuple[str, ...] = ()  # of the parameters on the way here
    literals: "dict[str, _Node[T]]" = {}
    parameter: "_Node[T] | None" = None  # whatever its name is


class Routes(Generic[T]):
    """What answers, by path template (`/accounts/{accountID}`) and method. HEAD is answered as GET is.

    `likeness`, from 0 to 1: how much a wrong path must be like one of these for it to be suggested.
    """

    def __init__(self, table: Mapping[str, Mapping[str, T]], *, likeness: float = _LIKENESS) -> None:
        self._likeness = likeness
        self.templates = tuple(table)
        self._plain = {template: methods for template, methods in table.items() if "{" not in template}
        self._root: _Node[T] = _Node()
        for template, methods in table.items():
            node, segments = self._root, template.split("/")
            for segment in segments:
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            node.methods, node.template = methods, template
            node.names = tuple(segment[1:-1] for segment in segments if segment.startswith("{"))

    def find(self, path: str) -> tuple[Mapping[str, T], dict[str, str]] | None:
        """The methods of a path, and its parameters; None if no template matches."""
        if methods := self._plain.get(path):
            return methods, {}
        if found := next(_walk(self._root, path.split("/"), ()), None):
            node, values = found
            return cast("Mapping[str, T]", node.methods), dict(zip(node.names, values, strict=True))
        return None

    def is_clear(self, path: str) -> bool:
        """Whether a server that decodes paths, or ignores parts of them, finds the same template."""
        raw, read = ((self.find(form) or (None,))[0] for form in (path, _read(path)))
        return read in (None, raw)

    def endpoint(self, request: HttpRequest) -> tuple[T, dict[str, str]] | HttpResponse:
        """What answers this request, with the path's parameters; or the 404 or 405."""
        methods, parameters = self.find(request.path) or ({}, {})
        return self.error(methods, request) or (methods[declared_method(request.method)], parameters)

    def error(self, methods: Mapping[str, object], request: HttpRequest) -> HttpResponse | None:
        """The 404 of an unknown path, or the 405 of a path without this method; None if there is neither."""
        if not methods:
            return render_error(404, "no such path" + self._hint(request.path))
        if declared_method(request.method) not in methods:
            allowed = ", ".join("GET, HEAD" if method == "GET" else method for method in methods)
            return render_error(405, f"no such method on this path: it has {allowed}", (("allow", allowed),))
        return None

    def _hint(self, path: str) -> str:
        """What a wrong path probably means, or nothing."""
        plain = "/" + path.strip("/").lower()
        if known := _OTHER_PATHS.get(path) or _OTHER_PATHS.get(plain):
            return known
        if "//" in plain:
            return self._empty_segment_hint(plain)
        forms = (plain, re.sub(rf"\A(?:{_VERSION_PREFIX})+", "", plain), _BELOW_ACCOUNT + plain)
        if found := next(filter(None, map(self._template, forms)), None):
            return f"; did you mean {found}?"
        slip = re.sub(UUID, "{accountID}", path)
        return nearest(slip, self.templates, likeness=self._likeness) if len(slip) <= _LONGEST_SLIP else ""

    def _empty_segment_hint(self, path: str) -> str:
        before = path.partition("//")[0].rpartition("/")[2]
        words = {word for template in self.templates for word in template.split("/")}
        part = f"the part after /{before}" if before in words else "a part of it"
        return f"; {part} is empty: the program may have had no value for it"

    def _template(self, path: str) -> str | None:
        """The template of a path, or None."""
        found = next(_walk(self._root, path.split("/"), ()), None)
        return found[0].template if found else None


def declared_method(method: str) -> str:
    """The method under which a table has what answers this one: HEAD is answered as GET (RFC 9110 §9.3.2)."""
    return "GET" if method == "HEAD" else method


def _read(path: str) -> str:
    """The path decoded, without path parameters (RFC 3986 §3.3), empty segments and a slash at its end."""
    segments = (segment.partition(";")[0] for segment in re.split(r"[/\\]", unquote(path)))
    return "/" + "/".join(filter(None, segments))


def _walk(
    node: _Node[T], segments: list[str], values: tuple[str, ...]
) -> Iterator[tuple[_Node[T], tuple[str, ...]]]:
    """What the segments lead to, literal segments first, and the values of the parameters.

    `values` are those so far.
    """
    if not segments:
        if node.methods is not None:
            yield node, values
        return
    segment, rest = segments[0], segments[1:]
    if segment in node.literals:
        yield from _walk(node.literals[segment], rest, values)
    if segment and node.parameter is not None:
        yield from _walk(node.parameter, rest, (*values, segment))
