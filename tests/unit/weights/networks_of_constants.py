"""Networks as the account of weights sees them, operators with constants, without a file: a float one, and what quantizing makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from toolkit.engines.tflite.constants import Constant, Values
from toolkit.engines.tflite.graphs import BIAS, ComputingOperator
from toolkit.weights import account
from toolkit.weights.account_job import thresholds

ENDS = {"int8": (-128, 127), "int4": (-8, 7), "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
INPUT_STEP = 0.02


@dataclass(frozen=True)
class Stored:
    """Stands in for the file: one constant's numbers as it would hold them."""

    values_: Values

    def values(self, _index: int, step: np.ndarray | None = None) -> Values:
        """Return them, by another step where one is given."""
        if step is None:
            return self.values_
        return replace(self.values_, real=self.values_.stored * step, step=np.asarray(step))


def constant(name: str, real: np.ndarray, dtype: str = "float32", axis: int | None = None) -> Constant:
    """Return a constant as a converter would quantize it: symmetric, by a scale for each channel of `axis`, or one."""
    real = np.asarray(real, np.float64)
    if dtype in ("int8", "int4"):
        others = None if axis is None else tuple(each for each in range(real.ndim) if each != axis)
        most = np.abs(real).max(axis=others, keepdims=axis is not None)
        step = np.where(most > 0, most, 1) / ENDS[dtype][1]
        return stored(name, np.round(real / step), step, dtype, axis)
    if dtype == "float16":
        half = real.astype(np.float16)
        values = Values(half.astype(np.float64), half.astype(np.float64), np.abs(np.spacing(half)).astype(float), None)
    else:
        values = Values(real, real, np.zeros(()), None)
    return Constant(name, dtype, real.shape, False, None, Stored(values), 0)


def stored(name: str, integers: np.ndarray, step: np.ndarray | float, dtype: str, axis: int | None = None) -> Constant:
    """Return a constant of these integers."""
    integers, step = np.asarray(integers), np.asarray(step, np.float64)
    whole = integers.astype(np.int64)
    return Constant(name, dtype, integers.shape, True, axis, Stored(Values(whole * step, whole, step, ENDS[dtype])), 0)


def whole(name: str, numbers: list[int]) -> Constant:
    """Return whole numbers: axes, ids."""
    held = np.asarray(numbers, np.int32)
    return Constant(
        name, "int32", held.shape, False, None, Stored(Values(held.astype(float), held, np.zeros(()), None)), 0
    )


def operator(name, tensor, shape, constants=None, feeds=(), **more) -> ComputingOperator:
    """Return an operator; `feeds` are those whose results it reads first."""
    held = dict(constants or {})
    fed = {place: each for place, each in enumerate(feeds) if place not in held}
    known = {"inputs": 3, "bias_step": None, "ends": None, "options": {}}
    return ComputingOperator(name=name, tensor=tensor, shape=shape, constants=held, feeds=fed, **{**known, **more})


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Return the weights and biases of the network below."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (8, 3, 3, 4), "b": (8, 3, 3, 8), "c": (8, 3, 3, 8), "d": (16, 8), "e": (10, 16)}
    made = {
        f"{name}/w": rng.normal(size=shape) * rng.uniform(0.5, 2, (shape[0],) + (1,) * (len(shape) - 1))
        for name, shape in shapes.items()
    }
    return made | {f"{name}/b": rng.normal(size=shape[0]) for name, shape in shapes.items()}


def network(
    held: dict[str, np.ndarray], dtype: str = "float32", bias: str = "float32", *, per_channel: bool = True
) -> list[ComputingOperator]:
    """Return three convolutions, of which two have one shape, and two dense layers, in one scheme."""
    found: list[ComputingOperator] = []
    for name, kind in (
        ("a", "CONV_2D"),
        ("b", "CONV_2D"),
        ("c", "CONV_2D"),
        ("d", "FULLY_CONNECTED"),
        ("e", "FULLY_CONNECTED"),
    ):
        matrix = constant(f"{name}/w", held[f"{name}/w"], dtype, 0 if per_channel else None)
        shape = (1, 6, 6, 8) if kind == "CONV_2D" else (1, len(held[f"{name}/w"]))
        constants, step = {1: matrix}, None
        if f"{name}/b" in held:
            constants[BIAS[kind]], step = _bias(f"{name}/b", held[f"{name}/b"], bias, matrix)
        options = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1} if kind == "CONV_2D" else {}
        found.append(operator(kind, f"{name}/out", shape, constants, found[-1:], bias_step=step, options=options))
    return found


def _bias(name: str, real: np.ndarray, dtype: str, matrix: Constant) -> tuple[Constant, np.ndarray | None]:
    if dtype not in ("int32", "int64"):
        return constant(name, real, dtype), None
    step = np.broadcast_to(matrix.values().step.ravel() * INPUT_STEP, real.shape)
    return stored(name, np.round(real / step), step, dtype), step


def accounted(ours, theirs, moments=None, limits=None):
    """Return the account of two networks, by the package's thresholds or by `limits`."""
    return account.accounted(ours, theirs, thresholds() if limits is None else limits, moments)
