"""Operators with the noise that each makes.

The noise is the operator's own, or the noise at the model's output if the float file continues from the operator (see
`toolkit.verdict.attribution`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from toolkit.diagnosis.worker.results import HandoverStep, TensorRow
from toolkit.verdict.attribution import Deviation, OperatorDeviation


def by_own_noise(rows: Sequence[TensorRow], samples: Sequence[int], *, by_bits: bool) -> list[OperatorDeviation]:
    """Return the operators of a worker's rows.json over these samples. `by_bits` is whether both sides run the same file, compared bit by bit."""
    return _each_once([_operator(row, samples, by_bits=by_bits) for row in rows])


def by_rise(
    operators: Sequence[OperatorDeviation], curve: Sequence[HandoverStep], output: str, before: float
) -> list[OperatorDeviation]:
    """Return the operators with the noise at an output after each, and the lasting rise of the noise.

    If the noise falls again once the next operators are the candidate's too, it is not an error of the operator: the handover fed a tensor that has
    the same name but stands for something else. If an operator gives several tensors, the noise goes to the one that deviates most.
    """
    ranked = [replace(each, noise=None) for each in operators]
    stays = _least_from_here(curve, output)
    for number, step in enumerate(curve):
        own = [each for each in operators if each.place == step["place"] and each.cumulative is not None]
        if step["shares"] is None or not own:
            continue
        share = float(step["shares"][output])
        rise = stays[number] - before if before < math.inf else 0.0  # an infinite noise cannot rise
        most = max(own, key=lambda each: 0.0 if each.cumulative is None else each.cumulative.share)
        ranked[operators.index(most)] = replace(most, at_output=share, noise=max(rise, 0.0))
        before = stays[number]
    return ranked


def fell_again(curve: Sequence[HandoverStep], output: str) -> list[int]:
    """Return the places where handing over makes more than twice the noise of a later handover."""
    stays = _least_from_here(curve, output)
    known = [
        (step["place"], float(step["shares"][output]), least)
        for step, least in zip(curve, stays, strict=True)
        if step["shares"]
    ]
    return [place for place, share, least in known if share > 2 * least]


def _least_from_here(curve: Sequence[HandoverStep], output: str) -> list[float]:
    """Return for each step the least noise at an output over this step and all later ones. NaN counts as infinite."""
    found, least = [], math.inf
    for step in reversed(curve):
        if step["shares"] is not None:
            share = float(step["shares"][output])
            least = min(least, math.inf if math.isnan(share) else share)
        found.append(least)
    return found[::-1]


def _operator(row: TensorRow, samples: Sequence[int], *, by_bits: bool) -> OperatorDeviation:
    """Return the operator of a row of the worker's rows.json, ranked by its own noise.

    For an operator that does not run alone, the deviation in the whole counts as its own if its inputs were equal.
    """
    whole, own = (
        None if noise is None else Deviation.from_json(noise, row["scale"], samples)
        for noise in (row["cumulative"], row["isolated"])
    )
    ranked_by = whole if own is None and by_bits and row["fed_equal"] else own
    return OperatorDeviation(
        place=row["place"],
        operator=row["operator"],
        tensor=row["tensor"],
        inputs=tuple(row["inputs"]),
        dtype=row["dtype"],
        equal=row["equal"],
        alone_equal=row["alone_equal"],
        cumulative=whole,
        isolated=own,
        not_isolated=row["not_isolated"],
        noise=None if ranked_by is None else ranked_by.share,
    )


def _each_once(rows: Sequence[OperatorDeviation]) -> list[OperatorDeviation]:
    """Return the tensors. If an operator gives several, the one with most noise keeps it, and its others get 0."""
    most: dict[int, OperatorDeviation] = {}
    for each in rows:
        if each.noise is not None and each.noise > (most[each.place].noise or 0.0 if each.place in most else -1.0):
            most[each.place] = each
    return [each if each.noise is None or most[each.place] is each else replace(each, noise=0.0) for each in rows]
