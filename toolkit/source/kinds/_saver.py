"""Inspects and loads models of the kind `saver`, in a worker.

With a MetaGraph (.meta), the graph is cut at inputs and outputs. Without one, or with a builder, the user's code makes the graph or the model, and
the variables find their places by name. Format V2 has .index and .data-... files, V1 one file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from toolkit.engines.tensorflow.graph_def import MetaGraphDef, SignatureDef
from toolkit.engines.tensorflow.messages import message, parse
from toolkit.errors import InvalidSource, UnknownName
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Inspected, LoadedOriginal
from toolkit.source.loading.builder import Built, build
from toolkit.source.loading.coverage import coverage, unrestored, variables_of
from toolkit.source.loading.graphs.calls import refuse_endless
from toolkit.source.loading.graphs.cut import nodes_of, operators_in, spelled
from toolkit.source.loading.graphs.described import found_in, refuse_reach, told, writer
from toolkit.source.loading.graphs.endings import endings
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.proposals import Ends, choose
from toolkit.source.loading.variables.places import places_by_name, places_of_saver
from toolkit.source.loading.variables.renaming import read_map
from toolkit.source.loading.variables.restoring import Matching, mismatch, refuse, restore
from toolkit.source.loading.variables.saved_variables import SavedVariables, saved
from toolkit.wire.request import Request

KIND = "saver"
LOADER = "tensorflow session"
_NEEDS = (
    "a builder, because no MetaGraph (.meta) lies beside it: --builder path/to/file.py:function, which returns the model, "
    "or {'inputs': {name: tensor}, 'outputs': {name: tensor}} of TensorFlow 1"
)


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.saver.inspect`."""
    path, options = request.options["path"], GraphOptions.of(request.options)
    held = saved(path, request.inputs)
    found: Inspected = {
        "kind": KIND,
        "writer": "tensorflow of unknown version",
        "loader": LOADER,
        "signatures": [],
        "settled": False,
        "operators": [],
        "variables": [
            {"name": name, "dtype": dtype, "shape": shape, "size_bytes": held.sizes[name]}
            for name, (dtype, shape) in sorted(held.variables.items())
        ],
        "needs": [],
        "findings": [],
    }
    built = bool(request.options["builder"])
    if "meta" in request.inputs and not built:
        meta = _meta_graph(path, request.inputs["meta"])
        version = meta.meta_info_def.tensorflow_version
        found["writer"] = f"tensorflow {version}" if version else writer(meta.graph_def)
        found["operators"] = sorted(operators_in(meta.graph_def))
        try:
            ends, findings = _ends(path, meta, options)
            findings = [*findings, *found_in(meta.graph_def, ends, options, meta.saver_def)]
            found["findings"] = [each.to_json() for each in findings]
            found["signatures"] = [{"key": key, **told(meta.graph_def, end)} for key, end in sorted(ends.items())]
            found["endings"] = {key: endings(meta.graph_def, end.outputs) for key, end in ends.items()}
        except InvalidSource as error:
            found["needs"] = [error.text]
    elif not built:
        found["needs"] = [_NEEDS]
    return found


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.saver.load`."""
    path, options = request.options["path"], request.options
    held = saved(path, request.inputs)
    renamed = read_map(request.inputs["map"]) if "map" in request.inputs else {}
    if options["builder"]:
        built = _built(request)
        _refuse_unknown(request, renamed.values(), held.variables, "variable of the file")
        return (
            _of_code(request, built, held, renamed)
            if built.outputs is not None
            else _of_model(request, built, held, renamed)
        )
    if "meta" not in request.inputs:
        raise InvalidSource(f"{path}: holds variables only; a build needs {_NEEDS}")
    return _of_meta_graph(request, held, renamed)


def _of_meta_graph(request: Request, held: SavedVariables, renamed: Mapping[str, str]) -> LoadedOriginal:
    from toolkit.source.loading.graphs.original import GraphOriginal, import_graph, session_of

    options = GraphOptions.of(request.options)
    path = options.path
    meta = _meta_graph(path, request.inputs["meta"])
    ends, findings = _ends(path, meta, options)
    also = [spelled(meta.saver_def.restore_op_name)] if meta.saver_def.restore_op_name else []
    refuse_endless(path, meta.graph_def)
    taken = refuse_reach(path, meta.graph_def, ends, options, meta.saver_def)
    graph = import_graph(path, taken, ends, options.bind, also)
    places = places_of_saver(path, graph, meta.saver_def)
    if renamed or not places:
        places = places_by_name(graph, renamed)
        _refuse_unknown(request, renamed, [place.variable for place in places], "variable of the graph")
        _refuse_unknown(request, renamed.values(), held.variables, "variable of the file")
    session = session_of(graph)
    matching = Matching(held, places, "other", "the MetaGraph is of another model than the file")
    told = restore(session, meta.graph_def, ends, matching, options)
    original = GraphOriginal(LOADER, session, meta.graph_def, ends, options, findings)
    original.coverage = told
    return original


def _of_code(request: Request, built: Built, held: SavedVariables, renamed: Mapping[str, str]) -> LoadedOriginal:
    """Return the original of a builder for TensorFlow 1, which gives the tensors where its graph is fed and fetched."""
    from toolkit.source.loading.graphs.original import GraphOriginal, session_of

    options = GraphOptions.of(request.options)
    name = f"builder {request.options['builder']['function']}"
    tensors = {**dict(built.inputs or {}), **dict(built.outputs or {})}
    for called, tensor in tensors.items():
        if not hasattr(tensor, "graph") or not hasattr(tensor, "op"):
            raise InvalidSource(
                f"{name}: {called!r} is {type(tensor).__name__}; expected a tensor of a TensorFlow 1 graph"
            )
    graphs = {id(tensor.graph): tensor.graph for tensor in tensors.values()}
    if len(graphs) != 1:
        raise InvalidSource(f"{name}: its tensors are of {len(graphs)} graphs; expected those of one graph")
    (graph,) = graphs.values()
    known = graph.as_graph_def(add_shapes=True)
    ends = _said(built)
    findings: list[Finding] = []
    if options.inputs or options.outputs:
        asked = replace(options, inputs=options.inputs or ends.inputs, outputs=options.outputs or ends.outputs)
        ends, findings = choose(options.path, known, asked)
    places = places_by_name(graph, renamed)
    _refuse_unknown(request, renamed, [place.variable for place in places], "variable of the graph")
    session = session_of(graph)
    told = restore(session, known, {DEFAULT_KEY: ends}, Matching(held, places, "model", _cause(held)), options)
    original = GraphOriginal(f"{LOADER}, graph of {name}", session, known, {DEFAULT_KEY: ends}, options, findings)
    original.coverage = told
    return original


def _said(built: Built) -> Ends:
    return Ends(
        {name: tensor.name for name, tensor in (built.inputs or {}).items()},
        {name: tensor.name for name, tensor in (built.outputs or {}).items()},
    )


def _of_model(request: Request, built: Built, held: SavedVariables, renamed: Mapping[str, str]) -> LoadedOriginal:
    """Return the original of a builder's model of TensorFlow 2, whose variables have names of the file or of the map."""
    from toolkit.source.loading.functions import object_original

    options = request.options
    variables = variables_of(built.model)
    _refuse_unknown(request, renamed, variables, "variable of the model")
    names = {name: renamed.get(name, name) for name in variables}
    fitting = {name: saved_as for name, saved_as in names.items() if saved_as in held.variables}
    problems = []
    for name, saved_as in fitting.items():
        wanted = (variables[name].numpy().dtype.name, list(variables[name].shape))
        problems += mismatch(name, wanted, saved_as, held.variables[saved_as])
    refuse(held.path, problems)
    reader = held.reader()

    def read() -> None:
        for name, saved_as in fitting.items():
            variables[name].assign(held.value(reader, saved_as))

    missing = unrestored(variables, read)
    told = coverage(
        held.path,
        set(variables) - set(missing),
        missing,
        held.unused(fitting.values(), "model"),
        options["allow_unrestored"],
        _cause(held),
    )
    original = object_original(built, f"tf.train.load_checkpoint into builder {options['builder']['function']}")
    original.coverage = told
    return original


def _cause(held: SavedVariables) -> str:
    known = sorted(set(held.variables) - {one["name"] for one in held.unused((), "model") if one["what"] != "model"})
    shown = ", ".join(known[:4]) + (f" and {len(known) - 4} more" if len(known) > 4 else "")
    return (
        f"the builder makes another model, or its variables have other names than the file's ({shown}): "
        '--map FILE with lines "model\'s variable" = "file\'s variable"'
    )


def _built(request: Request) -> Built:
    """Return what the builder gives; code of TensorFlow 1 is called inside a graph."""
    import tensorflow as tf

    try:
        return build(request)
    except InvalidSource as error:
        if "eager" not in str(error.__cause__).lower() or not isinstance(
            error.__cause__, (RuntimeError, ValueError, NotImplementedError)
        ):
            raise
    with tf.Graph().as_default():
        return build(request)


def _ends(path: str, meta: MetaGraphDef, options: GraphOptions) -> tuple[dict[str, Ends], list[Finding]]:
    """Return where the MetaGraph is fed and fetched, by signature: by the user, by the file, or by the only choice that the graph leaves."""
    nodes_of(path, meta.graph_def)
    if not options.inputs and not options.outputs:
        signed = {
            key: _signed(definition)
            for key, definition in meta.signature_def.items()
            if definition.outputs and definition.inputs
        }
        if signed:
            return signed, []
    ends, findings = choose(path, meta.graph_def, options)
    return {DEFAULT_KEY: ends}, findings


def _signed(definition: SignatureDef) -> Ends:
    return Ends(
        {name: spelled(info.name) for name, info in sorted(definition.inputs.items())},
        {name: spelled(info.name) for name, info in sorted(definition.outputs.items())},
    )


def _meta_graph(path: str, file: Path) -> MetaGraphDef:
    meta = parse(message("protobuf.meta_graph", "MetaGraphDef"), file, "this MetaGraph")
    if not meta.graph_def.node:
        raise InvalidSource(
            f"{path}: {file.name} holds no graph: it is damaged, or empty", "copy it again, or give a builder"
        )
    return meta


def _refuse_unknown(request: Request, names: Iterable[str], known: Collection[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise UnknownName(f"{request.inputs['map']}: {what}", name, known)
