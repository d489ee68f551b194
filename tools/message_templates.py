"""Collects the templates of mockmoov's messages from its source: reasons, and errors of the start.

A template is a text with a name in braces for each part that varies: `scope {scope} is not known`. The tables
say which calls make a message. Their arguments are followed through variables, parameters, constants and the
functions that return parts of a text. A hint at the end of a message, such as "did you mean ...?", isn't part
of its template; it has one itself.
"""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

ROOT = Path(__file__).parents[1]
_PACKAGE = "mockmoov"
# Folders and files of the package: not the client, `verify`, the handles, the plugin and other commands.
_SOURCES = (
    *("oauth", "simulation", "openapi", "storage", "config", "server", "control_plane", "web"),
    *("asgi.py", "cli/serve.py", "cli/run.py", "cli/options.py"),
)
# What makes a message, and which argument is its text.
_MAKERS: Mapping[str, int] = {
    **dict.fromkeys(("invalid_request", "invalid_client", "invalid_grant", "invalid_scope"), 0),
    **dict.fromkeys(("ExpiredTokenError", "ValueError", "InvalidValueError", "UnknownKeyError"), 0),
    **dict.fromkeys(("ApiKeyConflictError", "DescriptionError", "LifespanError", "ApplicationError"), 0),
    **dict.fromkeys(("SettingsError", "StartError", "BindError", "StoreError", "SchemaVersionError"), 0),
    **dict.fromkeys(("UnusableStoreError", "UnreachableError", "UnknownScriptError"), 0),
    **dict.fromkeys(("kind", "wrong", "_UnreadableError", "__init__"), 0),
    **dict.fromkeys(("OAuthError", "FieldError", "ResourceError", "NoExampleError", "render_error"), 1),
    **dict.fromkeys(("HTTPException", "fail", "_reject"), 1),
    "close_connection": 2,
}
# Errors that tell a program's author of a mistake, or that nobody reads: their texts aren't collected.
_OF_PROGRAMS = ("BrokenPipeError", "ConnectionResetError", "RuntimeError", "TypeError")
# Texts that no maker gets as an argument: what a function returns or yields, or a constant has in it.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "cli/serve.py": ("_exposure_warning",),
    "config/parsers.py": (
        *("_URL_ADVICE", "_NAME_ADVICE", "_ORIGIN_ADVICE", "_CERTIFICATE_ADVICE", "_HOST_ADVICE"),
    ),
    "config/stores.py": ("_STORE_ADVICE", "_STORE_PATH_ADVICE"),
    "config/settings.py": ("_conflicts", "_useless"),
    "oauth/contracts.py": ("CONTRACT_DATED.expiry_hint",),
    "oauth/fields.py": ("_describe",),
    "oauth/hints.py": (
        *("odd_value", "similar_secret", "missing_parameter_hint", "grant_type_hint", "json_hint"),
        *(
            "basic_for_bearer_hint",
            "version_hint",
            "basic_hint",
            "media_type_hint",
            "query_token_hint",
            "_ODDITIES",
        ),
    ),
    "oauth/operations.py": ("_missing_reason",),
    "oauth/scopes.py": ("_advice",),
    "oauth/suggestions.py": ("nearest",),
    "openapi/examples.py": ("_EXAMPLE", "_INSTANCE", "_REPLACED"),
    "storage/redis_server.py": ("_REASONS", "_describe"),
    "server/routing.py": ("_OTHER_PATHS", "_hint"),
    "server/starting.py": ("restart_advice",),
    "simulation/fault_effects.py": ("invalid_member",),
    "simulation/stubs.py": ("miss_reason", "_describe"),
    "web/cors.py": ("refusal",),
    "web/lifespan.py": ("_ask",),
}
# Methods of other objects whose text is a part of a message, and the module that has them. Functions and
# methods of the same object are found without this table, unless their text is only a value (`_VALUES`).
_PARTS: Mapping[str, str] = {
    "hosts.rejection_reason": "server/hosts.py",
    "rejection_reason": "oauth/records.py",
    "why_not_refresh_token": "server/validation.py",
    "consume_refresh_token": "storage/repository.py",
}
_VALUES = r"_?(?:quote|show|summarize|describe|name|network|misplaced|masked|unknown_scope|oddity).*"
# Parameters and attributes that carry a part of a message from where they are set.
_PARAMETERS = ("reason", "why", "problem", "expected")
_ATTRIBUTES = ("advice", "absent", "loopback", "_ending", "why_unknown")
# What ends a message as a hint: functions, variables and attributes.
_HINTS = (
    *("nearest", "did_you_mean", "suggest_endpoint", "_hint", "_advice", "restart_advice"),
    *("odd_value", "similar_secret", "missing_parameter_hint", "grant_type_hint", "basic_for_bearer_hint"),
    *("version_hint", "json_hint", "basic_hint", "media_type_hint", "query_token_hint", "advice_for"),
)
_SAME = ("str", "printable", "quote", "repr")  # functions that return their argument, more or less
# Better names for the parts that vary, where the code calls them otherwise.
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("strerror", "lower", "context"), "error"),
    **dict.fromkeys(("quote_scope", "unknown_scope"), "scope"),
    **dict.fromkeys(("describe", "set_by"), "setting"),
    **dict.fromkeys(("misplaced_setting", "masked_condition", "missing"), "name"),
    "ENDPOINTS": "endpoint",
    "contents": "member",
    "decode": "version",
    "formatdate": "date",
    "geteuid": "user",
    "join": "list",
    "len": "number",
    "network_file_system": "kind",
    "next": "path",
    "quote_host": "host",
    "removeprefix": "type",
    "show": "origin",
    "show_origin": "origin",
    "spell": "name",
    "stub_miss": "why",
    "summarize_scopes": "scopes",
    "title": "scheme",
}
_HEADER = "REASON_HEADER"
_UNNAMED, _HINT = "{\0}", "{hint}"
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_LONGEST_CHAIN: Final = 20  # steps from one expression to another
_FEWEST_LETTERS: Final = 4  # of a template, apart from the parts that vary


