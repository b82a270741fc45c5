"""The origin of every constant of an artifact: compares it with the float32 conversion of the same original, and runs neither."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from toolkit.engines.tflite.constants import Values
from toolkit.engines.tflite.graphs import ComputingOperator, operators_of
from toolkit.weights.attributes import ACTIVATION, is_how, numbers_apart, options_apart
from toolkit.weights.deviation import ConstantDeviation, deviation
from toolkit.weights.factors import cost, in_units_of_original, moments_of, with_factors
from toolkit.weights.folding import explained_by
from toolkit.weights.mishaps import mishap
from toolkit.weights.pairing import ConstantPlace, Pair, Pairs, paired, values_of
from toolkit.weights.rows import (
    AccountResult,
    AttributeRow,
    ConstantRow,
    MatrixCounts,
    OperatorRow,
    UnmatchedConstant,
)
from toolkit.weights.thresholds import Thresholds
from toolkit.wire.request import Request

_LOOKED_INTO = 40  # the most constants that get an explanation, the ones that are off most
_NAMED = 20
# Operators that only rearrange numbers: a missing one does not explain an extra operator that computes.
_LAYS_OUT = (
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "CAST", "SHAPE", "STRIDED_SLICE", "SLICE", "PACK", "UNPACK", "PAD", "IDENTITY",
)  # fmt: skip
_NEUTRAL = {"MUL": 1.0, "DIV": 1.0, "ADD": 0.0, "SUB": 0.0}  # the constant with which an operator changes nothing


@dataclass(slots=True)
class _Measured:
    """The results of the pairs: compared constants, those whose operator is only fused differently, options that differ, unreadable constants.

    `folded` has the ids of the operators that only the artifact has, and that the `fused` ones were folded with.
    """

    rows: list[ConstantRow] = field(default_factory=list)
    fused: list[ConstantRow] = field(default_factory=list)
    folded: set[int] = field(default_factory=set)
    attributes: list[AttributeRow] = field(default_factory=list)
    unread: list[UnmatchedConstant] = field(default_factory=list)


def account(request: Request) -> AccountResult:
    """Write the account to out/weights.json, and return it.

    `inputs["model"]` is the artifact, `inputs["floats"]` the float32 conversion of the same original. `options["signature"]` is the name of the
    artifact's signature, None for its only one; `options["thresholds"]` has the fields of `Thresholds`. `inputs["moments"]`, if given, is what
    `toolkit.conversion.tflite.moments` measured of `floats`.
    """
    ours = operators_of(request.inputs["model"], request.options["signature"])
    theirs = operators_of(request.inputs["floats"], None)
    limits = Thresholds.of(request.options["thresholds"])
    found = accounted(ours, theirs, limits, moments_of(request.inputs.get("moments")))
    (request.out / "weights.json").write_text(json.dumps(found))
    return found


def accounted(
    ours: Sequence[ComputingOperator],
    theirs: Sequence[ComputingOperator],
    limits: Thresholds,
    moments: Mapping[str, np.ndarray] | None = None,
) -> AccountResult:
    """Return the account as JSON: a row for each of `constants`, the counts of matched ones, what is left over, and `attributes` that differ.

    `moments` is the mean square of what meets each column of a matrix, float64 (columns,), by the name of the product in `theirs`.
    """
    count, ours = len(ours), with_factors(ours, theirs)
    pairs = paired(ours, theirs)
    found = _measured(pairs, limits, moments or {})
    rows, fused = found.rows, found.fused
    left = [*map(_about, pairs.theirs), *(_left(row, "fused otherwise") for row in fused), *found.unread]
    extra = [_about(place) for place in pairs.ours]
    return {
        "constants": rows,
        "matrices": _share(rows, left),
        "matrices_of_artifact": _share(rows, extra),
        "unmatched": left,
        "extra": extra,
        "operators": {
            "artifact": count,
            "original": len(theirs),
            "matched": len(pairs.operators),
            "added": _counted(pairs.added),
            "missing": _counted(pairs.missing),
        },
        "computed_besides": [] if found.unread else _computed_besides(pairs, found.folded),
        "attributes": [*found.attributes, *_told_otherwise(pairs, ours)],
    }


def _computed_besides(pairs: Pairs, folded: Collection[int]) -> list[UnmatchedConstant]:
    """Return the real constants of operators that only the artifact has, if nothing left of the original could correspond to them.

    An operator that is fused or expressed differently leaves something on the other side: an operator that computes, or a constant that has no
    counterpart. Those in `folded`, by their ids, were found to be part of an operator of the original.
    """
    if any(place.role != "whole" for place in pairs.theirs) or any(
        each.name not in _LAYS_OUT for each in pairs.missing
    ):
        return []
    added = {id(each) for each in pairs.added}.difference(folded)
    return [
        _about(place)
        for place in pairs.ours
        if id(place.of) in added
        and place.role != "whole"
        and not (_changes_nothing(place) or _is_activation(place, pairs))
    ]


def _changes_nothing(place: ConstantPlace) -> bool:
    if place.of.name not in _NEUTRAL:
        return False
    try:
        return bool((place.values().real == _NEUTRAL[place.of.name]).all())
    except ValueError:  # of an encoding that is not read
        return False


def _is_activation(place: ConstantPlace, pairs: Pairs) -> bool:
    """Return whether an operator may be the activation of the operator before it, if that one's counterpart has it fused."""
    if place.of.name not in ("MAXIMUM", "MINIMUM"):
        return False
    fused = {id(one): other.options.get(ACTIVATION) for one, other in pairs.operators}
    return any(fused.get(id(feed)) not in (None, 0) for feed in place.of.feeds.values())


