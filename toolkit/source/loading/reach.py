"""What in a graph can do harm, and where it stands; read from the protocol buffers alone, so that nothing is loaded or run.

`graphs.node_abilities` judges each operator. Every SavedModel has operators that save and restore; they count only where something runs them.

What runs: `tf.saved_model.load` runs initializers and restores variables, and a call runs a signature. In a flat graph, what the outputs need runs.
A called function counts as a whole, because its stateful operators run whether their results are used or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.engines.tensorflow.graph_def import AssetFileDef, GraphDef, MetaGraphDef, NodeDef
from toolkit.errors import InvalidSource
from toolkit.source.loading.graphs.calls import Calls, ExecutedNodes
from toolkit.source.loading.graphs.cut import node_of, spelled
from toolkit.source.loading.graphs.node_abilities import NodeAbilities
from toolkit.source.loading.graphs.tensor_origins import TensorOrigin, TensorOrigins, text_of
from toolkit.source.loading.operators import NOT_KNOWN

INIT_KEY = "__saved_model_init_op"  # how tf.saved_model.save marks an initializer among the signatures
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op", "table_initializer", "local_variables")
"""`load_v1_in_v2` and a session's loader run the operators of these collections (tensorflow/python/saved_model/constants.py, ops.GraphKeys)."""
_RUN_BY_LOADING = ("_initialize", "_initializer", "_create_resource", "_destroy_resource")


@dataclass(frozen=True, slots=True)
class Reach:
    """One operator that reaches outside, or is not known to be harmless: what it can do, and where it stands."""

    operator: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.operator} ({self.what}) {self.where}"


def of_saved_model(meta: MetaGraphDef) -> list[Reach]:
    """Return what reaches outside in a `MetaGraphDef` of a SavedModel, or is not known to be harmless; each operator once for each ability."""
    calls = Calls(meta.graph_def)
    held = meta.object_graph_def.concrete_functions
    parts = _parts(meta)
    nodes = [name for starts, _ in parts.values() for name in starts]
    assets = [spelled(asset.tensor_info.name) for asset in assets_of(meta)]
    prefix = node_of(meta.saver_def.filename_tensor_name)
    served = calls.run([name for label, (starts, _) in parts.items() if label != _LOADING for name in starts])
    origins = TensorOrigins(calls, assets, prefix, _captured(meta))
    return _reached(calls, NodeAbilities(calls, calls.run(nodes, held), served, origins), parts)


def of_graph(graph: GraphDef, nodes: Iterable[str], served: Iterable[str], prefix: str = "") -> list[Reach]:
    """Return what reaches outside in a flat GraphDef, among the `nodes` that run and the functions that they call.

    The nodes `served` run in a call; the others run when variables are restored, from the path in the node `prefix`.
    """
    calls = Calls(graph)
    run = calls.only(nodes)
    abilities = NodeAbilities(calls, run, calls.only(served), TensorOrigins(calls, prefix=prefix))
    found = ((scope, node) for scope, node in calls.all() if run.holds(scope, node.name))
    return _once((scope, node, abilities.of(scope, node)) for scope, node in found)


def abilities_of(calls: Calls) -> dict[tuple[str, str], str]:
    """Return what nodes can do, by scope and name, wherever they stand; without harmless nodes and savers."""
    served = ExecutedNodes(set(calls.nodes), set(calls.functions))
    abilities = NodeAbilities(calls, ExecutedNodes(), served, TensorOrigins(calls))
    return {(scope, node.name): what for scope, node in calls.all() if (what := abilities.of(scope, node))}


def assets_of(meta: MetaGraphDef) -> list[AssetFileDef]:
    """Return the assets of a MetaGraph; before TensorFlow 1.13 SavedModels held them in a collection."""
    if meta.asset_file_def or "saved_model_assets" not in meta.collection_def:
        return list(meta.asset_file_def)
    from toolkit.engines.tensorflow.messages import message

    held = meta.collection_def["saved_model_assets"].any_list.value
    return [_filled(message("protobuf.meta_graph", "AssetFileDef"), one.value, "an asset") for one in held]


_LOADING, _IDLE = "which runs when the model is loaded", "which no signature runs"
_Parts = Mapping[str, tuple[list[str], list[str]]]


