"""A graph simplified where its switches are known: only the branch that is taken, and no dropout that drops nothing.

Intervals decide what is known, in exact arithmetic on what operators promise. A RandomUniform of float32 lies in [0, 1 - 2**-23], so Floor(1 + it)
is 1 where keep_prob is bound to 1, and no random number is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.source.loading.graphs.cut import cut, node_of, spelled

# tensorflow/core/lib/random/random_distributions.h gives at most 1 minus the last bit of a number in [1, 2).
_LAST_BIT = {1: 2.0**-23, 2: 2.0**-52, 14: 2.0**-7, 19: 2.0**-10}  # by DataType: float, double, bfloat16, half
_UNIFORM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")
_SAME = (
    "Identity",
    "StopGradient",
    "Snapshot",
    "Enter",
    "RefEnter",
    "RefIdentity",
    "Reshape",
    "ExpandDims",
    "Squeeze",
    "Tile",
    "BroadcastTo",
    "PreventGradient",
)
_SWITCHES = ("Switch", "RefSwitch")
_MERGES = ("Merge", "RefMerge")
_MOST_NUMBERS = 4096  # a larger constant is not examined
_DEEPEST = 60  # operators between a constant and what depends on it


class Interval(NamedTuple):
    """The least and the greatest number that a tensor holds, and whether it was drawn."""

    low: float
    high: float
    drawn: bool = False

    @property
    def value(self) -> float | None:
        """The only number in the tensor; None where there may be several."""
        return self.low if self.low == self.high else None


def simplified(graph: GraphDef, outputs: Iterable[str]) -> tuple[GraphDef, list[str]]:
    """Return a GraphDef without branches that are never taken and without dropout that drops nothing, and the outputs' names in it."""
    outputs = list(outputs)
    kept = [node for node in graph.node if node.name.startswith("edge_")]
    while True:
        pass_ = _Pass(graph)
        pass_.take_branches()
        pass_.drop_dropout()
        if not pass_.changed:
            return graph, outputs
        graph, outputs = pass_.rewired(), [pass_.final(tensor) for tensor in outputs]
        stand_ins = {f"{node.name}:0": node for node in kept}
        graph = cut(graph, outputs, stand_ins)


