"""Environments: which interpreter is taken, and how one is made exactly once, whatever happens meanwhile. No network."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement as Pinned
from packaging.specifiers import SpecifierSet

from toolkit import environments, launchers, registry
from toolkit.environments import interpreters, lent_package, made_once, virtualenv
from toolkit.environments.interpreters import Interpreter, identify, installed
from toolkit.environments.made_once import Making, make_once, read_marker
from toolkit.environments.remembered import recall, remember
from toolkit.environments.requirements import HERE, Requirement, _read_line, read_requirements
from toolkit.environments.status import Status
from toolkit.errors import EnvironmentUnavailable, RequestError, UnknownName
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import qemu
from toolkit.launchers.emulation import debian, packages, sysroot, x86
from toolkit.launchers.emulation.machines import MACHINES
from toolkit.settings import Settings

NAMES = environments.names()
REPOSITORY = HERE.parent.parent
LOCKS = [*(HERE / f"{name}.txt" for name in NAMES), REPOSITORY / "requirements" / "keras2.txt"]

# What a fake uv does, instead of half a minute of downloading: the shape of an environment, and a line in a log for each call.
FAKE_UV = """\
#!{python}
import os, pathlib, sys, time
arguments, here = sys.argv[1:], pathlib.Path.cwd()
with open({log!r}, "a") as log:
    log.write(" ".join(arguments) + "\\n")
if arguments[0] == "venv":
    (here / "bin").mkdir()
    (here / "bin" / "python").symlink_to({python!r})
    (here / "pyvenv.cfg").write_text("version_info = 3.11.7\\n")
    (here / "lib/python3.11/site-packages").mkdir(parents=True)
else:
    time.sleep({sleep_s})
    site = here / "lib/python3.11/site-packages"
    (site / "ai_edge_litert-2.3.0.dist-info").mkdir()
    (site / "numpy-2.4.6.dist-info").mkdir()
    print({says!r})
    sys.exit({status})
