"""The ARM builds of the engines, really run under QEMU on each core, and the fault that the known answer is there to catch.

One home for all tests and runs: EDGE_TOOLKIT_HOME, else the user's cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.rows import slow
from toolkit import environments, launchers
from toolkit.environments.instructions import X86
from toolkit.environments.made_once import read_marker
from toolkit.errors import EnvironmentUnavailable, TargetUnavailable, WorkerCrashed
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import Launch, qemu
from toolkit.launchers.emulation import debian, emulator, packages, sysroot, x86
from toolkit.launchers.emulation.known_answer import FOLDER, known_answer
from toolkit.launchers.emulation.machines import MACHINES
from toolkit.launchers.emulation.processors import PROCESSORS
from toolkit.settings import Limits, Settings
from toolkit.wire.shards import ShardWriter

CPUS = sorted(PROCESSORS)
AT_ONCE = {"cortex-a72", "cortex-a7"}  # one of each machine; the others in `make slow`
ON_CPUS = [
    (engine, cpu) if cpu in AT_ONCE else slow(engine, cpu)
    for cpu in CPUS
    for engine in packages.able(PROCESSORS[cpu].machine)
]
MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "onnxruntime": "onnxruntime",
    "tflite_runtime": "tflite_runtime.interpreter",
}

# Bits of AT_HWCAP by the names that Linux prints, in their order (arch/arm64/kernel/cpuinfo.c, arch/arm/kernel/setup.c).
HWCAP = {
    "aarch64": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4"
    " asimddp sha512 sve".split(),
    "armv7l": "swp half thumb 26bit fastmult fpa vfp edsp java iwmmxt crunch thumbee neon vfpv3 vfpv3d16 tls vfpv4 idiva idivt vfpd32 lpae"
    " evtstrm".split(),
}


@pytest.fixture(scope="module")
def settings():
    """The shared home, with everything made; skipped, loudly, only where its parts cannot be had at all."""
    settings = Settings()
    try:
        launchers.setup(["qemu"], settings)
    except EnvironmentUnavailable as error:
        if debian.missing_programs() or "network" in error.problem or "no Debian archive" in error.problem:
            pytest.skip(f"NOT TESTED, what emulation is made of is not available here: {error}")
        raise
    return settings


def run(launch: Launch, code: str, **variables: str) -> str:
    command = [*launch.command, "-c", code]
    given = {**os.environ, **launch.variables, **variables}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(("engine", "cpu"), ON_CPUS)
def test_an_engines_arm_build_runs_on_each_core(settings, engine, cpu):
    """With its own packages, and nothing of this machine's: neither libraries nor other Pythons' packages."""
    launch = qemu.prepare(engine, {"cpu": cpu}, settings)
    code = f"""if True:
        import json, os, platform, sys, numpy, safetensors
        import {MODULES[engine]}
        print(json.dumps([platform.machine(), platform.python_version()[:4], numpy.__version__, sys.path, dict(os.environ)]))"""

    machine, python, numpy, path, variables = json.loads(
        run(launch, code, LD_PRELOAD="/no/such/library.so", LD_LIBRARY_PATH="/usr/lib/x86_64-linux-gnu")
    )

    assert (machine, python) == (PROCESSORS[cpu].machine, "3.11")
    versions = packages.find_packages(engine, MACHINES[machine], settings).versions
    assert numpy == versions["numpy"]
    assert launch.about["engine"] in {f"{name} {version}" for name, version in versions.items()}
    made = (settings.home, sysroot.find_system(MACHINES[machine], settings).root)
    assert all(any(Path(entry).is_relative_to(place) for place in made) for entry in path if entry)
    assert not {"LD_PRELOAD", "LD_LIBRARY_PATH"} & set(variables)


@pytest.mark.parametrize("cpu", [cpu if cpu in AT_ONCE else slow(cpu) for cpu in CPUS])
def test_the_core_that_is_read_of_is_the_core_that_is_emulated(settings, cpu):
    """Every instruction that `/proc/cpuinfo` names is there, and the host's files are out of sight."""
    launch = qemu.prepare("tflite_runtime", {"cpu": cpu}, settings)
    code = """if True:
        import ctypes, json, pathlib
        library = ctypes.CDLL(None)
        library.getauxval.restype = ctypes.c_ulong
        cpus = pathlib.Path("/sys/devices/system/cpu")
        print(json.dumps([library.getauxval(16), open("/proc/cpuinfo").read(), (cpus / "present").read_text()]))"""

    hwcap, cpuinfo, present = json.loads(run(launch, code))

    fields = dict(line.replace("\t", "").split(": ", 1) for line in cpuinfo.splitlines() if ": " in line)
    assert int(fields["CPU part"], 16) == PROCESSORS[cpu].part
    assert fields["Features"].split() == PROCESSORS[cpu].features.split()
    assert present == "0\n"
    bits = HWCAP[PROCESSORS[cpu].machine]
    lacks = {name for name in fields["Features"].split() if not hwcap >> bits.index(name) & 1}
    assert lacks <= {"evtstrm"}  # a clock of the kernel's, which QEMU's user mode has not; no kernel is chosen by it


