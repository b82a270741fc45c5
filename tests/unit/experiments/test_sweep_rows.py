"""The rows of a sweep: which are on the Pareto front, and the exit status."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.experiments.rows_by_hand import failed, row
from toolkit.experiments.sweep_rows import SweepRow, exit_status, marked


def front(rows):
    return {each.scheme for each in marked(rows) if each.pareto}


def test_the_front_holds_what_no_other_beats_in_both_size_and_drift():
    rows = [row("small", 100, 10.0), row("good", 900, 40.0), row("beaten", 950, 39.0), row("between", 500, 20.0)]

    assert front(rows) == {"small", "good", "between"}


def test_equal_rows_are_both_on_the_front():
    assert front([row("a", 100, 10.0), row("b", 100, 10.0)]) == {"a", "b"}


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


def test_one_that_is_as_small_and_nearer_beats_another():
    assert front([row("a", 100, 10.0), row("b", 100, 11.0)]) == {"b"}


def test_no_noise_at_all_is_nearest():
    assert front([row("exact", 100, None), row("near", 100, 90.0)]) == {"exact"}


def test_rows_are_json_even_where_nothing_but_noise_came_out():
    held = json.loads(json.dumps(row(total=-math.inf).to_json(), allow_nan=False))

    assert held["total_db"] == "-inf"


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
