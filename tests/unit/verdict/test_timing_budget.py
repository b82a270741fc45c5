"""Budgets that are measured: what a verdict becomes by them, and that its report says the same wherever it is read."""

from __future__ import annotations

import dataclasses
import json
import math
from xml.etree import ElementTree as ET

import pytest

from tests.unit.execution.test_latency import latency, process
from tests.unit.verdict.judged_chains import stages
from toolkit import report
from toolkit.bundle import saved_report
from toolkit.execution.latency import Latency
from toolkit.execution.latency_rule import rule_of
from toolkit.files.shapes import fits
from toolkit.profiles.budget import Budget
from toolkit.report.formats import render
from toolkit.verdict.timing_budget import spent_of
from toolkit.verdict.verdict import Spent

MEASURED = latency(1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def with_latency(verdict, limit, measured=MEASURED, memory=None):
    budget = Budget(latency_ms=limit, peak_memory_bytes=memory)
    return dataclasses.replace(verdict, latency=measured, budget=tuple(spent_of(measured, budget)))


@pytest.mark.parametrize(("limit", "outcome"), [(1.5, "passed"), (1.49, "inconclusive"), (0.99, "failed")])
def test_a_measured_budget_is_part_of_the_verdict_and_of_all_its_reports(judged, limit, outcome):
    """Kept only if the whole interval is within the limit; what is open is not passed."""
    verdict = with_latency(judged(stages()), limit)

    document = json.loads(json.dumps(report.verdict_json(verdict, "model.tflite")))
    suite = ET.fromstring(render("junit", document)).find("testsuite")  # noqa: S314 - of our own
    case = next(one for one in suite.iter("testcase") if one.get("name") == "latency_ms")

    assert verdict.outcome == document["verdict"] == saved_report.outcome(document) == outcome
    assert verdict.passed == (outcome == "passed")
    assert fits(document["budget"], saved_report.SHAPE["budget"])
    assert fits(document["latency"], saved_report.SHAPE["latency?"])
    assert [failure.get("type") for failure in case.iter("failure")] == ([] if outcome == "passed" else [outcome])
    word = {"passed": "1.5 ms", "inconclusive": "INCONCLUSIVE", "failed": "FAIL"}[outcome]
    for text in (report.verdict_text(verdict), report.markdown(verdict, "model.tflite")):
        (line,) = [line for line in text.splitlines() if "budget" in line and "1.25 ms" in line]
        assert word in line.replace("\\", "")


def test_a_budget_that_is_open_passes_nothing_whatever_else_failed(judged):
    """And a failed one fails."""
    verdict = judged(stages())
    within, open_, over = Spent("a", 1, 2), Spent("b", 1, 2, (0, 3)), Spent("c", 3, 2)

    for budget, outcome in (((within,), "passed"), ((within, open_), "inconclusive"), ((open_, over), "failed")):
        assert dataclasses.replace(verdict, budget=budget).outcome == outcome
    assert dataclasses.replace(judged(stages(kernels=1.0)), budget=(open_,)).outcome == "failed"


@pytest.mark.parametrize("interval", [(math.nan, math.nan), (0.0, math.nan), (math.nan, 1.0), (0.0, math.inf)])
def test_an_interval_that_is_none_keeps_no_budget(interval):
    assert not Spent("latency_ms", 1.0, 2.0, interval).passed


def test_a_value_outside_of_its_interval_keeps_no_budget_by_it():
    """As somebody writes who changes a report."""
    assert Spent("latency_ms", 9.0, 2.0, (0.0, 1.0)).status == "inconclusive"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"spent": 0.1}, "0.1 are spent, but the measured latency is 1.25"),
        ({"interval": [0.1, 0.2]}, "1.25 are spent, but the measured latency is 1.25"),
        (None, "no latency was measured"),
    ],
)
def test_a_report_whose_budget_is_not_of_its_latency_contradicts_itself(judged, said, problem):
    """Else a number would be changed in the one place that is judged."""
    document = json.loads(json.dumps(report.verdict_json(with_latency(judged(stages()), 1.5), "model.tflite")))
    assert saved_report._of_another_latency(document) == []

    if said is None:
        document["latency"] = None
    else:
        document["budget"]["latency_ms"] |= said

    (found,) = saved_report._of_another_latency(document)
    assert problem in found


def test_what_was_disturbed_is_the_same_in_the_report(judged):
    """Its interval has no lower end where it is judged, and one where it is told."""
    machine = {**process(1.0).machine, "others_busy": 0.9}
    disturbed = Latency(tuple(process(1.0, machine=machine) for _ in range(6)), 1, rule_of())

    verdict = with_latency(judged(stages()), 0.5, disturbed)
    document = json.loads(json.dumps(report.verdict_json(verdict, "model.tflite")))

    assert verdict.outcome == saved_report.outcome(document) == "inconclusive"
    assert saved_report._of_another_latency(document) == []
    assert "DISTURBED" in report.verdict_text(verdict)


def test_no_report_has_a_latency_that_was_not_measured(judged):
    verdict = judged(stages())

    assert report.verdict_json(verdict, "model.tflite")["latency"] is None
    assert " ms a call" not in report.verdict_text(verdict)
    assert "## Latency" not in report.markdown(verdict, "model.tflite")
