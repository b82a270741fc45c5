"""Mean over samples of the intersection over union of each box with its counterpart in the reference: four numbers on the last axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = False
OVER = "set"
UNITS = ("ratio",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True  # boxes in whole pixels
LAYOUTS = ("corners", "xywh", "cxcywh")
PARAMETERS = {
    "layout": "corners"
}  # two opposite corners (x or y first, with the same result), or a corner or the centre with the size
_NUMBERS = 4


def refuse(parameters: Mapping[str, str]) -> str | None:
    """Return None for a known layout, else the reason."""
    layout = parameters["layout"]
    return None if layout in LAYOUTS else f"layout {layout!r}; expected {', '.join(LAYOUTS)}"


def applies(shape: Sequence[int], *, layout: str) -> str | None:
    """Return None for a last axis of 4, else the reason."""
    if shape and shape[-1] == _NUMBERS:
        return None
    return f"shape {tuple(shape)} is not that of boxes, (..., 4)"


def measure(reference: Real, candidate: Real, *, layout: str) -> Real:
    """Return (n, 3); NaN if either holds a NaN or an infinity.

    The three are: the mean over boxes of their intersection over union; 1 where the sample has a box with an area, else 0; and the share of boxes
    without an area that are not equal. Boxes without an area, such as the padding of a list, overlap with nothing: they count only where there are no
    others.
    """
    ours, theirs = _corners(reference, layout), _corners(candidate, layout)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low, high = np.maximum(ours[..., :2], theirs[..., :2]), np.minimum(ours[..., 2:], theirs[..., 2:])
        both, areas = _area(low, high), (_area(ours[..., :2], ours[..., 2:]), _area(theirs[..., :2], theirs[..., 2:]))
        share = both / (areas[0] + areas[1] - both)
        equal = np.equal(ours, theirs).all(axis=-1)
        is_box = areas[0] > 0
        boxes = np.sum(is_box, axis=1)
        overlap = np.where(is_box, np.where(equal, 1.0, share), 0.0).sum(axis=1) / np.maximum(boxes, 1)
    terms = np.stack([overlap, np.greater(boxes, 0).astype(np.float64), np.mean(~is_box & ~equal, axis=1)], axis=1)
    finite = np.asarray(np.isfinite(rows(reference)).all(axis=1) & np.isfinite(rows(candidate)).all(axis=1))
    return np.where(finite[:, None], terms, np.nan)


def finish(terms: Real) -> Real:
    """Return the mean over samples with boxes; without any box, 1 where boxes without an area are equal, else 0."""
    overlap, samples, other = terms[..., 0], terms[..., 1], terms[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.clip(overlap / samples, 0.0, 1.0)
    without = np.where(np.isnan(other), np.nan, (other == 0).astype(np.float64))
    return np.where(samples == 0, without, mean)


def _corners(outputs: Real, layout: str) -> Real:
    """Return (n, boxes, 4): the corner with the smaller and that with the larger numbers."""
    boxes = outputs.reshape(len(outputs), -1, _NUMBERS)
    if layout == "corners":
        return boxes
    first, size = boxes[..., :2], boxes[..., 2:]
    with np.errstate(invalid="ignore", over="ignore"):
        low = first if layout == "xywh" else first - size / 2
        return np.concatenate([low, low + size], axis=-1)


def _area(low: Real, high: Real) -> Real:
    sides = np.maximum(high - low, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])
