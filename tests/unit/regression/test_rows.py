"""Each row of the gate in full: what it was, what it is, up to where, and the words with which it is told.

Releases here are made by hand; `test_baseline.py` has those that were read from files.
"""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from tests.unit.regression.releases import COUNT, SCORES, Held, accuracy, bound, release, spec
from toolkit.errors import RequestError, UnknownName
from toolkit.findings import CodeCount
from toolkit.regression import behaviour, facts
from toolkit.regression.limits import Allowance, limits
from toolkit.regression.losses import losses
from toolkit.regression.record import LatencyRecord, TaskRecord
from toolkit.regression.rows import GateRow, allow, judged, noticed, within
from toolkit.tensors.signature import Signature

BY = limits()
OTHER = SCORES[::-1].copy()
OLD = release()
RETRAINED = {"source_sha256": "f" * 64, "outputs_digest": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("said", "status"), [("passed", "passed"), ("failed", "failed"), ("inconclusive", "inconclusive")]
)
def test_the_verdict(said, status):
    because = "what did not pass by itself does not ship, whatever the last release was"

    assert facts.verdict(release(verdict=said)) == GateRow("verdict", None, said, "passed", status, because)


def test_types_and_scales():
    before = release(signature=Signature("", (spec("image"), spec("mask")), (spec("scores", "int8", 0.5, 3),)))
    now = release(signature=Signature("", (spec("mask"), spec("image", "uint8")), (spec("scores", "int8", 0.25, 4),)))

    because = "code that calls the model gives and takes numbers of this type"
    assert list(facts.dtypes(before, now)) == [
        GateRow("input image dtype", "float32", "uint8", "float32", "failed", because),
        GateRow("input mask dtype", "float32", "float32", "float32", "passed", because),
        GateRow("output scores dtype", "int8", "int8", "int8", "passed", because),
        noticed(
            "output scores scale",
            "(0.5,) (3,)",
            "(0.25,) (4,)",
            "its scale or zero point changed: code that holds the old ones reads other numbers",
        ),
    ]


def test_a_scale_that_only_one_of_them_has_is_of_another_type():
    before = release(signature=Signature("", (), (spec("scores", "int8", 0.5, 3),)))
    now = release(signature=Signature("", (), (spec("scores"),)))

    for pair in ((before, now), (now, before)):
        assert [row.what for row in facts.dtypes(*pair)] == ["output scores dtype"]


@pytest.mark.parametrize(("size", "status"), [(1051, "passed"), (1052, "failed"), (500, "passed")])
def test_a_file_may_grow_by_a_twentieth_rounded_down(size, status):
    (row,) = facts.sizes(OLD, release(size_bytes=size), BY)

    assert row == GateRow("size_bytes", 1001, size, 1051, status, BY.size_bytes.because, "lower")


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (10.0, 10.5, GateRow("latency_ms", 10.0, 10.5, 10.5, "passed", BY.latency_ms.because, "lower")),
        (10.0, 10.6, GateRow("latency_ms", 10.0, 10.6, 10.5, "failed", BY.latency_ms.because, "lower")),
        (10.0, None, GateRow("latency_ms", 10.0, None, 10.5, "failed", BY.latency_ms.because, "lower")),
        (None, 10.0, noticed("latency_ms", None, 10.0, "measured for the first time")),
    ],
)
def test_the_time_of_a_call(was, now, expected):
    _, row = facts.sizes(release(latency_ms=was), release(latency_ms=now), BY)

    assert row == expected


