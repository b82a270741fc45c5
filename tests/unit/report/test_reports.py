"""The reports of one verdict: JSON, Markdown, text, and the exit status."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from tests.unit.verdict.judged_chains import COVERAGE, SCORES, stages
from toolkit import report
from toolkit.errors import EnvironmentUnavailable, RequestError
from toolkit.verdict.noise import decibels


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
