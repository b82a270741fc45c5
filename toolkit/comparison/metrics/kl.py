"""Kullback-Leibler divergence of each sample in nats: sum p log(p / q), p of the reference and q of the candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real

BETTER: Better = "lower"
ALWAYS = False
OVER = "sample"
UNITS = ("nats",)
RANGE = (0.0, np.inf)
CENTRED = False
WHOLE_NUMBERS = False
PARAMETERS = {"of": ""}  # "logits" or "probabilities"
_KINDS = ("logits", "probabilities")


def refuse(parameters: Mapping[str, str]) -> str | None:
    """Return None where `of` says what the outputs are, else the reason."""
    of = parameters["of"]
    return (
        None
        if of in _KINDS
        else f"of={of}: whether outputs are logits or probabilities has to be given, as in kl:of=logits"
    )


def applies(shape: Sequence[int], *, of: str) -> str | None:
    """Return None for rows (..., C) with C >= 2, one score for each class, else the reason."""
    if len(shape) >= 1 and shape[-1] >= 2:
        return None
    return f"shape {tuple(shape)} is not that of class scores, (..., C) with C >= 2"


def measure(reference: Real, candidate: Real, *, of: str) -> Real:
    """Return the divergence for each sample, the largest of its rows, in [0, inf]; NaN if either holds a NaN.

    Logits go through softmax. Probabilities are divided by the sum of their row, because rounding changes it; a row with a negative value or without
    any mass is NaN. A class that is impossible for the candidate but not for the reference gives inf; an int8 softmax does this with small
    probabilities. (S. Kullback and R. A. Leibler, On information and sufficiency, 1951.)
    """
    p, q = _distributions(reference, of), _distributions(candidate, of)
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.where(p == 0, 0.0 * q, p * np.log(p / q))
        divergence = np.maximum(terms.sum(axis=-1), 0.0)  # negative by rounding only (Gibbs' inequality); NaN stays
    return np.asarray(divergence.reshape(len(divergence), -1).max(axis=1))


def _distributions(outputs: Real, of: str) -> Real:
    with np.errstate(invalid="ignore"):
        if of == "logits":
            masses = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        else:
            largest = outputs.max(axis=-1, keepdims=True)
            masses = np.where(outputs < 0, np.nan, outputs) / largest  # so that no sum overflows
        return np.asarray(masses / masses.sum(axis=-1, keepdims=True))
