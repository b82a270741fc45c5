"""What the jobs of this room write for the host to read, as JSON.

A number that JSON does not have is "inf", "-inf" or "nan". Powers are compared as shares: noise over signal. SQNR is in dB.
"""

from __future__ import annotations

import math
from typing import TypedDict

Number = float | str
"""A float, or the name of one that JSON does not have."""


def json_number(value: float) -> Number:
    """Return a float as JSON can have it."""
    return value if math.isfinite(value) else str(value)


class NoiseRow(TypedDict):
    """How far a tensor is off over all samples, in real units; `rmse_per_scale` is in steps of the tensor, None where it is not quantized."""

    sqnr_db: Number
    rmse: Number
    rmse_per_scale: Number | None
    max_abs: Number
    worst_sample: int
    worst_sample_sqnr_db: Number


class NoiseShareRow(NoiseRow):
    """The same, with the noise as a share of the signal's power."""

    share: Number


class LayerRow(TypedDict):
    """One tensor of a quantized file against its counterpart in the float one: see `toolkit.diagnosis.layer_drift.Layer`."""

    operator: str
    tensor: str
    float_tensor: str
    matched: str
    dtype: str
    scale: float | None
    range: list[float]
    saturated: float
    cumulative: NoiseRow
    isolated: NoiseRow | None
    cost: Number | None
    not_isolated: str | None


class Unmatched(TypedDict):
    """The tensors without a counterpart, as operator and name, of the quantized file and of the float one."""

    model: list[str]
    floats: list[str]


class DriftResult(TypedDict):
    """The file layers.json."""

    samples: int
    layers: list[LayerRow]
    unmatched: Unmatched


class TensorRow(TypedDict):
    """One tensor that an operator gives in two runs: see `toolkit.verdict.attribution.OperatorDeviation`."""

    place: int
    operator: str
    tensor: str
    inputs: list[str]
    fed_equal: bool
    dtype: str
    scale: float | None
    equal: bool
    alone_equal: bool
    cumulative: NoiseShareRow | None
    isolated: NoiseShareRow | None
    not_isolated: str | None


class DivergenceResult(TypedDict):
    """The file rows.json. `same` is, by side, whether a file gave the outputs of its run with all of its tensors to be read."""

    rows: list[TensorRow]
    unmatched: list[str]
    misnamed: list[str]
    same: dict[str, bool]


class HandoverStep(TypedDict):
    """The noise at each output if all operators up to that at `place` are the quantized file's; None where the rest does not run alone."""

    place: int
    shares: dict[str, Number] | None


class HandoverResult(TypedDict):
    """The file curve.json. `begin` is the noise that quantized inputs alone make."""

    begin: dict[str, Number] | None
    curve: list[HandoverStep]


class CutOperator(TypedDict):
    """The names of the tensors of an operator that was cut out, and scale and zero point of each output."""

    inputs: list[str]
    outputs: list[str]
    grids: list[tuple[float, int]]


class PackedOperator(TypedDict):
    """What the script of a reproduction prints, and whether the operator differs."""

    says: list[str]
    differs: bool
