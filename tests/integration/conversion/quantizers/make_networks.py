"""Small networks as float .tflite, each with the ranges of its activations and samples that they were not measured on.

    python make_networks.py FOLDER

Random weights, but each answer depends on its input: there is no normalization to swallow it. In FOLDER/NAME: saved (a SavedModel),
model.tflite, ranges.json, converter.json (the ranges as the converter measures them), samples.npz (two arrays (N, *shape)), and of the LSTM
converted.tflite (int8, by the converter itself), of the others rounded.npz: by scheme what TensorFlow gives for the samples of verification with
weights and activations rounded to so many bits (tf.quantization.fake_quant_*, Jacob et al. 2018).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.lite.python.interpreter import Interpreter, OpResolverType

RANDOM = np.random.default_rng(7)
SAMPLES = 24


def weights(*shape: int) -> tf.Tensor:
    return tf.constant(RANDOM.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape), tf.float32)


FIRST, WIDE, DEEP, BACK = weights(3, 3, 3, 16), weights(1, 1, 16, 128), weights(3, 3, 128, 1), weights(1, 1, 128, 16)
LAST, UP = weights(16 * 4 * 4, 10), weights(3, 3, 3, 12)
# Channels of very unlike size, as those behind a normalization with few large gains.
GAINS = tf.constant(np.exp(RANDOM.normal(0, 1, 32)), tf.float32)
QUERY, KEY, VALUE, INNER, OUTER, HEAD = (weights(*shape) for shape in ((32, 32),) * 3 + ((32, 64), (64, 32), (32, 10)))


Weight = Callable[[tf.Tensor], tf.Tensor]
Activation = Callable[[str, tf.Tensor], tf.Tensor]


def exact(tensor: tf.Tensor) -> tf.Tensor:
    return tensor


def exact_too(_name: str, tensor: tf.Tensor) -> tf.Tensor:
    return tensor


def residual(
    x: tf.Tensor, weight: Weight = exact, fed: Activation = exact_too, kept: Activation = exact_too
) -> tf.Tensor:
    """An inverted residual block as in MobileNetV2, and a dense layer; `fed` rounds what meets weights, `kept` what else is computed."""
    x = tf.nn.relu(tf.nn.conv2d(fed("x", x), weight(FIRST), 2, "SAME", name="first"))
    y = tf.nn.relu6(tf.nn.conv2d(fed("first", x), weight(WIDE), 1, "SAME", name="wide"))
    y = tf.nn.relu6(tf.nn.depthwise_conv2d(fed("wide", y), weight(DEEP * 4), [1, 1, 1, 1], "SAME", name="deep"))
    y = tf.nn.conv2d(fed("deep", y), weight(BACK), 1, "SAME", name="back")
    x = kept("sum", tf.add(kept("first", x), kept("back", y), name="sum"))
    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    return kept("scores", tf.matmul(fed("sum", tf.reshape(x, [1, -1])), weight(LAST), name="scores"))


def upscaling(
    x: tf.Tensor, weight: Weight = exact, fed: Activation = exact_too, kept: Activation = exact_too
) -> tf.Tensor:
    """As FSRCNN ends: DEPTH_TO_SPACE, of which there is no int16 kernel."""
    return tf.nn.depth_to_space(kept("up", tf.nn.conv2d(fed("x", x), weight(UP), 1, "SAME")), 2)


def attention(
    x: tf.Tensor, weight: Weight = exact, fed: Activation = exact_too, kept: Activation = exact_too
) -> tf.Tensor:
    """One head of attention, whose three matrices read one input; then two layers whose matrices are used twice, and a small one."""
    x = kept("gained", x * GAINS)
    query, key, value = (tf.matmul(fed("gained", x), weight(each)) for each in (QUERY, KEY, VALUE))
    attended = tf.nn.softmax(kept("likeness", tf.matmul(query, key, transpose_b=True) / 32))
    x = kept("attended", x + tf.matmul(attended, value))
    for step in ("one", "two"):
        inner = tf.nn.relu(tf.matmul(fed(f"{step}/in", x), weight(INNER)))
        x = kept(f"{step}/out", x + tf.matmul(fed(f"{step}/inner", inner), weight(OUTER)))
    return kept("scores", tf.matmul(fed("mean", tf.reduce_mean(x, axis=1)), weight(HEAD)))


def recurrent() -> tf_keras.Model:
    """A fused LSTM."""
    tf_keras.utils.set_random_seed(7)
    layers = [tf_keras.layers.Input((6, 8), 1), tf_keras.layers.LSTM(32), tf_keras.layers.Dense(4)]
    return tf_keras.Sequential(layers)


def write(folder: Path, network: object, shape: tuple[int, ...]) -> None:
    """Convert one network, and measure its ranges on samples of their own."""
    folder.mkdir()
    call = tf.function(lambda x: {"y": network(x)}).get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, "x"))
    holder = tf.Module()
    holder.call, holder.network = call, network
    tf.saved_model.save(holder, str(folder / "saved"), {"serving_default": call})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"), signature_keys=["serving_default"])
    converter._experimental_default_to_single_batch_in_tensor_list_ops = True
    (folder / "model.tflite").write_bytes(converter.convert())
    samples = RANDOM.uniform(-1, 1, (2 * SAMPLES, *shape)).astype(np.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ({"x": sample[None]} for sample in samples[:SAMPLES])
    if isinstance(network, tf_keras.Model):
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        (folder / "converted.tflite").write_bytes(converter.convert())
    converter._experimental_calibrate_only = True
    (folder / "converter.json").write_text(json.dumps({"tensors": written_ranges(converter.convert())}))
    (folder / "ranges.json").write_text(json.dumps({"tensors": ranges(folder / "model.tflite", samples[:SAMPLES])}))
    np.savez(folder / "samples.npz", calibration=samples[:SAMPLES], verification=samples[SAMPLES:])
    if not isinstance(network, tf_keras.Model):
        np.savez(folder / "rounded.npz", **rounded(network, samples[:SAMPLES], samples[SAMPLES:]))


def rounded(network: Callable[..., tf.Tensor], calibration: np.ndarray, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs with each scheme's rounding."""
    seen: dict[str, tuple[float, float]] = {}

    def measured(name: str, tensor: tf.Tensor) -> tf.Tensor:
        low, high = seen.get(name, (0.0, 0.0))
        seen[name] = (min(low, float(tf.reduce_min(tensor))), max(high, float(tf.reduce_max(tensor))))
        return tensor

    for sample in calibration:
        network(sample[None], exact, measured, measured)
    of_8, of_16 = (partial(of_range, seen, bits) for bits in (8, 16))
    hooks: dict[str, tuple[Any, ...]] = {
        "float16": (half,),
        "weight_only_wi8": (partial(by_channel, 8),),
        "weight_only_wi4": (partial(by_channel, 4),),
        "dynamic_wi8_afp32": (partial(by_channel, 8), of_call),
        "dynamic_wi8_afp32_per_tensor": (whole, of_call),
        "dynamic_wi4_afp32": (partial(by_channel, 4), of_call),
        "static_wi8_ai8": (partial(by_channel, 8), of_8, of_8),
        "static_wi8_ai8_per_tensor": (whole, of_8, of_8),
        "static_wi8_ai16": (partial(by_channel, 8), of_16, of_16),
    }
    return {scheme: np.concatenate([network(each[None], *own) for each in samples]) for scheme, own in hooks.items()}


