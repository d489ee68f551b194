"""The house rules that a program can check: who may import whom, what a file says of itself, and its size.

Imports point inward only: shell, state, core. What each module may import is written down here; a module
without a rule, and a rule without a module, fail.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mockmoov

ROOT = Path(mockmoov.__file__).parent

# Pure functions and frozen dataclasses: no clock, no randomness, no I/O, no async.
CORE: dict[str, set[str]] = {
    "clocks": set(),
    "comparing": set(),
    "encoding": set(),
    "errors": set(),
    "limits": set(),
    "records": set(),
    "wording": set(),
    "messages": {"records"},
    "scopes": {"errors", "wording"},
    "operations": {"scopes"},
    "origins": {"messages"},
    "hosts": {"origins"},
    "parsing": {"errors", "messages", "records"},
    "grants": {"errors", "messages", "records", "scopes"},
    "keys": {"encoding", "records"},
    "tokens": {"encoding", "keys", "records"},
    "contracts": {"encoding", "errors", "messages"},
    "routing": {"contracts", "messages", "wording"},
    "api_keys": {"errors", "grants", "origins", "records", "scopes", "wording"},
    "defects": {"encoding", "keys", "records", "tokens"},
    "faults": {"messages"},
    "disturbance": {"contracts", "encoding", "faults", "messages"},
    "forwarding": {"contracts", "messages"},
    "journal": {"clocks", "records"},
    "redaction": {"errors", "messages", "origins", "scopes", "tokens"},
}
# Bytes under keys, and records in them.
STATE: dict[str, set[str]] = {
    "stores": set(),
    "stores.log": {"stores"},
    "stores.memory": {"stores", "stores.log"},
    "repository": {"encoding", "grants", "limits", "records", "stores"},
    "conditions": {"clocks", "encoding", "faults", "records", "repository", "stores"},
}
# Everything that has a clock, a socket or a command line.
SHELL: dict[str, set[str]] = {
    "values": {"api_keys", "contracts", "origins", "records", "wording"},
    "settings": {"api_keys", "origins", "records", "scopes", "values", "wording"},
    "sources": {"settings"},
    "issuing": {"grants", "messages", "records", "repository", "scopes", "tokens"},
    "inspection": {"errors", "records", "repository", "tokens"},
    "minting": {"defects", "errors", "records", "repository", "scopes", "tokens"},
    "calls": {
        "conditions", "contracts", "errors", "faults", "grants", "messages", "parsing", "records",
        "redaction",
    },
    "endpoints": {
        "calls", "contracts", "errors", "grants", "inspection", "issuing", "messages", "operations",
        "origins", "parsing", "records", "repository", "scopes", "tokens",
    },
    "dispatch": {"calls", "contracts", "endpoints", "operations", "routing"},
    "server": {
        "calls", "clocks", "conditions", "contracts", "dispatch", "disturbance", "endpoints", "errors",
        "grants", "inspection", "issuing", "messages", "origins", "parsing", "records", "redaction",
        "repository", "scopes", "settings", "tokens",
    },
    "discovery": {
        "contracts", "errors", "grants", "keys", "messages", "parsing", "records", "routing", "scopes",
        "server",
    },
    "delivery": {"connection", "messages"},
    "gateway": {"contracts", "delivery", "forwarding", "messages"},
    "cors": {"contracts", "messages", "origins"},
    "proxies": {"hosts"},
    "app": {
        "contracts", "control", "cors", "delivery", "disturbance", "gateway", "hosts", "messages",
        "proxies", "redaction", "server", "settings",
    },
    "handshakes": set(),
    "serve": {"connection", "handshakes"},
    "tls": {"settings"},
    "places": {"control", "serve", "settings", "tls"},
    "connection": set(),
    "bootstrap": {"conditions", "keys", "repository", "server", "settings", "stores.memory"},
    "asking": {"client", "settings", "sources"},
    "cli": {
        "", "api_keys", "app", "asking", "bootstrap", "control", "places", "scopes", "serve", "settings",
        "sources", "verify.command",
    },
    "__main__": {"cli"},
    "": {"double"},
}  # fmt: skip
# The control plane: a resource a file; only `plane` knows them all, and only `guard` who may come.
CONTROL: dict[str, set[str]] = {
    "control": {"control.guard", "control.plane"},
    "control.inputs": {"clocks", "encoding", "errors", "messages", "wording"},
    "control.asked": {"control.inputs", "messages", "records", "repository"},
    "control.guard": {"contracts", "hosts", "messages", "origins", "settings"},
    "control.api_keys": {"api_keys", "control.asked", "errors", "records", "scopes", "server"},
    "control.clock": {"clocks", "conditions", "control.asked", "control.inputs", "errors", "server"},
    "control.exchanges": {
        "conditions", "control.asked", "control.inputs", "grants", "journal", "messages", "records", "server",
    },
    "control.faults": {
        "control.asked", "control.inputs", "disturbance", "errors", "faults", "grants", "server",
    },
    "control.tokens": {
        "control.asked", "control.inputs", "defects", "errors", "keys", "minting", "records", "server",
    },
    "control.whole": {"control.asked", "server", "settings"},
    "control.plane": {
        "clocks", "contracts", "control.api_keys", "control.asked", "control.clock", "control.exchanges",
        "control.faults", "control.guard", "control.inputs", "control.tokens", "control.whole", "discovery",
        "encoding", "errors", "messages", "routing", "server",
    },
}  # fmt: skip
# What a test has in its hands: the handle and the plugin.
DOUBLE: dict[str, set[str]] = {
    "double": {
        "double.handles", "double.moov", "double.transport", "faults", "records", "serve", "settings",
    },
    "double.arguments": set(),
    "double.environment": set(),
    "double.transport": {"contracts", "control", "control.guard", "encoding", "messages"},
    "double.handles": {
        "control.exchanges", "double.arguments", "double.transport", "faults", "journal", "records",
    },
    "double.moov": {
        "app", "bootstrap", "control", "double.arguments", "double.environment", "double.handles",
        "double.transport", "places", "serve", "server", "settings",
    },
    "asgi": {
        "calls", "delivery", "disturbance", "double", "endpoints", "messages", "operations", "scopes",
        "server",
    },
    "double.refusals": set(),
    "double.wishes": {"double.arguments", "wording"},
    "double.reports": {"double.moov", "double.transport", "faults", "journal"},
    "pytest_plugin": {
        "client", "comparing", "double", "double.refusals", "double.reports", "double.wishes",
    },
}  # fmt: skip
# The conforming client: it knows no other module of ours, and only those that offer it know it.
CLIENT: dict[str, set[str]] = {
    "client": {
        "client.auth", "client.clients", "client.errors", "client.flows", "client.retry", "client.tokens",
    },
    "client.errors": set(),
    "client.text": set(),
    "client.tokens": {"client.errors", "client.text"},
    "client.answers": {"client.errors", "client.text", "client.tokens"},
    "client.retry": {"client.errors"},
    "client.flows": {"client.answers", "client.errors", "client.retry", "client.text", "client.tokens"},
    "client.drivers": {"client.answers", "client.flows", "client.retry"},
    "client.clients": {"client.drivers", "client.flows", "client.tokens"},
    "client.auth": {"client.clients", "client.drivers", "client.flows", "client.tokens"},
}  # fmt: skip
# The contract suite: it knows the client and no other module of ours, and only the command line knows it.
VERIFY: dict[str, set[str]] = {
    "verify": set(),
    "verify.outcomes": set(),
    "verify.readings": set(),
    "verify.hidden": set(),
    "verify.transport": set(),
    "verify.target": {"verify.outcomes"},
    "verify.wire": {"verify.outcomes"},
    "verify.jws": {"verify.outcomes"},
    "verify.answers": {"verify.outcomes", "verify.readings"},
    "verify.curl": {"verify.hidden", "verify.wire"},
    "verify.drawing": {"verify.outcomes"},
    "verify.plane": {"verify.hidden", "verify.outcomes", "verify.target", "verify.wire"},
    "verify.kit": {"verify.answers", "verify.hidden", "verify.plane", "verify.target", "verify.wire"},
    "verify.asking": {
        "verify.answers", "verify.hidden", "verify.kit", "verify.outcomes", "verify.readings",
        "verify.target",
    },
    "verify.probe": {
        "client", "verify.answers", "verify.asking", "verify.curl", "verify.drawing", "verify.kit",
        "verify.outcomes", "verify.plane", "verify.readings", "verify.target",
    },
    "verify.registry": {"verify.probe", "verify.readings"},
    "verify.rules.claims": {
        "verify.answers", "verify.jws", "verify.outcomes", "verify.probe", "verify.readings",
        "verify.registry",
    },
    "verify.rules.client": {"verify.answers", "verify.hidden", "verify.probe", "verify.registry"},
    "verify.rules.conforming": {
        "client", "verify.answers", "verify.outcomes", "verify.probe", "verify.readings",
        "verify.registry",
    },
    "verify.rules.disturbed": {"verify.answers", "verify.probe", "verify.registry"},
    "verify.rules.extensions": {
        "verify.answers", "verify.jws", "verify.outcomes", "verify.probe", "verify.registry",
    },
    "verify.rules.grants": {
        "verify.answers", "verify.outcomes", "verify.probe", "verify.readings", "verify.registry",
        "verify.target",
    },
    "verify.rules.origins": {"verify.answers", "verify.jws", "verify.probe", "verify.registry"},
    "verify.rules.refreshing": {
        "verify.answers", "verify.probe", "verify.readings", "verify.registry", "verify.target",
    },
    "verify.rules.requests": {"verify.kit", "verify.probe", "verify.registry"},
    "verify.rules.revoking": {"verify.answers", "verify.kit", "verify.probe", "verify.registry"},
    "verify.rules.rotation": {"verify.answers", "verify.kit", "verify.probe", "verify.registry"},
    "verify.rules.spending": {
        "verify.answers", "verify.jws", "verify.kit", "verify.probe", "verify.registry",
        "verify.target",
    },
    "verify.rules.success": {
        "verify.answers", "verify.kit", "verify.outcomes", "verify.probe", "verify.readings",
        "verify.registry",
    },
    "verify.rules.unknowns": {"verify.probe", "verify.readings", "verify.registry"},
    "verify.rules.verdicts": {"verify.answers", "verify.kit", "verify.probe", "verify.registry"},
    "verify.rules.versions": {
        "verify.answers", "verify.kit", "verify.probe", "verify.readings", "verify.registry",
    },
    "verify.rules": {
        "verify.registry", "verify.rules.claims", "verify.rules.client", "verify.rules.conforming",
        "verify.rules.disturbed", "verify.rules.extensions", "verify.rules.grants",
        "verify.rules.origins", "verify.rules.refreshing", "verify.rules.requests",
        "verify.rules.revoking", "verify.rules.rotation", "verify.rules.spending",
        "verify.rules.success", "verify.rules.unknowns", "verify.rules.verdicts",
        "verify.rules.versions",
    },
    "verify.session": {
        "verify.answers", "verify.curl", "verify.hidden", "verify.jws", "verify.kit",
        "verify.outcomes", "verify.plane", "verify.probe", "verify.readings", "verify.registry",
        "verify.target", "verify.wire",
    },
    "verify.suite": {
        "verify.outcomes", "verify.readings", "verify.registry", "verify.rules", "verify.session",
    },
    "verify.reports": {"verify.outcomes", "verify.suite"},
    "verify.display": {"verify.outcomes", "verify.reports", "verify.suite"},
    "verify.running": {
        "verify.display", "verify.outcomes", "verify.readings", "verify.registry", "verify.reports",
        "verify.rules", "verify.session", "verify.suite", "verify.target", "verify.transport",
        "verify.wire",
    },
    "verify.command": {"verify.running"},
}  # fmt: skip
RULES = {**CORE, **STATE, **SHELL, **CONTROL, **DOUBLE, **CLIENT, **VERIFY}

RINGS = (CORE, STATE, {**SHELL, **CONTROL, **DOUBLE})
IMPURE = {
    "asyncio", "concurrent", "datetime", "logging", "os", "random", "secrets", "select", "selectors",
    "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
# The only modules of the core and of the state with more than the standard library and msgspec, of which
# records, messages and their JSON are made.
FOREIGN = {"keys": {"cryptography", "jwt"}, "tokens": {"jwt"}}
# Which contract a request gets is asked for here and nowhere else.
CHOOSERS = {"server": {"select_contract", "contract_named"}, "values": {"contract_named"}}
VERSION_NAMES = {"select_contract", "contract_named", "CONTRACT_2023", "CONTRACT_2023_SDK", "CONTRACT_DATED"}
KNOW_THE_CLIENT = {"asking", "pytest_plugin", "verify.probe", "verify.rules.conforming"}
# Packages that only say what they offer; every other module says what it owns.
FACADES = {"", "client", "control", "double", "verify", "verify.rules"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_bytes()) for name, path in FILES.items()}
each_module = pytest.mark.parametrize("module", FILES, ids=lambda name: name or "mockmoov")


def imports(module: str) -> Iterator[str]:
    """Every import, those in functions included, as a dotted name."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"mockmoov.{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    """The mockmoov modules that a module imports; `from mockmoov import __version__` is the package, ''."""
    found = set()
    for name in imports(module):
        package, *rest = name.split(".")
        if package == "mockmoov":
            while rest and ".".join(rest) not in FILES:
                rest.pop()
            found.add(".".join(rest))
    return found


def foreign_imports(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(module)} - {"mockmoov"}


def test_there_is_a_rule_for_each_module_and_a_module_for_each_rule() -> None:
    assert sorted(RULES) == sorted(FILES)


@each_module
def test_a_module_imports_only_what_its_rule_allows(module: str) -> None:
    assert own_imports(module) <= RULES[module]


@each_module
def test_no_rule_allows_more_than_is_imported(module: str) -> None:
    assert RULES[module] <= own_imports(module)


def test_imports_point_inward_only() -> None:
    inner: set[str] = set()
    for ring in RINGS:
        inner |= set(ring)
        for module, allowed in ring.items():
            assert allowed - {"client", "verify.command"} <= inner, module


def test_no_module_imports_itself_by_way_of_others() -> None:
    order: list[str] = []
    while len(order) < len(RULES):
        ready = [name for name in RULES if name not in order and RULES[name] <= set(order)]
        assert ready, sorted(set(RULES) - set(order))
        order += ready


@pytest.mark.parametrize("module", CORE)
def test_the_core_has_no_clock_no_randomness_no_input_or_output_and_nothing_asynchronous(module: str) -> None:
    assert not foreign_imports(module) & IMPURE
    for node in ast.walk(TREES[module]):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("module", [*CORE, *STATE])
def test_core_and_state_need_little_more_than_the_standard_library(module: str) -> None:
    assert foreign_imports(module) - sys.stdlib_module_names - {"msgspec"} == FOREIGN.get(module, set())


@pytest.mark.parametrize("module", sorted(set(RULES) - {"keys", "tokens", "verify.rules.extensions"}))
def test_only_keys_tokens_and_the_suite_import_the_jose_library(module: str) -> None:
    assert not foreign_imports(module) & {"jwt", "cryptography"}


@pytest.mark.parametrize("module", CLIENT)
def test_the_client_knows_no_other_module_of_ours(module: str) -> None:
    assert own_imports(module) <= set(CLIENT)


@pytest.mark.parametrize("module", VERIFY)
def test_the_contract_suite_knows_no_module_of_the_server(module: str) -> None:
    assert own_imports(module) <= {*VERIFY, "client"}


@pytest.mark.parametrize("module", sorted(set(RULES) - set(VERIFY) - {"cli"}))
def test_only_the_command_line_knows_the_contract_suite(module: str) -> None:
    assert not own_imports(module) & set(VERIFY)


def test_the_command_line_pays_for_the_contract_suite_only_where_it_is_run() -> None:
    top = {node.module for node in TREES["verify.command"].body if isinstance(node, ast.ImportFrom)}
    assert top <= {"pathlib", "typing"}
    assert not TREES["verify"].body[1:]


@pytest.mark.parametrize("module", sorted(set(RULES) - set(CLIENT) - KNOW_THE_CLIENT))
def test_only_what_needs_a_client_knows_it(module: str) -> None:
    assert not own_imports(module) & set(CLIENT)


@pytest.mark.parametrize("module", sorted(set(RULES) - {"contracts"}))
def test_only_contracts_knows_that_versions_exist(module: str) -> None:
    used = {
        name
        for node in ast.walk(TREES[module])
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else [node.attr]
            if isinstance(node, ast.Attribute)
            else []
        )
    }
    assert used & VERSION_NAMES <= CHOOSERS.get(module, set())


@each_module
def test_nothing_compares_contracts(module: str) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Compare | ast.MatchValue):
            compared = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
            assert not compared & {"2023", "2023-sdk", "dated", "latest"}
            assert not any(
                isinstance(part, ast.Attribute | ast.Name)
                and (part.attr if isinstance(part, ast.Attribute) else part.id).startswith("CONTRACT_")
                for part in ast.walk(node)
            )


@each_module
def test_a_file_says_what_it_owns_and_what_it_must_not_know(module: str) -> None:
    docstring = ast.get_docstring(TREES[module]) or ""
    if module in FACADES:
        assert docstring
    else:
        assert docstring.startswith("Owns ")
        assert "ust not know" in docstring


@each_module
def test_a_file_has_at_most_250_lines_and_a_function_50(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 250
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, node.name