def _told_otherwise(pairs: Pairs, ours: Sequence[ComputingOperator]) -> list[AttributeRow]:
    """Return the options that differ; certain only without an unmatched neighbour that could compensate, such as a PAD before a convolution."""
    reading = _readers(ours)
    found: list[AttributeRow] = []
    for one, other in pairs.operators:
        alone = not (_touch(one, pairs.added) or _touch(other, pairs.missing))
        found += [
            {**_operator(one), **apart, "certain": apart["certain"] and alone}
            for apart in options_apart(one, other, reading.get(id(one)))
        ]
    return found


def _measured(pairs: Pairs, limits: Thresholds, moments: Mapping[str, np.ndarray]) -> _Measured:
    """Return the results of all pairs; those that are off most get an explanation."""
    found = _Measured()
    looked: list[tuple[float, ConstantRow, Pair]] = []
    for pair in pairs.pairs:
        place = pair.ours or pair.theirs
        assert place is not None
        try:
            held, wanted = values_of(pair)
        except ValueError as error:
            found.unread.append({**_about(place), "why": str(error)})
            continue
        if place.role == "whole" and is_how(pair):
            apart = numbers_apart(pair, held.real, wanted)
            found.attributes += [] if apart is None else [{**_operator(place.of), **apart}]
            continue
        apart_by = deviation(held, wanted, place.axis)
        row = _row(pair, place, apart_by)
        if place.factors is not None and pair.theirs is not None:
            row["factors"] = cost(held, wanted, place.factors, moments.get(pair.theirs.of.tensor), lost=limits.lost)
            row["sqnr_db"] = in_units_of_original(held, wanted, place.factors)
        found.rows.append(row)
        if _is_off(apart_by, row, limits):
            looked.append((apart_by.error, row, pair))
    for _, row, pair in sorted(looked, key=lambda each: -each[0])[:_LOOKED_INTO]:
        folded = _look_into(row, pair, pairs, limits)
        if folded is not None:
            found.fused.append(row)
            found.folded |= {id(each) for each in folded}
    fused = {id(row) for row in found.fused}
    found.rows = [row for row in found.rows if id(row) not in fused]
    return found


def _is_off(found: ConstantDeviation, row: ConstantRow, limits: Thresholds) -> bool:
    """Return whether a constant is off enough to explain; steps of biases do not count, because float32 is too coarse for such small steps."""
    of_steps = row["role"] in ("matrix", "vector") and row["dtype"] != "float16"
    if row["factors"] is not None:  # what makes them clips a few values on purpose
        return found.steps is None or not found.steps <= limits.rounded
    return not found.error <= limits.off or (of_steps and found.steps is not None and not found.steps <= limits.rounded)


