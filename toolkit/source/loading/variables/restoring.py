"""The variables of a tf.train.Saver's file into those of a session's graph, by name, each checked before it is taken.

TensorFlow checks too little: a resource variable takes a value of any shape in silence. And it asks for too much: one missing
optimizer slot, and nothing is restored. So values are read one by one and fed to the operators that would have restored them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.tensorflow.messages import dtype_name, sizes
from toolkit.errors import InvalidSource, causes
from toolkit.source.loading import Spec
from toolkit.source.loading.coverage import coverage
from toolkit.source.loading.graphs.cut import VARIABLES, attribute, needed, node_of, spelled
from toolkit.source.loading.graphs.proposals import Ends
from toolkit.source.loading.variables.table import read_bundle, read_slices

_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")
_SLOT = re.compile(
    r"(^|/)(Adam|AdamW|AdaMax|Nadam|Adagrad|Adadelta|RMSProp|Momentum|Ftrl|Lamb|ExponentialMovingAverage|GradientDescent|SGD|optimizer\w*|adam_[mv])(_\d+)?(/|$)"
    r"|(^|/)(beta[12]_power|local_step|loss_scale|good_steps)(_\d+)?$|(^|/)training/"
)
_COUNTER = re.compile(
    r"(^|/)(global_step|step|epoch|iterations?|save_counter|current_loss_scale)(_\d+)?$", re.IGNORECASE
)
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class SavedVariables:
    """The variables in a file, without their values: (dtype, shape) by name; `prefix` is what TensorFlow calls it."""

    path: str
    prefix: Path
    variables: Mapping[str, tuple[str, list[int]]]
    sizes: Mapping[str, int]

    def reader(self) -> Any:
        """Return TensorFlow's reader; InvalidSource where it refuses the file."""
        import tensorflow as tf

        try:
            return tf.train.load_checkpoint(str(self.prefix))
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise InvalidSource(
                f"{self.path}: TensorFlow cannot read its variables: {causes(error)}", "copy it again"
            ) from error

    def value(self, reader: Any, name: str, part: str = "") -> np.ndarray:
        """Return a variable's value, or the `part` of a partitioned one.

        TensorFlow's notation of a part is "20 10 0,10:0,10": the whole shape, and (start, length) by axis.
        """
        import tensorflow as tf

        try:
            value = np.asarray(reader.get_tensor(name))
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise InvalidSource(
                f"{self.path}: the value of {name!r} cannot be read: {causes(error)}", "copy it again"
            ) from error
        for axis, piece in enumerate(_pieces(part)):
            if piece is not None:
                value = value.take(range(piece[0], sum(piece)), axis)
        return value

    def unused(self, used: Iterable[str], elsewhere: str) -> list[dict[str, str]]:
        """Return the variables that nothing takes; `elsewhere` is what those are that are neither an optimizer's nor a counter."""
        left = sorted(set(self.variables) - set(used))
        return [{"name": name, "what": self._what(name, elsewhere)} for name in left]

    def _what(self, name: str, elsewhere: str) -> str:
        if _COUNTER.search(name):
            return "counter"
        # A slot has its variable's name and one part more, and its shape.
        base = name.rpartition("/")[0]
        slot = base in self.variables and self.variables[base][1] == self.variables[name][1]
        return "optimizer" if slot or _SLOT.search(name) else elsewhere


def saved(path: str, inputs: Mapping[str, Path]) -> SavedVariables:
    """Return what a Saver's file holds, of format V2 ("index") or V1 ("slices")."""
    if "slices" in inputs:
        found = read_slices(inputs["slices"])
        return SavedVariables(
            path, inputs["slices"], found, {name: _size(dtype, shape) for name, (dtype, shape) in found.items()}
        )
    index = inputs["index"]
    entries = read_bundle(index).entries
    found = {name: (entry.dtype, entry.shape) for name, entry in entries.items()}
    lengths = {name: entry.size or _size(entry.dtype, entry.shape) for name, entry in entries.items()}
    return SavedVariables(path, index.with_name(index.name.removesuffix(".index")), found, lengths)


def _size(dtype: str, shape: list[int]) -> int:
    """Return how many bytes a value takes; 0 where its elements have no fixed size."""
    item = {"bfloat16": 2, "qint8": 1, "quint8": 1, "qint32": 4}.get(dtype)
    if item is None:
        try:
            item = np.dtype(dtype).itemsize if dtype != "string" else 0
        except TypeError:
            item = 0
    return item * math.prod(shape)


@dataclass(frozen=True, slots=True)
class VariablePlace:
    """Where a saved variable goes: an operator that writes the graph's variable, and the tensor to feed it through."""

    variable: str
    operator: Any
    tensor: Any
    name: str
    part: str = ""


def places_of_saver(path: str, graph: Any, saver: Any) -> list[VariablePlace]:
    """Return what a MetaGraph's own SaverDef would restore, and where to; nothing where it has none."""
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


def _restored(operator: Any) -> list[Any]:
    """Return the tensors that a reading operator gives to this one."""
    found, waiting, seen = [], list(operator.inputs)[1:], set()
    while waiting:
        tensor = waiting.pop()
        if tensor.op.type in _RESTORES:
            found.append(tensor)
        elif tensor.op.name not in seen and tensor.op.type not in VARIABLES:
            seen.add(tensor.op.name)
            waiting += list(tensor.op.inputs)
    return found


