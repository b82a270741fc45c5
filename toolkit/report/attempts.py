"""The schemes that were tried for a target, each with the reason for its outcome."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.comparison.wording import limit_text, value_text
from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.report.wording import OUTCOMES
from toolkit.verdict.verdict import Attempted, NextStep, Verdict

if TYPE_CHECKING:
    from toolkit.comparison.compare import Comparison
    from toolkit.report.documents import AttemptRow, NextRow, WantedRow

_ANOTHER = ("nothing-quantized", "another-scheme")


def wanted_lines(verdict: Verdict) -> list[str]:
    """Return the first lines of a report: the preferred scheme if it did not ship, the schemes tried after it, and the next command."""
    step = verdict.next_step
    return tried_lines(verdict) + ([] if step is None else [f"next: {command_text(step)}", f"      {step.why}"])


def command_text(step: NextStep) -> str:
    """Return a command to paste. A command that is too long for a line is not shown, because half of it would be a different command."""
    if len(step.command) < printable.LONGEST_LINE:
        return step.command
    return f"a command of {len(step.command)} characters, which the JSON report has"


def tried_lines(verdict: Verdict) -> list[str]:
    """Return the preferred scheme if it did not ship, the schemes that were tried after it, and how the file was rewritten for its runtime."""
    lines = [] if verdict.wanted is None else [_wanted_text(verdict.wanted, verdict)]
    others = [attempt for attempt in verdict.attempts[1:] if attempt.outcome is not None]
    return [*lines, *(f"then {_attempt_text(attempt, verdict)}" for attempt in others), *_rewritten_lines(verdict)]


def _rewritten_lines(verdict: Verdict) -> list[str]:
    """Return the line that says that this is not the file that was made or given, and what differs."""
    artifact, runtime = verdict.artifact, verdict.target.runtime
    if artifact.before is None:
        return []
    whose = "the given file" if verdict.given else "the file that was made"
    what = "ships" if verdict.passed and not verdict.given else "is judged"
    changes = printable.sentence("; ".join(artifact.rewritten))  # they hold names of inputs and outputs
    return [f"{whose} was rewritten for {runtime.name} {runtime.version}, and that file {what}: {changes}"]


def wanted_json(verdict: Verdict) -> WantedRow | None:
    """Return the preferred scheme, its result, and the scheme that shipped instead (null: none), also in words; None if it is this one."""
    wanted = verdict.wanted
    if wanted is None:
        return None
    shipped = verdict.artifact.scheme if verdict.passed else None
    return {**attempt_json(wanted, verdict), "shipped": shipped, "text": _wanted_text(wanted, verdict)}


def attempt_json(attempt: Attempted, shown: Verdict) -> AttemptRow:
    """Return the result of one scheme: its outcome, the actual scheme of its file, and the comparison, finding or error that decided."""
    outcome = attempt.outcome or shown
    if isinstance(outcome, EdgeToolkitError):
        return {
            "scheme": attempt.scheme,
            "outcome": "error",
            "keeps": None,
            "guilty_stage": None,
            "deciding": None,
            "reason": outcome.problem,
        }
    comparison = deciding_comparison(outcome)
    return {
        "scheme": attempt.scheme,
        "outcome": outcome.outcome,
        "keeps": outcome.artifact.scheme,
        "guilty_stage": outcome.guilty_stage,
        "deciding": None if comparison is None else comparison.to_json(),
        "reason": reason_text(outcome),
    }


def next_json(verdict: Verdict) -> NextRow | None:
    """Return the command to run next, and why; None if nothing is open."""
    step = verdict.next_step
    return None if step is None else {"why": step.why, "command": step.command}


def deciding_comparison(verdict: Verdict) -> Comparison | None:
    """Return the comparison that kept a verdict from passing, or None.

    It is the first that failed (of the guilty stage, if any did there), else the inconclusive one that needs most samples.
    """
    of = [each for each in verdict.comparisons if each.status == "failed"]
    if of:
        return next((each for each in of if each.stage == verdict.guilty_stage), of[0])
    if verdict.outcome == "failed":  # a finding or a budget failed
        return None
    still_open = [each for each in verdict.comparisons if each.status == "inconclusive"]
    return max(still_open, key=lambda each: each.samples_needed or math.inf, default=None)


def deciding_text(comparison: Comparison) -> str:
    """Return a comparison as part of a sentence: the measured value, the limit, and how many samples would settle it."""
    stage = "" if comparison.stage == "total" else f"{comparison.stage}: "
    text = f"{stage}{comparison.metric} of `{comparison.output}` {value_text(comparison)}, expected {limit_text(comparison)}"
    return text + (f"; about {comparison.samples_needed} samples would settle it" if comparison.samples_needed else "")


def _wanted_text(wanted: Attempted, verdict: Verdict) -> str:
    scheme = verdict.artifact.scheme
    came_out = f"shipped {scheme}" if verdict.passed else f"nothing passed: this report is of {scheme}"
    return f"wanted {_attempt_text(wanted, verdict)}; {came_out}"


def _attempt_text(attempt: Attempted, shown: Verdict) -> str:
    outcome = attempt.outcome or shown
    if isinstance(outcome, EdgeToolkitError):
        return f"{attempt.scheme}: {' '.join(outcome.problem.split())}"
    if outcome.artifact.is_another:
        return f"{attempt.scheme}: {reason_text(outcome)}"
    return f"{attempt.scheme}: {OUTCOMES[outcome.outcome].lower()} ({reason_text(outcome)})"


def reason_text(verdict: Verdict) -> str:
    """Return why a verdict did not pass, or that another scheme came out; "" if there is nothing to explain."""
    if verdict.artifact.is_another:
        said = _first_message(verdict, lambda finding: finding.code in _ANOTHER)
        return said or f"{verdict.artifact.scheme} came out"
    comparison = deciding_comparison(verdict)
    if comparison is not None:
        return deciding_text(comparison)
    spent = next((each for each in verdict.budget if not each.passed), None)
    if spent is not None:
        return spent.against
    return _first_message(verdict, lambda finding: finding.is_grave)


def _first_message(verdict: Verdict, fits: Callable[[Finding], bool]) -> str:
    return next((finding.message for finding in verdict.findings if fits(finding)), "")
