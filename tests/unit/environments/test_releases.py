"""Another release of an engine: its name, its lock, and the environment that is made from it. No network: uv is a script here."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit import environments
from toolkit.cli.common import Common
from toolkit.environments import made_once, releases, virtualenv
from toolkit.environments.interpreters import Interpreter
from toolkit.environments.requirements import read_requirements
from toolkit.errors import EnvironmentUnavailable, RequestError, UnknownName
from toolkit.launchers.emulation import packages
from toolkit.launchers.emulation.emulator import Emulator
from toolkit.launchers.emulation.machines import MACHINES, Machine
from toolkit.launchers.emulation.sysroot import System
from toolkit.settings import Settings

NAME = "litert==2.1.0"
LOCK = "ai-edge-litert==2.1.0 \\\n    --hash=sha256:00\nnumpy==2.4.6 \\\n    --hash=sha256:01\n"
# Says what `compile` is to answer, or makes an environment that holds ai-edge-litert 2.1.0; each call is a line of the log.
UV = """\
#!{python}
import pathlib, sys
arguments, here = sys.argv[1:], pathlib.Path.cwd()
with open({log!r}, "a") as log:
    log.write(" ".join(arguments) + "\\n")
if arguments[1] == "compile":
    answers = eval(pathlib.Path({answers!r}).read_text())
    said = answers.get(arguments[arguments.index("--python-version") + 1], answers["*"])
    if said.startswith("error"):
        print(said)
        sys.exit(1)
    (here / "requirements.txt").write_text(said)
elif arguments[0] == "python":
    print({python!r})
elif arguments[0] == "venv":
    (here / "bin").mkdir()
    (here / "bin" / "python").symlink_to({python!r})
    (here / "pyvenv.cfg").write_text("version_info = 3.11.7\\n")
    (here / "lib/python3.11/site-packages").mkdir(parents=True)
else:
    site = here / ("site" if "--target" in arguments else "lib/python3.11/site-packages")
    (site / "ai_edge_litert-2.1.0.dist-info").mkdir(parents=True)
"""
NO_FILES = "error: Because ai-edge-litert==2.1.0 has no wheels with a matching Python ABI tag, we can conclude ..."
NO_RELEASE = "error: Because there is no version of ai-edge-litert==9.9.9 and you require ai-edge-litert==9.9.9, ..."


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=False)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An interpreter of Python 3.13 that holds nothing."""
    here = Interpreter(Path(sys.executable), "3.13.1", "linux-x86_64", ())
    for module in (environments, releases, virtualenv):
        monkeypatch.setattr(module, "current", lambda: here)


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """Return a function that says what uv answers for each Python, and the log of its calls."""
    script, log, answers = tmp_path / "uv", tmp_path / "log", tmp_path / "answers"
    script.write_text(UV.format(python=sys.executable, log=str(log), answers=str(answers)))
    script.chmod(0o755)
    for module in (environments, releases, virtualenv, packages):
        monkeypatch.setattr(module, "find_uv", lambda what: str(script))

    def answer(others: str = LOCK, **by_python: str) -> Path:
        answers.write_text(repr({"*": others, **{name.replace("_", "."): said for name, said in by_python.items()}}))
        log.write_text("")
        return log

    return answer


def calls(log: Path, what: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if what in line]


@pytest.mark.parametrize("wanted", ["2.3.0", "2.1.0", "9.9.9"])
def test_each_release_is_an_environment_of_its_own(wanted):
    """The pinned one has the engine's name alone; what an engine is not known by keeps its name."""
    name = "litert" if wanted == "2.3.0" else f"litert=={wanted}"

    assert environments.of_version("litert", wanted) == name
    assert read_requirements(f"litert=={wanted}").name == name
    assert read_requirements(f"litert=={wanted}").engine.text == f"ai-edge-litert=={wanted}"
    assert environments.of_version("fake", wanted) == "fake"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("litert==v2", "environment 'litert==v2': expected the version of a release, as in litert==2.3.0"),
        ("litert==", "expected the version of a release"),
        ("litert==2.1.*", "expected the version of a release"),
        ("source==2.8", "source is an interpreter of yours; name it, it cannot be installed"),
    ],
)
def test_what_is_no_release_is_refused_before_anything_is_made(settings, name, says):
    """Also a range: which release ran would be another one from day to day."""
    with pytest.raises(RequestError, match=re.escape(says)) as caught:
        environments.resolve(name, settings)

    assert caught.value.exit_status == 2
    assert not settings.home.exists()


def test_a_release_of_an_engine_that_is_none_names_those_that_are(settings):
    """As without a release."""
    with pytest.raises(UnknownName, match="did you mean 'litert'"):
        environments.resolve("litrt==2.1.0", settings)


