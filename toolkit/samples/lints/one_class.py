"""Classes without any judging sample: an artifact that gets all of these classes wrong would still agree with its original.

The labels say which classes the samples show. Without labels, the original's own decisions do, if it gives class scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Answer, Judged, Real, Side, Values
from toolkit.samples.lints._answers import OriginalDecisions, decisions, kept_of

LOOKS_AT = "answers"
CODES = ("one-class", "absent-classes")
_LISTED = 12
_FIX = "verify with samples of every class that the model is to tell apart"


@dataclass(frozen=True)
class Limits:
    """`absent`: share of the classes that may be missing. `chance`: below this probability, a missing class is not a coincidence."""

    absent: float
    chance: float


def applies(one: Answer) -> str | None:
    """Return why an answer of several axes is no decision; None for other answers."""
    return None if one.is_row else "an answer of several axes is no decision about the sample"


def measure(values: Values, one: Answer) -> Real:
    """Return the numbers that are kept of an answer: see `toolkit.samples.lints._answers`."""
    return kept_of(values, one)


def judge(one: Answer, verification: Side, limits: Limits) -> Judged:
    """Return inconclusive findings for samples of one class only, and for classes that are absent although there are enough samples to hold them."""
    found = decisions(one, verification)
    if isinstance(found, str):
        return found
    if found.classes is None:
        return "how many classes there are is not known"
    shown = np.unique(found.said if found.truth is None else found.truth)
    by = "by what the original answers" if found.truth is None else "by their labels"
    if len(shown) == 1 < len(found.said):
        message = (
            f"all {len(found.said)} samples are of class {shown[0]} ({by}): nothing is known of the other "
            f"{found.classes - 1} of {found.classes} classes"
        )
        wrong = (
            "; or, if they are not, prepare them as the model was trained ([preprocess])" if found.truth is None else ""
        )
        facts = {"classes": shown.tolist(), "of": found.classes}
        return [Finding("one-class", "inconclusive", message, _FIX + wrong, facts=facts)]
    return _absent(found, shown, limits)


def _absent(found: OriginalDecisions, shown: np.ndarray, limits: Limits) -> list[Finding]:
    """If all classes are equally likely, n samples hold none of one class in (1 - 1 / classes) ** n of all cases."""
    classes, count = found.classes or 0, len(found.said)
    absent = np.setdiff1d(np.arange(classes), shown)
    if found.truth is None or not len(absent):
        return []
    chance = (1 - 1 / classes) ** count
    severity: Severity = "info"
    if chance < limits.chance:
        severity = "inconclusive" if len(absent) > limits.absent * classes else "warning"
    listed = ", ".join(map(str, absent[:_LISTED])) + (", …" if len(absent) > _LISTED else "")
    message = f"none of {count} samples is of {len(absent)} of {classes} classes ({listed}), of which nothing is known"
    facts = {"classes": absent.tolist(), "of": classes, "chance": chance}
    return [Finding("absent-classes", severity, message, _FIX, facts=facts)]
