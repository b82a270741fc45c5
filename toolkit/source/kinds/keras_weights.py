"""Weights that Keras saved without the model: `.weights.h5`, and `.h5` as `save_weights` of Keras 1 and 2 wrote it.

The builder's model reads the file with its own `load_weights`; `keras_models.weights` proves that it read all of it.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.builder import build
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import written_by
from toolkit.source.loading.keras_models.weights import weights_original
from toolkit.wire.request import Request

TAKES = frozenset(("builder", "allow_unrestored"))
_NEED = "--builder file.py:function, a function that returns the model, built"


def recognize(path: Path) -> bool:
    """Return whether a file is HDF5 without a model, or has a suffix of HDF5 and no other known content."""
    kind = store.container(path)
    if kind is None:
        return path.is_file() and path.suffix in (".h5", ".hdf5")
    return kind == "hdf5" and not store.names_a_model(path)


def locate(path: Path, step: int | None) -> dict[str, Path]:
    """Return the file."""
    if step is not None:
        raise InvalidSource(f"{path}: a file of weights has no steps", "leave out --step")
    return {"file": path.absolute()}


def inspect(request: Request) -> Inspected:
    """Return the file's variables, read with h5py alone, and that a build needs a builder."""
    path = request.options["path"]
    with store.variables_file(path, request.inputs["file"]) as opened:
        arrays = stored_arrays.stored(opened)
        variables, others = stored_arrays.variables(arrays), stored_arrays.others(arrays)
        version = stored_arrays.text(stored_arrays.weights_of(opened).attrs.get("keras_version"))
        old = stored_arrays.is_old_layout(opened)
    writer = written_by(version) if version or old else "keras or tf-keras, of unknown version"
    return {
        "kind": "keras_weights",
        "writer": writer,
        "loader": "the builder's model",
        "signatures": [],
        "settled": False,
        "operators": [],
        "variables": variables,
        "needs": [] if request.options["builder"] is not None else [_NEED],
        "findings": [each.to_json() for each in others],
    }


def load(request: Request) -> LoadedOriginal:
    """Return the builder's model with all weights of the file; InvalidSource where it is another model than the saved one."""
    path = request.options["path"]
    store.require_whole(path, request.inputs["file"])
    if request.options["builder"] is None:
        raise InvalidSource(f"{path}: holds weights and no model", _NEED)
    return weights_original(request, build(request), request.inputs["file"])
