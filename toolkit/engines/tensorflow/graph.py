"""A graph of TensorFlow 1 in memory: types for the part of TensorFlow's classes that is used here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from toolkit.engines.tensorflow.graph_def import GraphDef


class Tensor(Protocol):
    """A result of an operation: `dtype` is a tf.DType, `shape` a tf.TensorShape."""

    name: str
    op: Operation
    dtype: Any
    shape: Any
    value_index: int

    def consumers(self) -> Sequence[Operation]:
        """Return the operations that take this tensor."""


class Operation(Protocol):
    """A node of a graph."""

    name: str
    type: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    control_inputs: Sequence[Operation]

    def get_attr(self, name: str) -> Any:
        """Return an attribute: a number, a text, or a message."""


class Graph(Protocol):
    """A tf.Graph."""

    def get_operation_by_name(self, name: str) -> Operation:
        """Return an operation; KeyError where there is none."""

    def get_tensor_by_name(self, name: str) -> Tensor:
        """Return a tensor, named as "x:0"; KeyError or ValueError where there is none."""

    def get_operations(self) -> Sequence[Operation]:
        """Return all operations."""

    def get_all_collection_keys(self) -> Sequence[str]:
        """Return the names of the collections."""

    def get_collection(self, name: str) -> Sequence[Any]:
        """Return what a collection holds."""

    def as_graph_def(self, *, add_shapes: bool = False) -> GraphDef:
        """Return the graph as a message."""

    def as_default(self) -> Any:
        """Return a context in which new operations go into this graph."""


class Session(Protocol):
    """A tf.compat.v1.Session."""

    graph: Graph

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """Return the values of what is fetched."""
