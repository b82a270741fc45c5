"""A sweep's rows: which are on the Pareto front, and how they are sorted, filtered and written."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import RequestError, UnknownName
from toolkit.experiments import table
from toolkit.experiments.sweep_rows import SweepRow, exit_status, marked
from toolkit.report.screen import Screen
from toolkit.verdict.noise import decibels


def row(name="a", size=1000, total=20.0, **fields):
    """A row with a verdict; `total` is None where there is no noise."""
    given_fields = {"verdict": "passed", "drift_db": {"conversion": 90.0, "kernels": total}, **fields}
    return SweepRow("host", name, "mlir", "min_max", 100, size, total_db=total, **given_fields)


def failed(name="broken"):
    return SweepRow("host", name, "mlir", "min_max", 100, problem="ended by signal 11\nmore")


def names(rows):
    return [each.scheme for each in rows]


def front(rows):
    return {each.scheme for each in marked(rows) if each.pareto}


def test_the_front_holds_what_no_other_beats_in_both_size_and_drift():
    rows = [row("small", 100, 10.0), row("good", 900, 40.0), row("beaten", 950, 39.0), row("between", 500, 20.0)]

    assert front(rows) == {"small", "good", "between"}


def test_one_that_is_as_small_and_nearer_beats_another():
    assert front([row("a", 100, 10.0), row("b", 100, 11.0)]) == {"b"}


def test_equal_rows_are_both_on_the_front():
    assert front([row("a", 100, 10.0), row("b", 100, 10.0)]) == {"a", "b"}


def test_no_noise_at_all_is_nearest():
    assert front([row("exact", 100, None), row("near", 100, 90.0)]) == {"exact"}


def test_a_row_without_verdict_is_never_on_the_front():
    assert front([failed(), row("only", 1, 1.0)]) == {"only"}


def test_each_target_has_a_front_of_its_own():
    other = SweepRow("phone", "b", "mlir", "min_max", 100, 2000, total_db=1.0, verdict="passed")

    assert front([row("a", 100, 50.0), other]) == {"a", "b"}


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1))
def test_the_front_is_that_of_an_exhaustive_search(pairs):
    rows = [row(str(index), size, float(drift)) for index, (size, drift) in enumerate(pairs)]

    expected = {
        str(index)
        for index, (size, drift) in enumerate(pairs)
        if not any(s <= size and d >= drift and (s, d) != (size, drift) for s, d in pairs)
    }

    assert front(rows) == expected


def test_rows_are_sorted_with_the_best_first_and_the_unknown_last():
    rows = [row("low", 300, 10.0), failed(), row("high", 200, 30.0)]

    assert names(table.sorted_by(rows, "drift")) == ["high", "low", "broken"]
    assert names(table.sorted_by(rows, "size")) == ["high", "low", "broken"]


def test_the_best_score_comes_first_whichever_that_is():
    """Of an accuracy the highest, of an error the lowest."""
    scores = [("a", 0.2), ("b", 0.9), ("c", 0.5)]

    for better, order in (("higher", ["b", "c", "a"]), ("lower", ["a", "c", "b"])):
        rows = [row(name, task="t", better=better, score=score) for name, score in scores]
        assert names(table.sorted_by([failed(), *rows], "score")) == [*order, "broken"]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("drift>=20", ["good"]),
        ("size < 600", ["small"]),
        ("verdict=passed", ["small", "good"]),
        ("verdict!=passed", ["broken"]),
        ("scheme=good", ["good"]),
        ("size!=500", ["good", "broken"]),
        ("score>0", []),
    ],
)
def test_a_filter_leaves_the_rows_that_meet_it(condition, left):
    rows = [row("small", 500, 10.0), row("good", 900, 40.0), failed()]

    assert names(table.filtered(rows, [condition])) == left


def test_all_conditions_must_hold():
    rows = [row("small", 500, 10.0), row("good", 900, 40.0)]

    assert names(table.filtered(rows, ["drift>5", "size>600"])) == ["good"]


@pytest.mark.parametrize("condition", ["drift", "drift>much", "=passed"])
def test_a_condition_that_says_nothing_is_refused(condition):
    with pytest.raises(RequestError, match="--filter"):
        table.filtered([], [condition])


def test_an_unknown_column_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match="latency"):
        table.sorted_by([], "latancy")


def test_the_table_says_what_failed_and_what_was_hidden():
    text = table.text(marked([row("static", 1234, 21.25), failed()]), hidden=3)

    lines = text.splitlines()
    assert lines[1].startswith("*  host")
    assert "21.2" in lines[1]
    assert "1.23 kB" in lines[1]
    assert "no verdict" in lines[2]
    assert lines[3].strip() == "ended by signal 11"
    assert "3 rows were left out" in text


def test_csv_has_every_row_and_leaves_empty_what_was_not_measured():
    rows = [row("a", score=0.5, score_interval=(0.4, 0.6)), failed()]

    read = list(csv.DictReader(io.StringIO(table.as_csv(rows))))

    assert [each["scheme"] for each in read] == ["a", "broken"]
    assert read[0]["kernels_db"] == "20.0"
    assert read[0]["score_high"] == "0.6"
    assert read[1]["size_bytes"] == ""
    assert read[1]["problem"].startswith("ended by signal")


def test_rows_are_json_even_where_nothing_but_noise_came_out():
    held = json.loads(json.dumps(row(total=-math.inf).to_json(), allow_nan=False))

    assert held["total_db"] == "-inf"


def test_what_has_no_finite_drift_is_not_drawn():
    job = table.plot_job([row("a"), row("exact", total=None), row("noise", total=-math.inf), failed()], "net")

    assert [point["label"].split()[0] for point in job.options["points"]] == ["a"]


@pytest.mark.parametrize(("noise", "shown"), [(0.0, None), (0.01, 20.0), (math.inf, -math.inf), (1.0, 0.0)])
def test_noise_is_told_in_decibels(noise, shown):
    assert decibels(noise) == (shown if shown is None else pytest.approx(shown))


def test_a_row_whose_file_keeps_another_scheme_is_called_what_it_is():
    """No noise, for nothing became int8."""
    lines = table.text([row("dynamic_wi8_afp32", keeps="float32"), row("float16", keeps="float16")]).splitlines()

    assert "dynamic_wi8_afp32 (it is float32)" in lines[1]
    assert "it is" not in lines[2]
    assert row("dynamic_wi8_afp32", keeps="float32").to_json()["keeps"] == "float32"


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([{"verdict": "passed"}, {"verdict": None, "problem": "killed by SIGKILL", "problem_status": 3}], 0),
        ([{"verdict": "failed"}, {"verdict": "inconclusive"}], 1),
        ([{"verdict": "failed"}, {"verdict": None, "problem": "killed by SIGKILL", "problem_status": 3}], 3),
        ([{"verdict": "failed"}, {"verdict": None, "problem": "cannot be converted", "problem_status": 2}], 2),
        ([{"verdict": None, "problem": "killed by SIGKILL", "problem_status": 3}], 3),
    ],
)
def test_status_1_means_that_each_row_has_a_verdict(rows, status):
    """What is missing for a worker that was killed might have passed."""
    assert exit_status([row(**fields) for fields in rows]) == status


def test_a_sweep_fits_the_screen_and_says_what_it_left_out():
    """What is alike in all rows is said once; where that is not enough, the drift of single stages goes, and never the total or the verdict."""
    drifts = {"conversion": 140.0, "quantization": 40.0, "kernels": 39.0, "device": 39.0}
    rows = [row(name, 1000, 40.0, drift_db=drifts, verdict="passed") for name in ("static_wi8_ai8", "float16")]

    wide = table.text(rows).split("\n")
    narrow = table.text(rows, screen=Screen(80)).split("\n")
    narrower = table.text(rows, screen=Screen(50)).split("\n")

    assert wide[0].split()[-4:] == ["total", "score", "ms", "verdict"]
    assert max(map(len, wide)) > 80
    for lines in (narrow, narrower):
        assert lines[0].split()[:2] == ["scheme", "size"]
        assert "all rows: target host, quantizer mlir, estimator min_max, samples 100" in " ".join(
            " ".join(lines).split()
        )
        assert all("40.0" in line and "passed" in line for line in lines[1:3])
    assert max(map(len, narrow)) <= 80
    assert "device" in narrow[0]
    assert "device" not in narrower[0]
    assert "the drift of quantization, kernels, device by itself" in " ".join(" ".join(narrower).split())
