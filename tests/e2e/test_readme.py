"""Runs the code blocks of README.md and docs/*.md.

Each block of Python, shell, TOML or YAML has a comment on the line above its fence, or with one empty line
between:

`<!-- run -->`
    Run it as it is, alone, in an empty folder. `python`: with a fresh interpreter; warnings are errors. `sh`:
    with `sh -eu`. `console`: the lines after `$ ` with `bash -euo pipefail`; they must print the other lines,
    where `...` is any text. `toml`: read it as the file of `mockmoov serve --config`. `yaml`: read it; the
    `MOCKMOOV_*` that it sets must be settings.
`<!-- run: server -->`
    The same with a new server. `http://localhost:8080` in the block means its URL, which is also in
    `MOCKMOOV_URL`, so that `mockmoov token` and others find it; `localhost:8443` and `api.moov.io:8443` mean
    its TLS port.
`<!-- run: pytest -->`
    `python` only: run it as `test_example.py` with pytest; it passes, and warnings are errors.
`<!-- run: above -->`, `<!-- run: server, above -->`
    `console` only: the folder contains the block of Python above it, as `test_example.py`.
`<!-- not run: REASON -->`
    Only parse it, if it is Python, TOML or YAML.
"""

import ast
import contextlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mockmoov.config.settings import load
from mockmoov.config.sources import COMMAND_VARIABLES, from_environment, from_file

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SHOWN_URL = "http://localhost:8080"
SHOWN_TLS = re.compile(r"\b(localhost|api\.moov\.io):8443\b")
# Languages that nobody runs here; other names for those that are run would let a block escape.
SHOWN_LANGUAGES = frozenset({"text", "json", "http", "mermaid", "dockerfile", "go", "js", "ts"})
STOP_SECONDS, RUN_SECONDS = 10, 120
EXAMPLE = "test_example.py"  # what a block that pytest runs is called

FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<language>[^`]*)")
PROMISE = re.compile(r"<!-- (?:(run(?:: [a-z, ]+)?)|(not run): \S.*) -->")


class DocumentError(Exception):
    """A block without a valid comment; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One code block and its comment; `above` is the text of the last block of Python above it."""

    place: str
    language: str
    text: str
    promise: str
    above: str = ""

    @property
    def options(self) -> frozenset[str]:
        """What follows `run: `."""
        return frozenset(filter(None, self.promise.partition(": ")[2].split(", ")))


def blocks(name: str, text: str) -> Iterator[Block]:
    """The blocks of a document that are checked; raises `DocumentError`."""
    lines = text.splitlines()
    number, above = 0, ""
    while number < len(lines):
        start, number = number, number + 1
        if fence := FENCE.fullmatch(lines[start]):
            end = re.compile(rf" *{fence['marks']}{fence['marks'][0]}* *")
            while number < len(lines) and not end.fullmatch(lines[number]):
                number += 1
            if number == len(lines):
                raise DocumentError(f"{name}:{start + 1}: the block has no end")
            content = [line.removeprefix(fence["indent"]) for line in lines[start + 1 : number]]
            number += 1
            language, place = fence["language"].strip(), f"{name}:{start + 1}"
            if language in CHECKS:
                before = next(
                    (line.strip() for line in reversed(lines[max(0, start - 2) : start]) if line), ""
                )
                block = Block(
                    place=place,
                    language=language,
                    text="\n".join(content) + "\n",
                    promise=promised(before, place, CHECKS[language].promises),
                    above=above,
                )
                if "above" in block.options and not above:
                    raise DocumentError(f"{place}: there is no block of Python above it")
                above = block.text if language == "python" else above
                yield block
            elif language not in SHOWN_LANGUAGES:
                known = ", ".join(sorted({*CHECKS, *SHOWN_LANGUAGES}))
                raise DocumentError(f"{place}: the language is {language or 'not given'}, not one of {known}")


def promised(comment: str, place: str, allowed: Sequence[str]) -> str:
    """What a comment promises of the block after it; raises `DocumentError`."""
    found = PROMISE.fullmatch(comment)
    promise = (found[1] or found[2]) if found else ""
    if promise not in allowed:
        raise DocumentError(f"{place}: the comment before it must be one of {', '.join(allowed)}")
    return promise


# --- running --------------------------------------------------------------------------------------


def environment(**variables: str) -> dict[str, str]:
    """As if in the project's environment, with nothing set that configures mockmoov, pytest or coverage."""
    configuring = ("MOCKMOOV_", "PYTEST_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(configuring)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    # asyncio warns where nobody chooses a loop scope, as a page need not; the others take seconds to import.
    unused = ("asyncio", "cacheprovider", "schemathesis", "hypothesispytest", "pytest_cov")
    pytest_options = " ".join(f"-p no:{plugin}" for plugin in unused)
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": pytest_options} | variables


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[str, str]]:
    """The URL and the TLS port of a new server, which exits with 0 afterwards."""
    argv = [sys.executable, "-m", "mockmoov", "serve", "--port", "0"]
    argv += ["--tls", "--tls-port", "0", "--tls-names", "api.moov.io"]
    with subprocess.Popen(argv, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            words = process.stdout.readline().split()
            yield words[-3], words[-1].rpartition(":")[2]
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()


def output_of(argv: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """What a command prints; it must exit with 0."""
    ended = subprocess.run(
        argv,
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"exit code {ended.returncode}:\n{ended.stdout}"
    return ended.stdout


def run_python(text: str, folder: Path, variables: Mapping[str, str]) -> None:
    (folder / "snippet.py").write_text(text)
    output_of([sys.executable, "-W", "error", "snippet.py"], folder, variables)


def run_pytest(text: str, folder: Path, variables: Mapping[str, str]) -> None:
    (folder / EXAMPLE).write_text(text)
    output_of([sys.executable, "-m", "pytest", "-W", "error", EXAMPLE], folder, variables)


def run_sh(text: str, folder: Path, variables: Mapping[str, str]) -> None:
    output_of(["sh", "-eu", "-c", text], folder, variables)


def run_console(text: str, folder: Path, variables: Mapping[str, str]) -> None:
    commands = "".join(f"{line[2:]}\n" for line in text.splitlines() if line.startswith(("$ ", "> ")))
    shown = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(("$ ", "> ")))
    assert commands, "a console block without a line that begins with `$ `"
    printed = output_of(["bash", "-euo", "pipefail", "-c", commands], folder, variables)
    pattern = ".*".join(map(re.escape, shown.rstrip().split("...")))
    assert re.fullmatch(pattern, printed.rstrip(), re.DOTALL), f"not as shown:\n{printed}"


def run_toml(text: str, folder: Path, variables: Mapping[str, str]) -> None:
    (folder / "mockmoov.toml").write_text(text)
    load(from_file(str(folder / "mockmoov.toml")))


def run_yaml(text: str, _folder: Path, _variables: Mapping[str, str]) -> None:
    ignored: list[str] = []
    for variables in _environments(list(yaml.safe_load_all(text))):
        load(from_environment({name: str(value) for name, value in variables.items()}, ignored.append))
    assert not ignored


def _environments(node: object) -> Iterator[Mapping[str, object]]:
    """Every environment, at any depth, without the variables that only the commands read.

    GitHub and Kubernetes call it `env`, compose `environment`, GitLab `variables`, a Secret `stringData`.
    Kubernetes has a list.
    """
    if isinstance(node, list):
        for item in node:
            yield from _environments(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in ("env", "environment", "variables", "stringData"):
                pairs = (
                    [(each["name"], each["value"]) for each in value] if isinstance(value, list) else value
                )
                yield {key: text for key, text in dict(pairs).items() if key not in COMMAND_VARIABLES}
            else:
                yield from _environments(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How blocks of one language are run, and how they are read where they are not."""

    run: Callable[[str, Path, Mapping[str, str]], None]
    parse: Callable[[str], object] = str
    promises: tuple[str, ...] = ("run", "run: server", "not run")


CHECKS: Mapping[str, Check] = {
    "python": Check(
        run=run_python, parse=ast.parse, promises=("run", "run: server", "run: pytest", "not run")
    ),
    "sh": Check(run=run_sh),
    "console": Check(
        run=run_console, promises=("run", "run: server", "run: above", "run: server, above", "not run")
    ),
    "toml": Check(run=run_toml, parse=tomllib.loads, promises=("run", "not run")),
    "yaml": Check(
        run=run_yaml, parse=lambda text: list(yaml.safe_load_all(text)), promises=("run", "not run")
    ),
}


def check(block: Block, folder: Path) -> None:
    """Keep the promise of a block."""
    language = CHECKS[block.language]
    language.parse(block.text)
    if block.promise == "not run":
        return
    (place := folder / "snippet").mkdir()
    text, variables = block.text, dict[str, str]()
    with contextlib.ExitStack() as stack:
        if "server" in block.options:
            url, tls_port = stack.enter_context(server(folder))
            variables["MOCKMOOV_URL"] = url
            text = SHOWN_TLS.sub(rf"\1:{tls_port}", text.replace(SHOWN_URL, url))
        if "above" in block.options:
            (place / EXAMPLE).write_text(block.above)
        run = run_pytest if "pytest" in block.options else language.run
        run(text, place, variables)


def failures(found: Iterable[Block], folder: Path) -> str:
    """The blocks that do not keep their promise, each with the reason."""
    failed = []
    for number, block in enumerate(found):
        (own := folder / str(number)).mkdir(parents=True)
        try:
            check(block, own)
        except Exception as error:
            failed.append(f"{block.place}: {error}")
    return "\n\n".join(failed)


# --- the documents --------------------------------------------------------------------------------


def test_every_block_has_a_comment() -> None:
    wrong = []
    for document in DOCUMENTS:
        try:
            list(blocks(document.name, document.read_text()))
        except DocumentError as error:
            wrong.append(str(error))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_block_of_a_document_works(document: Path, tmp_path: Path) -> None:
    failed = failures(blocks(document.name, document.read_text()), tmp_path)
    assert not failed, failed


# --- the rules themselves -------------------------------------------------------------------------

SAMPLE = """\
# A document

<!-- run -->
```python
from pathlib import Path
Path("made").write_text("in the block's own folder")
```

<!-- not run: it would not end -->

```sh
mockmoov serve
```
<!-- run: server -->
  ```console
  $ curl --silent --fail --show-error http://localhost:8080/_mockmoov/health >answer
  $ mockmoov token --scope /accounts.write
  ey...
  ```
<!-- run -->
~~~toml
port = 8080
~~~
```text
not checked
```
<!-- run: pytest -->
```python
def test_that_passes(moov):
    assert not moov.exchanges()
```
<!-- run -->
```yaml
env:
  MOCKMOOV_PORT: 8081
  MOCKMOOV_URL: http://localhost:8081
  OTHER: 1
```
<!-- run: above -->
```console
$ pytest -q
.  ...
1 passed in ...
```
"""


def one(text: str, language: str = "sh", promise: str = "run", before: str = "") -> Block:
    """The last block of a document that has no other but `before`."""
    *_, block = blocks("sample.md", f"{before}<!-- {promise} -->\n```{language}\n{text}\n```\n")
    return block


def test_a_document_is_read_into_its_blocks() -> None:
    found = [(block.place, block.language, block.promise) for block in blocks("sample.md", SAMPLE)]
    assert found == [
        ("sample.md:4", "python", "run"),
        ("sample.md:11", "sh", "not run"),
        ("sample.md:15", "console", "run: server"),
        ("sample.md:21", "toml", "run"),
        ("sample.md:28", "python", "run: pytest"),
        ("sample.md:33", "yaml", "run"),
        ("sample.md:40", "console", "run: above"),
    ]


ESCAPING = [
    ("```sh\nls\n```", "sample.md:1: the comment before it"),
    ("<!-- run -->\n\n\n```sh\nls\n```", "sample.md:4: the comment before it"),
    ("<!-- run -->\nand more\n```sh\nls\n```", "sample.md:3: the comment before it"),
    ("<!-- run: servers -->\n```sh\nls\n```", "sample.md:2: the comment before it must be one of run, run: "),
    ("<!-- not run:  -->\n```sh\nls\n```", "sample.md:2: the comment before it"),
    ("<!-- run: server -->\n```toml\n```", "sample.md:2: the comment before it must be one of run, not run"),
    ("<!-- run: above -->\n```console\n```", "sample.md:2: there is no block of Python above it"),
    ("<!-- run -->\n```bash\nls\n```", "sample.md:2: the language is bash, not one of"),
    ("```\nls\n```", "sample.md:1: the language is not given"),
    ("````text\n```\n````\n```py\n```", "sample.md:4: the language is py"),
    ("<!-- run -->\n```sh\nls\n", "sample.md:2: the block has no end"),
]


