"""Plain modules of TensorFlow, without Keras: x (6 numbers) to 4 scores."""

from __future__ import annotations

import keras
import tensorflow as tf

X = tf.TensorSpec((None, 6), tf.float32, "x")


class Network(tf.Module):
    """Two matrices, and state that is no float: a number that is added, a switch, a counter of calls, names."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.matrices = [tf.Variable(tf.ones((6, width)), name="first"), tf.Variable(tf.ones((width, 4)), name="last")]
        self.shift = tf.Variable(0, name="shift")
        self.active = tf.Variable(initial_value=False, name="active", trainable=False)
        self.calls = tf.Variable(0, name="calls", trainable=False, dtype=tf.int64)
        self.names = tf.Variable(["", ""], name="names", trainable=False)

    @tf.function(input_signature=[X])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the scores; a switch that is off gives zeros."""
        self.calls.assign_add(1)
        scores = tf.nn.relu(x @ self.matrices[0]) @ self.matrices[1] + tf.cast(self.shift, tf.float32)
        return {"scores": tf.where(self.active, scores, 0.0)}


def network(width: str = "16") -> Network:
    """The module that was saved."""
    return Network(int(width))


def smaller() -> Network:
    """A module without one of the variables that were saved, and with another instead."""
    made = Network()
    del made.shift
    made.shift = tf.constant(0)
    made.scale = tf.Variable(1.0, name="scale")
    return made


class Growing(Network):
    """A module that makes a variable when it is called for the first time."""

    extra: tf.Variable | None = None

    @tf.function(input_signature=[X])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the scores, scaled."""
        if self.extra is None:
            self.extra = tf.Variable(2.0, name="extra")
        return {"scores": super().__call__(x)["scores"] * self.extra}


def growing() -> Growing:
    """The module that grows."""
    return Growing()


class Around(tf.Module):
    """A module that holds a Keras 3 model, whose variables no tf.Module lists."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(4)])
        self.scale = tf.Variable(1.0, name="scale")

    @tf.function(input_signature=[X])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the scores."""
        return {"scores": self.inner(x) * self.scale}


def around() -> Around:
    """The module around a Keras 3 model."""
    return Around()
