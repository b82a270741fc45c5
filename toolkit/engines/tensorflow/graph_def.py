"""The messages of a saved graph, with the fields that are read here: tensorflow/core/framework and tensorflow/core/protobuf.

TensorFlow's own classes come without types. These protocols give type checkers the names of the fields; `messages.parse` fills the real messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

M = TypeVar("M")


class Message(Protocol):
    """What every message can do."""

    def CopyFrom(self, other: Any, /) -> None:  # noqa: N802 (protobuf's name)
        """Take the content of another message of the same class."""

    def ClearField(self, name: str, /) -> None:  # noqa: N802 (protobuf's name)
        """Empty one field."""

    def HasField(self, name: str, /) -> bool:  # noqa: N802 (protobuf's name)
        """Return whether a field of a oneof, or a message, is set."""


class Messages(Protocol[M]):
    """A repeated field of messages."""

    def __iter__(self) -> Iterator[M]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, position: int, /) -> M: ...
    def __delitem__(self, part: slice, /) -> None: ...
    def add(self, **fields: str) -> M:
        """Append a new message with these fields and return it."""

    def extend(self, messages: Iterable[M], /) -> None:
        """Append copies of messages."""


class Dimension(Protocol):
    """One size of a shape; below 0 where it is not known."""

    size: int


class TensorShapeProto(Protocol):
    """A shape."""

    dim: Sequence[Dimension]
    unknown_rank: bool

    def SetInParent(self) -> None:  # noqa: N802 (protobuf's name)
        """Mark the shape as set, though it is empty."""


class TensorProto(Message, Protocol):
    """A constant: its numbers lie in one field by their dtype, or as bytes in `tensor_content`."""

    dtype: int
    tensor_shape: TensorShapeProto
    tensor_content: bytes
    int_val: MutableSequence[int]
    bool_val: Sequence[bool]
    string_val: Sequence[bytes]


class NameAttrList(Protocol):
    """A function that an attribute names."""

    name: str
    attr: Mapping[str, AttrValue]


class AttrList(Protocol):
    """An attribute that is a list; of its fields one is filled."""

    s: Sequence[bytes]
    type: Sequence[int]
    shape: Sequence[TensorShapeProto]
    func: Sequence[NameAttrList]


class AttrValue(Message, Protocol):
    """An attribute of a node; of its fields one is filled."""

    s: bytes
    i: int
    type: int
    shape: TensorShapeProto
    tensor: TensorProto
    func: NameAttrList
    list: AttrList
    placeholder: str


class NodeDef(Message, Protocol):
    """An operator of a graph: `input` are its edges, as `graphs.cut` reads them."""

    name: str
    op: str
    device: str
    input: MutableSequence[str]
    attr: MutableMapping[str, AttrValue]

    def __init__(self, *, name: str = "", op: str = "", input: Iterable[str] = ()) -> None:  # noqa: A002 (the field's name)
        """Make a node."""


class ArgDef(Protocol):
    """An argument or a result of a function."""

    name: str
    type: int


class OpDef(Protocol):
    """A function's name, arguments and results."""

    name: str
    input_arg: Sequence[ArgDef]
    output_arg: Sequence[ArgDef]


class FunctionDef(Protocol):
    """A function of a graph's library; `ret` has the tensor of each result by its name."""

    signature: OpDef
    node_def: Sequence[NodeDef]
    ret: Mapping[str, str]


class GradientDef(Protocol):
    """Which function is the gradient of another."""

    function_name: str
    gradient_func: str


class FunctionDefLibrary(Message, Protocol):
    """The functions of a graph."""

    function: Messages[FunctionDef]
    gradient: Sequence[GradientDef]


class VersionDef(Message, Protocol):
    """Which version of the graph format wrote a graph."""

    producer: int


class GraphDef(Message, Protocol):
    """A graph."""

    node: Messages[NodeDef]
    library: FunctionDefLibrary
    versions: VersionDef

    def __init__(self) -> None:
        """Make an empty graph."""


class TensorInfo(Protocol):
    """A tensor of a signature: `name` is that of the tensor in the graph."""

    name: str
    dtype: int
    tensor_shape: TensorShapeProto


class SignatureDef(Protocol):
    """One way to call a graph."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


class SaverDef(Protocol):
    """The operators by which a tf.train.Saver restores; empty names where there are none."""

    filename_tensor_name: str
    restore_op_name: str


class AssetFileDef(Protocol):
    """A file of a SavedModel, and the tensor that is fed with its path."""

    filename: str
    tensor_info: TensorInfo


class MetaInfoDef(Protocol):
    """Who wrote a graph, and what for."""

    tensorflow_version: str
    tags: Sequence[str]


class MetaGraphDef(Protocol):
    """A graph with what its loader needs."""

    graph_def: GraphDef
    signature_def: Mapping[str, SignatureDef]
    saver_def: SaverDef
    asset_file_def: Sequence[AssetFileDef]
    collection_def: Mapping[str, Any]
    object_graph_def: Any
    meta_info_def: MetaInfoDef