def collect() -> dict[str, str]:
    """Every template, and where it is made: a file and a line."""
    modules = _Modules()
    found: dict[str, str] = {}
    for module in modules:
        for node, raw in module.messages():
            text = _tidy(raw)
            if len(re.sub(r"\{\w*\}|[^A-Za-z]", "", text)) >= _FEWEST_LETTERS:
                found.setdefault(text, module.place_of(node))
    return found


def _tidy(text: str) -> str:
    """The text without a hint at its end, with one pair of braces around each name."""
    plain = text.replace("{{", "{").replace("}}", "}").replace(_UNNAMED, "{number}")
    return re.sub(r"\\1", "{name}", plain.removesuffix(_HINT))  # of an advice: a group of its expression


def unknown_errors() -> dict[str, str]:
    """What makes an error that is raised, without being in a table here, and where that is."""
    known = {*_MAKERS, *_OF_PROGRAMS}
    raised = ((name, place) for module in _Modules() for name, place in module.raised())
    return {name: place for name, place in raised if name not in known}


def stale_rows() -> list[str]:
    """The names in the tables here that the source doesn't have any more."""
    used = {name for module in _Modules() for name in module.names}
    tables = (_MAKERS, _OF_PROGRAMS, _PARTS, _PARAMETERS, _ATTRIBUTES, _HINTS, _SAME)
    rows = [name.rpartition(".")[2] for table in tables for name in table]
    rows += [name.partition(".")[0] for names in _OTHERS.values() for name in names]
    return sorted(set(rows) - used)


class _Modules:
    """The modules that are read, by path in the package."""

    def __init__(self) -> None:
        package = ROOT / _PACKAGE
        files = [file for name in _SOURCES for file in sorted(_python_files(package / name))]
        self._by_path = {str(file.relative_to(package)): _Module(self, file) for file in files}

    def __iter__(self) -> Iterator["_Module"]:
        return iter(self._by_path.values())

    def __getitem__(self, path: str) -> "_Module":
        return self._by_path[path]

    def of(self, value: Any) -> "_Module | None":
        """The module that defines a function."""
        name = str(getattr(value, "__module__", "")).removeprefix(f"{_PACKAGE}.")
        return self._by_path.get(f"{name.replace('.', '/')}.py")


