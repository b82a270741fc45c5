"""An original that does not know its samples, by their labels: it is near chance, or gives nearly all of them the same answer.

An artifact that agrees with it is as bad, so agreement shows nothing. Usually the samples of both sides were not prepared like those of the training,
or the labels belong to other samples. Chance means the same answers and labels in random order. So an imbalanced set needs more hits than the share
of its largest class, and one hit in a rare class tells more than many in the common one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Answer, Judged, Real, Side, Values
from toolkit.samples.lints._answers import OriginalDecisions, Whole, are_shares, decisions, kept_of, numbers_of, whole
from toolkit.samples.lints._tests import binomial_tail, correlation_tail, hypergeometric_tail, sign_tail

LOOKS_AT = "answers"
CODES = ("constant-answers", "chance-answers", "labels-misfit", "renumbered-labels")
_LISTED = 4
_PREPARE = "prepare the samples as those of the training: look at `scale`, `mean` and `std` under [preprocess] first, then at the order of the labels"


@dataclass(frozen=True)
class Limits:
    """`level`: a probability below it is not chance. `samples`: fewer samples show nothing.

    `same`: an answer is constant if at least this share of samples has it, and the share of its class in the labels is smaller by `gap`.
    """

    level: float
    samples: float
    same: float
    gap: float


def applies(one: Answer) -> str | None:
    """Return why this check does not compare an answer of several axes with labels; None for other answers."""
    return None if one.is_row else "an answer of several axes is not compared with labels"


def measure(values: Values, one: Answer) -> Real:
    """Return the numbers that are kept of an answer: see `toolkit.samples.lints._answers`."""
    return kept_of(values, one)


def judge(one: Answer, verification: Side, limits: Limits) -> Judged:
    """Return an error for one answer to all samples, and inconclusive findings where answers and labels are unrelated."""
    if verification.labels is None:
        return "the samples have no labels"
    if len(verification.rows) < limits.samples:
        return f"fewer than {limits.samples:g} samples show nothing about chance"
    found = decisions(one, verification)
    if isinstance(found, OriginalDecisions) and found.truth is not None:
        return _of_decisions(found, found.truth, limits)
    real = _real_labels(one, verification)
    if real is not None:
        return _of_numbers(numbers_of(verification), real, limits)
    return _misfit(one, verification) or str(found)


def _of_decisions(found: OriginalDecisions, truth: Whole, limits: Limits) -> list[Finding]:
    count, right = len(truth), int((found.said == truth).sum())
    kinds, times = np.unique(found.said, return_counts=True)
    most = int(times.argmax())
    share, there = float(times[most]) / count, float((truth == kinds[most]).mean())
    numbers = {"accuracy": right / count, "share": share, "labels_share": there, "samples": count}
    if share >= limits.same and share - there >= limits.gap and found.sure:
        message = (
            f"the original answers {kinds[most]} for {times[most]} of {count} samples, and {there:.0%} of the labels are that "
            f"(accuracy {right / count:.3g}): by [preprocess] the samples are prepared differently from the training samples"
        )
        return [Finding("constant-answers", "error", message, _PREPARE, facts=numbers)]
    chance = float(sum((found.said == each).mean() * (truth == each).mean() for each in kinds))
    if len(np.unique(truth)) == 1:
        return []
    if _by_chance(found.said, truth, right, chance) <= limits.level:
        return _renumbered(found.said, truth, limits, numbers)
    message = (
        f"the original is right for {right} of {count} samples, and would be for about {chance * count:.0f} with shuffled labels: "
        f"agreeing with it shows nothing{_other_numbering(found.said, truth)}"
    )
    return [Finding("chance-answers", "inconclusive" if found.sure else "warning", message, _PREPARE, facts=numbers)]


def _renumbered(said: Whole, truth: Whole, limits: Limits, numbers: Mapping[str, float]) -> list[Finding]:
    """Return a warning where another numbering of the labels' classes certainly makes far more answers right."""
    better = _other_numbering(said, truth)
    if not better:
        return []
    read = _numbering(said, truth)
    given = np.array([read[int(each)] for each in truth]) == said
    more, less = int((given & (said != truth)).sum()), int((~given & (said == truth)).sum())
    tail = sign_tail(more, less)
    if tail > 0 and math.log(tail) + math.lgamma(len(read) + 1) > math.log(limits.level):
        return []
    message = f"the original is right for {int((said == truth).sum())} of {len(truth)} samples{better}: the labels seem to have another order"
    fix = "give the order in which the model numbers its classes: `classes` under [reader], or the labels numbered so"
    return [Finding("renumbered-labels", "warning", message, fix, facts=numbers)]


