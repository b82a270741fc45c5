"""Small networks as float .tflite, each with the ranges of its activations and samples that they were not measured on.

    python make_networks.py FOLDER

Random weights, but each answer depends on its input: there is no normalization to swallow it. In FOLDER/NAME: saved (a SavedModel),
model.tflite, ranges.json, converter.json (the ranges as the converter measures them), samples.npz (two arrays (N, *shape)).
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

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


def residual(x: tf.Tensor) -> tf.Tensor:
    """An inverted residual block as in MobileNetV2, and a dense layer."""
    x = tf.nn.relu(tf.nn.conv2d(x, FIRST, 2, "SAME", name="first"))
    y = tf.nn.relu6(tf.nn.conv2d(x, WIDE, 1, "SAME", name="wide"))
    y = tf.nn.relu6(tf.nn.depthwise_conv2d(y, DEEP * 4, [1, 1, 1, 1], "SAME", name="deep"))
    x = tf.add(x, tf.nn.conv2d(y, BACK, 1, "SAME", name="back"), name="sum")
    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    return tf.matmul(tf.reshape(x, [1, -1]), LAST, name="scores")


def upscaling(x: tf.Tensor) -> tf.Tensor:
    """As FSRCNN ends: DEPTH_TO_SPACE, of which there is no int16 kernel."""
    return tf.nn.depth_to_space(tf.nn.conv2d(x, UP, 1, "SAME"), 2)


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
    converter._experimental_calibrate_only = True
    (folder / "converter.json").write_text(json.dumps({"tensors": written_ranges(converter.convert())}))
    (folder / "ranges.json").write_text(json.dumps({"tensors": ranges(folder / "model.tflite", samples[:SAMPLES])}))
    np.savez(folder / "samples.npz", calibration=samples[:SAMPLES], verification=samples[SAMPLES:])


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
    write(root / "recurrent", recurrent(), (6, 8))
