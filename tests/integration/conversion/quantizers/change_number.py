"""Write a .tflite with one number of one constant changed; runs where LiteRT is.

    python change_number.py FILE CHANGED NAME

The first constant whose name has NAME in it: the number that is largest loses its second highest bit, a float32 a fifth of its size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def main(source: Path, changed: Path, name: str) -> None:
    """Write the changed file."""
    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    (graph,) = model.subgraphs
    tensor = next(
        each for each in graph.tensors if name in each.name.decode() and model.buffers[each.buffer].data is not None
    )
    content = np.array(model.buffers[tensor.buffer].data, np.uint8)
    if tensor.type == schema.TensorType.FLOAT32:
        numbers = content.view(np.float32)
        numbers[np.abs(numbers).argmax()] *= 0.8
    elif tensor.type == schema.TensorType.INT8:
        content[np.abs(content.view(np.int8).astype(int)).argmax()] ^= 0x20
    else:  # two integers of 4 bits in a byte
        low = (content.astype(int) & 0xF ^ 8) - 8
        content[np.abs(low).argmax()] ^= 0x2
    model.buffers[tensor.buffer].data = content
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    changed.write_bytes(bytes(builder.Output()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
