"""Whether the two halves of a set agree: what the outputs of artifacts that were made with either say, on arrays whose noise is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from toolkit.diagnosis.calibration_stability import Halves, halves_of, unstable_outputs
from toolkit.errors import InvalidSamples
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.store import Entry
from toolkit.pipeline.model import Model
from toolkit.profiles.recipe import Recipe, Variant, estimator
from toolkit.samples import lint_job
from toolkit.source.source import Source
from toolkit.tensors.signature import Signature
from toolkit.wire.shards import ShardWriter

FLOATS = np.random.default_rng(0).normal(size=(400, 1, 8))
LIMIT = lint_job.read_limits().values["unstable"]["outputs"]


def noise(number: int, power: float) -> np.ndarray:
    """Return what has this power, as a share of the floats', and nothing in common with what another number gives."""
    drawn = np.random.default_rng(number).normal(size=FLOATS.shape)
    return drawn * np.sqrt(power * (FLOATS**2).sum() / (drawn**2).sum())


def entry(folder: Path, values: np.ndarray, spec: dict[str, object]) -> Entry:
    """Return a finished run that gave these values, in the dtype that it says."""
    with ShardWriter(folder / "out" / "outputs") as writer:
        for value in values:
            writer.add({"y": value.astype(str(spec["dtype"]))})
    signature = {"key": "serving_default", "inputs": [], "outputs": [spec]}
    result = {"signature": signature, "count": len(values), "engine": "none"}
    return Entry(folder.name, folder, result, "", 0.0, {"title": folder.name})


