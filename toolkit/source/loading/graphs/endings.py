"""What the outputs of a GraphDef end with, read without TensorFlow; the walk goes through called functions too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tensorflow.messages import dtype_name
from toolkit.source.loading.graphs.cut import attribute
from toolkit.tensors.endings import Made, ending

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_CONSTANTS = ("Const", "ReadVariableOp", "Variable", "VariableV2", "VarHandleOp")
_SEEN_THROUGH = ("Identity", "Cast", "Enter")
_DEEPEST = 32  # calls within calls


@dataclass(frozen=True, slots=True)
class _Frame:
    """The body of a function as one node calls it; without a caller, the graph itself."""

    name: str
    inputs: tuple[str, ...] = ()
    caller: _Frame | None = None

    @property
    def depth(self) -> int:
        """How many calls lie around it."""
        return 0 if self.caller is None else 1 + self.caller.depth


@dataclass(frozen=True, slots=True)
class _Edge:
    frame: _Frame
    text: str


def endings(graph: GraphDef, outputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON of an `Ending` for each output ({name: tensor}); the sizes of joined parts are not known here."""
    reader = _Reader(graph)
    return {name: ending(reader.made, _Edge(_Frame(""), tensor)).to_json() for name, tensor in outputs.items()}


class _Reader:
    """A GraphDef and its library."""

    def __init__(self, graph: GraphDef) -> None:
        self._functions = {each.signature.name: each for each in graph.library.function}
        self._nodes: dict[str, dict[str, NodeDef]] = {"": {node.name: node for node in graph.node}}

    def made(self, edge: _Edge) -> Made | None:
        """Return what makes a tensor."""
        found = self._resolved(edge)
        if found is None or self._is_constant(found):
            return None
        node, position = self._node(found)
        inputs = [self._input(found.frame, text) for text in node.input if not text.startswith("^")]
        data = tuple(each for each in inputs if each is not None and not self._is_constant(each))
        joins_last = node.op in ("Concat", "ConcatV2") and self._joins_last(node, inputs)
        return Made(node.op, data, position, self._dtype(node), joins_last)

    def _resolved(self, edge: _Edge) -> _Edge | None:
        """Return the tensor that this one stands for, inside called functions or outside of them; None for an input of the graph."""
        current: _Edge | None = edge
        while current is not None:
            frame, text = current.frame, current.text
            name = text.partition(":")[0]
            node = self._of(frame).get(name)
            if node is None:  # an argument of the function
                current = self._argument(frame, name)
            elif node.op in _CALLS and frame.depth < _DEEPEST:
                current = self._inside(frame, node, _position(text))
            else:
                return None if node.op.startswith("Placeholder") else current
        return None

    def _argument(self, frame: _Frame, name: str) -> _Edge | None:
        if frame.caller is None:
            return None
        names = [each.name for each in self._functions[frame.name].signature.input_arg]
        if name not in names or names.index(name) >= len(frame.inputs):
            return None
        return _Edge(frame.caller, frame.inputs[names.index(name)])

    def _inside(self, frame: _Frame, node: NodeDef, position: int) -> _Edge | None:
        called = attribute(node, "f")
        function = None if called is None else self._functions.get(called.func.name)
        if function is None or position >= len(function.signature.output_arg):
            return None
        inputs = tuple(text for text in node.input if not text.startswith("^"))
        inner = _Frame(function.signature.name, inputs, frame)
        return _Edge(inner, function.ret[function.signature.output_arg[position].name])

    def _of(self, frame: _Frame) -> dict[str, NodeDef]:
        if frame.name not in self._nodes:
            self._nodes[frame.name] = {node.name: node for node in self._functions[frame.name].node_def}
        return self._nodes[frame.name]

    def _node(self, edge: _Edge) -> tuple[NodeDef, int]:
        node = self._of(edge.frame)[edge.text.partition(":")[0]]
        return node, 1 if ":indices:" in edge.text else _position(edge.text)

    def _input(self, frame: _Frame, text: str) -> _Edge | None:
        return self._resolved(_Edge(frame, text)) or _Edge(_Frame("", (), None), f"^{text}")

    def _is_constant(self, edge: _Edge) -> bool:
        for _ in range(_DEEPEST):
            found = self._resolved(edge)
            if found is None:
                return False
            node, _ = self._node(found)
            if node.op in _CONSTANTS:
                return True
            if node.op not in _SEEN_THROUGH or not node.input:
                return False
            edge = _Edge(found.frame, node.input[0])
        return False

    def _joins_last(self, node: NodeDef, inputs: list[_Edge | None]) -> bool:
        """Return whether a concatenation has the axis -1."""
        axis = inputs[-1] if node.op == "ConcatV2" else inputs[0]
        found = None if axis is None else self._resolved(axis)
        value = None if found is None else attribute(self._node(found)[0], "value")
        if value is None:
            return False
        held = value.tensor
        if held.tensor_content:
            return int.from_bytes(held.tensor_content[:4], "little", signed=True) == -1
        return -1 in held.int_val

    def _dtype(self, node: NodeDef) -> str:
        for key in ("DstT", "output_type", "T", "dtype"):
            found = attribute(node, key)
            if found is not None and found.type:
                return dtype_name(found.type)
        return ""


def _position(text: str) -> int:
    last = text.rpartition(":")[2]
    return int(last) if last.isdigit() else 0
