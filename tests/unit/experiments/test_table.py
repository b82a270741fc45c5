"""A sweep's table: how its rows are sorted, filtered and written."""

from __future__ import annotations

import csv
import io
import math

import pytest

from tests.unit.experiments.rows_by_hand import failed, row
from toolkit.errors import RequestError, UnknownName
from toolkit.experiments import table
from toolkit.experiments.sweep_rows import marked
from toolkit.report.screen import Screen


def names(rows):
    return [each.scheme for each in rows]


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


def test_what_has_no_finite_drift_is_not_drawn():
    job = table.plot_job([row("a"), row("exact", total=None), row("noise", total=-math.inf), failed()], "net")

    assert [point["label"].split()[0] for point in job.options["points"]] == ["a"]


def test_a_row_whose_file_keeps_another_scheme_is_called_what_it_is():
    """No noise, for nothing became int8."""
    lines = table.text([row("dynamic_wi8_afp32", keeps="float32"), row("float16", keeps="float16")]).splitlines()

    assert "dynamic_wi8_afp32 (it is float32)" in lines[1]
    assert "it is" not in lines[2]
    assert row("dynamic_wi8_afp32", keeps="float32").to_json()["keeps"] == "float32"


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