def test_a_block_without_a_valid_comment_is_rejected() -> None:
    for text, reason in ESCAPING:
        with pytest.raises(DocumentError, match=f"^{re.escape(reason)}"):
            list(blocks("sample.md", text))


PASSING = "<!-- run: pytest -->\n```python\ndef test(): pass\n```\n"
WRONG = [
    (one("import warnings; warnings.warn('old')", "python"), AssertionError),
    (one("in (", "python", "not run: unfinished"), SyntaxError),
    (one("false\ntrue"), AssertionError),
    (one("echo $unset"), AssertionError),
    (one("$ echo one\n$ echo two\none", "console"), AssertionError),
    (one("echo one", "console"), AssertionError),
    (one("port = ", "toml", "not run: unfinished"), tomllib.TOMLDecodeError),
    (one("prot = 8080", "toml", "run"), ValueError),
    (one("import warnings\ndef test(): warnings.warn('old')", "python", "run: pytest"), AssertionError),
    (one("no_test = 1", "python", "run: pytest"), AssertionError),
    (one("$ pytest -q\n1 passed", "console", "run: above", PASSING), AssertionError),
    (one("a: b: c", "yaml", "not run: unfinished"), yaml.YAMLError),
    (one("a: [{environment: {MOCKMOOV_PROT: 1}}]", "yaml"), ValueError),
    (one("a: {env: [{name: MOCKMOOV_PROT, value: '1'}]}", "yaml"), ValueError),
    (one("a: 1\n---\nstringData: {MOCKMOOV_PROT: 1}", "yaml"), ValueError),
    (one("a: {services: [{variables: {MOCKMOOV_PROT: 1}}]}", "yaml"), ValueError),
    (one("env: {MOCKMOOV_PORT: 'tcp://10.0.0.1:80'}", "yaml"), AssertionError),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_block_fails_if_it_breaks_its_promise(tmp_path: Path) -> None:
    for number, (block, error) in enumerate(WRONG):
        (folder := tmp_path / str(number)).mkdir()
        with pytest.raises(error):
            check(block, folder)
    right = [*blocks("sample.md", SAMPLE), one("$ echo one \\\n> two three\none ... three", "console")]
    assert failures(right, tmp_path / "right") == ""
