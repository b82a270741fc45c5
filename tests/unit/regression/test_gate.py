"""The gate: what got worse since the last release is found sample by sample, and nothing passes that was not looked at.

Baseline files, and bundles that are none: whatever is cut, edited, foreign or stale is refused with one clear message.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import tracemalloc
import zlib
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.unit.regression.bundles_by_hand import change_report, measured, seal
from toolkit import regression
from toolkit.comparison import saved_runs
from toolkit.errors import InvalidConfig, RequestError, UnknownName
from toolkit.regression import record
from toolkit.regression.file import _sha256
from toolkit.regression.gate import Gate
from toolkit.regression.rows import GateRow
from toolkit.report.screen import Screen
from toolkit.wire import labels
from toolkit.wire.request import sha256
from toolkit.wire.shards import ShardWriter

COUNT, CLASSES = 200, 4
LABELS = np.random.default_rng(0).integers(0, CLASSES, COUNT)
HASHES = [f"{number:064x}"[::-1] for number in range(2 * COUNT)]


def bound(metric, value, limit, better="higher", unit="db", stage="total"):
    """Return a comparison as a report has it."""
    because = f"why {metric}"
    said = {"stage": stage, "output": "scores", "metric": metric, "unit": unit}
    return {**said, "value": value, "limit": limit, "better": better, "because": because}


REPORT = {
    "schema": 1,
    "target": "board",
    "verdict": "passed",
    "source": {"kind": "saved_model", "sha256": "a" * 64},
    "artifact": {"path": "model.tflite", "size_bytes": 1000, "scheme": "static_wi8_ai8"},
    "samples": {"verification": COUNT},
    "comparisons": [
        bound("top1_agreement", 0.98, 0.9, unit="fraction"),
        bound("max_abs", 0.1, 1.5, "lower", "range"),
        bound("sqnr_db", 30.0, 8.0),
        bound("sqnr_db", 32.0, 15.0, stage="kernels"),
    ],
    "tasks": [{"metric": "top_k_accuracy", "better": "higher", "scores": {}}],
    "noise": {"repeat": {"scores": 0.0}},
    "stopped_early": False,
    "budget": {},
    "runs": {"original": {"samples": COUNT}, "kernels": {"samples": COUNT}},
    "findings": [],
    "tools": {"tensorflow": "2.21.0"},
}


def bounds(other, place):
    """Return the report's comparisons with another one in a place, or none."""
    return [*REPORT["comparisons"][:place], *([other] if other else []), *REPORT["comparisons"][place + 1 :]]


def right(wrong=(), truth=LABELS):
    """Return scores, (N, 1, C), whose largest is the label's but for the samples that are named."""
    scores = np.random.default_rng(1).uniform(0, 0.3, (len(truth), 1, CLASSES)).astype(np.float32)
    chosen = truth.copy()
    chosen[list(wrong)] = (truth[list(wrong)] + 1) % CLASSES
    scores[np.arange(len(truth)), 0, chosen] = 0.9
    return scores


@pytest.fixture
def release(tmp_path):
    """Return a maker of bundles: `about` changes the report, `spec` the output's tensor."""

    def make(name, scores=None, truth=LABELS, hashes=HASHES, spec=None, artifact=b"", **about):
        bundle = tmp_path / name
        (bundle / "runs").mkdir(parents=True)
        scores = right() if scores is None else scores
        output = {"name": "scores", "dtype": scores.dtype.name, "shape": list(scores.shape[1:]), **(spec or {})}
        image = {"name": "image", "dtype": "float32", "shape": [1, 8]}
        signature = {"key": "serving_default", "inputs": [image], "outputs": [output]}
        with ShardWriter(bundle / "shards") as writer:
            for row in scores:
                writer.add({output["name"]: row})
        said = {"stage": "kernels", "signature": signature}
        for stage in ("original", "kernels"):  # the one that it is compared with gives the same
            about_it = {**said, "stage": stage}
            saved_runs.write(bundle / f"runs/{stage}.safetensors", bundle / "shards", about_it, hashes[: len(scores)])
        shutil.rmtree(bundle / "shards")
        if truth is not None:
            save_file({"labels": truth}, bundle / "runs/labels.safetensors")
        (bundle / "model.tflite").write_bytes((artifact or name.encode()).ljust(about.get("size_bytes", 1000), b"\0"))
        report = {**deepcopy(REPORT), "samples": {"verification": len(scores if truth is None else truth)}, **about}
        report["runs"]["kernels"]["samples"] = len(scores)
        report["artifact"] |= {"sha256": sha256(bundle / "model.tflite"), "signature": signature}
        report["artifact"]["size_bytes"] = about.get("size_bytes", 1000)
        report["runs"]["original"]["samples"] = len(scores)
        report["findings"] = [{"message": "m", **finding} for finding in report["findings"]]
        report["stages"] = measured(bundle, ("original", "kernels"))
        (bundle / "report.json").write_text(json.dumps(report))
        return seal(bundle, artifact="model.tflite")

    return make


@pytest.fixture
def old(release, tmp_path):
    """Return the baseline file of the last release."""
    regression.update(release("old", right(range(10))), tmp_path / "old.json")
    return tmp_path / "old.json"


@pytest.fixture
def allowing(tmp_path):
    """Return a maker of a file of allowances."""

    def make(what, to, because="'it is wanted'"):
        path = tmp_path / "allowed.toml"
        path.write_text(f"[[allowed]]\nwhat = '{what}'\nto = {to}\n" + (f"because = {because}\n" if because else ""))
        return path

    return make


def rows(gate, status=None):
    return {row.what: row for row in gate.rows if status in (None, row.status)}


def test_a_release_that_is_the_last_one_passes(release, old):
    again = release("again", right(range(10)), artifact=b"old")

    gate = regression.check(again, old)

    assert gate.outcome == "passed"
    assert {row.status for row in gate.rows} == {"passed"}


def test_a_file_says_what_its_bundle_says(release, old, tmp_path):
    new = release("new", right([*range(9), 17, 18]))

    by_file, by_bundle = regression.check(new, old), regression.check(new, tmp_path / "old")

    assert by_file.to_json()["rows"] == by_bundle.to_json()["rows"]
    assert old.stat().st_size < 10_000


def test_a_drop_of_the_task_metric_fails_by_the_paired_test(release, old):
    gate = regression.check(release("new", right(range(40))), old)

    row = rows(gate)["task top_k_accuracy"]
    assert (gate.outcome, row.status) == ("failed", "failed")
    assert (row.before, row.now) == (0.95, 0.8)
    assert "30 samples lost, 0 won of 200" in row.detail


def test_as_many_lost_as_won_passes_where_the_samples_are_enough(release, old):
    gate = regression.check(release("new", right([*range(9), 50])), old)

    assert gate.outcome == "passed"
    assert "1 samples lost, 1 won" in rows(gate)["task top_k_accuracy"].detail