"""


@pytest.fixture
def settings(tmp_path):
    said: list[str] = []
    return Settings(home=tmp_path / "home", offline=False, pythons={}, say=said.append)


@pytest.fixture
def bare(monkeypatch):
    """An interpreter that holds nothing, so that whatever is asked for has to be made."""
    monkeypatch.setattr(
        environments, "current", lambda: Interpreter(Path(sys.executable), "3.11.7", "linux-x86_64", ())
    )


@pytest.fixture
def fake_uv(tmp_path, monkeypatch):
    """A uv that makes an environment of nothing; returns how to set it up, and its log."""
    log = tmp_path / "uv.log"

    def install(*, status: int = 0, says: str = "Installed 2 packages", sleep_s: float = 0) -> Path:
        script = tmp_path / "uv"
        script.write_text(
            FAKE_UV.format(python=sys.executable, log=str(log), sleep_s=sleep_s, says=says, status=status)
        )
        script.chmod(0o755)
        monkeypatch.setattr(virtualenv, "find_uv", lambda what: str(script))
        return log

    return install


def remains(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# The locks


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_every_package_by_hash_and_names_no_host(lock):
    """Whoever installs it gets these bytes, from whichever index his uv is set up for."""
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())

    assert entries
    for entry in entries:
        first, *hashes = [line.strip().rstrip("\\").strip() for line in entry.splitlines()]
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ]+( ; .+)?", first), first
        assert hashes, first
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), first
    assert "://" not in text
    assert not re.search(r"index-url|find-links|trusted-host", text)


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_meets_the_ranges_on_every_python_it_serves(name):
    """A lock that was renewed against other ranges would never be found good enough."""
    requirements = read_requirements(name)
    pins = [
        Pinned(line.rstrip(" \\")) for line in requirements.lock.read_text().splitlines() if re.match(r"[a-z]", line)
    ]
    pythons = [python for python in ("3.10.13", "3.11.7", "3.12.1", "3.13.0") if requirements.accepts_python(python)]

    assert pythons
    for python in pythons:
        marker = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
        chosen = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(marker)]
        holds = {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}
        assert len(holds) == len(chosen), "two versions of one package"
        assert requirements.lacking(python, holds) == []


@pytest.mark.parametrize("machine", [*MACHINES, x86.MACHINE])
def test_what_the_emulated_python_needs_is_served(machine):
    """The systems hold Python 3.11, and each machine has an engine."""
    assert packages.able(machine)
    for name in packages.able(machine):
        assert read_requirements(name).accepts_python("3.11.2")


def test_tflite_runtime_keeps_numpy_1_and_python_3_11():
    """Its last release imports with nothing newer."""
    requirements = read_requirements("tflite_runtime")

    assert not requirements.accepts_python("3.12.1")
    assert requirements.lacking("3.11.7", {"tflite-runtime": "2.14.0", "numpy": "2.0.1", "safetensors": "0.8.0"}) == [
        "numpy<2 (has 2.0.1)"
    ]


def test_an_interpreter_of_another_python_does_not_serve():
    """Whatever packages it claims to hold."""
    holds = {"tflite-runtime": "2.14.0", "numpy": "1.26.4", "safetensors": "0.8.0"}

    assert read_requirements("tflite_runtime").lacking("3.12.1", holds) == ["Python >=3.10,<3.12 (is 3.12.1)"]


# Reading what is needed, and what is there


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy", Requirement(("numpy",), "")),
        ("ai_edge_litert == 2.3.0", Requirement(("ai-edge-litert",), "==2.3.0")),
        ("tensorflow>=2.16,<2.22  # or tensorflow-cpu", Requirement(("tensorflow", "tensorflow-cpu"), ">=2.16,<2.22")),
        ("safetensors>=0.4  # any", Requirement(("safetensors",), ">=0.4")),
        (
            "tensorflow  # or tf-nightly or Tensorflow_CPU",
            Requirement(("tensorflow", "tf-nightly", "tensorflow-cpu"), ""),
        ),
    ],
)
def test_a_line_of_requirements_reads_as_written(line, expected):
    """Two comments mean something, and no other."""
    assert _read_line(line) == expected


def test_a_line_that_is_no_requirement_is_refused():
    """A mistake in a file of ours must not turn into an environment without a package."""
    with pytest.raises(ValueError, match="not a requirement"):
        _read_line("-r other.in")


@pytest.mark.parametrize(
    ("holds", "lacks"),
    [
        ({"tensorflow": "2.21.0"}, None),
        ({"tensorflow-cpu": "2.16.1"}, None),
        ({"tensorflow": "2.22.0"}, "tensorflow>=2.16,<2.22 (has 2.22.0)"),
        ({"tensorflow": "2.21.0rc1"}, None),
        ({"tensorflow": "mine"}, "tensorflow>=2.16,<2.22 (has mine)"),
        ({}, "tensorflow>=2.16,<2.22"),
    ],
)
def test_a_version_is_held_against_its_range(holds, lacks):
    """Another distribution of the same package serves too; what is no version never does."""
    assert Requirement(("tensorflow", "tensorflow-cpu"), ">=2.16,<2.22").lacking(holds) == lacks


@pytest.mark.parametrize(
    "wanted", ["", ">=3.10", "<2", "!=2.0", ">1.9,<2.1", "==2.1", "~=2.1", "==2.*", ">=2.1rc1", "<=2.0.0"]
)
def test_a_range_means_what_the_library_for_versions_says(wanted):
    """Plain versions are compared without it; whatever is not plain goes to it."""
    for version in (
        "1",
        "1.9",
        "2",
        "2.0",
        "2.0.0",
        "2.0.1",
        "2.1",
        "2.1.0",
        "2.01",
        "2.10",
        "3.9",
        "3.10",
        "2.1rc1",
        "2.1.post1",
        "2.1+cpu",
    ):
        within = Requirement(("it",), wanted).lacking({"it": version}) is None

        assert within == SpecifierSet(wanted).contains(version, prereleases=True), version


def test_plain_versions_need_no_library():
    """It takes longer to import than everything else that finds an environment."""
    code = (
        "import sys; from toolkit.environments.requirements import read_requirements as read\n"
        "assert read('dataset').serves('3.11.2', {'numpy': '2.2.6', 'pillow': '11.0.0', 'safetensors': '0.5.0', 'soundfile': '0.13.1'})\n"
        "print('packaging' in sys.modules)"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)

    assert found.stdout.strip() == "False"


def test_distributions_are_read_from_the_names_of_their_folders(tmp_path):
    """Nothing is imported; the first folder wins, as in imports; what an uninstall left is not taken for a package."""
    for entry in (
        "first/ai_edge_litert-2.3.0.dist-info",
        "first/numpy-2.4.6.dist-info",
        "second/numpy-1.26.4.dist-info",
        "second/Old.Style-1.0-py3.11.egg-info",
        "second/~afetensors-0.8.0.dist-info",
        "second/numpy",
    ):
        (tmp_path / entry).mkdir(parents=True)

    found = installed([str(tmp_path / "first"), str(tmp_path / "absent"), str(tmp_path / "second")])

    assert found == {"ai-edge-litert": "2.3.0", "numpy": "2.4.6", "old-style": "1.0"}


def test_distributions_agree_with_pythons_own_answer():
    """The names of folders say the same as the metadata inside, for all that this interpreter holds."""
    from importlib.metadata import distributions

    here = interpreters.current()
    found = installed(here.search)

    assert found
    theirs = {interpreters.normalize(each.metadata["Name"]): each.version for each in distributions()}
    assert {name: theirs[name] for name in found} == found


def test_identity_changes_with_everything_that_could_change_a_result():
    """It goes into the keys of jobs."""
    base = identify({"numpy": "2.4.6"}, "3.11.7", "linux-x86_64")

    assert identify({"numpy": "2.4.6"}, "3.11.7", "linux-x86_64") == base
    assert identify({"numpy": "2.4.7"}, "3.11.7", "linux-x86_64") != base
    assert identify({"numpy": "2.4.6", "protobuf": "7"}, "3.11.7", "linux-x86_64") != base
    assert identify({"numpy": "2.4.6"}, "3.11.8", "linux-x86_64") != base
    assert identify({"numpy": "2.4.6"}, "3.11.7", "linux-aarch64") != base


# Which interpreter is taken


def test_the_current_interpreter_is_taken_where_it_serves(settings):
    """`dataset` needs what the toolkit itself needs."""
    found = environments.resolve("dataset", settings)

    assert found.python == Path(sys.executable)
    assert found.versions["numpy"] == np.__version__
    assert found.engine.startswith("numpy ")
    assert not settings.home.exists()


def test_what_is_there_is_found_without_starting_a_program(settings, bare, fake_uv, monkeypatch):
    """It is on the path of every build that has nothing to do."""
    fake_uv()
    made = environments.resolve("litert", settings)
    monkeypatch.setattr(subprocess, "Popen", None)

    assert environments.resolve("litert", settings) == made
    assert environments.find("litert", settings) == made


def test_an_interpreter_that_was_named_must_hold_what_is_asked(settings):
    """All that it lacks is said at once, with the version it has."""
    named = Settings(settings.home, pythons={"tflite_runtime": Path(sys.executable)})

    with pytest.raises(EnvironmentUnavailable, match=r"lacks .*tflite-runtime==2\.14\.0, numpy<2 \(has 2") as caught:
        environments.resolve("tflite_runtime", named)

    assert str(sys.executable) in caught.value.problem
    assert "--python tflite_runtime=" in caught.value.hint


def test_an_interpreter_that_was_named_is_asked_once(settings, monkeypatch):
    """A start of Python costs more than the rest of a build that has nothing to do; what it holds is looked up each time."""
    named = Settings(settings.home, pythons={"dataset": Path(sys.executable)})

    first = environments.resolve("dataset", named)
    monkeypatch.setattr(subprocess, "Popen", None)

    assert environments.resolve("dataset", named) == first
    assert first.python == Path(sys.executable)


def test_an_interpreter_that_changed_is_asked_again(settings, tmp_path):
    """What is remembered depends on the file's time and size."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    interpreters.ask("dataset", python, settings.home)
    python.unlink()
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)

    with pytest.raises(RequestError, match="not a working Python"):
        interpreters.ask("dataset", python, settings.home)