def half(weight: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(weight, tf.float16), tf.float32)


def by_channel(bits: int, weight: tf.Tensor) -> tf.Tensor:
    """Round to integers that are symmetric around 0, of a scale for each output channel; of a depthwise kernel these are the last but one axis."""
    flat = tf.reshape(weight, (-1, weight.shape[-1] if weight.shape[-1] > 1 else weight.shape[-2]))
    largest = tf.reduce_max(tf.abs(flat), axis=0)
    fake = tf.quantization.fake_quant_with_min_max_vars_per_channel(flat, -largest, largest, bits, narrow_range=True)
    return tf.reshape(fake, weight.shape)


def whole(weight: tf.Tensor) -> tf.Tensor:
    """Round to int8 of one scale."""
    largest = tf.reduce_max(tf.abs(weight))
    return tf.quantization.fake_quant_with_min_max_vars(weight, -largest, largest, 8, narrow_range=True)


def of_range(seen: dict[str, tuple[float, float]], bits: int, name: str, tensor: tf.Tensor) -> tf.Tensor:
    """Round to the range that was seen; int16 is symmetric around 0."""
    low, high = seen[name]
    if bits == 16:
        low, high = -max(-low, high), max(-low, high)
    return tf.quantization.fake_quant_with_min_max_vars(tensor, low, high, bits, narrow_range=bits == 16)


def of_call(_name: str, tensor: tf.Tensor) -> tf.Tensor:
    """Round to int8 of the range at this call, as XNNPACK does."""
    low, high = min(float(tf.reduce_min(tensor)), 0.0), max(float(tf.reduce_max(tensor)), 0.0)
    return tf.quantization.fake_quant_with_min_max_vars(tensor, low, high, 8)


def written_ranges(calibrated: bytes) -> dict[str, list[float]]:
    """Return what the converter's calibration wrote into a file."""
    schema = importlib.import_module("tensorflow.lite.python.schema_py_generated")
    tensors = schema.ModelT.InitFromPackedBuf(calibrated, 0).subgraphs[0].tensors
    known = [each for each in tensors if each.quantization is not None and each.quantization.min is not None]
    return {each.name.decode(): [float(each.quantization.min[0]), float(each.quantization.max[0])] for each in known}


def ranges(model: Path, samples: np.ndarray) -> dict[str, list[float]]:
    """Return minimum and maximum of every float activation."""
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(model), experimental_op_resolver_type=kernels, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    computed = {index for each in interpreter._get_ops_details() for index in each["outputs"]} | {entry["index"]}
    found: dict[str, list[float]] = {}
    for sample in samples:
        interpreter.reset_all_variables()
        interpreter.set_tensor(entry["index"], sample[None])
        interpreter.invoke()
        for details in interpreter.get_tensor_details():
            if details["index"] in computed and details["dtype"] == np.float32:
                value = interpreter.get_tensor(details["index"])
                low, high = found.get(details["name"], [np.inf, -np.inf])
                found[details["name"]] = [float(min(low, value.min())), float(max(high, value.max()))]
    return found


if __name__ == "__main__":
    root = Path(sys.argv[1])
    write(root / "residual", residual, (16, 16, 3))
    write(root / "upscaling", upscaling, (8, 8, 3))
    write(root / "attention", attention, (6, 32))
    write(root / "recurrent", recurrent(), (6, 8))
