"""The Dockerfile, without a container engine: its text against rules, then its steps run one after another.

What stands in for the engine: a folder for a stage's root file system, a fresh environment in it for the base
image's Python, and every absolute path of a step moved into that folder. What is left out: the base image
itself, layers, and whatever an engine does beside running the steps.
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


def pairs(step: Step) -> dict[str, str]:
    """The names and values of an `ENV` or a `LABEL`."""
    return dict(word.split("=", 1) for word in shlex.split(step.text))


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


def final_environment() -> dict[str, str]:
    """What the final stage's `ENV` instructions set."""
    return {name: value for step in FINAL if step.name == "ENV" for name, value in pairs(step).items()}


def copied_from_the_context() -> list[str]:
    """Every source of a `COPY` that is not another stage's."""
    copies = [step for stage in STAGES for step in stage if step.name == "COPY" and "from" not in step.flags]
    return [source.rstrip("/") for step in copies for source in step.text.split()[:-1]]


# --- the text -------------------------------------------------------------------------------------


def test_continued_lines_flags_and_comments_are_read() -> None:
    text = "# first\nFROM a AS b\nRUN one \\\n  # why\n  two\n\ncopy --from=b --chown=1:1 /x /y\n"
    assert steps(text) == [
        Step(name="FROM", flags={}, text="a AS b"),
        Step(name="RUN", flags={}, text="one    two"),
        Step(name="COPY", flags={"from": "b", "chown": "1:1"}, text="/x /y"),
    ]


def test_every_stage_begins_with_one_slim_python_of_a_full_version() -> None:
    bases = {stage[0].text.split()[0] for stage in STAGES}
    (base,) = bases
    version = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-[a-z]+", base)
    assert version, base
    assert f"Programming Language :: Python :: {version[1]}" in PROJECT["classifiers"]


def test_the_build_is_left_behind() -> None:
    assert len(STAGES) > 1
    assert all("pip" not in step.text for step in FINAL)


def test_it_runs_as_a_user_with_a_number_who_is_not_root() -> None:
    user, _, group = final("USER").text.partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_nothing_is_run_or_copied_after_root_is_given_up() -> None:
    after = FINAL[FINAL.index(final("USER")) :]
    assert {step.name for step in after}.isdisjoint({"RUN", "COPY", "ADD", "WORKDIR"})


def test_what_is_started_is_a_list_so_that_no_shell_stands_before_it() -> None:
    health = final("HEALTHCHECK")
    assert json.loads(final("ENTRYPOINT").text) == ["mockmoov"]
    assert json.loads(final("CMD").text) == ["serve"]
    assert json.loads(health.text.removeprefix("CMD")) == ["mockmoov", "healthcheck"]
    assert set(health.flags) == {"interval", "timeout", "start-period"}


def test_it_stops_by_the_signal_that_the_server_obeys() -> None:
    assert final("STOPSIGNAL").text == "SIGTERM"


def test_its_environment_is_settings_that_listen_where_it_says() -> None:
    warnings: list[str] = []
    settings = load(from_environment(final_environment(), warnings.append))
    assert warnings == []
    assert settings.host == "0.0.0.0"
    assert [settings.port, settings.tls_port] == [int(port) for port in final("EXPOSE").text.split()]


def test_it_writes_no_bytecode_when_it_runs() -> None:
    assert final_environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_its_labels_agree_with_the_package() -> None:
    labels = {name.rpartition(".")[2]: value for name, value in pairs(final("LABEL")).items()}
    assert labels["title"] == PROJECT["name"]
    assert labels["licenses"] == PROJECT["license"]
    assert PROJECT["description"].startswith(labels["description"])


def test_everything_it_installs_is_constrained() -> None:
    installs = [step.text for stage in STAGES for step in stage if " install " in step.text]
    assert installs
    assert all("PIP_CONSTRAINT=constraints.txt" in text for text in installs)


def test_only_copy_brings_files_in() -> None:
    assert not [step for stage in STAGES for step in stage if step.name == "ADD"]


