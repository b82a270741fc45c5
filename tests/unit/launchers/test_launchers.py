"""Launchers: what they refuse, what an emulated core is told about itself, and the known answer. No emulator, no network."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit import environments, launchers, registry
from toolkit.environments.instructions import class_of, cuts_sums_off
from toolkit.environments.transport import by_shell
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName
from toolkit.launchers import Launch, local, qemu
from toolkit.launchers.emulation import emulator, own_processor, processors, x86
from toolkit.launchers.emulation.emulator import Emulator
from toolkit.launchers.emulation.known_answer import FOLDER, known_answer
from toolkit.launchers.emulation.machines import Machine
from toolkit.launchers.emulation.packages import Packages
from toolkit.launchers.emulation.processors import PROCESSORS, files, make_overlay
from toolkit.launchers.emulation.sysroot import System
from toolkit.settings import Settings

CPUS = sorted(PROCESSORS)

X86 = "processor\t: 0\nmodel name\t: Some CPU @ 2.50GHz\nflags\t\t: fpu sse4_1 avx avx2 fma avx512_vnni\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd crc32 asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "home", offline=True, pythons={})


@pytest.mark.parametrize("name", registry.names("launchers"))
def test_a_launcher_defines_what_the_folder_says(name, settings):
    """Every file of the folder, also one that is added tomorrow."""
    launcher = registry.load("launchers", name)

    assert callable(launcher.prepare)
    assert callable(launcher.ready)
    assert launcher.status(settings).name == name
    with pytest.raises(RequestError, match=f"launcher {name}: .*unknown"):
        launcher.prepare("litert", {"no such option": 1}, settings)


@pytest.mark.parametrize("name", [name for name in registry.names("launchers") if name != "local"])
def test_a_wrong_option_shows_when_a_profile_is_read(name):
    """`targets check` would else call a profile right that no build takes."""
    with pytest.raises(RequestError, match=f"launcher {name}: .*unknown"):
        launchers.require_options(name, "litert", {"no such option": 1})


def test_doctor_sees_every_launcher_and_nothing_is_made(settings):
    """Whether or not it works here."""
    states = launchers.status(settings)

    assert [state.name for state in states] == list(registry.names("launchers"))
    assert all(state.ready or state.fix for state in states)
    assert not settings.home.exists()


@pytest.mark.parametrize(("emulated", "about"), [(True, {}), (False, {"emulator": "qemu 7.2.22"})])
def test_a_launch_that_is_not_told_as_what_it_is_is_refused(settings, monkeypatch, emulated, about):
    """A report would call a run by an emulator one of the device, or the other way round."""
    launch = Launch(("python",), {}, "x", {"engine": "numpy 2", "launcher": "odd", **about})
    odd = SimpleNamespace(EMULATED=emulated, prepare=lambda *asked: launch)
    monkeypatch.setitem(sys.modules, "toolkit.launchers.odd", odd)

    with pytest.raises(TypeError, match="launcher odd: EMULATED is"):
        launchers.prepare("odd", "dataset", {}, settings)


def test_jobs_that_are_confined_from_outside_are_not_taken_elsewhere(settings, monkeypatch):
    """What would be confined is the process that carries them."""
    launch = Launch(("x",), {}, "x", {}, needs=(), transport=by_shell(("sh", "-c"), "/jobs"))
    odd = SimpleNamespace(EMULATED=False, prepare=lambda *asked: launch)
    monkeypatch.setitem(sys.modules, "toolkit.launchers.odd", odd)

    with pytest.raises(TypeError, match="launcher odd: has `needs`, and a transport"):
        launchers.prepare("odd", "dataset", {}, settings)


def test_setup_is_called_with_the_launcher_where_that_needs_more_than_environments():
    """What `doctor` tells people to type."""
    assert launchers.setup_names_of("local", "litert") == ("litert",)
    assert launchers.setup_names_of("qemu", "litert") == ("litert", "qemu")
    assert launchers.setup_names_of("chromium", "litert") == ("litert", "chromium")
    assert {"adb", "chromium", "qemu", "lavapipe", *environments.names()} <= set(launchers.setup_names())
    assert "local" not in launchers.setup_names()


# local


def test_local_runs_the_interpreter_and_says_what_it_is(settings, monkeypatch, tmp_path):
    """The report names engine, machine and processor."""
    (tmp_path / "cpuinfo").write_text(X86)
    monkeypatch.setattr(own_processor, "_CPUINFO", tmp_path / "cpuinfo")

    launch = local.prepare("dataset", {}, settings)

    assert launch.command == (sys.executable,)
    assert launch.about == {
        "engine": f"numpy {np.__version__}",
        "machine": os.uname().machine,
        "launcher": "local",
        "cpu": "Some CPU @ 2.50GHz (sse4_1 avx fma avx2 avx512_vnni)",
        "processor": class_of(os.uname().machine, ["avx2", "avx512_vnni"]),
    }
    assert local.ready("dataset", {}, settings)


def test_local_identity_depends_on_what_kernels_are_chosen_by(settings, monkeypatch, tmp_path):
    """An engine computes otherwise with VNNI, and the same under another name of the processor."""
    identities = []
    for text in (X86, X86.replace("Some CPU", "Another CPU"), X86.replace(" avx512_vnni", "")):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(own_processor, "_CPUINFO", tmp_path / "cpuinfo")
        identities.append(local.prepare("dataset", {}, settings).identity)

    assert identities[0] == identities[1]
    assert identities[0] != identities[2]


@pytest.mark.parametrize(
    ("machine", "features", "words", "cuts"),
    [
        ("x86_64", "sse4_1 avx f16c fma avx2 avx512f avx512bw avx512_vnni avx_vnni", "x86_64 with AVX-512 VNNI", False),
        ("x86_64", "sse4_1 avx fma avx2 avx_vnni", "x86_64 with AVX-VNNI", False),
        ("x86_64", "sse4_1 avx fma avx2 avx512f avx512bw", "x86_64 with AVX-512, no VNNI", True),
        ("AMD64", "sse4_1 avx fma avx2", "AMD64 with AVX2, no VNNI", True),
        ("x86_64", "sse4_1 avx", "x86_64 with AVX, no VNNI", True),
        ("x86_64", "sse4_1", "x86_64 with SSE4.1, no VNNI", True),
        ("x86_64", "", "x86_64, features unknown", False),
        ("aarch64", "fp asimd asimddp i8mm", "aarch64 with 8-bit matrix products", False),
        ("aarch64", "fp asimd asimddp", "aarch64 with dot product", False),
        ("aarch64", "fp asimd", "aarch64 with NEON, no dot product", False),
        ("armv7l", "half vfpv4 neon", "armv7l with NEON", False),
        ("armv7l", "half vfpv3d16", "armv7l, features unknown", False),
        ("arm64", "", "arm64, features unknown", False),
        ("riscv64", "avx2", "riscv64, features unknown", False),
    ],
)
def test_a_processors_class_is_told_by_what_results_depend_on(machine, features, words, cuts):
    """What is not known is called so, and nothing is concluded from it."""
    assert class_of(machine, features.split()) == words
    assert cuts_sums_off(machine, features.split()) == cuts


def test_local_names_an_arm_core_by_its_part_number(monkeypatch, tmp_path):
    """Linux gives no model there."""
    (tmp_path / "cpuinfo").write_text(ARM)
    monkeypatch.setattr(own_processor, "_CPUINFO", tmp_path / "cpuinfo")

    assert own_processor.cpu() == ("cortex-a76", ["asimd", "asimddp"])


# qemu: what is asked for


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, r"option 'cpu': missing.* known: cortex-a53, cortex-a7, cortex-a72, cortex-a76"),
        ({"cpu": "max"}, r"cpu 'max': .*computes its int8 instructions wrongly; known: cortex-a53"),
        ({"cpu": "max,sme=off"}, r"cpu 'max,sme=off': unknown"),
        ({"cpu": "cortex-a73"}, r"cpu 'cortex-a73': unknown; did you mean 'cortex-a7"),
        ({"cpu": "Cortex-A72"}, r"cpu 'Cortex-A72': unknown; did you mean"),
        ({"cpu": 72}, r"cpu 72: unknown"),
        ({"cpu": "haswel"}, r"cpu 'haswel': unknown; did you mean 'haswell'"),
        ({"cpu": "cortex-a72", "cpus": 4}, r"option 'cpus': unknown; did you mean 'cpu'"),
    ],
)
def test_a_core_must_be_named_and_known(settings, options, says):
    """QEMU's own default is `max`, with which int8 results are wrong by up to 255 without a word."""
    for ask in (qemu.prepare, qemu.ready):
        with pytest.raises(RequestError, match=f"^launcher qemu: {says}"):
            ask("litert", options, settings)


