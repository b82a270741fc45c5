"""Weights that a Keras model reads with its own `load_weights`, and the proof that it read all of them.

Poison proves that every variable was written (see `coverage`). A comparison of the numbers proves that the file holds nothing else: Keras silently
ignores layers of the file that the model lacks.
"""

from __future__ import annotations

import tempfile
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSource
from toolkit.source.loading import LoadedOriginal
from toolkit.source.loading.builder import Built
from toolkit.source.loading.coverage import Coverage, UnusedVariable, Variable, coverage, unrestored, variables_of
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import brief
from toolkit.source.loading.keras_models.original import KerasOriginal, is_keras, keras_of, require_built
from toolkit.wire.request import Request

_SHOWN = 8


def weights_original(request: Request, built: Built, file: Path) -> LoadedOriginal:
    """Return the builder's model with the weights of a file (of weights, or of a whole model)."""
    path, name = request.options["path"], request.options["builder"]["function"]
    if not is_keras(built.model) or not hasattr(built.model, "load_weights"):
        given = type(built.model).__name__ if built.model is not None else "no model"
        raise InvalidSource(f"builder {name}: gave {given}; expected a Keras model, as its weights are of Keras")
    require_built(built.model)
    covered = restore(built.model, path, file, request.options["allow_unrestored"])
    keras = keras_of(built.model)
    loader = f"{'tf-keras' if keras.__name__ == 'tf_keras' else 'keras'} {keras.__version__}, load_weights"
    original = KerasOriginal(built.model, loader, built.inputs)
    original.coverage = covered
    return original


def holds_all_of(model: Any, path: str, file: Path) -> bool:
    """Return whether a model that was made from a file has exactly the file's numbers."""
    with store.variables_file(path, file) as opened:
        unused, foreign = _compared(stored_arrays.stored(opened), variables_of(model))
    return not foreign and all(one["what"] != "model" for one in unused)


def restore(model: Any, path: str, file: Path, allowed: Sequence[str]) -> Coverage:
    """Read the weights into the model and return the coverage."""
    variables = variables_of(model)
    with store.variables_file(path, file) as opened:
        suffix = (
            ".keras"
            if store.container(file) == "zip"
            else ".h5"
            if stored_arrays.is_old_layout(opened)
            else ".weights.h5"
        )
        arrays = stored_arrays.stored(opened)
        with store.named(file, suffix) as link:
            try:
                missing = unrestored(variables, lambda: model.load_weights(str(link)))
            except Exception as error:  # each Keras raises other classes
                traceback.print_exc()
                raise _misfit(model, path, arrays, suffix, error) from error
        unused, _ = _compared(arrays, variables)
    restored = sorted(set(variables) - set(missing))
    return coverage(path, restored, missing, unused, allowed, "the builder makes another model than was saved")


def _compared(
    arrays: Sequence[stored_arrays.Stored], variables: Mapping[str, Variable]
) -> tuple[list[UnusedVariable], list[np.ndarray]]:
    """Return the arrays of the file that the model lacks (or has fewer times), and the arrays that only the model has.

    Numbers in another order count as the same: Keras transposes and flips what Keras 1 wrote.
    """
    values = [np.asarray(variable.numpy()) for variable in variables.values()]
    held: defaultdict[bytes, list[np.ndarray]] = defaultdict(list)
    for value in values:
        held[value.tobytes()].append(value)
    unused: list[UnusedVariable] = [
        {"name": array.name, "what": array.what} for array in arrays if array.what != "model"
    ]
    left, seen = [], set()
    for array in arrays:
        if array.what == "model":
            value = array.value()
            if not _take(held, value, {other.dtype for other in values}):
                twin = (
                    array.name.partition("/")[2],
                    value.tobytes(),
                )  # Keras writes a layer that two models share twice
                left += [(array, value)] if twin not in seen else []
            seen.add((array.name.partition("/")[2], value.tobytes()))
    rest = [value for same in held.values() for value in same]
    for array, value in left:
        match = next((other for other in rest if _same_numbers(value, other)), None)
        if match is None:
            unused.append({"name": array.name, "what": "model"})
        else:
            rest = [other for other in rest if other is not match]
    return unused, rest


def _take(held: dict[bytes, list[np.ndarray]], value: np.ndarray, dtypes: set[Any]) -> bool:
    """Remove an array with these numbers from the model's, and return whether there was one."""
    for dtype in dtypes:
        same = held.get(value.astype(dtype).tobytes(), [])
        for place, other in enumerate(same):
            if (other.shape, other.dtype) == (value.shape, dtype):
                del same[place]
                return True
    return False


def _same_numbers(value: np.ndarray, other: np.ndarray) -> bool:
    if value.size != other.size or value.dtype.kind not in "biuf":
        return False
    return np.sort(value.astype(other.dtype), axis=None).tobytes() == np.sort(other, axis=None).tobytes()


def _misfit(
    model: Any, path: str, arrays: Sequence[stored_arrays.Stored], suffix: str, error: Exception
) -> InvalidSource:
    """Return the error for weights that Keras refuses to read: where model and file differ, variable by variable."""
    ours = [array for array in arrays if array.what == "model"]
    held = [(array.name, tuple(array.array.shape)) for array in ours]
    differences = _by_order(model, held) if suffix == ".h5" else _by_place(model, path, held)
    shown = differences[:_SHOWN] + ([f"and {len(differences) - _SHOWN} more"] if len(differences) > _SHOWN else [])
    said = f"{path}: does not fit the builder's model:"
    told = printable.lines([said, *(f"  {line}" for line in shown)]) if shown else f"{said} {brief(error)}"
    return InvalidSource(told, f"Keras says: {brief(error)}")


def _by_place(model: Any, path: str, told: list[tuple[str, tuple[int, ...]]]) -> list[str]:
    """Return the differences by the place under which the model itself saves each variable."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.weights.h5"
        model.save_weights(str(own))
        with store.variables_file(path, own) as opened:
            mine = {
                array.name: tuple(array.array.shape) for array in stored_arrays.stored(opened) if array.what == "model"
            }
    theirs = dict(told)
    lines = [
        f"{name}: {theirs[name]} in the file, {mine[name]} in the model"
        for name in mine
        if name in theirs and mine[name] != theirs[name]
    ]
    lines += [f"{name} {shape}: only in the model" for name, shape in mine.items() if name not in theirs]
    return lines + [f"{name} {shape}: only in the file" for name, shape in theirs.items() if name not in mine]


def _by_order(model: Any, told: list[tuple[str, tuple[int, ...]]]) -> list[str]:
    """Return the differences by order, in which Keras reads the old layout."""
    mine = []
    for layer in model.layers:
        for weight in (*layer.trainable_weights, *layer.non_trainable_weights):
            name = getattr(weight, "path", None) or weight.name.removesuffix(":0")
            mine.append((str(name), tuple(weight.shape)))
    lines = [
        f"{place + 1}. {theirs[0]} {theirs[1]} in the file, {ours[0]} {ours[1]} in the model"
        for place, (theirs, ours) in enumerate(zip(told, mine))  # noqa: B905 (the lines below name the rest of the longer one)
        if theirs[1] != ours[1]
    ]
    lines += [f"{name} {shape}: only in the file" for name, shape in told[len(mine) :]]
    return lines + [f"{name} {shape}: only in the model" for name, shape in mine[len(told) :]]
