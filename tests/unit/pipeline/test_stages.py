"""Which stages a target adds to those of this machine."""

from __future__ import annotations

import pytest

from toolkit import profiles
from toolkit.pipeline.stages import kernels_of, steps_of


@pytest.mark.parametrize(
    ("target", "kernels", "steps"),
    [
        ("host", "default", {}),
        ("raspberry-pi-4", "default", {"device": "default"}),
        ("android-gpu", "default", {"delegate": "float32", "precision": "default"}),
        ("android-gpu", "float32", {"delegate": "float32"}),
    ],
)
def test_a_delegate_has_stages_of_its_own(target, kernels, steps):
    """Up to the kernels that the profile asks for: an app that asks for float32 runs nothing in float16."""
    found = profiles.find(target)
    asked = found.model_copy(update={"runtime": found.runtime.model_copy(update={"kernels": kernels})})

    planned = steps_of(asked)

    assert {name: each.kernels for name, each in planned.items()} == steps
    assert {each.runtime for each in planned.values()} <= {found.runtime.name}


def test_a_gpu_over_adb_has_the_stages_of_a_delegate(tmp_path):
    """Its program computes in float16 unless it is told otherwise, and no bound of `device` is made for that."""
    head = 'name = "phone"\nabout = "a phone"\nextends = "base-android-adb-gpu"\n'
    (tmp_path / "phone.toml").write_text(f'{head}[runtime]\noptions = {{ binary = "benchmark_model" }}\n')
    found = profiles.find(tmp_path / "phone.toml")

    planned = steps_of(found)

    assert {name: each.kernels for name, each in planned.items()} == {"delegate": "float32", "precision": "default"}
    assert {bound.stage for bound in found.bounds} >= {"delegate", "precision", "total"}
    assert "static_wi8_ai8" in found.forbids
    assert "never on hardware" in found.notes


def test_the_kernels_of_a_gpu_target_are_the_cpus():
    """Its stage `kernels` is what the delegate is compared with: the same engine, started here, without it."""
    execution = kernels_of(profiles.find("android-gpu"))

    assert (execution.runtime, execution.kernels, execution.engine.launcher) == ("litert", "default", "local")
