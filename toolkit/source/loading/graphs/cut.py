"""The part of a GraphDef that some tensors need: it begins at what is fed, and bound values are constants.

As TensorFlow writes graphs, an edge "a" is the tensor "a:0", and "^a" is a dependency without data. Tensors here always have their position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from toolkit.engines.tensorflow.graph_def import AttrValue, FunctionDef, GraphDef, NodeDef
from toolkit.errors import InvalidSource

SOURCES = frozenset(
    "Placeholder PlaceholderV2 PlaceholderWithDefault IteratorGetNext IteratorGetNextSync OneShotIterator QueueDequeue QueueDequeueV2 "
    "QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo QueueDequeueUpToV2 ReaderRead ReaderReadV2 ReaderReadUpTo ReaderReadUpToV2 "
    "Unstage".split()
)
VARIABLES = frozenset(("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"))
TABLES = frozenset(
    (
        "HashTable",
        "HashTableV2",
        "MutableHashTable",
        "MutableHashTableV2",
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
    )
)
# A dependency on these changes no number that is fetched. A dependency on another node may place a constant inside a branch or a loop.
_IDLE = frozenset(("Assert", "Print", "PrintV2", "NoOp"))
_CHANGING = ("Assign", "Apply", "ResourceApply", "Scatter", "ResourceScatter", "QueueEnqueue")


def spelled(text: str) -> str:
    """Return a tensor's name with its position: "x" is "x:0"."""
    _, colon, position = text.rpartition(":")
    return text if colon and position.isdigit() else f"{text}:0"


def node_of(edge: str) -> str:
    """Return the name of the node that an edge or a tensor comes from."""
    name, colon, position = edge.lstrip("^").rpartition(":")
    return name if colon and position.isdigit() else edge.lstrip("^")


def dtype_of(node: NodeDef, position: int = 0) -> int:
    """Return the `DataType` that a placeholder, an iterator or a queue gives; 0 where the node does not tell.

    `node.attr[key]` would add a missing attribute, so only `attribute` reads attributes here.
    """
    for key in ("output_types", "component_types"):
        types = attribute(node, key)
        if types is not None and position < len(types.list.type):
            return int(types.list.type[position])
    for key in ("dtype", "T"):
        found = attribute(node, key)
        if found is not None:
            return int(found.type)
    return 0


def attribute(node: NodeDef, key: str) -> AttrValue | None:
    """Return an attribute of a node, None where it has none of that name."""
    return node.attr.get(key)


def text_attribute(node: NodeDef, key: str, default: str) -> str | None:
    """Return the text of an attribute; `default` where the node lacks it; None where the caller of its function gives it."""
    found = attribute(node, key)
    if found is None:
        return default
    return None if found.placeholder else found.s.decode(errors="replace")


def nodes_of(path: object, graph: GraphDef) -> dict[str, NodeDef]:
    """Return the nodes by name; InvalidSource for a damaged file: an edge from a missing node, or two nodes of one name."""
    nodes = {node.name: node for node in graph.node}
    if len(nodes) != len(graph.node):
        raise InvalidSource(f"{path}: the graph is damaged: it holds nodes of one name", "save the model again")
    for node in graph.node:
        for edge in node.input:
            if node_of(edge) not in nodes:
                raise InvalidSource(
                    f"{path}: the graph is damaged: {node.name!r} takes {edge!r}, which is not there",
                    "save the model again",
                )
    return nodes