def test_a_release_that_is_not_there_says_without_network_what_makes_it(settings):
    """Neither its lock nor its packages."""
    with pytest.raises(EnvironmentUnavailable, match=r"environment litert==2\.1\.0: not installed yet") as caught:
        environments.resolve(NAME, replace(settings, offline=True))

    assert "`edge-toolkit setup litert==2.1.0` once with network" in caught.value.hint


def test_a_lock_is_made_once_and_what_it_names_is_installed_by_its_hashes(settings, uv):
    """For the first Python that the release has files for, and with that Python; the second time nothing is asked for."""
    log = uv(NO_FILES, **{"3_11": LOCK})

    made = environments.resolve(NAME, settings)

    assert (made.name, made.engine) == (NAME, "ai-edge-litert 2.1.0")
    assert [line.split("--python-version ")[1].split()[0] for line in calls(log, "pip compile")] == [
        "3.13",
        "3.12",
        "3.11",
    ]
    assert all("--generate-hashes --only-binary :all:" in line for line in calls(log, "pip compile"))
    (sync,) = calls(log, "sync")
    assert "--require-hashes" in sync
    assert sync.endswith(f"{settings.home}/locks/{NAME}/requirements.txt")
    assert (settings.home / "locks" / NAME / "requirements.in").read_text().startswith("ai-edge-litert==2.1.0\nnumpy\n")

    log = uv("error: nothing may be asked for")
    assert environments.resolve(NAME, replace(settings, offline=True)) == made
    assert log.read_text() == ""


def test_a_lock_that_was_changed_is_not_used(settings, uv):
    """By one hash: it is as if it was not there, and without network that is said."""
    uv()
    environments.resolve(NAME, settings)
    lock = settings.home / "locks" / NAME / "requirements.txt"

    lock.write_text(LOCK.replace("sha256:01", "sha256:02"))

    assert environments.find(NAME, settings) is None
    with pytest.raises(EnvironmentUnavailable, match="not installed yet"):
        environments.resolve(NAME, replace(settings, offline=True))
    environments.resolve(NAME, settings)
    assert lock.read_text() == LOCK


def test_a_release_that_there_is_not_names_it_and_the_pinned_one(settings, uv):
    """A wrong request, which no network mends; where another engine has that version, it is named."""
    uv(NO_RELEASE)
    with pytest.raises(
        RequestError, match=r"there is no ai-edge-litert 9\.9\.9; litert is pinned to 2\.3\.0\n"
    ) as caught:
        environments.resolve("litert==9.9.9", settings)
    assert caught.value.exit_status == 2
    assert "pip index versions ai-edge-litert" in caught.value.hint
    assert not (settings.home / "locks" / "litert==9.9.9").exists()

    uv(NO_RELEASE.replace("9.9.9", "2.14.0"))
    with pytest.raises(RequestError, match=r"2\.3\.0, tflite_runtime is pinned to 2\.14\.0"):
        environments.resolve("litert==2.14.0", settings)


def test_a_release_without_files_for_any_python_says_so(settings, uv):
    """With what uv said of the last one."""
    uv(NO_FILES)

    with pytest.raises(
        EnvironmentUnavailable, match=r"ai-edge-litert==2\.1\.0 and its dependencies .* Python 3\.10"
    ) as caught:
        environments.resolve(NAME, settings)

    assert "no wheels with a matching Python ABI tag" in caught.value.hint


def test_a_short_name_of_a_release_is_refused_with_the_whole_one(settings, uv):
    """The engine says 2.1.0 when it runs, and a profile that says 2.1 would be of another one."""
    uv()

    with pytest.raises(RequestError, match=r"ai-edge-litert==2\.1 is release 2\.1\.0; expected litert==2\.1\.0"):
        environments.resolve("litert==2.1", settings)


@pytest.fixture
def systems(tmp_path, monkeypatch):
    """The systems of emulated machines, which are only said to be there."""
    emulator = Emulator(Path("/qemu"), "qemu version 7.2.22")

    def system(machine: Machine, settings: Settings) -> System:
        return System(emulator, tmp_path / machine.name, "debs")

    for name in ("make_system", "find_system"):
        monkeypatch.setattr(packages.sysroot, name, system)


def test_an_emulated_release_has_a_lock_for_its_processor(settings, uv, systems):
    """Files for aarch64 and Python 3.11, whatever this machine is; both locks stay."""
    log = uv()

    held = packages.make_packages(NAME, MACHINES["aarch64"], settings)
    environments.resolve(NAME, settings)

    assert held.versions == {"ai-edge-litert": "2.1.0"}
    assert packages.find_packages(NAME, MACHINES["aarch64"], settings) == held
    (first, second) = calls(log, "pip compile")
    assert "--python-version 3.11 --no-python-downloads" in first
    assert "--python-platform aarch64-manylinux_2_36" in first
    assert "--python-platform" not in second
    assert releases.names(settings.home) == [NAME]