@pytest.mark.parametrize("path", ["/no/such/python", "/bin/true", "/etc/passwd"])
def test_a_named_interpreter_that_is_none_is_a_wrong_request(settings, path):
    """The message repeats the flag."""
    named = Settings(settings.home, pythons={"litert": Path(path)})

    with pytest.raises(RequestError, match=f"--python litert='{path}'"):
        environments.resolve("litert", named)


@pytest.mark.parametrize("pythons", [{}, {"tensorfow": Path(sys.executable)}])
def test_an_unknown_environment_offers_the_closest(settings, pythons):
    """Also where it was named with `--python`, which nothing would ever use."""
    asked = "dataset" if pythons else "tensorfow"

    with pytest.raises(UnknownName, match="'tensorfow': unknown; did you mean 'tensorflow'"):
        environments.resolve(asked, Settings(settings.home, pythons=pythons))


def test_a_former_name_of_an_environment_is_answered_with_the_one_of_today(settings):
    """As `--python` and `setup` in somebody's script have it."""
    with pytest.raises(UnknownName, match="'ai_edge_quantizer': unknown; now called 'litert_quantizer'"):
        environments.resolve("ai_edge_quantizer", settings)


# The environment in which the user's own code makes the model: named, never made


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Return the interpreter of an environment that holds this one's numpy, a TensorFlow which tells where it is imported, and nothing else."""
    monkeypatch.setenv("PYTHONPATH", "")  # what the user's shell says holds for an interpreter that he named
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder, site = tmp_path / "training", tmp_path / "training" / "lib" / version / "site-packages"
    (folder / "bin").mkdir(parents=True)
    base = Path(sys._base_executable)
    (folder / "bin" / "python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    numpy = Path(np.__file__).parent
    (site / "tensorflow").mkdir(parents=True)
    (site / "numpy").symlink_to(numpy)
    (site / f"numpy-{np.__version__}.dist-info").mkdir()
    (site / "tensorflow_cpu-2.15.1.dist-info").mkdir()
    (site / "tensorflow" / "__init__.py").write_text(
        "import json, os, sys\n"
        f"json.dump([sys.path, sys.argv, dict(os.environ)], open({str(tmp_path / 'imported.json')!r}, 'w'))\n"
    )
    return folder / "bin" / "python"


def site_of(python: Path) -> Path:
    return next(python.parent.parent.glob("lib/*/site-packages"))


def naming(settings: Settings, python: Path) -> Settings:
    return Settings(settings.home, pythons={"source": python})


def test_source_is_there_only_if_it_was_named(settings, bare):
    """It is never made, and whatever else is here is not taken for it."""
    for take in (environments.find, environments.resolve):
        with pytest.raises(EnvironmentUnavailable, match="environment source: no interpreter was named") as caught:
            take("source", settings)
        assert "--python source=/path/to/python" in caught.value.hint
        assert "tensorflow>=2.8" in caught.value.hint

    with pytest.raises(EnvironmentUnavailable, match="no interpreter was named"):
        environments.setup(["source"], settings)
    assert not settings.home.exists()


def test_source_is_not_among_what_is_made(settings, bare, fake_uv, monkeypatch):
    """`setup` without names leaves it alone, and `doctor` has nothing to say of it."""
    fake_uv()
    for name in registry.names("launchers"):  # what they make comes over the network
        monkeypatch.setattr(registry.load("launchers", name), "SETUP", ())
    made = []
    monkeypatch.setattr(environments, "resolve", lambda name, settings: made.append(name))

    states = launchers.setup([], settings)

    assert sorted(made) == NAMES
    assert "source" not in {*NAMES, *(state.name for state in (*states, *environments.status(settings)))}


def test_source_is_the_interpreter_that_was_named(settings, training):
    """Its engine under whichever name it was installed; all that it holds is told, because the user's code may use any of it."""
    named = naming(settings, training)

    found = environments.resolve("source", named)

    assert (found.python, found.engine) == (training, "tensorflow-cpu 2.15.1")
    assert set(found.versions) == {"numpy", "tensorflow-cpu"}
    (state,) = [state for state in environments.status(named) if state.name == "source"]
    assert (state.ready, state.about, state.where) == (True, "tensorflow-cpu 2.15.1", training)
    assert environments.preload("source") == ("tensorflow",)


def test_source_may_be_named_where_nothing_needs_it(settings):
    """It is not even looked at."""
    found = environments.resolve("dataset", naming(settings, Path("/no/such/python")))

    assert found.python == Path(sys.executable)


def test_the_identity_of_source_changes_with_any_distribution(settings, training):
    """Also with one that no list of ours knows, and with the files of one that was installed from a folder under the same version."""
    named = naming(settings, training)
    seen = [environments.resolve("source", named).identity]

    own = site_of(training) / "their_layers-0.1.dist-info"
    own.mkdir()
    seen.append(environments.resolve("source", named).identity)
    (own / "direct_url.json").write_text("{}")
    for content in ("layers.py,sha256=one,10\n", "layers.py,sha256=other,10\n"):
        (own / "RECORD").write_text(content)
        seen.append(environments.resolve("source", named).identity)
    (site_of(training) / "tensorflow_cpu-2.15.1.dist-info").rename(
        site_of(training) / "tensorflow_cpu-2.14.1.dist-info"
    )
    seen.append(environments.resolve("source", named).identity)

    assert len(set(seen)) == 5
    assert environments.resolve("source", named).identity == seen[-1]


def test_source_without_tensorflow_is_refused(settings, training):
    """What it lacks, where, and both ways out."""
    (site_of(training) / "tensorflow_cpu-2.15.1.dist-info").rename(site_of(training) / "keras-2.15.0.dist-info")

    with pytest.raises(EnvironmentUnavailable) as caught:
        environments.resolve("source", naming(settings, training))

    assert caught.value.problem == f"environment source: the interpreter '{training}' lacks tensorflow>=2.8"
    assert "leave out `--python source=...` to use the toolkit's own TensorFlow" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            """echo '{"version": "3.9.18", "platform": "linux-x86_64", "search": []}'""",
            r"lacks Python >=3\.10 \(is 3\.9\.18\)",
        ),
        ("echo 'cannot open shared object file: libpython3.10.so' >&2; exit 127", "is not a working Python"),
        ("exit 0", "is not a working Python"),
    ],
)
def test_source_that_is_too_old_or_does_not_start_is_refused(settings, tmp_path, script, says):
    """The flag or the path is repeated, and what the program itself said is the hint."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    with pytest.raises((RequestError, EnvironmentUnavailable), match=says) as caught:
        environments.resolve("source", naming(settings, python))

    assert str(python) in caught.value.problem
    assert "libpython3.10.so" in caught.value.hint or "libpython" not in script


def test_the_folder_of_an_environment_is_not_its_interpreter(settings, training):
    """A likely slip; the error names the expected path."""
    with pytest.raises(RequestError, match="is a folder") as caught:
        environments.resolve("source", naming(settings, training.parent.parent))

    assert caught.value.hint == f"--python source={training}"


# What a training environment borrows


def answer(settings: Settings, tmp_path: Path) -> dict[str, object]:
    """Return the result of a job that needs no engine, run in `source`."""
    from toolkit.wire.shards import ShardWriter

    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"x": np.zeros(2, np.float32)})
    specs = {
        side: [{"name": name, "dtype": "float32", "shape": [2]}] for side, name in (("inputs", "x"), ("outputs", "y"))
    }
    (tmp_path / "model.fake").write_text(json.dumps({"signature": {"key": "k", **specs}}))
    inputs = {"model": tmp_path / "model.fake", "samples": tmp_path / "samples"}
    job = Job(
        "fake", "execution.infer", "run", Engine("source"), {"runtime": "fake"}, inputs, ("execution.runtimes.fake",)
    )
    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(job)
    return dict(entry.result)


def test_a_training_environment_borrows_safetensors_and_nothing_else(settings, training, tmp_path):
    """A job runs there, and neither the host's packages nor the toolkit's folder are on its path, nor a variable of ours among its own."""
    assert answer(naming(settings, training), tmp_path)["count"] == 1

    path, arguments, variables = json.loads((tmp_path / "imported.json").read_text())
    host = Path(lent_package.own_copy()).parent
    assert arguments[arguments.index("--mount") + 1] == str(host / "safetensors")
    assert str(site_of(training)) in path
    assert not [entry for entry in path if Path(entry) == host or REPOSITORY in (Path(entry), *Path(entry).parents)]
    assert lent_package.MOUNT not in variables


def test_what_an_environment_holds_it_does_not_borrow(settings, training):
    """Its own safetensors is the one that its code knows."""
    assert lent_package.MOUNT in environments.resolve("source", naming(settings, training)).variables

    (site_of(training) / "safetensors-0.4.5.dist-info").mkdir()

    assert lent_package.MOUNT not in environments.resolve("source", naming(settings, training)).variables


@pytest.mark.parametrize("compiled", ["_safetensors_rust.cpython-311-x86_64-linux-gnu.so", None])
def test_a_copy_that_serves_one_python_alone_is_not_lent(settings, training, tmp_path, monkeypatch, compiled):
    """What to install is said before anything is started."""
    (tmp_path / "safetensors").mkdir()
    if compiled:
        (tmp_path / "safetensors" / compiled).touch()
    monkeypatch.setattr(lent_package, "own_copy", lambda: tmp_path / "safetensors")

    with pytest.raises(
        EnvironmentUnavailable, match="lacks safetensors, and the toolkit's own serves no other"
    ) as caught:
        environments.resolve("source", naming(settings, training))

    assert caught.value.hint == f"{training} -m pip install safetensors"


def test_a_copy_that_does_not_work_there_says_what_to_install(settings, training, tmp_path, monkeypatch):
    """Whether it does shows when it is imported."""
    lent = tmp_path / "safetensors"
    lent.mkdir()
    (lent / "_safetensors_rust.abi3.so").write_bytes(b"not for this machine")
    (lent / "__init__.py").write_text("from ._safetensors_rust import safe_open\n")
    monkeypatch.setattr(lent_package, "own_copy", lambda: lent)

    with pytest.raises(EnvironmentUnavailable) as caught:
        answer(naming(settings, training), tmp_path)

    assert f"safetensors is not in {training}, and the toolkit's own does not work there" in caught.value.problem
    assert "pip install safetensors" in caught.value.problem


# Making one


def test_an_environment_is_made_from_its_lock_with_hashes(settings, bare, fake_uv):
    """The marker says what was installed; nothing but the environment is left."""
    log = fake_uv()

    made = environments.resolve("litert", settings)

    venv, sync = log.read_text().splitlines()
    assert venv.startswith("venv --relocatable ")
    assert sync.startswith("pip sync --require-hashes --only-binary :all: --compile-bytecode ")
    assert sync.endswith("toolkit/environments/litert.txt")
    assert made.engine == "ai-edge-litert 2.3.0"
    assert made.versions == {"ai-edge-litert": "2.3.0", "numpy": "2.4.6"}
    assert made.variables["PYTHONPATH"] == ""
    assert made.python.parent.parent.parent == settings.home / "environments"
    assert len(remains(settings.home / "environments")) == 1
    assert not list(settings.home.rglob("*.lock"))


def test_another_lock_is_another_environment(settings, bare, fake_uv, tmp_path, monkeypatch):
    """An upgrade of the toolkit never runs on what an older one installed."""
    fake_uv()
    before = environments.resolve("litert", settings)
    lock = tmp_path / "litert.txt"
    lock.write_text("numpy==2.4.7\n")
    real = read_requirements("litert")
    monkeypatch.setattr(
        environments,
        "read_requirements",
        lambda name: type(real)(real.name, real.python, real.preload, real.packages, lock),
    )

    assert environments.find("litert", settings) is None
    assert environments.resolve("litert", settings).python != before.python


def test_an_environment_whose_python_is_gone_is_made_again(settings, bare, fake_uv):
    """An upgrade of the machine may remove the interpreter that the environment's link points to."""
    log = fake_uv()
    python = environments.resolve("litert", settings).python
    python.unlink()
    python.symlink_to("/no/such/python3.11")

    assert environments.find("litert", settings) is None
    assert environments.resolve("litert", settings).python == python

    assert log.read_text().count("venv --relocatable") == 2
    assert len(remains(settings.home / "environments")) == 1


