"""The messages of an ONNX model, with the fields that are read here: onnx/onnx.proto.

The classes of onnx come without types. These protocols give type checkers the names of the fields; `graph.read` gives the real messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

M = TypeVar("M")


class Message(Protocol):
    """What every message can do."""

    def CopyFrom(self, other: Any, /) -> None:  # noqa: N802 (protobuf's name)
        """Take the content of another message of the same class."""

    def HasField(self, name: str, /) -> bool:  # noqa: N802 (protobuf's name)
        """Return whether a field of a oneof, or a message, is set."""

    def SerializeToString(self) -> bytes:  # noqa: N802 (protobuf's name)
        """Return the message as bytes."""


class Messages(Protocol[M]):
    """A repeated field of messages."""

    def __iter__(self) -> Iterator[M]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, position: int, /) -> M: ...
    def __delitem__(self, part: slice, /) -> None: ...
    def append(self, message: M, /) -> None:
        """Append a copy of a message."""

    def remove(self, message: M, /) -> None:
        """Take away the first message that is equal to this one."""

    def extend(self, messages: Iterable[M], /) -> None:
        """Append copies of messages."""


class Dimension(Message, Protocol):
    """One size of a shape: `dim_value` where it is fixed."""

    dim_value: int


class TensorShapeProto(Protocol):
    """A shape."""

    dim: Sequence[Dimension]


class TensorType(Message, Protocol):
    """Element type and shape of a tensor."""

    elem_type: int
    shape: TensorShapeProto


class TypeProto(Protocol):
    """The type of a value; only tensors are read here."""

    tensor_type: TensorType


class ValueInfoProto(Protocol):
    """A tensor by name, with its type."""

    name: str
    type: TypeProto


class TensorProto(Message, Protocol):
    """A constant; with `data_location` EXTERNAL its numbers lie in another file."""

    EXTERNAL: int
    name: str
    dims: Sequence[int]
    data_type: int
    data_location: int


class SparseTensorProto(Protocol):
    """A sparse constant."""

    values: TensorProto
    indices: TensorProto


class AttributeProto(Message, Protocol):
    """An attribute of a node; of its fields one is filled."""

    name: str
    i: int
    t: TensorProto
    g: GraphProto
    sparse_tensor: SparseTensorProto
    tensors: Sequence[TensorProto]
    graphs: Sequence[GraphProto]
    sparse_tensors: Sequence[SparseTensorProto]


class NodeProto(Protocol):
    """An operator: names of the tensors that it takes and gives; "" for one that is left out."""

    name: str
    op_type: str
    domain: str
    input: MutableSequence[str]
    output: MutableSequence[str]
    attribute: Sequence[AttributeProto]


class GraphProto(Protocol):
    """A graph."""

    name: str
    doc_string: str
    node: Messages[NodeProto]
    input: Messages[ValueInfoProto]
    output: Messages[ValueInfoProto]
    value_info: Sequence[ValueInfoProto]
    initializer: Messages[TensorProto]
    sparse_initializer: Sequence[SparseTensorProto]


class FunctionProto(Protocol):
    """A function of a model."""

    name: str
    domain: str
    node: Messages[NodeProto]


class OperatorSetIdProto(Protocol):
    """The version of a domain's operators."""

    domain: str
    version: int


class ModelProto(Message, Protocol):
    """A model."""

    ir_version: int
    graph: GraphProto
    functions: Sequence[FunctionProto]
    opset_import: Messages[OperatorSetIdProto]
