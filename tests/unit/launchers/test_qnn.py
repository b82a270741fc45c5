"""The emulated HTP where it is not installed: what is said, and that everything else goes on."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from toolkit import environments, launchers, profiles
from toolkit.environments import Environment
from toolkit.environments.instructions import X86
from toolkit.errors import EnvironmentUnavailable, InvalidConfig, RequestError, TargetUnavailable, UnknownName
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.launchers import qnn
from toolkit.pipeline.prepare import make_environments
from toolkit.pipeline.stages import engine_of, kernels_of
from toolkit.settings import Settings
from toolkit.verbs.doctor import doctor

X86_ONLY = pytest.mark.skipif(os.uname().machine not in X86, reason="the emulation is for x86-64")


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "home", offline=True, pythons={})


@X86_ONLY
def test_what_is_not_installed_is_named_with_the_licence_and_with_what_to_install(settings):
    """Exit status 3: other targets of a build still finish."""
    with pytest.raises(EnvironmentUnavailable, match=r"no interpreter was named; .*Qualcomm_LICENSE\.pdf") as caught:
        launchers.prepare("qnn", "onnxruntime_qnn", {}, settings)

    assert caught.value.exit_status == 3
    assert "--python onnxruntime_qnn=/path/to/python" in caught.value.hint
    assert "onnxruntime==1.32.0, onnxruntime-qnn==2.7.0" in caught.value.hint


def test_setup_never_installs_it(settings):
    """Nobody accepts a licence by a command that names no package."""
    assert "onnxruntime_qnn" not in environments.names()
    assert "onnxruntime_qnn" not in launchers.setup_names()
    assert "qnn" not in launchers.setup_names()
    assert not environments.can_be_made("onnxruntime_qnn")
    assert environments.can_be_made("litert==2.1.0")
    with pytest.raises(EnvironmentUnavailable, match="no interpreter was named"):
        launchers.setup(["onnxruntime_qnn"], settings)


def test_doctor_shows_it_with_what_to_do(settings):
    row = qnn.status(settings)

    assert not row.ready
    assert "--python onnxruntime_qnn=" in row.fix
    assert not qnn.ready("onnxruntime_qnn", {}, settings)
    (target,) = (row for row in doctor(settings) if row.name == "qnn-htp")
    assert not target.ready
    assert target.fix == row.fix  # `setup` never makes it


def test_a_build_of_several_targets_is_not_ended_by_it(settings, monkeypatch):
    """What other targets need is made; what is missing here is said when it is needed."""
    made = []
    monkeypatch.setattr(launchers, "setup", lambda names, settings: made.extend(names))
    online = Settings(settings.home, offline=False, pythons={})

    make_environments([(profiles.find("qnn-htp"), [])], online)

    assert "onnxruntime_qnn" not in made
    assert "onnxruntime" in made


@X86_ONLY
def test_a_launch_says_that_it_is_emulated(settings, monkeypatch, tmp_path):
    versions = {"onnxruntime": "1.32.0", "onnxruntime-qnn": "2.7.0"}
    made = Environment("onnxruntime_qnn", tmp_path / "python", "id", versions, {}, "onnxruntime 1.32.0")
    monkeypatch.setattr(environments, "resolve", lambda name, settings: made)

    about = launchers.prepare("qnn", "onnxruntime_qnn", {}, settings).about

    assert about["emulator"] == "HTP emulation on x86-64, onnxruntime-qnn 2.7.0"
    assert about["cpu"] == "never compared with a Snapdragon"
    assert not launchers.is_timed("qnn")
    with pytest.raises(UnknownName, match="environment on launcher qnn 'onnxruntime'"):
        launchers.prepare("qnn", "onnxruntime", {}, settings)


def test_another_processor_does_not_emulate_it(settings, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="aarch64"))

    with pytest.raises(TargetUnavailable, match="the emulation of the HTP is for x86-64; this machine is aarch64"):
        launchers.prepare("qnn", "onnxruntime_qnn", {}, settings)


def test_the_profile_has_only_schemes_that_say_something_of_an_npu():
    """It computes float in 16 bits, its emulation in 32; this machine has no other engine with its kernels."""
    profile = profiles.find("qnn-htp")

    assert set(profile.schemes) == {"static_wi8_ai8", "static_wi8_ai16"}
    for scheme in ("float32", "float16", "dynamic_wi8_afp32"):
        with pytest.raises(RequestError, match=f"forbids {scheme}"):
            profile.recipe(scheme)
    assert engine_of(profile).environment == "onnxruntime_qnn"
    assert kernels_of(profile).runtime == "onnxruntime"
    assert not profile.cuts_sums_off


def test_only_its_own_runtime_is_started(tmp_path):
    """ONNX Runtime on this machine's CPU would be reported as the HTP's."""
    with pytest.raises(RequestError, match="launcher qnn does not start onnxruntime; it starts onnxruntime_qnn"):
        run_job(tmp_path / "m.onnx", tmp_path, Execution(Engine("onnxruntime_qnn", "qnn"), "onnxruntime"))
    with pytest.raises(RequestError, match="onnxruntime_qnn is started by the launcher qnn only"):
        run_job(tmp_path / "m.onnx", tmp_path, Execution(Engine("onnxruntime_qnn"), "onnxruntime_qnn"))


def test_a_profile_that_names_another_launcher_is_refused(tmp_path):
    """When it is read."""
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nabout = "x"\nextends = "qnn-htp"\n[runtime]\nlauncher = "local"\n')

    with pytest.raises(InvalidConfig, match="onnxruntime_qnn is started by the launcher qnn only; got 'local'"):
        profiles.find(str(path))