def _variable(tensor: Any) -> str:
    while tensor.op.type not in VARIABLES and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return str(tensor.op.name)


def _called(path: str, tensor: Any) -> tuple[str, str]:
    """Return under which name, and as which part, a reading operator reads a tensor."""
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


def places_by_name(graph: Any, renamed: Mapping[str, str]) -> list[VariablePlace]:
    """Return where variables go that are called in the file as in the graph, or as `renamed` has it: {graph's: file's}."""
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


def initializer(graph: Any, variable: str) -> Any:
    """Return the operator that gives a variable its first value, None where it has none."""
    output = graph.get_operation_by_name(variable).outputs[0]
    writers = [operator for operator in output.consumers() if operator.type in ("Assign", "AssignVariableOp")]
    own = [operator for operator in writers if operator.name == f"{variable}/Assign"]
    return (own or sorted(writers, key=lambda operator: str(operator.name)) or [None])[0]


@dataclass(frozen=True, slots=True)
class Matching:
    """Saved variables and where they go; `elsewhere` is what one without a place is, `cause` why one may be missing."""

    held: SavedVariables
    places: list[VariablePlace]
    elsewhere: str
    cause: str


def restore(session: Any, graph: Any, ends: Mapping[str, Ends], matching: Matching, options: Mapping[str, Any]) -> Spec:
    """Write into a session's variables, as far as the outputs need them, and return the coverage.

    InvalidSource where one is missing or has another shape or dtype. What may stay unrestored (`options["allow_unrestored"]`)
    gets the value that it starts with.
    """
    held, places = matching.held, matching.places
    nodes = {node.name: node for node in graph.node}
    wanted: set[str] = set()
    for end in ends.values():
        stops = [*end.inputs.values(), *(spelled(name) for name in options["bind"])]
        names, _ = needed(nodes, end.outputs.values(), stops)
        wanted |= {name for name in names if nodes[name].op in VARIABLES}
    taken = [place for place in places if place.variable in wanted and place.name in held.variables]
    _refuse_mismatches(held, nodes, taken)
    missing = sorted(wanted - {place.variable for place in taken})
    unused = held.unused({place.name for place in taken}, matching.elsewhere)
    in_graph = {place.name for place in places}
    unused = [{**one, "what": "other"} if one["what"] == "model" and one["name"] in in_graph else one for one in unused]
    told = coverage(
        held.path, sorted(wanted - set(missing)), missing, unused, options["allow_unrestored"], matching.cause
    )
    _start(session, held.path, missing)
    reader = held.reader() if taken else None
    operators = {place.operator.name: place.operator for place in taken}
    for name, operator in operators.items():
        session.run(
            operator,
            {
                place.tensor: held.value(reader, place.name, place.part)
                for place in taken
                if place.operator.name == name
            },
        )
    return told


def _start(session: Any, path: str, variables: Iterable[str]) -> None:
    for name in variables:
        writer = initializer(session.graph, name)
        if writer is None:
            raise InvalidSource(f"{path}: {name!r} is not restored, and the graph does not say what it starts with")
        session.run(writer)


def _refuse_mismatches(held: SavedVariables, nodes: Mapping[str, Any], places: Iterable[VariablePlace]) -> None:
    problems = []
    for place in places:
        dtype, shape = held.variables[place.name]
        node = nodes[place.variable]
        wanted = dtype_name(attribute(node, "dtype").type)
        declared = sizes(attribute(node, "shape").shape)
        parts: list[int | None] = [int(size) for size in place.part.split(" ")[:-1]]
        whole = parts if place.part else declared
        problems += mismatch(place.variable, (wanted, whole), place.name, (dtype, shape))
    refuse(held.path, problems)


def mismatch(
    variable: str, wanted: tuple[str, list[int | None] | None], name: str, found: tuple[str, list[int]]
) -> list[str]:
    """Return what is wrong with a saved variable for one of the model, nothing where it fits."""
    here = variable if variable == name else f"{variable} (saved as {name})"
    if wanted[1] is not None and (
        len(wanted[1]) != len(found[1]) or any(a not in (None, b) for a, b in zip(wanted[1], found[1], strict=True))
    ):
        return [f"{here} has the shape {wanted[1]} in the model, {found[1]} in the file"]
    return [f"{here} is {wanted[0]} in the model, {found[0]} in the file"] if wanted[0] != found[0] else []


def refuse(path: str, problems: list[str]) -> None:
    """Raise InvalidSource with what does not fit, if anything."""
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InvalidSource(
            f"{path}: does not fit the model: {'; '.join(problems[:_SHOWN])}{more}",
            "the file is of another model, or the builder was called with other arguments when it was trained",
        )


def _pieces(part: str) -> list[tuple[int, int] | None]:
    """Return (start, length) by axis of TensorFlow's notation of a slice, None for a whole axis (tensorflow/core/framework/tensor_slice.h)."""
    if not part.strip():
        return []
    pieces: list[tuple[int, int] | None] = []
    for text in part.rpartition(" ")[2].split(":"):
        start, comma, length = text.partition(",")
        pieces.append((int(start), int(length)) if comma else None)
    return pieces
