"""A verdict follows from its evidence: what passes, what fails and whose fault it is, what is not enough to say."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit import printable, profiles, report
from toolkit.bundle import bundle
from toolkit.comparison import compare
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Context
from toolkit.comparison.task_drops import asked
from toolkit.comparison.wording import comparison_text
from toolkit.conversion.artifacts import Artifact
from toolkit.engines.kept_scheme import kept_scheme
from toolkit.errors import EnvironmentUnavailable, RequestError, Unconvertible, UnjudgeableRun, WorkerTimeout
from toolkit.execution.run import Run
from toolkit.files import manifest
from toolkit.findings import Finding
from toolkit.jobs.job import Engine
from toolkit.pipeline.prepare import Samples
from toolkit.report.attempts import deciding_comparison, deciding_text
from toolkit.report.screen import Screen
from toolkit.settings.permissions import Permissions
from toolkit.source.original import Original
from toolkit.source.source import Source
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.verbs.build import _shown
from toolkit.verbs.next_steps import VerbRequest
from toolkit.verdict.chain import judge_chain
from toolkit.verdict.chain_findings import bounds_below_noise
from toolkit.verdict.evidence import Evidence
from toolkit.verdict.noise import decibels, noise_share, off_by, own_noise
from toolkit.verdict.stage_run import StageRun, _first, _one
from toolkit.verdict.verdict import Attempted, Spent, Verdict, judge
from toolkit.wire.shards import ShardWriter

SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}],
    "outputs": [{"name": "scores", "dtype": "float32", "shape": [1, 4]}],
}
PROFILE = """
name = "board"
about = "A board"
format = "tflite"
schemes = ["float32"]
[runtime]
name = "litert"
version = "2.3.0"
{budget}
[[bounds]]
stage = "conversion"
output = "*"
metric = "max_abs"
limit = 0.01
unit = "real"
because = "a test"
[[bounds]]
stage = "kernels"
output = "*"
metric = "max_abs"
limit = {kernels}
unit = "real"
because = "a test"
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
unit = "{unit}"
because = "a test"
"""
SCORES = np.random.default_rng(0).normal(size=(50, 1, 4)).astype(np.float32)
COVERAGE = {
    "restored": ["kernel", "bias"],
    "unrestored": ["offset"],
    "unused": [{"name": "Adam/m/kernel", "what": "optimizer"}],
    "allowed": ["off*"],
}


DROP = """
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
because = "a test"
"""


@pytest.fixture
def profile(tmp_path):
    def make(
        metric: str = "max_abs",
        limit: float = 0.015,
        unit: str = "real",
        budget: str = "",
        kernels: float = 0.01,
        drop: tuple[str, float] | None = None,
    ):
        text = PROFILE.format(metric=metric, limit=limit, unit=unit, budget=budget, kernels=kernels)
        if drop is not None:
            text += DROP.format(metric=drop[0], limit=drop[1])
        (tmp_path / "board.toml").write_text(text)
        return profiles.find(tmp_path / "board.toml")

    return make


@pytest.fixture
def judged(tmp_path, profile):
    """Return a maker of verdicts: from the outputs of each stage, what else is given replaces the evidence."""
    count = iter(range(1000))

    def step(stage: str, scores: np.ndarray, signature: dict[str, object]) -> StageRun:
        folder = tmp_path / f"run{next(count)}"
        (name,) = [spec["name"] for spec in signature["outputs"]]
        with ShardWriter(folder) as writer:
            for row in scores:
                writer.add({name: row})
        about = {"title": stage, "machine": "x86_64", "launcher": "local"}
        return StageRun(
            stage, Run(folder, signature, "fake 1", about, len(scores), "key"), Signature.from_json(signature)
        )

    def make(
        stages: dict[str, np.ndarray],
        chosen=None,
        findings=(),
        labels=None,
        noise=None,
        renamed=None,
        tasks=(),
        *,
        early=False,
        given=None,
    ):
        signatures = {renamed: json.loads(json.dumps(SIGNATURE).replace("scores", "logits"))} if renamed else {}
        steps = [step(stage, scores, signatures.get(stage, SIGNATURE)) for stage, scores in stages.items()]
        model = tmp_path / "model.tflite"
        model.write_bytes(b"artifact")
        artifact = Artifact(model, given or "float32", 8, "00", SIGNATURE, (), ())
        source = Source(
            path=Path("model"),
            kind="checkpoint",
            sha256="11",
            writer="tensorflow 2.21.0",
            loader="keras",
            key="serving_default",
            signature=SIGNATURE,
            files={},
            options={},
            engine=Engine("tensorflow"),
            device="cpu",
            coverage=COVERAGE,
            findings=(),
        )
        samples = {"calibration": 9, "verification": len(steps[0].run.outputs.name)}
        samples["verification"] = steps[0].run.count
        drawn = tmp_path / f"drawn{next(count)}"
        drawn.mkdir()
        (drawn / "hashes.json").write_text(json.dumps([f"{number:064x}" for number in range(steps[0].count)]))
        if labels is not None:
            np.save(drawn / "labels.npy", labels)
        board = chosen or profile()
        wanted = asked(tasks, board.bounds, "float32")
        evidence = Evidence(
            tuple(steps),
            samples,
            drawn,
            noise or {"repeat": {"scores": 0.0}},
            tuple(findings),
            1.0,
            wanted,
            candidates=({"scheme": "float32"},),
            early=early,
            given=given is not None,
        )
        return judge(board, source, artifact, evidence)

    return make


def stages(**off: float) -> dict[str, np.ndarray]:
    """Return the outputs of a chain; each stage adds its own error to the one before."""
    found, level = {"original": SCORES}, 0.0
    for name in ("conversion", "kernels"):
        level += off.get(name, 0.001)
        found[name] = SCORES + np.float32(level)
    return found


def test_a_sound_chain_passes(judged):
    """Every bound is met, and there is a comparison on the total."""
    verdict = judged(stages())

    assert verdict.outcome == "passed"
    assert verdict.guilty_stage is None
    assert {comparison.stage for comparison in verdict.comparisons} == {"conversion", "kernels", "total"}


def test_it_is_shown_in_a_line(judged):
    """A notebook prints what a cell returns, and all of a verdict is hundreds of lines."""
    shown = repr(judged(stages()))

    assert shown.startswith("<Verdict on ")
    assert ": passed, " in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) < 120


def test_passed_cannot_be_set(judged):
    """Neither on the verdict nor when it is made."""
    verdict = judged(stages(kernels=1.0))

    with pytest.raises(
        (AttributeError, TypeError)
    ):  # Python 3.10 and 3.11 stumble over slots here, and refuse all the same
        verdict.passed = True
    with pytest.raises(TypeError):
        dataclasses.replace(verdict, passed=True)


@pytest.mark.parametrize("guilty", ["conversion", "kernels"])
def test_the_stage_that_broke_its_own_bound_is_guilty(judged, guilty):
    """Not the one after it, whose outputs are just as far from the original."""
    verdict = judged(stages(**{guilty: 0.5}))

    assert verdict.outcome == "failed"
    assert verdict.guilty_stage == guilty


def test_a_stage_within_its_own_bound_is_not_guilty_however_far_it_moved(judged, profile):
    """The profile allows the kernels more than it allows the conversion, and it is the conversion that took more than it may."""
    verdict = judged(stages(conversion=0.02, kernels=0.5), profile(kernels=1.0))

    assert verdict.outcome == "failed"
    assert verdict.guilty_stage == "conversion"


@pytest.mark.parametrize(("guilty", "errors"), [("conversion", (0.009, 0.007)), ("kernels", (0.007, 0.009))])
def test_where_only_the_total_fails_the_stage_that_moved_most_is_guilty(judged, guilty, errors):
    """Each stage kept its own bound; together they did not."""
    verdict = judged(stages(conversion=errors[0], kernels=errors[1]))

    assert [comparison.stage for comparison in verdict.comparisons if not comparison.passed] == ["total"]
    assert verdict.guilty_stage == guilty


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("sample", [0, 31, 49])
def test_one_number_that_is_none_fails(judged, value, sample):
    """In one element of one sample of the last stage."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"].copy()
    outputs["kernels"][sample, 0, 2] = value

    verdict = judged(outputs)

    assert verdict.outcome == "failed"
    assert verdict.guilty_stage == "kernels"
    assert any(f"first in sample {sample}" in finding.message for finding in verdict.findings)