def _python_files(place: Path) -> Iterable[Path]:
    return place.glob("*.py") if place.is_dir() else (place,)


class _Module:
    """One module: its syntax tree, and what it contains once it is imported."""

    def __init__(self, modules: _Modules, file: Path) -> None:
        self.path = str(file.relative_to(ROOT / _PACKAGE))
        self._modules = modules
        self._tree = ast.parse(file.read_bytes())
        self._nodes = list(ast.walk(self._tree))
        self._values = vars(importlib.import_module(f"{_PACKAGE}.{self.path[:-3].replace('/', '.')}"))
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def _functions(self) -> Mapping[str, _Function]:
        return {node.name: node for node in self._nodes if isinstance(node, _Function)}

    @property
    def names(self) -> set[str]:
        """Every name in the source: of functions, parameters, variables, attributes."""
        defined = {node.name for node in self._nodes if isinstance(node, _Function)}
        parameters = {node.arg for node in self._nodes if isinstance(node, ast.arg)}
        return {*map(_name, self._nodes), *defined, *parameters}

    def messages(self) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        """Each text of a message, and where it is."""
        for call in self._calls():
            index = _MAKERS.get(_name(call.func))
            if index is not None and len(call.args) > index:
                yield from ((call, text) for text in self._texts(call.args[index]))
        for node, value in self._set_reasons():
            yield from ((node, text) for text in self._texts(value))
        for name in _OTHERS.get(self.path, ()):
            if name in self._functions or name.partition(".")[0] in self._values:  # else `stale_rows` has it
                yield from ((self._place(name), text) for text in self._texts_of_other(name))

    def raised(self) -> Iterator[tuple[str, str]]:
        """What is called to make an error that is raised, unless a function here does, and where."""
        errors = (node.exc for node in self._nodes if isinstance(node, ast.Raise))
        calls = (error for error in errors if isinstance(error, ast.Call))
        return ((_name(call), self.place_of(call)) for call in calls if _name(call) not in self._functions)

    def place_of(self, node: ast.expr | ast.stmt) -> str:
        """The file and the line of a part of this module."""
        return f"{_PACKAGE}/{self.path}:{node.lineno}"

    def _set_reasons(self) -> Iterator[tuple[ast.expr | ast.stmt, ast.expr]]:
        """What the header of the reason is set to, and the reason of a request without a response."""
        for node in self._nodes:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "context.reason":
                yield node, node.value
            elif isinstance(node, ast.Tuple) and _name(node.elts[0] if node.elts else node) == _HEADER:
                yield node, node.elts[-1]
            elif isinstance(node, ast.Dict):
                members = zip(node.keys, node.values, strict=True)
                yield from ((node, value) for key, value in members if key and _name(key) == _HEADER)

    def _place(self, name: str) -> ast.stmt:
        """Where a function or a constant is defined."""
        if name in self._functions:
            return self._functions[name]
        head = name.partition(".")[0]
        targets = {
            node: node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            for node in self._tree.body
            if isinstance(node, ast.AnnAssign | ast.Assign)
        }
        return next(
            node for node, target in targets.items() if head in ast.unparse(target).strip("()").split(", ")
        )

    def _calls(self) -> Iterator[ast.Call]:
        return (node for node in self._nodes if isinstance(node, ast.Call))

    def _texts_of_other(self, name: str) -> list[str]:
        if name in self._functions:
            return self.returned(name)
        head, _, attribute = name.partition(".")
        value = self._values[head]
        return _texts_in(getattr(value, attribute) if attribute else value)

    def returned(self, name: str, steps: int = 0) -> list[str]:
        """The texts that a function returns or yields."""
        if name not in self._functions:
            raise LookupError(f"{self.path} has no function {name}: correct _PARTS")
        nodes = [node for node in ast.walk(self._functions[name]) if isinstance(node, ast.Return | ast.Yield)]
        texts = _unique(text for node in nodes if node.value for text in self._texts(node.value, steps))
        return [text for text in texts if text not in ("", "None")]

    def _texts(self, node: ast.expr, steps: int = 0) -> list[str]:
        """The texts that an expression may have, with names in braces for what isn't known."""
        if _is_hint(node):
            return [_HINT]
        if steps > _LONGEST_CHAIN:
            return [_hole(node)]
        alternatives = [part for part in _alternatives(node) if part is not node]
        if alternatives:
            return _unique(text for part in alternatives for text in self._texts(part, steps + 1))
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if parts := _joined(node):
            return ["".join(texts) for texts in product(*(self._texts(part, steps + 1) for part in parts))]
        found = self._sources(node)
        texts = _unique(text for module, part in found for text in module._texts(part, steps + 1))
        if isinstance(node, ast.Attribute):
            texts = [text for text in texts if text not in ("", _HINT)]
        named = [_hole(node) if text == _UNNAMED else text for text in texts]
        return named or self._known(node, steps) or [_hole(node)]

    def _known(self, node: ast.expr, steps: int) -> list[str]:
        """The texts in a constant of the module, or in one of another module that it names."""
        if isinstance(node, ast.Call):
            module = self._module_of(node.func)
            return module.returned(_name(node.func), steps + 1) if module else []
        whole = node.value if isinstance(node, ast.Subscript) else node
        value = self._value_of(whole) if _is_constant(node) else None
        return _texts_in(value)

    def _module_of(self, function: ast.expr) -> "_Module | None":
        """The module of a function that returns a part of a message; None for any other."""
        name = _name(function)
        path = _PARTS.get(_dotted(function)) or _PARTS.get(name)
        if path or re.fullmatch(_VALUES, name):
            return self._modules[path] if path else None
        if ast.unparse(function) in (name, f"self.{name}") and name in self._functions:
            module: _Module | None = self
        else:
            module = self._modules.of(self._value_of(function))
        return module if module and module.returns_text(name) else None

    def _value_of(self, node: ast.expr) -> Any:
        """What a global name of this module stands for; None if it is none."""
        try:
            return eval(ast.unparse(node), dict(self._values)) if _is_path(node) else None
        except (AttributeError, NameError):
            return None

    def returns_text(self, name: str) -> bool:
        """Whether this is a function here whose result is a text."""
        returns = self._functions[name].returns if name in self._functions else None
        return returns is not None and ast.unparse(returns) in ("str", "str | None", "tuple[str, str] | None")

    def _sources(self, node: ast.expr) -> list[tuple["_Module", ast.expr]]:
        """The expressions that a variable, a parameter or an attribute gets its value from."""
        if isinstance(node, ast.Attribute) and node.attr in _ATTRIBUTES:
            return [(module, value) for module in self._modules for value in module._set_as(node.attr)]
        if not isinstance(node, ast.Name):
            return []
        function = self._function_of(node)
        if function is None:
            return []
        bound = self._bound_around(node)
        values = [bound] if bound else _assigned(ast.walk(function), node.id)
        if not values and node.id in _PARAMETERS:
            values = self._arguments(function, node.id)
        return [(self, value) for value in values]

    def _function_of(self, node: ast.AST) -> _Function | None:
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, _Function):
                return node
        return None

    def _bound_around(self, node: ast.Name) -> ast.expr | None:
        """What an `if` around this binds the variable to, as in `if reason := ...`; None if there is none."""
        place: ast.AST = node
        while place in self._parents:
            place = self._parents[place]
            tests = ast.walk(place.test) if isinstance(place, ast.If) else ()
            for test in tests:
                if isinstance(test, ast.NamedExpr) and test.target.id == node.id:
                    return test.value
        return None

    def _arguments(self, function: _Function, parameter: str) -> list[ast.expr]:
        """What the calls in this module give a parameter."""
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        if parameter not in names:
            return []
        index = names.index(parameter)
        calls = [call for call in self._calls() if _name(call.func) == function.name]
        return [call.args[index] for call in calls if len(call.args) > index]

    def _set_as(self, attribute: str) -> list[ast.expr]:
        """What an attribute is set to in this module: in a class, by an assignment or by a keyword."""
        keywords = (node for node in self._nodes if isinstance(node, ast.keyword))
        named = [node.value for node in keywords if node.arg == attribute]
        return [*named, *_assigned(self._nodes, attribute)]


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """The expressions one of which is the value of this one; itself if it has no such form."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.NamedExpr | ast.FormattedValue):
        return [node.value]
    if isinstance(node, ast.Tuple):  # a field and its message
        return [node.elts[-1]]
    if isinstance(node, ast.Call):
        return _results(node)
    return [node]


def _results(call: ast.Call) -> list[ast.expr]:
    """The same for a call of a function that is known."""
    if _name(call.func) in _SAME and call.args:
        return [call.args[0]]
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in ("format", "format_map"):
            return [call.func.value]
        if call.func.attr == "join" and call.args and isinstance(call.args[0], ast.GeneratorExp):
            return [call.args[0].elt] if ast.unparse(call.func.value) == "''" else [call]
        if call.func.attr == "get" and all(map(_is_constant, (call.func.value, *call.args[1:]))):
            return [call.func.value, *call.args[1:]]
    return [call]


def _joined(node: ast.expr) -> list[ast.expr]:
    """The parts of a text, if this is one of several parts."""
    if isinstance(node, ast.JoinedStr):
        return node.values
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [] if isinstance(getattr(node.right, "value", ""), int) else [node.left, node.right]
    return []


def _looked_up(node: ast.expr) -> ast.expr:
    """The mapping that this calls `get` of; else itself."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return node.func.value
    return node


