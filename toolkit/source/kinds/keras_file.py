"""Whole models in a file of Keras: `.keras` archives, and `.h5` or `.hdf5` since 2015."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.keras_models import store
from toolkit.wire.request import Request

TAKES = frozenset(("builder", "allow_unrestored"))


def recognize(path: Path) -> bool:
    """Return whether a file is an archive of Keras, or HDF5 with a model: by its content, or by the suffix .keras."""
    kind = store.container(path)
    if kind is None:
        return path.is_file() and path.suffix == ".keras"
    return kind == "zip" or store.names_a_model(path)


def locate(path: Path, step: int | None) -> dict[str, Path]:
    """Return the file."""
    if step is not None:
        raise InvalidSource(f"{path}: a file of a whole model has no steps", "leave out --step")
    return {"file": path.absolute()}


def inspect(request: Request) -> Inspected:
    """Return what the file's configuration tells, read with h5py and json alone."""
    from toolkit.source.kinds import _keras_file

    return _keras_file.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the model; InvalidSource, with the error of each loader, where none can read the file."""
    from toolkit.source.kinds import _keras_file

    return _keras_file.load(request)
