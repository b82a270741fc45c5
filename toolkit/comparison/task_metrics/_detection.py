"""Detections and true boxes of one picture, and their matches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Column, Real


@dataclass(frozen=True, slots=True)
class Truth:
    """True boxes (g, 4), their classes (g,), and which of them are crowds (g,)."""

    boxes: Real
    classes: NDArray[np.int64]
    crowd: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Mapping[str, Column], number: int) -> Truth:
        """Return the true boxes of a sample, without padding; ValueError for invalid labels."""
        classes = np.asarray(labels["classes"][number], np.float64).reshape(-1)
        boxes = np.asarray(labels["boxes"][number], np.float64)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        crowd = np.asarray(labels["crowd"][number]).reshape(-1) if "crowd" in labels else np.zeros(len(classes))
        if boxes.shape != (len(classes), 4) or len(crowd) != len(classes):
            raise ValueError(f"boxes of shape {boxes.shape} for {len(classes)} classes; expected (g, 4) for g classes")
        if not (classes == np.floor(classes)).all():
            raise ValueError("a class is not a whole number")
        there = classes >= 0
        if not np.isfinite(boxes[there]).all():
            raise ValueError("a box is not finite")
        return cls(boxes[there], classes[there].astype(np.int64), crowd[there].astype(bool))


@dataclass(frozen=True, slots=True)
class Found:
    """Detected boxes (d, 4), their scores (d,) and classes (d,)."""

    boxes: Real
    scores: Real
    classes: NDArray[np.int64]


def taken(values: Mapping[str, Real], count: float) -> Found | None:
    """Return the first `count` detections, or all; None where one of them, or `count`, is not finite."""
    if math.isnan(count):
        return None
    kept = {
        role: array[: int(max(0, min(round(min(count, len(array))), len(array))))] for role, array in values.items()
    }
    if not all(np.isfinite(array).all() for array in kept.values()):
        return None
    return Found(kept["boxes"], kept["scores"], np.rint(kept["classes"]).astype(np.int64))


def matched(found: Found, truth: Truth, thresholds: Real, most: int) -> tuple[NDArray[np.int64], str]:
    """Return which detections count, and their matches: one character for each threshold of each detection, best score of its class first."""
    order: list[NDArray[np.intp]] = []
    texts: list[bytes] = []
    for one in np.unique(found.classes):
        places = np.flatnonzero(found.classes == one)
        places = places[np.argsort(-found.scores[places], kind="stable")][:most]
        own = truth.classes == one
        crowd = truth.crowd[own]
        order.append(places)
        texts.append(_marks(_overlaps(found.boxes[places], truth.boxes[own], crowd), crowd, thresholds).tobytes())
    return np.concatenate([np.zeros(0, np.int64), *order]), b"".join(texts).decode()


def _marks(overlaps: Real, crowd: NDArray[np.bool_], thresholds: Real) -> NDArray[np.bytes_]:
    """Return whether each detection, best score first, takes a true box, (d, thresholds): "1", "0", or "-" for a crowd's."""
    marks = np.full((len(overlaps), len(thresholds)), b"0")
    if not len(crowd):
        return marks
    free = np.tile(~crowd, (len(thresholds), 1))
    every = np.arange(len(thresholds))
    for row, said in zip(overlaps, marks, strict=True):
        reached = row >= thresholds[:, None]
        ready = np.where(reached & free, row, -1.0)
        best = ready.argmax(axis=1)
        hit = ready[every, best] >= 0
        said[(reached & crowd).any(axis=1)] = b"-"
        said[hit] = b"1"
        free[every[hit], best[hit]] = False
    return marks


def _overlaps(found: Real, truth: Real, crowd: NDArray[np.bool_]) -> Real:
    """Return the IoU of each pair (d, g); with a crowd, the share of the detection that lies in it."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    own = np.clip(found[:, 2:] - found[:, :2], 0, None).prod(axis=1)[:, None]
    theirs = np.clip(truth[:, 2:] - truth[:, :2], 0, None).prod(axis=1)[None, :]
    whole = np.where(crowd[None, :], own, own + theirs - common)
    return np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
