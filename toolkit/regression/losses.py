"""Samples that the last release got right and the new one gets wrong: of the whole set, and of each class.

An allowed drop is a margin for changes that users do not notice. But a loss that is not chance is a change for the worse, however small it is. And if
the new release finds less of one class, the users of that class notice it, whatever other classes gained. Both are tested only on the samples that
changed: McNemar, Note on the sampling error of the difference between correlated proportions or percentages (Psychometrika 12, 1947).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.comparison import task_metrics
from toolkit.comparison.paired_difference import all_hits, exact_p
from toolkit.comparison.task_metrics import is_own
from toolkit.comparison.task_metrics._classes import one_hot
from toolkit.regression.record import TaskRecord
from toolkit.regression.rows import GateRow

if TYPE_CHECKING:
    from toolkit.regression.limits import GateLimits

Pair = tuple[int, int]
_OF_SETS = "f1"  # its rows are the true classes and the predicted ones


def losses(then: TaskRecord, task: TaskRecord, truth: Mapping[str, Any] | None, by: GateLimits) -> Iterator[GateRow]:
    """Yield the net number of lost samples (lost minus won) if each sample is right or wrong, and the same for each class with changes.

    `truth` are the labels by target. A row's limit is the largest net loss that chance explains, given the number of samples won.
    """
    if all_hits(then.rows) and all_hits(task.rows):
        yield _row(
            f"lost {then.metric}", list(zip(then.rows, task.rows, strict=True)), 1, by.loss.level, by.loss.because
        )
    of_classes = _by_class(then, task, truth)
    for name in sorted(of_classes):
        pairs = of_classes[name]
        if any(was != is_now for was, is_now in pairs):
            # The exact test is two-sided, but only losses count here, so its p-value may be twice the level.
            level = 2 * by.recall.level / len(of_classes)
            yield _row(f"lost {then.metric} class {name}", pairs, len(of_classes), level, by.recall.because)


def _row(what: str, pairs: Sequence[Pair], classes: int, level: float, because: str) -> GateRow:
    lost, won = sum(was > now for was, now in pairs), sum(was < now for was, now in pairs)
    most = won
    while most < len(pairs) and not exact_p(most + 1, won) < level:
        most += 1
    found = sum(was for was, _ in pairs), sum(now for _, now in pairs)
    of_classes = f", {classes} classes at once" if classes > 1 else ""
    detail = f"{found[0]} of {len(pairs)} right, now {found[1]}: {lost} lost, {won} won, p = {exact_p(lost, won):.3g}{of_classes}"
    return GateRow(what, 0, lost - won, most - won, "passed" if lost <= most else "failed", because, "lower", detail)


def _by_class(then: TaskRecord, task: TaskRecord, truth: Mapping[str, Any] | None) -> dict[int, list[Pair]]:
    """Return by class whether each of its samples was found, then and now; empty if a metric is not about classes."""
    found: defaultdict[int, list[Pair]] = defaultdict(list)
    if task.metric.partition(":")[0] == _OF_SETS and None not in (*then.rows, *task.rows):
        for (true, before), (_, now) in zip(then.rows, task.rows, strict=True):
            for one in true:
                found[one].append((int(one in before), int(one in now)))
        return found
    labels = _classes(task.metric, truth)
    if labels is not None and all_hits(then.rows) and all_hits(task.rows):
        for one, was, now in zip(labels.tolist(), then.rows, task.rows, strict=True):
            found[one].append((was, now))
    return found


def _classes(metric: str, truth: Mapping[str, Any] | None) -> np.ndarray | None:
    """Return a class for each sample, shape (n,), from the target that a metric reads; None if there is none."""
    if truth is None or is_own(metric):
        return None
    said = task_metrics.load(metric).PARAMETERS
    only = next(iter(truth)) if len(truth) == 1 else ""
    column = truth.get(str(said["labels"] or (said["output"] if said["output"] in truth else only)))
    if column is None:
        return None
    try:
        array = np.asarray(column)
    except ValueError:  # rows of different lengths
        return None
    if array.dtype.kind not in "biuf":
        return None
    named = one_hot(array, array.shape[1]) if array.ndim == 2 else None
    if named is not None or array.size != len(array):
        return named
    flat = array.reshape(-1)
    return flat.astype(np.int64) if bool((flat == np.rint(flat)).all()) else None