def test_only_engines_with_arm_packages_are_emulated(settings):
    """TensorFlow is the reference, on this machine."""
    with pytest.raises(
        UnknownName, match=r"aarch64\) 'tensorflow': unknown; .*known: litert, onnxruntime, tflite_runtime"
    ):
        qemu.prepare("tensorflow", {"cpu": "cortex-a72"}, settings)


def test_what_cannot_be_made_makes_the_target_unavailable(settings):
    """With the reason and the fix of whatever is missing."""
    with pytest.raises(TargetUnavailable, match=r"^launcher qemu: aarch64 emulation: not installed yet") as caught:
        qemu.prepare("litert", {"cpu": "cortex-a72"}, settings)

    assert "edge-toolkit setup qemu" in caught.value.hint
    assert not qemu.ready("litert", {"cpu": "cortex-a72"}, settings)


def test_each_kind_of_core_has_its_engines(settings):
    """Those that have wheels for it: for 32 bits it is one."""
    for engine in ("litert", "onnxruntime", "onnxruntime==1.22.0"):
        with pytest.raises(UnknownName, match=r"armv7l\) .*unknown; .*known: tflite_runtime$"):
            qemu.prepare(engine, {"cpu": "cortex-a7"}, settings)
    with pytest.raises(UnknownName, match=r"'tensorflow': unknown; .*known: litert, onnxruntime, tflite_runtime"):
        qemu.prepare("tensorflow", {"cpu": "haswell"}, settings)