def test_a_renamed_output_fails(judged):
    """The same numbers under another name are not the same output."""
    verdict = judged(stages(), renamed="kernels")

    assert verdict.outcome == "failed"
    assert verdict.guilty_stage == "kernels"


def test_fewer_samples_in_a_stage_are_an_error(judged):
    """The lost ones might be those that are wrong."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"][:-1]

    with pytest.raises(UnjudgeableRun, match="50 samples in"):
        judged(outputs)


def test_the_original_alone_is_no_evidence(judged):
    """Nothing was compared, so nothing passed."""
    with pytest.raises(UnjudgeableRun, match="only the original ran"):
        judged({"original": SCORES})


def test_an_original_that_is_the_same_for_every_input_is_refused(judged):
    """Agreeing with it shows nothing."""
    same = np.repeat(SCORES[:1], 50, axis=0)

    with pytest.raises(UnjudgeableRun, match="agreeing with it shows nothing"):
        judged({"original": same, "conversion": same, "kernels": same})


def test_a_finding_that_is_an_error_fails_although_every_bound_is_met(judged):
    """Scales that are no numbers, say: the outputs on these samples do not show it."""
    bad = Finding("scales-not-finite", "error", "...")

    assert judged(stages(), findings=[bad]).outcome == "failed"
    assert judged(stages(), findings=[dataclasses.replace(bad, severity="warning")]).outcome == "passed"


@pytest.mark.parametrize(("limit", "outcome"), [(8, "passed"), (7, "failed")])
def test_a_budget_is_part_of_the_verdict(judged, profile, limit, outcome):
    """The artifact has eight bytes."""
    verdict = judged(stages(), profile(budget=f"[budget]\nfile_bytes = {limit}"))

    assert verdict.outcome == outcome


def test_too_few_samples_for_a_rate_are_inconclusive(judged, profile):
    """All 50 agree, and yet no one can say that 99 of 100 would; how many samples would settle it is said."""
    verdict = judged(stages(), profile("top1_agreement", 0.99, "fraction"))

    assert verdict.outcome == "inconclusive"
    assert not verdict.passed
    assert verdict.comparisons[-1].samples_needed == 368  # the least n with (0.05 / 2) ** (1 / n) >= 0.99
    assert report.exit_status({"board": verdict}) == 1


def test_a_bound_tighter_than_the_originals_own_noise_is_said(judged):
    """It would fail on the original itself."""
    verdict = judged(stages(), noise={"batch": {"scores": 0.02}})

    assert [finding.code for finding in verdict.findings] == ["bound-below-noise"] * 2


def test_a_bound_that_is_hidden_is_not_held_against_noise(judged, profile, tmp_path):
    """It decides nothing."""
    profile()
    mine = tmp_path / "mine.toml"
    wide = '[[bounds]]\nstage = "{}"\noutput = "*"\nmetric = "max_abs"\nlimit = 1\nunit = "real"\nbecause = "b"\n'
    mine.write_text(
        'name = "mine"\nabout = "m"\nextends = "board"\n' + wide.format("conversion") + wide.format("total")
    )

    assert not judged(stages(), profiles.find(mine), noise={"batch": {"scores": 0.02}}).findings


@pytest.mark.parametrize("metric", ["max_abs", "top_k_accuracy"])
def test_what_is_switched_off_is_listed_with_the_reason(judged, profile, tmp_path, metric):
    """In every report, and nothing is judged by it."""
    profile(metric="cosine", limit=-0.9, unit="ratio", drop=("top_k_accuracy", 0.001))
    labels = TRUTH if metric == "top_k_accuracy" else None
    mine = tmp_path / "mine.toml"
    off = f'[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "{metric}"\noff = true\nbecause = "nobody reads it"\n'
    drop = "" if labels is not None else off.replace("max_abs", "top_k_accuracy")
    mine.write_text('name = "mine"\nabout = "m"\nextends = "board"\n' + off + drop)

    verdict = judged(stages(conversion=9), profiles.find(mine), labels=labels)

    said = f"not judged: total * {metric} is switched off by mine.toml bounds[0]: nobody reads it"
    assert said in [finding.message for finding in verdict.findings if finding.code == "switched-off"]
    assert not verdict.judged.drops
    assert said in report.verdict_text(verdict)
    assert said in report.markdown(verdict, "model.tflite")


def test_the_usual_task_metric_is_shown_beside_each_stage(judged):
    """The original against the truth, and what became of it; nobody asked, and nothing is judged by it."""
    outputs = stages()
    outputs["kernels"] = -SCORES

    verdict = judged(outputs, labels=SCORES[:, 0].argmax(axis=1))

    (task,) = verdict.tasks
    assert task.metric == "top_k_accuracy"
    assert task.scores["original"] == 1.0
    assert task.scores["kernels"] == 0.0
    assert verdict.judged.drops == ()


def with_wrong(count: int) -> dict[str, np.ndarray]:
    """Return the outputs of a chain whose last stage is wrong for the first `count` samples, by next to nothing."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"].copy()
    for row in range(count):
        outputs["kernels"][row, 0] = -outputs["kernels"][row, 0]
    return outputs


TRUTH = SCORES[:, 0].argmax(axis=1)


@pytest.mark.parametrize(
    ("wrong", "limit", "status"),
    [(0, 0.2, "passed"), (0, 0.05, "inconclusive"), (6, 0.2, "inconclusive"), (30, 0.2, "failed")],
)
def test_a_drop_is_judged_by_its_interval(judged, profile, wrong, limit, status):
    """Paired, on the samples that both saw: 50 right in both leave room for a drop of ten points, whatever was seen."""
    board = profile(limit=100, kernels=100, drop=("top_k_accuracy", limit))

    verdict = judged(with_wrong(wrong), board, labels=TRUTH)

    (drop,) = verdict.judged.drops
    assert (drop.status, verdict.outcome) == (status, status)
    assert drop.value == wrong / 50
    assert drop.interval[0] <= drop.value <= drop.interval[1]
    assert drop.samples == 50
    assert f"{wrong} samples lost, 0 won of 50" in drop.detail
    assert (drop.samples_needed is not None) == (status == "inconclusive")
    assert verdict.guilty_stage == ("kernels" if status == "failed" else None)


@pytest.mark.parametrize(("limit", "status"), [(0.2, "passed"), (0.05, "inconclusive")])
def test_few_samples_of_which_none_changed_rule_out_little(judged, profile, limit, status):
    """Of a score that is no rate too: 1 - 0.025^(1/50) is 0.0711, and a twentieth is less."""
    board = profile(limit=100, kernels=100, drop=("f1", limit))

    (drop,) = judged(with_wrong(0), board, labels=TRUTH).judged.drops

    assert (drop.status, drop.value, drop.detail) == (status, 0.0, "none of 50 samples changed")
    assert drop.interval == pytest.approx((-0.0711, 0.0711), abs=5e-5)


def test_a_drop_of_an_error_is_a_rise(judged, profile):
    """Of a metric where less is better; twenty times the error is a failure, as much as before is none."""
    board = profile(limit=100, kernels=100, drop=("mse", 0.5))
    truth = (SCORES + np.random.default_rng(1).normal(size=SCORES.shape) / 10)[:, 0]

    assert judged(stages(), board, labels=truth).judged.drops[0].status == "passed"
    failed = judged(stages(kernels=2.0), board, labels=truth).judged.drops[0]
    assert failed.status == "failed"
    assert 3 < failed.interval[0] < failed.value < failed.interval[1] < 5