@pytest.mark.parametrize(("engine", "cpu"), ON_CPUS)
def test_the_known_answer_is_given_on_each_core(settings, engine, cpu):
    """Asked anew, whatever is remembered."""
    known_answer(qemu.prepare(engine, {"cpu": cpu}, settings), engine)


def test_the_known_answer_catches_qemus_fault(settings):
    """With `-cpu max`, which is refused, QEMU 7.2 computes SME's int8 kernels wrongly, and ends with exit status 0."""
    launch = qemu.prepare("litert", {"cpu": "cortex-a76"}, settings)
    if not launch.about["emulator"].startswith("qemu 7."):
        pytest.skip(f"NOT TESTED, {launch.about['emulator']} has not the fault of QEMU 7.2")
    unsafe = replace(launch, command=tuple("max" if part == "cortex-a76" else part for part in launch.command))

    with pytest.raises(
        TargetUnavailable, match=r"computes a known int8 model wrongly .*0_conv_2d: \d+ integers wrong by up to"
    ):
        known_answer(unsafe, "litert")


def test_a_core_and_files_that_disagree_are_caught(settings):
    """An A72 that reads of an A76's dot product dies of an instruction it has not; that is no answer either."""
    launch = qemu.prepare("litert", {"cpu": "cortex-a76"}, settings)
    if not launch.about["emulator"].startswith("qemu 7."):
        pytest.skip(f"NOT TESTED, {launch.about['emulator']} writes its own /proc/cpuinfo")
    disagreeing = replace(
        launch, command=tuple("cortex-a72" if part == "cortex-a76" else part for part in launch.command)
    )

    with pytest.raises(TargetUnavailable, match="killed by SIGILL"):
        known_answer(disagreeing, "litert")


def test_the_known_model_is_made_by_its_script(tmp_path):
    """The same bytes, from the seed; so nobody has to trust a file."""
    environment = environments.resolve("litert", Settings())
    subprocess.run(
        [environment.python, FOLDER / "make.py", tmp_path],
        env={**os.environ, **environment.variables},
        capture_output=True,
        check=True,
    )

    assert (tmp_path / "model.tflite").read_bytes() == (FOLDER / "model.tflite").read_bytes()


@pytest.mark.parametrize("engine", ["litert", "tflite_runtime"])
def test_the_answer_holds_on_this_machine_too(engine):
    """What is known of the model is arithmetic, not one processor's habit."""
    environment = environments.resolve(engine, Settings())
    ended = subprocess.run(
        [environment.python, FOLDER / "check.py", engine],
        env={**os.environ, **environment.variables},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(ended.stdout)["wrong"] == {}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=str)
