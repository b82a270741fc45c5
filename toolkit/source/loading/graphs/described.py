"""What a graph's file tells before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef, SaverDef
from toolkit.engines.tensorflow.messages import dtype_name, sizes
from toolkit.findings import Finding
from toolkit.source.loading import operators as scan
from toolkit.source.loading.graphs.calls import Calls
from toolkit.source.loading.graphs.cut import VARIABLES, attribute, dtype_of, needed, node_of, spelled
from toolkit.source.loading.graphs.defused import defused
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.proposals import Ends
from toolkit.source.loading.reach import of_graph

_ASSIGNS = ("Assign", "AssignVariableOp")


def writer(graph: GraphDef) -> str:
    """Return what wrote a GraphDef, as far as it tells: the version of the graph format, as in tensorflow/core/public/version.h."""
    return (
        f"tensorflow of GraphDef version {graph.versions.producer}"
        if graph.versions.producer
        else "tensorflow of unknown version"
    )


def found_in(
    graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions, saver: SaverDef | None = None
) -> list[Finding]:
    """Return findings about the operators that run; those of the training around them never run."""
    calls, run = Calls(graph), run_of(graph, ends, options, saver)
    held = calls.only(run)
    used = {node.op for scope, node in calls.all() if held.holds(scope, node.name)}
    reached = reached_in(graph, ends, options, saver)
    return scan.findings(used - VARIABLES - calls.functions.keys(), reached)  # variables become constants


def refuse_reach(
    path: str, graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions, saver: SaverDef | None = None
) -> GraphDef:
    """Return the graph as it may be imported; InvalidSource where its running part reaches outside and the user does not trust it."""
    if options.trust:
        return graph
    scan.refuse_reaching(path, reached_in(graph, ends, options, saver), options.trust)
    return defused(graph, run_of(graph, ends, options, saver))


def reached_in(
    graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions, saver: SaverDef | None = None
) -> list[str]:
    """Return what reaches outside in a graph's running part; `saver` is the `SaverDef` that restores its variables."""
    run, prefix = run_of(graph, ends, options, saver), "" if saver is None else node_of(saver.filename_tensor_name)
    return [str(one) for one in of_graph(graph, run, _served(graph, ends, options), prefix)]


def run_of(graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions, saver: SaverDef | None = None) -> set[str]:
    """Return the names of the nodes that run for the outputs and to restore their variables, by a `SaverDef` or by assignments."""
    nodes = {node.name: node for node in graph.node}
    found = _served(graph, ends, options)
    restored = node_of(saver.restore_op_name) if saver is not None else ""
    if restored in nodes:
        found |= Calls(graph).run([restored]).nodes
    variables = {name for name in found if nodes[name].op in VARIABLES}
    for node in graph.node:
        if node.op in _ASSIGNS and node.input and node_of(node.input[0]) in variables:
            fed = len(node.input) > 1 and not options.allow_unrestored  # with the value that was saved
            found |= needed(nodes, [f"{node.name}:0"], [spelled(node.input[1])] if fed else [])[0]
    return found


def _served(graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions) -> set[str]:
    nodes = {node.name: node for node in graph.node}
    found: set[str] = set()
    for end in ends.values():
        stops = [*end.inputs.values(), *(spelled(name) for name in options.bind)]
        found |= needed(nodes, end.outputs.values(), stops)[0]
    return found


def told(graph: GraphDef, ends: Ends) -> dict[str, Any]:
    """Return inputs and outputs as specs, with dtypes and shapes from the file; null for a shape that it does not tell."""
    nodes = {node.name: node for node in graph.node}
    return {
        "inputs": [_told(nodes[node_of(tensor)], name, tensor) for name, tensor in sorted(ends.inputs.items())],
        "outputs": [_told(nodes[node_of(tensor)], name, tensor) for name, tensor in sorted(ends.outputs.items())],
    }


def _told(node: NodeDef, name: str, tensor: str) -> dict[str, Any]:
    position = int(tensor.rpartition(":")[2])
    shape = None
    if (known := attribute(node, "_output_shapes")) is not None and position < len(known.list.shape):
        shape = sizes(known.list.shape[position])
    elif (known := attribute(node, "shape")) is not None and position == 0:
        shape = sizes(known.shape)
    number = dtype_of(node, position)
    return {"name": name, "dtype": dtype_name(number) if number else None, "shape": shape}