CERTAIN = """
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
unit = "{unit}"
undecided = "passed"
because = "a test"
"""


@pytest.fixture
def certain(tmp_path, profile):
    """Return a maker of targets that hold a task metric, if it is scored, to what is certain alone."""

    def make(metric: str, limit: float, unit: str = "drop", drop: tuple[str, float] | None = None):
        profile(limit=100, kernels=100, drop=drop)
        path = tmp_path / "board.toml"
        path.write_text(path.read_text() + CERTAIN.format(metric=metric, limit=limit, unit=unit))
        return profiles.find(path)

    return make


@pytest.mark.parametrize(("wrong", "status"), [(0, "passed"), (6, "passed"), (30, "failed")])
def test_a_drop_that_is_certain_fails_without_being_asked_for(judged, certain, wrong, status):
    """What the interval leaves open is shown, and decides nothing."""
    verdict = judged(with_wrong(wrong), certain("top_k_accuracy", 0.02), labels=TRUTH)

    (drop,) = verdict.judged.drops
    assert (drop.status, verdict.outcome, drop.value) == (status, status, wrong / 50)
    assert drop.is_left_open == (wrong == 6)
    assert ("  left open" in comparison_text(drop)) == (wrong == 6)
    assert drop.interval[0] <= drop.value <= drop.interval[1]
    assert verdict.guilty_stage == ("kernels" if status == "failed" else None)


def test_what_was_not_scored_is_no_mistake_of_a_bound_that_asks_for_nothing(judged, certain):
    assert judged(stages(), certain("top_k_accuracy", 0.02)).judged.drops == ()
    assert judged(stages(), certain("mean_iou", 0.02), labels=TRUTH).judged.drops == ()


def test_it_holds_for_the_metric_with_any_parameters(judged, certain):
    verdict = judged(with_wrong(30), certain("top_k_accuracy", 0.02), labels=TRUTH, tasks=("top_k_accuracy:k=2",))

    assert [(drop.metric, drop.limit) for drop in verdict.judged.drops] == [("top_k_accuracy:k=2", 0.02)]


def test_a_bound_that_asks_goes_before_one_that_does_not(judged, certain):
    board = certain("top_k_accuracy", 0.02, drop=("top_k_accuracy:k=2", 0.9))

    verdict = judged(with_wrong(30), board, labels=TRUTH)

    assert [(drop.metric, drop.limit) for drop in verdict.judged.drops] == [("top_k_accuracy:k=2", 0.9)]


@pytest.mark.parametrize(("off", "status"), [(0.0, "passed"), (0.005, "passed"), (2.0, "failed")])
def test_an_error_is_held_to_a_share_of_what_it_was(judged, certain, off, status):
    truth = (SCORES + np.random.default_rng(1).normal(size=SCORES.shape) / 10)[:, 0]
    board = certain("mse", 0.1, "relative_drop")

    (drop,) = judged(stages(kernels=off), board, labels=truth, tasks=("mse",)).judged.drops

    assert drop.status == status
    assert (drop.value > 0.1) == (drop.interval is not None) == (off == 2)


def test_real_numbers_that_explain_less_fail_by_their_labels(judged, certain):
    """Where nobody asked: an output at a fifth of its size has 2 dB, and explains a third less."""
    verdict = judged(stages(kernels=0.2), certain("r2", 0.02), labels=SCORES[:, 0])

    (drop,) = verdict.judged.drops
    assert (drop.metric, drop.status, verdict.outcome) == ("r2", "failed", "failed")


def test_a_score_that_is_not_a_number_is_certain(judged, certain):
    outputs = stages()
    outputs["kernels"] = np.full_like(SCORES, np.nan)

    drops = judged(outputs, certain("r2", 0.02), labels=SCORES[:, 0]).judged.drops

    assert [drop.status for drop in drops] == ["failed"]


def test_an_interval_that_resampling_cannot_give_is_not_certain(judged, certain):
    """All labels are alike but one: a third of the resamples lack it, and have nothing to explain."""
    truth = np.zeros((50, 4))
    truth[7] = 10

    (drop,) = judged(stages(kernels=3.0), certain("r2", 0.02), labels=truth, tasks=("r2",)).judged.drops

    assert drop.value > 1
    assert (drop.status, drop.interval) == ("passed", (-np.inf, np.inf))


def test_a_drop_cannot_be_shown_without_labels(judged, profile):
    """A bound that nothing can be held against is no bound that was kept."""
    with pytest.raises(UnjudgeableRun, match="top_k_accuracy: the samples have no labels"):
        judged(stages(), profile(drop=("top_k_accuracy", 0.1)))


def test_a_task_metric_that_says_nothing_about_the_outputs_is_refused(judged):
    """It was requested; leaving it out would look like an answer."""
    with pytest.raises(UnjudgeableRun, match="task metric mean_iou: says nothing about original: "):
        judged(stages(), labels=TRUTH, tasks=("mean_iou",))


def test_a_broken_number_fails_a_drop(judged, profile):
    """The score of what is NaN is NaN, and NaN is no small drop."""
    board = profile(limit=100, kernels=100, drop=("mse", 1e6))
    outputs = stages()
    outputs["kernels"] = outputs["kernels"].copy()
    outputs["kernels"][3, 0, 1] = np.nan

    (drop,) = judged(outputs, board, labels=SCORES[:, 0]).judged.drops

    assert drop.status == "failed"
    assert np.isnan(drop.value)


def test_what_is_asked_for_is_scored_beside_what_is_bounded(judged, profile):
    """In the order in which it was asked; each once."""
    board = profile(limit=100, drop=("top_k_accuracy", 0.9))

    verdict = judged(stages(), board, labels=TRUTH, tasks=("top_k_accuracy:k=2", "top_k_accuracy"))

    assert [task.metric for task in verdict.tasks] == ["top_k_accuracy:k=2", "top_k_accuracy"]
    assert set(verdict.tasks[0].scores) == {"original", "conversion", "kernels"}
    assert [each.metric for each in verdict.judged.drops] == ["top_k_accuracy"]


def test_the_canonical_form_is_checked_beside_the_chain(judged):
    """It ran over the first samples only; the conversion is still held against the original, over all of them."""
    outputs = stages()
    chain = {"original": SCORES, "source": SCORES[:10], **{name: outputs[name] for name in ("conversion", "kernels")}}

    verdict = judged(chain)

    assert verdict.outcome == "passed"
    assert {stage.stage: stage.measured.samples for stage in verdict.stages} == {
        "source": 10,
        "conversion": 50,
        "kernels": 50,
    }
    assert verdict.cumulative["source"].samples == 10


