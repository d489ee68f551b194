"""What the documents show is run: owns what a comment before a code block promises.

Each block of Python, shell, TOML or YAML in README.md and docs/*.md has a comment on the line above its
fence, or with one empty line between:

`<!-- run -->`
    It is run as it stands, alone, in an empty folder. `python`: by a fresh interpreter, warnings are errors.
    `sh`: by `sh -eu`. `console`: the lines after `$ ` by `bash -euo pipefail`; the other lines are what they
    print, with `...` for any text. `toml`: it is read as the file of `mockmoov serve --config`. `yaml`: it is
    read, and what it sets of `MOCKMOOV_*` must be settings; nothing in it is started.
`<!-- run: server -->`
    The same beside a new server. `http://localhost:8080` in the block stands for its URL, which is also in
    `MOCKMOOV_URL`, so that `mockmoov token` and its like find it; `localhost:8443` and `api.moov.io:8443`
    stand for where it speaks TLS.
`<!-- run: pytest -->`
    `python` only: it is run as `test_example.py` by pytest, and passes; warnings are errors.
`<!-- run: above -->`, `<!-- run: server, above -->`
    `console` only: the folder has the block of Python above it, as `test_example.py`.
`<!-- not run: REASON -->`
    It is only read: Python, TOML and YAML must parse.
"""

import ast
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
START_SECONDS, STOP_SECONDS, RUN_SECONDS = 20, 10, 60
EXAMPLE = "test_example.py"  # what a block that pytest runs is called

FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<language>[^`]*)")
PROMISE = re.compile(r"<!-- (?:(run(?:: [a-z, ]+)?)|(not run): \S.*) -->")


class DocumentError(Exception):
    """A document breaks the rules above; the message says where and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One code block and what is promised of it; `above` is the text of the last block of Python above it."""

    place: str
    language: str
    text: str
    promise: str
    above: str = ""

    @property
    def beside(self) -> frozenset[str]:
        """What it is run beside, or by."""
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
                if "above" in block.beside and not above:
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
    """As if in the project's environment, with nothing set that configures mockmoov or pytest."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MOCKMOOV_", "PYTEST_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    # The plugin warns where nobody chooses a loop scope, as a page need not.
    pytest_options = "-p no:asyncio -p no:cacheprovider"
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": pytest_options} | variables


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a new server, which ends with 0 afterwards."""
    ready, log = folder / "ready", folder / "log"
    argv = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", "--ready-file", str(ready)]
    argv += ["--tls", "--tls-port", "0", "--tls-names", "api.moov.io"]
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=folder, env=environment(), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"no server:\n{log.read_text()}"
            time.sleep(0.02)
        yield ready.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def tls_port(log: Path) -> str:
    """The port for TLS, of the server that writes this log."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := re.search(r" and https://localhost:(\d+)\n", log.read_text())):
        assert time.monotonic() < deadline, f"no https:\n{log.read_text()}"
        time.sleep(0.02)
    return found[1]


def output_of(argv: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """What a command prints; it must end with 0."""
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
    assert ended.returncode == 0, f"ended with {ended.returncode}:\n{ended.stdout}"
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
    for variables in _environments(yaml.safe_load(text)):
        load(from_environment({name: str(value) for name, value in variables.items()}, ignored.append))
    assert not ignored


def _environments(node: object) -> Iterator[Mapping[str, object]]:
    """Every mapping under `env` or `environment`, at any depth, without what only the commands read."""
    if isinstance(node, list):
        for item in node:
            yield from _environments(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in ("env", "environment"):
                yield {key: text for key, text in value.items() if key not in COMMAND_VARIABLES}
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
    "yaml": Check(run=run_yaml, parse=yaml.safe_load, promises=("run", "not run")),
}


def check(block: Block, folder: Path) -> None:
    """Keep the promise of a block."""
    tried = CHECKS[block.language]
    tried.parse(block.text)
    if block.promise == "not run":
        return
    (place := folder / "snippet").mkdir()
    with contextlib.ExitStack() as beside:
        variables = {}
        if "server" in block.beside:
            variables["MOCKMOOV_URL"] = beside.enter_context(server(folder))
        if "above" in block.beside:
            (place / EXAMPLE).write_text(block.above)
        text = block.text.replace(SHOWN_URL, variables.get("MOCKMOOV_URL", SHOWN_URL))
        if "server" in block.beside:
            text = SHOWN_TLS.sub(rf"\1:{tls_port(folder / 'log')}", text)
        run = run_pytest if "pytest" in block.beside else tried.run
        run(text, place, variables)


# --- the documents --------------------------------------------------------------------------------


def documented() -> list[Block]:
    """Every block of every document; what breaks the rules is for the test below to say."""
    found: list[Block] = []
    for document in DOCUMENTS:
        with contextlib.suppress(DocumentError):
            found += blocks(document.relative_to(ROOT).as_posix(), document.read_text())
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_block_of_a_document_says_whether_it_is_run(document: Path) -> None:
    assert all(block.language in CHECKS for block in blocks(document.name, document.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in documented()])
def test_a_block_does_what_the_document_says(block: Block, tmp_path: Path) -> None:
    check(block, tmp_path)


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
<!-- run: server -->
```python
import os
import urllib.request
assert os.environ["MOCKMOOV_URL"] == "http://localhost:8080"
urllib.request.urlopen("http://localhost:8080/_mockmoov/health").close()
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
<!-- run: server, above -->
```console
$ pytest -q --mockmoov-url http://localhost:8080 test_example.py
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
        ("sample.md:28", "python", "run: server"),
        ("sample.md:35", "python", "run: pytest"),
        ("sample.md:40", "yaml", "run"),
        ("sample.md:47", "console", "run: above"),
        ("sample.md:53", "console", "run: server, above"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.place) for block in blocks("sample.md", SAMPLE)]
)
def test_a_block_that_keeps_its_promise_passes(block: Block, tmp_path: Path) -> None:
    check(block, tmp_path)
    assert (tmp_path / "snippet").exists() is (block.promise != "not run")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("```sh\nls\n```", "sample.md:1: the comment before it"),
        ("<!-- run -->\n\n\n```sh\nls\n```", "sample.md:4: the comment before it"),
        ("<!-- run -->\nand more\n```sh\nls\n```", "sample.md:3: the comment before it"),
        ("<!-- run: servers -->\n```sh\nls\n```", "sample.md:2: the comment before it"),
        ("<!-- not run -->\n```sh\nls\n```", "sample.md:2: the comment before it"),
        ("<!-- not run:  -->\n```sh\nls\n```", "sample.md:2: the comment before it"),
        (
            "<!-- run: config -->\n```sh\nls\n```",
            "sample.md:2: the comment before it must be one of run, run: server",
        ),
        (
            "<!-- run: server -->\n```toml\n```",
            "sample.md:2: the comment before it must be one of run, not run",
        ),
        ("<!-- run: pytest -->\n```sh\nls\n```", "sample.md:2: the comment before it"),
        ("<!-- run: above -->\n```python\n```", "sample.md:2: the comment before it"),
        ("<!-- run: above -->\n```console\n```", "sample.md:2: there is no block of Python above it"),
        ("<!-- run -->\n```yml\na: 1\n```", "sample.md:2: the language is yml, not one of"),
        ("<!-- run -->\n```bash\nls\n```", "sample.md:2: the language is bash, not one of"),
        ("```\nls\n```", "sample.md:1: the language is not given"),
        ("````text\n```\n````\n```py\n```", "sample.md:4: the language is py"),
        ("<!-- run -->\n```sh\nls\n", "sample.md:2: the block has no end"),
    ],
)
def test_a_block_that_would_escape_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=f"^{re.escape(reason)}"):
        list(blocks("sample.md", text))


