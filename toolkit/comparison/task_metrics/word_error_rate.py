"""Word error rate: substitutions, deletions and insertions between the answer and the truth, divided by the words of the truth.

The edit distance is that of V. I. Levenshtein, Binary codes capable of correcting deletions, insertions, and reversals (1966), in whole words, over
all samples together. A word is a token id. Outputs are ids (1, T), or scores (1, T, V), where the largest counts. Labels are lists of ids, of any
length, or an array. `pad` is left out on both sides, and so is everything after the first `end`. With `blank`, repeated ids are first merged and then
the blank is left out (A. Graves et al., Connectionist temporal classification, ICML 2006, best path decoding). -1 turns each of the three off.

Labels may also be texts if an output is a text: one text (1,) of words separated by spaces. Only the application knows how ids become text; a user's
function can do it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import look, read

BETTER: Better = "lower"
RANGE = (0.0, math.inf)
PARAMETERS: Parameters = {"pad": -1.0, "end": -1.0, "blank": -1.0, "output": "", "labels": ""}


def refuse(parameters: Parameters) -> str | None:
    """Return None, or what is wrong with an id."""
    ids = {key: float(parameters[key]) for key in ("pad", "end", "blank")}
    wrong = next((key for key, value in ids.items() if not value.is_integer() or value < -1), None)
    return None if wrong is None else f"{wrong} is {ids[wrong]:g}; expected a token's id, or -1 for none"


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output of ids, scores of ids, or one text, and a list of ids, or a text, for each sample; else the reason."""
    found = look(outputs, labels, parameters, _is_sequence, "ids (1, T), scores (1, T, V), or a text (1,)")
    if isinstance(found, str):
        return found
    shape, truth = found
    words = 0
    for number, label in enumerate(truth):
        if isinstance(label, str) != (len(shape) == 1):
            what = "a text, and the output is none" if isinstance(label, str) else "no text, as the output is"
            return f"the label of sample {number} is {what}; expected ids where the output is ids, and a text where it is text"
        if not isinstance(label, str) and not _are_ids(label, parameters):
            return f"the label of sample {number} is not a list of ids, whole numbers from 0"
        words += len(_true_words(label, parameters))
    return None if words else "there is no word in the labels"


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[list[int] | None]:
    """Return [errors, words of the truth] for each sample; None where an output is not finite."""
    values, truth = read(outputs, labels, parameters, _is_sequence)
    rows: list[list[int] | None] = []
    for sample, label in zip(values, truth, strict=True):
        if sample.dtype.kind == "f" and not np.isfinite(sample).all():
            rows.append(None)
            continue
        words = _true_words(label, parameters)
        rows.append([_distance(words, _said_words(sample, parameters)), len(words)])
    return rows


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return errors over words; NaN where a row is None, and where there is no word."""
    if any(row is None for row in rows):
        return math.nan
    words = sum(row[1] for row in rows)
    return sum(row[0] for row in rows) / words if words else math.nan


Word = str | int
"""A word of a text, or a token's id."""


def _is_sequence(shape: Sequence[int]) -> bool:
    return len(shape) in (1, 2, 3) and shape[0] == 1 and 0 not in shape


def _are_ids(label: str | Sequence[int] | NDArray[Any], parameters: Parameters) -> bool:
    try:
        array = np.asarray(label)
    except ValueError:
        return False
    if array.size == 0:
        return True
    known = array.dtype.kind in "iuf" and array.ndim <= 2 and array.size == max(array.shape, default=1)
    return known and bool((((array >= 0) & (array == np.floor(array))) | (array == parameters["pad"])).all())


def _true_words(label: str | Sequence[int] | NDArray[Any], parameters: Parameters) -> Sequence[Word]:
    return label.split() if isinstance(label, str) else _kept(np.asarray(label).reshape(-1), parameters)


def _said_words(sample: NDArray[Any], parameters: Parameters) -> Sequence[Word]:
    if sample.ndim == 1:
        return str(sample[0]).split()
    ids = sample[0].argmax(axis=1) if sample.ndim == 3 else np.rint(sample[0])
    if parameters["blank"] != -1:
        first = np.ones(len(ids), bool)
        first[1:] = ids[1:] != ids[:-1]
        ids = ids[first & (ids != parameters["blank"])]
    return _kept(ids, parameters)


def _kept(ids: NDArray[Any], parameters: Parameters) -> Sequence[Word]:
    """Return the ids before the end, without padding."""
    if parameters["end"] != -1:
        ids = ids[: np.argmax(np.append(ids, parameters["end"]) == parameters["end"])]
    return [int(each) for each in ids if each != parameters["pad"]]


def _distance(truth: Sequence[Word], said: Sequence[Word]) -> int:
    """Return the edit distance, one row of its table at a time."""
    numbers: dict[Word, int] = {}
    wanted = np.array([numbers.setdefault(word, len(numbers)) for word in truth], np.int64)
    places = np.arange(len(wanted) + 1)
    costs = places.copy()
    for row, word in enumerate(said, 1):
        changed = costs[:-1] + (wanted != numbers.get(word, -1))
        costs = np.concatenate([[row], np.minimum(changed, costs[1:] + 1)])
        costs = np.minimum.accumulate(costs - places) + places  # words of the truth that are missing
    return int(costs[-1])
