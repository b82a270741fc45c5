"""What is delicate in numbers: deep networks that make much of the last bit are healthy, and reference kernels can be wrong themselves."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples, build, verify

INPUTS = {"autoencoder": (8, 8, 1), "pitch": (128,), "cosine_head": (8,)}


@pytest.fixture(scope="module")
def networks(made):
    """Return the folder of the networks that make_numeric.py writes."""
    return made("make_numeric.py")


@pytest.fixture
def samples(arrays):
    """Return a function that writes the samples of a network."""

    def draw(name):
        return str(arrays(f"{name}.npz", x=np.random.default_rng(0).normal(size=(200, *INPUTS[name]))))

    return draw


@pytest.mark.parametrize("name", ["autoencoder", "pitch"])
def test_a_network_that_makes_much_of_the_last_bit_passes_and_one_whose_layer_is_off_does_not(
    name, networks, samples, executor, tmp_path
):
    """Its conversion is off by more than a ten-thousandth, and by no more than its own noise; another layer is off by far more than both."""
    original, drawn = Original(networks / name), Samples(None, samples(name))

    healthy = build(original, ["host"], drawn, tmp_path / "dist", scheme="float32", executor=executor)["host"]

    (held,) = [each for each in healthy.judged.stages if each.stage == "conversion"]
    (largest,) = [each for each in held.comparisons if each.metric == "max_abs"]
    assert held.measured.measurement(largest.output, "max_abs").values["range"] > 1e-4
    assert (healthy.outcome, largest.unit, largest.status) == ("passed", "noise", "passed")
    assert {"last bit", "kernels"} <= healthy.noise.keys()

    off = tmp_path / "off.tflite"
    toolkit.convert(Original(networks / f"{name}_off"), "float32", Samples(None, samples(name)), off, executor=executor)
    broken = verify(off, original, ["host"], drawn, executor=executor)["host"]
    assert (broken.outcome, broken.guilty_stage) == ("failed", "conversion")
    (judged,) = [each for each in broken.judged.stages if each.stage == "conversion"]
    assert "max_abs" in {each.metric for each in judged.comparisons if each.status == "failed"}


def test_where_reference_kernels_are_wrong_they_are_named_and_the_file_passes(networks, samples, executor, tmp_path):
    """They read the int8 numbers of a sum without their sign; all other kernels are right."""
    drawn, original = Samples(samples("cosine_head")), Original(networks / "cosine_head")

    verdict = build(original, ["host"], drawn, tmp_path / "dist", scheme="static_wi8_ai8", executor=executor)["host"]

    assert verdict.outcome == "passed"
    (finding,) = [each for each in verdict.findings if each.code == "reference-kernels-wrong"]
    assert finding.severity == "warning"
    assert "the operator is SUM" in finding.message
    assert "on litert (builtin kernels)" in verdict.runs["quantization"].about["title"]
