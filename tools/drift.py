"""Compares mockmoov's data with the newest releases of Moov's own SDKs, to see what Moov has changed.

Run as `make drift`, or `python -m tools.drift`. It needs pip and the network; without npm it compares only
the Python SDK. It compares:

- operations: method, path, name, and the scopes that the SDK's comment asks for;
- scopes: those of the comments, and those that an application may request on another account;
- the version that the SDK sends;
- the statuses and the fields of error bodies at the two OAuth endpoints, without 5xx.

It prints the differences and writes reports/drift.md and the sentence in docs/contracts.md. The exit code is
0 if every difference is explained, by the provenance in our data or by `EXPLAINED`, and 1 otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import replace_generated
from mockmoov.data.operation_sources import SOURCES
from mockmoov.data.operations import OPERATIONS
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.contracts import CONTRACT_DATED, contract_named
from mockmoov.oauth.errors import ErrorCode, OAuthError, invalid_client, invalid_request
from tools.markdown import line
from tools.sdk_packages import TYPESCRIPT, Key, Operation, Package, Responses, ScopeSets, fetch_packages

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "drift.md"
PAGE = ROOT / "docs" / "contracts.md"

_ONLY_OURS, _ONLY_THEIRS = "only in our data", "only in the package"
_UNLISTED_401 = "not listed; ours: no fields", "live: an empty 401, which the SDKs take as any other 4xx"
EXPLAINED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("status", "POST /oauth2/token 401"): _UNLISTED_401,
    ("status", "POST /oauth2/revoke 401"): _UNLISTED_401,
}
"""Reasons that our data can't give: by kind and subject, the difference and its reason."""

OAUTH: Mapping[Key, tuple[str, int, tuple[str, ...]]] = {
    ("POST", "/oauth2/token"): ("createAccessToken", 200, ("scope", "refresh_token")),
    ("POST", "/oauth2/revoke"): ("revokeAccessToken", 204, ("token", "token_type_hint")),
}
"""The name, the status of a success, and the parameters that get errors of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What mockmoov says: operations, where each is known from, and the sources of each scope."""

    operations: Mapping[Key, Operation]
    provenance: Mapping[Key, Mapping[str, str]]
    scopes: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between a package and our data. Without a reason it is unexplained."""

    kind: str
    subject: str
    text: str
    reason: str = ""


Found = Mapping[Difference, Sequence[str]]
"""Differences, each with the packages that have it."""


def our_data() -> Data:
    """mockmoov's data, and the OAuth endpoints of the dated contract."""
    operations = {
        (method, path): Operation(
            name=name, scopes=frozenset(map(frozenset, filter(None, sets))), responses={}
        )
        for path, methods in OPERATIONS.items()
        for method, (name, sets) in methods.items()
    }
    for key, (name, success, parameters) in OAUTH.items():
        fields = [OAuthError(ErrorCode.INVALID_REQUEST, "", parameter=parameter) for parameter in parameters]
        responses: dict[int, frozenset[str]] = {success: frozenset(), 429: frozenset()}
        for error in (invalid_request(""), invalid_client(""), *fields):
            answer = CONTRACT_DATED.error_format(error)
            body = answer.body(error) if answer.body else ()
            responses[answer.status] = responses.get(answer.status, frozenset()).union(body)
        operations[key] = Operation(name=name, responses=responses)
    return Data(operations=operations, provenance=SOURCES, scopes=SCOPES)


# --- comparing -----------------------------------------------------------------------------------------


def compare(theirs: Package, ours: Data) -> Iterator[Difference]:
    """All differences between a package and our data."""
    operations = list(_compare_operations(theirs, ours))
    yield from operations
    reasons = {each.subject: each.reason for each in operations if each.kind in {"operation", "scopes"}}
    yield from _compare_scopes(theirs, ours, reasons)
    if contract_named(theirs.sends) is not CONTRACT_DATED:
        yield _difference("version", theirs.sends or "none", "not a dated version to mockmoov")


def _difference(kind: str, subject: str, text: str, reason: str = "") -> Difference:
    explained, better = EXPLAINED.get((kind, subject), ("", ""))
    return Difference(kind=kind, subject=subject, text=text, reason=better if text == explained else reason)


def _compare_operations(theirs: Package, ours: Data) -> Iterator[Difference]:
    for key in sorted({*theirs.operations, *ours.operations}, key=lambda key: key[::-1]):
        subject, provenance = " ".join(key), ours.provenance.get(key, {})
        their, our = theirs.operations.get(key), ours.operations.get(key)
        if our is None:
            yield _difference("operation", subject, _ONLY_THEIRS)
        elif their is None:
            yield _difference("operation", subject, _ONLY_OURS, _why_absent(theirs, provenance))
        else:
            if their.name != our.name:
                yield _difference("name", subject, f"{their.name}; ours: {our.name}")
            if their.scopes != our.scopes:
                noted = their.scopes and their.scopes < our.scopes  # one of our alternatives
                text = f"{_format_sets(their.scopes)}; ours: {_format_sets(our.scopes)}"
                yield _difference("scopes", subject, text, provenance.get("note", "") if noted else "")
            yield from _compare_responses(subject, their.responses, our.responses)


