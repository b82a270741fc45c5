"""What the delegate took of a model, as a finding: a share below the profile's is an error, and a share that is not known leaves the verdict open."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from toolkit.errors import WorkerLied
from toolkit.execution.run import Run
from toolkit.profiles.profile import Delegate
from toolkit.tensors.signature import Signature
from toolkit.verdict.delegation import of_estimate, of_runs
from toolkit.verdict.stage_run import StageRun

TARGET = SimpleNamespace(delegate=Delegate(least=0.9, because="so that it is fast"))
REASONS = ["CAST: Tensor type(INT64) is not supported. a", "CAST: Tensor type(INT64) is not supported. b", "TILE: no"]


def step(stage, delegated):
    run = Run(Path("outputs"), Signature("", (), ()), "engine 1", {}, 1, "key", delegated=delegated)
    return StageRun(stage, run, run.signature)


def took(operators, operations, left=()):
    return {"operators": operators, "multiply_accumulates": operations, "left": list(left)}


@pytest.mark.parametrize(
    ("told", "code", "severity"),
    [
        (took([20, 20], [900, 900]), "delegated", "info"),
        (took([19, 20], [900, 900], REASONS), "partly-delegated", "warning"),
        (took([19, 20], None, REASONS), "partly-delegated", "inconclusive"),
        (took([19, 20], [100, 900], REASONS), "not-delegated", "error"),
        (took([17, 20], [900, 900], REASONS), "not-delegated", "error"),
        (took([17, 20], None, REASONS), "not-delegated", "error"),
    ],
)
def test_the_share_decides(told, code, severity):
    """Of the operators and of the multiplications, the smaller of the two."""
    (found,) = of_runs(TARGET, [step("kernels", None), step("delegate", told)])

    assert (found.code, found.severity) == (code, severity)
    if severity != "info":
        assert found.names == ("CAST", "TILE")
        assert REASONS[0] in found.message
        assert f"{told['operators'][0]} of 20 operators" in found.message
    assert found.stage == ("delegate" if severity == "error" else None)
    assert ("so that it is fast" in found.message) is (severity == "error")


def test_an_estimate_is_called_so():
    """And makes no stage guilty: none ran."""
    entry = SimpleNamespace(result=took([17, 20], [900, 900], REASONS), about={"title": "estimating"})

    (found,) = of_estimate(TARGET, entry)

    assert (found.code, found.severity, found.stage) == ("not-delegated", "error", None)
    assert found.message.startswith("estimated, not executed: the delegate takes 17 of 20 operators")


@pytest.mark.parametrize("told", [{"operators": [1]}, took([21, 20], [9, 9]), took([1, 20], [10, 9]), {}])
def test_an_estimate_that_makes_no_sense_is_none(told):
    """A worker's answer is a stranger's."""
    with pytest.raises(WorkerLied):
        of_estimate(TARGET, SimpleNamespace(result=told, about={"title": "estimating"}))


def test_the_run_that_took_least_counts():
    """float32 and float16 may be taken differently."""
    steps = [step("delegate", took([20, 20], [9, 9])), step("precision", took([1, 20], [9, 9], REASONS))]

    assert [each.code for each in of_runs(TARGET, steps)] == ["not-delegated"]


@pytest.mark.parametrize("silent", ["delegate", "precision"])
def test_a_run_that_does_not_tell_what_its_delegate_took_leaves_the_verdict_open(silent):
    """The other stage's share says nothing of it."""
    told = {"delegate": took([20, 20], [9, 9]), "precision": took([20, 20], [9, 9]), silent: None}

    (found,) = of_runs(TARGET, [step("kernels", None), *(step(stage, each) for stage, each in told.items())])

    assert (found.code, found.severity, found.names) == ("delegation-not-told", "inconclusive", (silent,))


def test_a_target_without_a_delegate_has_no_finding():
    assert of_runs(SimpleNamespace(delegate=None), [step("kernels", None), step("device", None)]) == []
