"""Write models that never end, or want more memory than there is: each FOLDER/<name>, and samples of x (1, 6) in FOLDER/samples.npz.

    python make_endless.py FOLDER       with the interpreter of the tensorflow environment

The last 50 samples are those for which `for_some` does not end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
SPEC = tf.TensorSpec((1, 6), tf.float32, "x")
COUNT, BAD = 150, 50
WEIGHTS = np.random.default_rng(5).normal(size=(6, 3)).astype(np.float32)


def never(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Its condition is written into the graph."""
    return {"y": turned(tf.matmul(x, WEIGHTS), lambda turn, y: True)}


def for_some(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Whether it ends is decided by the sample."""
    return {"y": turned(tf.matmul(x, WEIGHTS), lambda turn, y: tf.reduce_any(x > 3.0))}


def far_away(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """It would end, after some centuries: nothing of that is seen in its condition."""
    return {"y": turned(tf.matmul(x, WEIGHTS), lambda turn, y: turn < 2**62)}


def ends(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """A loop as models have them."""
    return {"y": turned(tf.matmul(x, WEIGHTS), lambda turn, y: turn < 3)}


def hungry(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """120 GB at once."""
    return {"y": tf.matmul(x, WEIGHTS) + 0 * tf.reduce_max(tf.cumsum(tf.tile(x, [1, 5_000_000_000]), axis=1))}


def turned(y: tf.Tensor, condition: Callable[..., object]) -> tf.Tensor:
    """Return y behind a loop."""
    return tf.while_loop(condition, lambda turn, y: (turn + 1, y * 1.0), (tf.constant(0, tf.int64), y))[1]


def save(folder: Path, function: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> None:
    """Save a function as a SavedModel."""
    module = tf.Module()
    module.kept = tf.function(function).get_concrete_function(SPEC)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.kept})


def freeze(path: Path, condition: Callable[..., object]) -> None:
    """Write the same loop as TensorFlow 1 has it, in a frozen graph."""
    v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, (1, 6), "x")
        tf.identity(
            v1.while_loop(condition, lambda turn, y: (turn + 1, y * 1.0), (tf.constant(0), x @ WEIGHTS))[1], "y"
        )
        path.write_bytes(graph.as_graph_def().SerializeToString())
    v1.enable_control_flow_v2()


def main(folder: Path) -> None:
    """Write all."""
    for function in (never, for_some, far_away, ends, hungry):
        save(folder / function.__name__, function)
    freeze(folder / "never.pb", lambda turn, y: True)
    freeze(folder / "ends.pb", lambda turn, y: turn < 3)
    samples = np.random.default_rng(0).normal(size=(COUNT + BAD, 1, 6)).astype(np.float32).clip(-2.9, 2.9)
    np.savez(folder / "samples.npz", x=samples[:COUNT, 0])
    samples[COUNT:, 0, 0] = 4
    np.savez(folder / "bad.npz", x=samples[:, 0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