def _why_absent(theirs: Package, provenance: Mapping[str, str]) -> str:
    """Why a package lacks an operation that our data has, if the data says so."""
    versions, source, note = (provenance.get(name, "") for name in ("versions", "source", "note"))
    if versions:
        return f"{versions} only" if versions.split()[-1] < theirs.sends else ""
    if source and theirs.name not in source:  # a package that is the source should have it
        return f"source: {source}"
    return note if "no longer in" in note else ""


def _compare_responses(subject: str, theirs: Responses, ours: Responses) -> Iterator[Difference]:
    for status in sorted({*theirs, *ours}) if ours else ():
        if status < 500 and theirs.get(status) != ours.get(status):
            text = f"{_format_fields(theirs.get(status))}; ours: {_format_fields(ours.get(status))}"
            yield _difference("status", f"{subject} {status}", text)


def _compare_scopes(theirs: Package, ours: Data, reasons: Mapping[str, str]) -> Iterator[Difference]:
    known = {_short(scope) for scope in ours.scopes}
    for scope in sorted((theirs.scopes - ours.scopes.keys()) | (theirs.application_scopes - known)):
        yield _difference("scope", scope, _ONLY_THEIRS)
    for scope, sources in ours.scopes.items():
        if scope not in theirs.scopes and _short(scope) not in theirs.application_scopes:
            others = [source for source in sources if source != "operation" and theirs.name not in source]
            reason = f"source: {others[0]}" if others else _why_unused(scope, ours, reasons)
            yield _difference("scope", scope, _ONLY_OURS, reason)


def _short(scope: str) -> str:
    return scope.rpartition("/")[2]


def _why_unused(scope: str, ours: Data, reasons: Mapping[str, str]) -> str:
    """Why a package needs a scope nowhere: what needs it in our data must differ for a known reason."""
    asking = [
        key for key, operation in ours.operations.items() if any(scope in some for some in operation.scopes)
    ]
    why = dict.fromkeys(reasons.get(" ".join(key), "") for key in asking)
    return "" if "" in why else "; ".join(why)


# --- the report ----------------------------------------------------------------------------------------


def _format_sets(sets: ScopeSets) -> str:
    return " or ".join(sorted(" and ".join(sorted(scopes)) for scopes in sets)) or "none"


def _format_fields(fields: frozenset[str] | None) -> str:
    return "not listed" if fields is None else ", ".join(sorted(fields)) or "no fields"


def compared_with(packages: Sequence[Package], today: str) -> str:
    """The words that the report and the page have in common."""
    return f"compared with {' and '.join(f'{each.name} {each.version}' for each in packages)} on {today}"


def table(found: Found) -> str:
    """Differences as a table."""
    rows = [
        line(each.kind, f"`{each.subject}`", each.text, ", ".join(names), each.reason)
        for each, names in found.items()
    ]
    return "\n".join([line("kind", "subject", "difference", "package", "reason"), line(*["---"] * 5), *rows])


def report(found: Found, packages: Sequence[Package], ours: Data, today: str) -> str:
    """The report as Markdown."""
    explained = {each: names for each, names in found.items() if each.reason}
    unexplained = {each: names for each, names in found.items() if not each.reason}
    counts = [
        line(
            *(f"`{each.name}`", each.version, each.sends, len(each.operations), len(each.scopes)),
            *(sum(each.name in names for names in some.values()) for some in (explained, unexplained)),
        )
        for each in packages
    ]
    missing = "" if len(packages) > 1 else f"Without npm, `{TYPESCRIPT}` wasn't compared.\n\n"
    return f"""# What Moov's newest SDKs say, and what mockmoov's data says

By `make drift`, {compared_with(packages, today)}.

mockmoov has {len(ours.operations)} operations and {len(ours.scopes)} scopes: those of all versions together.

{missing}| package | version | `X-Moov-Version` | operations | scopes they ask for | explained | unexplained |
|---|---|---|--:|--:|--:|--:|
{chr(10).join(counts)}

## Unexplained differences

{table(unexplained) if unexplained else "None."}

## Explained differences

{table(explained) if explained else "None."}
"""


def main() -> int:
    """Compare, print, and write the report and the sentence. Returns 0 if every difference is explained."""
    with TemporaryDirectory() as directory:
        packages = list(fetch_packages(Path(directory)))
    ours, today = our_data(), str(date.today())
    found: dict[Difference, list[str]] = {}
    for package in packages:
        for each in compare(package, ours):
            found.setdefault(each, []).append(package.name)
    REPORT.write_text(report(found, packages, ours, today), encoding="utf-8")
    sentence = (
        f"Operations, scopes, versions and error fields were last {compared_with(packages, today)}: "
        "[differences](../reports/drift.md)."
    )
    PAGE.write_text(replace_generated(PAGE.read_text(encoding="utf-8"), sentence, "drift"), encoding="utf-8")
    for each, names in found.items():
        print(f"{each.kind} {each.subject}: {each.text} ({', '.join(names)}): {each.reason or 'UNEXPLAINED'}")
    if len(packages) == 1:
        print(f"npm isn't on this machine, so {TYPESCRIPT} wasn't compared")
    unexplained = sum(not each.reason for each in found)
    print(f"{len(found)} differences, {unexplained} unexplained; see {REPORT.relative_to(ROOT)}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
