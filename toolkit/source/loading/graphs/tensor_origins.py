"""Where the value of a tensor comes from: an asset of the model, the path that a loader gives, a constant, or a computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.engines.tensorflow.graph_def import NodeDef
from toolkit.source.loading.graphs.calls import TOP, Calls
from toolkit.source.loading.graphs.cut import attribute, node_of, spelled, text_attribute

_BRANCHES = ("If", "StatelessIf", "_If", "Case", "StatelessCase")  # their first input chooses, the others are arguments
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "_While")
_TOUCH = ("AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp")
_SAME = ("Identity", "StopGradient", "Snapshot")
Unit = tuple[str, str]  # a node: its scope and its name


@dataclass(frozen=True, slots=True)
class TensorOrigin:
    """Where the value of a tensor comes from: "asset", "saver" (the path that a loader gives), "constant", or "computed"."""

    kind: str
    text: str = ""


class TensorOrigins:
    """Where the values of a graph's tensors come from.

    A loader feeds the tensors `assets` with the paths of the model's own files, and the node `prefix` with the path of the variables.
    `captured` holds, by function, what its last arguments were bound to when it was made.
    """

    def __init__(
        self,
        calls: Calls,
        assets: Iterable[str] = (),
        prefix: str = "",
        captured: Mapping[str, list[TensorOrigin]] | None = None,
    ) -> None:
        self._calls = calls
        self._assets, self._prefix = frozenset(assets), prefix
        self._captured = captured or {}

    def of(self, scope: str, node: NodeDef, position: int = 0) -> set[TensorOrigin]:
        """Return all origins of a node's input: back to what made it, and from a function's argument to its callers."""
        found: set[TensorOrigin] = set()
        waiting = [(scope, edge) for edge in _data(node)[position : position + 1]]
        seen: set[Unit] = set()
        while waiting:
            unit = waiting.pop()
            if unit in seen:
                continue
            seen.add(unit)
            here, more = self._origin(*unit)
            found |= here
            waiting += more
        return found or {TensorOrigin("computed", "nothing")}

    def _origin(self, scope: str, edge: str) -> tuple[set[TensorOrigin], list[Unit]]:
        name = edge.partition(":")[0]
        maker = self._calls.body(scope).get(name)
        if maker is None:
            return self._argument(scope, name)
        if scope == TOP and spelled(edge) in self._assets:
            return {TensorOrigin("asset", edge)}, []
        if scope == TOP and name == self._prefix:
            return {TensorOrigin("saver")}, []
        if maker.op in _SAME:
            return set(), [(scope, one) for one in _data(maker)[:1]]
        if maker.op == "ReadVariableOp" and scope == TOP:
            return self._assigned(maker)
        return {
            TensorOrigin("constant", text_of(maker)) if maker.op == "Const" else TensorOrigin("computed", maker.op)
        }, []

    def _assigned(self, read: NodeDef) -> tuple[set[TensorOrigin], list[Unit]]:
        """Return where a variable's value comes from, if only assignments of the graph touch it: TensorFlow keeps paths of assets so."""
        handle = self._calls.nodes.get(node_of(_data(read)[0])) if _data(read) else None
        other = {TensorOrigin("computed", "a variable")}, list[Unit]()
        if handle is None or handle.op != "VarHandleOp":
            return other
        same = [
            (scope, node) for scope, node in self._calls.all() if node.op == handle.op and _key(node) == _key(handle)
        ]
        names = {node.name for _, node in same}
        takers = [node for node in self._calls.nodes.values() if names & set(map(node_of, _data(node)))]
        if any(scope != TOP for scope, _ in same) or any(node.op not in _TOUCH for node in takers):
            return other
        return set(), [
            (TOP, _data(node)[1]) for node in takers if node.op == "AssignVariableOp" and len(_data(node)) > 1
        ]

    def _argument(self, scope: str, name: str) -> tuple[set[TensorOrigin], list[Unit]]:
        """Return where a function's argument comes from: all its callers, and the object that holds the function."""
        if scope == TOP:
            return {TensorOrigin("computed", f"{name}, which is not there")}, []
        arguments = [one.name for one in self._calls.functions[scope].signature.input_arg]
        if name not in arguments:
            return {TensorOrigin("computed", f"{name}, which is not there")}, []
        position, found, more = arguments.index(name), set[TensorOrigin](), list[Unit]()
        captured = self._captured.get(scope)
        if captured is not None:
            kept = position - (len(arguments) - len(captured))
            found.add(captured[kept] if kept >= 0 else TensorOrigin("computed", "what it is called with"))
        for caller, node in self._calls.callers(scope):
            given = self._given(node, position, scope)
            if given is None:
                found.add(TensorOrigin("computed", node.op))
            else:
                more.append((caller, given))
        return found, more

    @staticmethod
    def _given(node: NodeDef, position: int, function: str) -> str | None:
        inputs = _data(node)
        first = 1 if node.op in _BRANCHES else 0
        if node.op not in (*_BRANCHES, *_CALLS, function) or first + position >= len(inputs):
            return None
        return inputs[first + position]


def text_of(constant: NodeDef) -> str:
    """Return the first text of a Const node, "" where it holds none."""
    value = attribute(constant, "value")
    texts = [] if value is None else value.tensor.string_val
    return texts[0].decode(errors="replace") if texts else ""


def _key(handle: NodeDef) -> str:
    """Return the name by which two handles are the same variable."""
    return text_attribute(handle, "shared_name", "") or str(handle.name)


def _data(node: NodeDef) -> list[str]:
    return [edge for edge in node.input if not edge.startswith("^")]
