"""Operators that only a device's runtime has: TensorFlow can run the graph up to them, and the runtime does the rest.

`export_tflite_ssd_graph.py` of the Object Detection API puts `TFLite_Detection_PostProcess` behind the raw boxes and scores.
"""

from __future__ import annotations

from toolkit import printable
from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tflite.device_operators import BUILT_IN
from toolkit.findings import Finding
from toolkit.source.loading.graphs.cut import node_of

_POST = "Postprocessor/"  # the scope where the Object Detection API decodes boxes and removes overlapping ones
_PRE = "Preprocessor/"
_FLOAT = 1  # DT_FLOAT of tensorflow/core/framework/types.proto


def findings(graph: GraphDef) -> list[Finding]:
    """Return the finding about a GraphDef that ends in operators for the device, with the flags to cut it, ready to paste."""
    nodes = {node.name: node for node in graph.node}
    own = [node for node in graph.node if node.op in BUILT_IN]
    if own:
        names = sorted({node.op for node in own})
        message = f"{', '.join(names)} is an operator that TFLite's runtimes have and TensorFlow has not; {proposal(nodes, own)}"
        return [Finding("device-operators", "warning", message, names=tuple(names))]
    post = [node for node in graph.node if node.name.startswith(_POST)]
    if post and any(node.op.startswith("NonMaxSuppression") for node in post):
        message = f"ends in the post-processing of the Object Detection API, in loops that TFLite has no kernels for; {proposal(nodes, post)}"
        return [Finding("device-operators", "warning", message, names=(_POST,))]
    return []


def proposal(nodes: dict[str, NodeDef], end: list[NodeDef]) -> str:
    """Return `cut it before: --inputs ... --outputs ...`; the outputs are the numbers that the nodes of `end` take, without constants."""
    inside = {node.name for node in end}
    taken = dict.fromkeys(
        edge
        for node in end
        for edge in node.input
        if not edge.startswith("^") and node_of(edge) not in inside and _is_computed(nodes, node_of(edge))
    )
    outputs = ",".join(f"{name}={_spelled(edge)}" for name, edge in _named(list(taken)).items())
    fed = [f"{node.name}={node.name}:0" for node in _placeholders(nodes, list(taken))]
    pre = sorted(name for name in nodes if name.startswith(_PRE) and nodes[name].op in ("Sub", "AddV2", "Add"))
    if pre and len(fed) == 1:  # its loop resizes each image of a batch, which the device's application does
        fed = [f"image={pre[-1]}:0"]
    said = printable.command(["--inputs", ",".join(fed), "--outputs", outputs])
    return f"cut it before, and let the application do the rest: {said}"


def _is_computed(nodes: dict[str, NodeDef], name: str) -> bool:
    """Return whether a node gives real numbers that are not constant; an Identity of a constant is constant too."""
    node = nodes.get(name)
    while node is not None and node.op == "Identity" and node.input:
        node = nodes.get(node_of(node.input[0]))
    if node is None or node.op == "Const":
        return False
    dtype = next((node.attr[key].type for key in ("T", "dtype") if key in node.attr), _FLOAT)
    return dtype == _FLOAT and node.op != "Shape"


def _placeholders(nodes: dict[str, NodeDef], edges: list[str]) -> list[NodeDef]:
    seen: set[str] = set()
    waiting = [node_of(edge) for edge in edges]
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            waiting += [node_of(edge) for edge in nodes[name].input]
    return [nodes[name] for name in sorted(seen) if nodes[name].op == "Placeholder"]


def _named(edges: list[str]) -> dict[str, str]:
    """Return the edges by the last part of their nodes' names; by the whole name, without slashes, where that part is not unique."""
    short = [node_of(edge).rpartition("/")[2] for edge in edges]
    return {
        (name if short.count(name) == 1 else node_of(edge).replace("/", "_")): edge
        for name, edge in zip(short, edges, strict=True)
    }


def _spelled(edge: str) -> str:
    return edge if ":" in edge else f"{edge}:0"