PASSING = "<!-- run: pytest -->\n```python\ndef test(): pass\n```\n"


@pytest.mark.parametrize(
    ("block", "error"),
    [
        (one("raise SystemExit(3)", "python"), AssertionError),
        (one("import warnings; warnings.warn('old')", "python"), AssertionError),
        (one("in (", "python", "not run: unfinished"), SyntaxError),
        (one("false\ntrue"), AssertionError),
        (one("echo $unset"), AssertionError),
        (one("$ echo one\ntwo", "console"), AssertionError),
        (one("$ echo one\n$ echo two\none", "console"), AssertionError),
        (one("echo one", "console"), AssertionError),
        (one("port = ", "toml", "not run: unfinished"), tomllib.TOMLDecodeError),
        (one("prot = 8080", "toml", "run"), ValueError),
        (one("assert False", "python", "run: pytest"), AssertionError),
        (one("def test(): assert False", "python", "run: pytest"), AssertionError),
        (one("import warnings\ndef test(): warnings.warn('old')", "python", "run: pytest"), AssertionError),
        (one("no_test = 1", "python", "run: pytest"), AssertionError),
        (one("$ pytest -q\n1 passed", "console", "run: above", PASSING), AssertionError),
        (one("a: b: c", "yaml", "not run: unfinished"), yaml.YAMLError),
        (one("a: [{environment: {MOCKMOOV_PROT: 1}}]", "yaml"), ValueError),
        (one("env: {MOCKMOOV_PORT: 'tcp://10.0.0.1:80'}", "yaml"), AssertionError),
    ],
    ids=lambda value: f"{value.language}: {value.text.strip()}" if isinstance(value, Block) else "",
)
def test_a_block_that_breaks_its_promise_fails(block: Block, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        check(block, tmp_path)


@pytest.mark.parametrize(
    "text", ["$ echo one; echo two\none\ntwo", "$ echo one two three\none ... three", "$ echo \\\n> one\none"]
)
def test_a_console_block_shows_what_is_printed(text: str, tmp_path: Path) -> None:
    check(one(text, "console"), tmp_path)
    assert (tmp_path / "snippet").is_dir()