def _is_hint(node: ast.expr) -> bool:
    """Whether this is a hint, or looks one up."""
    return _name(_looked_up(node)) in _HINTS


def _assigned(nodes: Iterable[ast.AST], name: str) -> list[ast.expr]:
    """What these nodes assign to a variable or an attribute; in an expression only if nowhere else."""
    by_statement: list[ast.expr] = []
    inside: list[ast.expr] = []
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ) if _name(target) == name:
                by_statement.append(value)
            case ast.NamedExpr(target=ast.Name(id=bound), value=value) if bound == name:
                inside.append(value)
    return by_statement or inside


def _is_path(node: ast.expr) -> bool:
    """Whether this is a name, perhaps with names after dots, or a number shifted by another."""
    return re.fullmatch(r"[\w.]+(?: >> \d+)?", ast.unparse(node)) is not None


def _is_constant(node: ast.expr) -> bool:
    """Whether this is the name of a constant, perhaps in another module, or an item of a private one."""
    code = ast.unparse(node.value if isinstance(node, ast.Subscript) else node)
    own = r"_[A-Z_]+" if isinstance(node, ast.Subscript) else r"(?:[a-z_]+\.)?_?[A-Z][A-Z_]*(?: >> \d+)?"
    return re.fullmatch(own, code) is not None


def _texts_in(value: Any) -> list[str]:
    """The texts in a value; of pairs of a pattern and an advice, the advice."""
    if isinstance(value, str | int):
        return [str(value)]
    if isinstance(value, Mapping):
        return _unique(text for item in value.values() for text in _texts_in(item))
    if isinstance(value, tuple):
        return _unique(text for _, advice in value for text in _texts_in(advice))
    return []


def _name(node: ast.AST) -> str:
    """The last name of an expression such as `self._hosts.reason` or `nearest(...)`."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _dotted(node: ast.expr) -> str:
    """The last two names."""
    return f"{_name(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _hole(node: ast.expr) -> str:
    """A name in braces for what an expression gives."""
    if _looked_up(node) is not node:
        return _UNNAMED
    name = _name(node.value if isinstance(node, ast.Subscript) else node)
    plain = name.strip("_")
    return f"{{{_NAMES.get(plain, plain)}}}" if plain else _UNNAMED


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
