"""Factors in front of a matrix belong to its columns: (x * f) @ W is x @ (W * f), so an operator that multiplies by them computes nothing more.

A quantizer puts them there to make a matrix lose less by rounding (OSCAR, AWQ, SmoothQuant). The account then compares W with the original's matrix
divided by f: that is what was rounded, by the steps that the file stores. A large factor makes a column coarse. Where next to nothing meets it, this
costs nothing, and is why a quantizer does it; elsewhere the column is lost. So what all columns cost together is held against rounding without
factors, by the moments of what meets them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolkit.engines.tflite.constants import Values
from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.weights.alignment import aligned
from toolkit.weights.attributes import ACTIVATION
from toolkit.weights.rows import FactorsRow, Number, plain_number

_OF_MATRIX = "FULLY_CONNECTED"
_MULTIPLIES = "MUL"


def with_factors(ours: Sequence[ComputingOperator], theirs: Sequence[ComputingOperator]) -> list[ComputingOperator]:
    """Return the artifact's operators, where each MUL by factors that only it has is gone, and the matrices that it feeds have these `factors`.

    A MUL stays if the original has it too, if anything but the columns of matrices reads it, and if its factors are not all positive and finite.
    """
    factors = {
        id(each): found
        for each in ours
        if each.name == _MULTIPLIES and (found := _factors(each, _readers(each, ours))) is not None
    }
    if not factors:
        return list(ours)
    bare, pairs = _without(ours, factors), aligned(ours, theirs)
    if len(aligned(bare, theirs)) == len(pairs):  # no operator of the original needs them
        return bare
    matched = {id(ours[one]) for one, _ in pairs}
    return _without(ours, {each: found for each, found in factors.items() if each not in matched})


def moments_of(path: Path | None) -> dict[str, np.ndarray]:
    """Return the mean square of what meets each column of a matrix, float64 (columns,), by the name of the product; {} without a file."""
    if path is None:
        return {}
    held = json.loads(path.read_text())
    return {product: np.array(held["tensors"][fed], np.float64) for product, fed in held["products"].items()}


def _without(ours: Sequence[ComputingOperator], factors: dict[int, np.ndarray]) -> list[ComputingOperator]:
    """Return the operators without those in `factors`, by their ids: their readers get what these read, and the factors."""
    made: dict[int, ComputingOperator | None] = {}
    found = []
    for each in ours:
        of = [feed for feed in each.feeds.values() if id(feed) in factors]
        feeds = {place: made.get(id(feed), feed) for place, feed in each.feeds.items()}
        kept = {place: feed for place, feed in feeds.items() if feed is not None}
        if id(each) in factors:
            made[id(each)] = next(iter(kept.values()), None)  # None: it multiplies an input of the model
            continue
        new = replace(each, feeds=kept, factors=factors[id(of[0])] if of else None)
        made[id(each)] = new
        found.append(new)
    return found


def _readers(operator: ComputingOperator, ours: Sequence[ComputingOperator]) -> list[tuple[ComputingOperator, int]]:
    """Return the operators that read an operator's result, each with the place among its inputs."""
    return [(each, place) for each in ours for place, feed in each.feeds.items() if feed is operator]


def _factors(operator: ComputingOperator, readers: Collection[tuple[ComputingOperator, int]]) -> np.ndarray | None:
    """Return the factors of an operator, float64 (columns,), if it does no more than to multiply the columns of the integer matrices that read it."""
    if len(operator.constants) != 1 or operator.options.get(ACTIVATION):
        return None
    (constant,) = operator.constants.values()
    if constant.dtype != "float32" or not readers or constant.shape[-1:] != (constant.size,):
        return None
    for reader, place in readers:
        matrix = reader.constants.get(1)
        if reader.name != _OF_MATRIX or place != 0 or matrix is None or not matrix.scaled:
            return None
        if len(matrix.shape) != 2 or matrix.shape[1] != constant.size or operator.shape[-1:] != matrix.shape[1:]:
            return None
    values = constant.values().real.ravel()
    return values if np.isfinite(values).all() and (values > 0).all() else None


def cost(
    held: Values, wanted: np.ndarray, factors: np.ndarray, moments: np.ndarray | None, *, lost: float
) -> FactorsRow:
    """Return what the factors of a matrix cost. `wanted` is the original's matrix divided by them, float64 (rows, columns).

    `moments` is the mean square of what meets each column, float64 (columns,), in squared real units, None where that is not known. The comparison is
    with a matrix without factors that is rounded to as many bits, by a scale for each row, or one scale where the artifact has one. A matrix of few
    values may lie on its grid by chance; then what such rounding loses on average counts, a twelfth of a squared step for each value. Moments that
    meet nothing but zeros show nothing: what meets the matrix is then not known either. A column is lost with an error above `lost` of its norm.
    """
    real = wanted * factors
    step = _usual_step(real, held)
    apart = np.square(held.real * factors - real).sum(axis=0)
    plainly = np.square(np.round(real / step) * step - real).sum(axis=0)
    size = np.square(real).sum(axis=0)
    gone = int(((apart > lost**2 * size) & (plainly <= lost**2 * size)).sum())
    rounded = real.any(axis=1, keepdims=True)  # a row of zeros loses nothing
    on_average = np.where(rounded, np.broadcast_to(step**2 / 12, real.shape), 0.0).sum(axis=0)

    def noise_db(by: np.ndarray) -> Number:
        return plain_number(-_decibels(max(float(plainly @ by), float(on_average @ by)), float(apart @ by)))

    evenly = noise_db(np.ones(factors.shape))
    if moments is None or moments.shape != factors.shape or float(size @ moments) == 0:
        return {"lost": gone, "evenly_db": evenly, "noise_db": None, "met_db": None}
    met = plain_number(_decibels(float(size @ moments), float(apart @ moments)))
    return {"lost": gone, "evenly_db": evenly, "noise_db": noise_db(moments), "met_db": met}


def in_units_of_original(held: Values, wanted: np.ndarray, factors: np.ndarray) -> Number:
    """Return the signal to noise of a matrix times its factors, in dB, as JSON. `wanted` is as in `cost`.

    Divided by the factors, a column with a large factor has next to none of the signal, and its noise does not show.
    """
    real = wanted * factors
    return plain_number(_decibels(float(np.square(real).sum()), float(np.square(held.real * factors - real).sum())))


def _decibels(signal: float, noise: float) -> float:
    """Return the ratio of two powers in dB: infinity without noise, minus infinity for noise alone."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal != 0 else -math.inf


def _usual_step(real: np.ndarray, like: Values) -> np.ndarray:
    """Return the steps of a matrix that is rounded symmetrically to as many bits as another, with a scale for each row if that one has several."""
    assert like.ends is not None
    most = np.abs(real).max(axis=1, keepdims=True) if like.step.size > 1 else np.abs(real).max(initial=0.0)
    return np.asarray(np.where(most > 0, most, 1.0) / like.ends[1])
