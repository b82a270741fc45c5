"""Write a network that adds up its input: whether it keeps within float16 depends on the samples alone.

python make_gpu_networks.py FOLDER       with the interpreter of the tensorflow environment

FOLDER/summed is the network, FOLDER/small.npz and FOLDER/large.npz are samples: with the large ones its sum is beyond 65,504.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

WIDTH = 256
SAMPLES = 40


def summed(folder: Path) -> None:
    """Means of four parts of x, gated by the sum of x."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        gate = tf.sigmoid(1e-6 * tf.reduce_sum(x, axis=1, keepdims=True))
        return {"y": tf.reduce_mean(tf.reshape(x * gate, [1, 4, WIDTH // 4]), axis=2)}

    holder = tf.Module()
    holder.call = tf.function(call).get_concrete_function(tf.TensorSpec([1, WIDTH], tf.float32, "x"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": holder.call})


def main(folder: Path) -> None:
    """Write the network and both sets."""
    summed(folder / "summed")
    random = np.random.default_rng(1)
    values = random.normal(2, 1, (SAMPLES, 4, 1)) + random.normal(0, 0.1, (SAMPLES, 4, WIDTH // 4))
    for name, scale in (("small", 1), ("large", 200)):
        np.savez(folder / f"{name}.npz", x=(scale * values).reshape(SAMPLES, WIDTH).astype(np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
