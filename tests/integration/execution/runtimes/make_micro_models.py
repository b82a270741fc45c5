"""Small .tflite files for TFLite Micro: what it runs, what it lacks, what it aborts on, and what keeps state.

python make_micro_models.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from toolkit.engines.tflite.packed import schema_module

schema = schema_module()


class File:
    """A model of graphs that are put together operator by operator."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version, self.model.buffers = 3, [schema.BufferT()]
        self.model.subgraphs, self.model.operatorCodes, self.model.signatureDefs = [], [], []

    def graph(self) -> Graph:
        """Return another graph."""
        made = Graph(self)
        self.model.subgraphs.append(made.table)
        return made

    def write(self, path: Path) -> None:
        """Write the file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))


class Graph:
    """One of its graphs, with a signature."""

    def __init__(self, file: File) -> None:
        self.file, self.table = file, schema.SubGraphT()
        self.table.tensors, self.table.operators, self.table.inputs, self.table.outputs = [], [], [], []

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        *,
        scale: float | None = None,
        zero_point: int = 0,
        values: np.ndarray | None = None,
        variable: bool = False,
    ) -> int:
        """Add a tensor, and return its number; one with `values` is a constant."""
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), getattr(schema.TensorType, dtype.upper()), 0
        made.isVariable = variable
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = np.float32([scale]), np.int64([zero_point])
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, dtype).tobytes(), np.uint8)
            self.file.model.buffers.append(buffer)
            made.buffer = len(self.file.model.buffers) - 1
        self.table.tensors.append(made)
        return len(self.table.tensors) - 1

    def operator(self, name: str, takes: list[int], gives: list[int], options: str = "", **fields: Any) -> None:
        """Add an operator with options of that table."""
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), 1
        code.deprecatedBuiltinCode = min(127, code.builtinCode)
        self.file.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.file.model.operatorCodes) - 1, takes, gives
        if options:
            made.builtinOptions = getattr(schema, f"{options}T")()
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            for field, value in fields.items():
                setattr(made.builtinOptions, field, value)
        self.table.operators.append(made)

    def signature(self, key: str, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        """Name the graph's inputs and outputs; the graph has them in the order of the tensors' numbers."""
        self.table.inputs, self.table.outputs = sorted(inputs.values()), sorted(outputs.values())
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = key, self.file.model.subgraphs.index(self.table)
        made.inputs, made.outputs = ([_map(*item) for item in side.items()] for side in (inputs, outputs))
        self.file.model.signatureDefs.append(made)


def _map(name: str, tensor: int) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, tensor
    return made


def named() -> File:
    """Return z = a - b and y = (a - b)^2; names and tensors are in other orders."""
    file = File()
    graph = file.graph()
    b, a = graph.tensor("second", (1, 4)), graph.tensor("first", (1, 4))
    less, squared = graph.tensor("less", (1, 4)), graph.tensor("squared", (1, 4))
    graph.operator("SUB", [a, b], [less], "SubOptions")
    graph.operator("MUL", [less, less], [squared], "MulOptions")
    graph.signature("serving_default", {"a": a, "b": b}, {"z": less, "y": squared})
    return file


def kept() -> File:
    """Return a filter with memory: y = x now + 10 times the x before."""
    file = File()
    graph = file.graph()
    x = graph.tensor("x", (1, 1))
    weights = graph.tensor("feature", (1, 1), values=np.ones(1))
    times = graph.tensor("time", (1, 2), values=np.array([10.0, 1.0]))
    bias = graph.tensor("bias", (1,), values=np.zeros(1))
    state, y = graph.tensor("state", (1, 2), variable=True), graph.tensor("y", (1, 1))
    graph.operator("SVDF", [x, weights, times, bias, state], [y], "SVDFOptions", rank=1)
    graph.signature("serving_default", {"x": x}, {"y": y})
    return file


def one(name: str, dtype: str = "float32", options: str = "", *, scale: float | None = None, **fields: Any) -> File:
    """Return a model of one operator of one tensor."""
    file = File()
    graph = file.graph()
    x = graph.tensor("x", (1, 8), dtype, scale=scale)
    y = graph.tensor("y", (1, 8), dtype, scale=None if scale is None else 1 / 256, zero_point=-128)
    graph.operator(name, [x], [y], options, **fields)
    graph.signature("serving_default", {"x": x}, {"y": y})
    return file


def several() -> File:
    """Return two graphs with a signature each."""
    file = File()
    for key, name in (("absolute", "ABS"), ("negative", "NEG")):
        graph = file.graph()
        x, y = graph.tensor("x", (1, 4)), graph.tensor("y", (1, 4))
        graph.operator(name, [x], [y], f"{name.title()}Options")
        graph.signature(key, {"x": x}, {"y": y})
    return file


def open_batch() -> File:
    """Return the absolute values of any number of rows."""
    file = one("ABS", options="AbsOptions")
    for tensor in file.model.subgraphs[0].tensors:
        tensor.shapeSignature = [-1, 8]
    return file


MODELS = {
    "open": open_batch,
    "named": named,
    "kept": kept,
    "several": several,
    "lacking": lambda: one("GELU", options="GeluOptions"),
    "aborting": lambda: one("SOFTMAX", "int8", "SoftmaxOptions", scale=7.8e-9, beta=1.0),
}


if __name__ == "__main__":
    for name, make in MODELS.items():
        make().write(Path(sys.argv[1]) / f"{name}.tflite")
