"""Write TFLite files that hold more, or other, than a file has room for.

    python make_hostile_tflite_files.py FOLDER        with an interpreter that has LiteRT

Beside the files lies expected.json: {file: what the refusal has to name}.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FOLDER = Path(sys.argv[1]).resolve()
expected: dict[str, str] = {}


def tensor(name: bytes, buffer: int = 0) -> Any:
    """Return a tensor of four float32 numbers."""
    made = schema.TensorT()
    made.name, made.shape, made.buffer, made.type = name, np.array([1, 4], np.int32), buffer, schema.TensorType.FLOAT32
    made.quantization = schema.QuantizationParametersT()
    return made


def write(name: str, says: str, change: Callable[[Any], None]) -> None:
    """Write y = x + constant, after `change` had it."""
    model, graph, code, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT(), schema.OperatorT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.zeros(16, np.uint8)
    graph.tensors = [tensor(b"x"), tensor(b"constant", 1), tensor(b"y")]
    graph.inputs, graph.outputs, graph.operators = np.array([0], np.int32), np.array([2], np.int32), [operator]
    operator.inputs, operator.outputs = np.array([0, 1], np.int32), np.array([2], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    code.version = 1
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    (FOLDER / name).write_bytes(bytes(builder.Output()))
    expected[name] = says


def shared(name: str, graphs: int, tensors: int) -> None:
    """Write a file whose subgraphs are all the same one, and whose tensors are."""
    model, vector = (
        20,
        32,
    )  # 0: root and identifier; 8: a table's list of fields (version, none, subgraphs); 20: the table
    content = bytearray(struct.pack("<I4sHHHHHxx", model, b"TFL3", 10, 12, 4, 0, 8))
    content += struct.pack("<iII", model - 8, 3, vector - 28)
    described = vector + 4 + 4 * graphs
    graph = described + 8
    content += struct.pack("<I", graphs)
    content += b"".join(struct.pack("<I", graph - (vector + 4 + 4 * place)) for place in range(graphs))
    content += struct.pack("<HHHxxiII", 6, 8, 4, 8, 4, tensors)
    first = graph + 12
    one = first + 4 * tensors + 4
    content += b"".join(struct.pack("<I", one - (first + 4 * place)) for place in range(tensors))
    content += struct.pack("<HHi", 4, 4, 4)
    (FOLDER / name).write_bytes(content)
    expected[name] = "has more than 200,000 tensors"


def main() -> None:
    """Write all of them."""
    shared("one-for-all.tflite", 100_000, 100_000)

    def outside(model: Any) -> None:
        held = model.buffers[1]
        held.data, held.offset, held.size = None, 1 << 50, 1 << 40

    write("outside.tflite", "and the file ends at", outside)

    def scales(model: Any) -> None:
        model.subgraphs[0].tensors[0].quantization.scale = np.ones(250_000, np.float32)

    write("scales.tflite", "has more than 200,000 tensors", scales)

    def names(model: Any) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"n" * 100_000
        model.operatorCodes = [code] * 20

    write("names.tflite", "", names)  # each has its own text here: it is long, and fits

    def elsewhere(model: Any) -> None:
        model.subgraphs[0].operators[0].inputs = [99_999, -5]

    write("elsewhere.tflite", "damaged TFLite file", elsewhere)

    def empty(model: Any) -> None:
        model.subgraphs = []

    write("no-graph.tflite", "has no graph in it", empty)
    (FOLDER / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
