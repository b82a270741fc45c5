"""From a chain's jobs to its verdict, on the fake runtime: what is run again, what stands in for what, and what is never passed over."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.unit.pipeline.fake_chains import Bench, Watched, bound, bounds
from toolkit import report
from toolkit.bundle import bundle
from toolkit.comparison.compare import Comparison
from toolkit.errors import WorkerCrashed, WorkerRefused
from toolkit.pipeline import stages as chains
from toolkit.pipeline.evaluate import evaluate
from toolkit.regression.run_comparison import compare_runs
from toolkit.report.formats import render


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Return the executor of all tests here: its worker starts once."""
    made = Watched(tmp_path_factory.mktemp("home"))
    with made.executor:
        yield made


@pytest.fixture
def bench(tmp_path, monkeypatch, watched):
    """Return a model with 40 samples."""
    return Bench(tmp_path, monkeypatch, watched)


def codes(verdict):
    return [finding.code for finding in verdict.findings]


def test_a_sound_artifact_passes_and_each_stage_was_run(bench):
    """The bounds are on every stage, the total among them."""
    made = bench.converted(bench.file("quantized", error=0.01))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 1.5)

    assert verdict.outcome == "passed"
    assert [each.stage for each in verdict.stages] == ["source", "conversion", "quantization", "kernels"]
    assert {stage: run.count for stage, run in verdict.runs.items()} == dict.fromkeys(
        ("original", "source", "conversion", "quantization", "kernels"), 40
    )
    assert verdict.seconds == 1.5


def test_the_stage_that_breaks_is_the_guilty_one(bench):
    """Quantization is off by as much as the outputs are large."""
    made = bench.converted(bench.file("quantized", error=2.0))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "quantization")


def test_kernels_that_differ_are_the_guilty_stage(bench):
    """The file on reference kernels is sound."""
    made = bench.converted(bench.file("quantized", kernels={"default": {"error": 2.0}}))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "kernels")


@pytest.mark.parametrize("do", ["abort", "raise"])
def test_builtin_kernels_stand_in_for_reference_kernels_that_fail(bench, do):
    """And it is said."""
    made = bench.converted(bench.file("quantized", kernels={"reference": {"do": do}}))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert verdict.outcome == "passed"
    assert "reference-kernels-failed" in codes(verdict)
    assert bench.ran("running model.fake on fake (builtin kernels)") == 1


@pytest.mark.parametrize(("do", "error"), [("abort", WorkerCrashed), ("raise", WorkerRefused)])
def test_nothing_stands_in_for_the_kernels_of_the_target(bench, do, error):
    """Those that abort are what the device would run: that others do not is no evidence."""
    made = bench.converted(bench.file("quantized", kernels={"reference": {"do": do}}))
    chain = bench.chain(made, bench.target(*bounds(), kernels="reference"))

    assert [stage.name for stage in chain.stages] == ["source", "conversion", "quantization"]
    assert chain.stage("quantization").job in chain.goal.vital
    with pytest.raises(error):
        evaluate(chain, bench.executor, 0.0)


def test_kernels_of_the_target_that_fail_are_no_verdict(bench):
    """Where the reference kernels run the file."""
    made = bench.converted(bench.file("quantized", kernels={"default": {"do": "raise"}}))

    with pytest.raises(WorkerRefused):
        evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)


def test_nan_never_passes(bench):
    """From the last sample of the last stage."""
    made = bench.converted(bench.file("quantized", kernels={"default": {"do": "nan", "at": 39}}))

    verdict = evaluate(bench.chain(made, bench.target(*bounds(-1e9))), bench.executor, 0.0)

    assert verdict.outcome == "failed"


def test_an_engine_of_another_version_is_no_run_of_the_target(bench):
    """Whatever it gives."""
    made = bench.converted(bench.file("quantized"))

    with pytest.raises(Exception, match="its profile asks for fake 2"):
        evaluate(bench.chain(made, bench.target(*bounds(), version="2")), bench.executor, 0.0)