def test_too_few_samples_are_inconclusive_and_do_not_pass(release, tmp_path):
    few = LABELS[:30]
    regression.update(release("old", right(truth=few), few), tmp_path / "old.json")

    gate = regression.check(release("new", right([3], few), few), tmp_path / "old.json")

    assert gate.outcome == "inconclusive"
    assert rows(gate)["task top_k_accuracy"].status == "inconclusive"
    assert rows(gate)["outputs scores top1_agreement"].status == "inconclusive"


@pytest.mark.parametrize(
    ("wrong", "artifact", "outcome"),
    [([3], b"old", "passed"), ([3], b"new", "inconclusive"), ([4], b"old", "inconclusive")],
)
def test_of_few_samples_only_the_same_file_with_the_same_outputs_passes(release, tmp_path, wrong, artifact, outcome):
    few = LABELS[:30]
    regression.update(release("old", right([3], few), few), tmp_path / "old.json")

    gate = regression.check(release("new", right(wrong, few), few, artifact=artifact), tmp_path / "old.json")

    assert rows(gate)["task top_k_accuracy"].status == outcome


def test_a_nan_fails_though_the_build_says_it_passed(release, old):
    scores = right(range(10))
    scores[150, 0, 2] = np.nan

    gate = regression.check(release("new", scores, source={"sha256": "b" * 64}), old)

    failed = rows(gate, "failed")
    assert {"outputs scores sqnr_db", "outputs scores max_abs range", "outputs scores top1_agreement"} <= failed.keys()


def test_another_score_of_each_sample_is_seen_by_the_old_total_bounds(release, old):
    gate = regression.check(release("new", right(range(10))[:, :, ::-1]), old)

    row = rows(gate)["outputs scores top1_agreement"]
    assert (row.status, row.limit) == ("failed", 0.9)
    assert row.because == "the last release stands for the original: why top1_agreement"


def test_other_weights_are_judged_by_the_task_metric_and_by_the_outputs_where_there_is_none(release, old, tmp_path):
    moved, other = right(range(10)) * 3, {"sha256": "b" * 64}
    unlabelled = tmp_path / "unlabelled.json"
    regression.update(release("without", right(range(10)), None), unlabelled)

    with_task = regression.check(release("new", moved, source=other), old)
    without = regression.check(release("new2", moved, None, source=other), unlabelled)

    assert with_task.outcome == "passed"
    row = rows(with_task)["outputs scores sqnr_db"]
    signal = right(range(10)).astype(np.float64)
    now = 10 * math.log10(np.square(signal - signal.mean(axis=0)).sum() / np.square(2 * signal).sum())
    assert (row.status, row.before) == ("noticed", None)
    assert row.now == pytest.approx(
        now, abs=1e-4
    )  # three times as much is twice the signal of noise, and its mean is no signal
    assert row.because == "the original changed, so its outputs did too; the task metric judges them"
    assert without.outcome == "failed"
    assert rows(without)["outputs scores sqnr_db"].status == "failed"


def test_a_row_of_outputs_tells_of_how_many_samples_it_is_and_how_many_would_settle_it(release, old):
    """174 of 200 agree; the ends of the interval, and the number that settles it, are scipy's."""
    row = rows(regression.check(release("new", right(range(10, 26))), old))["outputs scores top1_agreement"]

    assert (row.status, row.now, row.better) == ("inconclusive", 0.87, "higher")
    assert row.detail == "200 samples; interval [0.8153, 0.9133]; about 440 would settle it"


def test_a_bound_against_the_originals_own_noise_is_held_by_the_gate(release, tmp_path):
    report = {
        "comparisons": [*REPORT["comparisons"], bound("max_abs", 1.0, 9.0, "lower", "noise")],
        "noise": {"repeat": {"scores": 0.001}},
    }
    regression.update(release("old", **report), tmp_path / "old.json")

    near, far = (
        regression.check(release(f"new{size}", right() + np.float32(size), **report), tmp_path / "old.json")
        for size in (0.005, 0.01)
    )

    assert rows(near)["outputs scores max_abs noise"].now == pytest.approx(5, rel=1e-3)
    assert rows(near)["outputs scores max_abs noise"].status == "passed"
    assert rows(far)["outputs scores max_abs noise"].status == "failed"


def test_numbers_without_a_scale_cannot_be_compared_whatever_the_weights(release, old):
    whole = (right(range(10)) * 100).astype(np.int8)

    gate = regression.check(release("new", whole, source={"sha256": "b" * 64}), old)

    assert {"outputs scores structure", "output scores dtype"} == rows(gate, "failed").keys()


def test_a_bound_in_steps_says_nothing_about_floats_and_that_is_shown(release, tmp_path):
    whole, steps = (right() * 100).astype(np.int8), {"scale": [0.01], "zero_point": [0]}
    report = {"comparisons": [*REPORT["comparisons"], bound("max_abs", 2.0, 9.0, "lower", "lsb")]}
    regression.update(release("old", whole, spec=steps, **report), tmp_path / "old.json")

    gate = regression.check(release("new", (whole * 0.01).astype(np.float32), **report), tmp_path / "old.json")

    assert rows(gate)["outputs scores max_abs lsb"].status == "noticed"
    assert rows(gate)["outputs scores sqnr_db"].status == "passed"


def test_outputs_that_never_vary_show_nothing(release, tmp_path):
    still = np.full((COUNT, 1, CLASSES), 0.5, np.float32)
    regression.update(release("old", still, None), tmp_path / "old.json")

    gate = regression.check(release("new", still + np.float32(0.1), None), tmp_path / "old.json")

    assert gate.outcome == "inconclusive"
    assert "agreeing with it shows nothing" in rows(gate)["outputs"].because


def test_the_same_outputs_of_another_file_are_shown(release, old):
    gate = regression.check(release("new", right(range(10))), old)

    assert (gate.outcome, list(rows(gate, "noticed"))) == ("passed", ["outputs are the same"])


def test_an_error_may_grow_by_a_share_of_what_it_was(release, tmp_path):
    """It has no end that a number of points could be a share of."""
    truth = right().astype(np.float64)
    near = [(truth + size).astype(np.float32) for size in (0.01, 0.01001, 0.02)]
    regression.update(release("old", near[0], truth), tmp_path / "old.json", ["mse"])

    same, twice = (
        regression.check(release(f"new{number}", each, truth), tmp_path / "old.json")
        for number, each in enumerate(near[1:])
    )

    assert rows(same)["task mse"].status == "passed"
    assert rows(twice)["task mse"].status == "failed"
    assert rows(twice)["task mse"].limit == pytest.approx(1.05e-4, rel=1e-3)


def test_labels_that_are_gone_are_evidence_that_is_gone(release, old):
    gate = regression.check(release("new", right(range(10)), None), old)

    assert gate.outcome == "failed"
    assert list(rows(gate, "failed")) == ["task top_k_accuracy"]


