"""A layer whose integers are as small as they can be, as TensorFlow computes it in float and as an .onnx file in int8: make_extremes.py FOLDER.

layer/          SavedModel: x (1, 64) float32 in [-1, 1) -> y (1, 16), the product with a constant
layer.onnx      the same as QLinearConv: inputs and weights int8
samples.npz     x (300, 1, 64): every fourth is -1 in its first half, so that two products of -128 by -128 are added, which is 2^15
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

SIZE, OUTPUTS, STEP = 64, 16, 1 / 128
OF_OUTPUT = 0.64  # the largest sum is 64, and shall be 100 steps

folder = Path(sys.argv[1])
random = np.random.default_rng(5)
integers = random.integers(-128, 128, (OUTPUTS, SIZE)).astype(np.int8)
integers[::2] = -128
weights = (integers * STEP).astype(np.float32)

module = tf.Module()
module.call = tf.function(
    lambda x: {"y": x @ weights.T}, input_signature=[tf.TensorSpec((1, SIZE), tf.float32, name="x")]
)
tf.saved_model.save(module, str(folder / "layer"), signatures=module.call)

scales = {"x_scale": STEP, "w_scale": STEP, "y_scale": OF_OUTPUT}
constants = [
    numpy_helper.from_array(integers.reshape(OUTPUTS, SIZE, 1, 1), "weights"),
    *(numpy_helper.from_array(np.float32(scale), name) for name, scale in scales.items()),
    numpy_helper.from_array(np.int8(0), "zero"),
    numpy_helper.from_array(np.array([1, SIZE, 1, 1]), "as_image"),
    numpy_helper.from_array(np.array([1, OUTPUTS]), "as_vector"),
]
nodes = [
    helper.make_node("QuantizeLinear", ["x", "x_scale", "zero"], ["x_int8"]),
    helper.make_node("Reshape", ["x_int8", "as_image"], ["image"]),
    helper.make_node(
        "QLinearConv", ["image", "x_scale", "zero", "weights", "w_scale", "zero", "y_scale", "zero"], ["sums"]
    ),
    helper.make_node("Reshape", ["sums", "as_vector"], ["y_int8"]),
    helper.make_node("DequantizeLinear", ["y_int8", "y_scale", "zero"], ["y"]),
]
graph = helper.make_graph(
    nodes,
    "layer",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, SIZE])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, OUTPUTS])],
    constants,
)
model = helper.make_model(graph, producer_name="test", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, folder / "layer.onnx")

samples = random.uniform(-1, 1, (300, 1, SIZE)).astype(np.float32)
samples[::4, :, : SIZE // 2] = -1
np.savez(folder / "samples.npz", x=samples)
