"""Write the float network of which tests/integration/engines/make_ties.py writes the int8 file, and samples for both.

python make_ties_original.py FOLDER       with the interpreter of the tensorflow environment

FOLDER/original is the network: sums of two channels, halved, and differences of two of these, eightfold; both are outputs. FOLDER/halves.npz are
samples whose sums are all odd, so that every result of the first layer lies half-way between two integers; in FOLDER/wholes.npz none does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

SHAPE = (8, 8, 4)
SAMPLES = 60


def network(folder: Path) -> None:
    """Write the network."""
    place = np.arange(SHAPE[-1])
    halve, differ = np.zeros((2, 1, 1, SHAPE[-1], SHAPE[-1]), np.float32)  # height, width, input, output
    halve[0, 0, place, place] = halve[0, 0, (place + 1) % SHAPE[-1], place] = 0.5
    differ[0, 0, place, place], differ[0, 0, (place + 1) % SHAPE[-1], place] = 8, -8

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        halves = tf.nn.conv2d(x, halve, 1, "SAME")
        return {"halves": halves, "differences": tf.nn.conv2d(halves, differ, 1, "SAME")}

    holder = tf.Module()
    holder.call = tf.function(call).get_concrete_function(tf.TensorSpec([1, *SHAPE], tf.float32, "x"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": holder.call})


def main(folder: Path) -> None:
    """Write the network and both sets."""
    network(folder / "original")
    random = np.random.default_rng(1)
    # Neighbours differ by little, so that eightfold differences stay within int8.
    values = 2 * (random.integers(0, 40, (SAMPLES, *SHAPE[:2], 1)) + random.integers(0, 4, (SAMPLES, *SHAPE)))
    for name, odd in (("wholes", 0), ("halves", 1)):
        samples = values.astype(np.float32)
        samples[..., ::2] += odd
        np.savez(folder / f"{name}.npz", x=samples)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