def test_x86_is_emulated_on_x86_alone(settings, monkeypatch):
    """By the packages of this machine, so they have to be of that kind."""
    monkeypatch.setattr(x86.os, "uname", lambda: SimpleNamespace(machine="aarch64"))

    with pytest.raises(
        TargetUnavailable, match=r"launcher qemu: x86_64 emulation: runs the engines' own packages"
    ) as caught:
        qemu.prepare("onnxruntime", {"cpu": "haswell"}, settings)

    assert "on an x86_64 machine" in caught.value.hint
    assert x86.make_if_it_serves(settings) is None


def test_an_x86_emulator_that_is_not_there_is_said(settings, monkeypatch):
    monkeypatch.setattr(x86.os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(emulator.shutil, "which", lambda name: None)

    with pytest.raises(TargetUnavailable, match=r"x86_64 emulation: not installed yet") as caught:
        qemu.prepare("onnxruntime", {"cpu": "haswell"}, settings)

    assert "edge-toolkit setup qemu" in caught.value.hint
    assert not qemu.ready("onnxruntime", {"cpu": "haswell"}, settings)


def test_doctor_says_whether_x86_is_emulated(settings, monkeypatch, tmp_path):
    """In the line about QEMU: not made yet, made, broken, or not to be had on such a machine."""
    monkeypatch.setattr(x86.os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(emulator.shutil, "which", lambda name: None)
    assert x86.said(settings) == "; no x86_64 yet: edge-toolkit setup qemu"

    program = tmp_path / "qemu-x86_64"
    monkeypatch.setattr(emulator.shutil, "which", lambda name: str(program))
    for script, says in (
        ("echo qemu-x86_64 version 8.2.1", "; x86_64 by 8.2.1"),
        ("exit 1", "; no x86_64: emulation: "),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert x86.said(settings).startswith(says)

    monkeypatch.setattr(x86.os, "uname", lambda: SimpleNamespace(machine="aarch64"))
    assert x86.said(settings) == ""


@pytest.mark.parametrize("cpu", [*CPUS, *x86.PROCESSORS])
def test_features_are_those_that_the_core_is_told(cpu):
    """So that what is concluded from them holds for what runs."""
    machine, features = qemu.features({"cpu": cpu})

    told = x86.files(x86.PROCESSORS[cpu]) if cpu in x86.PROCESSORS else dict(files(PROCESSORS[cpu]))
    assert " ".join(features) in told["proc/cpuinfo"]
    assert cuts_sums_off(machine, features) is (cpu in x86.PROCESSORS)
    assert qemu.features({"cpu": "cortex-a1"}) == ("aarch64", [])


def test_an_x86_processors_files_are_made_once(settings):
    overlay = x86.make_overlay("haswell", settings)

    assert "avx2" in (overlay / "proc/cpuinfo").read_text()
    assert "vnni" not in (overlay / "proc/cpuinfo").read_text()
    assert (overlay / "sys/devices/system/cpu/present").read_text() == "0\n"
    assert x86.make_overlay("haswell", settings) == overlay


# qemu: what the core is told


# MIDR of QEMU 7.2, target/arm/cpu64.c and cpu_tcg.c, and the bits of HWCAP that it then reports (seen with getauxval; Linux, asm/hwcap.h).
QEMU_MIDR = {"cortex-a7": 0x410FC075, "cortex-a53": 0x410FD034, "cortex-a72": 0x410FD083, "cortex-a76": 0x414FD0B1}


@pytest.mark.parametrize("cpu", CPUS)
def test_cpuinfo_is_of_the_core_that_qemu_is_told(cpu):
    """They must agree, or an engine chooses instructions that the core lacks."""
    fields = {}
    for line in dict(files(PROCESSORS[cpu]))["proc/cpuinfo"].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()

    variant, revision = int(fields["CPU variant"], 16), int(fields["CPU revision"])
    midr = (
        int(fields["CPU implementer"], 16) << 24
        | variant << 20
        | 0xF << 16
        | int(fields["CPU part"], 16) << 4
        | revision
    )
    assert midr == QEMU_MIDR[cpu]
    assert ("asimddp" in fields["Features"].split()) == (cpu == "cortex-a76")
    assert not {"sve", "sve2", "sme", "i8mm"} & set(fields["Features"].split())


@pytest.mark.parametrize("cpu", CPUS)
def test_the_core_is_alone_and_its_caches_are_consistent(cpu):
    """More processors than this machine has cannot be bound to, and threads are no faster."""
    told = dict(files(PROCESSORS[cpu]))

    assert told["proc/cpuinfo"].count("processor") == 1
    assert {told[f"sys/devices/system/cpu/{name}"] for name in ("possible", "present", "online")} == {"0"}
    caches = {path.rpartition("/")[0] for path in told if "/cache/" in path}
    assert len(caches) == len(PROCESSORS[cpu].caches)
    for cache in caches:
        size = int(told[f"{cache}/size"].removesuffix("K")) * 1024
        line, ways, sets = (
            int(told[f"{cache}/{name}"]) for name in ("coherency_line_size", "ways_of_associativity", "number_of_sets")
        )
        assert size == line * ways * sets


def test_an_overlay_is_the_system_with_the_core_over_it(settings, tmp_path):
    """Made once; another system or another core is another folder."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3.11").write_text("")

    overlay = make_overlay("cortex-a72", root, settings)

    assert (overlay / "usr/bin/python3.11").exists()
    assert "0xd08" in (overlay / "proc/cpuinfo").read_text()
    assert (overlay / "sys/devices/system/cpu/cpu0/cache/index2/size").read_text() == "1024K\n"
    assert make_overlay("cortex-a72", root, settings) == overlay
    assert make_overlay("cortex-a53", root, settings) != overlay
    assert make_overlay("cortex-a72", tmp_path / "other", settings) != overlay


# The known answer


def load_script(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_answer_is_the_one_that_integer_arithmetic_gives():
    """It was never an engine's; and it varies, and holds both ends of the range."""
    start, layers = load_script("make").design()
    answer = dict(np.load(FOLDER / "answer.npz"))

    assert set(answer) == {"sample", *(layer.output.name for layer in layers)}
    for tensor in (start, *(layer.output for layer in layers)):
        np.testing.assert_array_equal(answer[tensor.name], tensor.values)
        assert len(np.unique(tensor.values)) > 14
        assert {-128, 127} <= set(tensor.values.ravel().tolist())


def fake_launch(tmp_path: Path, script: str) -> Launch:
    """A launch of a program that does as the script says, whatever it is asked."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    about = {"engine": "ai-edge-litert 2.3.0", "machine": "aarch64", "launcher": "qemu", "cpu": "cortex-a72"}
    return Launch((str(program),), {"SAY": "x"}, "identity", about)


def test_a_right_answer_is_silent(tmp_path):
    """And it was the check of this engine that was requested, with the launch's variables."""
    script = f"""echo "$@ $SAY" > {tmp_path}/asked; echo noise; echo '{{"machine": "aarch64", "wrong": {{}}}}'"""

    known_answer(fake_launch(tmp_path, script), "litert")

    assert (tmp_path / "asked").read_text().strip() == f"{FOLDER}/check.py litert x"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            """echo '{"machine": "aarch64", "wrong": {"0_conv_2d": [7, 255]}}'""",
            "wrongly .0_conv_2d: 7 integers wrong by up to 255",
        ),
        ("""echo '{"machine": "x86_64", "wrong": {}}'""", "runs as x86_64, expected aarch64"),
        ("kill -SEGV $$", "failed on a known model .killed by SIGSEGV"),
        ("kill -ILL $$", "failed on a known model .killed by SIGILL"),
        ("echo last words >&2; exit 3", "failed on a known model .exit status 3"),
        ("echo nothing of use", "gave no answer"),
        ("", "gave no answer"),
        ("""echo '{"machine": "aarch64"}'""", "gave no answer"),
    ],
)
def test_a_wrong_answer_or_none_makes_the_target_unavailable(tmp_path, script, says):
    """An engine that cannot be trusted is never used, and the message says which, where, and how it failed."""
    with pytest.raises(TargetUnavailable, match=f"^ai-edge-litert 2.3.0 on qemu, cpu cortex-a72: .*{says}") as caught:
        known_answer(fake_launch(tmp_path, script), "litert")

    if "last words" in script:
        assert caught.value.hint == "last words"


