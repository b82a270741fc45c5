"""Task metrics that are scored by default: those that the output and the labels clearly suggest.

Most task metrics fit most labels. So the output's own numbers must fit the metric, and the labels can hardly mean anything else:

    top_k_accuracy   a row of scores, and a class for each sample
    f1               probabilities, one or one for each class, and yes or no for each of them
    exact_match      whole numbers or truth values, and whole numbers of the same shape
    mean_iou         scores or a class for each pixel, and a class for each pixel
    r2               real numbers, and real numbers of the same shape that are not just two values; where the original explains anything of them
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.comparison import task_metrics
from toolkit.comparison.task_metrics import Labels, TaskMetric
from toolkit.tensors.signature import TensorSpec

_MASK_AXES = 3  # axes of labels that are a class for each pixel: samples, height, width


@dataclass(frozen=True, slots=True)
class _Usual:
    """A metric, the outputs and the labels that it is scored on, and the least score of the original if both belong together.

    `kinds` are the kinds of outputs that it is for; None among them stands for an output whose kind is unknown.
    """

    metric: str
    of: Callable[[TensorSpec], bool]
    by: Callable[[np.ndarray], bool]
    kinds: tuple[str | None, ...]
    least: float = -math.inf


def _is_whole(spec: TensorSpec) -> bool:
    """Return whether an output's numbers are whole, and not steps of real numbers."""
    return spec.is_integer and not spec.scale


def _is_map(spec: TensorSpec) -> bool:
    """Return whether an output holds a class for each pixel, or scores of several; the threshold of a single score is unknown."""
    return _is_whole(spec) or (spec.shape is not None and 1 not in (spec.shape[1:2] + spec.shape[-1:]))


def _are_whole(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "biu" or bool((labels == np.rint(labels)).all())


def _are_masks(labels: np.ndarray) -> bool:
    return labels.ndim >= _MASK_AXES and _are_whole(labels)


def _are_yes_or_no(labels: np.ndarray) -> bool:
    return bool(np.isin(labels, (0, 1)).all())


def _are_real(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "f" and len(np.unique(labels)) > 2  # yes and no as numbers have two values


_USUAL = (
    _Usual("top_k_accuracy", lambda spec: not _is_whole(spec), _are_whole, (None, "class_scores")),
    _Usual("f1", lambda spec: not _is_whole(spec), _are_yes_or_no, ("probabilities",)),
    _Usual(
        "exact_match",
        _is_whole,
        lambda labels: _are_whole(labels) and labels.ndim < _MASK_AXES,
        (None, "labels", "yes_no"),
    ),
    _Usual("mean_iou", _is_map, _are_masks, (None, "class_map", "label_map")),
    _Usual(
        "r2",
        lambda spec: not _is_whole(spec),
        _are_real,
        (None, "real_values", "boxes", "boxes_xywh", "boxes_cxcywh"),
        least=0.0,
    ),
)


def usual(
    specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]], labels: Labels, kinds: Mapping[str, str]
) -> list[tuple[TaskMetric, float]]:
    """Return the metrics to score where none is asked for, each with the least score of the original that confirms it.

    `specs` and `shapes` are of the original's outputs; a shape is that of one sample, batch axis included. `kinds` is the meaning of outputs, by
    name, where it is known.
    """
    found = []
    for each in _USUAL:
        meant = [spec for spec in specs if kinds.get(spec.name) in each.kinds]
        found += [(metric, each.least) for metric in _of(each, meant, shapes, labels)]
    return found


def _of(
    usual: _Usual, specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]], labels: Labels
) -> list[TaskMetric]:
    """Return one metric without an output's name if only one output fits, else one for each fitting output that has a target of its name."""
    found = []
    for spec in (spec for spec in specs if "," not in spec.name):  # no text of a metric can name it
        metric = task_metrics.load(f"{usual.metric}:output={spec.name}")
        if usual.of(spec) and metric.applies(shapes, labels) is None and _fit(usual, spec.name, labels):
            found.append((spec.name, metric))
    if len(found) > 1:
        found = [(name, metric) for name, metric in found if isinstance(labels, Mapping) and name in labels]
    plain = task_metrics.load(usual.metric)
    alone = len(found) == 1 and plain.applies(shapes, labels) is None
    return [plain] if alone else [metric for _, metric in found]


def _fit(usual: _Usual, output: str, labels: Labels) -> bool:
    target: Any = labels
    if isinstance(labels, Mapping):
        target = labels.get(output, next(iter(labels.values())))
    return usual.by(np.asarray(target))


def why_none(shapes: Mapping[str, Sequence[int]], labels: Labels) -> str:
    """Return in words why nothing was scored by default: each metric's reason for these outputs and labels, or that they are ambiguous."""
    reasons = [(each.metric, task_metrics.load(each.metric).applies(shapes, labels)) for each in _USUAL]
    return "; ".join(f"{metric}: {reason or 'what is meant is not certain'}" for metric, reason in reasons)