def timed(low, high, **said):
    """Return the latency of a report, of this interval, whose median is its middle."""
    place = {
        "engine": "fake 1",
        "launcher": "ssh",
        "cpu": "a board",
        "threads": 1,
        "timed": "invoke",
        "disturbed": False,
    }
    return {"median_ms": (low + high) / 2, "interval_ms": [low, high], **place, **said}


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"size_bytes": 1051}, "size_bytes"),
        ({"latency": timed(10.6, 10.6)}, "latency_ms"),
        ({"latency": None}, "latency_ms"),
        ({"findings": [{"code": "clipped", "severity": "warning"}] * 2}, "finding clipped"),
        ({"findings": [{"code": "known", "severity": "warning"}]}, "finding known"),
        ({"findings": [{"code": "seen", "severity": "warning"}] * 2}, "finding seen"),
        ({"comparisons": bounds(None, 3)}, "bound kernels scores sqnr_db"),
        ({"comparisons": bounds(bound("sqnr_db", 32.0, 14.9, stage="kernels"), 3)}, "bound kernels scores sqnr_db"),
        ({"comparisons": bounds(bound("max_abs", 0.1, 1.51, "lower", "range"), 1)}, "bound total scores max_abs range"),
        ({"comparisons": bounds(bound("max_abs", 0.81, 1.5, "lower", "range"), 1)}, "total scores max_abs range"),
        ({"comparisons": bounds(bound("sqnr_db", 18.9, 8.0), 2)}, "total scores sqnr_db"),
        ({"verdict": "failed"}, "verdict"),
    ],
)
def test_what_got_worse_fails_by_itself(release, tmp_path, about, what):
    known = [{"code": "known", "severity": "info"}, {"code": "seen", "severity": "warning"}]
    regression.update(release("old", latency=timed(9.9, 10.0), findings=known), tmp_path / "old.json")
    usual = {"latency": timed(9.8, 10.4), "size_bytes": 1050, "findings": known}

    same = regression.check(release("same", **usual), tmp_path / "old.json")
    worse = regression.check(release("worse", **{**usual, **about}), tmp_path / "old.json")

    assert same.outcome == "passed"
    assert (worse.outcome, list(rows(worse, "failed"))) == ("failed", [what])


@pytest.mark.parametrize("value", ["nan", None, "inf", "0.5", True, [], 7.9])
@pytest.mark.parametrize(("place", "stage"), [(2, "total"), (3, "kernels")])
def test_a_value_that_is_no_number_within_its_limit_passes_in_no_stage(release, old, value, place, stage):
    """Whatever the report says of itself, and whether or not somebody wrote its list anew."""
    other = bound("max_abs", value, 1.0, "lower", "range", stage)

    with pytest.raises(RequestError, match=r"by its own numbers it is failed|comparisons\[\d\]\.value: .*, expected"):
        regression.check(release("new", right(range(10)), comparisons=bounds(other, place)), old)


def test_an_inconclusive_build_makes_an_inconclusive_gate(release, old):
    gate = regression.check(release("new", right(range(10)), verdict="inconclusive"), old)

    assert (gate.outcome, list(rows(gate, "inconclusive"))) == ("inconclusive", ["verdict"])


