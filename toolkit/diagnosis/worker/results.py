"""The JSON results that the jobs of this package write for the host.

Numbers that JSON does not have are "inf", "-inf" and "nan". Powers are compared as shares: noise over signal. SQNR is in dB.
"""

from __future__ import annotations

import math
from typing import TypedDict

Number = float | str
"""A float, or the name of a float that JSON does not have."""


def json_number(value: float) -> Number:
    """Return a float in a form that JSON allows."""
    return value if math.isfinite(value) else str(value)


class NoiseRow(TypedDict):
    """The error of a tensor over all samples, in real units. `rmse_per_scale` is in steps of the tensor, None if it is not quantized."""

    sqnr_db: Number
    rmse: Number
    rmse_per_scale: Number | None
    max_abs: Number
    worst_sample: int
    worst_sample_sqnr_db: Number


class NoiseShareRow(NoiseRow):
    """A `NoiseRow`, with the noise as a share of the signal's power."""

    share: Number


class LayerRow(TypedDict):
    """One tensor of a quantized file compared with its counterpart in the float one: see `toolkit.diagnosis.layer_drift.Layer`."""

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
    """The tensors without a counterpart, by operator and name, in the quantized file and in the float one."""

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
    """The file rows.json. `same` says, by side, whether a file with all tensors readable gave the outputs of its run."""

    rows: list[TensorRow]
    unmatched: list[str]
    misnamed: list[str]
    same: dict[str, bool]


class HandoverStep(TypedDict):
    """The noise at each output if all operators up to `place` are the quantized file's; None if the rest cannot run alone."""

    place: int
    shares: dict[str, Number] | None


class HandoverResult(TypedDict):
    """The file curve.json. `begin` is the noise that quantized inputs alone make."""

    begin: dict[str, Number] | None
    curve: list[HandoverStep]


class CutOperator(TypedDict):
    """The names of the tensors of an operator that was cut out, and the scale and zero point of each output."""

    inputs: list[str]
    outputs: list[str]
    grids: list[tuple[float, int]]


class PackedOperator(TypedDict):
    """The output of a reproduction's script, and whether the operator differs."""

    says: list[str]
    differs: bool
