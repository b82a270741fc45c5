"""A verdict on a terminal of 80 columns and 24 lines."""

from __future__ import annotations

import dataclasses

from tests.unit.verdict.judged_chains import request, stages
from toolkit import report
from toolkit.findings import Finding
from toolkit.pipeline.prepare import Samples
from toolkit.report.screen import Screen

ONE_SCREEN = 24  # lines of a terminal, as VT100 had them


def on_a_screen(verdict, **said):
    return report.verdict_text(verdict, Screen(**({"width": 80, "whole": False} | said))).splitlines()


def test_a_verdict_fits_a_screen(judged):
    """The outcome, how it was verified, the size, what decided; how much more there is is said."""
    verdict = dataclasses.replace(judged(stages()), float_bytes=32)

    lines = on_a_screen(verdict)

    assert len(lines) <= ONE_SCREEN
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["board", "model", "float32", "PASSED"]
    assert lines[1].startswith(f"  verified      {verdict.samples['verification']} samples on ")
    assert "  size          8 B, 25% of the 32 B in float32" in lines
    shown = [line.split()[0] for line in lines if line.split()[0] in ("conversion", "kernels", "total")]
    total = [each for each in verdict.comparisons if each.stage == "total"]
    assert shown == ["total"] * len(total)
    assert f"  {len(verdict.comparisons) - len(total)} more comparisons: -v shows all" in lines
    assert len(report.verdict_text(verdict).splitlines()) > len(lines)


def test_a_screen_shows_what_did_not_pass_first(judged):
    """The guilty stage, marked, before all else that failed; nothing that passed takes its place."""
    verdict = judged(stages(kernels=1))

    lines = on_a_screen(verdict)

    rows = [line for line in lines if line.split()[0] in ("conversion", "kernels", "total")]
    assert rows[0].split()[0] == verdict.guilty_stage == "kernels"
    assert "FAIL" in rows[0]
    assert "<- guilty" in rows[0]
    assert all("FAIL" in row or "INCONCLUSIVE" in row for row in rows)
    assert lines[0].endswith("NOT PASSED")


def test_a_screen_hides_no_finding_that_is_against_the_verdict(judged):
    """Of warnings the first three are shown, and the others counted; errors are shown all."""
    errors = [Finding("e", "error", f"it is broken {n}") for n in range(5)]
    warnings = [Finding("w", "warning", f"take care {n}") for n in range(5)]

    lines = on_a_screen(judged(stages(), findings=(*warnings, *errors)))

    assert [line for line in lines if "it is broken" in line] == [f"  error: it is broken {n}" for n in range(5)]
    assert [line for line in lines if "take care" in line] == [f"  warning: take care {n}" for n in range(3)]
    assert "  2 more findings: -v shows all" in lines


def test_warnings_stand_before_what_is_only_information(judged):
    """So that none is hidden behind it."""
    found = [Finding("i", "info", f"by the way {n}") for n in range(5)]

    lines = on_a_screen(judged(stages(), findings=(*found, Finding("w", "warning", "take care"))))

    told = [line for line in lines if "take care" in line or "by the way" in line]
    assert told == ["  warning: take care", "  info: by the way 0", "  info: by the way 1"]


def test_what_was_wanted_stands_on_the_screen_and_the_next_command_ends_it(shipped, tmp_path):
    """Whole, on one line: half of a command is another one."""
    verdict = request(Samples("cal set.npz", "e.toml")).after_build(shipped, tmp_path)

    lines = on_a_screen(verdict)

    assert lines[2].startswith("  wanted static_wi8_ai8: inconclusive (top1_agreement of `scores` 1")
    assert lines[-2:] == [f"  next: {verdict.next_step.command}", f"        {verdict.next_step.why}"]
    assert max(map(len, lines[:-2])) <= 80


def test_the_outcome_alone_is_in_colour(judged):
    """Green for what passed, red for what did not; without a terminal no escape at all."""
    passed, failed = judged(stages()), judged(stages(kernels=1))

    assert on_a_screen(passed, colour=True)[0].endswith("  \x1b[1;32mPASSED\x1b[0m")
    assert on_a_screen(failed, colour=True)[0].endswith("  \x1b[1;31mNOT PASSED\x1b[0m")
    assert "\x1b" not in "".join(on_a_screen(passed, colour=True)[1:] + on_a_screen(failed))
