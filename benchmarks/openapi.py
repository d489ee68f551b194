"""`python -m benchmarks.openapi`: start and memory with an OpenAPI description, next to Prism.

The description has all of Moov's operations, each with its own copy of the schemas. "First answers" is one
request to each operation with GET.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import httpx2
import yaml

from benchmarks import processes
from benchmarks.figures import markdown, rotate
from benchmarks.processes import Program
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.operations import BY_PATH
from tests.support.openapi import COMPONENTS, every_operation

_ROUNDS = 5
_PRISM = Path(sys.prefix) / "bench" / "prism"
_AUTH = (str(EXAMPLE["client_id"]), str(EXAMPLE["client_secret"]))
_ACCOUNT = str(EXAMPLE["account_id"])


class Run(NamedTuple):
    """One start of a program, in seconds and megabytes."""

    start: float
    idle: float
    answers: float
    after: float


def description() -> dict[str, Any]:
    """All operations, each with its own copy of the schemas."""
    document = every_operation("3.0.3")
    schemas: dict[str, Any] = {}
    operations = [(path, method) for path, item in document["paths"].items() for method in item]
    for number, (path, method) in enumerate(operations):

        def own(value: Any, prefix: str = f"#/components/schemas/Of{number}") -> Any:
            return json.loads(json.dumps(value).replace("#/components/schemas/", prefix))

        schemas |= {f"Of{number}{name}": own(schema) for name, schema in COMPONENTS.items()}
        document["paths"][path][method] = own(document["paths"][path][method])
    return {**document, "components": {"schemas": schemas}}


def prism(file: Path) -> Program:
    """Prism, installed with npm at the first run."""
    if not (_PRISM / "node_modules").exists():
        shutil.copytree(processes.ROOT / "tests" / "e2e" / "prism" / "prism", _PRISM, dirs_exist_ok=True)
        install = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(install, cwd=_PRISM, check=True)
    script = _PRISM / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    command = ("node", str(script), "mock", str(file), "--host", "127.0.0.1", "--port", "{port}")
    return Program(name=f"Prism, {file.suffix[1:]}", command=command, health="/ping")


def measure(program: Program) -> Run:
    """Start the program, ask each operation with GET, and stop it."""
    with processes.running(program) as server:
        idle, began = processes.resident_megabytes(server.pid), time.perf_counter()
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", auth=_AUTH, trust_env=False) as http:
            for path in (path for path, methods in BY_PATH.items() if "GET" in methods):
                response = http.get(path.replace("{accountID}", _ACCOUNT).replace("{", "").replace("}", ""))
                assert response.is_success, (path, response.status_code, response.headers)
        answers = time.perf_counter() - began
        after = processes.resident_megabytes(server.pid)
        return Run(server.start_seconds, idle, answers, after)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        yaml_file, json_file = Path(folder) / "openapi.yaml", Path(folder) / "openapi.json"
        yaml_file.write_text(yaml.safe_dump(description()))
        json_file.write_text(json.dumps(description()))
        print(f"YAML {yaml_file.stat().st_size:,} bytes, JSON {json_file.stat().st_size:,} bytes\n")
        mine = [
            processes.mockmoov("--openapi", str(file), name=f"mockmoov, {file.suffix[1:]}")
            for file in (yaml_file, json_file)
        ]
        programs = [*mine, prism(yaml_file), prism(json_file)]
        rotate(1, measure, programs)  # writes the bytecode
        found = rotate(_ROUNDS, measure, programs)
    rows = [
        [program.name, *(f"{median(values):,.2f}" for values in zip(*runs, strict=True))]
        for program, runs in zip(programs, found, strict=True)
    ]
    print(markdown(["", "start, s", "idle, MB", "first answers, s", "MB after them"], rows))


if __name__ == "__main__":
    main()