def test_another_type_of_numbers_fails_and_another_scale_is_shown(release, tmp_path):
    whole = (right() * 100).astype(np.int8)
    regression.update(release("old", whole, spec={"scale": [0.01], "zero_point": [0]}), tmp_path / "old.json")

    scaled = regression.check(release("a", whole, spec={"scale": [0.02], "zero_point": [0]}), tmp_path / "old.json")
    floats = regression.check(release("b", (whole * 0.01).astype(np.float32)), tmp_path / "old.json")

    assert "output scores scale" in rows(scaled, "noticed")
    assert list(rows(floats, "failed")) == ["output scores dtype"]
    assert rows(floats)["outputs scores sqnr_db"].now > 100  # the same real values, read with the old scale


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "other-board"}, "the target is other-board, in the baseline it is board"),
        ({"spec": {"name": "logits"}}, "another model: its outputs are {'logits'"),
        ({"spec": {"shape": [1, 4, 1]}, "scores": right()[..., None]}, "another model: its outputs are"),
        ({"scores": right()[:150]}, "150 samples, 200 in the baseline"),
        ({"hashes": [*HASHES[:199], "f" * 64]}, "the first 200 samples are others, or in another order"),
        ({"truth": (LABELS + 1) % CLASSES}, "the same samples have other labels"),
        ({"truth": np.append(LABELS[:-1], (LABELS[-1] + 1) % CLASSES)}, "the same samples have other labels"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_is_different(release, old, changes, said):
    with pytest.raises(RequestError) as caught:
        regression.check(release("new", **changes), old)

    assert caught.value.problem.partition(f"{old}: ")[2].startswith(said)


def test_all_differences_are_said_at_once(release, old):
    with pytest.raises(RequestError) as caught:
        regression.check(release("new", target="x", hashes=HASHES[1:]), old)

    assert [line.partition(f"{old}: ")[2] for line in caught.value.problem.splitlines()] == [
        "the target is x, in the baseline it is board",
        "the first 200 samples are others, or in another order",
    ]
    said = "--eval with the set of the last release, or a baseline of this one with --update-baseline"
    assert caught.value.hint == said


def test_of_more_samples_those_of_the_last_release_are_compared(release, old):
    labels = np.concatenate([LABELS, LABELS])
    new = release("new", np.concatenate([right(range(10)), right(range(150))]), labels)

    gate = regression.check(new, old)

    assert gate.outcome == "passed"
    assert rows(gate)["task top_k_accuracy"].now == 0.95


def test_an_allowance_lets_a_change_pass_up_to_where_it_says(release, old, allowing):
    new = release("new", right(range(10)), size_bytes=2000)

    enough = regression.check(new, old, allowing("size_bytes", 2000, "'a hidden layer more'"))
    less = regression.check(new, old, allowing("size_bytes", 1999))

    row = rows(enough)["size_bytes"]
    assert (enough.outcome, row.status, row.because) == ("passed", "allowed", "a hidden layer more")
    assert row.detail == f"else: {rows(less)['size_bytes'].because}"
    assert less.outcome == "failed"
    assert rows(less)["size_bytes"].detail == "allowed up to 1999 only"


def test_an_allowance_keeps_what_a_row_told(release, old, allowing):
    new, name = release("new", right(range(14))), "task top_k_accuracy"

    def row(by=None):
        return rows(regression.check(new, old, by))[name]

    plain = row()
    assert plain.detail.startswith("drop [")
    assert row(allowing(name, 0.93)).detail == f"{plain.detail}; else: {plain.because}"
    assert row(allowing(name, 0.935)).detail == f"{plain.detail}; allowed up to 0.935 only"


def test_a_higher_score_is_allowed_down_to_where_it_says(release, old, allowing):
    new = release("new", right(range(14)))

    assert regression.check(new, old).outcome == "inconclusive"
    assert regression.check(new, old, allowing("task top_k_accuracy", 0.93)).outcome == "passed"
    assert regression.check(new, old, allowing("task top_k_accuracy", 0.935)).outcome == "inconclusive"


def test_a_nan_cannot_be_allowed(release, old, allowing):
    scores = right(range(10))
    scores[0, 0, 0] = np.nan

    gate = regression.check(release("new", scores), old, allowing("outputs scores sqnr_db", -1e300))

    assert rows(gate)["outputs scores sqnr_db"].status == "failed"


@pytest.mark.parametrize(
    ("what", "to", "because", "error", "said"),
    [
        ("size_byte", 2000, "'x'", UnknownName, "did you mean 'size_bytes'"),
        ("size_bytes", 2000, None, InvalidConfig, "allowed[0].because: missing"),
        ("size_bytes", 2000, "' '", InvalidConfig, "allowed[0].because"),
        ("size_bytes", "nan", "'x'", InvalidConfig, "expected a finite number"),
        ("size_bytes", "inf", "'x'", InvalidConfig, "expected a finite number"),
        ("verdict", "'failed'", "'x'", RequestError, "nothing ships that did not pass"),
        ("size_bytes", "2000\nwhat2 = 1", "'x'", InvalidConfig, "unknown key"),
        ("size_bytes", 1, "'x'\n[[allowed]]\nwhat='size_bytes'\nto=2\nbecause='y'", InvalidConfig, "comes twice"),
    ],
)
def test_a_wrong_allowance_is_an_error(release, old, allowing, what, to, because, error, said):
    new = release("new", right(range(10)))

    with pytest.raises(error) as caught:
        regression.check(new, old, allowing(what, to, because))

    assert said in str(caught.value)


def test_a_bound_that_is_gone_can_be_allowed_in_a_word(release, old, allowing):
    new = release("new", right(range(10)), comparisons=bounds(None, 3))

    gate = regression.check(new, old, allowing("bound kernels scores sqnr_db", "'gone'"))

    assert (gate.outcome, list(rows(gate, "allowed"))) == ("passed", ["bound kernels scores sqnr_db"])


def test_an_allowance_hides_no_other_row_of_its_name(allowing):
    """Two rows of one name, one of which passed, are both judged."""
    from toolkit.regression.limits import allowances
    from toolkit.regression.rows import allow, judged

    two = [judged("x", 1.0, 9.0, 2.0, "because"), judged("x", 1.0, 1.0, 2.0, "because")]

    statuses = [row.status for row in allow(two, allowances(allowing("x", 5)))]

    assert statuses == ["failed", "passed"]


def test_an_allowance_that_is_not_needed_is_shown(release, old, allowing):
    gate = regression.check(release("new", right(range(10))), old, allowing("size_bytes", 2000))

    assert gate.outcome == "passed"
    row = rows(gate, "noticed")["allowance of size_bytes"]
    assert (row.before, row.now) == (None, 2000)
    assert row.because == "this allowance is not needed (any more): it is wanted"


def test_what_looks_too_good_is_shown(release, tmp_path):
    regression.update(release("old", right(range(80))), tmp_path / "old.json")
    other = {"sha256": "b" * 64}

    leap = regression.check(release("leap", right(), source=other, size_bytes=500), tmp_path / "old.json")
    stale = regression.check(release("stale", right(range(80)), source=other, artifact=b"old"), tmp_path / "old.json")

    assert leap.outcome == "passed"
    assert {"size_bytes halved", "task top_k_accuracy", "source"} <= rows(leap, "noticed").keys()
    halved = rows(leap)["size_bytes halved"]
    assert (halved.before, halved.now, halved.limit) == (1000, 500, None)
    assert halved.because.startswith("leaps like these come from")
    assert {"outputs are the same", "artifact is the same"} <= rows(stale, "noticed").keys()


def test_a_gate_without_a_judged_row_has_not_passed(tmp_path):
    row = regression.GateRow("tool", "1", "2", None, "noticed", "another version")

    assert regression.Gate("board", tmp_path, tmp_path, (row,)).outcome == "failed"
    assert regression.Gate("board", tmp_path, tmp_path, ()).outcome == "failed"


def test_the_gate_is_json_and_text_that_name_what_failed(release, old):
    gate = regression.check(release("new", right(range(40)), size_bytes=5000), old)

    document = json.loads(json.dumps(gate.to_json(), allow_nan=False))
    assert (document["target"], document["outcome"]) == ("board", "failed")
    keys = {"what", "before", "now", "limit", "status", "because"}
    assert all(keys <= row.keys() for row in document["rows"])
    assert "NOT PASSED" in gate.text()
    assert any("size_bytes" in line and "FAIL" in line for line in gate.text().splitlines())


def test_the_text_of_a_gate_has_a_line_for_what_changed_and_a_count_of_what_did_not():
    """What may be, why it was not passed, and only where it was not."""
    one, no_limit = "a reason\n of two lines", None
    gate = Gate(
        "board",
        Path("new"),
        Path("old.json"),
        (
            GateRow("verdict", "passed", "passed", "passed", "passed", one),
            GateRow("inputs", "x", "x", "x", "passed", one),
            GateRow("size_bytes", 1000.0, 1234567.891, 1100.0, "failed", one, "lower"),
            GateRow("score", 0.5, 0.5, 0.4, "passed", one, "higher", detail="p = 1"),
            GateRow("labels", "x", None, no_limit, "noticed", one),
            GateRow("dtype", "int8", "uint8", "int8", "allowed", one),
        ),
    )

    assert gate.text().splitlines() == [
        f"{'board   new against old.json':<96}NOT PASSED",
        f"  {'size_bytes':<40} {'1000 -> 1.23457e+06':<26} {'<= 1100':<16} FAIL",
        "      a reason of two lines",
        f"  {'score':<40} {'0.5 -> 0.5':<26} >= 0.4  p = 1",
        f"  {'labels':<40} {'x -> -':<26} {'':<16} noticed",
        "      a reason of two lines",
        f"  {'dtype':<40} {'int8 -> uint8':<26} {'= int8':<16} allowed",
        "      a reason of two lines",
        "  and 2 that must not change, and did not",
    ]
    assert not gate.passed
    all_new = Gate("board", Path("new"), Path("old.json"), gate.rows[3:4])
    assert all_new.passed
    assert len(all_new.text(Screen(60)).splitlines()) == 2
    assert all_new.text(Screen(60)).index("PASSED") == 46
    assert {key: value for key, value in gate.to_json().items() if key != "rows"} == {
        "schema": 1,
        "target": "board",
        "bundle": "new",
        "baseline": "old.json",
        "outcome": "failed",
    }


def test_updating_names_everything_that_is_another(release, old):
    """What was none and what is gone too, in the order in which it is read."""
    comparisons = [bound("top1_agreement", 0.97, 0.9, unit="fraction"), bound("max_abs", 0.1, 1.0, "lower", "range")]
    finding = {"code": "outputs", "severity": "warning", "message": "m"}
    source = {"kind": "saved_model", "sha256": "b" * 64}
    new = release(
        "new",
        right(range(10))[:150],
        truth=None,
        comparisons=comparisons,
        findings=[finding, finding],
        source=source,
        tasks=[],
    )
    change_report(new, lambda report: report["artifact"].update(scheme="float32"), artifact="model.tflite")

    said = regression.update(new, old, [])

    kept = {sentence.partition(": ")[0]: sentence.partition(": ")[2] for sentence in said}
    assert kept["scheme"] == "static_wi8_ai8 -> float32"
    assert kept["original"] == "aaaaaaaa -> bbbbbbbb"
    assert re.fullmatch(r"[0-9a-f]{8} -> [0-9a-f]{8}", kept["artifact"])
    assert re.fullmatch(r"[0-9a-f]{8} -> [0-9a-f]{8}", kept["outputs"])
    assert re.fullmatch(r"200 \([0-9a-f]{8}\) -> 150 \([0-9a-f]{8}\)", kept["samples"])
    assert re.fullmatch(r"[0-9a-f]{8} -> none", kept["labels"])
    assert {
        name: text for name, text in kept.items() if name.split()[0] in ("task", "comparison", "bound", "finding")
    } == {
        "task top_k_accuracy": "0.95 -> none",
        "comparison kernels scores sqnr_db": "32 dB -> none",
        "comparison total scores sqnr_db": "30 dB -> none",
        "comparison total scores top1_agreement": "0.98 -> 0.97",
        "bound kernels scores sqnr_db": "15 dB -> none",
        "bound total scores max_abs range": "1.5 of range -> 1 of range",
        "bound total scores sqnr_db": "8 dB -> none",
        "finding outputs": "none -> 2 (warning)",
    }


def test_a_baseline_that_did_not_pass_is_no_baseline(release, tmp_path):
    failed = release("failed", verdict="failed")

    with pytest.raises(RequestError, match="only a release that passed"):
        regression.update(failed, tmp_path / "new.json")
    with pytest.raises(RequestError, match="a release that passed"):
        regression.check(release("new"), failed)


def test_updating_says_what_is_different_from_now_on(release, old):
    new = release("new", right(range(20)), size_bytes=900, latency=timed(2.5, 2.5), tools={"tensorflow": "2.22.0"})

    said = regression.update(new, old)

    assert "size: 1000 bytes -> 900 bytes" in said
    assert "latency: None ms -> 2.5 ms" in said
    assert "task top_k_accuracy: 0.95 -> 0.9" in said
    assert "tool tensorflow: 2.21.0 -> 2.22.0" in said
    assert not any("scheme" in sentence for sentence in said)
    assert not any("signature" in sentence for sentence in said)
    assert regression.update(new, old) == ["nothing is different"]
    assert regression.check(new, old).outcome == "passed"


def test_updating_says_that_there_are_labels_now(release, tmp_path):
    regression.update(release("without", truth=None), tmp_path / "old.json")

    said = regression.update(release("with"), tmp_path / "old.json", [])

    (sentence,) = [each for each in said if each.startswith("labels")]
    assert re.fullmatch(r"labels: none -> [0-9a-f]{8}", sentence)


def test_updating_says_that_numbers_are_of_another_type(release, old):
    said = regression.update(release("new", right().astype(np.float16)), old)

    assert "signature: inputs or outputs changed in name, shape, type or scale" in said


def test_a_baseline_of_another_target_is_not_written_over(release, old):
    before = old.read_bytes()

    with pytest.raises(RequestError, match="is a baseline of board, the bundle is of phone"):
        regression.update(release("new", target="phone"), old)

    assert old.read_bytes() == before


def test_the_task_metrics_of_a_baseline_stay(release, tmp_path):
    path = tmp_path / "old.json"
    regression.update(release("old"), path, ["top_k_accuracy:k=2", "f1"])

    said = regression.update(release("new", right(range(50))), path)

    assert [task.metric for task in regression.read(path).tasks] == ["top_k_accuracy:k=2", "f1"]
    assert any(sentence.startswith("task f1: 1 -> 0.7") for sentence in said)


def own_task(bundle, rows, better="higher"):
    """Let a build have been scored by a function of its user's."""
    task = {"metric": "mine.py:score", "better": better, "scores": {"kernels": 0.5}, "rows": {"kernels": rows}}
    (bundle / "runs/tasks.json").write_text(json.dumps([task]))
    scores = {name: task[name] for name in ("metric", "better", "scores")}
    change_report(bundle, lambda report: report["tasks"].append(scores), artifact="model.tflite")


@pytest.mark.parametrize(
    ("shift", "better", "outcome"), [(0.0, "higher", "passed"), (-0.4, "higher", "failed"), (0.4, "lower", "failed")]
)
def test_a_function_of_the_users_is_compared_by_what_it_said(release, tmp_path, shift, better, outcome):
    """Nobody calls it again: its rows are kept, and the pairs of them tell."""
    numbers = np.random.default_rng(3).uniform(0.5, 1, COUNT)
    bundles = [release("old"), release("new")]
    for bundle, off in zip(bundles, (0.0, shift), strict=True):
        own_task(bundle, (numbers + off).tolist(), better)
    regression.update(bundles[0], tmp_path / "old.json")

    gate = regression.check(bundles[1], tmp_path / "old.json")

    row = rows(gate)["task mine.py:score"]
    assert (row.status, row.better) == (outcome, better)
    assert row.before == pytest.approx(numbers.mean())
    assert row.now == pytest.approx(numbers.mean() + shift)


def test_a_build_that_was_not_scored_by_what_the_last_one_was_is_refused(release, tmp_path):
    """What was shown once has to be shown again; one number for all samples shows nothing in pairs."""
    old, new, one = release("old"), release("new"), release("one")
    own_task(old, [0.5] * COUNT)
    own_task(one, None)
    regression.update(old, tmp_path / "old.json")

    for bundle in (new, one):
        with pytest.raises(RequestError, match=r"was not scored by mine.py:score, .* --task-metric mine.py:score"):
            regression.check(bundle, tmp_path / "old.json")
    assert [task.metric for task in regression.of_bundle(one).tasks] == ["top_k_accuracy"]


@pytest.mark.parametrize("content", ["[", "[{}]", "3", '[{"metric": 1}]'])
def test_what_a_function_said_is_read_as_a_strangers_file(release, content):
    """A bundle may come from anywhere."""
    bundle = release("new")
    (bundle / "runs/tasks.json").write_text(content)
    seal(bundle, artifact="model.tflite")

    with pytest.raises(RequestError, match=r"tasks.json: .*(is not whole JSON|expected)"):
        regression.of_bundle(bundle)


def test_what_an_open_bound_comes_to_is_what_it_was_in_the_last_release(release, tmp_path):
    """A class of fifty of which two are lost is no certain loss: a bound that fails only what is certain is kept, another one open."""
    change = right(wrong=np.flatnonzero(LABELS == 2)[:3])
    outcomes = {}
    for undecided in ("passed", "inconclusive"):
        said = {**bound("class_recall:of=scores", 1.0, 0.9, unit="fraction"), "undecided": undecided}
        before = release(f"before-{undecided}", comparisons=[said])
        regression.update(before, path := tmp_path / f"{undecided}.baseline")
        found = rows(regression.check(release(f"after-{undecided}", change), path))
        outcomes[undecided] = found["outputs scores class_recall:of=scores"].status

    assert outcomes == {"passed": "passed", "inconclusive": "inconclusive"}


def test_the_confidence_of_a_bound_is_that_of_the_last_release(release, tmp_path):
    """190 of 200 agree: above 0.9 at the level 0.95, and not at one in a thousand."""
    for name, confidence, outcome in (("usual", 0.95, "passed"), ("strict", 0.999, "inconclusive")):
        comparisons = [{**bound("top1_agreement", 0.98, 0.9, unit="fraction"), "confidence": confidence}]
        old = release(f"old-{name}", comparisons=comparisons)
        regression.update(old, tmp_path / f"{name}.json")
        gate = regression.check(release(f"new-{name}", right(range(10))), tmp_path / f"{name}.json")

        assert rows(gate)["outputs scores top1_agreement"].status == outcome


def test_labels_of_several_targets_are_those_of_the_last_release_in_each(release, tmp_path):
    old, same, other = (release(name, right(range(10))) for name in ("old", "same", "other"))
    for bundle, last in ((old, "cat"), (same, "cat"), (other, "dog")):
        columns = {"class": LABELS, "said": ["a"] * (COUNT - 1) + [last]}
        (bundle / "runs/labels.safetensors").write_bytes(labels.packed(columns))
        seal(bundle, artifact="model.tflite")
    regression.update(old, tmp_path / "old.json", ["top_k_accuracy:labels=class"])

    gate = regression.check(same, tmp_path / "old.json")

    assert rows(gate)["task top_k_accuracy:labels=class"].now == 0.95
    with pytest.raises(RequestError, match="the same samples have other labels"):
        regression.check(other, tmp_path / "old.json")


def test_a_task_metric_that_says_nothing_about_the_outputs_is_refused_where_it_was_asked_for(release):
    bundle = release("new")

    with pytest.raises(RequestError, match="mean_average_precision says nothing about it"):
        regression.of_bundle(bundle, ["mean_average_precision"])
    with pytest.raises(UnknownName, match="did you mean 'top_k_accuracy'"):
        regression.of_bundle(bundle, ["top_accuracy"])


def test_a_baseline_is_written_to_a_file_and_to_no_folder(release, tmp_path):
    with pytest.raises(RequestError, match="is a folder; expected the name of a file"):
        regression.update(release("new"), tmp_path)


def test_mcnemar_is_exact_and_its_interval_holds_what_it_says():
    """Against the sum over all outcomes; and by the probability of every pair of counts, where the true drop is a tenth."""
    from toolkit.comparison.paired_difference import exact_p, mcnemar

    for lost, won in [(0, 0), (5, 0), (3, 7), (600, 700)]:
        flips, rare = lost + won, min(lost, won)
        both = [math.comb(flips, heads) / 2**flips for heads in range(flips + 1) if min(heads, flips - heads) <= rare]
        assert exact_p(lost, won) == pytest.approx(min(1.0, sum(both)))
    count, held = 16, 0.0
    for lost in range(count + 1):
        for won in range(count + 1 - lost):
            same = count - lost - won
            found = mcnemar([1] * lost + [0] * (won + same), [0] * lost + [1] * won + [0] * same, 0.8)
            ways = math.comb(count, lost) * math.comb(count - lost, won)
            held += ways * 0.3**lost * 0.2**won * 0.5**same * (found.low <= 0.1 <= found.high)
    assert 0.8 <= held < 0.99


def test_86_samples_without_a_change_rule_out_a_drop_of_five_points():
    from toolkit.comparison.paired_difference import mcnemar

    assert mcnemar([1] * 86, [1] * 86, 0.95).high <= 0.05 < mcnemar([1] * 85, [1] * 85, 0.95).high


def test_rows_that_are_no_hits_are_resampled_in_pairs():
    """An error twice as large in every sample is worse beyond doubt, however much samples differ among themselves."""
    from toolkit.comparison import task_metrics
    from toolkit.comparison.paired_difference import drop

    metric = task_metrics.load("mse")
    errors = np.random.default_rng(0).exponential(size=(60, 1))
    labels = np.zeros((60, 1))
    one, two = (metric.evidence({"y": np.sqrt(scale * errors)}, labels) for scale in (1, 2))

    found = drop(metric, one, two, 0.95)

    f1 = task_metrics.load("f1")
    better, worse = (f1.evidence({"y": right(wrong).astype(np.float64)}, LABELS) for wrong in ((), range(40)))
    assert drop(f1, worse, better, 0.95).high < 0 < drop(f1, better, worse, 0.95).low
    assert 0 < found.low < metric.score(two) - metric.score(one) < found.high
    assert drop(metric, one, one, 0.95).high == 0
    assert math.isnan(drop(metric, one, [None, *two[1:]], 0.95).high)
    assert math.isnan(drop(metric, one, two[1:], 0.95).low)


def test_hits_of_which_fewer_are_better_are_worse_where_there_are_more():
    """A user's function that says of each sample whether it is an error."""
    from toolkit.comparison.paired_difference import drop
    from toolkit.comparison.scored_task import OwnScoring

    none, many = [0] * 100, [1] * 40 + [0] * 60

    errors, hits = drop(OwnScoring("lower"), none, many, 0.95), drop(OwnScoring("higher"), many, none, 0.95)
    assert errors == hits
    assert 0.2 < errors.low < errors.value == 0.4 < errors.high
    assert errors.detail.startswith("40 samples lost, 0 won of 100")
    assert drop(OwnScoring("lower"), many, none, 0.95).high < 0


def test_what_did_not_change_has_no_width_only_where_a_score_has_no_ends():
    from toolkit.comparison import task_metrics
    from toolkit.comparison.paired_difference import drop
    from toolkit.comparison.scored_task import OwnScoring

    f1, mse = task_metrics.load("f1"), task_metrics.load("mse")
    rows = [[[1], [1]], [[0], [1]]] * 15

    assert drop(f1, rows, rows, 0.95).high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert drop(f1, rows, [*rows[:-1], [[0], [0]]], 0.95).detail == "paired bootstrap over 30 samples"
    assert math.isnan(drop(f1, [None, *rows], [None, *rows], 0.95).high)
    for scoring, one in (
        (mse, mse.evidence({"y": np.arange(30.0)[:, None]}, np.zeros((30, 1)))),
        (OwnScoring("higher"), [0.5] * 30),
    ):
        found = drop(scoring, one, one, 0.95)
        assert (found.low, found.value, found.high) == (0, 0, 0)


def test_what_was_seen_lies_between_the_ends_and_is_told():
    """Of hits and of numbers; the seed is always the same."""
    from toolkit.comparison.paired_difference import drop, mcnemar
    from toolkit.comparison.scored_task import OwnScoring

    hits = mcnemar([1] * 8 + [0] * 2, [1] * 5 + [0] * 3 + [1, 0], 0.95)
    assert hits.value == pytest.approx((3 - 1) / 10)
    assert hits.low < hits.value < hits.high
    before, now = [0.9, 0.8, 0.7, 0.6], [0.5, 0.7, 0.6, 0.4]
    higher, lower = (drop(OwnScoring(better), before, now, 0.9) for better in ("higher", "lower"))
    assert higher.value == pytest.approx(0.2) == -lower.value
    assert higher.detail == "paired bootstrap over 4 samples"
    many = np.random.default_rng(0).normal(size=(2, 60)).tolist()
    assert drop(OwnScoring("higher"), *many, 0.9) == drop(OwnScoring("higher"), *many, 0.9)
    assert higher.low < higher.value < higher.high


def test_rows_are_hits_only_where_both_runs_say_yes_or_no():
    """A share of one half beside hits, or 1.0, is a number and no hit."""
    from toolkit.comparison.paired_difference import all_hits, drop, mcnemar
    from toolkit.comparison.scored_task import OwnScoring

    assert all_hits([1, 0, 1])
    assert not all_hits([1.0, 0.0])
    assert not all_hits([2, 1])
    assert "paired bootstrap" in drop(OwnScoring("higher"), [1, 0, 1], [0.5, 0.25, 1.0], 0.9).detail
    assert "paired bootstrap" in drop(OwnScoring("higher"), [0.5, 0.25, 1.0], [1, 0, 1], 0.9).detail
    nothing = drop(OwnScoring("higher"), [1, 0, 1], [1, 0], 0.9)
    assert all(map(math.isnan, (nothing.low, nothing.value, nothing.high)))
    assert nothing.detail == "rows of 3 and 2 samples"
    with pytest.raises(ValueError, match="zip"):
        mcnemar([1, 0, 1], [1, 0], 0.9)


def resealed(path, change):
    """Change a baseline as somebody could who knows how its checksum is made."""
    content = json.loads(path.read_text())
    del content["sha256"]
    change(content)
    path.write_text(json.dumps({**content, "sha256": _sha256(content)}))


def refusal(path):
    with pytest.raises(RequestError) as caught:
        regression.read(path)
    assert str(path) in caught.value.problem
    return caught.value.problem


def test_outputs_of_a_file_are_called_by_it(old):
    assert regression.read(old).outputs.read().name == f"baseline ({old})"


def test_a_file_comes_back_as_it_was(release, tmp_path):
    whole = (right() * 100).astype(np.int8)
    made = regression.of_bundle(release("new", whole, spec={"scale": [0.01], "zero_point": [-3]}))
    regression.write(tmp_path / "new.json", made)

    again = regression.read(tmp_path / "new.json")

    (block,) = again.outputs.read().blocks
    np.testing.assert_array_equal(block["scores"], whole)
    assert block["scores"].dtype == np.int8
    assert again.outputs.read().signature.output("scores").zero_point == (-3,)
    assert again.tasks == made.tasks
    assert again.tasks[0].rows == (1,) * len(LABELS)
    for name in ("target", "count", "samples_digest", "outputs_digest", "size_bytes", "signature", "noise", "tools"):
        assert getattr(again, name) == getattr(made, name)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_is_refused(old, share):
    content = old.read_bytes()
    old.write_bytes(content[: int(len(content) * share)])

    assert "is not a whole baseline" in refusal(old)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('"size_bytes": 1000', '"size_bytes": 9000', "was changed after it was written"),
        ('"schema": 1', '"schema": 2', "has schema 2, this release knows 1"),
        ('"format": "edge-toolkit baseline"', '"format": "pip-audit"', "is not a baseline"),
        ('"target"', "<<<<<<< HEAD", "merged by hand"),
    ],
)
def test_a_file_that_was_edited_or_is_of_another_kind_is_refused(old, was, becomes, said):
    assert was in old.read_text()
    old.write_text(old.read_text().replace(was, becomes, 1))

    assert said in refusal(old)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b'{"schema": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)

    assert "is no" in refusal(tmp_path / "x.json")


