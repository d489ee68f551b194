"""The Dockerfile, without a container engine: its text follows rules, and its steps make a server.

A folder replaces a stage's root file system, and a fresh environment in it the base image's Python. Every
absolute path of a step is moved into that folder. There are no layers.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mockmoov.config.settings import load
from mockmoov.config.sources import from_environment

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_SECONDS, STOP_SECONDS = 20.0, 10.0


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction: its `--flags`, and the rest of its text."""

    name: str
    flags: Mapping[str, str]
    text: str


def steps(text: str) -> list[Step]:
    """The instructions of a Dockerfile, with continued lines joined and comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for line in re.sub(r"\\\s*\n", " ", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            flags = re.match(r"(?:\s*--[a-z-]+=\S+)*", rest)
            assert flags
            options = dict(flag[2:].split("=", 1) for flag in flags[0].split())
            found.append(Step(name=name.upper(), flags=options, text=rest[flags.end() :].strip()))
    return found


def stages(text: str) -> list[list[Step]]:
    """The instructions of each stage, `FROM` being the first of each."""
    found: list[list[Step]] = []
    for step in steps(text):
        if step.name == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def excluded(name: str, rules: Sequence[str]) -> bool:
    """Whether a .dockerignore keeps a path from the build; the last rule for it or a folder of it says."""
    out = False
    place = PurePosixPath(name)
    for rule in rules:
        pattern = rule.removeprefix("!")
        for part in (place, *place.parents[:-1]):
            if fnmatchcase(str(part), pattern) or (
                pattern.startswith("**/") and fnmatchcase(part.name, pattern[3:])
            ):
                out = not rule.startswith("!")
    return out


TEXT = (ROOT / "Dockerfile").read_text()
STAGES = stages(TEXT)
FINAL = STAGES[-1]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]


def final(name: str) -> Step:
    """The last instruction of that name in the final stage."""
    return [step for step in FINAL if step.name == name][-1]


def pairs_of(name: str, stage: list[Step]) -> dict[str, str]:
    """The names and values that the instructions of this name, `ENV` or `LABEL`, set in a stage."""
    words = [word for step in stage if step.name == name for word in shlex.split(step.text)]
    return dict(word.split("=", 1) for word in words)


ALL = [step for stage in STAGES for step in stage]
VARIABLES = pairs_of("ENV", FINAL)
BASE = FINAL[0].text
PYTHON = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-[a-z]+", BASE)
AFTER_USER = FINAL[FINAL.index(final("USER")) :]
INSTALLS = [step.text for step in ALL if " install " in step.text]
LABELS = {name.rpartition(".")[2]: value for name, value in pairs_of("LABEL", FINAL).items()}
COPIED = [
    source.rstrip("/")
    for step in ALL
    if step.name == "COPY" and "from" not in step.flags
    for source in step.text.split()[:-1]
]
KEPT_OUT = (
    ".git/config", ".env", ".venv/bin/python", "key.pem", "Dockerfile", "tests/integration/test_cli.py",
    "mockmoov/__pycache__/cli.cpython-311.pyc", "mockmoov/client/__pycache__/x", "mockmoov/old.pyc",
)  # fmt: skip
RULES = {
    "every stage has one base, a full version of a slim Python": (
        PYTHON and {stage[0].text.split()[0] for stage in STAGES} == {BASE}
    ),
    "the package supports that Python": (
        PYTHON and f"Programming Language :: Python :: {PYTHON[1]}" in PROJECT["classifiers"]
    ),
    "pip stays in the build stage": len(STAGES) > 1 and all("pip" not in step.text for step in FINAL),
    "the user and the group are numbers, not root": (
        all(int(number) > 0 for number in final("USER").text.split(":")) and ":" in final("USER").text
    ),
    "root does nothing after USER": {"RUN", "COPY", "ADD", "WORKDIR"}.isdisjoint(s.name for s in AFTER_USER),
    "the server starts without a shell": (
        json.loads(final("ENTRYPOINT").text) == ["mockmoov"] and json.loads(final("CMD").text) == ["serve"]
    ),
    "the health check runs without a shell": (
        json.loads(final("HEALTHCHECK").text.removeprefix("CMD")) == ["mockmoov", "healthcheck"]
        and set(final("HEALTHCHECK").flags) == {"interval", "timeout", "start-period"}
    ),
    "it stops on the signal that the server obeys": final("STOPSIGNAL").text == "SIGTERM",
    "a running image writes no bytecode": VARIABLES["PYTHONDONTWRITEBYTECODE"] == "1",
    "the labels agree with the package": (
        (LABELS["title"], LABELS["licenses"]) == (PROJECT["name"], PROJECT["license"])
        and PROJECT["description"].startswith(LABELS["description"])
    ),
    "every installation is constrained": (
        INSTALLS and all("PIP_CONSTRAINT=constraints.txt" in text for text in INSTALLS)
    ),
    "it has the extras that a server may need": any("'.[tls,openapi,redis]'" in text for text in INSTALLS),
    "files come in by COPY only": all(step.name != "ADD" for step in ALL),
    "no variable has the name of a secret": not re.search(
        "SECRET|TOKEN|PASSWORD|KEY", "".join(step.text for step in ALL if step.name in {"ENV", "ARG"})
    ),
    "nothing looks like a secret": not re.search(r"[A-Za-z0-9_-]{32}", TEXT),
    "what it copies exists and reaches the build": all(
        (ROOT / source).exists() and not excluded(source, IGNORED) for source in COPIED
    ),
    "nothing else reaches the build": all(excluded(name, IGNORED) for name in KEPT_OUT),
}


def test_dockerfile_follows_the_rules() -> None:
    assert [rule for rule, holds in RULES.items() if not holds] == []


def test_its_environment_listens_on_the_exposed_ports() -> None:
    warnings: list[str] = []
    settings = load(from_environment(VARIABLES, warnings.append))
    assert warnings == []
    assert settings.host == "0.0.0.0"
    assert [settings.port, settings.tls_port] == [int(port) for port in final("EXPOSE").text.split()]


# --- running its steps ----------------------------------------------------------------------------


def base_python() -> str:
    """An interpreter of the base image's version if this machine has one, else the one that runs this."""
    assert PYTHON
    probe = [f"python{PYTHON[1]}", "-c", "import ensurepip, sys; print(sys.executable)"]
    chosen = os.environ | {"PYENV_VERSION": PYTHON[1]}
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(
            probe, env=chosen, capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    return sys.executable


def step_environment() -> dict[str, str]:
    """This environment without what belongs to the Python, the coverage or the server of the tests."""
    ours = ("PYTHON", "PYENV", "COV", "MOCKMOOV_", "VIRTUAL_ENV", "PIP_CONSTRAINT", "MAKE", "PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def left_out(folder: str, names: list[str]) -> list[str]:
    """The names in a folder that .dockerignore keeps from the build."""
    inside = Path(folder).is_relative_to(ROOT)
    paths = {name: (Path(folder) / name).relative_to(ROOT).as_posix() for name in names if inside}
    return [name for name, path in paths.items() if excluded(path, IGNORED)]


@dataclass(slots=True, kw_only=True)
class Image:
    """The result of the steps so far, in `root`; finished stages are next to it."""

    folder: Path
    cwd: Path = Path()
    environment: dict[str, str] = field(default_factory=dict)
    finished: dict[str, Path] = field(default_factory=dict)
    name: str = ""

    @property
    def root(self) -> Path:
        """The root file system; at one place for all stages, as environments know where they are."""
        return self.folder / "root"

    def inside(self, text: str) -> str:
        """A text with its absolute paths moved into the root."""
        return re.sub(r"(?<![\w.:$}/-])/(?=\w)(?!dev/)", f"{self.root}/", text)

    def run(self, step: Step) -> None:
        """Run one instruction, unless it only describes the image."""
        if step.name in {"FROM", "WORKDIR", "ENV", "COPY", "RUN"}:
            getattr(self, f"_{step.name.lower()}")(step)

    def _from(self, step: Step) -> None:
        if self.name:
            self.finished[self.name] = self.folder / f"stage-{self.name}"
            self.root.rename(self.finished[self.name])
        self.name = step.text.partition(" AS ")[2] or "final"
        subprocess.run([base_python(), "-m", "venv", str(self.root / "usr/local")], check=True, timeout=60)
        self.environment = {"PATH": f"{self.root}/usr/local/bin:{SYSTEM_PATH}"}
        self.cwd = self.root

    def _workdir(self, step: Step) -> None:
        self.cwd = self.cwd / self.inside(step.text)
        self.cwd.mkdir(parents=True, exist_ok=True)

    def _env(self, step: Step) -> None:
        for name, value in pairs_of("ENV", [step]).items():
            self.environment[name] = self.inside(value).replace("$PATH", self.environment["PATH"])

    def _copy(self, step: Step) -> None:
        """Copy the contents of folders, and files, into a folder."""
        *sources, target = step.text.split()
        place = self.cwd / self.inside(target)
        start = self.finished[step.flags["from"]] if "from" in step.flags else ROOT
        for source in (start / name.lstrip("/") for name in sources):
            place.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, ignore=left_out, dirs_exist_ok=True)
            else:
                shutil.copy2(source, place)

    def _run(self, step: Step) -> None:
        ended = subprocess.run(
            ["sh", "-c", self.inside(step.text)],
            cwd=self.cwd,
            env=step_environment() | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            umask=0o022,
            check=False,
        )
        assert ended.returncode == 0, f"RUN {step.text}\n{ended.stdout}{ended.stderr}"


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A tree that its own user cannot write to, for as long as it takes."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in folders}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


# --- running the container ------------------------------------------------------------------------


def without_root() -> list[str]:
    """The prefix of a command that runs as the image's user, who can read everything and write nothing."""
    if os.getuid() != 0:
        return []
    user, _, group = final("USER").text.partition(":")
    identity = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    # Folders of tests are closed to other users; those of an image are not.
    reading = [f"--{kind}=-all,+dac_read_search" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    for options in ([*reading, *identity], identity):
        if works := usable(["setpriv", *options]):
            return works
    pytest.skip("root, and setpriv cannot give that up")


def usable(prefix: Sequence[str]) -> list[str]:
    """The prefix with its program's full path, or nothing if a Python does not start behind it."""
    program = shutil.which(prefix[0], path=SYSTEM_PATH)
    command = [program or "false", *prefix[1:]]
    probe = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, timeout=20, check=False)
    return command if probe.returncode == 0 else []


# A network of its own with nothing but loopback, and every file system that matters mounted read-only.
SEAL = """
set -e
ip link set lo up
for place in / "$(df --output=target . | tail -n 1)"; do mount -o remount,bind,ro "$place"; done
exec "$@"
"""


def sealed() -> list[str]:
    """The prefix of a command that has no network and cannot write files."""
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    if not (works := usable(["unshare", *as_root, "--net", "--mount", "sh", "-c", SEAL, "seal"])):
        pytest.skip("unshare cannot make a network and mounts of its own here")
    return works


def joined(pid: int) -> list[str]:
    """The prefix of a command that runs where a sealed process does, as in `docker exec`."""
    as_root = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
    program = shutil.which("nsenter", path=SYSTEM_PATH) or "nsenter"
    return [program, f"--target={pid}", *as_root, "--net", "--mount"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A started image, where more commands can run."""

    environment: Mapping[str, str]
    prefix: Sequence[str]
    cwd: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the image's environment only."""
        return subprocess.run(
            [*self.prefix, *argv],
            cwd=self.cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@contextlib.contextmanager
def started(image: Image, folder: Path, *, seal: Sequence[str] = (), **variables: str) -> Iterator[Container]:
    """Start `ENTRYPOINT` and `CMD`, and wait until they are healthy; `STOPSIGNAL` must end them with 0."""
    argv = json.loads(final("ENTRYPOINT").text) + json.loads(final("CMD").text)
    check = json.loads(final("HEALTHCHECK").text.removeprefix("CMD"))
    environment = image.environment | variables
    user, log, cwd = without_root(), folder / "log", folder / "cwd"
    cwd.mkdir(mode=0o555)
    with contextlib.ExitStack() as around:
        around.enter_context(unwritable(image.root))
        output = around.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [*seal, *user, *argv],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            prefix = [*(joined(process.pid) if seal else ()), *user]
            container = Container(environment=environment, prefix=prefix, cwd=cwd)
            deadline = time.monotonic() + START_SECONDS
            while (health := container.run(*check)).returncode != 0:
                assert process.poll() is None, f"it ended:\n{log.read_text()}"
                assert time.monotonic() < deadline, f"{health.stderr}\n{log.read_text()}"
                time.sleep(0.05)
            yield container
            process.send_signal(signal.Signals[final("STOPSIGNAL").text])
            assert process.wait(STOP_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            process.wait(STOP_SECONDS)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        return int(listener.getsockname()[1])


def files(folder: Path) -> dict[str, int]:
    """Every file below, with the time of its last change."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def assert_mints(container: Container) -> None:
    minted = container.run("mockmoov", "token", "--scope", "/accounts.write")
    assert minted.stdout.count(".") == 2, minted.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_image_serves_as_a_user_who_cannot_write(tmp_path: Path) -> None:
    image = Image(folder=tmp_path / "image")
    for step in ALL:
        image.run(step)
    paths = [path for path in (image.root / "opt").rglob("*") if not path.is_symlink()]
    assert [path for path in paths if not path.stat().st_mode & stat.S_IROTH] == []
    modules = [path for path in paths if path.suffix == ".py" and path.stat().st_size]
    compiled = [path for path in paths if path.suffix == ".pyc"]
    assert len(compiled) >= len(modules) > 0
    # Nobody checks whether they are stale. PEP 552: bit 0 means "by hash", bit 1 "compare with the source".
    assert {path.read_bytes()[4] for path in compiled} == {0b01}

    before = files(image.root)
    (folder := tmp_path / "plain").mkdir()
    with started(image, folder, MOCKMOOV_PORT=str(free_port())) as container:
        assert container.run("touch", "written").returncode != 0
        assert container.run("touch", str(image.root / "opt/mockmoov/written")).returncode != 0
        assert "/opt/mockmoov/" in container.run("sh", "-c", "command -v mockmoov").stdout
        assert_mints(container)
    assert files(image.root) == before

    # Without a network, on a file system that is read-only.
    (folder := tmp_path / "sealed").mkdir()
    with started(image, folder, seal=sealed(), MOCKMOOV_TLS="on") as container:
        assert container.run("touch", "/tmp/written").returncode != 0
        secure = container.run("mockmoov", "healthcheck", "--url", "https://localhost:8443")
        assert "CERTIFICATE_VERIFY_FAILED" in secure.stderr  # it speaks TLS, and its CA is unknown
        assert "lo" in container.run("cat", "/proc/net/dev").stdout
        assert container.run("cat", "/proc/net/route").stdout.count("\n") == 1
        assert_mints(container)
