"""Environments really made with uv, from the locks as they are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit import environments
from toolkit.environments import made_once, virtualenv
from toolkit.environments.requirements import HERE, read_requirements
from toolkit.errors import EnvironmentUnavailable
from toolkit.settings import Settings

REPOSITORY = HERE.parent.parent

# What a host interpreter may be, on Linux; `musllinux` and 32 bits have no engine.
PLATFORMS = ["x86_64-manylinux_2_36", "aarch64-manylinux_2_36"]
X86_ALONE = {"tflite_micro"}  # no wheel of it for another processor is published
SERVED = [
    (HERE / f"{name}.txt", python, platform)
    for name in environments.names()
    for python in ("3.10", "3.11", "3.12", "3.13")
    if read_requirements(name).accepts_python(f"{python}.9")
    for platform in (PLATFORMS[:1] if name in X86_ALONE else PLATFORMS)
]
# TensorFlow 2.15, for tests alone: where there are wheels of it.
OF_TESTS = [(REPOSITORY / "requirements" / "keras2.txt", python, PLATFORMS[0]) for python in ("3.10", "3.11")]

RESOLVE = """
import sys
from pathlib import Path
from toolkit import environments
from toolkit.settings import Settings
environments.current = lambda: None
print(environments.resolve("litert", Settings(Path(sys.argv[1]), offline=False, say=lambda line: print(line, flush=True))).python)
"""


@pytest.fixture(autouse=True)
def no_current(monkeypatch):
    """As on a machine whose interpreter holds no engine."""
    monkeypatch.setattr(environments, "current", lambda: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The environment `litert`, made in a home of its own; skipped where the network is not there."""
    settings = Settings(tmp_path_factory.mktemp("home"), offline=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environments, "current", lambda: None)
        return need_network(lambda: environments.resolve("litert", settings)), settings


def need_network(action):
    try:
        return action()
    except EnvironmentUnavailable as error:
        if "could not reach the network" in error.problem:
            pytest.skip(f"NOT TESTED, the network is not there: {error}")
        raise


def run(environment, code: str) -> str:
    command = [environment.python, "-c", code]
    variables = {**os.environ, **environment.variables}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout.strip()


def test_a_made_environment_runs_its_engine(made, monkeypatch):
    """From where it was renamed to, with what the lock says, whatever the shell says of other Pythons."""
    environment, _ = made
    monkeypatch.setenv("PYTHONPATH", "/no/such/folder")

    found = run(
        environment,
        "import sys, numpy, safetensors, ai_edge_litert.interpreter as engine;"
        "print(sys.prefix, numpy.__version__, engine.Interpreter.__name__, '/no/such/folder' in sys.path)",
    )

    prefix, numpy, engine, leaked = found.split()
    assert Path(prefix) == environment.python.parent.parent
    assert numpy == environment.versions["numpy"]
    assert (engine, leaked) == ("Interpreter", "False")
    assert environment.engine == "ai-edge-litert 2.3.0"


def test_its_bytecode_is_there_before_anything_is_imported(made):
    """Importing tensorflow takes 14 s without, 3.5 s with; where it cannot be written later, it would be so each time."""
    environment, _ = made
    site = environment.python.parent.parent / "lib"
    sources = list(site.rglob("ai_edge_litert/*.py"))

    assert sources
    compiled = {path.name.partition(".")[0] for path in site.rglob("ai_edge_litert/__pycache__/*.pyc")}
    assert {source.stem for source in sources} == compiled


def test_nothing_else_is_left_of_the_making(made):
    """No lock, no partial folder."""
    environment, settings = made

    assert [path.name for path in settings.home.iterdir()] == ["environments"]
    assert list((settings.home / "environments").iterdir()) == [environment.python.parent.parent]
    assert not list(settings.home.glob("*/*/making.lock"))


def test_it_is_found_again_and_identified_alike(made):
    """By what is in it, not by where it is."""
    environment, settings = made

    again = environments.find("litert", settings)

    assert again == environment
    assert len(environment.identity) == 16


def test_killed_half_way_it_is_made_by_the_next_of_two_at_once(tmp_path, made):
    """The real uv, killed with its maker in the middle; afterwards one makes it, the other waits, both get it."""
    home = tmp_path / "home"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RESOLVE, home],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )

    killed = start()
    deadline = time.monotonic() + 600
    while not list(home.glob("environments/*.partial/lib/python3*/site-packages/*")):
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert [path.suffix for path in (home / "environments").iterdir()] == [".partial"]

    two = [start(), start()]
    outputs = [each.communicate(timeout=1200)[0] for each in two]

    assert [each.returncode for each in two] == [0, 0], outputs
    assert sum("making it, once" in output for output in outputs) == 1
    pythons = {output.splitlines()[-1] for output in outputs}
    assert len(pythons) == 1
    assert [str(path) for path in (home / "environments").iterdir()] == [str(Path(pythons.pop()).parent.parent)]
    assert environments.find("litert", Settings(home)).identity == made[0].identity


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "python", "platform"), [*SERVED, *OF_TESTS], ids=lambda value: getattr(value, "stem", value)
)
def test_a_lock_can_be_installed_on_every_python_and_processor_it_serves(tmp_path, lock, python, platform):
    """Resolved for each, with hashes, wheels only; nothing is downloaded but what indexes say of them."""
    target = ["--target", str(tmp_path), "--python-version", python, "--python-platform", platform]
    options = ["--dry-run", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--python", sys.executable]

    answer = subprocess.run(
        [virtualenv.find_uv("test"), "pip", "install", *options, *target, "--requirements", lock],
        capture_output=True,
        text=True,
        check=False,
    )

    if made_once._NO_NETWORK.search(answer.stderr):
        pytest.skip(f"NOT TESTED, the network is not there: {answer.stderr}")
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"Would install \d+ packages", answer.stderr)


def test_without_network_the_message_says_so(tmp_path, monkeypatch):
    """What the real uv prints is recognized."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port, on which nobody listens

    with pytest.raises(EnvironmentUnavailable, match=r"^environment litert: uv could not reach the network"):
        environments.resolve("litert", Settings(tmp_path / "home", offline=False))

    assert list((tmp_path / "home" / "environments").iterdir()) == []


def test_without_a_fitting_python_the_message_says_so(tmp_path, monkeypatch):
    """And both ways out."""
    monkeypatch.setattr(virtualenv, "current", lambda: None)
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")

    with pytest.raises(EnvironmentUnavailable, match=r"no Python >=3\.10,<3\.14 on this machine") as caught:
        environments.resolve("litert", Settings(tmp_path / "home", offline=False))

    assert "--python litert=PATH" in caught.value.hint
    assert list((tmp_path / "home" / "environments").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [("size=20m", "no space left on the disk"), ("ro", "cannot write to .*: Read-only file system")],
)
def test_a_disk_that_refuses_is_one_sentence(tmp_path, made, options, says):
    """A real one: what uv prints of a full disk is recognized, and a read-only home has its own message."""
    home = tmp_path / "home"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"{options},mode=700", "none", home], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED, no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        with pytest.raises(EnvironmentUnavailable, match=f"^environment litert: {says}"):
            environments.resolve("litert", Settings(home, offline=False))
        assert not list(home.glob("environments/*"))
    finally:
        subprocess.run(["umount", home], check=True)
