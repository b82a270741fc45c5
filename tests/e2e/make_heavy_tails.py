"""Train a transformer block whose activations have heavy tails, and write it with samples: make_heavy_tails.py FOLDER.

A task of recall: 12 tokens each pair a key with a value, the last one asks for a key, and the answer is its value. As frames of sound do that no
gain control has levelled, tokens differ in their level, by a log-normal factor; the block normalizes each of them first, so a float network does not
care. In int8 all tokens of all samples share one scale, which the few loud ones set, and what is quiet drowns in one step of it. Nothing was scaled
or shifted afterwards: all weights are as the training left them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

TOKENS, KEYS, VALUES, WIDTH, BATCH, STEPS = 12, 12, 8, 32, 128, 400
LEVEL = 2.0  # standard deviation of the levels' logarithm: 17 dB


def samples(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences (count, TOKENS + 1, KEYS + VALUES) and the values asked for (count,)."""
    keys = np.argsort(generator.random((count, KEYS)), axis=1)[:, :TOKENS]
    values = generator.integers(VALUES, size=(count, TOKENS))
    asked = generator.integers(TOKENS, size=count)
    x = np.zeros((count, TOKENS + 1, KEYS + VALUES), np.float32)
    x[:, :TOKENS, :KEYS] = np.eye(KEYS)[keys]
    x[:, :TOKENS, KEYS:] = np.eye(VALUES)[values]
    rows = np.arange(count)
    x[:, TOKENS, :KEYS] = np.eye(KEYS)[keys[rows, asked]]
    x += generator.normal(0, 0.1, x.shape)
    x *= np.exp(generator.normal(0, LEVEL, (count, TOKENS + 1, 1)))
    return x, values[rows, asked]


class Block(tf.Module):
    """One pre-normalized transformer block, and a classifier on its last token."""

    def __init__(self) -> None:
        def weights(name: str, *shape: int) -> tf.Variable:
            values = tf.random.stateless_normal(shape, (7, len(name) * 31 + sum(map(ord, name))), 0, shape[0] ** -0.5)
            return tf.Variable(values, name=name)

        super().__init__()
        self.embed = weights("embed", KEYS + VALUES, WIDTH)
        self.query, self.key = weights("query", WIDTH, WIDTH), weights("key", WIDTH, WIDTH)
        self.value, self.mix = weights("value", WIDTH, WIDTH), weights("mix", WIDTH, WIDTH)
        self.up, self.down = weights("up", WIDTH, 2 * WIDTH), weights("down", 2 * WIDTH, WIDTH)
        self.out = weights("out", WIDTH, VALUES)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Return the last token's scores (N, VALUES)."""
        h = _normalized(tf.linalg.matmul(x, self.embed))
        scores = tf.linalg.matmul(tf.linalg.matmul(h, self.query), tf.linalg.matmul(h, self.key), transpose_b=True)
        read = tf.linalg.matmul(tf.nn.softmax(scores * WIDTH**-0.5), tf.linalg.matmul(h, self.value))
        h += tf.linalg.matmul(read, self.mix)
        h += tf.linalg.matmul(tf.nn.relu(tf.linalg.matmul(_normalized(h), self.up)), self.down)
        return tf.linalg.matmul(_normalized(h)[:, -1, :], self.out)

    @tf.function(input_signature=[tf.TensorSpec((1, TOKENS + 1, KEYS + VALUES), tf.float32, name="tokens")])
    def serve(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what the model is deployed for."""
        return {"probabilities": tf.nn.softmax(self.logits(tokens))}


def _normalized(h: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(h, axis=-1, keepdims=True)
    return (h - mean) * tf.math.rsqrt(tf.reduce_mean(tf.square(h - mean), axis=-1, keepdims=True) + 1e-5)


def main(folder: Path) -> None:
    """Train, then write `heavy_tails` (a SavedModel) and `heavy_tails.npz` (tokens, label)."""
    generator = np.random.default_rng(20)
    block, optimizer = Block(), tf.keras.optimizers.Adam(4e-3)

    @tf.function(input_signature=[tf.TensorSpec((BATCH, TOKENS + 1, KEYS + VALUES)), tf.TensorSpec((BATCH,), tf.int64)])
    def step(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, block.logits(x)))
        gradients = tape.gradient(loss, block.trainable_variables)
        optimizer.apply_gradients(zip(gradients, block.trainable_variables, strict=True))
        return loss

    for _ in range(STEPS):
        step(*samples(generator, BATCH))
    x, labels = samples(generator, 400)
    right = np.mean(np.argmax(block.logits(tf.constant(x)), axis=-1) == labels)
    assert right > 0.9, f"trained to {right:.3f} only"
    print(f"right: {right:.3f}")  # noqa: T201 (a script)
    tf.saved_model.save(block, str(folder / "heavy_tails"), signatures={"serving_default": block.serve})
    np.savez(folder / "heavy_tails.npz", tokens=x, label=labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
