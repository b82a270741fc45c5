"""Which functions of a GraphDef call which, and what runs when some of its nodes run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tensorflow.messages import dtype_name
from toolkit.errors import InvalidSource
from toolkit.source.loading.graphs.cut import attribute, node_of

TOP = ""
"""The scope of the graph itself; the scope of a function is its name."""
_MOST_BYTES = (
    2**31
)  # of a protobuf message, https://protobuf.dev/programming-guides/proto-limits/: frozen, it would not fit in one
_MOST_NODES = 10_000_000
"""Nodes of a graph with all its calls inlined, as TensorFlow inlines them before a run: a node takes some hundred bytes, so these are gigabytes."""


@dataclass(slots=True)
class ExecutedNodes:
    """Nodes of the graph itself that run, and whole functions."""

    nodes: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def holds(self, scope: str, name: str) -> bool:
        """Return whether a node runs."""
        return scope in self.functions if scope else name in self.nodes


class Calls:
    """A GraphDef with its library of functions, and their calls."""

    def __init__(self, graph: GraphDef) -> None:
        self.nodes = {node.name: node for node in graph.node}
        self.functions = {each.signature.name: each for each in graph.library.function}
        self.gradients: dict[str, list[str]] = {}
        for each in graph.library.gradient:
            self.gradients.setdefault(each.function_name, []).append(each.gradient_func)
        self._bodies: dict[str, dict[str, NodeDef]] = {}
        self._callers: dict[str, list[tuple[str, NodeDef]]] | None = None

    def all(self) -> Iterator[tuple[str, NodeDef]]:
        """Yield every node with its scope, also in functions that nobody calls."""
        for node in self.nodes.values():
            yield TOP, node
        for name, function in self.functions.items():
            for node in function.node_def:
                yield name, node

    def body(self, scope: str) -> Mapping[str, NodeDef]:
        """Return the nodes of a scope by name."""
        if scope == TOP:
            return self.nodes
        if scope not in self._bodies:
            self._bodies[scope] = {node.name: node for node in self.functions[scope].node_def}
        return self._bodies[scope]

    def called(self, node: NodeDef) -> set[str]:
        """Return the functions that a node names, as its operator or in an attribute, however deep."""
        named = {node.op}
        waiting = list(node.attr.values())
        while waiting:
            value = waiting.pop()
            for function in ([value.func] if value.HasField("func") else []) + list(value.list.func):
                named.add(function.name)
                waiting += function.attr.values()
        return {name for name in named if name in self.functions}

    def callers(self, function: str) -> list[tuple[str, NodeDef]]:
        """Return the nodes that call a function, with their scopes."""
        if self._callers is None:
            self._callers = {}
            for scope, node in self.all():
                for name in self.called(node):
                    self._callers.setdefault(name, []).append((scope, node))
        return self._callers.get(function, [])

    def run(self, nodes: Iterable[str], functions: Iterable[str] = ()) -> ExecutedNodes:
        """Return what runs when these nodes of the graph itself and these functions run."""
        found = ExecutedNodes()
        waiting = [node_of(name) for name in nodes]
        called = [name for name in functions if name in self.functions]
        while waiting or called:
            if waiting:
                name = waiting.pop()
                if name in found.nodes or name not in self.nodes:
                    continue
                found.nodes.add(name)
                waiting += [node_of(edge) for edge in self.nodes[name].input]
                called += self.called(self.nodes[name])
                continue
            name = called.pop()
            if name not in found.functions:
                found.functions.add(name)
                called += [one for one in self.gradients.get(name, ()) if one in self.functions]
                called += [one for node in self.functions[name].node_def for one in self.called(node)]
        return found

    def only(self, nodes: Iterable[str]) -> ExecutedNodes:
        """Return these nodes of the graph itself, without the nodes that feed them, and the functions that they call."""
        held = [self.nodes[name] for name in set(nodes) & self.nodes.keys()]
        found = self.run([], [one for node in held for one in self.called(node)])
        found.nodes = {node.name for node in held}
        return found


def refuse_endless(path: object, graph: GraphDef) -> None:
    """Raise InvalidSource for a graph that would fill any memory: functions call themselves or each other too often, or a constant is too large."""
    calls = Calls(graph)
    for scope, node in calls.all():
        if node.op == "Const" and (size := _declared(node)) > _MOST_BYTES:
            raise InvalidSource(
                f"{path}: its constant {node.name!r}{scope and f' of the function {scope!r}'} is declared to hold {size:.2g} bytes; "
                f"a graph holds {_MOST_BYTES / 1e9:.1f} GB at most",
                "export it again",
            )
    called = {name: _named_each(calls, function.node_def) for name, function in calls.functions.items()}
    sizes: dict[str, int] = {}
    for name in called:
        _measure(path, name, called, {one: len(each.node_def) for one, each in calls.functions.items()}, sizes)
    size = len(calls.nodes) + sum(sizes[name] for name in _named_each(calls, calls.nodes.values()))
    if max((size, *sizes.values())) > _MOST_NODES:
        raise InvalidSource(
            f"{path}: its functions call each other so often that written out they are {max((size, *sizes.values())):.2g} operators; "
            f"{_MOST_NODES:,} are the most",
            "export it without such calls",
        )


def _declared(constant: NodeDef) -> int:
    """Return how many bytes a constant takes in memory by its shape, whatever the file holds; a text counts as one byte."""
    value = attribute(constant, "value")
    if value is None:
        return 0
    name = dtype_name(value.tensor.dtype)
    width = int("".join(filter(str.isdigit, name)) or 8) // 8
    return math.prod(max(one.size, 0) for one in value.tensor.tensor_shape.dim) * max(width, 1)


def _named_each(calls: Calls, nodes: Iterable[NodeDef]) -> list[str]:
    """Return the functions that nodes call, once for each call."""
    return [name for node in nodes for name in sorted(calls.called(node))]


def _measure(
    path: object, name: str, called: Mapping[str, list[str]], own: Mapping[str, int], sizes: dict[str, int]
) -> None:
    """Note how many operators a function has with all its calls inlined."""
    waiting, open_ = [name], set[str]()
    while waiting:
        here = waiting[-1]
        missing = [one for one in called[here] if one not in sizes]
        if here in sizes or not missing:
            sizes[here] = sizes.get(here, own[here] + sum(sizes[one] for one in called[here]))
            open_.discard(waiting.pop())
            continue
        open_.add(here)
        if open_ & set(missing):
            raise InvalidSource(f"{path}: its function {here!r} calls itself, through others or not", "export it again")
        waiting += dict.fromkeys(missing)
