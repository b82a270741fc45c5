"""F1, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

C. J. van Rijsbergen, Information Retrieval (2nd edition, 1979), chapter 7, with beta = 1. `average` selects:

    macro     the mean of the classes' F1, over those that occur in the truth or in the answers
    micro     F1 from the counts of all classes together; with one class for each sample, that is the accuracy
    binary    F1 of class 1 alone

One score (1, 1) means class 1 if it is at least `threshold`, else class 0. A row of scores means the class of the largest, the first of equal ones.
With labels (N, C) of 0 and 1, each of the C scores is compared with `threshold` to tell whether its class is present.
"""

from __future__ import annotations

import math
from collections import Counter

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import broken, look, read
from toolkit.comparison.task_metrics._classes import SCORE_OR_SCORES, classes, is_indicator, is_row, not_classes

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {"average": "macro", "threshold": 0.5, "output": "", "labels": ""}
_AVERAGES = ("macro", "micro", "binary")


def refuse(parameters: Parameters) -> str | None:
    """Return None, or what is wrong with the average or the threshold."""
    if parameters["average"] not in _AVERAGES:
        return f"average is {parameters['average']!r}; {', '.join(_AVERAGES)} are known"
    return None if math.isfinite(float(parameters["threshold"])) else "threshold is not a finite number"


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output (1, C) of scores, with a class for each sample, or 0 or 1 for each class; else the reason."""
    found = look(outputs, labels, parameters, is_row, SCORE_OR_SCORES)
    if isinstance(found, str):
        return found
    count = math.prod(found[0])
    several = is_indicator(found[1], count)
    if parameters["average"] == "binary" and (several or count > 2):
        return f"average=binary is of two classes, these are {count}; macro and micro are of any number"
    return None if several else not_classes(found[1], max(count, 2))


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[list[list[int]] | None]:
    """Return [true classes, answered classes] for each sample; None where a score is NaN."""
    values, target = read(outputs, labels, parameters, is_row)
    scores = values.reshape(len(values), -1)
    above = scores >= float(parameters["threshold"])
    if is_indicator(target, scores.shape[1]):
        truth = [[place for place, there in enumerate(row) if there] for row in target]
        said = [[place for place, there in enumerate(row) if there] for row in above.tolist()]
    else:
        truth = [[int(each)] for each in classes(target)]
        largest = above[:, 0] if scores.shape[1] == 1 else scores.argmax(axis=1)
        said = [[int(each)] for each in largest]
    return [None if gone else [true, claimed] for gone, true, claimed in zip(broken(scores), truth, said, strict=True)]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return F1; NaN where a row is None, and where no class occurs in the truth or in the answers (for binary: class 1)."""
    if any(row is None for row in rows):
        return math.nan
    truth = Counter(each for true, _ in rows for each in true)
    said = Counter(each for _, claimed in rows for each in claimed)
    both = Counter(each for true, claimed in rows for each in claimed if each in true)
    if parameters["average"] == "micro":
        return _f1(both.total(), truth.total(), said.total())
    if parameters["average"] == "binary":
        return _f1(both[1], truth[1], said[1])
    each = [_f1(both[one], truth[one], said[one]) for one in sorted({*truth, *said})]
    return math.fsum(each) / len(each) if each else math.nan


def _f1(both: int, truth: int, said: int) -> float:
    """Return 2 TP / (2 TP + FP + FN), where truth = TP + FN and said = TP + FP."""
    return 2 * both / (truth + said) if truth + said else math.nan
