"""The operators of a .tflite, with the tensors that they read and write."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.engines.description import Description
from toolkit.engines.tflite.endings import endings
from toolkit.engines.tflite.extent import AGAIN
from toolkit.engines.tflite.file import describe
from toolkit.engines.tflite.packed import PackedModel, operators_in, tensors_in
from toolkit.errors import InvalidSource
from toolkit.wire.request import Request

_MOVES = {"QUANTIZE", "DEQUANTIZE"}  # these always have a float side


def inspect(request: Request) -> Description:
    """Return `describe` of inputs["model"], the dtypes of its activations, and the endings of its outputs; InvalidSource for a damaged file."""
    path = request.inputs["model"]
    described = describe(path)
    try:
        return {**described, "activations": activations(path), "endings": endings(path)}
    except InvalidSource:
        raise
    except Exception as error:  # operators of a damaged file name tensors that are not there
        raise InvalidSource(f"{path}: damaged TFLite file ({type(error).__name__}: {error})", AGAIN) from error


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor; `scales` is the count of its scales, and `constant` is whether the file holds its values."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: int
    constant: bool


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, named as in `BuiltinOperator`; `inputs` has no place for optional inputs that are left out."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def moves(self) -> bool:
        """Whether it does no more than to quantize or dequantize."""
        return self.name in _MOVES


def operators(path: Path) -> tuple[Operator, ...]:
    """Return the operators of all of the file's graphs, the main one's first, each in the order of execution."""
    status = path.stat()
    return _operators(path, status.st_mtime_ns, status.st_size)


def main_operators(path: Path) -> tuple[Operator, ...]:
    """Return the operators of the main graph alone, in the order of execution: those outside of loops and branches."""
    model = PackedModel.read(path.read_bytes())
    return tuple(_operators_of(model, model.root.Subgraphs(0)))


@functools.lru_cache(maxsize=4)  # a worker makes many variants of one float file, and needs its operators each time
def _operators(path: Path, _changed: int, _size: int) -> tuple[Operator, ...]:
    model = PackedModel.read(path.read_bytes())
    return tuple(operator for graph in model.graphs for operator in _operators_of(model, graph))


def _operators_of(model: PackedModel, graph: Any) -> list[Operator]:
    tensors = [_tensor(model, tensor) for tensor in tensors_in(graph)]
    found = []
    for operator in operators_in(graph):
        inputs = [operator.Inputs(index) for index in range(operator.InputsLength())]
        outputs = [operator.Outputs(index) for index in range(operator.OutputsLength())]
        found.append(
            Operator(
                model.operator(operator),
                tuple(tensors[index] for index in inputs if index >= 0),  # -1: an optional input that is not there
                tuple(tensors[index] for index in outputs if index >= 0),
            )
        )
    return found


def activations(path: Path) -> list[str]:
    """Return the dtypes of operators' outputs, without QUANTIZE and DEQUANTIZE."""
    return sorted({tensor.dtype for each in operators(path) if not each.moves for tensor in each.outputs})


def _tensor(model: PackedModel, tensor: Any) -> Tensor:
    quantization = tensor.Quantization()
    return Tensor(
        tensor.Name().decode(),
        model.dtype(tensor),
        tuple(tensor.Shape(index) for index in range(tensor.ShapeLength())),
        0 if quantization is None else quantization.ScaleLength(),
        model.size_bytes(tensor) > 0,
    )
