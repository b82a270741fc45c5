"""The activations of an artifact that clip values of the float file over a calibration set; only the gathering of statistics runs a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.engines.tflite.graphs import ComputingOperator, operators_of
from toolkit.weights.pairing import paired
from toolkit.weights.rows import ActivationRow, ClippingResult
from toolkit.wire.request import Request
from toolkit.wire.statistics import Statistics

_ACTIVATION = "fusedActivationFunction"
_CUTS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "MAXIMUM", "MINIMUM")


def clipping(request: Request) -> ClippingResult:
    """Return a row for each activation with a stored range: see `clipped`.

    `inputs["model"]` is the artifact, `inputs["floats"]` the float32 conversion of the same original, `inputs["statistics"]` a folder of
    `Statistics` of the latter; `options["signature"]` as in `toolkit.weights.account`.
    """
    ours = operators_of(request.inputs["model"], request.options["signature"])
    theirs = operators_of(request.inputs["floats"], None)
    statistics = Statistics.read(Path(request.inputs["statistics"]))
    places = {name: place for place, name in enumerate(statistics.names)}
    rows = [
        clipped(one, other, statistics, places[other.tensor])
        for one, other in paired(ours, theirs).operators
        if one.ends is not None
        and other.tensor in places
        and one.options.get(_ACTIVATION) == other.options.get(_ACTIVATION)
        if not _cut_behind(other, theirs)
    ]
    return {"samples": statistics.count, "activations": rows}


def _cut_behind(operator: ComputingOperator, others: Sequence[ComputingOperator]) -> bool:
    """Return whether a separate activation follows; a converter may limit the operator's own output to the activation's range."""
    return any(each.name in _CUTS and operator in each.feeds.values() for each in others)


def clipped(one: ComputingOperator, other: ComputingOperator, statistics: Statistics, place: int) -> ActivationRow:
    """Return an activation's stored range, the range that was seen, and the `share` of values beyond the stored range by more than a step.

    A softmax's kernel limits it to one step below 1. Without histograms `share` is None; `samples` is the share of samples with such a value.
    """
    assert one.ends is not None
    low, high = one.ends
    step = (high - low) / 255
    extremes = statistics.extremes[:, place]
    outside = (extremes[:, 0] < low - step) | (extremes[:, 1] > high + step)
    share = None
    if statistics.counts is not None and statistics.widths is not None:
        counts, width = statistics.counts[place], statistics.widths[place]
        edges = statistics.edges * width
        beyond = counts[edges[:-1] > high + step].sum() + counts[edges[1:] < low - step].sum()
        share = float(beyond / counts.sum()) if counts.sum() else 0.0
    return {
        "operator": one.name,
        "tensor": one.tensor,
        "range": [low, high],
        "seen": [float(extremes[:, 0].min()), float(extremes[:, 1].max())],
        "share": share,
        "samples": float(outside.mean()),
    }