def test_offline_says_what_is_missing_and_what_gets_it(bare, tmp_path):
    """It never touches the network, and nothing is left of the attempt."""
    offline = Settings(tmp_path / "home", offline=True)

    with pytest.raises(EnvironmentUnavailable, match=r"environment litert: not installed yet.*offline") as caught:
        environments.resolve("litert", offline)

    assert "edge-toolkit setup litert" in caught.value.hint
    assert not offline.home.exists()
    for machine in MACHINES.values():
        for make in (sysroot.make_system, partial(packages.make_packages, "tflite_runtime")):
            with pytest.raises(
                EnvironmentUnavailable, match=rf"for {machine.name}: .*offline|^{machine.name} .*offline"
            ) as caught:
                make(machine, offline)
            assert "edge-toolkit setup qemu" in caught.value.hint


def test_without_uv_the_message_says_how_to_get_it(monkeypatch):
    """Neither its package nor a program of its name."""
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(EnvironmentUnavailable, match="uv, which makes environments, is not installed") as caught:
        virtualenv.find_uv("environment litert")

    assert caught.value.hint == "pip install uv"


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("error: failed to copy x: No space left on device (os error 28)", "no space left on the disk"),
        ("error: Request failed\n  cause: dns error: failed to lookup address", "could not reach the network"),
        ("E: Failed to fetch x  Temporary failure resolving 'mirror'", "could not reach the network"),
        ("error: Hash mismatch for `numpy==2.4.6`", "uv failed (exit status 2)"),
    ],
)
def test_a_failed_program_is_one_sentence_and_its_last_words(settings, bare, fake_uv, says, problem):
    """Nothing of it stays on the disk."""
    fake_uv(status=2, says="Resolved 9 packages\n" + says)

    with pytest.raises(EnvironmentUnavailable, match=r"^environment litert: ") as caught:
        environments.resolve("litert", settings)

    assert problem in caught.value.problem
    assert caught.value.hint.splitlines() == says.splitlines()
    assert remains(settings.home / "environments") == []


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (errno.ENOSPC, "no space left on the disk of"),
        (errno.EROFS, "cannot write to .*Read-only file system"),
        (errno.EACCES, "cannot write to .*Permission denied"),
    ],
)
def test_what_the_disk_refuses_is_one_sentence(tmp_path, number, problem):
    """With the variable that moves everything to another disk."""

    def build(making: Making) -> dict[str, object]:
        raise OSError(number, os.strerror(number))

    with pytest.raises(EnvironmentUnavailable, match=problem) as caught:
        make_once(tmp_path / "made", build, what="thing", say=print)

    assert "EDGE_TOOLKIT_HOME" in caught.value.hint
    assert remains(tmp_path) == []


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path):
    """Here because a file is in its place."""
    (tmp_path / "home").write_text("")

    with pytest.raises(EnvironmentUnavailable, match=r"cannot write to .*home"):
        make_once(tmp_path / "home" / "made", lambda making: {}, what="thing", say=print)


