"""The rows that the jobs of this folder write, as JSON: constants, options of operators that differ, activations with a range.

A number that JSON lacks is "inf", "-inf" or "nan". A share lies in [0, 1].
"""

from __future__ import annotations

import math
from typing import TypedDict

Number = float | str
"""A float, or the name of one that JSON does not have."""


def plain_number(value: float) -> Number:
    """Return a float as JSON: "inf", "-inf" or "nan" for one that JSON lacks."""
    return value if math.isfinite(value) else str(value)


class OperatorRow(TypedDict):
    """An operator of the artifact: its type and the name of its output tensor."""

    operator: str
    gives: str


class UnmatchedConstant(OperatorRow):
    """A constant that only one of the two files has, or that cannot be read, and why it is not compared."""

    tensor: str
    role: str
    shape: list[int]
    why: str


class DeviationRow(TypedDict):
    """How far a constant is from its counterpart: the fields of `ConstantDeviation`."""

    sqnr_db: Number
    error: Number
    within: Number | None
    steps: Number | None
    clipped: Number | None
    channel: int | None


class FactorsRow(TypedDict):
    """What the factors of a matrix's columns cost.

    `noise_db` is the noise that rounding the matrix adds to its product over the calibration set, against that of rounding it without factors, in dB:
    less than 0 where factors help. `met_db` is the signal to noise of that product, in dB, as if the inputs of the columns were independent. Both are
    None where what meets the matrix is not known. `evenly_db` is `noise_db` as if the same met all columns. `lost` counts the columns that have less
    than 6 dB, and would have more without factors.
    """

    lost: int
    evenly_db: Number
    noise_db: Number | None
    met_db: Number | None


class _Compared(OperatorRow, DeviationRow):
    tensor: str
    original: str
    role: str
    by: str
    dtype: str
    shape: list[int]
    shares_a_range: bool
    factors: FactorsRow | None
    what: str | None


class ConstantRow(_Compared, total=False):
    """A constant of the artifact beside its counterpart `original`.

    `by` says how the two were paired. `factors` says what the factors of its columns cost, by which the counterpart is divided; None where it has
    none. With factors, `sqnr_db` is in the counterpart's units, and the other numbers are in those of what is stored. `what` says in words what
    happened to the constant; None where it is right or was not examined. `values_off` counts its values beyond a step, if it was examined.
    """

    values_off: int


class OptionApart(TypedDict):
    """An option in which two operators differ; `certain` is whether they certainly compute something else."""

    option: str
    ours: object
    theirs: object
    certain: bool


class AttributeRow(OperatorRow, OptionApart):
    """An option in which an operator of the artifact differs."""


class MatrixCounts(TypedDict):
    """The numbers of matrices and tables, of those with a counterpart, and of the values of both."""

    count: int
    matched: int
    values: int
    values_matched: int


class OperatorCounts(TypedDict):
    """The number of operators of each file, and the names of those without a counterpart."""

    artifact: int
    original: int
    matched: int
    added: list[str]
    missing: list[str]


class AccountResult(TypedDict):
    """The result of the job `account`."""

    constants: list[ConstantRow]
    matrices: MatrixCounts
    matrices_of_artifact: MatrixCounts
    unmatched: list[UnmatchedConstant]
    extra: list[UnmatchedConstant]
    operators: OperatorCounts
    computed_besides: list[UnmatchedConstant]
    attributes: list[AttributeRow]


class ActivationRow(TypedDict):
    """The stored range [low, high] of an activation, the range that was seen, and the share of values beyond it; None without histograms.

    `samples` is the share of samples with such a value.
    """

    operator: str
    tensor: str
    range: list[float]
    seen: list[float]
    share: float | None
    samples: float


class ClippingResult(TypedDict):
    """The result of the job `clipping`; `samples` is the number of samples."""

    samples: int
    activations: list[ActivationRow]
