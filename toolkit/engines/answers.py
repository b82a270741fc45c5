"""Checks an engine's outputs for a sample against the signature of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.errors import WorkerLied
from toolkit.tensors.signature import TensorJson


def check(outputs: dict[str, np.ndarray], specs: Sequence[TensorJson], where: str) -> None:
    """Raise WorkerLied unless names, dtypes and shapes are exactly what the signature says (an unknown size is null there)."""
    said = {spec["name"] for spec in specs}
    if set(outputs) != said:
        missing, unexpected = sorted(said - set(outputs)), sorted(set(outputs) - said)
        raise WorkerLied(f"{where}: outputs do not match; missing {missing}, unexpected {unexpected}")
    for spec in specs:
        array = outputs[spec["name"]]
        sizes = spec["shape"]
        fits = sizes is None or (
            len(sizes) == array.ndim
            and all(size in (None, found) for size, found in zip(sizes, array.shape, strict=True))
        )
        if array.dtype.name != spec["dtype"] or not fits:
            found = f"{array.dtype.name} {list(array.shape)}"
            raise WorkerLied(f"{where}: output {spec['name']!r} is {found}, the signature says {spec['dtype']} {sizes}")
