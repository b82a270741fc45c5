"""What in a graph can do harm, and where it stands: told from the protocol buffers alone, so that nothing is loaded or run for it.

An operator that is listed as harmless passes. Some tell by an attribute or by where an input comes from whether they are: a table is filled from an
asset of the model or from any file; a saver restores from the path that its loader gives it or from one that stands in the graph. Saving and
restoring that nothing of the model runs is what every SavedModel has.

Which part of a graph runs: `tf.saved_model.load` runs initializers and restores variables; a call runs a signature. In a flat graph that is
what its outputs need. Where a function is called all of it counts, for its stateful operators run whether their results are used or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.engines.tflite.device_operators import BUILT_IN
from toolkit.errors import InvalidSource
from toolkit.source.loading.graphs.calls import TOP, Calls, ExecutedNodes
from toolkit.source.loading.graphs.cut import attribute, node_of, spelled
from toolkit.source.loading.operators import NOT_KNOWN, ON_CONDITION, SAVER, ability, kinds

INIT_KEY = "__saved_model_init_op"  # how tf.saved_model.save marks an initializer among the signatures
_READS, _WRITES, _NATIVE = "reads files", "writes files", "runs native code by its name"
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op", "table_initializer", "local_variables")
"""The collections whose operators `load_v1_in_v2` and a session's loader run, of tensorflow/python/saved_model/constants.py and ops.GraphKeys."""
_RUN_BY_LOADING = ("_initialize", "_initializer", "_create_resource", "_destroy_resource")
_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")
_BRANCHES = ("If", "StatelessIf", "_If", "Case", "StatelessCase")  # their first input chooses, the others are arguments
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "_While")
_TOUCH = ("AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp")
_SAME = ("Identity", "StopGradient", "Snapshot")

Unit = tuple[str, str]  # a node: its scope and its name


@dataclass(frozen=True, slots=True)
class Reach:
    """One operator that reaches out of the graph, or is not known to be harmless: what it can do, and where it stands."""

    operator: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.operator} ({self.what}) {self.where}"


@dataclass(frozen=True, slots=True)
class TensorOrigin:
    """Where the value of a tensor comes from: "asset", "saver" (the path that a loader gives), "constant", or "computed"."""

    kind: str
    text: str = ""


