"""Write a SavedModel whose outputs are of every kind that a graph tells, FOLDER/model, with samples and labels in FOLDER/samples.npz.

python make_output_kinds.py FOLDER       with the interpreter of the tensorflow environment
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

SEED = 5
COUNT = 260
INPUTS, HIDDEN, CLASSES = 12, 24, 4


class Network(tf.Module):
    """One hidden layer, and a head for each output."""

    def __init__(self) -> None:
        super().__init__()
        numbers = np.random.default_rng(SEED)

        def weights(*shape: int) -> tf.Variable:
            return tf.Variable((numbers.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32))

        self.hidden = weights(INPUTS, HIDDEN)
        self.heads = [weights(HIDDEN, size) for size in (CLASSES, CLASSES, 8, 6, 6, 1)]

    @tf.function(input_signature=[tf.TensorSpec((1, INPUTS), tf.float32, "x")])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return all outputs."""
        hidden = tf.nn.relu(tf.matmul(x, self.hidden))
        scores, logits, vector, corners, sizes, chance = (tf.matmul(hidden, head) for head in self.heads)
        low = tf.reshape(8 * corners, (1, 3, 2))
        return {
            "probs": tf.nn.softmax(6 * scores),
            "logits": 6 * logits,
            "label": tf.argmax(logits, -1, output_type=tf.int32),
            "found": tf.reshape(chance, (1,)) > 0.1,
            "chance": tf.sigmoid(4 * chance),
            "vector": tf.math.l2_normalize(vector, axis=-1),
            "boxes": tf.concat([low, low + 20 + tf.reshape(sizes, (1, 3, 2))], -1),
            "parts": tf.concat([tf.sigmoid(vector), 100 * corners], -1),
        }


def main(folder: Path) -> None:
    """Write the model, and samples with the label that its logits have."""
    network = Network()
    x = np.random.default_rng(SEED + 1).normal(size=(COUNT, INPUTS)).astype(np.float32)
    labels = np.array([int(network(row[None])["label"][0]) for row in x])
    signature = network.__call__.get_concrete_function()
    tf.saved_model.save(network, str(folder / "model"), signatures={"serving_default": signature})
    np.savez(folder / "samples.npz", x=x, labels=labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