def timed(low, high, place="board", *, disturbed=False):
    return release(latency_ms=(low + high) / 2, latency=LatencyRecord(low, high, place, disturbed))


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (timed(9.5, 10.5), "passed"),  # all of it within the twentieth
        (timed(9.0, 10.6), "inconclusive"),  # its slowest is beyond, its fastest is not
        (timed(11.0, 12.0), "inconclusive"),  # may be as slow as the last release may have been, and a twentieth
        (timed(11.6, 12.0), "failed"),
        (timed(11.6, 12.0, disturbed=True), "inconclusive"),  # other programs' time is in it
        (timed(9.0, math.inf), "inconclusive"),  # nothing bounds it
        (timed(1.0, 1.1, "another board"), "noticed"),
        (timed(90.0, 99.0, "another board"), "noticed"),
    ],
)
def test_latencies_are_compared_by_their_intervals_and_only_of_one_place(now, status):
    """The last release: 9 to 11 ms, the median 10."""
    _, row = facts.sizes(timed(9.0, 11.0), now, BY)

    assert row.status == status


def test_the_interval_of_a_latency_comes_back_from_a_file():
    for record in (LatencyRecord(1.0, 2.0, "board"), LatencyRecord(0.0, math.inf, "board", disturbed=True)):
        assert LatencyRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_findings():
    """Those that are no mere information are counted; what was information has not been looked at as what it is now."""
    before = release(
        findings={
            "less": CodeCount("info", 3),
            "grave": CodeCount("info", 2),
            "more": CodeCount("warning", 1),
            "told": CodeCount("info", 1),
        }
    )
    now = release(
        findings={
            "less": CodeCount("info", 3),
            "news": CodeCount("info", 1),
            "told": CodeCount("info", 2),
            "first": CodeCount("error", 1),
            "grave": CodeCount("warning", 2),
            "more": CodeCount("warning", 2),
        }
    )

    because = "the finding was not in the last release, so nobody has reviewed it"
    assert list(facts.findings(before, now)) == [
        noticed("finding news", 0, 1, "new, for information"),
        noticed("finding told", 1, 2, "new, for information"),
        GateRow("finding first", 0, 1, 0, "failed", because, "lower"),
        GateRow("finding grave", 0, 2, 0, "failed", because, "lower"),
        GateRow("finding more", 1, 2, 1, "failed", because, "lower"),
    ]
    same = list(facts.findings(now, now))
    assert [(row.what, row.before, row.status) for row in same] == [
        ("finding first", 1, "passed"),
        ("finding grave", 2, "passed"),
        ("finding more", 2, "passed"),
    ]


def test_bounds_and_margins():
    before = release(
        comparisons=(
            bound("kernels", "sqnr_db", 32.0, 15.0),
            bound("device", "sqnr_db", 32.0, 15.0),
            bound("total", "sqnr_db", 30.0, 12.0),
            bound("total", "max_abs", 0.25, 1.5, "lower", "range"),
            bound("total", "snr_db", "inf", 12.0),
            bound("total", "psnr_db", "inf", 12.0),
            bound("total", "cosine", 0.99, 0.9, unit="fraction"),
        )
    )
    now = release(
        comparisons=(
            bound("device", "sqnr_db", 1.0, 14.0),
            bound("total", "sqnr_db", 20.0, 12.0),
            bound("total", "max_abs", 0.875, 1.5, "lower", "range"),
            bound("total", "snr_db", 60.0, 12.0),
            bound("total", "psnr_db", "inf", 12.0),
            bound("total", "cosine", "nan", 0.95, unit="fraction"),
        )
    )

    gone = "its bound is no longer held"
    looser = "a looser bound lets through what the last release was held to"
    rows = list(facts.comparisons(before, now, BY))
    margin = rows.pop(-1)
    assert rows == [
        GateRow("bound kernels scores sqnr_db", "15", "gone", "15", "failed", gone),
        GateRow("bound device scores sqnr_db", 15.0, 14.0, 15.0, "failed", looser, "higher"),
        GateRow("bound total scores sqnr_db", 12.0, 12.0, 12.0, "passed", looser, "higher"),
        GateRow("total scores sqnr_db", 30.0, 20.0, 21.0, "failed", BY.margin.because, "higher"),
        GateRow("bound total scores max_abs range", 1.5, 1.5, 1.5, "passed", looser, "lower"),
        GateRow("total scores max_abs range", 0.25, 0.875, 0.875, "passed", BY.margin.because, "lower"),
        GateRow("bound total scores snr_db", 12.0, 12.0, 12.0, "passed", looser, "higher"),
        noticed("total scores snr_db", float("inf"), 60.0, "it was equal to the original bit by bit, and no longer is"),
        GateRow("bound total scores psnr_db", 12.0, 12.0, 12.0, "passed", looser, "higher"),
        GateRow("bound total scores cosine", 0.9, 0.95, 0.9, "passed", looser, "higher"),
    ]
    assert (margin.what, margin.before, margin.status) == ("total scores cosine", 0.99, "failed")
    assert np.isnan(margin.now)


