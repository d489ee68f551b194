"""Reads fixtures/: a description becomes a checker of answers, an exchange becomes runnable steps.

Formats: fixtures/README.md.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote

import yaml
from jsonschema import Draft202012Validator

ContractName = Literal["2023", "dated"]
CONTRACTS: tuple[ContractName, ...] = ("2023", "dated")
SOURCES = frozenset({"seed", "spec", "docs", "live", "sdk", "rfc", "choice"})
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

# Headers that mean something in the contract: where an answer is not described with one, it must not have it.
TELLING_HEADERS = frozenset(
    {"allow", "content-type", "retry-after", "www-authenticate", "x-mockmoov-reason", "x-retry-in"}
)
ANY = "${any}"

Answer = tuple[int, Mapping[str, str], bytes]
Send = Callable[[str, str, list[tuple[str, str]], bytes], Answer]
State = dict[str, dict[str, str]]


# --- Descriptions ---


def load_openapi(name: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of a contract, as it stands in the file. Shared: do not change it."""
    return _load_yaml(f"openapi-{name}.yaml")


@cache
def resolved_openapi(name: str) -> dict[str, Any]:
    """The description with every `$ref` replaced by what it points at. Shared: do not change it."""
    document = load_openapi(name)
    return cast(dict[str, Any], _without_references(document, document))


