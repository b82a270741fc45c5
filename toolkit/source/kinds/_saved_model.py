"""Inspects and loads models of the kind `saved_model`, in a worker.

An inspection parses `saved_model.pb` and runs nothing. Models with reference variables of TensorFlow 1, which no second export keeps, are frozen in
a session. Graphs that the user cuts are frozen too. All other models are traced again around the loaded signature.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.engines.tensorflow import dtypes
from toolkit.engines.tensorflow.graph_def import MetaGraphDef
from toolkit.engines.tensorflow.messages import message, operators, operators_run, parse, specs
from toolkit.errors import InvalidSource
from toolkit.source.kinds.saved_model import _FILES
from toolkit.source.loading import DEFAULT_KEY, Inspected, LoadedOriginal, VariableRow
from toolkit.source.loading.functions import FunctionOriginal, engine
from toolkit.source.loading.graphs.calls import refuse_endless
from toolkit.source.loading.graphs.endings import endings
from toolkit.source.loading.graphs.flat import of_file
from toolkit.source.loading.graphs.loops import findings as endless
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.operators import findings, refuse_reaching, refuse_without_kernel, unregistered
from toolkit.source.loading.own_files import links_out, strange_assets
from toolkit.source.loading.reach import INIT_KEY, assets_of, of_saved_model
from toolkit.source.loading.variables.table import read_bundle
from toolkit.tensors.signature import SignatureJson
from toolkit.wire.request import Request

_REFERENCE_VARIABLES = {"Variable", "VariableV2"}
_UNCONVERTIBLE = ("string", "resource", "variant")  # no runtime takes these as a sample
# Operators that parse and look up strings; no device has kernels for them.
_OF_STRINGS = re.compile(
    r"^Parse\w*Example|^Decode|^LookupTable(Find|Export)|HashBucket|^String|^Regex|^StaticRegexReplace|^Unicode"
)


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.saved_model.inspect`."""
    source = request.inputs["source"]
    graph = _meta_graph(source)
    refuse_endless(request.options["path"], graph.graph_def)
    held = sorted(operators(graph.graph_def))
    cut = bool(request.options["inputs"] or request.options["outputs"])
    definitions = {key: one for key, one in sorted(graph.signature_def.items()) if key != INIT_KEY}
    ends = {
        key: endings(graph.graph_def, {name: info.name for name, info in one.outputs.items()})
        for key, one in definitions.items()
    }
    signatures: list[SignatureJson] = [
        {"key": key, "inputs": specs(one.inputs), "outputs": specs(one.outputs)} for key, one in definitions.items()
    ]
    index = source / "variables" / "variables.index"
    return {
        "kind": "saved_model",
        "writer": f"tensorflow {graph.meta_info_def.tensorflow_version or 'of unknown version'}",
        "loader": "tensorflow",
        "tags": sorted(graph.meta_info_def.tags),
        "signatures": signatures,
        "endings": ends,
        "settled": not cut,
        "operators": held,
        "variables": _variables(index) if index.is_file() else [],
        "needs": [printable.line(each) for each in (*_needs(signatures, held), *_operators_missing(held))],
        "flat": any(of_file(graph, key) is not None for key in definitions),
        "findings": [
            each.to_json()
            for each in (
                *findings(held, _reached(source, graph)),
                *dtypes.findings(graph.graph_def, definitions),
                *endless(graph.graph_def),
            )
        ],
    }


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.saved_model.load`."""
    source = request.inputs["source"]
    graph = _allowed(request)
    tags = sorted(graph.meta_info_def.tags)
    own = {function.signature.name for function in graph.graph_def.library.function}
    refuse_without_kernel(request.options["path"], operators(graph.graph_def) - own, operators_run(graph.graph_def))
    if request.options["inputs"] or request.options["outputs"]:
        return _cut(request, graph, tags)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(source), tags=tags)
    functions = {key: loaded.signatures[key] for key in graph.signature_def if key != INIT_KEY}
    if _REFERENCE_VARIABLES & operators(graph.graph_def):
        return _Frozen(source, tags, graph, loaded, functions)
    return FunctionOriginal(engine(), loaded, functions)


def propose(request: Request) -> dict[str, Any]:
    """As `toolkit.source.kinds.saved_model.propose`."""
    from toolkit.source.loading.graphs.flat import flatten, numbers_behind_strings

    graph, key = _allowed(request), request.options["signature"]
    tags = sorted(graph.meta_info_def.tags)
    flat, inputs, outputs = of_file(graph, key) or flatten(request.inputs["source"], tags, key)
    return {"inputs": numbers_behind_strings(flat, inputs, outputs), "outputs": outputs}


class _Frozen(FunctionOriginal):
    """A model with reference variables of TensorFlow 1: it runs as TensorFlow loads it, and is saved with constants."""

    def __init__(
        self, source: Path, tags: list[str], graph: MetaGraphDef, loaded: Any, functions: dict[str, Any]
    ) -> None:
        super().__init__(engine(), loaded, functions)
        self._source, self._tags, self._definitions = source, tags, graph.signature_def

    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Save the signature with its variables as constants."""
        import tensorflow as tf

        v1 = tf.compat.v1
        definition = self._definitions[key]
        outputs = {name: info.name for name, info in definition.outputs.items()}
        with v1.Session(graph=tf.Graph()) as session:
            v1.saved_model.loader.load(session, self._tags, str(self._source))
            nodes = sorted({tensor.split(":")[0] for tensor in outputs.values()})
            frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, nodes)
        with v1.Session(graph=tf.Graph()) as session:
            inputs = {
                name: v1.placeholder(tf.dtypes.as_dtype(info.dtype), shapes[name], name=f"input_{position}")
                for position, (name, info) in enumerate(sorted(definition.inputs.items()))
            }
            mapping = {definition.inputs[name].name: tensor for name, tensor in inputs.items()}
            results = tf.graph_util.import_graph_def(frozen, mapping, list(outputs.values()), name="model")
            v1.saved_model.simple_save(session, str(folder), inputs, dict(zip(outputs, results, strict=True)))


def _cut(request: Request, graph: MetaGraphDef, tags: list[str]) -> LoadedOriginal:
    from toolkit.source.loading.graphs.flat import flatten
    from toolkit.source.loading.graphs.original import cut_original

    options = GraphOptions.of(request.options)
    keys = sorted(key for key in graph.signature_def if key != INIT_KEY)
    key = request.options["cut_signature"] or (DEFAULT_KEY if DEFAULT_KEY in keys else next(iter(keys), DEFAULT_KEY))
    flat, inputs, outputs = flatten(request.inputs["source"], tags, key)
    ends = replace(options, inputs=options.inputs or inputs, outputs=options.outputs or outputs)
    return cut_original("tensorflow", flat, ends)


def _variables(index: Path) -> list[VariableRow]:
    """Return the variables in the index; entries of text belong to the object graph."""
    return [
        {
            "name": name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"),
            "dtype": entry.dtype,
            "shape": entry.shape,
            "size_bytes": entry.size,
        }
        for name, entry in sorted(read_bundle(index).entries.items())
        if entry.dtype != "string"
    ]


def _needs(signatures: list[SignatureJson], held: list[str]) -> list[str]:
    if not signatures:
        return ["a signature: save it with tf.saved_model.save(model, path, signatures=...)"]
    if len(signatures) > 1 and DEFAULT_KEY not in {signature["key"] for signature in signatures}:
        return ["--signature: " + ", ".join(str(signature["key"]) for signature in signatures)]
    usable = [
        signature
        for signature in signatures
        if not any(spec["dtype"] in _UNCONVERTIBLE for spec in (*signature["inputs"], *signature["outputs"]))
    ]
    if usable:
        return []
    named = ", ".join(name for name in held if _OF_STRINGS.search(name))
    return [
        f"--inputs and --outputs: its signatures take strings{named and f' ({named})'}, which no device's runtime does"
    ]


def _operators_missing(held: list[str]) -> list[str]:
    missing = unregistered(held)
    return [f"--python source=PATH, an interpreter whose TensorFlow has {', '.join(missing)}"] if missing else []


def _reached(source: Path, graph: MetaGraphDef) -> list[str]:
    """Return what reaches outside: operators, and files that are not the model's own."""
    assets = strange_assets(asset.filename for asset in assets_of(graph))
    return [*map(str, of_saved_model(graph)), *assets, *links_out(source)]


def _allowed(request: Request) -> MetaGraphDef:
    """Return the MetaGraph, parsed and not loaded; InvalidSource where it reaches outside and the user does not trust it."""
    source, path = request.inputs["source"], request.options["path"]
    graph = _meta_graph(source)
    refuse_endless(path, graph.graph_def)
    refuse_reaching(path, _reached(source, graph), request.options["trust"])
    return graph


def _meta_graph(source: Path) -> MetaGraphDef:
    """Return the MetaGraph to serve from, parsed; nothing is run. InvalidSource where there is not exactly one."""
    file = next(source / name for name in _FILES if (source / name).is_file())
    graphs = list(parse(message("protobuf.saved_model", "SavedModel"), file, "SavedModel").meta_graphs)
    serving = [graph for graph in graphs if "serve" in graph.meta_info_def.tags] or graphs
    if len(serving) != 1:
        tags = [sorted(graph.meta_info_def.tags) for graph in graphs]
        raise InvalidSource(f"{source}: {len(graphs)} graphs, tagged {tags}; expected one tagged 'serve'")
    return serving[0]