def test_another_scheme_says_what_was_wanted():
    """Whoever sees that it is another one sees why."""
    said = "wanted static_wi8_ai8: inconclusive (few); shipped float16"

    (row,) = facts.others(release(), release(scheme="float16", wanted=said), BY)

    assert row == noticed("scheme", "static_wi8_ai8", "float16", said)


def test_what_is_shown_only():
    before = release(tools={"gone": "1", "numpy": "2.0", "tensorflow": "2.20"})
    now = release(
        scheme="float16",
        source_sha256="0123456789",
        stage="kernels",
        tools={"new": "4", "numpy": "2.0", "tensorflow": "2.21"},
        size_bytes=500,
    )

    assert list(facts.others(before, before, BY)) == []
    assert list(facts.others(before, now, BY)) == [
        noticed("scheme", "static_wi8_ai8", "float16", "quantized in another way"),
        noticed("source", "aaaaaaaa", "01234567", "the original is another"),
        noticed("stage", "device", "kernels", "the outputs are of another last stage"),
        noticed("tool gone", "1", None, "another version"),
        noticed("tool new", None, "4", "another version"),
        noticed("tool tensorflow", "2.20", "2.21", "another version"),
        noticed("size_bytes halved", 1001, 500, BY.suspicious.because),
        noticed(
            "artifact is the same",
            "bbbbbbbb",
            "bbbbbbbb",
            "the original changed, but the artifact is the same file: was the new one built?",
        ),
    ]
    assert "size_bytes halved" not in [row.what for row in facts.others(before, release(size_bytes=501), BY)]
    assert "size_bytes halved" in [row.what for row in facts.others(release(size_bytes=1000), now, BY)]
    rebuilt = release(source_sha256="0" * 64, artifact_sha256="1" * 64)
    assert [row.what for row in facts.others(before, rebuilt, BY) if "artifact" in row.what] == []


def test_labels_that_are_gone():
    (row,) = behaviour.tasks(OLD, release(labels_digest=None), BY, same=False)

    because = "the labels are missing, and without them nothing shows that it is as good as before"
    assert row == GateRow("task top_k_accuracy", 0.95, None, None, "failed", because, "higher")


def of_a_task(before, now, *, same=False):
    return list(behaviour._of_a_task(before, now, BY, same=same))


def test_a_score_may_drop_to_where_more_cannot_be_ruled_out():
    (row,) = of_a_task(accuracy(10), accuracy(10))

    assert (row.what, row.before, row.now, row.better) == ("task top_k_accuracy", 0.95, 0.95, "higher")
    assert row.limit == pytest.approx(0.90)
    assert row.because == BY.task.because
    assert row.detail.startswith("drop [")
    assert ": certain <= 0.01, possible <= 0.05; " in row.detail


def test_an_error_may_rise_by_a_share_of_what_it_was():
    """It has no ends: a mean of 4 may become 4.2, and 2.4 would look too good."""
    rows = np.random.default_rng(3).uniform(3, 5, COUNT)
    rows *= 4 / rows.mean()
    before, better = TaskRecord("mse", "lower", tuple(rows)), TaskRecord("mse", "lower", tuple(rows * 0.8))

    (same,) = of_a_task(before, before)
    good, suspicious = of_a_task(before, better)

    assert (same.before, same.status) == (pytest.approx(4), "passed")
    assert same.limit == pytest.approx(4.2)
    assert "certain <= 0.04, possible <= 0.2" in same.detail
    assert (good.status, good.now) == ("passed", pytest.approx(3.2))
    assert (suspicious.before, suspicious.now) == (pytest.approx(4), pytest.approx(3.2))
    assert suspicious == noticed("task mse", suspicious.before, suspicious.now, BY.suspicious.because)
    slightly = TaskRecord("mse", "lower", tuple(rows * 0.97))
    assert [row.status for row in of_a_task(before, slightly)] == ["passed"]