def test_a_missing_file_names_the_closest_and_how_to_write_one(old):
    with pytest.raises(RequestError) as caught:
        regression.read(old.with_name("olt.json"))

    assert "did you mean 'old.json'" in caught.value.problem
    assert "--update-baseline" in caught.value.hint


BOMB = base64.b64encode(zlib.compress(bytes(1 << 24))).decode()


def _of_more_samples(content):
    content["outputs"]["boxes"] = {**content["outputs"]["scores"], "shape": [400, 1, 2]}
    (scores,) = content["outputs_signature"]["outputs"]
    content["outputs_signature"]["outputs"].append({**scores, "name": "boxes"})


def test_what_unpacks_to_more_than_it_says_is_not_unpacked(old):
    resealed(old, lambda content: content["outputs"]["scores"].update(zlib_base64=BOMB))
    tracemalloc.start()

    said = refusal(old)

    assert "is not a whole baseline" in said
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("tasks"),
        lambda content: content["outputs"].clear(),
        lambda content: content["outputs"]["scores"].update(shape=[10**9, 10**6]),
        lambda content: content["outputs"]["scores"].update(zlib_base64="!"),
        lambda content: content["outputs"]["scores"].update(dtype="object"),
        lambda content: content["outputs"]["scores"].update(shape=[1 << 20, 1, 4], zlib_base64=BOMB),
        _of_more_samples,
    ],
)
def test_a_file_with_other_outputs_than_it_says_is_refused(old, change):
    resealed(old, change)

    assert "is not a whole baseline" in refusal(old)


