"""How many operators an ONNX model has after its functions are inlined, counted before anything inlines them.

Shape inference and the runtime copy a function to each place that calls it. Forty functions that each call the next one twice take a few kB, and
become 1,000,000,000,000 operators. Functions of ONNX may not call themselves (IR.md, "Functions").
"""

from __future__ import annotations

import graphlib
from collections import Counter
from collections.abc import Iterable, Iterator

from toolkit.engines.onnx.model_proto import ModelProto, NodeProto
from toolkit.errors import InvalidSource

MOST_PARTS = 200_000
"""Operators and constants. The largest models have some 20,000; shape inference of 200,000 takes ten seconds."""

AGAIN = "export the model again, or copy the file again from where it was made"

_Call = tuple[str, str]


def require_few_parts(path: object, model: ModelProto) -> None:
    """Raise InvalidSource for a model with more operators and constants than any has, or with functions that call themselves."""
    functions = {(each.domain, each.name): each for each in model.functions}
    called = {key: Counter(_calls(each.node)) for key, each in functions.items()}
    try:
        order = list(
            graphlib.TopologicalSorter(
                {key: set(calls) & functions.keys() for key, calls in called.items()}
            ).static_order()
        )
    except graphlib.CycleError as error:
        raise InvalidSource(f"{path}: its function {error.args[1][0][1]!r} calls itself", AGAIN) from error
    parts: dict[_Call, int] = {}
    for key in order:
        parts[key] = _sum(called[key], parts)
    total = len(model.graph.initializer) + _sum(Counter(_calls(model.graph.node)), parts)
    if total > MOST_PARTS:
        raise InvalidSource(
            f"{path}: has more than {MOST_PARTS:,} operators and constants, its functions in their places", AGAIN
        )


def _sum(calls: Counter[_Call], parts: dict[_Call, int]) -> int:
    return sum(count * parts.get(key, 1) for key, count in calls.items())


def _calls(nodes: Iterable[NodeProto]) -> Iterator[_Call]:
    """Yield (domain, operator) of nodes, and of the nodes in their graphs."""
    waiting = [iter(nodes)]
    while waiting:
        for node in waiting.pop():
            yield node.domain, node.op_type
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(iter(attribute.g.node))
                waiting += [iter(graph.node) for graph in attribute.graphs]
