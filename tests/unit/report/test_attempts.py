"""What was wanted and what came out, as reports say it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.unit.verdict.judged_chains import stages, tried
from toolkit import printable, report
from toolkit.errors import Unconvertible, WorkerTimeout
from toolkit.findings import Finding
from toolkit.report.attempts import deciding_comparison, deciding_text
from toolkit.verbs.build import _shown
from toolkit.verdict.verdict import Attempted, Spent, Verdict


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
        ({"budget": (Spent("latency_ms", 4.9, 5.0, (4.5, 5.5)),)}, "latency_ms 4.9 [4.5, 5.5], limit 5"),
        ({"findings": (Finding("c", "error", "it is broken"),)}, "it is broken"),
    ],
)
def test_what_decided_may_be_a_budget_or_a_finding(judged, changed, reason):
    """Every bound was kept."""
    lost = tried(judged(stages()), "static_wi8_ai8", **changed)
    verdict = tried(
        judged(stages()), "float16", attempts=(Attempted("static_wi8_ai8", lost), Attempted("float16", None))
    )

    word = "inconclusive" if lost.outcome == "inconclusive" else "not passed"
    assert f"wanted static_wi8_ai8: {word} ({reason}); shipped float16" in report.verdict_text(verdict)


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