def test_large_outputs_are_kept_by_one_element_in_so_many(release, tmp_path):
    """A file stays small, holds enough samples to show an agreement, and is held against the same elements of the new release."""
    masks = np.random.default_rng(0).normal(size=(60, 1, 128, 128)).astype(np.float32)
    report = {"comparisons": REPORT["comparisons"][:3]}
    path = tmp_path / "old.json"
    regression.update(release("old", masks, None, **report), path)

    gate = regression.check(release("same", masks + np.float32(1e-6), None, **report), path)
    broken = regression.check(release("broken", -masks, None, **report), path)

    assert path.stat().st_size < 1.4 * regression.OUTPUT_BYTES
    assert regression.read(path).outputs.count == 40
    assert gate.outcome == "passed"
    assert rows(gate)["outputs scores sqnr_db"].status == "passed"
    assert rows(gate)["outputs scores top1_agreement"].status == "noticed"
    assert {row.what for row in broken.rows if row.status == "failed"} == {"outputs scores sqnr_db"}


def test_many_samples_are_kept_as_far_as_there_is_room(release, tmp_path):
    wide = np.random.default_rng(0).normal(size=(200, 1, 1000)).astype(np.float32)
    regression.update(release("old", wide, None), tmp_path / "old.json")

    held = regression.read(tmp_path / "old.json")

    assert held.outputs.count == regression.OUTPUT_BYTES // 4000
    assert held.every == {}


