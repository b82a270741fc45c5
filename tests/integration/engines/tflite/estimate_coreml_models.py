"""What the Core ML delegate is estimated to take of small .tflite files; runs where LiteRT is.

    python estimate_coreml_models.py FOLDER

Writes JSON to standard output: by name what is estimated of a file of two RELUs with an operator, or several, between them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.integration.make_flatbuffers import File, Graph
from toolkit.engines.tflite.coreml_delegate import estimated

IMAGE = (1, 4, 4, 2)
Layer = Callable[[Graph, int], int]


def share(folder: Path, layer: Layer, shape: tuple[int, ...] = (1, 4), *, around: bool = True) -> object:
    """Return what is estimated of a file with the layer, between two RELUs if it has something around it."""
    file = File()
    graph = file.graph()
    x = graph.tensor("x", shape)
    first = graph.operator("RELU", [x], [graph.tensor("first", shape)]) if around else x
    y = layer(graph, first)
    if around:
        y = graph.operator("RELU", [y], [graph.tensor("y", shape)])
    graph.ends([x], [y])
    file.signature({"x": x}, {"y": y})
    file.write(folder / "model.tflite")
    return estimated(folder / "model.tflite")


def options(kind: str, **said: object) -> object:
    """Return a table of an operator's options."""
    made = getattr(schema, f"{kind}OptionsT")()
    for name, value in said.items():
        setattr(made, name, value)
    return made


def operator(
    name: str, kind: str = "", constants: tuple[np.ndarray, ...] = (), gives: tuple[int, ...] = (1, 4), **said: object
) -> Layer:
    """Return a layer of one operator over the input and these constants."""

    def layer(graph: Graph, x: int) -> int:
        more = [graph.constant(f"{name} {place}", values) for place, values in enumerate(constants)]
        return graph.operator(
            name, [x, *more], [graph.tensor(f"of {name}", gives)], options(kind, **said) if kind else None
        )

    return layer


def pool(activation: int) -> Layer:
    return operator(
        "AVERAGE_POOL_2D", "Pool2D", (), (1, 2, 2, 2), fusedActivationFunction=activation, strideW=2, strideH=2
    )


def mean(*axes: int, keep: bool) -> Layer:
    return operator("MEAN", "Reducer", (np.array(axes, np.int32),), (1, 1, 1, 2), keepDims=keep)


def pad(*amounts: int) -> Layer:
    return operator("PAD", "Pad", (np.array(amounts, np.int32).reshape(4, 2),), IMAGE)


def joined(axis: int) -> Layer:
    def layer(graph: Graph, x: int) -> int:
        given = [graph.tensor("joined", (1, 4, 4, 4))]
        return graph.operator("CONCATENATION", [x, x], given, options("Concatenation", axis=axis))

    return layer


def halved(graph: Graph, x: int) -> int:
    """A layer whose weights are float16, widened by an operator, as the scheme float16 has them."""
    weights = graph.constant("weights", np.ones((4, 4), np.float16))
    wide = graph.operator("DEQUANTIZE", [weights], [graph.tensor("wide", (4, 4))], options("Dequantize"))
    return graph.operator("FULLY_CONNECTED", [x, wide, -1], [graph.tensor("dense")], options("FullyConnected"))


def alone(graph: Graph, x: int) -> int:
    """One operator that is taken, between two that are not."""
    for name in ("ABS", "TANH", "ABS"):
        x = graph.operator(name, [x], [graph.tensor(f"{name} {x}")])
    return x


WHOLE_NUMBERS = np.ones((4, 4), np.int8)
CASES: dict[str, tuple] = {
    "tanh": (operator("TANH"),),
    "abs": (operator("ABS"),),
    "dense": (operator("FULLY_CONNECTED", "FullyConnected", (np.ones((4, 4), np.float32),)),),
    "dense of integers": (operator("FULLY_CONNECTED", "FullyConnected", (WHOLE_NUMBERS,)),),
    "dense of rows": (operator("FULLY_CONNECTED", "FullyConnected", (np.ones((4, 4), np.float32),), (2, 4)), (2, 4)),
    "dense of halves": (halved,),
    "softmax": (operator("SOFTMAX", "Softmax", beta=1.0),),
    "sharper softmax": (operator("SOFTMAX", "Softmax", beta=2.0),),
    "pool": (pool(0), IMAGE),
    "pool with an activation": (pool(1), IMAGE),
    "mean": (mean(1, 2, keep=True), IMAGE),
    "mean of channels": (mean(3, keep=True), IMAGE),
    "mean without axes": (mean(1, -2, keep=False), IMAGE),
    "pad": (pad(0, 0, 1, 1, 1, 1, 0, 0), IMAGE),
    "pad channels": (pad(0, 0, 1, 1, 1, 1, 0, 1), IMAGE),
    "join": (joined(-1), IMAGE),
    "join rows": (joined(1), IMAGE),
    "add a row": (operator("ADD", "Add", (np.ones((1, 1, 1, 2), np.float32),), IMAGE), IMAGE),
    "add a plane": (operator("ADD", "Add", (np.ones((1, 4, 1, 2), np.float32),), IMAGE), IMAGE),
    "reshape": (operator("RESHAPE", "Reshape", (np.array([1, 4], np.int32),), newShape=[1, 4]),),
}


def main() -> None:
    """Write what is estimated of each."""
    folder = Path(sys.argv[1])
    found = {name: share(folder, *case) for name, case in CASES.items()}
    found["alone"] = share(folder, alone, around=False)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
