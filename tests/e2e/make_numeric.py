"""Write networks whose numbers are delicate: a cosine head, which reference kernels get wrong, and deep ones that make much of the last bit.

python make_numeric.py FOLDER       with the interpreter of the tensorflow environment
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

FLOAT = tf.float32
OFF = 1e-3  # by how much of itself one layer of a broken network is another
GAIN = 8.0  # of each layer of the autoencoder, which tanh makes small again


def numbers(*shape: int, scale: float, seed: int) -> tf.Tensor:
    """Return normally distributed float32 numbers."""
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def save(folder: Path, shape: list[int], function: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> None:
    """Save a function of one input x."""
    holder = tf.Module()
    holder.call = tf.function(function).get_concrete_function(tf.TensorSpec(shape, FLOAT, "x"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": holder.call})


def cosine_head(folder: Path) -> None:
    """Take x (1, 8) to its likeness to a vector: sums of squares, of which int8 reference kernels read the numbers without their sign."""
    first, vector = numbers(8, 16, scale=0.6, seed=1), numbers(16, scale=0.5, seed=2)

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.tanh(x @ first)
        return {"likeness": tf.reduce_sum(hidden * vector, axis=-1, keepdims=True)}

    save(folder, [1, 8], call)


def autoencoder(folder: Path, off: float = 0.0) -> None:
    """Take x (1, 8, 8, 1) to its like, through nine convolutions, each of which enlarges what is small."""
    channels = [1, *[12] * 8, 1]
    kernels = [
        numbers(3, 3, before, after, scale=GAIN / np.sqrt(9 * before), seed=10 + place)
        for place, (before, after) in enumerate(itertools.pairwise(channels))
    ]
    kernels[4] += off * numbers(*kernels[4].shape, scale=GAIN / np.sqrt(108), seed=20)

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        for kernel in kernels[:-1]:
            x = tf.tanh(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return {"image": tf.sigmoid(tf.nn.conv2d(x, kernels[-1], 1, "SAME"))}

    save(folder, [1, 8, 8, 1], call)


def pitch(folder: Path, off: float = 0.0) -> None:
    """Take x (1, 128), a window of sound, to (1, 1), in cents: four convolutions, and the mean of 60 bins by their softmax, which is steep."""
    channels = [1, 24, 24, 24, 24]
    kernels = [
        numbers(1, 16, before, after, scale=1.7 / np.sqrt(16 * before), seed=30 + place)
        for place, (before, after) in enumerate(itertools.pairwise(channels))
    ]
    kernels[1] += off * numbers(*kernels[1].shape, scale=1.7 / np.sqrt(384), seed=41)
    head = numbers(24 * 8, 60, scale=300.0, seed=40)
    cents = tf.constant(np.linspace(0, 7180, 60).astype(np.float32))

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.reshape(x - tf.reduce_mean(x, axis=-1, keepdims=True), [1, 1, 128, 1])
        for kernel in kernels:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, [1, 1, 2, 1], "SAME"))
        scores = tf.nn.softmax(tf.reshape(x, [1, -1]) @ head)
        return {"cents": tf.reduce_sum(scores * cents, axis=-1, keepdims=True)}

    save(folder, [1, 128], call)


def main(folder: Path) -> None:
    """Write every network, and of those that are deep one with a layer that is off."""
    cosine_head(folder / "cosine_head")
    for make in (autoencoder, pitch):
        make(folder / make.__name__)
        make(folder / f"{make.__name__}_off", OFF)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
