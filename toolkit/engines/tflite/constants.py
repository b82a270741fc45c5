"""The constants of a .tflite as real numbers: with one scale, a scale for each channel or block, packed in half bytes, or float16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.engines.tflite.packed import names_of
from toolkit.engines.tflite.tables import BlockwiseQuantizationT, ModelT, SubGraphT, TensorT, shape_of

REAL = ("float32", "float16", "float64")
_WHOLE = ("int8", "uint8", "int16", "int32", "int64", "uint32", "bool")
_BITS = {"int8": 8, "uint8": 8, "int16": 16, "int32": 32, "int64": 64, "int4": 4}


@dataclass(frozen=True, slots=True)
class Values:
    """A constant's numbers.

    real      the real numbers, float64, in the constant's shape
    stored    the numbers as the file holds them (integers of 4 bits as int8); the same as `real` for floats
    step      real value of one step of the stored numbers, float64, broadcastable to the shape; 0 for float32, whose steps are negligible, and for
              whole numbers
    ends      the least and the largest number that can be stored, None where nothing is quantized
    """

    real: np.ndarray
    stored: np.ndarray
    step: np.ndarray
    ends: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that the file holds. `scaled` is whether it is quantized, `axis` the axis along which it has scales, None for a single scale."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scaled: bool
    axis: int | None
    reader: ConstantReader
    index: int

    @property
    def size(self) -> int:
        """The count of its numbers."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers, and not ids, axes or sizes."""
        return self.dtype in REAL or self.scaled

    def values(self, step: np.ndarray | None = None) -> Values:
        """Return its numbers, with `step` in place of its own scales if given; ValueError for an unknown encoding."""
        return self.reader.values(self.index, step)


class ConstantReader:
    """Reads the constants of one graph of a file."""

    def __init__(self, schema: Any, model: ModelT, graph: SubGraphT, content: bytes) -> None:
        self._schema, self._model, self._graph, self._content = schema, model, graph, content
        self._types = names_of(schema.TensorType)

    def constant(self, index: int) -> Constant | None:
        """Return the tensor with this number, None for one without values in the file."""
        tensor = self._graph.tensors[index]
        if tensor.isVariable or not self._bytes(tensor).size:
            return None
        scales, quantization = _scales(tensor), tensor.quantization
        axis = int(quantization.quantizedDimension) if quantization is not None and scales.size > 1 else None
        scaled = scales.size > 0 or self._blocks(tensor) is not None
        return Constant(_name(tensor), self.dtype(index), shape_of(tensor), scaled, axis, self, index)

    def dtype(self, index: int) -> str:
        """Return a tensor's dtype."""
        return self._types[self._graph.tensors[index].type].lower()

    def scale(self, index: int) -> np.ndarray:
        """Return a tensor's scales, float64 (n,); n is 0 for a tensor without scales."""
        return _scales(self._graph.tensors[index])

    def values(self, index: int, step: np.ndarray | None = None) -> Values:
        """As `Constant.values`."""
        tensor = self._graph.tensors[index]
        stored = self._stored(tensor)
        dtype = self.dtype(index)
        if dtype == "float16":
            real = stored.astype(np.float64)
            with np.errstate(over="ignore"):
                return Values(real, real, np.abs(np.spacing(stored)).astype(np.float64), None)
        if dtype in REAL:
            real = stored.astype(np.float64)
            return Values(real, real, np.zeros(()), None)
        scales, points = self._grid(tensor, stored.shape)
        if scales is None:
            return Values(stored.astype(np.float64), stored, np.zeros(()), None)
        scales = scales if step is None else step
        bits = _BITS[dtype]
        ends = (0, 255) if dtype == "uint8" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return Values((stored.astype(np.float64) - points) * scales, stored, scales, ends)

    def _stored(self, tensor: TensorT) -> np.ndarray:
        dtype, shape, held = self._types[tensor.type].lower(), shape_of(tensor), self._bytes(tensor)
        if dtype == "int4":
            count = int(np.prod(shape, dtype=np.int64))
            halves = np.stack([held & 0xF, held >> 4], axis=1).ravel()[:count].astype(np.int8)
            return np.where(halves > 7, halves - 16, halves).astype(np.int8).reshape(shape)
        if dtype not in (*REAL, *_WHOLE):
            raise ValueError(f"{dtype}: is not read")
        if tensor.sparsity is not None:
            raise ValueError("is held in a sparse encoding, which is not read")
        return held.view(np.dtype(dtype)).reshape(shape)

    def _grid(self, tensor: TensorT, shape: Sequence[int]) -> tuple[np.ndarray | None, np.ndarray]:
        """Return scales and zero points, broadcastable to the shape; None for the scales of a tensor that is not quantized."""
        blocks = self._blocks(tensor)
        if blocks is not None:
            scales = self.values(int(blocks.scales)).real
            return np.repeat(scales.reshape(*shape[:-1], -1), int(blocks.blockSize), axis=-1), np.zeros(())
        scales, quantization = _scales(tensor), tensor.quantization
        if quantization is None or not scales.size:
            return None, np.zeros(())
        held = quantization.zeroPoint
        points = np.zeros(scales.size) if held is None else np.asarray(held, np.float64)
        if scales.size == 1:
            return scales.reshape(()), points[:1].reshape(())
        along = [1] * len(shape)
        along[int(quantization.quantizedDimension)] = scales.size
        points = points if points.size == scales.size else np.full(scales.size, points[0])
        return scales.reshape(along), points.reshape(along)

    def _blocks(self, tensor: TensorT) -> BlockwiseQuantizationT | None:
        """Return the details of a tensor with scales for blocks of a row, None for any other tensor."""
        details = None if tensor.quantization is None else tensor.quantization.details
        return details if type(details).__name__ == "BlockwiseQuantizationT" else None

    def _bytes(self, tensor: TensorT) -> np.ndarray:
        buffer = self._model.buffers[tensor.buffer]
        if buffer.offset > 1:  # behind the flatbuffer, as in files over 2 GB
            return np.frombuffer(self._content, np.uint8, int(buffer.size), int(buffer.offset))
        return np.zeros(0, np.uint8) if buffer.data is None else np.asarray(buffer.data, np.uint8)


def _scales(tensor: TensorT) -> np.ndarray:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return np.zeros(0)
    return np.asarray(quantization.scale, np.float64)


def _name(tensor: TensorT) -> str:
    return "" if tensor.name is None else str(tensor.name.decode(errors="replace"))
