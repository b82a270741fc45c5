"""Layers and models of a training project's own, which its Keras files name and do not hold."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import tf_keras


class Gain(keras.layers.Layer):
    """A factor for each channel; known to nobody but who has this file."""

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        self.factor = self.add_weight(shape=(input_shape[-1],), name="factor")

    def call(self, values: Any) -> Any:
        """Return the values, times the factors."""
        return values * self.factor


class OldGain(tf_keras.layers.Layer):
    """The same for tf-keras."""

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        self.factor = self.add_weight(shape=(input_shape[-1],), name="factor")

    def call(self, values: Any) -> Any:
        """Return the values, times the factors."""
        return values * self.factor


@keras.saving.register_keras_serializable(package="project")
class Shift(keras.layers.Layer):
    """What is added to all values; registered, so that importing this file is enough."""

    def __init__(self, amount: float = 0.5, **others: Any) -> None:
        super().__init__(**others)
        self.amount = amount

    def call(self, values: Any) -> Any:
        """Return the values, plus the amount."""
        return values + self.amount

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return {**super().get_config(), "amount": self.amount}


@keras.saving.register_keras_serializable(package="project")
class Pair(keras.Model):
    """A model written as a class, of two arguments and two outputs."""

    def __init__(self, **others: Any) -> None:
        super().__init__(**others)
        self.left, self.right = keras.layers.Dense(4), keras.layers.Dense(4)

    def call(self, left: Any, right: Any) -> dict[str, Any]:
        """Return the sum and the difference of what two layers give."""
        one, other = self.left(left), self.right(right)
        return {"sum": one + other, "difference": one - other}


def classes() -> dict[str, Any]:
    """Return what the files name, by name."""
    return {"Gain": Gain, "OldGain": OldGain}


def pair_inputs() -> dict[str, Any]:
    """Return the model's class, and what it takes."""
    spec = tf.TensorSpec((None, 6), tf.float32)
    return {"custom_objects": {"Pair": Pair}, "inputs": {"left": spec, "right": spec}}


def pair() -> tuple[Any, dict[str, Any]]:
    """Return the model, called once, and what it takes."""
    model = Pair()
    model(tf.zeros((1, 6)), tf.zeros((1, 6)))
    return model, pair_inputs()["inputs"]


def pair_alone() -> Any:
    """Return the model, and not what it takes."""
    return pair()[0]


def with_lambda() -> Any:
    """Return the network of the file with the Lambda layer, with a function of this project's in its place."""
    inputs = tf_keras.Input((6,), name="x")
    doubled = tf_keras.layers.Lambda(lambda values: values * 2.0)(inputs)
    return tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="scores")(doubled))
