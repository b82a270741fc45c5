"""Small .tflite files whose edges an engine does not take, and some that nobody can rewrite; runs where LiteRT is.

    python make_files.py FOLDER

FOLDER/NAME.tflite; numbers are random, and the same in each run.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.integration.make_flatbuffers import File, Graph

OPEN = {"shapeSignature": [-1, 4]}
INT8, INT16 = schema.TensorType.INT8, schema.TensorType.INT16


def grid(scale: float, point: int) -> object:
    """Return what makes a tensor's integers numbers of that grid."""
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = np.array([scale], np.float32), np.array([point], np.int64)
    return made


def integers(kind: int, point: int, **more: object) -> Callable[[Graph], None]:
    """Return a maker of a graph that adds its input of integers to itself, and gives integers of a coarser grid."""

    def make(graph: Graph) -> None:
        entry = graph.tensor("x", type=kind, quantization=grid(1 / 16, point), **more)
        result = graph.tensor("y", type=kind, quantization=grid(1 / 7, 0), **more)
        graph.operator("ADD", [entry, entry], [result], schema.AddOptionsT())
        graph.file.model.operatorCodes[-1].version = 2
        graph.ends([entry], [result])

    return make


def open_batch(graph: Graph) -> None:
    """A dense layer for any batch."""
    entry = graph.tensor("x", **OPEN)
    weights = graph.constant("weights", np.random.default_rng(3).normal(size=(4, 4)).astype(np.float32))
    result = graph.tensor("y", **OPEN)
    graph.operator("FULLY_CONNECTED", [entry, weights, -1], [result], schema.FullyConnectedOptionsT())
    graph.ends([entry], [result])


def reshaped(rows: int) -> Callable[[Graph], None]:
    """Return a maker of a graph for any batch that reshapes to a constant shape of so many rows, as a converter leaves one that was traced so."""

    def make(graph: Graph) -> None:
        entry = graph.tensor("x", **OPEN)
        shape = graph.constant("shape", np.array([rows, 2, 2], np.int32))
        result = graph.tensor("y", (rows, 2, 2), shapeSignature=[-1, 2, 2])
        graph.operator("RESHAPE", [entry, shape], [result])
        graph.ends([entry], [result])

    return make


def counted(graph: Graph) -> None:
    """The places of all numbers that are not 0: how many there are only a run shows."""
    entry = graph.tensor("x", dtype=bool, **OPEN)
    result = graph.tensor("y", (1, 2), type=schema.TensorType.INT64, shapeSignature=[-1, 2])
    graph.operator("WHERE", [entry], [result], schema.WhereOptionsT())
    graph.ends([entry], [result])


def bare(graph: Graph) -> None:
    """Integers without a scale: nothing says which numbers they are."""
    entry, result = graph.tensor("x", type=INT8), graph.tensor("y", type=INT8)
    graph.operator("ABS", [entry], [result])
    graph.ends([entry], [result])


def open_width(graph: Graph) -> None:
    """A size beside the batch that is open."""
    entry, result = graph.tensor("x", shapeSignature=[-1, -1]), graph.tensor("y", shapeSignature=[-1, -1])
    graph.operator("NEG", [entry], [result])
    graph.ends([entry], [result])


MADE = {
    "int8": integers(INT8, 3),
    "int16": integers(INT16, 0),
    "open": open_batch,
    "open_int8": integers(INT8, 3, **OPEN),
    "reshaped_1": reshaped(1),
    "reshaped_4": reshaped(4),
    "counted": counted,
    "bare": bare,
    "open_width": open_width,
}


def main(folder: Path) -> None:
    """Write all files."""
    for name, make in MADE.items():
        file = File()
        graph = file.graph()
        make(graph)
        file.signature({"x": graph.made.inputs[0]}, {"y": graph.made.outputs[0]})
        file.write(folder / f"{name}.tflite")
    several = File()
    graph = several.graph()
    MADE["int8"](graph)
    several.signature({"x": graph.made.inputs[0]}, {"y": graph.made.outputs[0]})
    other = schema.SignatureDefT()
    other.signatureKey, other.subgraphIndex = "other", 0
    other.inputs, other.outputs = several.model.signatureDefs[0].inputs, several.model.signatureDefs[0].outputs
    several.model.signatureDefs.append(other)
    several.write(folder / "several.tflite")
    nameless = File()
    graph = nameless.graph()
    MADE["int8"](graph)
    nameless.write(folder / "nameless.tflite")
    with_files = folder / "with_files.tflite"
    with_files.write_bytes((folder / "int8.tflite").read_bytes())
    with zipfile.ZipFile(with_files, "a") as archive:
        archive.writestr("labels.txt", "zero\none\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