def test_the_emulated_python_is_asked_where_uv_does_not_know_the_platform(settings, uv, systems, tmp_path):
    """What its system has already is neither in the lock nor installed; a pinned release leaves it out of its own lock."""
    log = uv("tflite-runtime==2.13.0 \\\n    --hash=sha256:00\n")

    for name in ("tflite_runtime==2.13.0", "tflite_runtime"):
        packages.make_packages(name, MACHINES["armv7l"], settings)

    (compiled,) = calls(log, "pip compile")
    assert "--excludes excluded.txt" in compiled
    installing = calls(log, "pip install")
    lock = settings.home / "locks" / "tflite_runtime==2.13.0 armv7l"
    assert (lock / "requirements.in").read_text() == "tflite-runtime==2.13.0\nsafetensors>=0.4\n"
    assert (lock / "excluded.txt").read_text() == "numpy\n"
    assert f"/qemu -L {tmp_path}/armv7l {tmp_path}/armv7l/usr/bin/python3.11" in (lock / "python").read_text()
    assert "--python " in compiled
    assert len(installing) == 2
    assert all("--require-hashes" in each and "--python-platform" not in each for each in installing)
    (pinned,) = (settings.home / "environments").glob("tflite_runtime-armv7l-*/requirements.txt")
    assert re.findall(r"^([a-z-]+)==", pinned.read_text(), re.MULTILINE) == ["safetensors", "tflite-runtime"]
    assert "sha256" in pinned.read_text()


@pytest.mark.parametrize("name", ["litert", "onnxruntime==1.22.0"])
def test_an_engine_without_wheels_for_a_machine_names_those_that_have_some(settings, name):
    """None is asked for that cannot be there."""
    with pytest.raises(UnknownName, match=r"environment for armv7l '(litert|onnxruntime)': unknown; .*tflite_runtime"):
        packages.make_packages(name, MACHINES["armv7l"], settings)


def test_an_emulated_release_without_network_names_both_parts_of_its_setup(settings):
    """The release and the emulator."""
    with pytest.raises(EnvironmentUnavailable) as caught:
        packages.make_packages(NAME, MACHINES["aarch64"], replace(settings, offline=True))

    assert "`edge-toolkit setup litert==2.1.0 qemu`" in caught.value.hint


def test_the_status_of_a_release_shows_its_lock(settings, uv):
    """Beside the pinned ones, once it was made."""
    uv()
    assert NAME not in {row.name for row in environments.status(settings)}

    environments.resolve(NAME, settings)

    (row,) = (row for row in environments.status(settings) if row.name == NAME)
    assert row.ready
    assert row.about == f"ai-edge-litert 2.1.0, locked in {settings.home}/locks/{NAME}/requirements.txt"


@pytest.mark.parametrize(("held", "taken"), [("2.1.0", True), ("2.3.0", False)])
def test_an_interpreter_that_holds_the_release_serves(settings, monkeypatch, tmp_path, held, taken):
    """The user's own installation is taken where it is of that release, and no other."""
    for name in (f"ai_edge_litert-{held}", "numpy-2.4.6", "safetensors-0.8.0"):
        (tmp_path / "site" / f"{name}.dist-info").mkdir(parents=True)
    here = Interpreter(Path(sys.executable), "3.11.7", "linux-x86_64", (str(tmp_path / "site"),))
    monkeypatch.setattr(environments, "current", lambda: here)

    found = environments.find(NAME, settings)

    assert (found is not None) == taken
    assert found is None or (found.engine, found.python) == ("ai-edge-litert 2.1.0", Path(sys.executable))


def test_the_locks_are_listed_by_release(settings, uv):
    """For whoever looks through the cache folder, or copies a lock to another machine."""
    uv()
    assert environments.locks(settings) == {}

    environments.resolve(NAME, settings)

    assert environments.locks(settings) == {NAME: settings.home / "locks" / NAME / "requirements.txt"}


@pytest.mark.parametrize(
    ("text", "pythons"),
    [
        ("litert==2.1.0=/opt/a=b/python", {"litert==2.1.0": "/opt/a=b/python"}),
        ("litert=/opt/a==b/python", {"litert": "/opt/a==b/python"}),
    ],
)
def test_an_interpreter_is_named_for_a_release_as_for_an_engine(text, pythons):
    """A path may hold the sign that separates it from the name."""
    common = Common(as_json=False, offline=True, python=[text], timeout=1, memory=1)

    assert common.settings.pythons == {name: Path(path) for name, path in pythons.items()}


def test_a_folder_of_locks_that_others_may_write_to_is_not_believed(settings):
    """A lock names programs that run here."""
    folder = settings.home / "locks" / NAME
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text(LOCK)
    digest = hashlib.sha256(LOCK.encode()).hexdigest()
    (folder / made_once.MARKER).write_text(json.dumps({"python": "3.11", "lock_sha256": digest}))
    folder.chmod(0o777)

    with pytest.raises(Exception, match=r"others|everybody|write") as caught:
        environments.find(NAME, settings)

    assert type(caught.value).__name__ == "StoreFailed"
