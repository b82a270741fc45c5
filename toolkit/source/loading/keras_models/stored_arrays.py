"""The arrays in a file of weights of Keras, in both layouts of HDF5, and which of them are the model's own.

Old layout (Keras 1 and 2, and every `.h5` of a whole model): each layer has a group; the attributes `layer_names` and `weight_names` give the order.
A file of a whole model has these groups under `model_weights`. New layout (`.weights.h5`, alone or in an archive): `vars/0`, `vars/1`, ... lie
under the places of the layers in the model, without an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.findings import Finding
from toolkit.source.loading import VariableRow
from toolkit.source.loading.keras_models import hdf5


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a file: its place, and whose it is: the model's ("model"), the optimizer's ("optimizer", "counter"), or another's ("other")."""

    name: str
    what: str
    array: Any  # an h5py.Dataset

    def value(self) -> np.ndarray:
        """Return the numbers; with bfloat16, which HDF5 lacks, where Keras 3 marks it."""
        if self.array.attrs.get("dtype") == "bfloat16":
            import ml_dtypes

            return np.array(self.array, ml_dtypes.bfloat16)
        return np.asarray(self.array)


def text(attribute: Any) -> str | None:
    """Return an attribute of HDF5 as text; old files have bytes. None stays None."""
    return attribute.decode() if isinstance(attribute, bytes) else None if attribute is None else str(attribute)


def is_old_layout(file: Any) -> bool:
    """Return whether the file has the old layout."""
    return "layer_names" in weights_of(file).attrs or "layer_names0" in weights_of(file).attrs


def weights_of(file: Any) -> Any:
    """Return the group that holds the weights; ValueError where something else is in its place."""
    held = file.get("model_weights", file)
    if not hasattr(held, "get"):
        raise ValueError("model_weights in it is not a group")
    return held


def stored(file: Any) -> list[Stored]:
    """Return all arrays of an opened file; in the old layout the model's come first, in the order in which Keras reads them.

    ValueError where the old layout lists more than a file may hold: it could list one array endlessly.
    """
    import h5py

    found: dict[str, Stored] = {}
    for name, array in _of_layers(file) if is_old_layout(file) else ():
        found[array.name] = Stored(name.removesuffix(":0"), "model", array)
    names: list[bytes] = []

    def note(name: bytes, item: Any) -> None:
        if item.type == h5py.h5o.TYPE_DATASET:
            names.append(name)

    h5py.h5o.visit(file.id, note, info=True)  # h5py's own `visititems` opens every group as well
    for raw in names:
        name = raw.decode("utf-8", "surrogateescape")
        if f"/{name}" not in found:
            found[f"/{name}"] = Stored(name.removesuffix(":0"), _what(name), h5py.Dataset(h5py.h5o.open(file.id, raw)))
    return list(found.values())


def _of_layers(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield (layer/weight, array) of the old layout, in its order."""
    group = weights_of(file)
    seen = 0
    for layer in (*_listed(group, "layer_names"), "top_level_model_weights"):
        held = group.get(layer)
        weights = _listed(held, "weight_names") if held is not None else []
        seen += 1 + len(weights)
        if seen > hdf5.MOST_OBJECTS:
            raise ValueError(f"it lists more than {hdf5.MOST_OBJECTS:,} layers and weights; no model has")
        for weight in weights:
            yield f"{layer}/{weight}", held[weight]


def variables(arrays: Sequence[Stored]) -> list[VariableRow]:
    """Return the model's own variables as JSON; a build uses only these of a file's arrays."""
    return [
        {
            "name": one.name,
            "dtype": "bfloat16" if one.array.attrs.get("dtype") == "bfloat16" else str(one.array.dtype),
            "shape": list(one.array.shape),
            "size_bytes": int(one.array.dtype.itemsize * one.array.size),
        }
        for one in arrays
        if one.what == "model"
    ]


def others(arrays: Sequence[Stored]) -> list[Finding]:
    """Return a finding about arrays that are not the model's: an optimizer's state, metrics."""
    surplus = [one for one in arrays if one.what != "model"]
    if not surplus:
        return []
    size = sum(int(one.array.dtype.itemsize * one.array.size) for one in surplus)
    message = f"holds {len(surplus)} arrays of the training, optimizer or metrics, {size:,} bytes, which no build uses"
    return [Finding("training-state", "info", message)]


def _listed(group: Any, name: str) -> list[str]:
    """Return a list of names; Keras splits it over name0, name1, ... where it is too long for one attribute."""
    if name in group.attrs:
        return [str(text(entry)) for entry in group.attrs[name]]
    names: list[str] = []
    chunk = 0
    while f"{name}{chunk}" in group.attrs:
        names += [str(text(entry)) for entry in group.attrs[f"{name}{chunk}"]]
        chunk += 1
    return names


def _what(name: str) -> str:
    parts = name.split("/")
    if parts[0] in ("optimizer", "optimizer_weights", "_optimizer"):
        return "counter" if any(part.startswith(("iter", "learning_rate")) for part in parts) else "optimizer"
    metrics = {"metrics", "_metrics", "compile_metrics", "_compile_metrics", "loss_tracker", "_loss_tracker"}
    return "other" if parts[0] in metrics or any("seed_generator" in part for part in parts) else "model"
