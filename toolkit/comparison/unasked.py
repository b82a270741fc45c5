"""Task metrics that are scored by default: those for which an output and the labels leave no doubt.

Most task metrics fit most labels, so each has to be of the output's own numbers, and of labels that can hardly be anything else:

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

_MASK_AXES = 3  # of labels that are a class for each pixel: samples, height, width


@dataclass(frozen=True, slots=True)
class _Usual:
    """A metric, the outputs that it may be of, the labels that leave no doubt, and what the original scores at least where they belong together.

    `kinds` are those of outputs that it is of, where somebody knows the kind; None of nothing else.
    """

    metric: str
    of: Callable[[TensorSpec], bool]
    by: Callable[[np.ndarray], bool]
    kinds: tuple[str | None, ...]
    least: float = -math.inf


def _is_whole(spec: TensorSpec) -> bool:
    """Return whether an output's numbers are whole by themselves, and not steps of real ones."""
    return spec.is_integer and not spec.scale


def _is_map(spec: TensorSpec) -> bool:
    """Return whether an output holds a class for each pixel, or scores of several: from where on a single score says yes is not known."""
    return _is_whole(spec) or (spec.shape is not None and 1 not in (spec.shape[1:2] + spec.shape[-1:]))


def _are_whole(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "biu" or bool((labels == np.rint(labels)).all())


def _are_masks(labels: np.ndarray) -> bool:
    return labels.ndim >= _MASK_AXES and _are_whole(labels)


def _are_yes_or_no(labels: np.ndarray) -> bool:
    return bool(np.isin(labels, (0, 1)).all())


def _are_real(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "f" and len(np.unique(labels)) > 2  # which yes and no, as numbers, are


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
    """Return the metrics to score where none is asked for, each with what the original has to score at least for it to be meant.

    `specs` and `shapes` are of the original's outputs, a shape as one sample gives it, batch axis included; `kinds` what they mean, by name, where
    somebody knows it.
    """
    found = []
    for each in _USUAL:
        meant = [spec for spec in specs if kinds.get(spec.name) in each.kinds]
        found += [(metric, each.least) for metric in _of(each, meant, shapes, labels)]
    return found


def _of(
    usual: _Usual, specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]], labels: Labels
) -> list[TaskMetric]:
    """Return one metric without a name where one output and one target are there to be meant, else one for each output with a target of its name."""
    found = []
    for spec in (spec for spec in specs if "," not in spec.name):  # which no text of a metric can name
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
    """Return in words why nothing was scored unasked: what each metric says of outputs and labels like these, or that they leave doubt."""
    reasons = [(each.metric, task_metrics.load(each.metric).applies(shapes, labels)) for each in _USUAL]
    return "; ".join(f"{metric}: {reason or 'what is meant is not certain'}" for metric, reason in reasons)
