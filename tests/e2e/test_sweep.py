"""Quantization experiments from end to end: what is in the table, what is made once, and what becomes of a variant that fails."""

from __future__ import annotations

import csv
import json
import signal
import time

import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import InvalidSamples, RequestError, UnknownName
from toolkit.experiments import table
from toolkit.experiments.sweep import Asking, sweep
from toolkit.profiles.recipe import Asked, KeepFloat, estimator
from toolkit.verbs.sweep import sweep as sweep_verb

TWO = Asking(("static_wi8_ai8", "float32"), (estimator("min_max"), estimator("percentile:percentile=99.9")))


@pytest.fixture(scope="module")
def rows(sample, digits, executor):
    """The rows of a sweep of the sample: two schemes, two estimators, all engines."""
    return sweep(Original(sample), ["host"], Samples(str(digits)), TWO, executor=executor)


def test_every_variant_is_a_row_with_all_that_was_measured(rows):
    static = [row for row in rows if row.scheme == "static_wi8_ai8"]

    assert {(row.quantizer, row.estimator) for row in static} == {
        (quantizer, text)
        for quantizer in ("mlir", "litert_quantizer")
        for text in ("min_max", "percentile:percentile=99.9")
    }
    for row in static:
        assert row.calibration_samples == 200
        assert 20_000 < row.size_bytes < 30_000
        assert set(row.drift_db) == {"source", "conversion", "quantization", "kernels"}
        assert 15 < row.total_db < 60
        assert row.score_interval[0] <= row.score <= row.score_interval[1]
        assert row.latency_ms > 0
        assert row.verdict == "passed"


def test_the_float_scheme_is_one_row_without_calibration(rows):
    (row,) = [row for row in rows if row.scheme == "float32"]

    assert (row.quantizer, row.estimator, row.calibration_samples) == (None, None, None)
    assert row.total_db is None or row.total_db > 100


def test_the_front_holds_the_nearest_and_the_smallest(rows):
    nearest = max(rows, key=lambda row: row.total_db or 1e9)
    smallest = min(row.size_bytes for row in rows)

    assert nearest.pareto
    assert any(row.pareto and row.size_bytes == smallest for row in rows)


def test_a_clipped_range_is_not_the_whole_one(rows):
    """Otherwise both rows would be the same variant under two names."""
    by_estimator = {row.estimator: row.total_db for row in rows if row.quantizer == "mlir"}

    assert len(set(by_estimator.values())) == 2


@pytest.mark.slow
def test_no_estimator_ruins_the_sample(sample, digits, executor):
    """Half of its pixels are black, which is the least value of the tensor that they are scaled to."""
    rows = sweep(
        Original(sample), ["host"], Samples(str(digits)), Asking(("static_wi8_ai8",), of=Asked(quantizer="mlir")), executor=executor
    )  # fmt: skip

    assert {row.estimator for row in rows} == {"min_max", "moving_average", "percentile", "mse", "entropy"}
    assert {row.estimator: row.verdict for row in rows if row.verdict != "passed"} == {}


def test_set_sizes_make_rows_of_their_own(sample, digits, executor):
    asking = Asking(("static_wi8_ai8",), (estimator("min_max"),), (2, 200), Asked(quantizer="mlir"))

    few, many = sweep(Original(sample), ["host"], Samples(str(digits)), asking, executor=executor)

    assert (few.calibration_samples, many.calibration_samples) == (2, 200)
    assert few.total_db < many.total_db


def test_more_samples_than_there_are_is_the_rows_own_problem(sample, digits, executor):
    asking = Asking(("static_wi8_ai8",), (estimator("min_max"),), (100, 300), Asked(quantizer="mlir"))

    enough, more = sweep(Original(sample), ["host"], Samples(str(digits)), asking, executor=executor)

    assert enough.verdict == "passed"
    assert more.verdict is None
    assert "300" in more.problem
    assert "200" in more.problem


def test_a_variant_whose_engine_is_killed_is_a_row_that_says_so(models, arrays, executor):
    """TensorFlow's converter dies of a signal on this LSTM; the float scheme beside it has its row."""
    import numpy as np

    sequences = arrays(x=np.random.default_rng(0).normal(size=(60, 10, 4)))
    asking = Asking(("static_wi8_ai8", "float32"), of=Asked(quantizer="converter"))

    rows = sweep(Original(models / "lstm"), ["host"], Samples(str(sequences)), asking, executor=executor)

    crashed, fine = rows
    assert crashed.verdict is None
    assert "SIGSEGV" in crashed.problem
    assert fine.verdict is not None
    assert not crashed.pareto


def test_an_operator_that_the_devices_runtime_has_not_is_named_in_its_row(models, vectors, executor):
    """As in a build: the board's tflite-runtime 2.14 is older than what the quantizer writes."""
    asking = Asking(("dynamic_wi8_afp32",))

    row, scaled = sweep(
        Original(models / "dense"), ["linux-x86_64-tflite-runtime"], Samples(str(vectors)), asking, executor=executor
    )

    assert row.verdict is None
    assert row.problem.startswith(
        "linux-x86_64-tflite-runtime: tflite_runtime 2.14.0 has no operator FULLY_CONNECTED version 12"
    )
    assert row.size_bytes > 0
    assert scaled.quantizer == "litert_quantizer, oscar"


BARE = """
[conversion]
inputs        = "float32"
outputs       = "float32"
integers_only = true
"""


def test_a_file_that_a_build_would_refuse_is_no_row_that_passed(models, vectors, profile, executor):
    """The board has no unit for floats; the engine on this machine runs them all the same."""
    board = profile("board", BARE, extends="cortex-m55")
    asking = Asking(("float32",))

    (row,) = sweep(Original(models / "dense"), [str(board)], Samples(str(vectors)), asking, executor=executor)

    assert row.verdict == "failed"
    (said,) = [each for each in row.findings if each.startswith("error: ")]
    assert "computes in integers only" in said