def test_the_same_file_needs_no_more_samples():
    few = TaskRecord("top_k_accuracy", "higher", (1, 1, 0))

    (same,), (other,) = of_a_task(few, few, same=True), of_a_task(few, few)

    assert (same.status, same.detail) == ("passed", "the same file with the same outputs")
    assert other.status == "inconclusive"


def test_the_same_outputs():
    same, because = "outputs are the same", "bit for bit the same outputs for every sample"
    passed = GateRow("outputs", "eeeeeeee", "eeeeeeee", None, "passed", because)

    assert list(behaviour.outputs(OLD, OLD, same=True)) == [passed]
    assert list(behaviour.outputs(OLD, OLD, same=False)) == [
        passed,
        noticed(same, None, None, "though the artifact is another file"),
    ]
    other = release(source_sha256="f" * 64)
    why = "the original changed, but the outputs are the same: was the new one built?"
    assert list(behaviour.outputs(OLD, other, same=False)) == [passed, noticed(same, None, None, why)]


def test_other_outputs_are_held_by_the_bounds_of_the_total():
    """Those that were not on the total, and those on what is no difference of outputs, are left out."""
    before = release(
        comparisons=(
            bound("device", "sqnr_db", 30.0, 500.0),
            bound("total", "max_abs", 0.0, 1.0, "lower", "noise"),
            bound("total", "max_abs", 0.1, 9.0, "lower", "lsb"),
            bound("total", "top_k_accuracy", 0.0, 0.1, "lower", "drop") | {"output": "*"},
            bound("total", "topk_agreement:k=2", 1.0, 0.5, unit="fraction"),
        ),
        noise={"repeat": {"scores": 0.25}},
        tasks=(),
    )
    moved = release(outputs=Held(SCORES + np.float32(0.2)), outputs_digest="0123456789")

    of_noise, of_k, silent = behaviour.outputs(before, moved, same=False)

    stands = "the last release stands for the original"
    assert of_noise == GateRow(
        "outputs scores max_abs noise",
        None,
        pytest.approx(0.8, rel=1e-3),
        1.0,
        "passed",
        f"{stands}: why max_abs",
        "lower",
        "200 samples",
    )
    assert (of_k.what, of_k.now, of_k.status) == ("outputs scores topk_agreement:k=2", 1.0, "passed")
    why = "its bound does not apply to what a baseline file keeps of it, or to its type"
    assert silent == noticed("outputs scores max_abs lsb", None, None, why)


def test_outputs_of_a_retrained_original_are_shown_and_judged_only_where_they_are_broken():
    before = release(comparisons=(bound("total", "sqnr_db", 30.0, 12.0),))
    other, broken = release(outputs=Held(OTHER), **RETRAINED), release(outputs=Held(OTHER * np.nan), **RETRAINED)

    (shown,), rows = behaviour.outputs(before, other, same=False), list(behaviour.outputs(before, broken, same=False))

    assert shown.now < 0
    why = "the original changed, so its outputs did too; the task metric judges them"
    assert shown == noticed("outputs scores sqnr_db", None, shown.now, why)
    assert "failed" in [row.status for row in rows]


def test_outputs_are_compared_as_far_as_both_have_them():
    before = release(outputs=Held(SCORES[:150]), comparisons=(bound("total", "max_abs", 0.0, 1.0, "lower", "real"),))

    for count, samples in ((COUNT, 150), (100, 100)):
        then = dataclasses.replace(before, count=count)
        (row,) = behaviour.outputs(then, release(outputs=Held(SCORES * 1.001), outputs_digest="0"), same=False)
        assert (row.status, row.detail) == ("passed", f"{samples} samples")