def test_too_little_space_is_said_before_anything_starts(tmp_path):
    """On a full disk apt does not fail, it hangs."""
    with pytest.raises(EnvironmentUnavailable, match=r"needs 1000000000000 MB while it is made; the disk of .* has"):
        make_once(tmp_path / "made", lambda making: {}, what="thing", say=print, needs_bytes=10**18)

    assert remains(tmp_path) == []


def test_a_program_that_is_not_there_is_named(tmp_path):
    """An `OSError` of starting it must not read as one of the disk."""
    with pytest.raises(EnvironmentUnavailable, match=r"^thing: .no.such.program cannot be started: No such file"):
        make_once(
            tmp_path / "made", lambda making: {"lines": making.run(["/no/such/program"])}, what="thing", say=print
        )


def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    """Nothing waits for ever."""
    monkeypatch.setattr(made_once, "_TIMEOUT_S", 0.2)

    with pytest.raises(EnvironmentUnavailable, match=r"sleep failed \(signal 9\)"):
        make_once(tmp_path / "made", lambda making: {"lines": making.run(["sleep", "60"])}, what="thing", say=print)


# Two at once, and killed half-way. Other processes run this:

MAKER = """\
    import pathlib, sys, time
    from toolkit.environments.made_once import make_once
    folder, log, act = map(pathlib.Path, sys.argv[1:])

    def build(making):
        with open(log, "a") as file:
            file.write("built\\n")
        (making.folder / "half").write_text("")
        print("building", flush=True)
        {act}
        (making.folder / "half").rename(making.folder / "whole")
        return {{"by": log.name}}

    print(make_once(folder, build, what="thing", say=lambda line: print(line, flush=True)))
"""


