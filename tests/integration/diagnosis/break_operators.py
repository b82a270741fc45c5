"""Break one operator of a .tflite; runs where LiteRT is.

    python break_operators.py SOURCE PLACE PLACE_OF_OPERATOR WHAT

WHAT: "weights" (the scale of one channel of its weights is four times what it should be, or float weights so), "bias" (none), "range" (what it gives
is held with a sixth of its scale, so that it clips; those that read it read it so), "names" (what it gives is called as what the next operator gives
that gives such a shape, and the other way round; nothing is wrong but that).
"""

from __future__ import annotations

import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

source, place, number, what = sys.argv[1:]
model = schema.ModelT.InitFromPackedBuf(Path(source).read_bytes(), 0)
graph = model.subgraphs[0]
operator = graph.operators[int(number)]
if what == "names":
    own = graph.tensors[operator.outputs[0]]
    others = (graph.tensors[each.outputs[0]] for each in graph.operators[int(number) + 1 :])
    other = next(each for each in others if list(each.shape) == list(own.shape))
    own.name, other.name = other.name, own.name
elif what == "range":
    held = graph.tensors[operator.outputs[0]].quantization
    held.scale = np.asarray(held.scale, np.float32) / np.float32(6)
else:
    constant = graph.tensors[operator.inputs[1 if what == "weights" else 2]]
    buffer = model.buffers[constant.buffer]
    if what == "bias":
        buffer.data = np.zeros_like(buffer.data)
    elif constant.type == schema.TensorType.FLOAT32:
        values = np.asarray(buffer.data, np.uint8).view(np.float32).copy()
        values[: len(values) // constant.shape[0]] *= 4
        buffer.data = values.view(np.uint8)
    else:
        held = constant.quantization
        held.scale = np.array(held.scale, np.float32)
        held.scale[0] *= 4
builder = flatbuffers.Builder(1 << 20)
builder.Finish(model.Pack(builder), b"TFL3")
Path(place).write_bytes(bytes(builder.Output()))