class _Pass:
    """One pass over a graph: what each tensor may hold, and which tensor replaces it."""

    def __init__(self, graph: GraphDef) -> None:
        self._graph = graph
        self._nodes = {node.name: node for node in graph.node}
        self._intervals: dict[str, Interval | None] = {}
        self._instead: dict[str, str] = {}
        self._called = False

    @property
    def changed(self) -> bool:
        return bool(self._instead) or self._called

    def final(self, tensor: str) -> str:
        """Return the tensor that finally replaces another."""
        while tensor in self._instead:
            tensor = self._instead[tensor]
        return tensor

    def rewired(self) -> GraphDef:
        """Return the graph with all edges led to the replacements."""
        made = type(self._graph)()
        made.CopyFrom(self._graph)
        for node in made.node:
            edges = [edge if edge.startswith("^") else self.final(spelled(edge)) for edge in node.input]
            node.ClearField("input")
            node.input.extend(edges)
        return made

    def drop_dropout(self) -> None:
        """Replace x * mask, select(mask, x, 0) and x / 1 by x, where the mask is drawn at random and always 1."""
        for node in self._nodes.values():
            if node.op not in ("Mul", "RealDiv", "Div", "Select", "SelectV2"):
                continue
            edges = [spelled(edge) for edge in node.input if not edge.startswith("^")]
            first, second = self.interval(edges[0]), self.interval(edges[1])
            if node.op.startswith("Select"):
                if first is not None and first.drawn and first.value == 1:
                    self._instead[f"{node.name}:0"] = edges[1]
            elif self._is_one(edges[1], second):
                self._instead[f"{node.name}:0"] = edges[0]
            elif node.op == "Mul" and self._is_one(edges[0], first):
                self._instead[f"{node.name}:0"] = edges[1]

    def _is_one(self, tensor: str, found: Interval | None) -> bool:
        """Return whether multiplication by a tensor changes nothing, not even the shape."""
        return found is not None and found.value == 1 and (found.drawn or self._is_scalar(tensor))

    def _is_scalar(self, tensor: str, depth: int = 0) -> bool:
        node = self._nodes[node_of(tensor)]
        if node.op == "Const":
            shape = node.attr["value"].tensor.tensor_shape
            return not shape.unknown_rank and not shape.dim
        if node.op in (*_BINARY, "Identity", "Enter", "Cast") and depth < _DEEPEST:
            return all(self._is_scalar(spelled(edge), depth + 1) for edge in node.input if not edge.startswith("^"))
        return False

    def take_branches(self) -> None:
        """Replace branches whose condition is known: Switch and Merge of TensorFlow 1, If of TensorFlow 2."""
        taken = {}
        for node in self._nodes.values():
            place = 1 if node.op in _SWITCHES else 0 if node.op in ("If", "StatelessIf") else None
            condition = None if place is None else self.interval(spelled(node.input[place]))
            if condition is None or condition.value is None:
                continue
            if place == 1:
                taken[node.name] = int(bool(condition.value))
            else:
                _call(node, "then_branch" if condition.value else "else_branch")
                self._called = True
        if taken:
            self._join(taken)

    def _join(self, taken: dict[str, int]) -> None:
        """Connect the outputs of decided switches with their inputs."""
        alive = self._alive(taken)
        for name, branch in taken.items():
            self._instead[f"{name}:{branch}"] = spelled(self._nodes[name].input[0])
        for node in list(self._nodes.values()):
            if node.op in _MERGES and node.name in alive:
                edges = [spelled(edge) for edge in node.input if not edge.startswith("^")]
                left = [(position, edge) for position, edge in enumerate(edges) if self._flows(edge, alive, taken)]
                if len(left) == 1 and len(edges) > 1:
                    self._instead[f"{node.name}:0"] = left[0][1]
                    self._instead[f"{node.name}:1"] = self._position(node.name, left[0][0])

    def _flows(self, tensor: str, alive: set[str], taken: dict[str, int]) -> bool:
        name = node_of(tensor)
        return name in alive and (name not in taken or tensor == f"{name}:{taken[name]}")

    def _alive(self, taken: dict[str, int]) -> set[str]:
        """Return the nodes that run: all their edges carry a value, or one of them does for a Merge."""
        waiting_for: dict[str, list[str]] = {}
        open_edges = {}
        for node in self._nodes.values():
            data = [edge for edge in node.input if not edge.startswith("^")]
            joins = node.op in _MERGES
            open_edges[node.name] = len(node.input) - len(data) + (1 if joins else len(data))
            for edge in node.input:
                waiting_for.setdefault(node_of(edge), []).append(
                    node.name if edge.startswith("^") else f"{node.name} {spelled(edge)}"
                )
        alive: set[str] = set()
        joined: set[str] = set()
        ready = [name for name, count in open_edges.items() if count == 0]
        while ready:
            name = ready.pop()
            alive.add(name)
            for waiter in waiting_for.get(name, ()):
                consumer, _, tensor = waiter.partition(" ")
                if tensor and name in taken and tensor != f"{name}:{taken[name]}":
                    continue
                if tensor and self._nodes[consumer].op in _MERGES:
                    if consumer in joined:
                        continue
                    joined.add(consumer)
                open_edges[consumer] -= 1
                if open_edges[consumer] == 0:
                    ready.append(consumer)
        return alive

    def _position(self, name: str, position: int) -> str:
        """Return a new constant: which branch a Merge took."""
        node = self._graph.node.add(name=f"{name}/value_index", op="Const")
        node.attr["dtype"].type = 3
        node.attr["value"].tensor.dtype = 3
        node.attr["value"].tensor.tensor_shape.SetInParent()
        node.attr["value"].tensor.int_val.append(position)
        return f"{node.name}:0"

    def interval(self, tensor: str, depth: int = 0) -> Interval | None:
        """Return the interval of a tensor's numbers, None where it is not known."""
        if tensor not in self._intervals:
            self._intervals[tensor] = None  # a loop knows nothing
            found = self._interval(self._nodes[node_of(tensor)], depth) if depth < _DEEPEST else None
            self._intervals[tensor] = found if found is None or not math.isnan(found.low + found.high) else None
        return self._intervals[tensor]

    def _interval(self, node: NodeDef, depth: int) -> Interval | None:
        edges = [spelled(edge) for edge in node.input if not edge.startswith("^")]
        if node.op == "Const":
            return _of_constant(node)
        if node.op in _UNIFORM:
            bit = _LAST_BIT.get(node.attr["dtype"].type)
            return None if bit is None else Interval(0.0, 1.0 - bit, True)
        if node.op in (*_SAME, *_SWITCHES):
            return self.interval(edges[0], depth + 1)
        if node.op == "Fill":
            return self.interval(edges[1], depth + 1)
        if node.op in _UNARY or node.op in _BINARY:
            parts = [self.interval(edge, depth + 1) for edge in edges]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            made = _UNARY[node.op](known[0]) if node.op in _UNARY else _BINARY[node.op](known[0], known[1])
            return made and Interval(made[0], made[1], any(part.drawn for part in known))
        return None