def start_maker(tmp_path: Path, act: str) -> subprocess.Popen[str]:
    script = tmp_path / f"maker{abs(hash(act))}.py"
    if not script.exists():  # others may be reading it
        script.write_text(textwrap.dedent(MAKER).format(act=act))
    return subprocess.Popen(
        [sys.executable, script, tmp_path / "home" / "made", tmp_path / "log", "."],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_a_folder_that_somebody_else_made_stays(tmp_path):
    """It has the place of what is to be made, and no marker of ours in it."""
    place = tmp_path / "home" / "made"
    (place / "src").mkdir(parents=True)
    (place / "src" / "main.c").write_text("int main;")

    with pytest.raises(EnvironmentUnavailable, match="made holds files, and this program did not make it") as caught:
        make_once(place, lambda making: {}, what="thing", say=print)

    assert "EDGE_TOOLKIT_HOME" in caught.value.hint
    assert (place / "src" / "main.c").read_text() == "int main;"
    assert remains(tmp_path / "home") == ["made"]


def test_of_many_at_once_one_makes_it_and_all_get_it(tmp_path):
    """The others wait, and say so; nothing is built twice, nothing is left over."""
    act = "while not log.with_name('go').exists(): time.sleep(0.01)"
    makers = [start_maker(tmp_path, act)]
    assert makers[0].stdout.readline() == "building\n"
    makers += [start_maker(tmp_path, act) for _ in range(5)]
    assert [maker.stdout.readline() for maker in makers[1:]] == [
        "thing: waiting for another process that installs it\n"
    ] * 5
    (tmp_path / "go").touch()

    outputs = [maker.communicate(timeout=300)[0] for maker in makers]

    assert [maker.returncode for maker in makers] == [0] * 6
    assert outputs == ["{'by': 'log'}\n"] * 6
    assert (tmp_path / "log").read_text() == "built\n"
    assert remains(tmp_path / "home") == ["made"]
    assert remains(tmp_path / "home" / "made") == ["made.json", "whole"]


def test_of_many_at_once_that_fail_each_says_so(tmp_path):
    """Whoever waited tries himself, in a clean folder; none takes the other's rubble for its own."""
    makers = [start_maker(tmp_path, "time.sleep(0.05); 1 / 0") for _ in range(4)]
    for maker in makers:
        maker.communicate(timeout=300)

    assert [maker.returncode for maker in makers] == [1] * 4
    assert (tmp_path / "log").read_text() == "built\n" * 4
    assert remains(tmp_path / "home") == []


def test_what_was_killed_half_way_is_cleared_and_made_again(tmp_path):
    """No lock outlives the process that held it, and no half is taken for the whole."""
    maker = start_maker(tmp_path, "(making.folder / 'rubble').mkdir(); print('rubble', flush=True); time.sleep(600)")
    assert [maker.stdout.readline() for _ in range(2)] == ["building\n", "rubble\n"]
    maker.kill()
    maker.communicate()
    assert remains(tmp_path / "home") == ["made.partial"]
    assert read_marker(tmp_path / "home" / "made") is None

    again = start_maker(tmp_path, "assert sorted(p.name for p in making.folder.iterdir()) == ['half', 'making.lock']")
    output, _ = again.communicate(timeout=300)

    assert again.returncode == 0, output
    assert remains(tmp_path / "home") == ["made"]
    assert remains(tmp_path / "home" / "made") == ["made.json", "whole"]


def test_programs_of_a_killed_maker_are_waited_for(tmp_path):
    """Else they would go on writing into the folder that the next one builds."""
    begun, go, late = (tmp_path / name for name in ("begun", "go", "late"))
    program = f"touch {begun}; until [ -e {go} ]; do sleep 0.05; done; touch {late}"
    maker = start_maker(tmp_path, f"making.run(['sh', '-c', {program!r}])")
    assert maker.stdout.readline() == "building\n"
    while not begun.exists():
        assert maker.poll() is None
        time.sleep(0.01)
    maker.send_signal(signal.SIGKILL)
    maker.wait()

    again = start_maker(tmp_path, f"assert pathlib.Path({str(late)!r}).exists()")
    waiting = again.stdout.readline()
    go.touch()
    output, _ = again.communicate(timeout=300)

    maker.stdout.close()
    assert "waiting for another process" in waiting
    assert again.returncode == 0, output
    assert remains(tmp_path / "home") == ["made"]


def test_two_processes_make_an_environment_once(tmp_path, settings, bare, fake_uv):
    """The same through the whole of `resolve`, in threads, as `setup` runs it."""
    from concurrent.futures import ThreadPoolExecutor

    log = fake_uv(sleep_s=0.3)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: environments.resolve("litert", settings), range(4)))

    assert log.read_text().count("pip sync") == 1
    assert len({each.python for each in found}) == 1
    assert len(remains(settings.home / "environments")) == 1


