"""A user's task metric: a function, called once with the outputs and the labels of all samples by name.

    def metric(outputs, labels):        # {output: float64 (N, *shape)}, real values; {target: (N, ...)}, a single target is called "labels"
        return 0.93                     # a finite number; or one for each of the N samples, and their mean is the score

A number for each sample is judged by a paired test and an interval; the interval is exact where all are 0 or 1. A single number has neither, and is
kept as it is. `BETTER` in the function's module says which scores are good; without it, "higher".
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypedDict

import numpy as np

from toolkit.errors import RequestError, UnjudgeableRun
from toolkit.wire import labels as labels_of
from toolkit.wire.request import Request
from toolkit.wire.shards import read_all, read_index
from toolkit.wire.user_function import blame, import_function

_RIGHT = "expected a number, or one for each of {count} samples"


class MetricResult(TypedDict):
    """The result of a user's metric: None for what is not finite, and for rows where it gave one number for all samples."""

    score: float | None
    rows: list[float | None] | None
    better: str


def measure(request: Request) -> MetricResult:
    """Return {"score": number or None, "rows": [number or None] or None, "better": "higher" or "lower"}; None stands for what is not finite.

    Options: `function` (`module:function` or `file.py:function`); its `file`, absolute, or null; `folder`, where a module is searched; `arguments`
    (keywords); `signature` (JSON) of the run; and `first`, the number of samples of a run over the first samples only. Inputs: `outputs`, a folder of
    shards; `labels`, a file or folder of `toolkit.wire.labels`; and `function`, the file, if there is one.
    RequestError for an exception of the function, and for an answer that is no score.
    """
    name = str(request.options["function"])
    count, held = read_index(request.inputs["outputs"])["count"], labels_of.read(request.inputs["labels"])
    assert held is not None  # a file always has one
    first = request.options.get("first")  # the number of samples that were run
    labels = {
        target: column[:first] for target, column in (held if isinstance(held, dict) else {"labels": held}).items()
    }
    if not count:
        raise UnjudgeableRun(f"{name}: there is no sample to measure")
    wrong = {target: len(column) for target, column in labels.items() if len(column) != count}
    if wrong:
        raise RequestError(f"{name}: got outputs of {count} samples and labels of {wrong}; expected equal counts")
    with _blame(name, "cannot be imported"):
        file = request.options["file"]
        function = import_function(name, Path(file) if file else None, [Path(request.options["folder"])], RequestError)
    outputs = _outputs(request)
    with _blame(name, "failed"):
        given = function(outputs, labels, **request.options["arguments"])
    rows = _rows(name, given, count)
    score = rows if isinstance(rows, float) else math.fsum(rows) / count if np.isfinite(rows).all() else math.nan
    return {
        "score": _plain(score),
        "rows": None if isinstance(rows, float) else [_plain(row) for row in rows],
        "better": _better(name, function),
    }


def _outputs(request: Request) -> dict[str, np.ndarray]:
    from toolkit.tensors.signature import TensorSpec

    specs = [TensorSpec.from_json(spec) for spec in request.options["signature"]["outputs"]]
    return {spec.name: spec.dequantize(read_all(request.inputs["outputs"], spec.name)) for spec in specs}


def _rows(name: str, given: object, count: int) -> float | list[float]:
    """Return the function's answer, as a number or as one for each sample; rows that are all 0 or 1 become whole numbers, counted as hits."""
    right = _RIGHT.format(count=count)
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise RequestError(f"{name}: gave {type(given).__name__} of different lengths; {right}") from error
    if array.dtype.kind not in "biuf":
        raise RequestError(f"{name}: gave {type(given).__name__}; {right}")
    if array.shape == ():
        return float(array)
    if array.shape != (count,):
        raise RequestError(f"{name}: gave numbers of shape {array.shape}; {right}")
    if np.isin(array, (0, 1)).all():
        return [int(each) for each in array]
    return [float(each) for each in array]


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _better(name: str, function: object) -> str:
    said = getattr(function, "__globals__", {}).get("BETTER", "higher")
    if said not in ("higher", "lower"):
        raise RequestError(f"{name}: BETTER is {said!r}; expected 'higher' or 'lower'")
    return str(said)


def _blame(name: str, what: str) -> AbstractContextManager[None]:
    return blame(name, what, RequestError, "dataset")