def test_it_holds_no_secret() -> None:
    names = {
        name for stage in STAGES for step in stage if step.name in {"ENV", "ARG"} for name in pairs(step)
    }
    assert not [name for name in names if re.search("SECRET|TOKEN|PASSWORD|KEY", name)]
    assert not re.search(r"[A-Za-z0-9_-]{32}", TEXT)


@pytest.mark.parametrize("source", copied_from_the_context())
def test_what_it_copies_exists_and_reaches_the_build(source: str) -> None:
    assert (ROOT / source).exists()
    assert not excluded(source, IGNORED)


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".git/config",
            ".env",
            ".venv/bin/python",
            "key.pem",
            "Dockerfile",
            "tests/integration/test_cli.py",
        ),
        *("mockmoov/__pycache__/cli.cpython-311.pyc", "mockmoov/client/__pycache__/x", "mockmoov/old.pyc"),
    ],
)
def test_nothing_else_reaches_the_build(name: str) -> None:
    assert excluded(name, IGNORED)


# --- running its steps ----------------------------------------------------------------------------


def base_python() -> str:
    """An interpreter of the base image's version if this machine has one, else the one that runs this."""
    version = re.search(r"3\.\d+", FINAL[0].text)
    assert version
    if found := shutil.which(f"python{version[0]}"):
        probe = [found, "-c", "import ensurepip, sys; print(sys.executable)"]
        chosen = os.environ | {"PYENV_VERSION": version[0]}
        ended = subprocess.run(probe, env=chosen, capture_output=True, text=True, timeout=20, check=False)
        if ended.returncode == 0:
            return ended.stdout.strip()
    return sys.executable


def step_environment() -> dict[str, str]:
    """This environment without what belongs to the Python, the coverage or the server of the tests."""
    ours = (
        "PYTHON",
        "PYENV",
        "COV",
        "COVERAGE",
        "MOCKMOOV_",
        "VIRTUAL_ENV",
        "PIP_CONSTRAINT",
        "MAKE",
        "PYTEST",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@dataclass(slots=True, kw_only=True)
class Image:
    """What the steps made so far, in `root`; finished stages are kept beside it."""

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
        """One instruction; those that only describe the image do nothing."""
        if method := {
            "FROM": self._from,
            "WORKDIR": self._workdir,
            "ENV": self._env,
            "COPY": self._copy,
            "RUN": self._run,
        }.get(step.name):
            method(step)

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
        for name, value in pairs(step).items():
            self.environment[name] = self.inside(value).replace("$PATH", self.environment["PATH"])

    def _copy(self, step: Step) -> None:
        *sources, target = step.text.split()
        place = self.cwd / self.inside(target)
        for source in sources:
            start = self.finished[step.flags["from"]] if "from" in step.flags else ROOT
            self._copy_one(start / source.lstrip("/"), place, into=target.endswith("/"))

    def _copy_one(self, source: Path, place: Path, *, into: bool) -> None:
        """A folder's content into the place, or a file into the place that is a folder."""

        def left_out(folder: str, names: list[str]) -> list[str]:
            inside = Path(folder).is_relative_to(ROOT)
            paths = {name: (Path(folder) / name).relative_to(ROOT).as_posix() for name in names if inside}
            return [name for name, path in paths.items() if excluded(path, IGNORED)]

        if source.is_dir():
            shutil.copytree(source, place, symlinks=True, ignore=left_out, dirs_exist_ok=True)
        else:
            target = place / source.name if into else place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)

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


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(folder=tmp_path_factory.mktemp("image"))
    for stage in STAGES:
        for step in stage:
            made.run(step)
    return made


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
    """What a command is put behind to run as the image's user, who may read all and write nothing."""
    if os.getuid() != 0:
        return []
    user, _, group = final("USER").text.partition(":")
    identity = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    # Tests run from folders that are closed to others; an image's are not. `readable` looks at those.
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
    """What a command is put behind to have no network and no file that could be written."""
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    if not (works := usable(["unshare", *as_root, "--net", "--mount", "sh", "-c", SEAL, "seal"])):
        pytest.skip("unshare cannot make a network and mounts of its own here")
    return works