def _parts(meta: MetaGraphDef) -> _Parts:
    """Return the nodes and functions at which the parts of a SavedModel start to run, by the text that messages have for a part."""
    starts: dict[str, tuple[list[str], list[str]]] = {_LOADING: ([], [])}
    nodes, functions = starts[_LOADING]
    for key, definition in sorted(meta.signature_def.items()):
        outputs = [info.name for info in definition.outputs.values()]
        if key == INIT_KEY:
            nodes += outputs
        else:
            starts[f"in the signature {key!r}"] = (outputs, [])
    nodes += [meta.saver_def.restore_op_name] * bool(meta.saver_def.restore_op_name)
    for name in _INITIALIZERS:
        nodes += list(meta.collection_def[name].node_list.value) if name in meta.collection_def else []
        nodes += _initializers(meta.collection_def[name].bytes_list.value) if name in meta.collection_def else []
    held = meta.object_graph_def.nodes
    for each in held:
        for child in each.children:
            if 0 <= child.node_id < len(held) and child.local_name in _RUN_BY_LOADING:
                functions += _functions_of(held[child.node_id])
        for saved in each.saveable_objects.values():
            if 0 <= saved.restore_function < len(held):
                functions += _functions_of(held[saved.restore_function])
    return starts


def _initializers(variables: Iterable[bytes]) -> list[str]:
    """Return the operators that initialize the variables of a collection; each entry is a `VariableDef`."""
    from toolkit.engines.tensorflow.messages import message

    found = []
    for content in variables:
        definition = _filled(message("framework.variable", "VariableDef"), content, "a variable")
        found += [name for name in (definition.initializer_name, definition.initial_value_name) if name]
    return found


def _filled(into: Any, content: bytes, what: str) -> Any:
    """Return a message, filled from bytes of a collection; InvalidSource where they are damaged."""
    from google.protobuf.message import DecodeError

    try:
        into.ParseFromString(content)
    except DecodeError as error:
        raise InvalidSource(
            f"the graph is damaged: what it says of {what} cannot be read", "save the model again"
        ) from error
    return into


def _functions_of(held: Any) -> list[str]:
    return [*held.function.concrete_functions, *filter(None, [held.bare_concrete_function.concrete_function_name])]


def _captured(meta: MetaGraphDef) -> dict[str, list[TensorOrigin]]:
    """Return, by function, what its last arguments were bound to when it was made."""
    held = meta.object_graph_def.nodes
    constants = {node.name: node for node in meta.graph_def.node if node.op == "Const"}

    def origin(number: int) -> TensorOrigin:
        one = held[number] if 0 <= number < len(held) else None
        kind = None if one is None else one.WhichOneof("kind")
        if one is not None and kind == "constant" and one.constant.operation in constants:
            return TensorOrigin("constant", text_of(constants[one.constant.operation]))
        return TensorOrigin("capture") if kind == "asset" else TensorOrigin("computed", str(kind))

    functions = meta.object_graph_def.concrete_functions
    return {name: [origin(number) for number in one.bound_inputs] for name, one in functions.items()}


def _reached(calls: Calls, abilities: NodeAbilities, parts: _Parts) -> list[Reach]:
    found = [(scope, node, what) for scope, node in calls.all() if (what := abilities.of(scope, node))]
    if not found:
        return []
    runs = {label: calls.run(*starts) for label, starts in parts.items()}

    def label(scope: str, name: str) -> str:
        return next((label for label, run in runs.items() if run.holds(scope, name)), _IDLE)

    return _once(sorted(found, key=lambda one: label(one[0], one[1].name) == _IDLE), label)


def _once(
    found: Iterable[tuple[str, NodeDef, str | None]], label: Callable[[str, str], str] | None = None
) -> list[Reach]:
    """Return the first node of each operator and ability."""
    kept: dict[tuple[str, str], Reach] = {}
    for scope, node, what in found:
        if what and (node.op, what) not in kept:
            place = f"at {node.name!r}" + (f" of the function {scope!r}" if scope else "")
            said = f"{place}, {label(scope, node.name)}" if label else place
            kept[node.op, what] = Reach(node.op, what, said)
    return [kept[key] for key in sorted(kept, key=lambda key: (key[1] == NOT_KNOWN, key))]