def test_the_reports_say_the_same(judged):
    """JSON that a strict reader takes, Markdown and text; NaN is said, not dropped."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"] * np.nan
    verdict = judged(outputs)

    document = json.loads(json.dumps(report.verdict_json(verdict, "rejected/model.tflite"), allow_nan=False))
    text, markdown = report.verdict_text(verdict), report.markdown(verdict, "rejected/model.tflite")

    assert document["verdict"] == "failed"
    assert document["guilty_stage"] == "kernels"
    assert {"value": "nan", "passed": False}.items() <= document["comparisons"][-1].items()
    assert "NOT PASSED" in text
    assert "<- guilty" in text
    assert "NOT PASSED" in markdown
    assert "(guilty)" in markdown
    assert "`docs/glossary.md`" in markdown
    assert document["source"]["coverage"] == COVERAGE
    assert r"left as they began (allowed by off\*): offset" in markdown
    assert "not used of the file, optimizer: Adam/m/kernel" in markdown
    assert "scores repeat 0" in text


def test_the_gravest_outcome_is_the_exit_status(judged):
    """A target that could not be executed is worse than one that did not pass, and neither is hidden by one that did."""
    passed, failed = judged(stages()), judged(stages(kernels=1.0))

    assert report.exit_status({"a": passed}) == 0
    assert report.exit_status({"a": passed, "b": failed}) == 1
    assert report.exit_status({"a": failed, "b": RequestError("x")}) == 2
    assert report.exit_status({"a": passed, "b": EnvironmentUnavailable("x")}) == 3
    assert report.exit_status({}) == 2


def test_a_passed_bundle_holds_what_its_manifest_says(judged, tmp_path):
    """Artifact, reports, and the hash of each."""
    place = bundle.write(judged(stages()), tmp_path / "dist")

    manifest = json.loads((place / "manifest.json").read_text())
    runs = {f"runs/{stage}.safetensors" for stage in ("original", "conversion", "kernels")}
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {"manifest.json", "model.tflite", "report.json", "report.md"} | runs
    assert set(manifest["files"]) == files - {"manifest.json"}


FAILED_FILES = {"manifest.json", "previous", "rejected", "report.json", "report.md", "runs"}


def test_a_failed_build_promotes_nothing_and_loses_nothing(judged, tmp_path):
    """The bundle that had passed is kept aside, also when the next one fails again; then one passes, and takes its place."""
    out = tmp_path / "dist"
    bundle.write(judged(stages()), out)
    for _ in range(2):
        place = bundle.write(judged(stages(kernels=1.0)), out)

        assert {path.name for path in place.iterdir()} == FAILED_FILES
        assert manifest.verified(place).verdict == "failed"
        assert (place / "previous" / "manifest.json").is_file()
        assert not (place / "model.tflite").exists()

    place = bundle.write(judged(stages()), out)
    assert (place / "model.tflite").is_file()
    assert not (place / "rejected").exists()
    assert [path.name for path in out.iterdir()] == ["board"]


def test_a_bundle_that_cannot_be_written_whole_leaves_the_old_one(judged, tmp_path, monkeypatch):
    """The disk is full while the report is written."""
    out = tmp_path / "dist"
    place = bundle.write(judged(stages()), out)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "_write", full)
    with pytest.raises(Exception, match="no space left"):
        bundle.write(judged(stages()), out)

    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert [path.name for path in out.iterdir()] == ["board"]


def test_a_variant_of_nothing_but_noise_is_never_said_to_have_none(judged):
    """NaN, and outputs of other names, are infinite noise; only equal outputs have none."""
    rows = [
        {"quantizer": "a", "estimator": None, "chosen": True, "problem": None, "size_bytes": 8, "sqnr_db": decibels(0.0)},
        {"quantizer": "b", "estimator": None, "chosen": False, "problem": None, "size_bytes": 8, "sqnr_db": decibels(np.inf)},
    ]  # fmt: skip
    verdict = dataclasses.replace(judged({"original": SCORES, "conversion": SCORES}), candidates=tuple(rows))

    text = report.verdict_text(verdict)
    document = json.loads(json.dumps(report.verdict_json(verdict, "model.tflite"), allow_nan=False))

    assert "selected      a: no noise" in text
    assert "runner-up     b: nothing but noise" in text
    assert [row["sqnr_db"] for row in document["candidates"]] == [None, "-inf"]


def test_a_common_mistake_is_named_beside_the_failure(judged):
    """Where to look, not only that something is wrong; nothing is said of a chain that passed."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"][..., ::-1]

    verdict = judged(outputs)

    assert verdict.outcome == "failed"
    assert verdict.guilty_stage == "kernels"
    assert [finding.code for finding in verdict.findings] == ["classes-permuted"]
    assert "the last axis has another order" in report.verdict_text(verdict)
    assert judged(stages()).findings == ()


def test_without_evidence_nothing_passes(judged):
    """However the parts were put together: no comparison on the total, no sample in it, none that was drawn to verify."""
    verdict = judged(stages())
    held, total = verdict.judged, verdict.total

    def outcome(**changed):
        return dataclasses.replace(held, total=dataclasses.replace(total, **changed)).outcome

    assert held.outcome == outcome() == "passed"
    assert outcome(comparisons=()) == "failed"
    assert outcome(measured=dataclasses.replace(total.measured, samples=0)) == "failed"
    assert outcome(measured=dataclasses.replace(total.measured, samples=1)) == "passed"
    assert dataclasses.replace(verdict, samples={"calibration": 9, "verification": 0}).outcome == "failed"
    assert dataclasses.replace(verdict, samples={"calibration": 0, "verification": 1}).outcome == "passed"


@dataclasses.dataclass(frozen=True)
class Held:
    """A run of a chain in memory."""

    stage: str
    scores: np.ndarray

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return len(self.scores)

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return all of it, or the first samples."""
        signature = Signature("", (), (TensorSpec("scores", "float32", (1, 4)),))
        return compare.RunOutputs(self.stage, signature, [{"scores": self.scores[:count]}])


def bound(stage, metric, limit, unit="", **more):
    return Bound(stage=stage, output="*", metric=metric, limit=limit, unit=unit, because="b", **more)


def chain(*scores, last="device"):
    names = ("original", "conversion", last)
    return [Held(name, each.astype(np.float32)) for name, each in zip(names, scores, strict=True)]


def test_each_stage_and_the_total_are_judged_with_the_scheme_the_noise_and_the_metrics_that_bounds_name():
    """0.02 from stage to stage: once the noise of 0.02, and twice that in all."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    both = [(stage, factor) for stage, factor in (("conversion", 1), ("total", 2))]
    bounds = [bound(stage, "max_abs", factor * 1.01, "noise", schemes=("float32",)) for stage, factor in both]
    bounds += [bound(stage, "topk_agreement:k=2", 0.9) for stage, _ in both]

    judged = judge_chain(steps, bounds, Context("float32", {"scores": 0.02}))

    assert [(each.stage, each.metric, each.status) for each in judged.comparisons] == [
        ("conversion", "max_abs", "passed"),
        ("conversion", "topk_agreement:k=2", "passed"),
        ("total", "max_abs", "passed"),
        ("total", "topk_agreement:k=2", "passed"),
    ]
    assert [each.value for each in judged.comparisons if each.metric == "max_abs"] == pytest.approx([1, 2], rel=1e-4)
    alone = judge_chain(steps, [*bounds[2:], bound("device", "max_abs", 1, "real")], Context("int8"))
    assert "topk_agreement:k=2" in {each.metric for each in alone.cumulative["device"].measurements}


def test_intervals_are_those_of_one_look_unless_the_device_could_stop_early():
    """(1/2 of 5 %)^(1/50) for one look; where the mixture, 1/51, is twenty times as likely, for any number of looks."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    bounds = [bound(stage, "top1_agreement", 0.5) for stage in ("device", "total")]

    for said, low in (({}, 0.025 ** (1 / 50)), ({"early": True}, (0.05 / 51) ** (1 / 50))):
        found = judge_chain(steps, bounds, Context("float32"), **said).comparisons

        assert [each.interval[0] for each in found] == pytest.approx([low, low])


def test_only_a_stage_that_was_spared_samples_keeps_a_limit_by_its_value():
    """The stage before it and the total, which are of all samples, are judged by their intervals."""
    noise = np.random.default_rng(1).normal(size=(3, *SCORES.shape)) / 10
    float_, whole = SCORES + noise[0], SCORES + noise[1]
    steps = [Held("original", SCORES), Held("conversion", float_.astype(np.float32))]
    steps += [Held("quantization", whole[:10].astype(np.float32)), Held("kernels", whole.astype(np.float32))]
    stages_ = ("conversion", "quantization", "kernels", "total")

    judged = judge_chain(steps, [bound(stage, "sqnr_db", 3) for stage in stages_], Context("float32"))

    assert [(each.stage, each.samples, each.interval is None) for each in judged.comparisons] == [
        ("conversion", 50, False),
        ("quantization", 10, True),
        ("kernels", 10, True),
        ("total", 50, False),
    ]


def test_own_is_measured_by_what_is_asked_of_kinds_too():
    """A bound for one kind in the unit "achievable" needs both artifacts' values of its metric."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    of_scores = bound("total", "spread_error", 2, "achievable", kinds=("class_scores",))

    judged = judge_chain(steps, [of_scores], Context("int8", kinds={"scores": "class_scores"}), own=Held("own", SCORES))

    assert [each.metric for each in judged.total.comparisons if each.metric == "spread_error"] == ["spread_error"]


