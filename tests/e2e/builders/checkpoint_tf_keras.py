"""A model of tf-keras, which is the Keras of TensorFlow before 2.16: x (6 numbers) to 4 scores."""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from tf_keras import layers

WIDTH = 16


def functional() -> tf_keras.Model:
    """The model that was trained."""
    inputs = tf_keras.Input((6,), name="x")
    hidden = layers.BatchNormalization()(layers.Dense(WIDTH, "relu")(inputs))
    return tf_keras.Model(inputs, layers.Dense(4, name="scores")(layers.Dropout(0.5)(hidden)))


class Subclassed(tf_keras.Model):
    """The same layers in a class."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [layers.Dense(WIDTH, "relu"), layers.BatchNormalization()]
        self.last = layers.Dense(4)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:  # noqa: FBT001, FBT002 (as Keras calls it)
        """Return the scores."""
        return self.last(self.stack[1](self.stack[0](x), training=training))


def subclassed() -> tf_keras.Model:
    """The class, called once."""
    model = Subclassed()
    model(tf.zeros((1, 6)))
    return model


def never_called() -> tf_keras.Model:
    """The class without variables."""
    return Subclassed()


def subclassed_x() -> tuple[tf_keras.Model, dict[str, tf.TensorSpec]]:
    """The class, with a name for what it takes."""
    return subclassed(), {"x": tf.TensorSpec((None, 6), tf.float32)}
