"""Write a Keras network's .h5 file again with its batch normalizations broken; runs where TensorFlow is.

    python break_weights.py FOLDER KERAS_FILE

variances.h5    variances as they were before training, 1: what is left when a checkpoint's statistics were not restored
means.h5        means of 0: what a converter computes that folds scales into the weights and forgets the means
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import h5py

BROKEN = {"variances": ("moving_variance:0", 1), "means": ("moving_mean:0", 0)}


def write(source: Path, place: Path, statistic: str, value: float) -> None:
    """Write a copy of a file in which one statistic of all batch normalizations has one value; ValueError where there is none."""
    found: list[str] = []
    shutil.copyfile(source, place)
    place.chmod(0o644)
    with h5py.File(place, "r+") as file:
        file.visit(lambda name: found.append(name) if name.endswith(statistic) else None)
        for name in found:
            file[name][...] = value
    if not found:
        raise ValueError(f"{source}: has no {statistic}")


if __name__ == "__main__":
    folder, keras_file = Path(sys.argv[1]), Path(sys.argv[2])
    for name, (statistic, value) in BROKEN.items():
        write(keras_file, folder / f"{name}.h5", statistic, value)
