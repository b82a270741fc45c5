"""The rows that the jobs of this room write, as JSON: constants, options of operators that differ, activations with a range.

A number that JSON does not have is "inf", "-inf" or "nan". A share lies in [0, 1].
"""

from __future__ import annotations

from typing import TypedDict

Number = float | str
"""A float, or the name of one that JSON does not have."""


class OperatorRow(TypedDict):
    """An operator of the artifact, by its type and the name of the tensor that it gives."""

    operator: str
    gives: str


class UnmatchedConstant(OperatorRow):
    """A constant that only one of the two files has, or that cannot be read, and why nothing is compared with it."""

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


class _Compared(OperatorRow, DeviationRow):
    tensor: str
    original: str
    role: str
    by: str
    dtype: str
    shape: list[int]
    shares_a_range: bool
    what: str | None


class ConstantRow(_Compared, total=False):
    """A constant of the artifact beside its counterpart `original`.

    `by` says how the two were paired. `what` is what happened to the constant, in words; None where
    it is right or nobody looked. `values_off` counts its values beyond a step, where somebody did.
    """

    values_off: int


class OptionApart(TypedDict):
    """An option that two operators have differently; `certain` is whether they compute something else for sure."""

    option: str
    ours: object
    theirs: object
    certain: bool


class AttributeRow(OperatorRow, OptionApart):
    """An option that an operator of the artifact has differently."""


class MatrixCounts(TypedDict):
    """How many matrices and tables there are, how many have a counterpart, and how many of all values these hold."""

    count: int
    matched: int
    values: int
    values_matched: int


class OperatorCounts(TypedDict):
    """How many operators each file has, and the names of those without a counterpart."""

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
    """The range [low, high] that an activation is held by, what was seen of it, and the share of values beyond; None without histograms.

    `samples` is the share of samples with such a value.
    """

    operator: str
    tensor: str
    range: list[float]
    seen: list[float]
    share: float | None
    samples: float


class ClippingResult(TypedDict):
    """The result of the job `clipping`, over so many samples."""

    samples: int
    activations: list[ActivationRow]