def test_an_emulator_that_hangs_is_given_up(tmp_path, monkeypatch):
    """Nothing waits for ever."""
    monkeypatch.setattr("toolkit.launchers.emulation.known_answer._TIMEOUT_S", 0.2)

    with pytest.raises(TargetUnavailable, match=r"no answer to a known model in 0\.2 s"):
        known_answer(fake_launch(tmp_path, "exec sleep 60"), "litert")


def test_an_emulator_that_cannot_start_is_named(tmp_path):
    """It may have been removed since it was found."""
    launch = replace(fake_launch(tmp_path, ""), command=("/no/such/qemu",))

    with pytest.raises(TargetUnavailable, match="cannot be started: No such file"):
        known_answer(launch, "litert")


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    """A system and packages that are only said to be there; returns them, and the known answers that were asked for."""
    state = {
        "system": System(Emulator(Path("/qemu"), "qemu-aarch64 version 7.2.22 (Debian)"), tmp_path / "root", "debs"),
        "versions": {"ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0", "numpy": "2.4.6"},
        "asked": [],
    }
    monkeypatch.setattr(qemu.sysroot, "make_system", lambda machine, settings: state["system"])
    monkeypatch.setattr(
        qemu.packages,
        "make_packages",
        lambda name, machine, settings: Packages((Path(f"/{machine.name}/site"), Path("/more")), state["versions"]),
    )
    monkeypatch.setattr(
        qemu, "known_answer", lambda launch, engine: state["asked"].append((engine, launch.about["cpu"]))
    )
    return state