@cache
def _load_yaml(name: str) -> dict[str, Any]:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _without_references(node: Any, document: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_without_references(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {key: _without_references(value, document) for key, value in node.items()}
    target = reduce(getitem, node["$ref"].removeprefix("#/").split("/"), document)
    return _without_references(target, document)


@dataclass(frozen=True)
class DocumentedHeader:
    name: str
    required: bool
    validator: Draft202012Validator

    def problem(self, value: str | None) -> str | None:
        if value is None:
            return f"{self.name} is missing" if self.required else None
        schema: Any = self.validator.schema
        typed = int(value) if schema["type"] == "integer" and re.fullmatch("[0-9]{1,18}", value) else value
        if self.validator.is_valid(typed):
            return None
        return f"{self.name}: {value!r} is not as described: {schema}"


@dataclass(frozen=True, kw_only=True)
class DocumentedResponse:
    headers: Mapping[str, DocumentedHeader]
    content: Mapping[str, Draft202012Validator]
    planned_only: bool

    def problems(self, headers: Mapping[str, str], body: bytes, *, bodiless: bool) -> Iterator[str]:
        for name, header in self.headers.items():
            if problem := header.problem(headers.get(name)):
                yield problem
        described = self.headers.keys() | ({"content-type"} if self.content else set())
        for name in (TELLING_HEADERS - described) & headers.keys():
            yield f"{name}: {headers[name]!r} is described for other answers only"
        yield from self._body_problems(headers.get("content-type"), body, bodiless=bodiless)

    def _body_problems(self, content_type: str | None, body: bytes, *, bodiless: bool) -> Iterator[str]:
        if bodiless or not self.content:
            if body:
                yield f"a body of {len(body)} bytes where none is described"
            return
        validator = self.content.get(content_type or "")
        if validator is None:
            yield f"Content-Type {content_type!r} is not one of {', '.join(self.content)}"
            return
        try:
            value = json.loads(body, object_pairs_hook=_object_without_repeats)
        except ValueError as error:
            yield f"the body is no JSON: {error}"
            return
        for failure in validator.iter_errors(value):
            yield f"body {failure.json_path}: {failure.message}"


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


@dataclass(frozen=True, kw_only=True)
class DocumentedPath:
    operations: Mapping[str, Mapping[int, DocumentedResponse]]
    other_methods: DocumentedResponse

    def responses(self, method: str) -> Mapping[int, DocumentedResponse]:
        """What may answer this method. HEAD is answered as GET is, without the body (RFC 9110 §9.3.2)."""
        described = "GET" if method == "HEAD" else method
        return self.operations.get(described, {405: self.other_methods})


@dataclass(frozen=True, kw_only=True)
class Description:
    paths: Mapping[str, DocumentedPath]
    elsewhere: Mapping[int, DocumentedResponse]

    def responses(self, method: str, path: str) -> Mapping[int, DocumentedResponse]:
        return self.paths[path].responses(method) if path in self.paths else self.elsewhere


@cache
def description(name: str) -> Description:
    """The description, compiled for checking."""
    document = resolved_openapi(name)
    paths = {
        path: DocumentedPath(
            operations={
                method.upper(): _compile_responses(item[method]["responses"])
                for method in {"get", "post", "patch", "delete"} & item.keys()
            },
            other_methods=_compile_response(item["x-other-methods"]),
        )
        for path, item in document["paths"].items()
    }
    return Description(paths=paths, elsewhere=_compile_responses(document["x-elsewhere"]))


def _compile_responses(responses: dict[str, Any]) -> dict[int, DocumentedResponse]:
    return {int(status): _compile_response(response) for status, response in responses.items()}


def _compile_response(response: dict[str, Any]) -> DocumentedResponse:
    headers, content = response.get("headers", {}), response.get("content", {})
    return DocumentedResponse(
        headers={
            name.lower(): DocumentedHeader(name, header["required"], Draft202012Validator(header["schema"]))
            for name, header in headers.items()
        },
        content={name: Draft202012Validator(described["schema"]) for name, described in content.items()},
        planned_only=response.get("x-mockmoov") == "planned faults only",
    )


def check_response(
    contract: ContractName,
    method: str,
    path: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    planned_fault: bool = False,
) -> None:
    """Raise AssertionError unless the contract describes this answer.

    `path` may carry a query string. Faults that a test did not plan (500, 504) are not described answers.
    """
    target = path.partition("?")[0]
    found = {name.lower(): value for name, value in headers.items()}
    if method == "OPTIONS" and "access-control-allow-methods" in found:
        return  # a preflight belongs to browsers; the contract does not describe it
    where = f"{method} {target} answered {status} ({contract} contract)"
    responses = description(contract).responses(method, target)
    response = responses.get(status)
    assert response is not None, f"{where}: described are {sorted(responses)}; {_evidence(found, body)}"
    assert planned_fault or not response.planned_only, f"{where}, and nobody planned that fault"
    problems = list(response.problems(found, body, bodiless=method == "HEAD"))
    assert not problems, f"{where}: " + "; ".join(problems) + f"; {_evidence(found, body)}"


def _evidence(headers: Mapping[str, str], body: bytes) -> str:
    """What was answered, without the values of tokens."""
    about = f"reason {headers.get('x-mockmoov-reason')!r}, content type {headers.get('content-type')!r}"
    return f"{about}, body of {len(body)} bytes" + (f" {body!r}" if len(body) <= 80 else "")


# --- Exchanges ---


@dataclass(frozen=True, kw_only=True)
class ExchangeRequest:
    """A request with its placeholders still in it."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    authorization: Sequence[Any]
    body: str

    def filled(self, state: State) -> tuple[str, str, list[tuple[str, str]], bytes]:
        """Method, target, headers and body: values are escaped as their place needs it."""
        query = _fill(self.query, state, _form_escape)
        credentials = [("Authorization", _authorization(line, state)) for line in self.authorization]
        body = _fill(self.body, state, _json_escape if self.body.startswith("{") else _form_escape)
        target = f"{self.path}?{query}" if query else self.path
        return self.method, target, [*self.headers, *credentials], body.encode()


@dataclass(frozen=True, kw_only=True)
class ExpectedResponse:
    """What must come: text is exact, `${any}` is anything, None is an absent header, {} an empty body."""

    status: int
    headers: Mapping[str, str | None]
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One documented exchange and the exchanges that must have happened before it."""

    contract: ContractName
    id: str
    title: str
    tags: tuple[str, ...]
    note: str
    setup: tuple["Exchange", ...]
    request: ExchangeRequest
    response: ExpectedResponse

    def __str__(self) -> str:
        return f"{self.contract}:{self.id} ({self.title})"


def load_api_keys(contract: ContractName) -> dict[str, dict[str, Any]]:
    """The API keys that the server must have, by their name in the exchanges."""
    return cast("dict[str, dict[str, Any]]", _load_yaml(f"exchanges/{contract}.yaml")["given"]["api_keys"])


@cache
def load_exchanges(contract: ContractName) -> tuple[Exchange, ...]:
    """Every documented exchange of one contract."""
    document = _load_yaml(f"exchanges/{contract}.yaml")
    entries = {entry["id"]: entry for entry in document["exchanges"]}
    assert len(entries) == len(document["exchanges"]), "two exchanges have one id"

    @cache
    def build(exchange_id: str) -> Exchange:
        entry = entries[exchange_id]
        headers = entry["response"].get("headers", {})
        return Exchange(
            contract=contract,
            id=exchange_id,
            title=entry["title"],
            **entry["source"],
            setup=tuple(map(build, entry.get("setup", ()))),
            request=_build_request(entry["request"], document["given"]["headers"]),
            response=ExpectedResponse(
                status=entry["response"]["status"],
                headers={name.lower(): value for name, value in headers.items()},
                body=entry["response"]["body"] or {},
            ),
        )

    return tuple(map(build, entries))


def _build_request(entry: dict[str, Any], given: dict[str, str]) -> ExchangeRequest:
    headers = given | entry.get("headers", {})
    return ExchangeRequest(
        method=entry["method"],
        path=entry["path"],
        query=entry.get("query", ""),
        headers=tuple((name, line) for name, value in headers.items() for line in _as_list(value)),
        authorization=_as_list(entry.get("authorization", [])),
        body="".join(_body_pieces(entry.get("body", ""))),
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _body_pieces(body: Any) -> Iterator[str]:
    for piece in _as_list(body):
        if isinstance(piece, str):
            yield piece
        else:
            yield from (piece["repeat"].replace("${n}", f"{n:012d}") for n in range(piece["times"]))


def run_exchange(exchange: Exchange, send: Send, state: State | None = None) -> None:
    """Run what must come before, then the exchange; raise AssertionError unless each goes as documented.

    `send(method, target, headers, body)` answers `(status, headers, body)`, header names in lower case.
    `state` is what placeholders mean. An exchange whose answer it has is not run again as setup; the answers
    of all that runs are added to it.
    """
    keys = load_api_keys(exchange.contract)
    known = {name: _texts(key) for name, key in keys.items()} if state is None else state
    for earlier in exchange.setup:
        if earlier.id not in known:
            run_exchange(earlier, send, known)
    method, target, headers, body = exchange.request.filled(known)
    status, found, answer = send(method, target, headers, body)
    _assert_expected(exchange, status, found, answer)
    check_response(exchange.contract, method, target, status, found, answer)
    known[exchange.id] = _texts(json.loads(answer or b"{}"))


def _texts(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _authorization(line: str | Mapping[str, list[str]], state: State) -> str:
    if isinstance(line, str):
        return _fill(line, state, str)
    credentials = ":".join(_fill(part, state, str) for part in line["basic"])
    return "Basic " + base64.b64encode(credentials.encode()).decode()


_form_escape = partial(quote, safe="")


def _json_escape(value: str) -> str:
    return json.dumps(value)[1:-1]


def _fill(text: str, state: State, escape: Callable[[str], str]) -> str:
    def value(match: re.Match[str]) -> str:
        step, _, member = match[1].partition(".")
        return escape(state[step][member])

    return re.sub(r"\$\{([^}]+)\}", value, text)


def _assert_expected(exchange: Exchange, status: int, headers: Mapping[str, str], body: bytes) -> None:
    expected, evidence = exchange.response, _evidence(headers, body)
    assert status == expected.status, f"{exchange}: {status}, not {expected.status}; {evidence}"
    assert bool(body) == bool(expected.body), f"{exchange}: a body, or none, is not expected; {evidence}"
    members = json.loads(body or b"{}")
    assert members.keys() == expected.body.keys(), f"{exchange}: members {sorted(members)}"
    pairs = [(name, value, headers.get(name)) for name, value in expected.headers.items()]
    pairs += [(name, value, members[name]) for name, value in expected.body.items()]
    for name, value, found in pairs:
        is_right = found is not None if value == ANY else found == value
        assert is_right, f"{exchange}: {name} is {found!r}, not {value!r}"