def test_outputs_that_cannot_be_judged():
    still = release(outputs=Held(SCORES * 0), comparisons=(bound("total", "sqnr_db", 30.0, 12.0),))

    (row,) = behaviour.outputs(still, release(outputs_digest="0"), same=False)

    assert (row.what, row.before, row.now, row.limit, row.status) == ("outputs", None, None, None, "inconclusive")
    assert row.because.startswith("cannot be judged: output 'scores': the original gives 0 for all 200 samples")


ROWS = [
    judged("size_bytes", 10, 20, 15, "too large"),
    judged("latency_ms", 1.0, 1.0, 1.0, "as it was"),
    noticed("scheme", "a", "b", "another"),
]


def test_an_allowance_of_nothing_names_what_there_is():
    with pytest.raises(UnknownName) as caught:
        allow(ROWS, [Allowance(what="schema", to=1, because="x")])

    assert caught.value.problem.startswith("allowance of 'schema'")
    assert "scheme" not in f"{caught.value.problem}{caught.value.hint}"  # which is judged by nothing
    assert "size_bytes" in f"{caught.value.problem}{caught.value.hint}"
    assert "an allowance that matches nothing" in (
        caught.value.problem,
        *str(caught.value.hint).split("\n"),
    )


@pytest.mark.parametrize(
    ("value", "limit", "better", "kept"),
    [
        (1, 1, "lower", True),
        (1, 1, "higher", True),
        (2, 1, "lower", False),
        (1, 2, "higher", False),
        ("a", "a", None, True),
        ("a", "b", None, False),
        ("a", "a", "lower", False),
        ("a", 1, None, False),
        ("a", 1, "lower", False),
        (1, "a", "lower", False),
        (None, 1, "lower", False),
        (1, None, "lower", False),
        (1, None, "higher", False),
        (1, 1, None, False),
        (float("nan"), 1, "lower", False),
        (1, float("nan"), "higher", False),
    ],
)
def test_which_values_keep_which_limits(value, limit, better, kept):
    assert within(value, limit, better) is kept


def test_an_allowance_of_the_verdict_says_where_bounds_are():
    with pytest.raises(RequestError) as caught:
        allow(ROWS, [Allowance(what="verdict", to="failed", because="x")])

    said = "allowance of 'verdict': nothing ships that did not pass; bounds are set in the profile"
    assert caught.value.problem == said


def test_rows_with_what_is_allowed():
    size, latency, shown = ROWS
    both = [
        Allowance(what="size_bytes", to=20, because="it is larger"),
        Allowance(what="latency_ms", to=2, because="y"),
    ]

    assert allow(ROWS, both) == (
        dataclasses.replace(size, status="allowed", because="it is larger", detail="else: too large"),
        latency,
        shown,
        noticed("allowance of latency_ms", None, 2, "this allowance is not needed (any more): y"),
    )


# ---- samples that were lost


def lost_rows(then, now, truth=None, metric="top_k_accuracy"):
    pair = [TaskRecord(metric, "higher", tuple(rows)) for rows in (then, now)]
    return list(losses(*pair, truth, BY))


def hits(count, wrong):
    return [int(place not in wrong) for place in range(count)]


@pytest.mark.parametrize(
    ("lost", "won", "status"),
    [(12, 1, "failed"), (8, 0, "failed"), (5, 0, "passed"), (12, 6, "passed"), (0, 9, "passed")],
)
def test_a_loss_that_is_no_chance_fails_however_small_the_drop(lost, won, status):
    """12 of 500 are 2.2 points on balance, which the margin of a drop leaves open."""
    then, now = hits(500, set(range(won))), hits(500, set(range(100, 100 + lost)))

    (row,) = lost_rows(then, now)

    assert (row.what, row.before, row.now, row.status) == ("lost top_k_accuracy", 0, lost - won, status)
    assert (row.now <= row.limit) == (status == "passed")
    assert row.because == BY.loss.because
    assert f"{lost} lost, {won} won, p = " in row.detail