def test_reference_kernels_run_the_first_samples_of_a_large_model_and_it_is_said(bench, monkeypatch):
    """Where these keep the bounds."""
    monkeypatch.setattr(chains, "_MOST_ON_REFERENCE", 8)
    bench.floats(multiply_accumulates=1)
    made = bench.converted(bench.file("quantized", error=0.01))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert (verdict.outcome, verdict.runs["quantization"].count) == ("passed", 8)
    assert [each.message for each in verdict.findings if each.code == "first-samples-only"] == [
        "reference kernels ran the first 8 of 40 samples, because they are slow"
    ]


def test_more_samples_run_on_reference_kernels_until_a_rate_is_certain(bench, monkeypatch):
    """Of four samples no rate is certain; each time twice as many run, and the last run is what stands."""
    monkeypatch.setattr(chains, "_MOST_ON_REFERENCE", 4)
    bench.floats(multiply_accumulates=1)
    made = bench.converted(bench.file("quantized"))
    rate = bound("quantization", 0.8, "top1_agreement")

    verdict = evaluate(bench.chain(made, bench.target(rate, bound("total", 20.0))), bench.executor, 0.0)

    (held,) = [each for each in verdict.comparisons if each.stage == "quantization"]
    assert held.samples == verdict.runs["quantization"].count > 4
    assert held.status == "passed" or held.samples == 40
    assert bench.ran("running model.fake on fake (reference kernels)") > 1


def test_where_more_samples_cannot_be_run_the_first_ones_stand(bench, monkeypatch):
    """The bound they leave open stays open: inconclusive, and not passed."""
    monkeypatch.setattr(chains, "_MOST_ON_REFERENCE", 4)
    bench.floats(multiply_accumulates=1)
    made = bench.converted(bench.file("quantized", kernels={"reference": {"do": "raise", "at": 4}}))
    rate = bound("quantization", 0.8, "top1_agreement")

    verdict = evaluate(bench.chain(made, bench.target(rate, bound("total", 20.0))), bench.executor, 0.0)

    assert (verdict.outcome, verdict.runs["quantization"].count) == ("inconclusive", 4)


def test_reference_kernels_that_are_wrong_give_way_and_are_named(bench):
    """Two other sets agree, with one another and with the float artifact."""
    made = bench.converted(bench.file("quantized", kernels={"reference": {"error": 5.0}}))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert verdict.outcome == "passed"
    assert "reference-kernels-wrong" in codes(verdict)


def test_a_file_that_all_kernels_find_broken_is_not_cleared(bench):
    """Reference kernels are as wrong as all others, so nothing speaks against them."""
    made = bench.converted(bench.file("quantized", error=5.0))

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "quantization")
    assert "reference-kernels-wrong" not in codes(verdict)


def test_the_worst_sample_is_run_by_itself_where_reference_kernels_had_not_run_it(bench, monkeypatch):
    """Only the total fails, by one sample beyond the first; the stage that broke it is the guilty one."""
    monkeypatch.setattr(chains, "_MOST_ON_REFERENCE", 4)
    bench.floats(multiply_accumulates=1)
    made = bench.converted(bench.file("quantized", kernels={"default": {"error": 0.5, "at": 20}}))
    worst = bound("total", 0.1, "max_abs", unit="real")

    verdict = evaluate(bench.chain(made, bench.target(worst)), bench.executor, 0.0)

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "kernels")
    assert "looked-at-again" in codes(verdict)


def test_a_lost_chain_raises_what_it_was_lost_for(bench):
    """And asks for nothing again."""
    failed = WorkerRefused("canonical form: no")
    bench.model.rechecked = bench.failed("canonical form in TensorFlow", failed)
    chain = bench.chain(bench.converted(bench.file("quantized")), bench.target(*bounds()))
    before = len(bench.seen)

    with pytest.raises(WorkerRefused, match="canonical form: no"):
        evaluate(chain, bench.executor, 0.0)

    assert len(bench.seen) == before


