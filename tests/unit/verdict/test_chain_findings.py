"""What a chain shows beside its comparisons."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import SCORES, TRUTH, bound, stages
from toolkit import profiles, report
from toolkit.comparison.bounds import Bound
from toolkit.findings import Finding
from toolkit.verdict.chain_findings import bounds_below_noise


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