# Facts that are remembered


def test_a_fact_is_remembered_under_the_whole_of_its_key(tmp_path):
    """Anything else in the key, and it has to be found out again; rubbish on the disk is no fact."""
    remember(tmp_path, "emulator", ["/bin/qemu", 1], "7.2.22")

    assert recall(tmp_path, "emulator", ["/bin/qemu", 1]) == "7.2.22"
    assert recall(tmp_path, "emulator", ["/bin/qemu", 2]) is None
    assert recall(tmp_path, "interpreter", ["/bin/qemu", 1]) is None
    (path,) = (tmp_path / "remembered").iterdir()
    path.write_text(path.read_text().replace("/bin/qemu", "/bin/other"))  # as if two keys had one hash
    assert recall(tmp_path, "emulator", ["/bin/qemu", 1]) is None
    path.write_text("{}")
    assert recall(tmp_path, "emulator", ["/bin/qemu", 1]) is None


def test_a_home_that_cannot_be_written_only_forgets(tmp_path):
    """A fact is never worth an error."""
    (tmp_path / "home").write_text("")

    remember(tmp_path / "home", "emulator", "key", "7.2.22")

    assert recall(tmp_path / "home", "emulator", "key") is None


# Debian packages without root


def test_debian_archives_are_found_in_both_forms_and_no_others(tmp_path):
    """Third parties' archives, sources and disabled ones are left out; keys stay with their addresses."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/a.gpg] http://one.example/debian trixie main contrib # ours\n"
        "deb-src http://one.example/debian trixie main\n"
        "deb http://one.example/security trixie-security main\n"
        "deb http://packages.example/apt cloud-sdk-bookworm main\n"
        "deb http://ubuntu.example/ubuntu jammy main universe\n"
    )
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\nURIs: http://two.example/debian\n# a comment\nSuites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By:\n -----BEGIN\n .\n -----END\n"
        "\n"
        "Types: deb\nEnabled: no\nURIs: http://three.example/debian\nSuites: bookworm\nComponents: main\n"
        "\n"
        "Types: deb\nURIs: http://node.example/\nSuites: nodistro\nComponents: main\n"
    )

    found = debian.read_sources(tmp_path)

    assert [(source.uri, source.security, source.signed_by) for source in found] == [
        ("http://one.example/debian", False, "/keys/a.gpg"),
        ("http://one.example/security", True, ""),
        ("http://two.example/debian", False, "\n -----BEGIN\n .\n -----END"),
    ]
    assert "Suites: bookworm bookworm-updates\n" in debian._stanza(found[0], backports=False)
    assert "Suites: bookworm-security\n" in debian._stanza(found[1], backports=True)
    assert "Suites: bookworm bookworm-updates bookworm-backports\n" in debian._stanza(found[0], backports=True)


def test_without_apt_the_reason_is_said(tmp_path, settings, monkeypatch):
    """No traceback, and nothing is left behind."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EnvironmentUnavailable, match="apt-get, apt-config, dpkg-deb, dpkg not found"):
        sysroot.make_system(MACHINES["aarch64"], settings)

    assert remains(settings.home / "systems") == []
    state = packages.status(settings)
    assert not state.ready
    assert "apt-get" in state.problem
    assert state.fix


