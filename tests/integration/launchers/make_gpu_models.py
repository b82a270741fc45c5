"""Small .tflite files for LiteRT's GPU delegate; runs where LiteRT is.

    python make_gpu_models.py FOLDER

FOLDER/NAME.tflite: `dense` two layers; `summed` 1,024 values that are gated by their sum; `left` with an operator that the delegate leaves to the
CPU; `high` with tensors of five axes before the layers, which XNNPACK takes and the delegate does not; `nothing` of one operator that it leaves;
`invalid` with one whose shader is wrong; `recurrent` a fused LSTM; `edges` with int8 edges; `ranked` the three largest of ten; `axes` a dense layer
on an input of four axes, `reshaped` the same behind a RESHAPE, as TensorFlow's converter writes it. Input x, output y.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.integration.make_flatbuffers import File, Graph, recurrent

WIDTH = 1024
AXES = (1, 4, 4, 12)


def write(
    folder: Path, name: str, layers: Callable[[Graph, int], int], entry: tuple[int, ...] = (1, 4), **more: object
) -> None:
    """Write a file with one graph from x to y; `more` is said of x."""
    file = File()
    graph = file.graph()
    x = graph.tensor("x", entry, **more)
    y = layers(graph, x)
    graph.ends([x], [y])
    file.signature({"x": x}, {"y": y})
    file.write(folder / f"{name}.tflite")


def dense(graph: Graph, x: int) -> int:
    """Two layers."""
    return graph.dense(graph.dense(x, "first"), "last")


def summed(graph: Graph, x: int) -> int:
    """The values, gated by their sum: beyond 65,504 it is infinite in float16, and the gate is 1 there."""
    axis = graph.constant("axis", np.array([1], np.int32))
    options = schema.ReducerOptionsT()
    options.keepDims = True
    total = graph.operator("SUM", [x, axis], [graph.tensor("sum", (1, 1))], options)
    small = graph.constant("small", np.array([[1e-5]], np.float32))
    scaled = graph.operator("MUL", [total, small], [graph.tensor("scaled", (1, 1))], schema.MulOptionsT())
    gate = graph.operator("LOGISTIC", [scaled], [graph.tensor("gate", (1, 1))])
    return graph.operator("MUL", [x, gate], [graph.tensor("y", (1, WIDTH))], schema.MulOptionsT())


def remainder(graph: Graph, x: int, name: str) -> int:
    """An operator that the delegate does not know."""
    return graph.operator("L2_NORMALIZATION", [x], [graph.tensor(name)], schema.L2NormOptionsT())


def left(graph: Graph, x: int) -> int:
    """A layer, an operator that stays on the CPU, and two layers."""
    return dense(graph, remainder(graph, graph.dense(x, "before"), "kept"))


def high(graph: Graph, x: int) -> int:
    """Two layers behind tensors of five axes, which the delegate leaves to XNNPACK."""
    for name, shape in (("axes", (1, 1, 1, 2, 2)), ("flat", (1, 4))):
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        sizes = graph.constant(f"{name} sizes", np.array(shape, np.int32))
        x = graph.operator("RESHAPE", [x, sizes], [graph.tensor(name, shape)], options)
        if name == "axes":
            x = graph.operator("ABS", [x], [graph.tensor("absolute", shape)])
    return dense(graph, x)


def invalid(graph: Graph, x: int) -> int:
    """Bits taken for an integer, for which the delegate writes a shader that its own compiler refuses."""
    bits = graph.operator("BITCAST", [x], [graph.tensor("bits", dtype=np.int32)])
    return graph.operator("CAST", [bits], [graph.tensor("y")], schema.CastOptionsT())


def ranked(graph: Graph, x: int) -> int:
    """The three largest of ten numbers, which the delegate takes and computes wrongly: it says that it needs a multiple of four."""
    count = graph.constant("count", np.array(3, np.int32))
    places = graph.tensor("places", (1, 3), np.int32)
    return graph.operator("TOPK_V2", [x, count], [graph.tensor("y", (1, 3)), places], schema.TopKV2OptionsT())


def axes(graph: Graph, x: int, *, reshaped: bool = False) -> int:
    """A dense layer of 8 units on all the values of four axes, of which each has its own weights; flattened before it if `reshaped`."""
    count = int(np.prod(AXES))
    if reshaped:
        options = schema.ReshapeOptionsT()
        options.newShape = [1, count]
        sizes = graph.constant("sizes", np.array([1, count], np.int32))
        x = graph.operator("RESHAPE", [x, sizes], [graph.tensor("flat", (1, count))], options)
    weights = graph.constant("weights", np.random.default_rng(7).normal(size=(8, count)).astype(np.float32))
    return graph.operator(
        "FULLY_CONNECTED", [x, weights, -1], [graph.tensor("y", (1, 8))], schema.FullyConnectedOptionsT()
    )


def grid(scale: float) -> object:
    """Return the scale of a quantized tensor."""
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = np.array([scale], np.float32), np.array([3], np.int64)
    return made


def edges(graph: Graph, x: int) -> int:
    """Two layers between int8 edges."""
    real = graph.operator("DEQUANTIZE", [x], [graph.tensor("real")])
    y = graph.tensor("y", dtype=np.int8, quantization=grid(0.05))
    return graph.operator("QUANTIZE", [dense(graph, real)], [y])


def main(folder: Path) -> None:
    """Write all files."""
    write(folder, "dense", dense)
    write(folder, "summed", summed, (1, WIDTH))
    write(folder, "left", left)
    write(folder, "high", high)
    write(folder, "nothing", lambda graph, x: remainder(graph, x, "y"))
    write(folder, "invalid", invalid)
    write(folder, "edges", edges, dtype=np.int8, quantization=grid(0.02))
    write(folder, "ranked", ranked, (1, 10))
    write(folder, "axes", axes, AXES)
    write(folder, "reshaped", lambda graph, x: axes(graph, x, reshaped=True), AXES)
    recurrent(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