def test_a_launch_names_the_core_and_the_report_all_of_it(pretended, settings):
    """Never QEMU's default, never the host's own libraries."""
    launch = qemu.prepare("litert", {"cpu": "cortex-a72"}, settings)

    assert launch.command[:3] == ("/qemu", "-cpu", "cortex-a72")
    overlay = launch.command[launch.command.index("-L") + 1]
    assert launch.command[-1] == f"{overlay}/usr/bin/python3.11"
    assert launch.variables["PYTHONPATH"] == "/aarch64/site:/more"
    assert {"/aarch64/site", "/more", "/qemu", overlay} <= set(launch.needs)
    assert launch.about == {
        "engine": "ai-edge-litert 2.3.0",
        "machine": "aarch64",
        "launcher": "qemu",
        "emulator": "qemu 7.2.22",
        "cpu": "cortex-a72",
        "processor": "aarch64 with NEON, no dot product",
    }


def test_an_engine_is_asked_once_for_each_of_what_could_change_its_answer(pretended, settings, monkeypatch):
    """Core, engine, emulator, system, and the check itself."""
    identities = set()

    def prepare(engine: str = "litert", cpu: str = "cortex-a72") -> int:
        identities.add(qemu.prepare(engine, {"cpu": cpu}, settings).identity)
        return len(pretended["asked"])

    assert prepare() == 1
    assert prepare() == 1
    assert prepare(cpu="cortex-a53") == 2
    assert prepare(engine="tflite_runtime") == 3
    pretended["system"] = replace(pretended["system"], emulator=Emulator(Path("/qemu"), "qemu-aarch64 version 8.0"))
    assert prepare() == 4
    pretended["system"] = replace(pretended["system"], identity="other debs")
    assert prepare() == 5
    pretended["versions"] = {**pretended["versions"], "numpy": "2.4.7"}
    assert prepare() == 6
    monkeypatch.setattr(
        processors, "PROCESSORS", {**PROCESSORS, "cortex-a72": replace(PROCESSORS["cortex-a72"], khz=1)}
    )
    assert prepare() == 7
    assert pretended["asked"][:3] == [
        ("litert", "cortex-a72"),
        ("litert", "cortex-a53"),
        ("tflite_runtime", "cortex-a72"),
    ]
    assert len(identities) == 7