def _by_chance(said: Whole, truth: Whole, right: int, chance: float) -> float:
    """Return the smaller of two exact p-values: of all hits, and of the most significant class (Bonferroni over classes)."""
    classes = np.intersect1d(said, truth)
    each = [
        hypergeometric_tail(
            int(((said == one) & (truth == one)).sum()), len(truth), int((truth == one).sum()), int((said == one).sum())
        )
        for one in classes
    ]
    return min(binomial_tail(right, len(truth), chance), len(classes) * min(each, default=1.0))


def _numbering(said: Whole, truth: Whole) -> dict[int, int]:
    """Return {class of the labels: the most frequent answer}."""
    return {int(one): int(np.bincount(said[truth == one]).argmax()) for one in np.unique(truth) if (said >= 0).all()}


def _other_numbering(said: Whole, truth: Whole) -> str:
    """Return in words the other numbering of classes that most answers agree with; "" if there is none."""
    read = _numbering(said, truth)
    kept = float(np.mean([read.get(int(true)) == given for true, given in zip(truth, said, strict=True)]))
    if kept <= 0.5 or len(set(read.values())) < len(read) or all(true == given for true, given in read.items()):
        return ""
    changed = [f"{true} as {given}" for true, given in read.items() if true != given]
    listed = ", ".join([*changed[:_LISTED], *(["…"] if len(changed) > _LISTED else [])])
    return f"; with another numbering of the classes ({listed}) it would be right for {kept:.0%}"


def _misfit(one: Answer, side: Side) -> list[Finding]:
    """Return findings for labels that are none of the classes of certain scores: such labels cannot score anything."""
    truth = None if side.labels is None else whole(side.labels)
    if truth is None or one.whole or one.size < 2 or not are_shares(one, side):
        return []
    out = int(((truth < 0) | (truth >= one.size)).sum())
    if not out:
        return []
    from_one = truth.min() == 1 and truth.max() == one.size
    hint = ": they seem to begin at 1, and classes begin at 0" if from_one else "; of another output they may be right"
    there = f"{out} of {len(truth)} labels are none of the classes 0 to {one.size - 1} ({truth.min()} to {truth.max()} there)"
    message = f"{there}{hint}; nothing is scored by them"
    fix = "number classes from 0, in the order of the scores; where several outputs have labels, name each target after its output"
    return [Finding("labels-misfit", "warning" if from_one else "info", message, fix, facts={"out": out})]


def _real_labels(one: Answer, side: Side) -> Real | None:
    """Return labels (n, numbers) that are real numbers of the answer's own axes; None for others."""
    labels = side.labels
    assert labels is not None
    if one.whole or labels.dtype.kind != "f" or numbers_of(side).shape[1] == 0:
        return None
    if [size for size in labels.shape[1:] if size != 1] != [size for size in one.shape if size != 1]:
        return None
    flat = labels.reshape(len(labels), -1).astype(np.float64)
    return flat if len(np.unique(flat)) > 2 else None  # two values are yes and no as numbers


def _of_numbers(said: Real, truth: Real, limits: Limits) -> list[Finding]:
    columns = [place for place in range(truth.shape[1]) if (truth[:, place] != truth[0, place]).any()]
    tails = [correlation_tail(said[:, place], truth[:, place]) for place in columns]
    if not columns or len(columns) * min(tails) <= limits.level:
        return []
    why = f"(p = {min(tails):.2g}): agreeing with it shows nothing"
    message = f"the original's numbers have nothing to do with the labels of {len(truth)} samples {why}"
    return [
        Finding("chance-answers", "inconclusive", message, _PREPARE, facts={"samples": len(truth), "p": min(tails)})
    ]
