"""A training project's network, of Keras 3 or of tf-keras, and the mistakes that one makes when it is written down a second time."""

from __future__ import annotations

import importlib
from typing import Any


def build(package: str = "keras", width: str = "8", activation: str = "relu") -> Any:
    """Return the network, x (N, 6, 4) to scores (N, 3)."""
    return _net(importlib.import_module(package), int(width), activation)


def without_normalization(package: str = "keras") -> Any:
    """Return it with a layer too few."""
    return _net(importlib.import_module(package), 8, "relu", normalized=False)


def deeper(package: str = "keras") -> Any:
    """Return it with a layer too many."""
    return _net(importlib.import_module(package), 8, "relu", more=1)


def never_called(package: str = "keras") -> Any:
    """Return a model that nobody told what it takes."""
    keras = importlib.import_module(package)
    return keras.Sequential([keras.layers.Dense(8), keras.layers.Dense(3)])


def no_model() -> Any:
    """Return a module, whose variables are not those of a Keras model."""
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable([[1.0]])
    return module


def _net(keras: Any, width: int, activation: str, *, normalized: bool = True, more: int = 0) -> Any:
    layers = keras.layers
    inputs = keras.Input((6, 4), name="x")
    values = layers.Conv1D(width, 3, activation=activation)(inputs)
    if normalized:
        values = layers.BatchNormalization()(values)
    values = layers.LSTM(5)(values)
    for _ in range(more):
        values = layers.Dense(5)(values)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="scores")(values))