def test_a_class_that_lost_recall_is_named():
    """A rare class of six, none of which is found any more, among 463 samples: 1.3 points."""
    truth = np.array([1] * 6 + [0] * 457)

    overall, rare = lost_rows(hits(463, ()), hits(463, range(6)), {"labels": truth})

    assert (overall.what, overall.status) == ("lost top_k_accuracy", "passed")
    assert (rare.what, rare.now, rare.limit, rare.status) == ("lost top_k_accuracy class 1", 6, 5, "failed")
    assert rare.detail == "6 of 6 right, now 0: 6 lost, 0 won, p = 0.0312, 2 classes at once"
    assert rare.because == BY.recall.because


def test_one_sample_of_each_class_is_chance():
    truth = np.arange(200) % 10

    rows = lost_rows(hits(200, ()), hits(200, range(5)), {"labels": truth})

    assert [row.status for row in rows] == ["passed"] * 6
    assert [row.what for row in rows[1:]] == [f"lost top_k_accuracy class {one}" for one in range(5)]


def test_classes_are_those_of_the_target_that_the_metric_reads():
    truth = {"shape": np.arange(40) % 2, "colour": np.arange(40) // 20}

    rows = lost_rows(hits(40, ()), hits(40, range(9)), truth, "top_k_accuracy:output=colour")

    assert [row.what for row in rows][1:] == ["lost top_k_accuracy:output=colour class 0"]
    assert rows[1].status == "failed"


def test_classes_are_those_of_a_one_in_a_row_too():
    truth = {"labels": np.eye(2)[np.arange(40) % 2]}

    rows = lost_rows(hits(40, ()), hits(40, range(0, 20, 2)), truth)

    assert [(row.what, row.now, row.status) for row in rows[1:]] == [("lost top_k_accuracy class 0", 10, "failed")]


def test_f1_tells_classes_by_itself():
    then = [[[place % 2], [place % 2]] for place in range(40)]
    now = [[[place % 2], [0]] for place in range(40)]

    (row,) = lost_rows(then, now, metric="f1")

    assert (row.what, row.now, row.status) == ("lost f1 class 1", 20, "failed")


def test_errors_have_no_hits_to_lose():
    assert lost_rows([0.1, 0.2], [0.3, 0.4], {"labels": np.array([0, 1])}, "mse") == []
    assert len(lost_rows([1, 1], [1, 0], {"labels": [np.zeros(2), np.zeros(3)]})) == 1


# ---- who runs it, and in which order


def test_another_version_of_the_runtime_has_to_be_allowed():
    before, now = release(engine="litert 2.2.0"), release(engine="litert 2.3.0")

    (row,) = facts.runtime(before, now)

    assert (row.what, row.before, row.now, row.limit, row.status) == (
        "runtime",
        "litert 2.2.0",
        "litert 2.3.0",
        "litert 2.2.0",
        "failed",
    )
    (allowed,) = allow([row], [Allowance(what="runtime", to="litert 2.3.0", because="the app has it since May")])
    assert allowed.status == "allowed"
    assert list(facts.runtime(release(), now)) == []


def test_another_order_of_outputs_has_to_be_allowed():
    before, now = (
        release(order={"inputs": ["image"], "outputs": names}) for names in (["boxes", "scores"], ["scores", "boxes"])
    )

    rows = list(facts.runtime(before, now))

    assert [(row.what, row.status) for row in rows] == [("inputs order", "passed"), ("outputs order", "failed")]
    assert (rows[1].before, rows[1].now) == ("boxes, scores", "scores, boxes")
    assert list(facts.runtime(release(), now)) == []


def test_what_a_bound_that_promises_nothing_held_is_no_margin():
    """One that is there for whatever is scored; the paired tests say what came of it."""
    silent = bound("total", "top_k_accuracy", 0.0, 0.02, "lower", "drop") | {"output": "*", "undecided": "passed"}

    assert list(facts.comparisons(release(comparisons=(silent,)), release(), BY)) == []
