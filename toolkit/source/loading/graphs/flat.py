"""A SavedModel's signature as one flat graph: functions inlined, variables as constants, so that inner tensors have names to cut at."""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.tensorflow.graph import Graph, Operation, Tensor
from toolkit.engines.tensorflow.graph_def import GraphDef, MetaGraphDef
from toolkit.errors import InvalidSource, UnknownName, causes
from toolkit.source.loading.graphs.cut import TABLES

_STRINGS = ("string", "resource", "variant")
_OF_TABLES = (
    "LookupTableSize",
    "LookupTableSizeV2",
)  # depends on no input and is no constant, so the cut goes behind it


def flatten(source: Path, tags: list[str], key: str) -> tuple[GraphDef, dict[str, str], dict[str, str]]:
    """Return the signature's GraphDef, and its inputs and outputs as {name: tensor}."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(source), tags=tags)
    if key not in loaded.signatures:
        raise UnknownName(f"{source}: signature", key, loaded.signatures)
    function = loaded.signatures[key]
    if any(node.op in ("Variable", "VariableV2") for node in function.graph.as_graph_def().node):
        return _of_session(source, tags, key)
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    except ValueError as error:
        # A graph of TensorFlow 1 without its initializers: "Failed to import metagraph". A session can restore and freeze it.
        try:
            return _of_session(source, tags, key)
        except Exception as other:
            raise InvalidSource(
                f"{source}: signature {key!r} cannot be frozen: {causes(error)}; nor what a session makes of it: {causes(other)}",
                "export the part behind its tables and its parsing as a signature of its own",
            ) from other
    names = sorted(function.structured_input_signature[1])
    given = frozen.inputs[: len(names)]  # tables follow the inputs
    inputs = {name: tensor.name for name, tensor in zip(names, given, strict=True)}
    outputs = {
        name: tensor.name for name, tensor in zip(sorted(function.structured_outputs), frozen.outputs, strict=True)
    }
    graph = frozen.graph.as_graph_def()
    for node in (
        graph.node
    ):  # without variables the order of operators changes no number; dependencies would keep parts that are cut off
        edges = [edge for edge in node.input if not edge.startswith("^")]
        del node.input[:]
        node.input.extend(edges)
    return graph, inputs, outputs


def of_file(graph: MetaGraphDef, key: str) -> tuple[GraphDef, dict[str, str], dict[str, str]] | None:
    """Return the same as `flatten`, but with variables, for a `MetaGraphDef` that is flat already; None where it is not flat.

    Nothing is loaded or run: graphs of TensorFlow 1 are flat in the file.
    """
    definition = graph.signature_def[key]
    inputs = {name: info.name for name, info in definition.inputs.items()}
    outputs = {name: info.name for name, info in definition.outputs.items()}
    calls = {"PartitionedCall", "StatefulPartitionedCall"}
    return None if any(node.op in calls for node in graph.graph_def.node) else (graph.graph_def, inputs, outputs)


def _of_session(source: Path, tags: list[str], key: str) -> tuple[GraphDef, dict[str, str], dict[str, str]]:
    """Return the same as `flatten` for a graph with reference variables of TensorFlow 1: only a session can make them constants."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        definition = v1.saved_model.loader.load(session, tags, str(source)).signature_def[key]
        inputs = {name: info.name for name, info in definition.inputs.items()}
        outputs = {name: info.name for name, info in definition.outputs.items()}
        nodes = sorted({tensor.split(":")[0] for tensor in outputs.values()})
        return v1.graph_util.convert_variables_to_constants(session, session.graph_def, nodes), inputs, outputs


def numbers_behind_strings(graph_def: GraphDef, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """Return the inputs of the rest of a graph after the part that takes strings is cut off: {name: tensor}.

    These are the first numbers that are made of strings and that an output depends on (features of a tf.Example under their own names), and the
    inputs that are numbers already.
    """
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    needed = _needed([graph.get_tensor_by_name(tensor) for tensor in outputs.values()])
    given = {name: graph.get_tensor_by_name(tensor) for name, tensor in inputs.items()}
    found = {name: tensor.name for name, tensor in given.items() if tensor.dtype.name not in _STRINGS}
    waiting = [tensor for tensor in given.values() if tensor.dtype.name in _STRINGS]
    waiting += [tensor for one in graph.get_operations() if one.type in TABLES for tensor in one.outputs]
    seen = set()
    while waiting:
        for operation in waiting.pop().consumers():
            if operation.name in seen or operation.name not in needed:
                continue
            seen.add(operation.name)
            for position, tensor in enumerate(operation.outputs):
                if tensor.dtype.name in _STRINGS or operation.type in _OF_TABLES:
                    waiting.append(tensor)
                elif any(consumer.name in needed for consumer in tensor.consumers()):
                    found.setdefault(_name(operation, position), tensor.name)
    return _still_needed(graph, dict(sorted(found.items())), outputs)


def _still_needed(graph: Graph, found: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """Return those tensors that an output still depends on after the graph is cut at all of them."""
    stops, reached, seen = set(found.values()), set[str](), set[str]()
    waiting = [graph.get_tensor_by_name(tensor) for tensor in outputs.values()]
    while waiting:
        tensor = waiting.pop()
        if tensor.name in stops:
            reached.add(tensor.name)
        elif tensor.name not in seen:
            seen.add(tensor.name)
            waiting += list(tensor.op.inputs)
    return {name: tensor for name, tensor in found.items() if tensor in reached}


def _needed(tensors: list[Tensor]) -> set[str]:
    """Return the names of the operations that tensors depend on."""
    found: set[str] = set()
    waiting = [tensor.op for tensor in tensors]
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
            waiting += list(operation.control_inputs)
    return found


def _name(operation: Operation, position: int) -> str:
    """Return a name for a tensor: the feature's key for a parsed tf.Example, else the operation's own name."""
    import tensorflow as tf

    if operation.type == "ParseExampleV2":
        keys = tf.make_ndarray(operation.inputs[3].op.get_attr("value"))
        first = len(operation.outputs) - len(keys.ravel())
        if position >= first:
            return str(keys.ravel()[position - first].decode())
    own = operation.name.rpartition("/")[2]
    return f"{own}_{position}" if position else own
