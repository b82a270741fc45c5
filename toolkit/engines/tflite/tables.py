"""The tables of a .tflite, unpacked: with attributes that can be changed, named as in TFLite's schema.fbs.

The generated classes come without types. These protocols name the attributes that are used here; lists of numbers are arrays, and a list that the
file leaves out is None. `schema.ModelT.InitFromPackedBuf(content, 0)` gives the real tables.
"""

# ruff: noqa: N815 (the names are the schema's)

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class QuantizationT(Protocol):
    """Scales and zero points of a tensor; `details` has those of an encoding by blocks."""

    scale: np.ndarray | None
    zeroPoint: np.ndarray | None
    quantizedDimension: int
    details: BlockwiseQuantizationT | None


class BlockwiseQuantizationT(Protocol):
    """Scales for each block of a row: `scales` is the number of the tensor that holds them."""

    scales: int
    blockSize: int


class TensorT(Protocol):
    """A tensor: `type` by the schema's TensorType, `buffer` the number of its buffer."""

    name: bytes | None
    type: int
    shape: np.ndarray | None
    shapeSignature: np.ndarray | None
    buffer: int
    isVariable: bool
    quantization: QuantizationT | None
    sparsity: Any


class OperatorT(Protocol):
    """An operator: `opcodeIndex` is the number of its code, inputs and outputs are numbers of tensors, -1 for one that is left out."""

    opcodeIndex: int
    inputs: np.ndarray | None
    outputs: np.ndarray | None
    intermediates: np.ndarray | None
    builtinOptions: Any
    builtinOptionsType: int


class OperatorCodeT(Protocol):
    """Which operator, in which version."""

    builtinCode: int
    deprecatedBuiltinCode: int
    customCode: bytes
    version: int


class BufferT(Protocol):
    """The bytes of constants: `data` in the table, or `size` bytes at `offset` behind the tables."""

    data: np.ndarray | None
    offset: int
    size: int


class SubGraphT(Protocol):
    """A graph."""

    tensors: list[TensorT]
    operators: list[OperatorT]
    inputs: np.ndarray
    outputs: np.ndarray


class TensorMapT(Protocol):
    """An input or output of a signature: its name and the number of its tensor."""

    name: bytes
    tensorIndex: int


class SignatureDefT(Protocol):
    """A signature of the file."""

    signatureKey: bytes
    subgraphIndex: int
    inputs: list[TensorMapT] | None
    outputs: list[TensorMapT] | None


class ModelT(Protocol):
    """A file."""

    version: int
    subgraphs: list[SubGraphT]
    buffers: list[BufferT]
    operatorCodes: list[OperatorCodeT]
    signatureDefs: list[SignatureDefT] | None

    def Pack(self, builder: Any, /) -> int:  # noqa: N802 (the generated name)
        """Write the tables into a flatbuffers.Builder and return their offset."""


def shape_of(tensor: TensorT) -> tuple[int, ...]:
    """Return a tensor's sizes; () where the file leaves them out."""
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def numbers_of(tensors: np.ndarray | None) -> list[int]:
    """Return the numbers of the tensors that an operator reads or gives."""
    return [] if tensors is None else [int(number) for number in tensors]
