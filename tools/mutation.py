"""Breaks the package in a thousand small ways and sees whether its own tests notice.

Run as `python -m tools.mutation [part]`, where a part is one of those in `PARTS`: a few minutes for the core,
half an hour for each of the others. It works in a copy of the tree, runs each mutant against the tests of
that part and no others, and writes a report in reports/. It fails below the target, and on a survivor of the
core that has no reason here.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Modules that are mutated together, and the tests that should notice; `target` in per cent."""

    name: str
    title: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    target: int
    explained: bool

    @property
    def report(self) -> str:
        """Where the report goes."""
        return f"reports/mutation-{self.name}.md"

    def files(self) -> dict[str, str]:
        """The modules and their files."""
        package = ROOT / "mockmoov"
        patterns = [f"{module.replace('.', '/')}.py" for module in self.modules]
        found = sorted(path.relative_to(package) for each in patterns for path in package.glob(each))
        return {
            ".".join(path.with_suffix("").parts): f"mockmoov/{path}"
            for path in found
            if path.name != "__init__.py"
        }


PARTS = {
    part.name: part
    for part in (
        Part(
            name="pure",
            title="the pure layers",
            modules=("oauth.*", "simulation.*", "server.hosts", "server.routing"),
            tests=(
                "unit/oauth/*.py",
                "unit/simulation/*.py",
                "unit/server/test_hosts.py",
                "unit/server/test_routing.py",
            ),
            target=97,
            explained=True,
        ),
        Part(
            name="control",
            title="the control plane",
            modules=("control_plane.*",),
            tests=("unit/control_plane/*.py", "unit/storage/test_simulation.py"),
            target=85,
            explained=False,
        ),
        Part(
            name="double",
            title="MockMoov and its handles",
            modules=("testing.*",),
            tests=("unit/testing/*.py", "unit/control_plane/*.py", "unit/storage/test_simulation.py"),
            target=85,
            explained=False,
        ),
    )
}
KILLED = {1, 3}  # exit codes of pytest: a test failed, or pytest itself was broken by the mutant
TIMED_OUT = {24, -24, 36, 152, 255}

# The same examples each time and no search for the smallest one: that something failed is enough. And no
# answer from a cache that was filled before the mistake was made, as mutants are forks of a run without one.
CONFTEST = """\
import sys

from hypothesis import Phase, settings

phases = [Phase.explicit, Phase.generate]
settings.register_profile(
    "mutation", derandomize=True, database=None, deadline=None, max_examples=50, phases=phases
)
settings.load_profile("mutation")


def pytest_runtestloop():
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("mockmoov.")]
    for cached in [value for names in ours for value in names.values() if hasattr(value, "cache_clear")]:
        cached.cache_clear()
"""
CONFIGURATION = """\
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]

[tool.mutmut]
source_paths = ["mockmoov"]
only_mutate = {only_mutate}
also_copy = ["fixtures"]
pytest_add_cli_args_test_selection = ["tests"]
timeout_constant = 10.0
use_git_change_detection = false
"""