def _edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _labels_of_fewer(bundle):
    save_file({"labels": LABELS[1:]}, bundle / "runs/labels.safetensors")


def _report(bundle, **said):
    report = json.loads((bundle / "report.json").read_text())
    (bundle / "report.json").write_text(json.dumps({**report, **said}))


LIST = {"schema": 2, "target": "board", "verdict": "passed", "artifact": None, "files": {}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda bundle: (bundle / "model.tflite").write_bytes(b"stale"),
            "model.tflite: has 5 bytes, 1000 were written",
        ),
        (lambda bundle: (bundle / "model.tflite").write_bytes(b"s" * 1000), "is not the file that the build wrote"),
        (lambda bundle: (bundle / "model.tflite").unlink(), "model.tflite: is on the bundle's list, but missing"),
        (lambda bundle: (bundle / "runs/kernels.safetensors").unlink(), "is on the bundle's list, but missing"),
        (lambda bundle: (bundle / "notes.txt").touch(), "notes.txt: is not on the bundle's list"),
        (lambda bundle: (bundle / "report.json").unlink(), "report.json: is on the bundle's list, but missing"),
        (lambda bundle: _report(bundle, verdict="failed"), "report.json: is not the file that the build wrote"),
        (lambda bundle: (bundle / "manifest.json").unlink(), "has no manifest.json, so it is not a bundle"),
        (lambda bundle: (bundle / "manifest.json").write_text("{}"), "manifest.json: schema: missing"),
        (lambda bundle: (bundle / "manifest.json").write_text(json.dumps(LIST)), "is not on the bundle's list"),
        (lambda bundle: (bundle / "manifest.json").write_text("{"), "manifest.json: is not whole JSON"),
    ],
)
def test_a_bundle_whose_files_are_not_its_own_is_refused(release, change, said):
    bundle = release("new")
    change(bundle)

    with pytest.raises(RequestError) as caught:
        regression.of_bundle(bundle)

    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bundle: (bundle / "runs/labels.safetensors").write_bytes(b"x"), "cannot be read"),
        (_labels_of_fewer, "has not 200 labels of each target"),
        (lambda bundle: (bundle / "report.json").write_text("{"), "is not whole JSON"),
        (lambda bundle: (bundle / "report.json").write_text("[]"), "a list of 0, expected table"),
        (lambda bundle: (bundle / "report.json").write_text("{}"), "has no schema, this release knows 1"),
        (lambda bundle: _edit(bundle / "report.json", lambda held: held.pop("tools")), "tools: missing"),
        (lambda bundle: _report(bundle, schema=2), "has schema 2"),
        (lambda bundle: _report(bundle, findings=None), "findings: null, expected list"),
        (lambda bundle: _report(bundle, verdict="failed"), "its verdict is failed, but the bundle's list says passed"),
        (lambda bundle: _report(bundle, target="other"), "is of the target other, but the bundle's list is of board"),
        (
            lambda bundle: _edit(bundle / "report.json", lambda held: held["runs"]["kernels"].update(samples=500)),
            "holds 200 samples with 200 hashes; its report is about 500",
        ),
        (lambda bundle: (bundle / "report.json").unlink(), "has no report.json"),
    ],
)
def test_a_bundle_whose_list_was_written_anew_is_held_against_its_report(release, change, said):
    """Whoever knows how a bundle is made can make one; what contradicts itself is seen."""
    bundle = release("new")
    change(bundle)
    seal(bundle, target="board", verdict="passed", artifact="model.tflite")

    with pytest.raises(RequestError) as caught:
        regression.of_bundle(bundle)

    assert said in caught.value.problem


