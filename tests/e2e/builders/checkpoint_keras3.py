"""Keras 3 models as a training project makes them, and what its authors get wrong when they make them again: x (6 numbers) to 4 scores."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

WIDTH = 16


def functional(width: str = str(WIDTH)) -> keras.Model:
    """The model that was trained; `width` is of its first layer."""
    return _functional(
        [layers.Dense(int(width), "relu"), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(4)]
    )


def without_norm() -> keras.Model:
    """A layer too few."""
    return _functional([layers.Dense(WIDTH, "relu"), layers.Dropout(0.5), layers.Dense(4)])


def with_more() -> keras.Model:
    """A layer too many, at the end."""
    return _functional(
        [
            layers.Dense(WIDTH, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(4),
            layers.Dense(4),
        ]
    )


def reordered() -> keras.Model:
    """Normalization and dropout changed places."""
    return _functional([layers.Dense(WIDTH, "relu"), layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(4)])


def in_float16() -> keras.Model:
    """Variables of another type."""
    return _functional(
        [
            layers.Dense(WIDTH, "relu", dtype="float16"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(4),
        ]
    )


def compiled() -> keras.Model:
    """The model with an optimizer of its own, which the file need not know."""
    model = functional()
    model.compile("adam", "mse")
    return model


def as_net() -> dict[str, object]:
    """The model under another name than it was saved with."""
    model = functional()
    return {"model": model, "checkpoint": tf.train.Checkpoint(net=model)}


def average() -> dict[str, object]:
    """The second of two copies, which the file calls so."""
    model = functional()
    return {"model": model, "checkpoint": tf.train.Checkpoint(average=model)}


def checkpoint_of_text() -> dict[str, object]:
    """Something else where the checkpoint should be."""
    return {"model": functional(), "checkpoint": "model"}


def _functional(stack: list[layers.Layer]) -> keras.Model:
    inputs = keras.Input((6,), name="x")
    outputs = inputs
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


class Subclassed(keras.Model):
    """The same layers in a class."""

    def __init__(self, *, normalize: bool = True) -> None:
        super().__init__()
        self.first = layers.Dense(WIDTH, "relu")
        self.normalize = layers.BatchNormalization() if normalize else None
        self.last = layers.Dense(4)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:  # noqa: FBT001, FBT002 (as Keras calls it)
        """Return the scores."""
        x = self.first(x)
        x = self.normalize(x, training=training) if self.normalize else x
        return self.last(x)


def subclassed(normalize: str = "yes") -> tuple[keras.Model, dict[str, tf.TensorSpec]]:
    """The class, called once; `normalize` is "no" for a layer too few."""
    model = Subclassed(normalize=normalize == "yes")
    model(tf.zeros((1, 6)))
    return model, {"x": tf.TensorSpec((None, 6), tf.float32)}


def never_called() -> tuple[keras.Model, dict[str, tf.TensorSpec]]:
    """The class, as Keras 3 would restore nothing into it without an error."""
    return Subclassed(), {"x": tf.TensorSpec((None, 6), tf.float32)}


class Lazy(Subclassed):
    """A class that says it is built, and makes a layer's variables only when it is called."""

    def build(self, shape: object) -> None:  # noqa: ARG002 (as Keras calls it)
        """Build two of three layers."""
        self.first.build((None, 6))
        self.normalize.build((None, WIDTH))
        self.built = True


def lazy() -> tuple[keras.Model, dict[str, tf.TensorSpec]]:
    """The lazy class, built."""
    model = Lazy()
    model.build((None, 6))
    return model, {"x": tf.TensorSpec((None, 6), tf.float32)}


class Listed(keras.Model):
    """A class that keeps its layers in a list, where tf.train.Checkpoint does not see them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = layers.Dense(4)
        self.stack = [layers.Dense(WIDTH, "relu"), layers.BatchNormalization()]

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the scores."""
        for layer in self.stack:
            x = layer(x)
        return self.last(x)


def listed() -> tuple[keras.Model, dict[str, tf.TensorSpec]]:
    """The class with a list."""
    model = Listed()
    model(tf.zeros((1, 6)))
    return model, {"x": tf.TensorSpec((None, 6), tf.float32)}
