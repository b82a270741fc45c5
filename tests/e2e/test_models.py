"""Models of every shape: other numbers, names, orders and schemes than the sample's, each down to a verdict on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import outputs_of, stage
from toolkit import Original, Samples, report

rng = np.random.default_rng


@pytest.fixture
def build(models, executor, tmp_path):
    """Return a function that builds one of the small models for one target, and returns its report."""

    def run(model, samples, *, target="host", scheme=None, signature=None, shapes=None):
        original = Original(models / model, signature, shapes)
        outcomes = toolkit.build(
            original, [str(target)], Samples(str(samples)), tmp_path / "dist", scheme=scheme, executor=executor
        )
        (outcome,) = outcomes.values()
        if isinstance(outcome, Exception):
            raise outcome
        return report.verdict_json(outcome, str(tmp_path / "dist" / outcome.target.name / "model.tflite"))

    return run


@pytest.fixture
def pairs(arrays):
    """Return samples for `twins`, of two ranges so different that to take one for the other shows."""
    return arrays(left=rng(1).normal(size=(400, 6)), right=rng(2).uniform(-3, 3, size=(400, 6)))


@pytest.mark.parametrize("outputs", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("inputs", ["float32", "int8", "uint8"])
def test_inputs_and_outputs_have_the_dtype_that_the_profile_asks_for(build, vectors, profile, inputs, outputs):
    """What a camera gives and a display takes is often uint8; the artifact has exactly these, and its real values agree."""
    board = profile("board", f'schemes = ["static_wi8_ai8"]\n[conversion]\ninputs = "{inputs}"\noutputs = "{outputs}"')

    found = build("dense", vectors, target=board, scheme="static_wi8_ai8")

    assert found["verdict"] == "passed"
    (fed,), (given,) = found["artifact"]["signature"]["inputs"], found["artifact"]["signature"]["outputs"]
    assert (fed["name"], fed["dtype"], given["name"], given["dtype"]) == ("x", inputs, "scores", outputs)
    assert stage(found, "total", "sqnr_db")["value"] > 25


@pytest.mark.parametrize(
    ("scheme", "weights", "sqnr_db"),
    [("float32", "float32", 100), ("float16", "float16", 50), ("dynamic_wi8_afp32", "int8", 25)],
)
def test_every_scheme_writes_its_kind_of_weights(build, vectors, executor, scheme, weights, sqnr_db):
    """What came out is looked at, not what was requested; and less precise weights are less precise."""
    found = build("dense", vectors, scheme=scheme)

    held = toolkit.inspect(_path(found), executor=executor)
    assert found["verdict"] == "passed"
    assert found["artifact"]["scheme"] == scheme
    assert max(held["weights_bytes"], key=lambda dtype: held["weights_bytes"][dtype]) == weights
    assert float(stage(found, "total", "sqnr_db")["value"]) > sqnr_db


@pytest.mark.parametrize("scheme", ["float32", "static_wi8_ai8"])
def test_inputs_of_one_shape_are_bound_by_name(build, pairs, executor, tmp_path, scheme):
    """The function takes right before left and gives second before first; what the formula says is what comes out."""
    found = build("twins", pairs, scheme=scheme)

    ran = toolkit.run(_path(found), "host", str(pairs), tmp_path / "outputs.npz", executor=executor)
    assert found["verdict"] == "passed"
    with np.load(pairs) as held:
        expected, swapped = twins(held["left"], held["right"]), twins(held["right"], held["left"])
    for name, values in outputs_of(ran).items():
        near = 1e-6 if scheme == "float32" else 0.01 * np.ptp(expected[name])
        assert np.abs(values[:, 0] - expected[name]).mean() < near
        assert np.abs(swapped[name] - expected[name]).mean() > 10 * near  # else nothing was shown


def _path(found):
    return Path(found["artifact"]["path"])


def twins(left, right):
    """Return what make_models.twins computes, with numpy."""

    def weights(scale, seed):
        return rng(seed).normal(0, scale, (6, 4)).astype(np.float32)

    product = np.tanh(right @ weights(0.3, 7))
    return {
        "second": np.maximum(left @ weights(1.0, 10) + product, 0),
        "first": product * 0.5 + np.clip(left @ weights(0.6, 11), 0, 6),
    }


def test_outputs_that_the_converter_numbers_otherwise_are_bound_by_name(build, arrays):
    """Keras gives output_0 and output_1, the file has them the other way round."""
    samples = arrays(zulu=rng(1).normal(size=(400, 6)), alpha=rng(2).normal(size=(400, 6)))

    found = build("reversed_outputs", samples)

    assert found["verdict"] == "passed"
    assert [spec["name"] for spec in found["artifact"]["signature"]["outputs"]] == ["output_0", "output_1"]
    assert {one["output"] for one in found["comparisons"] if one["stage"] == "total"} == {"output_0", "output_1"}
    assert float(stage(found, "conversion", "max_abs", "output_0")["value"]) < 1e-5


def test_a_scalar_is_an_input(build, arrays):
    """Shape [], and no batch axis that could be put before it."""
    found = build("scalar", arrays(x=rng(0).normal(size=400)))

    assert found["verdict"] == "passed"
    assert found["artifact"]["signature"]["inputs"][0]["shape"] == []


@pytest.mark.parametrize(("shape", "size"), [((), []), ((5,), [5]), ((2, 3), [2, 3])])
def test_an_input_of_any_rank_takes_that_of_the_samples(build, arrays, shape, size):
    """The model leaves it open; the artifact cannot."""
    found = build("any_rank", arrays(x=rng(0).normal(size=(400, *shape))), scheme="float32")

    assert found["verdict"] == "passed"
    assert found["artifact"]["signature"]["inputs"][0]["shape"] == size


def test_sizes_left_open_are_those_of_the_samples(build, arrays):
    """Height and width, and the batch, which is 1."""
    found = build("open_sizes", arrays(image=rng(0).uniform(size=(80, 9, 7, 1))))

    assert found["verdict"] == "passed"
    assert found["artifact"]["signature"]["inputs"][0]["shape"] == [1, 9, 7, 1]


def test_odd_names_unused_inputs_and_outputs_twice_survive(build, arrays):
    """Blanks, slashes and dots in names; an output that is an input; one result under two names; an input that nothing reads."""
    samples = arrays(
        in_put=rng(0).normal(size=(400, 6)), passed=rng(1).normal(size=(400, 2)), unused=rng(2).normal(size=(400, 3))
    )

    found = build("odd_names", samples, scheme="float32")

    assert found["verdict"] == "passed"
    assert {spec["name"] for spec in found["artifact"]["signature"]["outputs"]} == {
        "out put/1",
        "the same",
        "passed.through",
    }
    assert {spec["name"] for spec in found["artifact"]["signature"]["inputs"]} == {"in_put", "passed", "unused"}


def test_whole_numbers_stay_whole_numbers(build, arrays):
    """Ids are looked up in a table; int8 quantization leaves them as they are."""
    found = build("ids", arrays(ids=rng(0).integers(0, 50, size=(400, 5)).astype(np.int32)), scheme="static_wi8_ai8")

    assert found["verdict"] == "passed"
    assert found["artifact"]["signature"]["inputs"][0]["dtype"] == "int32"


def test_variables_that_converters_do_not_see_are_there(build, vectors):
    """A Keras 3 model inside a tf.Module: converting its file as it is gives NaN and exit status 0. The canonical form has the values."""
    found = build("untracked", vectors)

    assert found["verdict"] == "passed"
    assert float(stage(found, "conversion", "max_abs")["value"]) < 1e-5


def test_one_of_several_signatures_is_built(build, vectors):
    """The one that was chosen, and the report says which."""
    found = build("several", vectors, signature="embed", scheme="static_wi8_ai8")

    assert found["verdict"] == "passed"
    assert found["source"]["signature"] == "embed"
    assert [spec["name"] for spec in found["artifact"]["signature"]["outputs"]] == ["vector"]


def test_nan_in_original_and_artifact_alike_does_not_pass(build, arrays):
    """They agree, and yet nobody can ship it; the samples themselves are finite."""
    found = build("not_a_number", arrays(x=rng(0).normal(size=(400, 6))))

    assert found["verdict"] == "failed"
    assert stage(found, "total", "max_abs")["value"] == "nan"
    assert any("NaN" in finding["message"] for finding in found["findings"])


def test_an_original_that_does_not_depend_on_its_input_is_refused(build, vectors):
    """Everything agrees with a constant, so agreement would show nothing."""
    with pytest.raises(toolkit.errors.UnjudgeableRun, match=r"gives the same values .* for all \d+ samples") as caught:
        build("indifferent", vectors)

    assert caught.value.exit_status == 2
