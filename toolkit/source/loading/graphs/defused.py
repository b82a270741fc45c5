"""A graph without the operators that would reach outside while TensorFlow imports it.

During an import TensorFlow infers shapes, and computes the tensors that they depend on. So it would run a ReadFile without state even beside the
part that is wanted (`EvaluateConstantTensor` of tensorflow/core/common_runtime/eval_const_tensor.cc).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.source.loading.graphs.calls import TOP, Calls
from toolkit.source.loading.graphs.cut import attribute, node_of
from toolkit.source.loading.operators import NOT_KNOWN
from toolkit.source.loading.reach import abilities_of

# tf.data: such an operator only describes what an iteration, which has state, will read. The two excluded ones iterate themselves.
_LATER = re.compile(r"(?!ReduceDataset|LoadDataset)\w*Dataset(V\d+)?")
_STRING = 7  # DT_STRING of tensorflow/core/framework/types.proto


def defused(graph: GraphDef, run: Iterable[str]) -> GraphDef:
    """Return a GraphDef with placeholders for nodes that can do harm, or call functions that can; the nodes named in `run` stay."""
    calls, kept = Calls(graph), set(run)
    able = abilities_of(calls)
    harmful = {scope for (scope, _), what in able.items() if scope and what != NOT_KNOWN}
    out = {
        name
        for name, node in calls.nodes.items()
        if name not in kept
        and not _LATER.fullmatch(node.op)
        and (able.get((TOP, name), NOT_KNOWN) != NOT_KNOWN or calls.run([], calls.called(node)).functions & harmful)
    }
    if not out:
        return graph
    made = type(graph)()
    made.CopyFrom(graph)
    del made.node[:]
    places: dict[str, NodeDef] = {}
    for node in graph.node:
        if node.name in out:
            continue
        taken = made.node.add()
        taken.CopyFrom(node)
        del taken.input[:]
        taken.input.extend(_edge(edge, calls, out, places) for edge in node.input)
    for name in out:
        _edge(name, calls, out, places)  # the import looks for fed tensors by name
    made.node.extend(places.values())
    return made


def _edge(edge: str, calls: Calls, out: set[str], places: dict[str, NodeDef]) -> str:
    """Return the edge, or an edge to the placeholder in its place."""
    name = node_of(edge)
    if name not in out:
        return edge
    _, colon, last = edge.rpartition(":")
    position = int(last) if colon and last.isdigit() else 0
    place = name if position == 0 else f"{name}_{position}_left_out"
    if place not in places:
        node = calls.nodes[name]
        made = type(node)(name=place, op="Placeholder")
        made.attr["dtype"].type = _dtype(node, position)
        made.attr["shape"].shape.unknown_rank = True
        places[place] = made
    return f"^{place}" if edge.startswith("^") else place


def _dtype(node: NodeDef, position: int) -> int:
    """Return the `DataType` of an output as far as attributes tell it; else that of text, which file readers give."""
    for key in ("Tout", "output_types"):
        found = attribute(node, key)
        if found is not None and position < len(found.list.type):
            return int(found.list.type[position])
    for key in ("dtype", "T"):
        found = attribute(node, key)
        if found is not None and found.type:
            return int(found.type)
    return _STRING
