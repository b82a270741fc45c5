"""Where the variables in a tf.train.Saver's file go in a session's graph: by its SaverDef, or by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.engines.tensorflow.graph import Graph, Operation, Tensor
from toolkit.engines.tensorflow.graph_def import SaverDef
from toolkit.errors import InvalidSource
from toolkit.source.loading.graphs.cut import VARIABLES, node_of

_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")


@dataclass(frozen=True, slots=True)
class VariablePlace:
    """Where a saved variable goes: `operator` writes it to the graph's `variable`, from what is fed to `tensor`; `name` and `part` are the file's."""

    variable: str
    operator: Operation
    tensor: Tensor
    name: str
    part: str = ""


def places_of_saver(path: str, graph: Graph, saver: SaverDef) -> list[VariablePlace]:
    """Return what a MetaGraph's own SaverDef would restore; nothing where it has none. InvalidSource where its operators are not in the graph."""
    if not saver.restore_op_name:
        return []
    try:
        waiting = [graph.get_operation_by_name(node_of(saver.restore_op_name))]
    except KeyError as error:
        raise InvalidSource(
            f"{path}: the MetaGraph is damaged: its saver's {saver.restore_op_name!r} is not in it",
            "save the model again",
        ) from error
    found: list[VariablePlace] = []
    seen = set()
    while waiting:
        operator = waiting.pop()
        if operator.name in seen:
            continue
        seen.add(operator.name)
        waiting += list(operator.control_inputs)
        if len(operator.inputs) > 1:
            for tensor in _restored(operator):
                name, part = _called(path, tensor)
                found.append(VariablePlace(_variable(operator.inputs[0]), operator, tensor, name, part))
    return found


def _restored(operator: Operation) -> list[Tensor]:
    """Return the tensors, of operators that read a file, which this operator takes."""
    found, waiting, seen = [], list(operator.inputs)[1:], set()
    while waiting:
        tensor = waiting.pop()
        if tensor.op.type in _RESTORES:
            found.append(tensor)
        elif tensor.op.name not in seen and tensor.op.type not in VARIABLES:
            seen.add(tensor.op.name)
            waiting += list(tensor.op.inputs)
    return found


def _variable(tensor: Tensor) -> str:
    while tensor.op.type not in VARIABLES and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return str(tensor.op.name)


def _called(path: str, tensor: Tensor) -> tuple[str, str]:
    """Return the name and the part under which an operator reads a tensor from a file."""
    import tensorflow as tf

    texts = []
    for position in (1, 2) if tensor.op.type != "Restore" else (1,):
        source = tensor.op.inputs[position].op
        if source.type != "Const":
            raise InvalidSource(
                f"{path}: {tensor.op.name!r} reads names that are not constants", "give a builder instead"
            )
        held = tf.make_ndarray(source.get_attr("value")).ravel()
        texts.append(held[tensor.value_index if len(held) > 1 else 0].decode())
    return texts[0], texts[1] if len(texts) > 1 else ""


def places_by_name(graph: Graph, renamed: Mapping[str, str]) -> list[VariablePlace]:
    """Return the places of variables with the same name in the file and the graph, or with names of `renamed`: {graph's: file's}."""
    found = []
    parts = {}
    for collection in graph.get_all_collection_keys():
        for held in graph.get_collection(collection):
            info = getattr(held, "_save_slice_info", None)
            if info is not None:
                parts[held.op.name] = (info.full_name, info.spec)
    for operator in graph.get_operations():
        if operator.type not in VARIABLES:
            continue
        name, part = parts.get(operator.name, (operator.name, ""))
        name = renamed.get(operator.name, renamed.get(name, name))
        writer = initializer(graph, operator.name)
        if writer is not None:
            found.append(VariablePlace(operator.name, writer, writer.inputs[1], name, part))
    return found


def initializer(graph: Graph, variable: str) -> Operation | None:
    """Return the operator that initializes a variable, None where there is none."""
    output = graph.get_operation_by_name(variable).outputs[0]
    writers = [operator for operator in output.consumers() if operator.type in ("Assign", "AssignVariableOp")]
    own = [operator for operator in writers if operator.name == f"{variable}/Assign"]
    return next(iter(own or sorted(writers, key=lambda operator: operator.name)), None)
