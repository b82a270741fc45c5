"""Weights that Keras saved without the model: `.weights.h5`, and `.h5` as `save_weights` of Keras 1 and 2 wrote it."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.keras_models import store
from toolkit.wire.request import Request

TAKES = frozenset(("builder", "allow_unrestored"))


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
    from toolkit.source.kinds import _keras_weights

    return _keras_weights.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the builder's model with all weights of the file; InvalidSource where it is another model than the saved one."""
    from toolkit.source.kinds import _keras_weights

    return _keras_weights.load(request)
