"""A device that is emulated runs no more samples than its verdict needs, and the verdict is as good as that of all."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import PACKAGE

PROFILE = """\
name = "board"
about = "a board with a bound of its own"
schemes = ["static_wi8_ai8"]
{base}
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
{unit}
limit = {limit}
because = "the test says so"
"""


OFF = """\
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
off = true
because = "the test wants no rate"
"""
RATES = ("top1_agreement", "kappa:of=scores", "class_recall:of=scores")  # of class scores, in every profile


RUNTIME = """\
[runtime]
name = "tflite_runtime"
version = "2.14.0"
launcher = "qemu"
cpu = "cortex-a72"
"""


@pytest.fixture
def build(edge, tmp_path):
    """Return a function that builds the sample for a board with one bound in place of its own, and the report."""

    def run(metric, limit, unit="", *, rates=True):
        base = 'extends = "raspberry-pi-4"' if rates else f'format = "tflite"\n{RUNTIME}'
        off = "" if rates else "".join(OFF.format(metric=one) for one in RATES)
        (tmp_path / "board.toml").write_text(PROFILE.format(metric=metric, limit=limit, unit=unit, base=base) + off)
        sample, recipe = PACKAGE / "sample" / "digits", PACKAGE.parent / "calibration" / "digits.toml"
        options = ("--calibration", recipe, "--out", tmp_path / "dist", "--stop-early")
        ended = edge("build", sample, "--target", tmp_path / "board.toml", *options)
        return ended, json.loads((tmp_path / "dist" / "board" / "report.json").read_text())

    return run


def counted(report):
    return report["runs"]["device"]["samples"], {
        each["samples"] for each in report["comparisons"] if each["stage"] == "total"
    }


def test_a_verdict_that_is_certain_needs_no_more_samples(edge, build, tmp_path):
    """Total and device are of as many as ran, all other stages of all; the bundle can be judged again."""
    ended, report = build("top1_agreement", 0.9)

    ran, judged = counted(report)
    assert ended.status == 0, ended.err
    assert report["stopped_early"] is True
    assert 32 <= ran < 500
    assert judged == {ran}
    assert report["runs"]["kernels"]["samples"] == 500
    assert f"the device ran the first {ran} of 500 samples: they made its rates certain" in ended.out
    again = edge("verify", tmp_path / "dist" / "board", "--bounds", tmp_path / "board.toml", "--json")
    assert again.status == 0, again.err
    assert again.document["comparisons"] == report["comparisons"]


def test_an_open_question_takes_all_samples(build):
    """99 % agreement cannot be shown by 500 samples of which some disagree."""
    ended, report = build("top1_agreement", 0.99)

    assert ended.status == 1
    assert report["verdict"] == "inconclusive"
    assert counted(report) == (500, {500})


def test_without_a_rate_nothing_is_certain_before_the_last_sample(build):
    """The worst of the first samples says nothing of the worst of all."""
    ended, report = build("sqnr_db", 12, rates=False)

    assert ended.status == 0, ended.err
    assert counted(report) == (500, {500})


def test_a_failure_is_certain_at_once(build):
    """One sample that is too far off stays so."""
    ended, report = build("max_abs", 1e-7, 'unit = "real"')

    assert ended.status == 1
    assert report["verdict"] == "failed"
    assert counted(report) == (32, {32})
