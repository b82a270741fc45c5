"""A verdict follows from its evidence: what passes, what fails and whose fault it is, what is not enough to say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import SCORES, TRUTH, bound, given, stages
from toolkit import profiles, report
from toolkit.bundle import saved_report
from toolkit.errors import UnjudgeableRun
from toolkit.findings import Finding
from toolkit.report.screen import Screen


def test_a_sound_chain_passes(judged):
    """Every bound is met, and there is a comparison on the total."""
    verdict = judged(stages())

    assert verdict.outcome == "passed"
    assert verdict.guilty_stage is None
    assert {comparison.stage for comparison in verdict.comparisons} == {"conversion", "kernels", "total"}


STATIC = """\
name = "phone"
about = "p"
extends = "board"
[runtime]
name = "litert_coreml"
version = "2.3.0"
launcher = "static"
[delegate]
least = 0.5
because = "b"
"""


@pytest.mark.parametrize(("wrong", "outcome"), [(0.0, "inconclusive"), (0.5, "failed")])
def test_a_target_that_nothing_executes_never_passes(judged, profile, tmp_path, wrong, outcome):
    """However well all that runs here agrees; what is wrong here is wrong there."""
    profile()
    (tmp_path / "phone.toml").write_text(STATIC)

    verdict = judged(stages(kernels=wrong), profiles.find(tmp_path / "phone.toml"))

    assert (verdict.outcome, verdict.lacks_a_device_only) == (outcome, not wrong)
    assert ("not-executed", "inconclusive") in [(each.code, each.severity) for each in verdict.findings]
    assert "static, not executed" in report.verdict_text(verdict).splitlines()[1]
    assert "static, not executed" in report.verdict_text(verdict, Screen(whole=False)).splitlines()[1]
    assert "static, not executed" in report.markdown(verdict, "m.tflite").splitlines()[2]
    assert saved_report.outcome(report.verdict_json(verdict, "m.tflite")) == outcome


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


def test_what_a_verdict_is_made_from_is_kept_in_it(judged, profile):
    verdict = judged(stages(), profile(budget="[budget]\nfile_bytes = 8"))

    assert verdict.seconds == 1.0
    assert (verdict.early, verdict.candidates, verdict.tried) == (False, ({"scheme": "float32"},), ())
    assert [(each.name, each.spent, each.limit, each.passed) for each in verdict.budget] == [("file_bytes", 8, 8, True)]
    assert verdict.steps[1].read().name == verdict.steps[1].read(3).name == "conversion (fake 1)"


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
