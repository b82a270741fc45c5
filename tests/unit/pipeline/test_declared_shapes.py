"""One verdict of those at several sizes: never better than the gravest of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from toolkit.comparison.compare import Comparison, Judgement, Measured
from toolkit.pipeline import declared_shapes
from toolkit.verdict.chain import Judged
from toolkit.verdict.verdict import Spent, Verdict

RATES = {"passed": (0.95, (0.93, 0.97)), "inconclusive": (0.95, (0.8, 0.99)), "failed": (0.5, (0.4, 0.6))}


def verdict(outcome):
    """Return a verdict of that outcome, by one rate that is to be at least 0.9."""
    value, interval = RATES[outcome]
    of = ("total", "scores", "top1_agreement", value, 0.9, "fraction", "higher", "a test", 100)
    total = Judgement("total", (Comparison(*of, interval=interval),), (), Measured(100, ("scores",), {}, (), {}, {}))
    found = Verdict(None, None, None, {"verification": 100}, Judged((), total, {}), (), (), {}, (), (), Path())
    assert found.outcome == outcome
    return found


@pytest.mark.parametrize(
    ("outcomes", "gravest"),
    [
        (("passed", "passed", "passed"), "passed"),
        (("passed", "inconclusive", "passed"), "inconclusive"),
        (("passed", "inconclusive", "failed"), "failed"),
        (("failed", "passed", "passed"), "failed"),
    ],
)
def test_the_gravest_outcome_is_that_of_all_in_whatever_order(outcomes, gravest):
    for order in permutations(outcomes):
        found = {f"{number}x8": verdict(outcome) for number, outcome in enumerate(order)}

        whole = declared_shapes.together(found)

        assert whole.outcome == gravest
        assert whole.comparisons[0].status == gravest
        assert [finding.facts["size"] for finding in whole.findings] == list(found)
        shown = [finding.facts["size"] for finding in whole.findings if "numbers of the report" in finding.message]
        assert shown == [next(size for size, one in found.items() if one.outcome == gravest)]


def test_why_a_size_did_not_pass_is_said_in_its_line():
    whole = declared_shapes.together({"8x8": verdict("passed"), "9x9": verdict("failed")})

    assert [finding.severity for finding in whole.findings] == ["info", "error"]
    assert whole.findings[0].message == "size 8x8: passed with 100 samples"
    assert "size 9x9: not passed with 100 samples: total scores top1_agreement 0.5" in whole.findings[1].message


def test_a_budget_that_is_open_is_not_called_exceeded():
    """The median is within the limit, and the interval of what was measured is not."""
    open_ = replace(verdict("passed"), budget=(Spent("latency_ms", 4.9, 5.0, (4.5, 5.5)),))
    over = replace(verdict("passed"), budget=(Spent("latency_ms", 6.0, 5.0, (5.5, 6.5)),))

    whole = declared_shapes.together({"8x8": open_, "9x9": over})

    assert "inconclusive with 100 samples: latency_ms 4.9 [4.5, 5.5], limit 5" in whole.findings[0].message
    assert "not passed with 100 samples: latency_ms 6.0 > 5.0" in whole.findings[1].message