class _Judge:
    """What each node of a graph can do.

    `run` is what runs at all, `served` the part of it that runs without a loader's feeds; `assets` are tensors of the graph that a loader feeds with
    the paths of the model's own files; `prefix` is the node that it feeds with the path of the variables; `captured` tells what a function was
    given when it was made, by its last arguments.
    """

    def __init__(
        self,
        calls: Calls,
        run: ExecutedNodes,
        served: ExecutedNodes,
        assets: Iterable[str] = (),
        prefix: str = "",
        captured: Mapping[str, list[TensorOrigin]] | None = None,
    ) -> None:
        self._calls, self._run, self._served = calls, run, served
        self._assets, self._prefix = frozenset(assets), prefix
        self._captured = captured or {}
        self._conditions: dict[str, Callable[[str, Any], str | None]] = {
            "PrintV2": _prints,
            "DecodeProtoV2": _describes,
            "EncodeProto": _describes,
            "FixedUnigramCandidateSampler": _counts,
            "XlaCallModule": _native,
            "InitializeTableFromTextFile": self._fills,
            "InitializeTableFromTextFileV2": self._fills,
        }

    def ability(self, scope: str, node: Any) -> str | None:
        """Return what a node can do; None for a harmless one."""
        if node.op in BUILT_IN:  # TensorFlow cannot run it
            return None
        if node.op in self._calls.functions and node.op not in kinds():
            return None
        if kinds().get(node.op) == SAVER:
            return self._saves(scope, node) if self._run.holds(scope, node.name) else None
        found = ability(node.op)
        return self._conditions[node.op](scope, node) if found == ON_CONDITION else found

    def _saves(self, scope: str, node: Any) -> str | None:
        if node.op not in _RESTORES:
            return "deletes and writes files" if node.op == "MergeV2Checkpoints" else _WRITES
        fed = not self._served.holds(scope, node.name)
        return _from([origin for origin in self._origins(scope, node) if origin.kind != "saver" or not fed])

    def _fills(self, scope: str, node: Any) -> str | None:
        origins = self._origins(scope, node, 1)
        strange = [origin for origin in origins if origin.kind not in ("asset", "capture")]
        if not strange and any(origin.kind == "asset" for origin in origins) and self._served.holds(scope, node.name):
            return f"{_READS}: where it stands no loader gives it an asset of the model"
        return _from(strange)

    def _origins(self, scope: str, node: Any, position: int = 0) -> set[TensorOrigin]:
        """Return all that an input of a node may be: through functions to whoever calls them, and back to what made it."""
        found: set[TensorOrigin] = set()
        waiting = [(scope, edge) for edge in _data(node)[position : position + 1]]
        seen: set[Unit] = set()
        while waiting:
            unit = waiting.pop()
            if unit in seen:
                continue
            seen.add(unit)
            here, more = self._origin(*unit)
            found |= here
            waiting += more
        return found or {TensorOrigin("computed", "nothing")}

    def _origin(self, scope: str, edge: str) -> tuple[set[TensorOrigin], list[Unit]]:
        name = edge.partition(":")[0]
        maker = self._calls.body(scope).get(name)
        if maker is None:
            return self._argument(scope, name)
        if scope == TOP and spelled(edge) in self._assets:
            return {TensorOrigin("asset", edge)}, []
        if scope == TOP and name == self._prefix:
            return {TensorOrigin("saver")}, []
        if maker.op in _SAME:
            return set(), [(scope, one) for one in _data(maker)[:1]]
        if maker.op == "ReadVariableOp" and scope == TOP:
            return self._assigned(maker)
        return {
            TensorOrigin("constant", text_of(maker)) if maker.op == "Const" else TensorOrigin("computed", maker.op)
        }, []

    def _assigned(self, read: Any) -> tuple[set[TensorOrigin], list[Unit]]:
        """Return what a variable is given, where nothing but the graph's own assignments touches it: TensorFlow keeps the paths of assets so."""
        handle = self._calls.nodes.get(node_of(_data(read)[0])) if _data(read) else None
        other = {TensorOrigin("computed", "a variable")}, list[Unit]()
        if handle is None or handle.op != "VarHandleOp":
            return other
        same = [
            (scope, node) for scope, node in self._calls.all() if node.op == handle.op and _key(node) == _key(handle)
        ]
        names = {node.name for _, node in same}
        takers = [node for node in self._calls.nodes.values() if names & set(map(node_of, _data(node)))]
        if any(scope != TOP for scope, _ in same) or any(node.op not in _TOUCH for node in takers):
            return other
        return set(), [
            (TOP, _data(node)[1]) for node in takers if node.op == "AssignVariableOp" and len(_data(node)) > 1
        ]

    def _argument(self, scope: str, name: str) -> tuple[set[TensorOrigin], list[Unit]]:
        """Return what a function is given in one of its arguments, by all who call it and by the object that holds it."""
        if scope == TOP:
            return {TensorOrigin("computed", f"{name}, which is not there")}, []
        arguments = [one.name for one in self._calls.functions[scope].signature.input_arg]
        if name not in arguments:
            return {TensorOrigin("computed", f"{name}, which is not there")}, []
        position, found, more = arguments.index(name), set[TensorOrigin](), list[Unit]()
        captured = self._captured.get(scope)
        if captured is not None:
            kept = position - (len(arguments) - len(captured))
            found.add(captured[kept] if kept >= 0 else TensorOrigin("computed", "what it is called with"))
        for caller, node in self._calls.callers(scope):
            given = self._given(node, position, scope)
            if given is None:
                found.add(TensorOrigin("computed", node.op))
            else:
                more.append((caller, given))
        return found, more

    @staticmethod
    def _given(node: Any, position: int, function: str) -> str | None:
        inputs = _data(node)
        first = 1 if node.op in _BRANCHES else 0
        if node.op not in (*_BRANCHES, *_CALLS, function) or first + position >= len(inputs):
            return None
        return inputs[first + position]


def of_saved_model(meta: Any) -> list[Reach]:
    """Return what reaches out of a `MetaGraphDef` of a SavedModel, or is not known to be harmless; each operator once for each thing it can do."""
    calls = Calls(meta.graph_def)
    held = meta.object_graph_def.concrete_functions
    parts = _parts(meta)
    nodes = [name for starts, _ in parts.values() for name in starts]
    judge = _Judge(
        calls,
        run=calls.run(nodes, held),
        served=calls.run([name for label, (starts, _) in parts.items() if label != _LOADING for name in starts]),
        assets=[spelled(asset.tensor_info.name) for asset in assets_of(meta)],
        prefix=node_of(meta.saver_def.filename_tensor_name),
        captured=_captured(meta),
    )
    return _reached(calls, judge, parts)


def of_graph(graph: Any, nodes: Iterable[str], served: Iterable[str], prefix: str = "") -> list[Reach]:
    """Return what reaches out of a flat GraphDef, of those of its nodes that run and the functions that these call.

    `served` are those of them that run in a call; the others do when variables are restored, `prefix` is the node of their path.
    """
    calls = Calls(graph)
    run = calls.only(nodes)
    judge = _Judge(calls, run, calls.only(served), prefix=prefix)
    found = ((scope, node) for scope, node in calls.all() if run.holds(scope, node.name))
    return _once((scope, node, judge.ability(scope, node)) for scope, node in found)


def abilities_of(calls: Calls) -> dict[tuple[str, str], str]:
    """Return what nodes can do, by scope and name, wherever they stand; savers are not looked at, nor are harmless ones."""
    judge = _Judge(calls, ExecutedNodes(), ExecutedNodes(set(calls.nodes), set(calls.functions)))
    return {(scope, node.name): what for scope, node in calls.all() if (what := judge.ability(scope, node))}


