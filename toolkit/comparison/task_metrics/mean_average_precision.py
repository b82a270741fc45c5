"""Mean average precision of detection, as COCO counts it: over classes, and over thresholds of intersection over union (IoU).

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context (2014) and its evaluation of detections: for each picture and class, the `detections`
with the largest scores count. From the largest score down, each detection takes the free true box with the largest IoU that reaches the threshold.
The precision, made to fall with recall, is read at 101 recalls. iou_low=0.5,iou_high=0.5 is the metric of Pascal VOC (at 101 recalls).

Outputs are those of the TensorFlow Object Detection API, after non-maximum suppression: `boxes` (1, D, 4), `scores` (1, D), `classes` (1, D) and,
if the model has it, `count` (1,), the number of valid detections among D. Labels are the targets `boxes`, (g, 4) for each sample, and `classes`,
(g,), where negative classes are padding. The target `crowd`, (g,), is optional: 1 marks a box around many objects; it is no miss if not found, and no
mistake if found. A box is two corners, the one with the smaller coordinates first, in the model's own order of axes and unit. Classes are numbered
as in the model. A detection with swapped corners is a mistake; pycocotools leaves it out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Better, Column, Labels, Outputs, Parameters, Real, Rows, Shapes
from toolkit.comparison.task_metrics._detection import Truth, matched, taken
from toolkit.errors import suggestion

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {
    "iou_low": 0.5,
    "iou_high": 0.95,
    "iou_step": 0.05,
    "detections": 100.0,
    "boxes": "detection_boxes",
    "scores": "detection_scores",
    "classes": "detection_classes",
    "count": "num_detections",
}
_RECALLS = np.linspace(0, 1, 101)
_LAST_AXES = {"boxes": (4,), "scores": (), "classes": ()}


def refuse(parameters: Parameters) -> str | None:
    """Return None, or what is wrong with the thresholds or the number of detections."""
    low, high, step = (float(parameters[key]) for key in ("iou_low", "iou_high", "iou_step"))
    if not (0 < low <= high <= 1 and step > 0 and math.isfinite(step)):
        return (
            f"thresholds from {low:g} to {high:g} by {step:g}; expected 0 < iou_low <= iou_high <= 1 and iou_step > 0"
        )
    most = float(parameters["detections"])
    return None if most.is_integer() and most >= 1 else f"detections is {most:g}; expected a whole number from 1"


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for outputs with boxes, scores and classes, and labels with boxes and one class for each box; else the reason."""
    counts = set()
    for role, last in _LAST_AXES.items():
        name = str(parameters[role])
        if name not in outputs:
            return f"there is no output {name!r} with the {role}; {suggestion(name, outputs)}; name it, as {role}=NAME"
        shape = tuple(outputs[name])
        if len(shape) != 2 + len(last) or shape[0] != 1 or shape[2:] != last:
            return f"output {name!r} of shape {shape} is not (1, D{''.join(f', {size}' for size in last)})"
        counts.add(shape[1])
    if len(counts) > 1:
        return f"boxes, scores and classes are of different numbers of detections: {sorted(counts)}"
    if not isinstance(labels, Mapping) or not {"boxes", "classes"} <= labels.keys():
        there = ", ".join(labels) if isinstance(labels, Mapping) else "one without a name"
        return f"the labels have to be the targets 'boxes' and 'classes'; there: {there}"
    return _wrong_truth(labels)


class DetectionsRow(TypedDict):
    """A sample's detections: their classes, scores and matches, and [class, number of true boxes]."""

    classes: list[int]
    scores: list[float]
    matches: str
    truths: list[list[int]]


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[DetectionsRow | None]:
    """Return for each sample the classes, scores and matches of its detections, and the number of true boxes of each class.

    `matches` is a text with one character for each detection and threshold: "1" right, "0" wrong, "-" neither (a crowd's). None where a detection
    that counts is not finite.
    """
    assert isinstance(labels, Mapping)
    thresholds, most = _thresholds(parameters), int(parameters["detections"])
    rows: list[DetectionsRow | None] = []
    for number, truth in enumerate(_truths(labels)):
        found = taken(
            {role: outputs[str(parameters[role])][number, 0] for role in _LAST_AXES},
            _meant(outputs, number, parameters),
        )
        if found is None:
            rows.append(None)
            continue
        order, matches = matched(found, truth, thresholds, most)
        classes = Counter(int(one) for one in truth.classes[~truth.crowd])
        rows.append(
            {
                "classes": [int(one) for one in found.classes[order]],
                "scores": found.scores[order].tolist(),
                "matches": matches,
                "truths": sorted([one, count] for one, count in classes.items()),
            }
        )
    return rows


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the mean over the classes that have a true box; NaN where a row is None, and where no class has a true box."""
    if any(row is None for row in rows):
        return math.nan
    truths: Counter[int] = Counter()
    for row in rows:
        truths.update(dict(row["truths"]))
    classes = np.array(list(chain.from_iterable(row["classes"] for row in rows)), np.int64)
    scores = np.array(list(chain.from_iterable(row["scores"] for row in rows)), np.float64)
    text = "".join(row["matches"] for row in rows).encode()
    matches = np.frombuffer(text, np.uint8).reshape(-1, len(_thresholds(parameters)))
    order = np.argsort(-scores, kind="stable")
    classes, matches = classes[order], matches[order]
    found = [_average_precision(matches[classes == one], count) for one, count in sorted(truths.items())]
    return math.fsum(found) / len(found) if found else math.nan


def _thresholds(parameters: Parameters) -> Real:
    low, high, step = (float(parameters[key]) for key in ("iou_low", "iou_high", "iou_step"))
    return np.linspace(low, high, round((high - low) / step) + 1)


def _wrong_truth(labels: Mapping[str, Column]) -> str | None:
    boxes_there = False
    for number in range(len(labels["boxes"])):
        try:
            truth = Truth.of(labels, number)
        except (ValueError, TypeError) as error:
            return f"labels of sample {number}: {error}"
        boxes_there = boxes_there or bool((~truth.crowd).any())
    return None if boxes_there else "there is no box in the labels"


def _truths(labels: Mapping[str, Column]) -> list[Truth]:
    return [Truth.of(labels, number) for number in range(len(labels["boxes"]))]


def _meant(outputs: Outputs, number: int, parameters: Parameters) -> float:
    """Return the number of valid detections of a sample: all, if the model does not output it."""
    name = str(parameters["count"])
    return float(outputs[name][number].reshape(-1)[0]) if name in outputs else math.inf


def _average_precision(matches: NDArray[np.uint8], truths: int) -> float:
    """Return the mean over thresholds of the precision at 101 recalls, for one class's detections from the largest score down."""
    right = np.cumsum(matches == ord("1"), axis=0)
    said = right + np.cumsum(matches == ord("0"), axis=0)
    found = []
    for hits, tries in zip(right.T, said.T, strict=True):
        precision = np.maximum.accumulate((hits / np.maximum(tries, 1))[::-1])[::-1]
        places = np.searchsorted(hits / truths, _RECALLS, side="left")
        found.append(float(np.append(precision, 0.0)[places].mean()))
    return math.fsum(found) / len(found)