def test_a_device_that_could_stop_early_may_have_fewer_samples():
    """It is then held against the first ones of the others."""
    steps = chain(SCORES, SCORES + 0.02, SCORES[:30] + 0.04)

    judged = judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"), early=True)

    assert [each.measured.samples for each in (*judged.stages, judged.total)] == [50, 30, 30]


@pytest.mark.parametrize(("stage", "early"), [("device", False), ("kernels", True)])
def test_any_other_stage_of_fewer_samples_is_an_error(stage, early):
    steps = chain(SCORES, SCORES + 0.02, SCORES[:30] + 0.04, last=stage)

    with pytest.raises(UnjudgeableRun, match="50 samples in conversion, 30 in"):
        judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"), early=early)


def test_a_branch_of_more_samples_than_the_rest_is_held_against_theirs():
    """The first of both are compared, whichever has more."""
    steps = [Held("original", SCORES[:20]), Held("source", SCORES), Held("conversion", SCORES[:20] + np.float32(0.1))]

    judged = judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"))

    assert [each.measured.samples for each in judged.stages] == [20, 20]


def test_the_noise_of_an_output_is_the_most_of_its_kinds():
    assert own_noise({"repeat": {"a": 0.1, "b": 3}, "batch": {"a": 0.2}}) == {"a": 0.2, "b": 3.0}


@pytest.mark.parametrize(("count", "sizes"), [(4, [3, 1]), (6, [3, 3]), (99, [3, 3, 3])])
def test_the_first_samples_are_no_more_and_no_fewer(count, sizes):
    """A run may be larger than the part that others ran, and it may be smaller."""
    blocks = [{"y": np.zeros((3, 1))}] * 3

    assert [len(each["y"]) for each in _first(blocks, count)] == sizes


def test_shares_of_noise_in_decibels():
    """Of signal to noise; none is no number of them."""
    assert decibels(0.0) is None
    assert decibels(0.001) == pytest.approx(30)
    assert decibels(math.inf) == decibels(math.nan) == -math.inf


def test_what_cannot_be_told_moved_the_outputs_most():
    """A NaN, or an output that cannot be compared; noise as large as a hundredth of the signal's power is 20 dB."""
    original, noisy, broken = Held("a", SCORES), Held("b", SCORES * np.float32(1.1)), Held("c", SCORES * np.nan)
    measured = compare.measure(original.read(), noisy.read())
    centred = (SCORES - SCORES.mean(axis=0)).astype(np.float64)

    assert noise_share(measured) == pytest.approx(0.01 * np.square(SCORES).sum() / np.square(centred).sum(), rel=1e-4)
    assert noise_share(dataclasses.replace(measured, mismatches={"more": "missing"})) == math.inf
    assert noise_share(compare.measure(original.read(), broken.read())) == math.inf


def test_what_only_the_total_failed_by_is_told_where_no_stage_failed(judged):
    alone, beside = judged(stages(conversion=0.009, kernels=0.009)), judged(stages(conversion=0.02))

    assert alone.judged.failed_in_total is alone.judged.total.comparisons[0]
    assert beside.judged.total.comparisons[0].status == "failed"
    assert beside.judged.failed_in_total is None


def test_how_far_two_runs_are_apart_grows_with_what_is_worse():
    """By an error or by a likeness; NaN and what cannot be compared are worst, what is well built is not apart at all."""
    held = {"near": SCORES + np.float32(0.01), "far": SCORES[..., ::-1], "broken": SCORES * np.nan}
    measured = {
        name: compare.measure(Held("a", SCORES).read(), Held(name, scores).read(), {"max_abs", "cosine"})
        for name, scores in held.items()
    }
    bounds = [bound("total", "max_abs", 1e-9, "real"), bound("total", "cosine", 1)]
    failed = {each.metric: each for each in compare.judge(measured["far"], bounds, stage="total").comparisons}

    for metric in ("max_abs", "cosine"):
        near, far, broken = (off_by(each, failed[metric]) for each in measured.values())
        assert near < far < broken == math.inf
    assert off_by(measured["near"], failed["max_abs"]) == pytest.approx(0.01, rel=1e-4)
    missing = dataclasses.replace(measured["near"], mismatches={"scores": "missing"})
    assert off_by(missing, failed["max_abs"]) == math.inf
    structure = dataclasses.replace(failed["max_abs"], metric=compare.STRUCTURE)
    assert off_by(measured["near"], structure) == -math.inf


def test_a_mistake_that_explains_a_failure_is_said_with_what_undoing_it_gains(judged):
    """As a warning, of the original against the last stage."""
    outputs = {"original": SCORES, "conversion": SCORES + np.float32(0.001), "kernels": SCORES[..., ::-1]}
    exact = [each for each in judged(outputs).findings if each.code == "classes-permuted"]
    noise = np.random.default_rng(1).normal(size=SCORES.shape).astype(np.float32) / 100
    near = [each for each in judged(outputs | {"kernels": (SCORES + noise)[..., ::-1]}).findings if "perm" in each.code]

    assert [each.severity for each in (*exact, *near)] == ["warning", "warning"]
    assert exact[0].message.startswith("output 'scores': ")
    assert exact[0].message.endswith(" (undone, it is equal)")
    assert near[0].message.endswith(" dB)")
    assert "(undone, it agrees to 4" in near[0].message


def test_what_outputs_show_is_a_warning_with_its_stage(judged):
    outputs = stages()
    outputs["kernels"] = outputs["kernels"] * np.nan

    found = [each for each in judged(outputs).findings if "holds 200 NaN and 0 Inf" in each.message]

    message = "kernels: output 'scores': the candidate holds 200 NaN and 0 Inf, first in sample 0"
    assert found == [Finding("outputs", "warning", message)]


def test_what_a_verdict_is_made_from_is_kept_in_it(judged, profile):
    verdict = judged(stages(), profile(budget="[budget]\nfile_bytes = 8"))

    assert verdict.seconds == 1.0
    assert (verdict.early, verdict.candidates, verdict.tried) == (False, ({"scheme": "float32"},), ())
    assert [(each.name, each.spent, each.limit, each.passed) for each in verdict.budget] == [("file_bytes", 8, 8, True)]
    assert verdict.steps[1].read().name == verdict.steps[1].read(3).name == "conversion (fake 1)"


def test_one_sample_of_a_run_is_read_by_itself(judged):
    outputs = stages()
    step = judged(outputs).steps[1]

    alone = step.only(7)

    assert (alone.name, alone.signature) == ("conversion (fake 1)", step.signature)
    (block,) = alone.blocks
    np.testing.assert_array_equal(block["scores"], outputs["conversion"][7:8])


@pytest.mark.parametrize(("sample", "expected"), [(0, [[0]]), (2, [[2]]), (3, [[3]]), (4, [[4]]), (5, [])])
def test_one_sample_is_found_in_whatever_block_it_lies(sample, expected):
    blocks = [{"a": np.arange(3)}, {"a": np.arange(3, 4)}, {"a": np.arange(4, 5)}]

    assert [block["a"].tolist() for block in _one(blocks, sample)] == expected


def test_a_verdict_is_by_the_scheme_the_noise_and_whether_it_could_stop_early(judged, profile):
    """Bounds of the artifact's scheme, limits in what the original wanders, intervals that hold at any time."""
    noisy, board = profile(limit=0.2, unit="noise"), profile()
    mine = bound("total", "max_abs", 1e-6, "real", schemes=("float32",))
    drop = bound("total", "top_k_accuracy", 0.2, schemes=("float32",))

    def with_bounds(*more):
        return board.model_copy(update={"bounds": (*board.bounds, *more)})

    assert judged(stages(), noisy, noise={"repeat": {"scores": 0.02}}).outcome == "passed"
    assert judged(stages(), with_bounds(mine)).outcome == "failed"
    assert [each.metric for each in judged(stages(), with_bounds(drop), labels=TRUTH).judged.drops] == [
        "top_k_accuracy"
    ]
    early = judged(stages(), with_bounds(bound("total", "top1_agreement", 0.5)), early=True)
    assert early.early
    assert early.comparisons[-1].interval[0] == pytest.approx((0.05 / 51) ** (1 / 50))


