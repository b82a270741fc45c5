"""Hold models as people make them, of Keras 3 and tf-keras, against what a configuration may name; exit status 1 where one would be refused."""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras

from toolkit.files.foreign import parse_json
from toolkit.source.loading.keras_models.vetting import refusals

WORDS = ["alpha", "beta", "gamma"]


def functions_of_tensorflow(k: Any) -> Any:
    """tf.nn, tf.math, Python's operators and slices as layers; keras.ops in Keras 3."""
    x = k.Input((6,), name="x")
    if k is keras:
        ops = keras.ops
        joined = ops.concatenate([ops.relu(x * 2 - 1), ops.exp(-x), ops.abs(x) / 3], axis=-1)
        parts = ops.reshape(joined[:, 2:14], (-1, 3, 4)) + ops.expand_dims(ops.max(x, axis=-1, keepdims=True), -1)
        return k.Model(x, ops.softmax(ops.mean(ops.transpose(parts, (0, 2, 1)), axis=1)))
    joined = tf.concat([tf.nn.relu(x * 2 - 1), tf.math.exp(-x), tf.abs(x) / 3, x**2, tf.cast(x > 0, tf.float32)], -1)
    parts = (
        tf.reshape(joined[:, 2:14], (-1, 3, 4)) @ tf.ones((4, 2)) + tf.reduce_max(x, axis=-1)[:, tf.newaxis, tf.newaxis]
    )
    parts = tf.image.resize(tf.pad(parts[..., tf.newaxis], [[0, 0], [1, 1], [0, 0], [0, 0]]), (4, 4))
    both = tf.stack(tf.split(tf.squeeze(parts, -1), 2, axis=1)) + tf.signal.frame(x, 4, 2)[tf.newaxis, :, :2]
    clipped = tf.clip_by_value(tf.transpose(both[0], (0, 2, 1)), -1.0, 6.0)
    return k.Model(
        x,
        [
            tf.nn.softmax(k.backend.mean(clipped, axis=1)),
            tf.tile(x, (1, 2)),
            tf.argmax(x, -1),
        ],
    )


def lookups(k: Any) -> Any:
    """Preprocessing with its vocabulary in the configuration, and learned scales."""
    words = k.Input((3,), dtype="string", name="words")
    numbers = k.Input((3,), dtype="int64", name="numbers")
    looked = k.layers.StringLookup(vocabulary=WORDS)(words)
    found = k.layers.IntegerLookup(vocabulary=[3, 5, 7])(numbers)
    text = k.Input((), dtype="string", name="text")
    split = k.layers.TextVectorization(vocabulary=WORDS, output_sequence_length=3)(text)
    embedded = [k.layers.Embedding(9, 4)(each) for each in (looked, found, split)]
    norm = k.layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(size=(20, 4)))
    buckets = k.layers.Discretization(bin_boundaries=[0.0, 1.0])(norm(k.layers.Add()(embedded)))
    return k.Model([words, numbers, text], k.layers.CategoryEncoding(num_tokens=4)(k.layers.Flatten()(buckets)))


def recurrences(k: Any) -> Any:
    """Cells, wrappers, and models inside of both."""
    inner = k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(4, activation="swish", kernel_initializer=k.initializers.RandomNormal(0.0, 0.1)),
        ],
        name="inner",
    )
    layers = [
        k.Input((5, 4), name="x"),
        k.layers.TimeDistributed(inner),
        k.layers.RNN(
            [k.layers.LSTMCell(3), k.layers.GRUCell(3, recurrent_activation="hard_sigmoid")], return_sequences=True
        ),
        k.layers.Bidirectional(
            k.layers.LSTM(4, return_sequences=True),
            backward_layer=k.layers.GRU(4, return_sequences=True, go_backwards=True),
        ),
        k.layers.SimpleRNN(
            3, kernel_constraint=k.constraints.MaxNorm(2.0), kernel_regularizer=k.regularizers.L1L2(0.1, 0.2)
        ),
        k.layers.Dense(2, activity_regularizer="l2", bias_constraint="non_neg", use_bias=True),
    ]
    return k.Sequential(layers)


def attention(k: Any) -> Any:
    """Attention with a mask that is a constant, dropout, noise, and arithmetic of layers."""
    x = k.Input((5, 8), name="x")
    seen = k.layers.MultiHeadAttention(2, 4)(x, x, attention_mask=np.tril(np.ones((1, 5, 5), bool)))
    mixed = k.layers.LayerNormalization()(k.layers.Dropout(0.1)(k.layers.Add()([x, seen])))
    pooled = k.layers.Concatenate()(
        [k.layers.GlobalAveragePooling1D()(mixed), k.layers.GlobalMaxPooling1D()(k.layers.GaussianNoise(0.1)(x))]
    )
    return k.Model(x, k.layers.Dense(3, activation=k.activations.softmax)(k.layers.UnitNormalization()(pooled)))


def trained(k: Any) -> Any:
    """A compiled model with losses and metrics as objects, inside of another one."""
    inner = k.Sequential(
        [k.Input((6,)), k.layers.Dense(4, activation=tf.nn.relu if k is tf_keras else "relu")], name="inner"
    )
    inner.compile(
        k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        k.losses.Huber(),
        [k.metrics.MeanAbsoluteError(), "mse"],
    )
    x = k.Input((6,), name="x")
    return k.Model(x, k.layers.PReLU(shared_axes=[1])(inner(x)))


def applications(k: Any) -> Iterator[Any]:
    """Networks that come with Keras."""
    for make in (
        k.applications.MobileNetV2,
        k.applications.EfficientNetB0,
        k.applications.DenseNet121,
        k.applications.MobileNetV3Small,
        k.applications.ConvNeXtTiny,
    ):
        yield make(weights=None, input_shape=(96, 96, 3), classes=4)


def models(k: Any) -> Iterator[Any]:
    """All of them."""
    for make in (functions_of_tensorflow, lookups, recurrences, attention, trained):
        yield make(k)
    yield from applications(k)
    if k is keras:
        policy = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(4, dtype=keras.DTypePolicy("mixed_float16"), name="d")]
        )
        yield policy
        quantized = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
        quantized.quantize("int8")
        yield quantized


def configurations(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the configuration of a model as each format has it."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".keras", ".h5"):
            path = str(Path(folder) / f"model{suffix}")
            try:
                model.save(path)
            except (NotImplementedError, TypeError, ValueError):  # some layers cannot be saved so
                continue
            if suffix == ".keras":
                with zipfile.ZipFile(path) as file:
                    yield suffix, parse_json(file.read("config.json"), "config", dict, finite=False)
            else:
                with h5py.File(path) as file:
                    yield suffix, parse_json(file.attrs["model_config"], "config", dict, finite=False)


def main() -> None:
    """Look at all of them."""
    wrong, count = [], 0
    for k in (keras, tf_keras):
        for model in models(k):
            for suffix, config in configurations(model):
                count += 1
                wrong += [
                    f"{k.__name__} {model.name}{suffix}: {one}" for one in refusals(json.loads(json.dumps(config)))
                ]
    if wrong or count < 35:
        sys.exit("\n".join(wrong) or f"only {count} of them could be saved")


if __name__ == "__main__":
    main()
