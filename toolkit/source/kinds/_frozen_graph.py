"""Inspects and loads models of the kind `frozen_graph`, in a worker."""

from __future__ import annotations

from typing import Any

from toolkit import printable
from toolkit.engines.tensorflow.graph_def import GraphDef
from toolkit.engines.tensorflow.messages import message, parse
from toolkit.errors import InvalidSource
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Inspected, LoadedOriginal
from toolkit.source.loading.graphs import device
from toolkit.source.loading.graphs.cut import VARIABLES, nodes_of, operators_in
from toolkit.source.loading.graphs.described import found_in, told, writer
from toolkit.source.loading.graphs.endings import endings
from toolkit.source.loading.graphs.loops import findings as endless
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.proposals import choose
from toolkit.wire.request import Request

KIND = "frozen_graph"


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.frozen_graph.inspect`."""
    path, graph = _read(request)
    options = GraphOptions.of(request.options)
    needs = _refusals(path, graph)
    findings: list[Finding] = []
    signatures: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    try:
        ends, findings = choose(path, graph, options)
        signatures = [{"key": DEFAULT_KEY, **told(graph, ends)}]
        found = {DEFAULT_KEY: endings(graph, ends.outputs)}
        findings += found_in(graph, {DEFAULT_KEY: ends}, options)
    except InvalidSource as error:
        needs += [error.text]
    return {
        "kind": KIND,
        "writer": writer(graph),
        "loader": "tensorflow session",
        "signatures": signatures,
        "endings": found,
        "settled": False,
        "operators": sorted(operators_in(graph)),
        "variables": [],
        "needs": [printable.line(each) for each in needs],
        "findings": [each.to_json() for each in (*findings, *device.findings(graph), *endless(graph))],
    }


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.frozen_graph.load`."""
    from toolkit.source.loading.graphs.original import cut_original

    path, graph = _read(request)
    for refusal in _refusals(path, graph):
        raise InvalidSource(refusal, _ADVICE)
    return cut_original("tensorflow session", graph, GraphOptions.of(request.options))


_ADVICE = (
    "give the folder of its checkpoint (.meta, .index, .data) instead, or freeze it with "
    "tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, outputs)"
)


def _read(request: Request) -> tuple[str, GraphDef]:
    path = request.options["path"]
    graph = parse(message("framework.graph", "GraphDef"), request.inputs["graph"], "this GraphDef")
    if not graph.node:
        raise InvalidSource(f"{path}: holds no graph: it has no operators", "save the graph again")
    nodes_of(path, graph)
    return path, graph


def _refusals(path: str, graph: GraphDef) -> list[str]:
    """Return why the graph counts as not frozen; nothing where it is frozen."""
    variables = [node.name for node in graph.node if node.op in VARIABLES]
    if not variables:
        return []
    shown = ", ".join(variables[:4]) + (f" and {len(variables) - 4} more" if len(variables) > 4 else "")
    return [f"{path}: is not frozen: it holds the variables {shown} without their values"]
