"""Who is at fault where kernels differ: reference kernels only where two other sets agree, nearer to the float artifact, and the total is sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import Held
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Context
from toolkit.jobs.job import Engine, Job
from toolkit.pipeline.reference_kernels import are_wrong, failed_stages, may_be_wrong, said, stand_in
from toolkit.pipeline.stages import Chain, Stage
from toolkit.verdict.chain import judge_chain

RNG = np.random.default_rng(0)
RIGHT = RNG.normal(size=(40, 1, 4)).astype(np.float32)
ROUGH = (RIGHT + RNG.normal(size=RIGHT.shape) * 0.1).astype(np.float32)  # 20 dB
CONSTANT = np.full(RIGHT.shape, RIGHT.mean(), np.float32)
OTHER = RNG.normal(size=RIGHT.shape).astype(np.float32)
BOUNDS = [
    Bound(stage=stage, output="*", metric="sqnr_db", limit=limit, unit="db", because="a test")
    for stage, limit in (("quantization", 15), ("kernels", 15), ("total", 12))
]


def judged(quantized, shipped=ROUGH, floats=RIGHT):
    """Return what bounds say where these are the outputs of the quantized file on the second set of kernels, and on the target's."""
    runs = {"original": RIGHT, "conversion": floats, "quantization": quantized, "kernels": shipped}
    return judge_chain([Held(stage, scores) for stage, scores in runs.items()], BOUNDS, Context("static_wi8_ai8"))


def near(scores, off=0.01):
    """Return what other kernels give for the same file: rounded otherwise."""
    return (scores + np.random.default_rng(1).normal(size=scores.shape) * off).astype(np.float32)


def ran(kernels):
    options = {"runtime": "litert", "kernels": kernels, "threads": 1}
    return Job("run", "execution.infer", "run", Engine("litert"), options, {"model": Path("model.tflite")})


@pytest.mark.parametrize("wrong", [CONSTANT, OTHER, RIGHT * 0.1], ids=["constant", "unrelated", "small"])
def test_the_odd_one_out_is_at_fault(wrong):
    """Two other sets agree with one another and with the float artifact; that the reference gives a constant is no less wrong than noise."""
    with_them, without = judged(wrong), judged(near(ROUGH))

    assert may_be_wrong(with_them, ran("reference"))
    assert are_wrong(with_them, without)
    finding = said(with_them, without, ran("builtin"))
    assert (finding.code, finding.severity) == ("reference-kernels-wrong", "warning")
    assert "the builtin ones, without delegates, to 19." in finding.message
    assert all(sample < len(RIGHT) for sample in finding.facts["samples"])


def test_a_file_that_all_kernels_find_broken_is_what_is_wrong():
    """They agree, on something else than the float artifact."""
    with_them, without = judged(OTHER, OTHER), judged(near(OTHER), OTHER)

    assert may_be_wrong(with_them, ran("reference"))
    assert not are_wrong(with_them, without)


def test_target_kernels_that_only_another_set_shares_are_still_to_blame():
    """The reference is what agrees with the float artifact."""
    with_them, without = judged(ROUGH, OTHER), judged(near(OTHER), OTHER)

    assert failed_stages(with_them) == ["kernels"]
    assert not are_wrong(with_them, without)


def test_target_kernels_that_are_alone_are_to_blame():
    with_them, without = judged(ROUGH, OTHER), judged(near(ROUGH), OTHER)

    assert not are_wrong(with_them, without)


def test_a_total_that_is_not_sound_clears_nobody():
    """The float artifact is broken as well: the other kernels agree with it, and with nothing else."""
    with_them, without = judged(CONSTANT, near(OTHER), OTHER), judged(OTHER, near(OTHER), OTHER)

    assert not are_wrong(with_them, without)


def test_of_two_sets_that_keep_their_bounds_the_nearer_one_is_no_fault_of_the_other():
    """Reference kernels that are as near as any have done nothing wrong, though the target's are too far from them."""
    far = (RIGHT - (ROUGH - RIGHT) * 0.9).astype(np.float32)
    with_them = judged(far)

    assert failed_stages(with_them) == ["kernels"]
    assert not are_wrong(with_them, judged(near(ROUGH)))


@pytest.mark.parametrize("kernels", ["builtin", "default"])
def test_what_ran_on_other_kernels_already_is_not_asked_again(kernels):
    assert not may_be_wrong(judged(OTHER), ran(kernels))
    assert not may_be_wrong(judged(ROUGH), ran("reference"))


@pytest.mark.parametrize(("kernels", "other"), [("default", "builtin"), ("builtin", "default")])
def test_the_second_set_is_never_the_targets_own(kernels, other):
    """Or two sets that agree would be one."""
    runs = {name: ran(name) for name in ("reference", "builtin", "default")}

    class Runs:
        def run(self, model, execution, *_):
            assert model == Path("model.tflite")
            return runs[execution.kernels]

    stages = tuple(
        Stage(name, runs[of], Runs(), None, None) for name, of in (("quantization", "reference"), ("kernels", kernels))
    )

    assert stand_in(Chain(Runs(), None, None, None, stages), stages[0]).job is runs[other]
