"""Inspects and loads models of the kind `checkpoint`, in a worker.

They hold variables and no code, so a builder makes the model. Its place in the file (the root, `model`, `net`, ...) is searched, and TensorFlow
restores it. Then `coverage` proves what was restored, and each value is compared with the file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSource, causes
from toolkit.findings import Finding
from toolkit.source.loading import Inspected, LoadedOriginal, VariableRow
from toolkit.source.loading.builder import Built, build
from toolkit.source.loading.coverage import Variable, coverage, reached, unrestored, unwrapped, variables_of
from toolkit.source.loading.functions import object_original
from toolkit.source.loading.variables.matching import SHOWN, cause_of, check_fit, check_values, find_place
from toolkit.source.loading.variables.object_graph import ASIDE, ObjectGraph, read_object_graph
from toolkit.source.loading.variables.table import (
    OBJECT_GRAPH,
    read_scalar,
)
from toolkit.tensors.signature import TensorJson
from toolkit.wire.request import Request

LOADER = "tf.train.Checkpoint"
_AGAIN = "copy it again from where it was written"


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.checkpoint.inspect`."""
    graph = read_object_graph(request.inputs)
    names = graph.names()
    variables: list[VariableRow] = [
        {"name": names.get(key, key), "dtype": entry.dtype, "shape": entry.shape, "size_bytes": entry.size}
        for key, entry in graph.bundle.entries.items()
        if key != OBJECT_GRAPH and not key.endswith("/OBJECT_CONFIG_JSON")
    ]
    needs = "a builder, which makes the model of these variables: --builder package.module:function"
    return {
        "kind": "checkpoint",
        "writer": graph.writer(),
        "loader": LOADER,
        "signatures": [],
        "settled": False,
        "operators": [],
        "variables": sorted(variables, key=lambda one: str(one["name"])),
        "needs": [] if request.options.get("builder") else [printable.line(needs)],
        "findings": [Finding("contents", "info", _contents(graph, request.inputs)).to_json()],
    }


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.checkpoint.load`."""
    path, allowed = request.options["path"], request.options["allow_unrestored"]
    if not request.options["builder"]:
        raise InvalidSource(
            f"{path}: a checkpoint has the variables of a model, not its code",
            "name a function that makes the model: --builder package.module:function",
        )
    graph = read_object_graph(request.inputs)
    built = build(request)
    variables = _variables(request, built)
    place = find_place(path, graph, built, variables, partial=bool(allowed))
    check_fit(path, graph, place, variables)
    status = _Restored(path, place.root, str(request.inputs["index"]).removesuffix(".index"))
    lost = unrestored(variables, status.read)
    used = {number for number in place.objects if number in graph.variables} - {
        place.of[name] for name in lost if name in place.of
    }
    kept = [name for name in variables if name not in lost]
    cause = cause_of(graph, built, place, {name: variables[name] for name in lost})
    told = coverage(path, kept, lost, graph.unused(used, place.model), allowed, cause)
    check_values(path, graph, place, {name: variables[name] for name in kept}, status.prefix)
    # An optimizer in the builder's model does not change its outputs, and a builder's own checkpoint may hold more than the file.
    alone = (
        not lost
        and built.checkpoint is None
        and not any(hasattr(one, "apply_gradients") for one in reached(built.model))
    )
    if alone:
        status.check()
    original = object_original(built, LOADER)
    _call_once(path, original, built.model, variables)
    if alone:
        status.check()
    original.coverage = told
    return original


class _Restored:
    """TensorFlow's own restore, and its own check of it."""

    def __init__(self, path: str, root: Any, prefix: str) -> None:
        self.prefix = prefix
        self._path = path
        self._root = root
        self._status: Any = None

    def read(self) -> None:
        """Restore with `read`: `restore` would also need a save counter, which not every file has."""
        try:
            self._status = self._root.read(self.prefix)
            self._status.expect_partial()
        except Exception as error:  # TensorFlow raises DataLossError, IndexError, NotFoundError, OpError, ValueError
            raise InvalidSource(f"{self._path}: TensorFlow cannot restore it: {causes(error)}", _AGAIN) from error

    def check(self) -> None:
        """Raise InvalidSource where TensorFlow finds state of the model (also tables) that was not in the file."""
        try:
            self._status.assert_existing_objects_matched()
        except AssertionError as error:
            said = " ".join(str(error).split())[:400]
            raise InvalidSource(f"{self._path}: not all of the model's state is in it: {said}") from error


def _variables(request: Request, built: Built) -> dict[str, Variable]:
    """Return the variables of the builder's model by name; InvalidSource where it has none yet, or cannot be in a checkpoint."""
    import tensorflow as tf

    who, model = f"builder {request.options['builder']['function']}", built.model
    if not hasattr(model, "_trackable_children"):
        what = "no model" if model is None else f"{type(model).__name__}, which tf.train.Checkpoint cannot restore"
        raise InvalidSource(f"{who}: gave {what}; expected a Keras model or a tf.Module")
    if built.checkpoint is not None and not isinstance(built.checkpoint, tf.train.Checkpoint):
        given = type(built.checkpoint).__name__
        raise InvalidSource(f"{who}: its part 'checkpoint' is {given}; expected a tf.train.Checkpoint")
    unbuilt = InvalidSource(
        f"{who}: {type(model).__name__} has no variables yet, so nothing can be restored into it",
        "call it once in the builder, on zeros of the right shape say, or model.build(...), before it is returned",
    )
    if getattr(model, "built", True) is False:
        raise unbuilt
    try:
        found = variables_of(model)
    except ValueError as error:  # tf-keras, for a model that was never called
        raise unbuilt from error
    if not found:
        raise unbuilt
    return found


def _call_once(path: str, original: LoadedOriginal, model: Any, variables: Mapping[str, Variable]) -> None:
    """Call the model on zeros, then put its state back; InvalidSource where it makes new variables, which were never restored."""
    before = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
    for signature in original.signatures:
        sizes = [spec["shape"] for spec in signature["inputs"]]
        try:
            original.call(str(signature["key"]), {spec["name"]: _zeros(spec) for spec in signature["inputs"]})
        except Exception as error:
            if any(shape is None or None in shape[1:] for shape in sizes):
                continue  # 1 for an open size may not fit
            raise InvalidSource(f"{path}: the restored model cannot be called: {causes(error)}") from error
    known = {id(unwrapped(variable)) for variable in variables.values()}
    new = [name for name, variable in variables_of(model).items() if id(unwrapped(variable)) not in known]
    if new:
        raise InvalidSource(
            f"{path}: the model made variables only when it was called, so they were not restored: {', '.join(new[:SHOWN])}",
            "call the model once in the builder, before it is returned",
        )
    for name, variable in variables.items():
        variable.assign(before[name])


def _zeros(spec: TensorJson) -> np.ndarray:
    shape = [1 if size is None else size for size in spec["shape"] or []]
    return np.full(shape, b"", object) if spec["dtype"] == "string" else np.zeros(shape, spec["dtype"])


def _contents(graph: ObjectGraph, files: Mapping[str, Path]) -> str:
    """Return a line on the content of the root, by attribute."""
    last = {*graph.optimizers, *(child for name, child in graph.children[0].items() if name in ASIDE)}
    parts: list[str] = []
    counted: set[int] = set()
    for name, child in sorted(graph.children[0].items(), key=lambda item: (item[1] in last, item[0])):
        if child in graph.variables:
            entry = graph.variables[child][1]
            whole = not entry.shape and entry.dtype.lstrip("u").startswith("int")
            value = f" = {read_scalar(files[graph.bundle.role(entry.shard)], entry)!r}" if whole else ""
            parts.append(f"{name}{value}")
        elif child != 0:
            own = {number for number in graph.model_parts(child) if number in graph.variables} - counted
            counted |= own
            size = sum(graph.variables[number][1].size for number in own)
            parts += [f"{name}: {len(own)} variables, {size:,} bytes"] * bool(own)
    return "root: " + ("; ".join(parts) or "empty")