def test_the_folder_above_names_the_bundles_in_it(release):
    bundle = release("new")

    with pytest.raises(RequestError) as caught:
        regression.of_bundle(bundle.parent)

    assert caught.value.hint == f"bundles in it: {bundle}"
    other = release("another")
    with pytest.raises(RequestError) as caught:
        regression.of_bundle(bundle.parent)
    assert caught.value.hint == f"bundles in it: {other}, {bundle}"
    with pytest.raises(RequestError) as caught:
        regression.of_bundle(bundle / "runs")
    assert caught.value.hint is None


def test_the_last_run_is_that_of_the_release(release):
    """Of however many there are, with the samples that it was over."""
    report = {"runs": {"original": {"samples": 3}, "conversion": {"samples": 3}, "kernels": {"samples": COUNT}}}

    made = regression.of_bundle(release("new", **report))

    assert (made.stage, made.count, made.path.name) == ("kernels", COUNT, "new")


def test_the_first_samples_have_digests_of_their_own(release):
    """Those that a build over no more of them would have."""
    many, few = release("many"), release("few", right()[:50], LABELS[:50])

    first, alone = regression.of_bundle(many, first=50), regression.of_bundle(few)

    assert first.count == alone.count == 50
    for name in ("samples_digest", "outputs_digest", "labels_digest", "tasks"):
        assert getattr(first, name) == getattr(alone, name) != getattr(regression.of_bundle(many), name)


def test_digests_are_those_that_files_of_today_have(release):
    """Of the hashes in a row, and of each output's name and bytes."""
    made, scores = regression.of_bundle(release("new")), hashlib.sha256(right().tobytes()).hexdigest()

    run = SimpleNamespace(
        signature=SimpleNamespace(outputs=[SimpleNamespace(name="b"), SimpleNamespace(name="a")]),
        read=lambda count: SimpleNamespace(
            blocks=[{"a": np.arange(2), "b": np.arange(3)}, {"a": np.arange(1), "b": np.arange(1)}]
        ),
    )
    of_a, of_b = (hashlib.sha256(np.array(each).tobytes()).hexdigest() for each in ([0, 1, 0], [0, 1, 2, 0]))
    assert record._digest_of_outputs(run, 9) == hashlib.sha256(f"a {of_a}b {of_b}".encode()).hexdigest()
    assert made.samples_digest == hashlib.sha256("".join(name[:16] for name in HASHES[:COUNT]).encode()).hexdigest()
    assert made.outputs_digest == hashlib.sha256(f"scores {scores}".encode()).hexdigest()


def test_a_run_without_a_hash_for_each_sample_is_refused(release):
    with pytest.raises(RequestError, match="holds 200 samples with 0 hashes; its report is about 200"):
        regression.of_bundle(release("new", hashes=[]))


def test_a_run_of_no_sample_is_nothing_to_compare(release):
    none = SimpleNamespace(path="none", stage="kernels", count=0, samples=())

    with pytest.raises(RequestError, match="none: holds no sample, so there is nothing to compare"):
        record._count(none, {"runs": {"kernels": {"samples": 0}}}, None)
    assert regression.of_bundle(release("one", right()[:1], None)).count == 1


def test_a_gate_says_which_two_it_held_together(release, old):
    bundle = release("new", right(range(10)))

    gate, made = regression.check(bundle, old), regression.check(bundle, regression.read(old))

    assert (gate.target, gate.bundle, gate.baseline) == ("board", bundle, old)
    assert made.rows == gate.rows


def test_a_baseline_is_written_into_folders_that_are_not_there_yet(release, tmp_path):
    regression.update(release("new"), tmp_path / "a" / "b" / "new.json")

    assert regression.read(tmp_path / "a" / "b" / "new.json").count == COUNT


def test_numbers_of_a_users_function_are_those_of_the_first_samples_beside_other_metrics(release):
    bundle = release("new")
    own_task(bundle, [float(number) for number in range(COUNT)])

    made = regression.of_bundle(bundle, ["mine.py:score", "top_k_accuracy"], 50)

    assert [(task.metric, task.better, len(task.rows)) for task in made.tasks] == [
        ("mine.py:score", "higher", 50),
        ("top_k_accuracy", "higher", 50),
    ]