def test_without_a_debian_archive_the_reason_is_said(settings, monkeypatch):
    """Another distribution's packages are of no use here."""
    monkeypatch.setattr(debian, "missing_programs", list)
    monkeypatch.setattr(debian, "read_sources", list)

    with pytest.raises(EnvironmentUnavailable, match="name no Debian archive") as caught:
        sysroot.make_system(MACHINES["aarch64"], settings)

    assert "bookworm main" in caught.value.hint
    assert remains(settings.home / "systems") == []


# doctor and setup


def test_status_says_of_each_whether_it_works_and_the_fix(settings, bare, fake_uv):
    """It makes nothing."""
    fake_uv()
    environments.resolve("litert", settings)

    states = {state.name: state for state in environments.status(settings)}

    assert sorted(states) == NAMES
    assert states["litert"].ready
    assert states["litert"].about == "ai-edge-litert 2.3.0"
    assert states["litert"].where.exists()
    assert not states["tensorflow"].ready
    assert states["tensorflow"].problem == "not installed yet"
    assert states["tensorflow"].fix == "edge-toolkit setup tensorflow"
    assert len(remains(settings.home / "environments")) == 1


def test_status_shows_a_named_interpreter_that_does_not_serve(settings):
    """And goes on with the others."""
    named = Settings(settings.home, pythons={"tflite_runtime": Path(sys.executable)})

    states = {state.name: state for state in environments.status(named)}

    assert "lacks" in states["tflite_runtime"].problem
    assert states["dataset"].ready


def test_setup_makes_what_is_named_and_reports_it(settings, bare, fake_uv, monkeypatch):
    """In the order of the request, `qemu` among them."""
    fake_uv()
    made = []
    monkeypatch.setattr(qemu, "SETUP", (made.append, made.append))
    monkeypatch.setattr(qemu, "status", lambda settings: Status("launcher", "qemu", bool(made), "an emulator"))

    states = launchers.setup(["qemu", "litert"], settings)

    assert [state.name for state in states] == ["qemu", "litert"]
    assert states[1].ready
    assert made == [settings, settings]


def test_setup_tries_all_and_says_all_that_failed(settings, bare, fake_uv, monkeypatch):
    """One that cannot be had does not keep the others from being made."""
    fake_uv()
    real = virtualenv.make
    monkeypatch.setattr(
        environments,
        "make",
        lambda wanted, settings: fail(wanted.name) if wanted.name != "litert" else real(wanted, settings),
    )

    def fail(name: str):
        raise EnvironmentUnavailable(f"environment {name}: no", "the same fix")

    with pytest.raises(
        EnvironmentUnavailable, match=r"environment tensorflow: no\nenvironment tflite_runtime: no"
    ) as caught:
        environments.setup(["tensorflow", "litert", "tflite_runtime"], settings)

    assert caught.value.hint == "the same fix"
    assert environments.find("litert", settings) is not None


def test_setup_of_an_unknown_name_makes_nothing(settings):
    """All names are looked at first."""
    with pytest.raises(UnknownName, match="did you mean 'qemu'"):
        launchers.setup(["litert", "qemo"], settings)

    assert not settings.home.exists()


# Settings


def test_home_and_offline_come_from_the_environment_variables(monkeypatch, tmp_path):
    """A relative home is taken from the current folder, once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_TOOLKIT_HOME", "somewhere")
    monkeypatch.setenv("EDGE_TOOLKIT_OFFLINE", "1")
    assert Settings().home == tmp_path / "somewhere"
    assert Settings().offline

    monkeypatch.delenv("EDGE_TOOLKIT_HOME")
    monkeypatch.setenv("EDGE_TOOLKIT_OFFLINE", "0")
    assert Settings().home.name == "edge-toolkit"
    assert not Settings().offline
    assert Settings(Path("relative")).home == tmp_path / "relative"
