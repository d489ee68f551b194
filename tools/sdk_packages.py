"""Reads what Moov's own SDKs say of operations: moovio-sdk from PyPI and @moovio/sdk from npm.

The archives go into a temporary folder and are read there. Nothing is unpacked, built or executed.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

PYTHON, TYPESCRIPT = "moovio-sdk", "@moovio/sdk"

Key = tuple[str, str]
"""Method and path."""
Files = Mapping[str, str]
"""The texts of an archive, by path."""
ScopeSets = frozenset[frozenset[str]]
"""Sets of scopes. All scopes of one set are enough."""
Responses = Mapping[int, frozenset[str]]
"""The names of the error body's fields, by status. A body without names isn't JSON, or isn't an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What an SDK, or our data, says of an operation."""

    name: str
    scopes: ScopeSets = frozenset()
    responses: Responses


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What an SDK says. `sends` is its X-Moov-Version, or empty. `application_scopes` have no path."""

    name: str
    version: str
    sends: str
    operations: Mapping[Key, Operation]
    application_scopes: frozenset[str]

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that any operation asks for, as templates."""
        sets = (scopes for operation in self.operations.values() for scopes in operation.scopes)
        return frozenset(
            scope.replace("{partnerAccountID}", "{accountID}") for scopes in sets for scope in scopes
        )


def fetch_packages(folder: Path) -> Iterator[Package]:
    """The newest releases. Without npm only the first."""
    # Only a wheel: pip would execute an sdist.
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps")
    with ZipFile(_fetch(folder, "*.whl", *pip, "--only-binary=:all:", PYTHON)) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".py")]
        yield parse_python({name: wheel.read(name).decode() for name in names})
    if npm := shutil.which("npm"):
        pack = (npm, "pack", "--silent", "--ignore-scripts", f"--cache={folder / 'cache'}")
        with tarfile.open(_fetch(folder, "*.tgz", *pack, TYPESCRIPT)) as archive:
            names = [name for name in archive.getnames() if re.match(r"package/src/.*\.ts$", name)]
            texts = {name: file.read().decode() for name in names if (file := archive.extractfile(name))}
        yield parse_typescript(texts)


def _fetch(folder: Path, pattern: str, *command: str) -> Path:
    """Let a command download an archive into a folder. Pip's constraints would pin an older release."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("CONSTRAINT")}
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return next(folder.glob(pattern))


def scope_sets(comment: str) -> ScopeSets:
    """The scopes that a comment asks for. Each sentence, and each side of an "or", is an alternative."""
    parts = re.split(r"\.\s|(?<=`) or (?=`)", " ".join(comment.split()))
    found = (re.findall(r"`(/[\w{}/-]+\.[\w-]+)`", part) for part in parts)
    return frozenset(frozenset(scopes) for scopes in found if scopes)


def _statuses(text: str) -> list[int]:
    """The statuses in a literal, without classes such as 4XX."""
    return [int(status) for status in re.findall(r"\b\d{3}\b", text)]


def _package(name: str, files: Files, operations: Mapping[Key, Operation]) -> Package:
    """What both languages write in nearly the same way, and the operations."""
    text = "\n".join(files.values())
    version = re.search(r'(?:__version__: str =|sdkVersion:) "([^"]+)"', text)
    document = re.search(r'(?:__openapi_doc_version__: str =|openapiDocVersion:) "([^"]+)"', text)
    header = re.search(r'"X-Moov-Version"', text, re.IGNORECASE)
    listed = "".join(text for path, text in files.items() if Path(path).stem == "applicationscope")
    return Package(
        name=name,
        version=version[1] if version else "",
        sends=document[1] if document and header else "",
        operations=operations,
        application_scopes=frozenset(re.findall(r'[=:] "([\w-]+\.[\w-]+)"', listed)),
    )


def parse_python(files: Files) -> Package:
    """Read a Python SDK. Its coroutines repeat its functions, so they are left out."""
    parsed = (ast.parse(text) for path, text in files.items() if path.count("/") == 1 or "/errors/" in path)
    nodes = [node for tree in parsed for node in ast.walk(tree)]
    fields = {
        node.name: frozenset(
            ast.unparse(item.target) for item in node.body if isinstance(item, ast.AnnAssign)
        )
        for node in nodes
        if isinstance(node, ast.ClassDef)
    }
    operations = {}
    for node in nodes:
        if not isinstance(node, ast.FunctionDef):
            continue
        inner = list(ast.walk(node))
        words = {
            item.arg: ast.unparse(item.value).strip("'") for item in inner if isinstance(item, ast.keyword)
        }
        if words.keys() >= {"operation_id", "method", "path"}:
            operations[words["method"], words["path"]] = Operation(
                name=words["operation_id"],
                scopes=scope_sets((ast.get_docstring(node) or "").partition(":param")[0]),
                responses={
                    status: fields.get(error, frozenset())
                    for item in inner
                    if isinstance(item, ast.If) and "match_response(" in ast.unparse(item.test)
                    for error in ["".join(re.findall(r"errors\.(\w+Data)\b", ast.unparse(item)))]
                    for status in _statuses(ast.unparse(item.test))
                },
            )
    return _package(PYTHON, files, operations)


def parse_typescript(files: Files) -> Package:
    """Read a TypeScript SDK, which has a file for each operation."""
    schema = re.compile(r"export const (\w+)\$inboundSchema.*?z\.object\(\{(.*?)\}\)", re.DOTALL)
    fields = {
        found[1]: frozenset(re.findall(r"(?m)^ *(\w+):", found[2]))
        for path, text in files.items()
        if "/errors/" in path
        for found in schema.finditer(text)
    }
    operations = {}
    for text in files.values():
        name, method = re.search(r'operationID: "(\w+)"', text), re.search(r'method: "(\w+)"', text)
        path = re.search(r'pathToFunc\(\s*"([^"]+)"', text)
        if name and method and path:
            comment = re.search(r"/\*\*((?:(?!\*/).)*)\*/\s*export function", text, re.DOTALL)
            operations[method[1], path[1]] = Operation(
                name=name[1],
                scopes=scope_sets(re.sub(r"(?m)^ *\*", "", comment[1]) if comment else ""),
                responses={
                    status: fields.get(error, frozenset())
                    for listed, error in re.findall(
                        r"M\.\w+\(\s*(\[[^\]]*\]|\w+)(?:,\s*errors\.(\w+)\$)?", text
                    )
                    for status in _statuses(listed)
                },
            )
    return _package(TYPESCRIPT, files, operations)