# Stage


def test_a_stage_is_made_longer_from_the_first_sample(bench, monkeypatch):
    """Where a run on reference kernels ended, a sequence need not have."""
    monkeypatch.setattr(chains, "_MOST_ON_REFERENCE", 4)
    bench.floats(multiply_accumulates=1)
    stage = bench.chain(bench.converted(bench.file("quantized")), bench.target(*bounds())).stage("quantization")

    longer = stage.longer(16)

    assert [stage.read(bench.executor).count, longer.read(bench.executor).count] == [4, 16]
    assert "before" not in longer.job.inputs
    assert longer.longer(16).job is longer.job  # one run, however many ask


def test_a_stage_that_the_chain_does_not_have_is_none(bench):
    chain = bench.chain(bench.converted(bench.file("quantized")), bench.target(*bounds()))

    assert chain.stage("device") is None
    assert chain.with_stage(chain.stage("kernels")).stages == chain.stages


def test_the_worst_sample_is_called_what_its_set_calls_it_in_every_report(bench):
    """The set is drawn, so the sample's number there is another than its place among those that judge."""
    made = bench.converted(bench.file("quantized", error=2.0))

    verdict = evaluate(
        bench.chain(made, bench.target(*bounds(), bound("total", 0.01, "max_abs", unit="real"))), bench.executor, 0.0
    )

    drawn = json.loads((verdict.drawn / "origins.json").read_text())
    failed = [each for each in verdict.comparisons if each.status == "failed" and each.worst_sample is not None]
    assert failed
    assert all(each.worst_sample_name == drawn[each.worst_sample] for each in failed)
    assert len(set(drawn)) == 40
    assert drawn != [f"samples.npz: sample {index}" for index in range(40)]
    worst = next(each for each in failed if each.metric == "max_abs")
    document = report.verdict_json(verdict, "model.fake")
    (told,) = [each for each in document["comparisons"] if each["metric"] == "max_abs" and each["stage"] == "total"]
    assert (told["worst_sample"], told["worst_sample_name"]) == (worst.worst_sample, worst.worst_sample_name)
    said = f"worst sample {worst.worst_sample} of 40: {worst.worst_sample_name}"
    assert said in report.verdict_text(verdict)
    assert said in report.markdown(verdict, "model.fake")
    for name in ("junit", "sarif", "github", "markdown"):
        assert "samples.npz" in render(name, document), name
    assert all(Comparison.from_json(each.to_json()) == each for each in failed)
    first, last = verdict.steps[0], verdict.steps[-1]
    for step in (first, last):
        bundle.write_run(step, verdict.drawn, bench.folder / f"{step.stage}.safetensors")
    again = compare_runs(
        *(bench.folder / f"{step.stage}.safetensors" for step in (first, last)),
        [bound("total", 0.01, "max_abs", unit="real")],
    )
    assert said in again.text()
    assert again.to_json()["comparisons"][0]["worst_sample_name"] == worst.worst_sample_name


def test_every_report_says_what_the_inputs_are_fed(bench):
    """In the terminal, in Markdown and in JSON, whether it passed or not."""
    made = bench.converted(bench.file("quantized", error=0.01))
    held = np.load(bench.folder / "samples.npz")["x"]

    verdict = evaluate(bench.chain(made, bench.target(*bounds())), bench.executor, 0.0)

    low, high = float(held.min()), float(held.max())
    line = f"x is fed float32, {low:.4g} to {high:.4g}"
    assert verdict.passed
    assert report.verdict_json(verdict, "model.fake")["inputs"] == {
        "x": {"dtype": "float32", "verification": [low, high], "calibration": None}
    }
    assert line in report.verdict_text(verdict)
    assert line in report.markdown(verdict, "model.fake")