TIGHT = [
    (bound("total", "max_abs", 0.1, "real"), 0.2),
    (bound("conversion", "max_abs", 0.1, "real"), 0.2),
    (bound("total", "max_abs", 0.2, "real"), None),  # as much as it wanders is no less
    (bound("total", "max_abs", 0.1, "range"), None),  # 0.2 of a range of 4
    (bound("total", "max_abs", 0.04, "range"), 0.05),
    (bound("total", "rmse", 0.1, "real"), None),
    (bound("total", "max_abs", 0.1, "lsb"), None),
    (bound("kernels", "max_abs", 0.1, "real"), None),  # two runs of one artifact
    (bound("device", "max_abs", 0.1, "real"), None),
    (bound("total", "max_abs", 0.1, "real", schemes=("float32",)), 0.2),
    (bound("total", "max_abs", 0.1, "real", schemes=("float16",)), None),
    (Bound(stage="total", output="scores", metric="max_abs", limit=0.1, unit="real", because="b"), 0.2),
    (Bound(stage="total", output="others", metric="max_abs", limit=0.1, unit="real", because="b"), None),
]


@pytest.mark.parametrize(("tight", "size"), TIGHT, ids=range(len(TIGHT)))
def test_which_bounds_are_tighter_than_the_originals_own_noise(tight, size):
    """Whatever other bounds stand before it, and other outputs of which nothing is known."""
    seen = SimpleNamespace(low=-1.0, high=3.0)
    others = [each for each, found in TIGHT if found is None]
    noise = {"repeat": {"gone": 9.0, "scores": 0.2}}

    found = bounds_below_noise(
        SimpleNamespace(bounds=[*others, tight]),
        SimpleNamespace(scheme="float32"),
        noise,
        SimpleNamespace(seen={"scores": seen}),
    )

    asked = f"bound {tight.stage} scores max_abs <= {tight.limit:g} {tight.unit}"
    message = f"{asked} is tighter than the original's own noise (repeat: {size})"
    expected = [Finding("bound-below-noise", "warning", message)]
    assert found == (expected if size else [])


def test_a_share_of_no_range_is_taken_for_a_value():
    """The original is the same for every sample there, which is said elsewhere."""
    found = bounds_below_noise(
        SimpleNamespace(bounds=[bound("total", "max_abs", 0.1, "range")]),
        SimpleNamespace(scheme="float32"),
        {"repeat": {"scores": 0.2}},
        SimpleNamespace(seen={"scores": SimpleNamespace(low=1.0, high=1.0)}),
    )

    assert len(found) == 1


# ---- what was wanted and what came out


def tried(verdict, scheme, **changed):
    """Return the verdict as that of another scheme."""
    artifact = dataclasses.replace(verdict.artifact, scheme=scheme, asked=scheme)
    return dataclasses.replace(verdict, artifact=artifact, **changed)


@pytest.fixture
def shipped(judged, profile):
    """Return a verdict of float16 that passed where int8 was wanted and stayed open, and dynamic had no artifact."""
    rate = profile(metric="top1_agreement", limit=0.9, unit="fraction")
    open_one = tried(judged({name: scores[:20] for name, scores in stages().items()}, rate), "static_wi8_ai8")
    error = Unconvertible(printable.lines(["dynamic_wi8_afp32: no kernel", "for it"]), "a hint")
    others = [
        Attempted("static_wi8_ai8", open_one),
        Attempted("dynamic_wi8_afp32", error),
        Attempted("float16", None),
    ]
    return tried(judged(stages()), "float16", attempts=tuple(others))


def test_a_report_begins_with_what_was_wanted_and_what_came_out(shipped):
    """With the comparison that decided, how many samples would settle it, and what shipped in its place; in all three forms."""
    text = report.verdict_text(shipped).splitlines()
    page = report.markdown(shipped, "model.tflite").splitlines()
    document = json.loads(json.dumps(report.verdict_json(shipped, "model.tflite"), allow_nan=False))

    said = (
        "wanted static_wi8_ai8: inconclusive (top1_agreement of `scores` 1 [0.8316, 1], expected >= 0.9; "
        "about 36 samples would settle it); shipped float16"
    )
    assert text[1:3] == [f"  {said}", "  then dynamic_wi8_afp32: dynamic_wi8_afp32: no kernel for it"]
    assert page[2].strip() == printable.markdown(said)
    assert document["wanted"]["scheme"] == "static_wi8_ai8"
    assert (document["wanted"]["outcome"], document["wanted"]["shipped"]) == ("inconclusive", "float16")
    assert document["wanted"]["text"] == said
    assert document["wanted"]["deciding"]["samples_needed"] == 36
    assert [(one["scheme"], one["outcome"]) for one in document["attempts"]] == [
        ("static_wi8_ai8", "inconclusive"),
        ("dynamic_wi8_afp32", "error"),
        ("float16", "passed"),
    ]
    assert document["attempts"][1]["reason"] == "dynamic_wi8_afp32: no kernel\nfor it"
    assert document["attempts"][2]["deciding"] is None
    assert report.exit_status({"board": shipped}) == 0


def test_a_report_of_what_was_wanted_has_no_word_of_it(judged):
    """It is the first scheme, and it passed."""
    verdict = tried(judged(stages()), "static_wi8_ai8", attempts=(Attempted("static_wi8_ai8", None),))

    assert verdict.wanted is None
    assert report.verdict_json(verdict, "m")["wanted"] is None
    assert "wanted" not in report.verdict_text(verdict)


def test_where_nothing_ships_the_report_does_not_say_that_it_does(judged):
    """The first scheme had no artifact, the second did not pass: it is what the report is of."""
    failed = tried(judged(stages(kernels=1)), "float16")
    lost = Attempted("static_wi8_ai8", Unconvertible("no kernel", None))
    verdict = dataclasses.replace(failed, attempts=(lost, Attempted("float16", None)))
    rows = [
        {"quantizer": "a", "estimator": "b", "chosen": True, "problem": None, "size_bytes": 8, "sqnr_db": None},
        {"quantizer": "c", "estimator": "b", "chosen": False, "problem": None, "size_bytes": 8, "sqnr_db": None},
    ]

    text = report.verdict_text(dataclasses.replace(verdict, candidates=tuple(rows)))

    assert "wanted static_wi8_ai8: no kernel; nothing passed: this report is of float16" in text
    assert report.verdict_json(verdict, "m")["wanted"]["shipped"] is None
    assert "ships" not in text
    assert "  selected      a, b: no noise" in text
    assert "  runner-up     c, b: no noise" in text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"budget": (Spent("file_bytes", 9, 8),)}, "file_bytes 9 > 8"),
        ({"findings": (Finding("c", "error", "it is broken"),)}, "it is broken"),
    ],
)
def test_what_decided_may_be_a_budget_or_a_finding(judged, changed, reason):
    """Every bound was kept."""
    lost = tried(judged(stages()), "static_wi8_ai8", **changed)
    verdict = tried(
        judged(stages()), "float16", attempts=(Attempted("static_wi8_ai8", lost), Attempted("float16", None))
    )

    assert f"wanted static_wi8_ai8: not passed ({reason}); shipped float16" in report.verdict_text(verdict)


