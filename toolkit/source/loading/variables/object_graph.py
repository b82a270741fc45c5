"""The object graph of a checkpoint: which object held which variable under which name, and which objects in memory match it.

tf.train.Checkpoint does not use the names of layers: it writes the attributes that lead to a variable, and restores what the same attributes reach.
It writes a variable with two ways to it only once, under the first: the kernels of a Keras 3 model that was saved with its optimizer are under
`optimizer/_trainable_variables`. So the keys of a file tell little, and this module walks the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.engines.tensorflow.messages import message
from toolkit.errors import InvalidSource
from toolkit.source.loading.coverage import UnusedVariable
from toolkit.source.loading.variables.table import OBJECT_GRAPH, Bundle, TableEntry, read_bundle, read_scalar

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"  # of a variable's key in the file

_COUNTERS = {"save_counter", "step", "global_step", "epoch", "iteration", "iterations"}
_RATES = {"learning_rate", "_learning_rate", "lr", "hyper", "_hyper"}
_ITERATIONS = {"iter", "iterations", "_iterations"}
# Objects of a model that take no part in its results: notes of Keras for its own loader, and metrics.
ASIDE = {"keras_api", "metrics", "_metrics", "compiled_metrics", "_compile_metrics", "loss_tracker", "_loss_tracker"}

Way = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectGraph:
    """A checkpoint's objects by number, 0 the root: their children by attribute, and the variables among them (key and entry of the index).

    `ways` has the shortest way from the root to each object; `slots` are an optimizer's variables for another variable.
    """

    bundle: Bundle
    children: list[dict[str, int]]
    variables: dict[int, tuple[str, TableEntry]]
    optimizers: set[int]
    slots: set[int]
    ways: dict[int, Way]

    def model_parts(self, start: int = 0) -> dict[int, Way]:
        """Return the shortest way from an object to each that it reaches, without optimizers and other objects that are no part of a model."""
        return _ways(self.children, start, self.optimizers, ASIDE)

    def matched(self, start: int, children_of: Mapping[int, Mapping[str, Any]], root: Any) -> dict[int, Any]:
        """Return the objects in memory by the number of the file's object in their place, matched in TensorFlow's way, from `root` at `start` on.

        `children_of` has the children by attribute of each object in memory, by its id().
        """
        found = {start: root}
        for number in (queue := [start]):
            here = children_of.get(id(found[number]), {})
            for name, child in self.children[number].items():
                if child not in found and name in here:
                    found[child] = here[name]
                    queue.append(child)
        return found

    def writer(self) -> str:
        """Return the framework that wrote it, by the attributes of its objects."""
        names = {name for children in self.children for name in children}
        if names & {"_operations", "_trainable_variables_indices"}:
            return "keras 3"
        if "keras_api" in names or any(name.startswith("layer_with_weights-") for name in names):
            return "tf-keras"
        return "tensorflow 2"

    def names(self) -> dict[str, str]:
        """Return a name for each variable by its key in the file: its way in a model, else any way to it."""
        ways = self.model_parts()
        return {
            key: "/".join(ways.get(number, ())) or key.removesuffix(SUFFIX)
            for number, (key, _) in self.variables.items()
        }

    def unused(self, used: set[int], model: int | None) -> list[UnusedVariable]:
        """Return each variable that is not in `used`; `model` is the number of the model's object, None where it is not known."""
        names, plain, own = self.names(), self.model_parts(), {} if model is None else self.model_parts(model)
        of_optimizers = {
            part for optimizer in self.optimizers for part in _ways(self.children, optimizer, set(), set())
        }
        left: list[UnusedVariable] = []
        for number, (key, entry) in sorted(self.variables.items()):
            name = names[key]
            scalar = not entry.shape and entry.dtype.lstrip("u").startswith("int")
            if number in self.slots or (number not in plain and number in of_optimizers):
                what = "optimizer"
            elif scalar and name.split("/")[-1] in _COUNTERS:
                what = "counter"
            else:
                what = "model" if number in own else "other"
            if number not in used:
                left.append({"name": name, "what": what})
        return left


def read_object_graph(files: Mapping[str, Path]) -> ObjectGraph:
    """Return the object graph of a checkpoint (files by role, see `locate_prefix`); InvalidSource where it is damaged."""
    from google.protobuf.message import DecodeError

    bundle = read_bundle(files["index"])
    if OBJECT_GRAPH not in bundle.entries:
        raise InvalidSource(f"{files['index']}: has no object graph: tf.train.Saver wrote it, not tf.train.Checkpoint")
    entry = bundle.entries[OBJECT_GRAPH]
    data = files[bundle.role(entry.shard)]
    proto = message("protobuf.trackable_object_graph", "TrackableObjectGraph")
    try:
        proto.ParseFromString(read_scalar(data, entry))
    except (DecodeError, TypeError) as error:
        raise InvalidSource(f"{data}: its object graph is damaged: {error}", "copy it again") from error
    nodes = list(proto.nodes) or [message("protobuf.trackable_object_graph", "TrackableObjectGraph").nodes.add()]
    children = [{one.local_name: one.node_id for one in node.children if one.node_id < len(nodes)} for node in nodes]
    variables = {
        number: (attribute.checkpoint_key, bundle.entries[attribute.checkpoint_key])
        for number, node in enumerate(nodes)
        for attribute in node.attributes
        if attribute.name == "VARIABLE_VALUE" and attribute.checkpoint_key in bundle.entries
    }
    optimizers = {number for number, node in enumerate(nodes) if node.slot_variables or _is_optimizer(children[number])}
    optimizers |= {child for names in children for name, child in names.items() if "optimizer" in name}
    slots = {slot.slot_variable_node_id for node in nodes for slot in node.slot_variables}
    return ObjectGraph(bundle, children, variables, optimizers - {0}, slots, _ways(children, 0, set(), set()))


def _is_optimizer(names: Mapping[str, int]) -> bool:
    return bool(_ITERATIONS & names.keys() and _RATES & names.keys())


def _ways(children: list[dict[str, int]], start: int, without: set[int], names: set[str]) -> dict[int, Way]:
    """Return the shortest way from an object to each that it reaches, except into objects in `without` and over attributes in `names`."""
    found: dict[int, Way] = {start: ()}
    for number in (queue := [start]):
        for name, child in children[number].items():
            if child not in found and child not in without and name not in names:
                found[child] = (*found[number], name)
                queue.append(child)
    return found
