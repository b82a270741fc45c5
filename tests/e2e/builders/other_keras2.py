"""A training project from when tf.keras was Keras 2: its layer and its optimizer are in no later TensorFlow."""

from __future__ import annotations

import tensorflow as tf

SEED = 11


def build(width: str = "16") -> tf.keras.Model:
    """Return the network, x (N, 6) to scores (N, 4): a convolution whose filters differ from place to place, and two layers."""
    tf.keras.utils.set_random_seed(SEED)
    inputs = tf.keras.Input((6,), name="x")
    places = tf.keras.layers.Reshape((6, 1))(inputs)
    local = tf.keras.layers.LocallyConnected1D(4, 3, activation="relu", name="local")(places)
    hidden = tf.keras.layers.Dense(int(width), activation="relu", name="hidden")(tf.keras.layers.Flatten()(local))
    return tf.keras.Model(inputs, tf.keras.layers.Dense(4, activation="softmax", name="scores")(hidden))


def optimizer() -> tf.keras.optimizers.Optimizer:
    """Return what trained it."""
    return tf.keras.optimizers.legacy.Adam(0.01)