@pytest.mark.slow
def test_scaled_weights_are_a_row_of_their_own_for_each_size_of_the_set(sample, digits, executor):
    """The usual variant is one row, since it needs no set."""
    asking = Asking(("dynamic_wi4_afp32",), sizes=(20, 200))

    rows = sweep(Original(sample), ["host"], Samples(str(digits)), asking, executor=executor)

    assert [(row.quantizer, row.calibration_samples, row.verdict) for row in rows] == [
        ("litert_quantizer", None, "passed"),
        ("litert_quantizer, oscar", 20, "passed"),
        ("litert_quantizer, oscar", 200, "passed"),
    ]
    assert rows[1].total_db != rows[2].total_db


def test_without_a_calibration_set_a_row_says_what_was_not_tried(sample, digits, executor):
    asking = Asking(("dynamic_wi4_afp32",))

    usual, scaled = sweep(Original(sample), ["host"], Samples(evaluation=str(digits)), asking, executor=executor)

    assert (usual.quantizer, usual.verdict) == ("litert_quantizer", "passed")
    assert (scaled.quantizer, scaled.verdict) == ("litert_quantizer, oscar", None)
    assert scaled.problem.startswith("not tried: it needs a calibration set")


def test_a_row_whose_latency_could_not_be_measured_says_so(sample, digits, executor, monkeypatch):
    """The verdict stands: only the run that is timed failed, for which nothing is the number of calls."""
    monkeypatch.setattr("toolkit.experiments.sweep._TIMED_CALLS", -1)
    asking = Asking(("static_wi8_ai8",), (estimator("min_max"),), of=Asked(quantizer="mlir"))

    (row,) = sweep(Original(sample), ["host"], Samples(str(digits)), asking, executor=executor)

    assert row.verdict == "passed"
    assert row.latency_ms is None
    (said,) = [finding for finding in row.findings if "latency" in finding]
    assert said.startswith("warning: latency not measured: ")
    assert len(said) > len("warning: latency not measured: ")


def test_what_is_to_stay_float_and_is_not_there_is_a_row_that_names_the_closest(sample, digits, executor):
    asking = Asking(("static_wi8_ai8",), (estimator("min_max"),), of=Asked(keep_float=KeepFloat(operators=("CONV2D",))))

    rows = sweep(Original(sample), ["host"], Samples(str(digits)), asking, executor=executor)

    assert rows
    assert all("CONV_2D" in row.problem for row in rows)


def test_a_static_scheme_without_a_set_is_refused_with_what_to_write(sample, digits, executor):
    with pytest.raises(InvalidSamples) as caught:
        sweep(Original(sample), ["host"], Samples(None, str(digits)), TWO, executor=executor)

    assert "[reader]" in str(caught.value)


def test_an_unknown_scheme_is_refused_with_the_closest(sample, digits, executor):
    with pytest.raises(UnknownName, match="static_wi8_ai8"):
        sweep(Original(sample), ["host"], Samples(str(digits)), Asking(("static_wi8_ai9",)), executor=executor)


def test_a_number_of_samples_that_cannot_be_is_refused(sample, digits, executor):
    with pytest.raises(RequestError, match="--size 0"):
        sweep(Original(sample), ["host"], Samples(str(digits)), Asking(sizes=(0,)), executor=executor)


def test_the_command_writes_the_table_in_every_form(edge, sample, digits, tmp_path):
    ended = edge(
        "sweep", sample, "--target", "host", "--calibration", digits, "--scheme", "static_wi8_ai8", "--estimator", "min_max",
        "--out", tmp_path / "out", "--filter", "quantizer=mlir", "--json",
    )  # fmt: skip

    assert ended.status == 0, ended.err
    assert [row["quantizer"] for row in ended.document["rows"]] == ["mlir"]
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert written == {"format": "edge-toolkit sweep", **ended.document}
    (line,) = csv.DictReader((tmp_path / "out" / "sweep.csv").read_text().splitlines())
    assert line["size_bytes"] == str(ended.document["rows"][0]["size_bytes"])
    assert (tmp_path / "out" / "sweep.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "<svg" in (tmp_path / "out" / "sweep.svg").read_text()


def test_a_sweep_of_which_nothing_passes_ends_with_1(edge, sample, digits, profile):
    board = profile("board", 'schemes = ["static_wi8_ai8"]\n[budget]\nfile_bytes = 1000')

    ended = edge("sweep", sample, "--target", board, "--calibration", digits, "--estimator", "min_max")

    assert ended.status == 1
    assert "failed" in ended.out


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(edge, sample, digits, fresh_home):
    asked = ("--target", "host", "--calibration", digits, "--scheme", "static_wi8_ai8", "--estimator", "min_max")
    command = ("sweep", sample, *asked)
    started = edge.start(*command, home=fresh_home)
    objects = fresh_home / "store" / "objects"
    deadline = time.monotonic() + 600
    while len(list(objects.glob("*/*"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in objects.glob("*/*")}

    ended = edge(*command, "--json", home=fresh_home)

    assert ended.status == 0, ended.err
    after = {path.name: path.stat().st_mtime_ns for path in objects.glob("*/*")}
    assert before
    assert all(after[name] == modified for name, modified in before.items())


def test_rows_are_sorted_by_drift_unless_asked_otherwise(rows):
    assert table.sorted_by(rows, "drift")[0].scheme == "float32"
    assert table.sorted_by(rows, "size")[-1].scheme == "float32"


def test_the_verb_is_a_function_of_the_package():
    assert toolkit.sweep is sweep_verb