def _look_into(row: ConstantRow, pair: Pair, pairs: Pairs, limits: Thresholds) -> list[ComputingOperator] | None:
    """Write into a row what happened to its constant; return as `explained_by` whether its operator was only fused differently."""
    place = pair.ours or pair.theirs
    assert place is not None
    if pair.ours is None or pair.theirs is None:
        row["what"] = "is left out" if pair.ours is None else "is added: the original has none"
        return explained_by(pair, pairs, limits)
    held, wanted = values_of(pair)
    same = [each.theirs for each in pairs.pairs if each is not pair and each.theirs is not None]

    def others() -> Iterator[tuple[str, np.ndarray]]:
        for each in same:
            if each.constant.size == wanted.size > 1:
                with contextlib.suppress(ValueError):  # of an encoding that is not read
                    yield each.constant.name, each.values().real

    row["what"] = mishap(held, wanted, place.axis, others, limits)
    row["values_off"] = _count_off(held, wanted, limits.off)
    return explained_by(pair, pairs, limits)


def _count_off(held: Values, wanted: np.ndarray, off: float) -> int:
    limit = np.maximum(np.broadcast_to(held.step, wanted.shape), np.abs(wanted) * off)
    return int((~(np.abs(held.real - wanted) <= limit)).sum())


def _touch(operator: ComputingOperator, left: Sequence[ComputingOperator]) -> bool:
    """Return whether one of the operators in `left` feeds this one or reads its output."""
    fed = {id(each) for each in operator.feeds.values()}
    return any(id(each) in fed or any(feed is operator for feed in each.feeds.values()) for each in left)


def _readers(ours: Sequence[ComputingOperator]) -> dict[int, str]:
    """Return the name of the only operator that reads an operator's output, by that operator's id, where there is just one."""
    reading: dict[int, list[str]] = {}
    for each in ours:
        for feed in each.feeds.values():
            reading.setdefault(id(feed), []).append(each.name)
    return {feed: names[0] for feed, names in reading.items() if len(names) == 1}


def _row(pair: Pair, place: ConstantPlace, found: ConstantDeviation) -> ConstantRow:
    theirs, off = pair.theirs or place, found.to_json()
    return {
        "operator": place.of.name,
        "gives": place.of.tensor,
        "tensor": place.constant.name,
        "original": theirs.constant.name,
        "role": theirs.role,
        "by": pair.by,
        "dtype": place.constant.dtype,
        "shape": list(place.constant.shape),
        "shares_a_range": place.shares_a_range,
        "factors": None,
        "sqnr_db": off["sqnr_db"],
        "error": off["error"],
        "within": off["within"],
        "steps": off["steps"],
        "clipped": off["clipped"],
        "channel": off["channel"],
        "what": None,
    }


def _about(place: ConstantPlace) -> UnmatchedConstant:
    return {
        **_operator(place.of),
        "tensor": place.constant.name,
        "role": place.role,
        "shape": list(place.constant.shape),
        "why": "has no counterpart",
    }


def _left(row: ConstantRow, why: str) -> UnmatchedConstant:
    return {
        "operator": row["operator"],
        "gives": row["gives"],
        "tensor": row["tensor"],
        "role": row["role"],
        "shape": row["shape"],
        "why": why,
    }


def _operator(operator: ComputingOperator) -> OperatorRow:
    return {"operator": operator.name, "gives": operator.tensor}


def _share(rows: Sequence[ConstantRow], left: Sequence[UnmatchedConstant]) -> MatrixCounts:
    """Return the number of matrices and tables, how many are matched, and the number of values of all and of the matched ones."""
    matched = [int(np.prod(each["shape"])) for each in rows if each["role"] == "matrix"]
    others = [int(np.prod(each["shape"])) for each in left if each["role"] == "matrix"]
    return {
        "count": len(matched) + len(others),
        "matched": len(matched),
        "values": sum(matched) + sum(others),
        "values_matched": sum(matched),
    }


def _counted(operators: Sequence[ComputingOperator]) -> list[str]:
    """Return the names of operators with their counts, the most frequent first."""
    names = Counter(each.name for each in operators).most_common(_NAMED)
    return [name if count == 1 else f"{count} {name}" for name, count in names]