Ends = tuple[float, float]


def _of_constant(node: NodeDef) -> Interval | None:
    from tensorflow.python.framework import tensor_util

    tensor = node.attr["value"].tensor
    count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
    if not 0 < count <= _MOST_NUMBERS:
        return None
    array = tensor_util.MakeNdarray(tensor)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        return None
    return Interval(float(array.min()), float(array.max()))


def _call(node: NodeDef, branch: str) -> None:
    """Turn an If into a call of the branch that is taken."""
    types, results, function = node.attr["Tin"], node.attr["Tout"], node.attr[branch]
    edges = list(node.input)[1:]
    made = type(node)(
        name=node.name, op="StatefulPartitionedCall" if node.op == "If" else "PartitionedCall", input=edges
    )
    made.attr["Tin"].CopyFrom(types)
    made.attr["Tout"].CopyFrom(results)
    made.attr["f"].CopyFrom(function)
    node.CopyFrom(made)


def _truth(*, always: bool, never: bool) -> Ends:
    return (1.0, 1.0) if always else (0.0, 0.0) if never else (0.0, 1.0)


def _product(a: Interval, b: Interval) -> Ends:
    products = [x * y for x in a[:2] for y in b[:2]]
    return min(products), max(products)


def _quotient(a: Interval, b: Interval) -> Ends | None:
    if b.low <= 0 <= b.high:
        return None
    quotients = [x / y for x in a[:2] for y in b[:2]]
    return min(quotients), max(quotients)


_UNARY: dict[str, Callable[[Interval], Ends | None]] = {
    "Floor": lambda a: (math.floor(a.low), math.floor(a.high)),
    "LogicalNot": lambda a: (1 - a.high, 1 - a.low),
    "Neg": lambda a: (-a.high, -a.low),
    # Only 0 and 1 keep their value in every dtype; how a kernel rounds other numbers is not known.
    "Cast": lambda a: (a.low, a.high) if a.low == a.high and a.low in (0, 1) else None,
}
_BINARY: dict[str, Callable[[Interval, Interval], Ends | None]] = {
    "Add": lambda a, b: (a.low + b.low, a.high + b.high),
    "AddV2": lambda a, b: (a.low + b.low, a.high + b.high),
    "Sub": lambda a, b: (a.low - b.high, a.high - b.low),
    "Mul": _product,
    "RealDiv": _quotient,
    "Div": lambda a, b: _quotient(a, b) if b.low == b.high == 1 else None,
    "GreaterEqual": lambda a, b: _truth(always=a.low >= b.high, never=a.high < b.low),
    "Greater": lambda a, b: _truth(always=a.low > b.high, never=a.high <= b.low),
    "LessEqual": lambda a, b: _truth(always=a.high <= b.low, never=a.low > b.high),
    "Less": lambda a, b: _truth(always=a.high < b.low, never=a.low >= b.high),
    "Equal": lambda a, b: _truth(always=a.low == a.high == b.low == b.high, never=a.high < b.low or b.high < a.low),
    "NotEqual": lambda a, b: _truth(always=a.high < b.low or b.high < a.low, never=a.low == a.high == b.low == b.high),
    "LogicalAnd": lambda a, b: (min(a.low, b.low), min(a.high, b.high)),
    "LogicalOr": lambda a, b: (max(a.low, b.low), max(a.high, b.high)),
}