def test_where_every_package_is_from_is_on_record(settings, machine):
    """Version and SHA-256 of each; the packages themselves are not kept."""
    folder = sysroot.find_system(machine, settings).root.parent
    facts = read_marker(folder)

    packages = {each["package"]: each for each in facts["packages"]}
    assert packages["python3.11-minimal"]["architecture"] == machine.debian
    assert all(len(each["sha256"]) == 64 and each["version"] for each in packages.values())
    assert not list(folder.rglob("*.deb"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 100_000_000


def test_bytecode_is_compiled_where_a_python_of_the_same_version_is(settings):
    """It halves the start of an emulated engine."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip(f"NOT TESTED by Python {sys.version_info[:2]}")
    site, *_ = packages.find_packages("litert", MACHINES["aarch64"], settings).search

    assert (site / "numpy/__pycache__/__init__.cpython-311.pyc").exists()
    assert (
        sysroot.find_system(MACHINES["aarch64"], settings).root / "usr/lib/python3.11/__pycache__/os.cpython-311.pyc"
    ).exists()


def test_what_is_made_is_ready_without_network(settings):
    """And the status says so."""
    offline = Settings(settings.home, offline=True)

    assert qemu.ready("litert", {"cpu": "cortex-a72"}, offline)
    assert qemu.status(offline).ready
    assert qemu.prepare("litert", {"cpu": "cortex-a72"}, offline) == qemu.prepare(
        "litert", {"cpu": "cortex-a72"}, settings
    )


def test_a_qemu_on_the_path_is_preferred(settings, tmp_path, monkeypatch):
    """It is the user's choice; another version is another identity, and has to give the known answer itself."""
    own = sysroot.find_system(MACHINES["aarch64"], settings).emulator
    usual = qemu.prepare("tflite_runtime", {"cpu": "cortex-a53"}, settings)
    program = tmp_path / "qemu-aarch64"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "qemu-aarch64 version 99.0" || exec {own.path} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if emulator.installed("aarch64") != program:
        pytest.skip("NOT TESTED, this machine has a qemu-aarch64-static of its own")
    elsewhere = Settings(tmp_path / "home", offline=True)
    (tmp_path / "home").mkdir()
    for folder in ("systems", "environments"):
        (tmp_path / "home" / folder).symlink_to(settings.home / folder)

    launch = qemu.prepare("tflite_runtime", {"cpu": "cortex-a53"}, elsewhere)

    assert launch.command[0] == str(program)
    assert launch.about["emulator"] == "qemu 99.0"
    assert launch.identity != usual.identity
    assert list((tmp_path / "home" / "remembered").glob("known_answer-*"))


def test_without_network_apts_message_is_recognized(tmp_path, monkeypatch):
    """Nothing is left behind."""
    if debian.missing_programs():
        pytest.skip("NOT TESTED, no apt here")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # the discard port, on which nobody listens
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    with pytest.raises(EnvironmentUnavailable, match=r"^(QEMU|aarch64 emulation): apt-get could not reach the network"):
        sysroot.make_system(MACHINES["aarch64"], Settings(tmp_path / "home", offline=False))

    assert list((tmp_path / "home" / "systems").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED, only root can become somebody else; all else here runs unprivileged then"
)
def test_it_is_made_without_root(settings):
    """By a user who owns nothing but the folder; from his own lists of packages, never the system's."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("NOT TESTED, no Python here that everybody may run")
    outside = Path(
        tempfile.mkdtemp(prefix="edge-toolkit-", dir="/tmp")
    )  # pytest's folders and $TMPDIR may be closed to others
    code = """if True:
        import sys
        sys.path[:0] = sys.argv[2:]
        from pathlib import Path
        from toolkit.launchers.emulation import sysroot
        from toolkit.launchers.emulation.machines import MACHINES
        from toolkit.settings import Settings
        settings = Settings(Path(sys.argv[1]), offline=False)
        print(*(sysroot.make_system(machine, settings).emulator.version for machine in MACHINES.values()))"""
    try:
        package = Path(environments.__file__).parent.parent
        subprocess.run(["cp", "-r", package, outside / "toolkit"], check=True)
        (outside / "home").mkdir()
        os.chown(outside / "home", 65534, 65534)
        subprocess.run(["chmod", "-R", "a+rX", outside], check=True)
        ended = subprocess.run(
            ["/usr/bin/python3", "-c", code, outside / "home", outside],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(outside / "home")},
        )
    finally:
        subprocess.run(["rm", "-rf", outside], check=True)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.split()) == len(MACHINES)


# x86_64 on x86_64


@pytest.fixture(scope="module")
def haswell(settings):
    """A function that returns how an engine is started on an emulated Haswell."""
    if os.uname().machine not in X86:
        pytest.skip(f"NOT TESTED on {os.uname().machine}: the engines' own packages are emulated, which are x86_64")
    return lambda engine: qemu.prepare(engine, {"cpu": "haswell"}, settings)


@pytest.mark.parametrize("engine", packages.able(x86.MACHINE))
def test_the_known_answer_is_given_without_vnni(haswell, engine):
    """By XNNPACK exactly as anywhere, full range and all; by ONNX Runtime with sums cut off where they leave 16 bits, and only there."""
    known_answer(haswell(engine), engine)


def test_an_x86_processor_reads_of_itself_what_is_emulated(haswell):
    """Not this machine's features, by which ONNX Runtime would be told of VNNI."""
    launch = haswell("onnxruntime")
    code = """if True:
        import json
        print(json.dumps([open("/proc/cpuinfo").read(), open("/sys/devices/system/cpu/present").read()]))"""

    cpuinfo, present = json.loads(run(launch, code))

    assert x86.PROCESSORS["haswell"].features in cpuinfo
    assert present == "0\n"
    assert launch.about["processor"] == "x86_64 with AVX2, no VNNI"


def test_a_processor_that_is_not_of_its_class_is_caught(haswell, tmp_path):
    """One that is said to have VNNI, and computes as if it had not."""
    launch = haswell("onnxruntime")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: avx2 avx512_vnni\n")
    at = launch.command.index("-L") + 1
    mistaken = replace(launch, command=(*launch.command[:at], str(tmp_path), *launch.command[at + 1 :]))

    with pytest.raises(
        TargetUnavailable, match=r"computes a known int8 model wrongly \(int8: 64 integers wrong by up to"
    ):
        known_answer(mistaken, "onnxruntime")


def test_the_products_hold_on_this_machine_too(settings):
    """Whichever class it is of."""
    environment = environments.resolve("onnxruntime", settings)
    ended = subprocess.run(
        [environment.python, FOLDER / "check_sums.py"],
        env={**os.environ, **environment.variables},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(ended.stdout)["wrong"] == {}


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a7"])
@pytest.mark.parametrize(("do", "says"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT")])
def test_an_engine_that_dies_in_the_emulator_is_said_at_once(settings, tmp_path, cpu, do, says):
    """As on this machine: QEMU hands the signal on to itself, which has to end its process wherever that is confined."""
    signature = {
        "key": "serving_default",
        "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
    }
    (tmp_path / "model.fake").write_text(json.dumps({"signature": signature, "do": do}))
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"x": np.zeros((1, 2), np.float32)})
    engine = Engine("tflite_runtime", "qemu", {"cpu": cpu})
    job = run_job(tmp_path / "model.fake", tmp_path / "samples", Execution(engine, "fake"))

    with LocalExecutor(replace(settings, limits=Limits(timeout_s=300))) as executor:
        (outcome,) = executor.outcomes([job])

    assert isinstance(outcome.error, WorkerCrashed)
    assert says in outcome.error.problem