def test_a_wrong_answer_is_never_remembered_as_right(pretended, settings, monkeypatch):
    """The next run asks again."""

    def fail(launch: Launch, engine: str) -> None:
        pretended["asked"].append(engine)
        raise TargetUnavailable("wrong")

    monkeypatch.setattr(qemu, "known_answer", fail)

    for _ in range(2):
        with pytest.raises(TargetUnavailable, match="wrong"):
            qemu.prepare("litert", {"cpu": "cortex-a72"}, settings)

    assert pretended["asked"] == ["litert", "litert"]


def test_packages_that_cannot_be_had_make_the_target_unavailable(pretended, settings, monkeypatch):
    """The cause is kept."""

    def fail(name: str, machine: Machine, settings: Settings) -> None:
        raise EnvironmentUnavailable("environment litert for aarch64: uv could not reach the network", "last words")

    monkeypatch.setattr(qemu.packages, "make_packages", fail)

    with pytest.raises(TargetUnavailable, match="could not reach the network") as caught:
        qemu.prepare("litert", {"cpu": "cortex-a72"}, settings)

    assert caught.value.hint == "last words"


def test_the_check_reports_each_wrong_output(monkeypatch, tmp_path):
    """How many integers, and by how much; an output that is missing is no answer."""
    check = load_script("check")
    answer = dict(np.load(FOLDER / "answer.npz"))

    class Interpreter:
        """An engine that gets one integer of the last output wrong by three, and may lose an output."""

        lost: tuple[str, ...] = ()

        def __init__(self, model_path: str, num_threads: int) -> None:
            assert Path(model_path).exists()
            assert num_threads == 1
            self.names = [name for name in answer if name != "sample" and name not in self.lost]

        def allocate_tensors(self) -> None:
            pass

        invoke = allocate_tensors

        def get_input_details(self) -> list[dict]:
            return [{"name": "sample", "index": 0}]

        def set_tensor(self, index: int, values: np.ndarray) -> None:
            assert index == 0
            np.testing.assert_array_equal(values, answer["sample"])

        def get_output_details(self) -> list[dict]:
            return [{"name": name, "index": index} for index, name in enumerate(self.names)]

        def get_tensor(self, index: int) -> np.ndarray:
            values = answer[self.names[index]].copy()
            if index == len(self.names) - 1:
                values.flat[0] ^= 3
            return values

    module = type(sys)("engine")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)

    last = [name for name in answer if name != "sample"][-1]
    wrong = check.compare("litert")
    assert list(wrong) == [last]
    assert wrong[last][0] == 1
    assert 1 <= wrong[last][1] <= 3
    assert json.dumps(wrong)

    Interpreter.lost = (last,)
    with pytest.raises(SystemExit, match="expected"):
        check.compare("litert")