# Why a mutant survives: by function, and by what the mutated line has in it.
SAME_CHARACTER = "the escape of a printable character is that character"
SAME_ENCODING = "another spelling of the same encoding"
REASONS = {
    ("oauth.errors.printable", '"XX XX" <= c'): SAME_CHARACTER,
    ("oauth.errors.printable", '" " < c'): SAME_CHARACTER,
    ("oauth.errors.printable", 'c < "~"'): SAME_CHARACTER,
    ("oauth.errors.printable", "len(text) < limit and text"): "a text of that length is left as it is anyway",
    ("oauth.errors.printable", "len(text) < limit else"): "an escape makes a text of that length too long",
    ("oauth.encoding.decode", "+len(text) % 4"): "the standard library's decoder ignores padding in excess",
    ("oauth.requests._query_names", "LATIN-1"): SAME_ENCODING,
    ("oauth.requests._raw_and_decoded", "None"): "Basic credentials are remembered from before the mutation",
    ("oauth.signing_keys._derive", "bytes(33)"): "HMAC pads a key with zeros anyway (RFC 2104 §2)",
    ("oauth.signing_keys._derive", "SHA256"): "another spelling of the same algorithm",
    ("oauth.tokens.verify", "rpartition"): "the text has exactly one full stop by then",
    ("oauth.tokens.verified_access_token", "or True"): "a longer token is refused by what follows, too",
    ("oauth.requests._form_text", "UTF-8"): SAME_ENCODING,
    ("oauth.requests._form_text", "or True"): "decoding a text without escapes changes nothing",
    ("oauth.requests._parse_json", "cast("): "only the type checker reads it",
    ("oauth.grants._same", "UTF-8"): SAME_ENCODING,
    ("oauth.fields.require_known", "_OTHER_NAMES.get(name, "): "nothing is called that either",
    ("server.routing._walk", "zip(node.names, values, "): "there are as many names as values",
    ("oauth.fields.parse_as", "cast("): "only the type checker reads it",
    ("oauth.requests.has_json_body", '("XXXX",)'): "that is neither a type nor a length",
    ("oauth.requests.has_json_body", "length[:19]"): "a length of so many digits is above any limit",
    ("simulation.journal._facts", "endpoint=None"): "the query compares the endpoint itself",
    ("simulation.journal.format_line", "XX./:XX"): "an X needs no escape",
    ("simulation.matching.json_mismatches", "zip(expected, actual, "): "the lengths were compared before",
    ("oauth.token_defects._hs256", "'SHA256'"): "another spelling of the same hash",
    (
        "oauth.signing_keys._derive",
        "HKDF(SHA256(), 32, info=info)",
    ): "no salt is what the library takes if none is given",
    ("oauth.tokens._bounded_int", "raise ValueError("): "its text goes nowhere: the token is just unknown",
    ("oauth.tokens.fingerprint", "UTF-8"): SAME_ENCODING,
    ("oauth.tokens.read_refresh_token", "text.rpartition"): "the text has exactly one full stop by then",
    ("oauth.contracts.select_contract", '("XXXX",)'): "no pinned client is called that either",
    ("oauth.contracts.Contract.error_format", 'or "XXXX"'): "no parameter is called that either",
    ("oauth.origins._referer_origin", '"XXXX"'): "it names no origin either",
    ("oauth.suggestions.nearest", '"XXXX".join'): "there is at most one to join",
    (
        "oauth.suggestions.nearest",
        "name[:101]",
    ): "the bound is there for the cost, and one character more costs nothing",
    ("oauth.api_keys._uuid", '"XXXX"'): "it is no UUID either",
    ("simulation.faults.is_success", "or 201"): "it is a success, too",
    ("oauth.signing_keys.private_key_from_file", "raise ValueError("): "its text goes nowhere",
    ("simulation.faults._draw", "from_bytes(digest, )"): "big is the default",
    ("server.hosts._names_address", '"XX[]XX"'): "no address has an X",
    ("server.routing.Routes._near", "or True"): "the bound is there for the cost only",
    ("server.routing.Routes._near", "< _LONGEST"): "one character less costs nothing",
    ("simulation.redaction.short_hash", "UTF-8"): SAME_ENCODING,
    ("simulation.fault_effects.apply_to_response", '"CONTENT-TYPE"'): "names of headers go out in lower case",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One small change to one function, and how pytest ended on it."""

    name: str
    module: str
    exit_code: int | None

    @property
    def killed(self) -> bool:
        """Whether a test noticed; a mutant that never ends is noticed, too."""
        return self.exit_code in KILLED | TIMED_OUT

    @property
    def function(self) -> str:
        """The changed function as `module.function` or `module.Class.method`."""
        mangled = self.name.rpartition(".")[2].rpartition("__mutmut_")[0]
        return f"{self.module}." + re.sub("^x_?", "", mangled.replace("ǁ", ".")).lstrip(".")


def main() -> int:
    """Run the mutants of the parts that are named, or of all; 1 if one of them is not good enough."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}")
    named = parser.parse_args().parts
    if unknown := set(named) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    return max([run(PARTS[name]) for name in named or PARTS])


