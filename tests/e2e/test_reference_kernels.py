"""Reference kernels take long, so that they run the first samples only: as many as it takes to tell whether a bound is kept."""

from __future__ import annotations

import dataclasses

import pytest

from tests.e2e.conftest import PACKAGE
from toolkit import Original, Samples, build
from toolkit.pipeline import stages
from toolkit.settings import Limits

PROFILE = """\
name = "board"
about = "this machine, with a bound of its own"
extends = "host"
[[bounds]]
stage = "quantization"
output = "*"
schemes = ["static_wi8_ai8"]
metric = "{metric}"
limit = {limit}
because = "the test says so"
"""


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Return a function that builds the sample by one bound on its quantization, where four samples are all that time allows."""
    monkeypatch.setattr(stages, "_MOST_ON_REFERENCE", 1)

    def run(metric, limit):
        (tmp_path / "board.toml").write_text(PROFILE.format(metric=metric, limit=limit))
        samples = Samples(str(PACKAGE.parent / "calibration" / "digits.toml"))
        sample, target = Original(PACKAGE / "sample" / "digits"), str(tmp_path / "board.toml")
        return build(sample, [target], samples, tmp_path / "dist", scheme="static_wi8_ai8")["board"]

    return run


def ran(verdict, metric="sqnr_db"):
    """Return on how many samples reference kernels ran, and the comparison by a metric."""
    (held,) = [each for each in verdict.judged.stages if each.stage == "quantization"]
    return {step.stage: step.count for step in verdict.steps}["quantization"], next(
        each for each in held.comparisons if each.metric == metric
    )


def test_a_limit_that_four_samples_keep_is_kept(judged):
    """The total, which is of all of them, is what has to be shown."""
    count, held = ran(verdict := judged("sqnr_db", 15))

    assert (verdict.outcome, count) == ("passed", 4)
    assert (held.status, held.interval, held.samples) == ("passed", None, 4)
    assert any("reference kernels ran the first 4 of 500 samples" in each.message for each in verdict.findings)


def test_where_few_samples_miss_a_limit_more_are_run_until_it_is_certain(judged):
    """What four say may be chance."""
    _, first = ran(judged("sqnr_db", 15))

    count, held = ran(verdict := judged("sqnr_db", first.value + 0.01))

    assert count > 4
    assert count == 500 or held.status != "inconclusive"
    assert held.samples == count
    told = [each.message for each in verdict.findings if each.code == "first-samples-only"]
    assert told == (
        [f"reference kernels ran the first {count} of 500 samples, because they are slow"] if count < 500 else []
    )


def test_a_rate_takes_as_many_as_its_interval_needs(judged):
    count, held = ran(judged("top1_agreement", 0.8), "top1_agreement")

    assert 16 <= count < 500
    assert held.status == "passed"


def test_where_more_samples_cannot_be_run_what_the_first_ones_showed_stands(judged, monkeypatch):
    """A run that takes too long is no end of what is known."""
    longer = stages.Stage.longer

    def cut(stage, count):
        asked = longer(stage, count)
        return dataclasses.replace(asked, job=dataclasses.replace(asked.job, cached=False, limits=Limits(0.001, 10**9)))

    monkeypatch.setattr(stages.Stage, "longer", cut)

    count, held = ran(verdict := judged("top1_agreement", 0.8), "top1_agreement")

    assert (verdict.outcome, held.status, count) == ("inconclusive", "inconclusive", 4)
