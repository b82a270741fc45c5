"""What the file of a graph tells of it before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.originals import operators as scan
from toolkit.originals.graphs.cut import VARIABLES, attribute, dtype_of, node_of, operators_needed, spelled
from toolkit.originals.graphs.proposals import Ends
from toolkit.originals.messages import dtype_name, sizes


def writer(graph: Any) -> str:
    """Return who wrote a GraphDef, as far as it tells: the version of the graph format, of tensorflow/core/public/version.h."""
    return (
        f"tensorflow of GraphDef version {graph.versions.producer}"
        if graph.versions.producer
        else "tensorflow of unknown version"
    )


def found_in(graph: Any, ends: Mapping[str, Ends], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is to be said about the operators that the outputs need; those of the training around them are never run."""
    needed = set()
    for end in ends.values():
        stops = [*end.inputs.values(), *(spelled(name) for name in options["bind"])]
        needed |= operators_needed(graph, end.outputs.values(), stops)
    return scan.findings(needed - VARIABLES)  # those become constants


def told(graph: Any, ends: Ends) -> dict[str, Any]:
    """Return inputs and outputs as specs, with the dtypes and shapes that the file tells; a shape that it does not tell is null."""
    nodes = {node.name: node for node in graph.node}
    return {
        "inputs": [_told(nodes[node_of(tensor)], name, tensor) for name, tensor in sorted(ends.inputs.items())],
        "outputs": [_told(nodes[node_of(tensor)], name, tensor) for name, tensor in sorted(ends.outputs.items())],
    }


def _told(node: Any, name: str, tensor: str) -> dict[str, Any]:
    position = int(tensor.rpartition(":")[2])
    shape = None
    if (known := attribute(node, "_output_shapes")) is not None and position < len(known.list.shape):
        shape = sizes(known.list.shape[position])
    elif (known := attribute(node, "shape")) is not None and position == 0:
        shape = sizes(known.shape)
    number = dtype_of(node, position)
    return {"name": name, "dtype": dtype_name(number) if number else None, "shape": shape}