def joined(pid: int) -> list[str]:
    """What a command is put behind to be where a sealed process is, as in `docker exec`."""
    as_root = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
    return [
        shutil.which("nsenter", path=SYSTEM_PATH) or "nsenter",
        f"--target={pid}",
        *as_root,
        "--net",
        "--mount",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A started image: commands can be run beside what it started."""

    environment: Mapping[str, str]
    prefix: Sequence[str]
    cwd: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command to its end, with the image's environment and nothing more."""
        return subprocess.run(
            [*self.prefix, *argv],
            cwd=self.cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def wait_until_healthy(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Run the `HEALTHCHECK` until it says so."""
        deadline = time.monotonic() + START_SECONDS
        command = json.loads(final("HEALTHCHECK").text.removeprefix("CMD"))
        while (health := self.run(*command)).returncode != 0:
            assert process.poll() is None, f"it ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{health.stderr}\n{log.read_text()}"
            time.sleep(0.05)


@contextlib.contextmanager
def started(image: Image, folder: Path, *, seal: Sequence[str] = (), **variables: str) -> Iterator[Container]:
    """The image's `ENTRYPOINT` and `CMD`, healthy; it must obey its `STOPSIGNAL` with exit code 0."""
    argv = json.loads(final("ENTRYPOINT").text) + json.loads(final("CMD").text)
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
            container.wait_until_healthy(process, log)
            yield container
            began = time.monotonic()
            process.send_signal(signal.Signals[final("STOPSIGNAL").text])
            assert process.wait(STOP_SECONDS) == 0, log.read_text()
            assert time.monotonic() - began < 20, log.read_text()
        finally:
            process.kill()
            process.wait(STOP_SECONDS)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        return int(listener.getsockname()[1])


def files(folder: Path) -> dict[str, int]:
    """Every file below, with the time of its last change."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_user_can_read_all_of_it(image: Image) -> None:
    paths = [path for path in (image.root / "opt").rglob("*") if not path.is_symlink()]
    assert paths
    assert [path for path in paths if not path.stat().st_mode & stat.S_IROTH] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_module_of_it_has_bytecode_that_is_never_checked(image: Image) -> None:
    modules = [path for path in (image.root / "opt").rglob("*.py") if path.stat().st_size]
    compiled = list((image.root / "opt").rglob("*.pyc"))
    assert len(compiled) >= len(modules) > 0
    # PEP 552: bit 0 of the second word is for "by hash", bit 1 for "look at the source first".
    assert {path.read_bytes()[4] for path in compiled} == {0b01}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_serves_as_a_user_who_can_write_nothing(image: Image, tmp_path: Path) -> None:
    before = files(image.root)
    with started(image, tmp_path, MOCKMOOV_PORT=str(free_port())) as container:
        assert container.run("touch", "written").returncode != 0
        assert container.run("touch", str(image.root / "opt/mockmoov/written")).returncode != 0
        minted = container.run("mockmoov", "token", "--scope", "/accounts.write")
        assert minted.stdout.count(".") == 2, minted.stderr
        assert "/opt/mockmoov/" in container.run("sh", "-c", "command -v mockmoov").stdout
    assert files(image.root) == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_serves_without_network_on_a_read_only_file_system(image: Image, tmp_path: Path) -> None:
    with started(image, tmp_path, seal=sealed(), MOCKMOOV_TLS="on") as container:
        assert container.run("touch", "/tmp/written").returncode != 0
        secure = container.run("mockmoov", "healthcheck", "--url", "https://localhost:8443")
        assert "CERTIFICATE_VERIFY_FAILED" in secure.stderr  # it speaks TLS; nobody said whom to trust
        assert "lo" in container.run("cat", "/proc/net/dev").stdout
        assert container.run("cat", "/proc/net/route").stdout.count("\n") == 1
        minted = container.run("mockmoov", "token", "--scope", "/accounts.write")
        assert minted.stdout.count(".") == 2, minted.stderr
