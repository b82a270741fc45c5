"""Write small networks as canonical SavedModels, with inputs, and what TensorFlow gives for them; seeded numbers, so nothing is constant.

    python make_onnx_models.py FOLDER       with the interpreter of the tensorflow environment

FOLDER/NAME is the SavedModel, FOLDER/NAME.npz the samples ("in NAME" (N, *shape), batch axis and all) and the outputs ("out NAME").
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SAMPLES = 48
RANDOM = np.random.default_rng(5)


def cnn() -> keras.Model:
    """Convolutions with batch normalization and a residual, padded on one side by a stride, and a dense layer with a bias."""
    image = keras.Input((16, 16, 3), name="image")
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2, padding="same")(image)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
    x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(16, 1)(y))])
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(x))


def gelu() -> keras.Model:
    """Dense layers with the exact GELU, which TensorFlow computes with Erfc and ONNX cannot; most of its weights are in them."""
    x = keras.Input((64,), name="x")
    hidden = layers.Dense(128, activation="gelu")(layers.Dense(128, activation="gelu")(x))
    return keras.Model(x, layers.Dense(5)(hidden))


def lstm() -> keras.Model:
    """A recurrent network, which becomes a Loop, into which no quantizer looks."""
    series = keras.Input((12, 8), name="series")
    return keras.Model(series, layers.Dense(4)(layers.LSTM(32)(series)))


def twins() -> keras.Model:
    """Two inputs and two outputs of the same shapes, so that one taken for the other shows as another number."""
    right, left = keras.Input((6,), name="right"), keras.Input((6,), name="left")
    product = layers.Dense(24, activation="tanh")(layers.concatenate([right, layers.Dense(8)(left)]))
    return keras.Model(
        {"right": right, "left": left}, {"second": layers.Dense(4)(product), "first": layers.Dense(4)(left)}
    )


def alike(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Give the input back, and one result under two names."""
    total = tf.reduce_sum(x, axis=1, keepdims=True)
    return {"same": x, "total": total, "again": total}


def matrices(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """The determinant is an operator that no translation to ONNX has been written for, and so is the special function."""
    return {"y": tf.math.bessel_i0e(x) + tf.linalg.det(tf.reshape(x, (1, 2, 2)))[:, None] + tf.math.polygamma(x, x)}


def echo(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Input and output have one name, which in ONNX is one tensor."""
    return {"x": x * 2.0}


class Counter(tf.Module):
    """A model that keeps its sum from call to call."""

    def __init__(self) -> None:
        self.total = tf.Variable(np.zeros((1, 4), np.float32))

    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the sum of all that was ever given."""
        return {"sum": self.total.assign_add(x) * 1.0}


def save_keras(folder: Path, build: Callable[[], keras.Model]) -> None:
    """Save a network, its biases and normalizations as if trained, with a signature of static shapes and batch 1."""
    keras.utils.set_random_seed(3)
    model = build()
    for variable in model.variables:
        if len(variable.shape) == 1:
            variable.assign_add(RANDOM.uniform(0.1, 0.4, variable.shape))
    specs = {tensor.name: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in model.inputs}

    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        results = model(tensors if len(tensors) > 1 else next(iter(tensors.values())))
        return results if isinstance(results, dict) else {"output_0": results}

    save(folder, call, specs, model)


def save(
    folder: Path, call: Callable[..., dict[str, tf.Tensor]], specs: dict[str, tf.TensorSpec], keep: object = None
) -> None:
    """Save a function as the SavedModel `folder`, and samples and results beside it."""
    holder = tf.Module()
    holder.keep = keep
    holder.traced = tf.function(call).get_concrete_function(**specs)
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": holder.traced})
    inputs = {name: RANDOM.normal(size=(SAMPLES, *spec.shape)).astype(np.float32) for name, spec in specs.items()}
    rows = [
        holder.traced(**{name: tf.constant(array[row]) for name, array in inputs.items()}) for row in range(SAMPLES)
    ]
    outputs = {name: np.stack([row[name].numpy() for row in rows]) for name in rows[0]}
    held = {f"in {name}": array for name, array in inputs.items()} | {
        f"out {name}": array for name, array in outputs.items()
    }
    np.savez(folder.with_suffix(".npz"), **held)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for build in (cnn, gelu, lstm, twins):
        save_keras(target / build.__name__, build)
    for function in (alike, matrices, echo):
        save(target / function.__name__, function, {"x": tf.TensorSpec((1, 4), tf.float32, "x")})
    counter = Counter()
    save(target / "counter", counter.__call__, {"x": tf.TensorSpec((1, 4), tf.float32, "x")}, counter)
