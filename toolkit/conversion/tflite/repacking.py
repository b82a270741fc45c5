"""A .tflite unpacked into objects that can be changed, and packed again, with the data that large files keep behind their tables."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from toolkit.engines.tflite.packed import schema_module

_ALIGNMENT = 16  # bytes (schema.fbs: Buffer.data, force_align)
_BEHIND = 2  # the least offset of data that lie behind the tables (schema.fbs: Buffer.offset)


def unpacked(content: bytes) -> tuple[Any, Any]:
    """Return the classes of the schema, and the file as a `ModelT` of them, which holds all of the file's data itself."""
    schema = schema_module()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset >= _BEHIND:  # the data is behind the tables, so these cannot move without it
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for operator in (each for graph in model.subgraphs for each in graph.operators or ()):
        if operator.largeCustomOptionsOffset >= _BEHIND:
            options = content[operator.largeCustomOptionsOffset :][: operator.largeCustomOptionsSize]
            operator.customOptions = np.frombuffer(options, np.uint8)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return schema, model


def packed(schema: Any, model: Any, size_bytes: int) -> bytes:
    """Return the bytes of a file; `size_bytes` is about how many they will be. Data of buffers are aligned as the schema asks."""
    import flatbuffers

    builder = flatbuffers.Builder(size_bytes + (1 << 16))
    for buffer in model.buffers:
        buffer.Pack = partial(_pack_aligned, schema, buffer)  # the generated one aligns bytes to bytes
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _pack_aligned(schema: Any, buffer: Any, builder: Any) -> Any:
    """Add a buffer to a builder, with its data aligned; return its place."""
    data = None
    if buffer.data is not None:
        content = np.asarray(buffer.data, np.uint8).tobytes()
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
    schema.BufferStart(builder)
    if data is not None:
        schema.BufferAddData(builder, data)
    return schema.BufferEnd(builder)


def code_of(schema: Any, model: Any, builtin: int, version: int) -> int:
    """Return the index of the code of a builtin operator in a version; add it if it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if (max(code.builtinCode, code.deprecatedBuiltinCode), code.version) == (builtin, version):
            return index
    added = schema.OperatorCodeT()
    added.builtinCode, added.version = builtin, version
    added.deprecatedBuiltinCode = min(builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.operatorCodes.append(added)
    return len(model.operatorCodes) - 1
