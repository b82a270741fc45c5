"""Mean intersection over union of a segmentation: TP / (TP + FP + FN) of each class's pixels over all samples, and the mean over classes.

This is the count of the segmentation task of Pascal VOC (Everingham et al., The PASCAL Visual Object Classes Challenge: A Retrospective, IJCV 2015).
A class that is neither in the truth nor in the answers is left out of the mean. Labels are class indices of the size of the picture. Outputs are
scores (1, H, W, C) or (1, C, H, W), where the largest counts; or one score (1, H, W, 1) or (1, 1, H, W), class 1 from `threshold` on; or class
indices (1, H, W). Pixels whose label is `ignore` (often 255, "void") are left out; the default is -1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Real, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import as_array, broken, look, read

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {"threshold": 0.5, "ignore": -1.0, "output": "", "labels": ""}
_MOST_CLASSES = 1 << 16  # class indices, where no axis of scores gives their number


def refuse(parameters: Parameters) -> str | None:
    """Return None, or what is wrong with the threshold or the ignored class."""
    if not math.isfinite(float(parameters["threshold"])):
        return "threshold is not a finite number"
    ignored = float(parameters["ignore"])
    return None if ignored.is_integer() else f"ignore is {ignored:g}; expected a whole number"


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output of pixels, and a class index for each of them; else the reason."""
    found = look(outputs, labels, parameters, _is_picture, "scores (1, H, W, C) or (1, C, H, W), or classes (1, H, W)")
    if isinstance(found, str):
        return found
    shape, truth = found[0], as_array(found[1])
    if truth is None or truth.ndim < 3:
        return "the labels are not a class for each pixel: (N, H, W)"
    size = _size(truth)
    axis = _classes_axis(shape, size)
    if axis is None:
        return f"an output of shape {shape} and labels of shape {size} are not of the same pixels"
    count = max(shape[axis], 2) if axis else _MOST_CLASSES
    flat = truth.reshape(-1)
    wrong = flat[~(((flat >= 0) & (flat < count) & (flat == np.floor(flat))) | (flat == parameters["ignore"]))]
    if len(wrong):
        return f"label {wrong[0]} is none of the classes 0 to {count - 1}; ignore={wrong[0]} leaves such pixels out"
    return None if (flat != parameters["ignore"]).any() else "all pixels are ignored"


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[list[list[int]] | None]:
    """Return [class, pixels in both, in the truth, in the answer] for each class in each sample; None where a score is NaN."""
    values, target = read(outputs, labels, parameters, _is_picture)
    truth = np.asarray(target)
    axis = _classes_axis(values.shape[1:], _size(truth)) or 0
    count = max(values.shape[1 + axis], 2) if axis else _MOST_CLASSES
    return [
        None if gone else _counts(true.reshape(-1), _said(sample, axis, parameters).reshape(-1), count, parameters)
        for gone, sample, true in zip(broken(values), values, truth, strict=True)
    ]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the mean over classes; NaN where a row is None, and where no pixel counts."""
    if any(row is None for row in rows):
        return math.nan
    both: Counter[int] = Counter()
    either: Counter[int] = Counter()
    for row in rows:
        for one, common, truth, said in row:
            both[one] += common
            either[one] += truth + said - common
    return math.fsum(both[one] / either[one] for one in sorted(either)) / len(either) if either else math.nan


def _is_picture(shape: Sequence[int]) -> bool:
    return len(shape) in (3, 4) and shape[0] == 1 and 0 not in shape


def _size(truth: NDArray[Any]) -> tuple[int, ...]:
    """Return (H, W) of labels (N, H, W), (N, 1, H, W) or (N, H, W, 1)."""
    size = truth.shape[1:]
    return size if len(size) == 2 else size[1:] if size[0] == 1 else size[:-1]


def _classes_axis(shape: Sequence[int], size: tuple[int, ...]) -> int | None:
    """Return the axis of an output that holds the scores of classes: the last or axis 1; 0 where there is none, None where pixels differ."""
    places = {3: {0: tuple(shape[1:])}, 4: {3: tuple(shape[1:3]), 1: tuple(shape[2:])}}[len(shape)]
    return next((axis for axis, found in places.items() if found == size), None)


def _said(sample: Real, axis: int, parameters: Parameters) -> NDArray[np.int64]:
    """Return the class of each pixel."""
    if axis == 0:
        return np.rint(np.clip(sample, -1, _MOST_CLASSES)).astype(np.int64)
    if sample.shape[axis] == 1:
        return (sample >= float(parameters["threshold"])).astype(np.int64)
    return sample.argmax(axis=axis)


def _counts(truth: NDArray[Any], said: NDArray[np.int64], count: int, parameters: Parameters) -> list[list[int]]:
    """Return the pixel counts of each class in the truth or in the answer; an answer that is no class counts for none."""
    kept = truth != parameters["ignore"]
    true, claimed = truth[kept].astype(np.int64), said[kept]
    claimed = np.where((claimed >= 0) & (claimed < count), claimed, count)
    columns = [np.bincount(each, minlength=count + 1)[:count] for each in (true[true == claimed], true, claimed)]
    there = np.flatnonzero(columns[1] + columns[2])
    return [[int(one), *(int(column[one]) for column in columns)] for one in there]