def test_the_comparison_of_the_guilty_stage_decides(judged):
    """Of all that failed; a rate that no number of samples settles is the last word of those that are open."""
    failed = judged(stages(kernels=1))

    comparison = deciding_comparison(failed)

    assert comparison is not None
    assert (comparison.stage, failed.guilty_stage) == ("kernels", "kernels")
    assert deciding_text(comparison).startswith("kernels: max_abs of `scores` ")
    assert deciding_comparison(judged(stages())) is None


def test_an_artifact_that_came_out_as_another_is_called_what_it_is(judged):
    """Nothing became int8: whoever wanted int8 has float32, and reads it first."""
    said = Finding("nothing-quantized", "warning", "no weight became int8: it is float32, not x")
    plain = judged(stages(), findings=(said,))
    artifact = dataclasses.replace(plain.artifact, asked="dynamic_wi8_afp32")
    verdict = dataclasses.replace(plain, artifact=artifact, attempts=(Attempted("dynamic_wi8_afp32", None),))

    text = report.verdict_text(verdict).splitlines()

    assert verdict.passed
    assert text[0].split() == ["board", "model", "float32", "PASSED"]
    assert text[1].strip() == "wanted dynamic_wi8_afp32: no weight became int8: it is float32, not x; shipped float32"
    assert report.verdict_json(verdict, "m")["wanted"]["keeps"] == "float32"
    assert report.verdict_json(verdict, "m")["artifact"]["asked"] == "dynamic_wi8_afp32"


def test_what_came_out_as_another_is_taken_where_nothing_else_passed(judged):
    """What was requested goes before it, whatever the order; without any that passed, the first verdict is shown."""
    another = judged(stages())
    another = dataclasses.replace(another, artifact=dataclasses.replace(another.artifact, asked="dynamic_wi8_afp32"))
    failed = tried(judged(stages(kernels=1)), "static_wi8_ai8")
    own = tried(judged(stages()), "float16")
    lost = Unconvertible("no", None)

    def chosen(*attempts):
        shown = _shown([(f"scheme {place}", attempt) for place, attempt in enumerate(attempts)])
        if not isinstance(shown, Verdict):
            return shown
        assert [each.scheme for each in shown.attempts] == [f"scheme {place}" for place in range(len(attempts))]
        (place,) = [place for place, each in enumerate(shown.attempts) if each.outcome is None]
        return place

    assert chosen(failed, another, own) == 2
    assert chosen(another, own) == 1
    assert chosen(failed, another, lost) == 1
    assert chosen(lost, failed) == 1
    assert chosen(lost, lost) is lost


def test_a_limit_comes_before_what_failed_after_it(judged):
    """Without it the scheme that was wanted might have passed: no verdict on another one stands for it, but one that passed ships."""
    failed = tried(judged(stages(kernels=1)), "dynamic_wi8_afp32")
    passed = tried(judged(stages()), "float16")
    late, lost = WorkerTimeout("no answer in 20 s", None), Unconvertible("no", None)

    def shown(*attempts):
        return _shown([(f"scheme {place}", attempt) for place, attempt in enumerate(attempts)])

    assert shown(late, failed) is late
    assert shown(lost, late, failed) is late
    assert shown(failed, late).attempts[1].outcome is late
    assert shown(late, failed, passed).passed


def request(samples=None, original=None):
    return VerbRequest(original or Original(Path("my model")), samples or Samples("cal.toml"), "boards/mine.toml")


def test_the_next_command_is_ready_to_be_pasted(shipped, tmp_path):
    """The file that it looks at is kept in the bundle, and no file that did not pass lies where one ships from."""
    verdict = request(Samples("cal set.npz", "e.toml")).after_build(shipped, tmp_path)
    place = bundle.write(verdict, tmp_path)

    kept = tmp_path / "board" / "rejected" / "static_wi8_ai8" / "model.tflite"
    assert verdict.next_step is not None
    assert shlex.split(verdict.next_step.command) == [
        *("edge-toolkit", "verify", str(kept), "--source", "my model", "--target", "boards/mine.toml"),
        *("--calibration", "cal set.npz", "--eval", "e.toml"),
    ]
    assert verdict.next_step.why == "with about 36 samples in the set of --eval: that settles it"
    assert kept.read_bytes() == b"artifact"
    assert (place / "model.tflite").is_file()
    document = json.loads((place / "report.json").read_text())
    assert document["next"]["command"] == verdict.next_step.command
    lines = report.verdict_text(verdict).splitlines()
    assert f"  next: {verdict.next_step.command}" in lines[:5]


def test_a_failed_stage_leads_to_what_looks_into_it(judged, tmp_path):
    """At layers where quantization is at fault and a set calibrates, else at operators; nothing where every bound was kept."""
    moved = {"original": SCORES, "conversion": SCORES, "quantization": SCORES + 1, "kernels": SCORES + 1}
    by_quantization = tried(judged(moved), "static_wi8_ai8")
    by_kernels = tried(judged(stages(kernels=1)), "static_wi8_ai8")

    def after(verdict, **said):
        step = request(**said).after_build(verdict, tmp_path).next_step
        return None if step is None else shlex.split(step.command)[6:]

    assert by_kernels.guilty_stage == "kernels"
    assert after(by_kernels) == ["boards/mine.toml", "--calibration", "cal.toml", "--stage", "kernels"]
    assert after(tried(judged(stages()), "float16")) is None
    assert after(by_kernels, original=Original(Path("m"), sizes=({"x": [1]}, {"x": [2]}))) is None
    assert dataclasses.replace(request(), renamed=True).after_verify(by_kernels).next_step is None
    onnx = dataclasses.replace(by_kernels, artifact=dataclasses.replace(by_kernels.artifact, path=Path("m.onnx")))
    assert request().after_verify(onnx).next_step is None
    step = request().after_verify(by_kernels).next_step
    assert step is not None
    assert step.command.startswith(f"edge-toolkit debug {by_kernels.artifact.path} ")
    assert after(by_quantization)[-1] == "--suggest"
    assert after(by_quantization, samples=Samples(None, "e.npz"))[-2:] == ["--stage", "quantization"]


def test_the_next_command_says_all_that_was_said_of_the_model(judged, tmp_path):
    """Else it would be of another model, or of none."""
    original = Original(
        Path("m"),
        "a key",
        {"x": [1, 8], "n": []},
        builder="net.py:make",
        builder_args={"layers": "3"},
        step=0,
        inputs={"image": "in:0"},
        outputs={"y": "out:0"},
        bind={"keep_prob": "1.0"},
        map=Path("map.toml"),
        allow_unrestored=("ema*",),
        trust=True,
    )
    sets = Samples({"a": "a.npz", "*": "b.npz"}, None)

    step = request(sets, original).after_verify(judged(stages(kernels=1))).next_step

    assert step is not None
    words = shlex.split(step.command)
    pairs = list(itertools.pairwise(words))
    for flag, value in [
        ("--signature", "a key"),
        ("--shape", "x=1,8"),
        ("--shape", "n=scalar"),
        ("--builder", "net.py:make"),
        ("--builder-arg", "layers=3"),
        ("--step", "0"),
        ("--inputs", "image=in:0"),
        ("--outputs", "y=out:0"),
        ("--bind", "keep_prob=1.0"),
        ("--map", "map.toml"),
        ("--allow-unrestored", "ema*"),
        ("--calibration", "a=a.npz"),
        ("--calibration", "b.npz"),
    ]:
        assert (flag, value) in pairs
    assert "--trust" in words


def test_an_artifact_with_other_names_is_verified_again_by_them(judged, profile, tmp_path):
    """What was said of them is said again."""
    rate = profile(metric="top1_agreement", limit=0.9, unit="fraction")
    few = judged({name: scores[:20] for name, scores in stages().items()}, rate)
    sets = Samples("c.npz", limits=Path("l.toml"), task_metrics=("f1",), output_kinds={"scores": "ranking"})
    allowed = Permissions((tmp_path,), network=True, variables=("PATH",))
    asked = VerbRequest(Original(Path("m"), device="gpu"), sets, "host", ("out=scores",), True, allowed)

    step = asked.after_verify(few).next_step

    assert step is not None
    assert step.command.endswith(
        f"--source m --target host --calibration c.npz --allow-read {tmp_path} --allow-network --allow-env PATH "
        "--rename out=scores --limits l.toml --task-metric f1 --output-kind scores=ranking --reference-device gpu"
    )
    assert step.why == "with about 36 samples in a set of --eval beside that which calibrates: that settles it"