def needed(nodes: Mapping[str, NodeDef], outputs: Iterable[str], stops: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the names of all nodes that run for some outputs if `stops` are fed, and the tensors between them.

    The walk ends at queues and iterators: what fills them is not among the nodes.
    """
    stopped = set(stops)
    found: set[str] = set()
    edges: set[str] = set()
    waiting = [spelled(tensor) for tensor in outputs]
    while waiting:
        tensor = waiting.pop()
        if tensor in edges or tensor in stopped:
            continue
        edges.add(tensor)
        name = node_of(tensor)
        if name in found:
            continue
        found.add(name)
        if nodes[name].op in SOURCES and nodes[name].op != "PlaceholderWithDefault":
            continue
        # Nor does a fed tensor's node run for nodes that wait for it, as long as it has no other output.
        waiting += [f"{node_of(edge)}:0" if edge.startswith("^") else spelled(edge) for edge in nodes[name].input]
    return found, edges


def cut(graph: GraphDef, outputs: Iterable[str], stand_ins: Mapping[str, NodeDef]) -> GraphDef:
    """Return a GraphDef of what outputs need, with the nodes `stand_ins` in place of the tensors that are their keys.

    Colocations, devices and known shapes are left out: they may not hold any more. A placeholder with a default becomes its default.
    """
    nodes = {node.name: node for node in graph.node}
    fed = {node_of(tensor) for tensor in stand_ins if nodes[node_of(tensor)].op in SOURCES}
    kept: dict[str, NodeDef] = {}
    waiting = [node_of(tensor) for tensor in outputs if tensor not in stand_ins]
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept[name] = node = _bare(nodes[name])
        for edge in _edges(nodes, nodes[name], fed):
            stand_in = None if edge.startswith("^") else stand_ins.get(spelled(edge))
            node.input.append(edge if stand_in is None else stand_in.name)
            if stand_in is None:
                waiting.append(node_of(edge))
    made = type(graph)()
    made.versions.CopyFrom(graph.versions)
    made.node.extend(stand_ins.values())
    made.node.extend(kept[node.name] for node in graph.node if node.name in kept)
    made.library.CopyFrom(graph.library)
    prune_library(made)
    return made


def _bare(node: NodeDef) -> NodeDef:
    made = type(node)(name=node.name, op=node.op)
    for key, value in node.attr.items():
        if key not in ("_class", "_output_shapes"):
            made.attr[key].CopyFrom(value)
    if node.op == "PlaceholderWithDefault":
        made.op = "Identity"
        made.attr["T"].CopyFrom(node.attr["dtype"])
        del made.attr["dtype"], made.attr["shape"]
    return made


def _edges(nodes: Mapping[str, NodeDef], node: NodeDef, fed: set[str]) -> list[str]:
    """Return a node's edges, data first, without dependencies that change no number of this call."""
    kept = [edge for edge in node.input if not edge.startswith("^")]
    waiting = [node_of(edge) for edge in node.input if edge.startswith("^")]
    seen = set(fed)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if nodes[name].op in _IDLE:
            waiting += [node_of(edge) for edge in nodes[name].input if edge.startswith("^")]
        elif not nodes[name].op.startswith(_CHANGING):
            kept.append(f"^{name}")
    return kept


def prune_library(graph: GraphDef) -> None:
    """Remove functions from a GraphDef's library that no node calls, directly or through others."""
    library = {function.signature.name: function for function in graph.library.function}
    gradients = {gradient.function_name: gradient.gradient_func for gradient in graph.library.gradient}
    called: set[str] = set()
    waiting = [name for node in graph.node for name in _calls(node, library)]
    while waiting:
        name = waiting.pop()
        if name in called or name not in library:
            continue
        called.add(name)
        waiting += [gradients[name]] if name in gradients else []
        waiting += [other for node in library[name].node_def for other in _calls(node, library)]
    kept = [function for name, function in library.items() if name in called]
    graph.ClearField("library")
    graph.library.function.extend(kept)


def _calls(node: NodeDef, library: Mapping[str, FunctionDef]) -> list[str]:
    found = [node.op] if node.op in library else []
    for value in node.attr.values():
        if value.HasField("func"):
            found.append(value.func.name)
        found += [function.name for function in value.list.func]
    return found


def operators_needed(graph: GraphDef, outputs: Iterable[str], stops: Iterable[str]) -> set[str]:
    """Return the names of the operators that run for some outputs, also inside functions."""
    names, _ = needed({node.name: node for node in graph.node}, outputs, stops)
    part = type(graph)()
    part.node.extend(node for node in graph.node if node.name in names)
    part.library.CopyFrom(graph.library)
    prune_library(part)
    return operators_in(part)


def operators_in(graph: GraphDef) -> set[str]:
    """Return the names of the operators of a GraphDef and of its functions; a function itself is no operator."""
    found = {node.op for node in graph.node}
    for function in graph.library.function:
        found.update(node.op for node in function.node_def)
    return found - {function.signature.name for function in graph.library.function}