def assets_of(meta: Any) -> list[Any]:
    """Return the `AssetFileDef`s of a MetaGraph; SavedModels of before TensorFlow 1.13 hold them in a collection."""
    if meta.asset_file_def or "saved_model_assets" not in meta.collection_def:
        return list(meta.asset_file_def)
    from toolkit.engines.tensorflow.messages import message

    held = meta.collection_def["saved_model_assets"].any_list.value
    return [_filled(message("protobuf.meta_graph", "AssetFileDef"), one.value, "an asset") for one in held]


def text_of(constant: Any) -> str:
    """Return the one text that a Const node holds, empty where it holds none."""
    value = attribute(constant, "value")
    texts = [] if value is None else value.tensor.string_val
    return texts[0].decode(errors="replace") if texts else ""


_LOADING, _IDLE = "which runs when the model is loaded", "which no signature runs"
_Parts = Mapping[str, tuple[list[str], list[str]]]


def _parts(meta: Any) -> _Parts:
    """Return from which nodes and functions the parts of a SavedModel run, by what people call them."""
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
    """Return the operators that give the variables of a collection their first values; each is a `VariableDef`."""
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


def _captured(meta: Any) -> dict[str, list[TensorOrigin]]:
    """Return by function what its last arguments were bound to when it was made."""
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


def _reached(calls: Calls, judge: _Judge, parts: _Parts) -> list[Reach]:
    found = [(scope, node, what) for scope, node in calls.all() if (what := judge.ability(scope, node))]
    if not found:
        return []
    runs = {label: calls.run(*starts) for label, starts in parts.items()}

    def label(scope: str, name: str) -> str:
        return next((label for label, run in runs.items() if run.holds(scope, name)), _IDLE)

    return _once(sorted(found, key=lambda one: label(one[0], one[1].name) == _IDLE), label)


def _once(found: Iterable[tuple[str, Any, str | None]], label: Callable[[str, str], str] | None = None) -> list[Reach]:
    """Return the first of those that can do the same."""
    kept: dict[tuple[str, str], Reach] = {}
    for scope, node, what in found:
        if what and (node.op, what) not in kept:
            place = f"at {node.name!r}" + (f" of the function {scope!r}" if scope else "")
            said = f"{place}, {label(scope, node.name)}" if label else place
            kept[node.op, what] = Reach(node.op, what, said)
    return [kept[key] for key in sorted(kept, key=lambda key: (key[1] == NOT_KNOWN, key))]


def _key(handle: Any) -> str:
    """Return by which name variables are the same one."""
    return _text(handle, "shared_name", "") or str(handle.name)


def _data(node: Any) -> list[str]:
    return [edge for edge in node.input if not edge.startswith("^")]


def _from(strange: list[TensorOrigin]) -> str | None:
    """Return that a file is read whose path is none of the model's own, as it stands there; None for no such path."""
    if not strange:
        return None
    texts = sorted(origin.text for origin in strange if origin.kind == "constant")
    return f"{_READS}: {', '.join(map(repr, texts[:3]))}" if texts else f"{_READS} of a name that is made in the graph"


def _prints(scope: str, node: Any) -> str | None:
    """PrintV2 writes what it prints to a file where its stream is no log of the process (core/kernels/logging_ops.cc)."""
    stream = _text(node, "output_stream", "stderr")
    if stream in ("stdout", "stderr", "log(info)", "log(warning)", "log(error)"):
        return None
    return f"{_WRITES}: {stream}" if stream else _WRITES


def _describes(scope: str, node: Any) -> str | None:
    """Descriptors of messages are linked in, or in the attribute itself, or in the file that it names (core/util/proto/descriptors.cc)."""
    source = _text(node, "descriptor_source", "local://")
    inside = source is not None and (not source or source.startswith(("local://", "bytes://")))
    return None if inside else _named(source)


def _counts(scope: str, node: Any) -> str | None:
    source = _text(node, "vocab_file", "")
    return None if source == "" else _named(source)


def _native(scope: str, node: Any) -> str | None:
    """A module of StableHLO can call any function that is linked in, by its name; which custom calls are refused, an attribute says."""
    module, disabled = attribute(node, "module"), attribute(node, "disabled_checks")
    plain = module is not None and not module.placeholder and b"custom_call" not in module.s
    return None if plain and not (disabled is not None and (disabled.list.s or disabled.placeholder)) else _NATIVE


def _named(source: str | None) -> str:
    return f"{_READS}: {source!r}" if source else _READS


def _text(node: Any, key: str, default: str) -> str | None:
    """Return an attribute's text, `default` where it is left out; None where whoever calls the function says it."""
    found = attribute(node, key)
    if found is None:
        return default
    return None if found.placeholder else found.s.decode(errors="replace")
