"""A value that is no number passes nowhere: whatever is held against a limit, by whatever stage, table or row."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from tests.unit.regression.releases import release
from toolkit.bundle import saved_report
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Comparison
from toolkit.comparison.comparison import SHAPE
from toolkit.comparison.measured import number
from toolkit.comparison.scored_task import Task
from toolkit.comparison.task_drops import judge_drops
from toolkit.files.shapes import fits
from toolkit.regression import facts
from toolkit.regression.limits import limits
from toolkit.regression.rows import judged, within
from toolkit.verdict.verdict import Spent

NAN, INF = math.nan, math.inf
STAGES = ("source", "conversion", "quantization", "kernels", "device", "total")


def comparison(value, limit=0.5, better="lower", **more):
    return Comparison("kernels", "scores", "m", value, limit, "real", better, "b", 9, **more)


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("interval", [None, (0.4, 0.4), (-INF, INF), (NAN, NAN)])
@pytest.mark.parametrize("undecided", ["passed", "inconclusive"])
@pytest.mark.parametrize("weak", ["", "too few samples"])
def test_nan_is_failed_whatever_else_is_said_of_it(better, interval, undecided, weak):
    """An interval of numbers around it, a status for what is undecided, a reason to wait: none makes it anything else."""
    for value, limit in ((NAN, 0.5), (0.4, NAN), (NAN, NAN), (NAN, INF), (NAN, -INF)):
        found = comparison(value, limit, better, interval=interval, undecided=undecided, weak=weak)

        assert (found.status, found.passed, found.is_left_open) == ("failed", False, False)


def test_a_comparison_comes_back_as_its_numbers_are():
    """What is written of its status is not looked at."""
    for value, interval in itertools.product((0.1, 0.9, NAN, INF, -INF), (None, (0.0, 0.2), (0.3, 0.9))):
        made = comparison(value, interval=interval, detail="d", worst_sample=3)
        document = json.loads(json.dumps(made.to_json())) | {"status": "passed", "passed": True}

        again = Comparison.from_json(document)

        assert again == made or math.isnan(value)
        assert again.status == made.status
        assert fits(document, SHAPE)


@pytest.mark.parametrize("value", [None, True, False, "0.1", "NaN", "Infinity", [], {}, "1e3"])
def test_what_is_no_number_of_ours_is_read_as_none(value):
    """Which no limit lets pass; and no shape lets it in."""
    assert math.isnan(number(value))
    assert not fits({**comparison(0.1).to_json(), "value": value}, SHAPE)
    assert not fits({**comparison(0.1).to_json(), "limit": value}, SHAPE)


def test_numbers_that_json_has_not_are_read_as_they_were_written():
    assert [number(value) for value in ("inf", "-inf", 3, 0.5)] == [INF, -INF, 3.0, 0.5]
    assert math.isnan(number("nan"))


@pytest.mark.parametrize("better", ["lower", "higher", None])
@pytest.mark.parametrize("value", [NAN, None, True, False])
def test_a_row_of_a_gate_passes_with_a_number_alone(better, value):
    for limit in (NAN, None, 0.0, 1.0, INF, -INF, True, "passed"):
        assert not within(value, limit, better)
        assert not within(limit, value, better)
        assert judged("w", 1.0, value, limit, "b", better).status == "failed"


def of_report(stage, value, limit):
    said = {"stage": stage, "output": "scores", "metric": "max_abs", "unit": "real", "because": "b"}
    return {**said, "value": value, "limit": limit, "better": "lower"}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", ["nan", None, "inf", True, "0.1"])
def test_a_release_that_held_no_number_is_no_measure_in_any_stage(stage, value):
    """Neither then nor now: a row fails, and none says that something is merely another."""
    good = of_report(stage, 0.1, 0.5)
    without_end = [] if value == "inf" else [(of_report(stage, 0.1, value), good)]  # than which any limit is tighter
    for then, now in (*without_end, (good, of_report(stage, 0.1, value))):
        rows = list(facts.comparisons(release(comparisons=(then,)), release(comparisons=(now,)), limits()))
        assert "failed" in {row.status for row in rows}
    if stage == "total":
        bad = of_report(stage, value, 0.5)
        for then, now in ((bad, good), (good, bad), (bad, bad)):
            rows = list(facts.comparisons(release(comparisons=(then,)), release(comparisons=(now,)), limits()))
            assert "failed" in {row.status for row in rows}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_report_with_such_a_value_has_not_passed(stage, value):
    report = {
        "comparisons": [of_report("total", 0.1, 0.5), of_report(stage, value, 0.5)],
        "samples": {"verification": 9},
        "budget": {},
        "findings": [],
    }

    assert saved_report.outcome(report) == "failed"
    assert saved_report.outcome({**report, "comparisons": report["comparisons"][:1]}) == "passed"
    assert saved_report.outcome({**report, "comparisons": []}) == "failed"
    for spent, limit, passed in ((9, 8, True), (8, 9, False)):
        budget = {"budget": {"file_bytes": {"spent": spent, "limit": limit, "passed": passed}}}
        assert saved_report.outcome({**report, "comparisons": report["comparisons"][:1], **budget}) == "failed"


def test_a_budget_is_kept_by_numbers_alone():
    assert not Spent("file_bytes", NAN, 8).passed
    assert not Spent("file_bytes", 8, NAN).passed


@pytest.mark.parametrize("last", [NAN, INF])
@pytest.mark.parametrize("rows", [None, (NAN,) * 9, (None,) * 9])
def test_a_score_that_is_no_number_drops_from_one_that_was(last, rows):
    """A function of the user's may give anything."""
    scores = {"original": 1.0, "device": last if math.isnan(last) else -last}
    task = Task("mine:score", "higher", scores, {"original": rows and (1.0,) * 9, "device": rows})
    bound = Bound(stage="total", output="*", metric="mine:score", unit="drop", limit=1e9, because="b")

    for one in (bound, bound.model_copy(update={"undecided": "passed"})):
        assert [each.passed for each in judge_drops([task], [one], "float32", "device")] == [False]


def test_numpy_numbers_are_judged_as_numbers():
    assert comparison(float(np.float32(0.4))).passed
    assert not comparison(float(np.float32("nan"))).passed
