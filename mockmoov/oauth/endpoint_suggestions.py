"""Suggestions for a wrong endpoint: a path with values in it, a URL, or another verb than Moov's."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mockmoov.oauth.suggestions import nearest

_LONGEST = 200  # characters to look at
_MOST = 5  # suggestions
_TYPO = 0.9  # similarity of a name with a typo
_REQUEST = re.compile(r"(?:([A-Za-z]+)\s+)?(?:https?://[^/\s]*)?/?([^?#\s]+)(?:[?#].*)?")
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# The methods of the operations that people mean by a verb.
_METHODS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("add", "create", "link", "make", "new", "post"), ("POST",)),
    **dict.fromkeys(("fetch", "find", "get", "list", "read", "retrieve"), ("GET",)),
    **dict.fromkeys(("change", "edit", "patch", "put", "set", "update"), ("PATCH", "PUT")),
    **dict.fromkeys(("cancel", "delete", "disable", "remove"), ("DELETE",)),
}


class _Endpoint(NamedTuple):
    method: str
    path: Sequence[str]  # segments of the template
    name: str

    @property
    def parameters(self) -> int:
        return sum(segment.startswith("{") for segment in self.path)


def suggest_endpoint(wrong: str, endpoints: Mapping[str, str]) -> str:
    """Format `; did you mean ...?` with the endpoints that a wrong one may mean, "" if there are none.

    `endpoints` has their names by name, and by method and path template, such as `GET /accounts/{accountID}`.
    """
    wrong = wrong[:_LONGEST].strip()
    requests = {key: name for key, name in endpoints.items() if "/" in key}
    known = [_read(key, name) for key, name in requests.items()]
    if "/" in wrong:
        return _ask(_at_path(wrong, known)) or nearest(wrong, requests)
    names = list(dict.fromkeys(requests.values()))
    return nearest(wrong, names, likeness=_TYPO) or _ask(_with_noun(wrong, known)) or nearest(wrong, names)


def _read(key: str, name: str) -> _Endpoint:
    method, _, path = key.partition(" /")
    return _Endpoint(method, path.split("/"), name)


def _ask(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))[:_MOST]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _at_path(wrong: str, known: Iterable[_Endpoint]) -> list[str]:
    """The endpoints at a path, of its method if there are any, else of all."""
    match = _REQUEST.fullmatch(wrong)
    segments = match[2].rstrip("/").split("/") if match else []
    fitting = [endpoint for endpoint in known if _fits(segments, endpoint.path)]
    fewest = min((endpoint.parameters for endpoint in fitting), default=0)
    closest = [endpoint for endpoint in fitting if endpoint.parameters == fewest]
    method = match and match[1] and match[1].upper()
    meant = [endpoint for endpoint in closest if endpoint.method == method] or closest
    if len(meant) == 1:
        return [meant[0].name]
    return [f"{endpoint.name} ({endpoint.method})" for endpoint in meant]


def _fits(segments: Sequence[str], template: Sequence[str]) -> bool:
    pairs = zip(segments, template, strict=False)
    return len(segments) == len(template) and all(
        segment and (known.startswith("{") or segment == known) for segment, known in pairs
    )


def _with_noun(wrong: str, known: Iterable[_Endpoint]) -> list[str]:
    """The endpoints with the noun of a name, of the method of its verb if there are any, else of all."""
    verb, noun = _split(wrong)
    alike = [endpoint for endpoint in known if noun in (endpoint.name, _split(endpoint.name)[1])]
    meant = [endpoint for endpoint in alike if endpoint.method in _METHODS.get(verb, ())]
    return [endpoint.name for endpoint in meant or alike]


def _split(name: str) -> tuple[str, str]:
    """The verb and the noun of a name, in lower case, the noun without a final s."""
    words = [word.lower() for word in _WORD.findall(name)]
    return "".join(words[:1]), "".join(words[1:] or words).removesuffix("s")