def test_a_scheme_without_a_file_leads_to_its_own_build(shipped, tmp_path):
    """There, what keeps it from one is said in full."""
    lost = dataclasses.replace(shipped, attempts=(shipped.attempts[1], shipped.attempts[2]))

    step = request().after_build(lost, tmp_path).next_step

    assert step is not None
    assert step.command == (
        "edge-toolkit build 'my model' --target boards/mine.toml --scheme dynamic_wi8_afp32 --calibration cal.toml"
    )


@pytest.mark.parametrize(
    ("asked", "weights", "activations", "operators", "kept"),
    [
        ("static_wi8_ai8", {"int8", "int32"}, {"int8"}, (), "static_wi8_ai8"),
        ("static_wi8_ai8", {"float32"}, {"int8", "float32"}, (), "static_wi8_ai8"),
        ("static_wi8_ai8", {"int8", "float32"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("static_wi8_ai8", {"float32"}, {"float32"}, (), "float32"),
        ("static_wi8_ai16", {"int8"}, {"int16"}, (), "static_wi8_ai16"),
        ("static_wi8_ai16", {"int8"}, {"int8"}, (), "static_wi8_ai8"),
        ("dynamic_wi8_afp32", {"float32"}, {"float32"}, (), "float32"),
        ("dynamic_wi8_afp32", {"float32", "int8"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("dynamic_wi8_afp32", {"uint8"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("weight_only_wi8", {"int8"}, {"float32"}, ("DEQUANTIZE",), "weight_only_wi8"),
        ("weight_only_wi4", {"int8"}, {"float32"}, ("DEQUANTIZE",), "weight_only_wi8"),
        ("float32", {"int16", "int64"}, {"int16"}, (), "static_wi8_ai16"),
        ("dynamic_wi8_afp32", {"float32", "int32"}, {"int8"}, (), "static_wi8_ai8"),
        ("float16", {"float32"}, {"float32"}, (), "float32"),
        ("float16", {"float16", "float32"}, {"float32"}, (), "float16"),
    ],
)
def test_the_scheme_of_a_file_is_what_it_keeps(asked, weights, activations, operators, kept):
    """Whatever it was made by."""
    assert kept_scheme(asked, weights, activations, operators) == kept


def given(conversion: float, quantization: float | None = None) -> dict[str, np.ndarray]:
    """Return the outputs of a chain whose stages are off by so much each, on the target's kernels by nothing more."""
    found = {"original": SCORES, "conversion": SCORES + np.float32(conversion)}
    if quantization is not None:
        found["quantization"] = found["conversion"] + np.float32(quantization)
    return found | {"kernels": list(found.values())[-1]}


@pytest.mark.parametrize(
    ("outputs", "scheme", "stage", "at_fault"),
    [
        (given(0.5), "float32", "conversion", "the file"),
        (given(0.0, 5.0), "static_wi8_ai8", "quantization", "the file"),
        (given(0.5, 0.0), "static_wi8_ai8", "conversion", "the toolkit's own conversion, and not the file"),
        (given(0.5), None, "conversion", None),
    ],
)
def test_of_a_file_that_was_given_it_is_said_whether_it_is_at_fault(judged, outputs, scheme, stage, at_fault):
    """The stage by which it shows is called as ever; but what is converted there may be the toolkit's own."""
    verdict = judged(outputs, given=scheme)

    assert (verdict.guilty_stage, verdict.at_fault) == (stage, at_fault)
    assert report.verdict_json(verdict, "model.tflite")["at_fault"] == at_fault
    if stage == "conversion":
        assert ("<- guilty" + (f": {at_fault}" if at_fault else "")) in report.verdict_text(verdict)


def test_a_conversion_that_the_file_has_no_part_in_is_not_guilty_of_what_only_the_total_shows(judged, profile):
    """Though it is off by most, within its own bound."""
    outputs, board = given(0.009, -0.001), profile(limit=0.005)

    assert judged(outputs, board).guilty_stage == "conversion"
    assert judged(outputs, board, given="static_wi8_ai8").guilty_stage == "quantization"


# ---- one screen


ONE_SCREEN = 24  # lines of a terminal, as VT100 had them


def on_a_screen(verdict, **said):
    return report.verdict_text(verdict, Screen(**({"width": 80, "whole": False} | said))).splitlines()


def test_a_verdict_fits_a_screen(judged):
    """The outcome, how it was verified, the size, what decided; how much more there is is said."""
    verdict = dataclasses.replace(judged(stages()), float_bytes=32)

    lines = on_a_screen(verdict)

    assert len(lines) <= ONE_SCREEN
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["board", "model", "float32", "PASSED"]
    assert lines[1].startswith(f"  verified      {verdict.samples['verification']} samples on ")
    assert "  size          8 B, 25% of the 32 B in float32" in lines
    shown = [line.split()[0] for line in lines if line.split()[0] in ("conversion", "kernels", "total")]
    total = [each for each in verdict.comparisons if each.stage == "total"]
    assert shown == ["total"] * len(total)
    assert f"  {len(verdict.comparisons) - len(total)} more comparisons: -v shows all" in lines
    assert len(report.verdict_text(verdict).splitlines()) > len(lines)


def test_a_screen_shows_what_did_not_pass_first(judged):
    """The guilty stage, marked, before all else that failed; nothing that passed takes its place."""
    verdict = judged(stages(kernels=1))

    lines = on_a_screen(verdict)

    rows = [line for line in lines if line.split()[0] in ("conversion", "kernels", "total")]
    assert rows[0].split()[0] == verdict.guilty_stage == "kernels"
    assert "FAIL" in rows[0]
    assert "<- guilty" in rows[0]
    assert all("FAIL" in row or "INCONCLUSIVE" in row for row in rows)
    assert lines[0].endswith("NOT PASSED")


def test_a_screen_hides_no_finding_that_is_against_the_verdict(judged):
    """Of warnings the first three are shown, and the others counted; errors are shown all."""
    errors = [Finding("e", "error", f"it is broken {n}") for n in range(5)]
    warnings = [Finding("w", "warning", f"take care {n}") for n in range(5)]

    lines = on_a_screen(judged(stages(), findings=(*warnings, *errors)))

    assert [line for line in lines if "it is broken" in line] == [f"  error: it is broken {n}" for n in range(5)]
    assert [line for line in lines if "take care" in line] == [f"  warning: take care {n}" for n in range(3)]
    assert "  2 more findings: -v shows all" in lines


def test_what_was_wanted_stands_on_the_screen_and_the_next_command_ends_it(shipped, tmp_path):
    """Whole, on one line: half of a command is another one."""
    verdict = request(Samples("cal set.npz", "e.toml")).after_build(shipped, tmp_path)

    lines = on_a_screen(verdict)

    assert lines[2].startswith("  wanted static_wi8_ai8: inconclusive (top1_agreement of `scores` 1")
    assert lines[-2:] == [f"  next: {verdict.next_step.command}", f"        {verdict.next_step.why}"]
    assert max(map(len, lines[:-2])) <= 80


def test_the_outcome_alone_is_in_colour(judged):
    """Green for what passed, red for what did not; without a terminal no escape at all."""
    passed, failed = judged(stages()), judged(stages(kernels=1))

    assert on_a_screen(passed, colour=True)[0].endswith("  \x1b[1;32mPASSED\x1b[0m")
    assert on_a_screen(failed, colour=True)[0].endswith("  \x1b[1;31mNOT PASSED\x1b[0m")
    assert "\x1b" not in "".join(on_a_screen(passed, colour=True)[1:] + on_a_screen(failed))