def run(part: Part) -> int:
    """Run the mutants of a part, write its report, and say whether it is good enough."""
    with TemporaryDirectory() as directory:
        tree = Path(directory)
        copy(part, tree)
        mutmut(tree, "run", "--max-children", str(os.cpu_count() or 1))
        mutants = list(read_mutants(part, tree))
        survivors = [(mutant, *changed_lines(tree, mutant)) for mutant in mutants if not mutant.killed]
    rows = [
        (mutant.function, before, after, why(mutant.function, after)) for mutant, before, after in survivors
    ]
    (ROOT / part.report).write_text(report(part, mutants, rows), encoding="utf-8")
    unexplained = [row for row in rows if not row[3]] if part.explained else []
    for function, before, after, _ in unexplained:
        print(f"survived: {function}\n  - {before}\n  + {after}")
    print(f"{part.name}: {percentage(mutants):.1f} % of {len(mutants)} mutants killed; see {part.report}")
    return 1 if unexplained or percentage(mutants) < part.target else 0


def copy(part: Part, tree: Path) -> None:
    """What a run needs: the package, the tests of the part, and settings for both tools."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mockmoov", tree / "mockmoov", ignore=ignored)
    shutil.copytree(ROOT / "fixtures", tree / "fixtures", ignore=ignored)
    shutil.copytree(ROOT / "tests" / "support", tree / "tests" / "support", ignore=ignored)
    for pattern in part.tests:
        for path in (ROOT / "tests").glob(pattern):
            target = tree / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    (tree / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    configuration = CONFIGURATION.format(only_mutate=json.dumps([*part.files().values()]))
    (tree / "pyproject.toml").write_text(configuration, encoding="utf-8")


def mutmut(tree: Path, *arguments: str) -> str:
    """The output of one mutmut command; a failure ends the program."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"mutmut {arguments[0]} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def read_mutants(part: Part, tree: Path) -> Iterator[Mutant]:
    """Every mutant that was run, from mutmut's own records."""
    for module, file in part.files().items():
        record = tree / "mutants" / f"{file}.meta"
        if record.exists():  # a module without functions has no mutants
            for name, exit_code in json.loads(record.read_bytes())["exit_code_by_key"].items():
                yield Mutant(name=name, module=module, exit_code=exit_code)


def changed_lines(tree: Path, mutant: Mutant) -> tuple[str, str]:
    """The line as it is and as the mutant has it."""
    lines = mutmut(tree, "show", mutant.name).splitlines()
    before, after = (
        " ".join(line[1:].strip() for line in lines if line[:1] == sign and line[:3] != sign * 3)
        for sign in "-+"
    )
    return before, after


def why(function: str, after: str) -> str:
    """The reason for a survivor, or nothing."""
    return next(
        (reason for (name, part), reason in REASONS.items() if name == function and part in after), ""
    )


def percentage(mutants: Sequence[Mutant]) -> float:
    """How many of a hundred mutants were killed."""
    return 100 * sum(mutant.killed for mutant in mutants) / len(mutants)


def report(part: Part, mutants: Sequence[Mutant], survivors: Sequence[tuple[str, str, str, str]]) -> str:
    """The report as Markdown."""
    by_module = {module: [mutant for mutant in mutants if mutant.module == module] for module in part.files()}
    table = [
        f"| `{module}` | {len(own)} | {sum(mutant.killed for mutant in own)} | {percentage(own):.1f} % |"
        for module, own in by_module.items()
        if own
    ]
    listed = [
        f"- `{function}`: `{before}` became `{after}`{f': {reason}' if reason else ''}."
        for function, before, after, reason in survivors
    ]
    killed = sum(mutant.killed for mutant in mutants)
    return f"""# How well the tests of {part.title} notice mistakes

Written by `python -m tools.mutation {part.name}` on {datetime.now(UTC):%Y-%m-%d}, with mutmut \
{version("mutmut")}, pytest {version("pytest")} and Hypothesis {version("hypothesis")} on Python \
{sys.version.split()[0]}.

**{killed} of {len(mutants)} mutants killed: {percentage(mutants):.1f} %.** \
A mutant is the package with one small mistake in one function; it is killed if one of the tests of \
{part.title} fails. Only those are run against it; all the others would notice more. mutmut changes \
the bodies of functions without a decorator: tables, patterns and cached functions are tested, but not \
counted here.

| module | mutants | killed | |
|---|--:|--:|--:|
{chr(10).join(table)}

## Survivors{", and why" if part.explained else ""}

{chr(10).join(listed) or "None."}
"""


if __name__ == "__main__":
    sys.exit(main())