class Finished:
    """The jobs' results, which are there already."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def run(self, *jobs: Job) -> list[Entry]:
        """Return them; as many as were asked for."""
        assert len(jobs) == len(self.entries)
        return self.entries


@pytest.fixture
def found(tmp_path):
    """Return a function that gives the findings where the artifact of all samples, and of each half, differ from the float one by some noise."""

    def look(whole: np.ndarray, first: np.ndarray, second: np.ndarray, dtype: str = "int32") -> list[dict[str, object]]:
        job = Job("a job", "samples.lint", "half_ranges", Engine("dataset"))
        float32 = {"name": "y", "dtype": "float32", "shape": [1, 8]}
        ran = [entry(tmp_path / "floats", FLOATS, float32)]
        made = []
        for name, wrong in (("whole", whole), ("first", first), ("second", second)):
            # Integers are read by the signature that the artifact's maker says; the run's own knows no scale.
            values = FLOATS + wrong if dtype == "float32" else np.round((FLOATS + wrong) * 1e6)
            ran.append(entry(tmp_path / name, values, {**float32, "dtype": dtype}))
            scaled = {"scale": [1e-6], "zero_point": [0]} if dtype == "int32" else {}
            said = {"signature": {**ran[-1].result["signature"], "outputs": [{**float32, "dtype": dtype, **scaled}]}}
            made.append(dataclasses.replace(ran[-1], result=said))
        halves = Halves("a set", (job, job, job), (job, job, job, job))
        return unstable_outputs(halves, Finished([*made, *ran]), lint_job.read_limits())

    return look


def test_halves_that_differ_by_as_much_as_two_artifacts_do_are_stable(found):
    """Independent noise of each adds up to twice that of one."""
    assert found(noise(0, 1e-3), noise(1, 1e-3), noise(2, 1e-3)) == []


def test_halves_that_agree_where_both_are_far_from_the_float_artifact_are_stable(found):
    """It is not the samples then."""
    assert found(noise(0, 0.1), noise(0, 0.1), noise(0, 0.1)) == []


@pytest.mark.parametrize("worse", ["first", "second"])
def test_a_half_that_is_far_from_the_other_is_told_with_both_numbers(found, worse):
    """The artifact of all samples has what is wrong with either half; the other half shows what quantization can do."""
    far, near = noise(1, 1e-2), noise(2, 1e-4)

    (one,) = found(noise(0, 1e-2), *((far, near) if worse == "first" else (near, far)))

    assert (one.code, one.severity) == ("unstable-outputs", "warning")
    assert one.facts["quantization"] == pytest.approx(1e-4, rel=0.01)
    assert one.facts["between"] == pytest.approx(1e-2, rel=0.1)
    between = f"agree to {-10 * np.log10(one.facts['between']):.1f} dB of signal to noise"
    assert f"a set: outputs of artifacts with the ranges of two random halves {between}" in one.message
    assert one.message.endswith("quantization can do with 40.0 dB")


@pytest.mark.parametrize(("times", "count"), [(0.9, 0), (1.1, 1)])
def test_the_limit_is_how_many_times_the_least_noise(found, times, count):
    """Of the best of the three artifacts, which here is that of all samples."""
    least = 1e-4
    apart = noise(1, times * LIMIT * least)

    assert len(found(noise(0, least), np.zeros_like(apart) + noise(3, 2e-4), noise(3, 2e-4) + apart)) == count


def test_outputs_that_are_not_numbers_are_unstable_though_no_artifact_does_better(found):
    """Each in another place: nothing can be told, of the halves or of what quantization does."""
    broken = [np.zeros_like(FLOATS) for _ in range(3)]
    for place, each in enumerate(broken):
        each[place, 0, place] = np.nan

    (one,) = found(*broken, dtype="float32")

    assert one.facts["between"] == one.facts["quantization"] == np.inf
    assert "agree to none of signal to noise; quantization can do with none" in one.message


def test_halves_that_differ_where_quantization_loses_nothing_are_unstable(found):
    """As powers of two do, whose ranges are those of the whole set."""
    (one,) = found(np.zeros_like(FLOATS), np.zeros_like(FLOATS), noise(2, 1e-2), dtype="float32")

    assert one.facts["quantization"] == 0
    assert one.message.endswith("quantization can do with none")


@pytest.fixture
def model():
    """Return a model of which nothing has been made yet."""
    signature = Signature("serving_default", (), ())
    source = Source(
        path=Path("model"), kind="saved_model", sha256="", writer="", loader="saved_model", key="serving_default", signature=signature,
        files={}, options={"kind": "saved_model", "builder": None}, engine=Engine("tensorflow"), device="cpu", coverage=None, findings=(),
    )  # fmt: skip
    drawn = Job("samples", "samples.draw", "draw", Engine("dataset"), {"calibration": {"name": "a set"}})
    return Model(source, drawn, calibrates=True)


def test_each_half_is_quantized_as_the_whole_set_is_and_all_are_run_alike(model):
    (variant,) = Recipe("static_wi8_ai8", (estimator("min_max"),), quantizer="mlir").variants("tflite")

    halves = halves_of(model, variant, "tflite")

    whole, *others = halves.made
    assert halves.name == "a set"
    assert whole is model.conversions.artifact(variant, "tflite")
    assert [other.options for other in others] == [whole.options] * 2
    ranges = [other.inputs["ranges"].job for other in others]
    assert [job.options["half"] for job in ranges] == [0, 1]
    assert len({job.options["seed"] for job in ranges}) == 1  # else they would overlap
    assert {job.plugins for job in ranges} == {("samples.lints.unstable",)}  # whose code deals the halves
    assert [run.inputs["model"].job for run in halves.runs] == [model.conversions.floats("tflite"), *halves.made]
    assert [run.options for run in halves.runs] == [halves.runs[0].options] * 4
    assert halves.runs[0].options["first"] > 8


@pytest.mark.parametrize(("scheme", "quantizer"), [("float32", None), ("float16", "litert_quantizer")])
def test_a_scheme_without_ranges_has_no_halves(model, scheme, quantizer):
    with pytest.raises(InvalidSamples, match="is not made from ranges; expected a static scheme with an estimator"):
        halves_of(model, Variant(Recipe(scheme), quantizer, None), "tflite")
