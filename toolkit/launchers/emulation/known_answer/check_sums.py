"""Have ONNX Runtime add products of integers, in the engine's interpreter: `python check_sums.py ENGINE`. Needs numpy, onnx and the engine only.

It must compute exactly. Where sums have 32 bits, this holds for weights of any kind. Where they have 16 bits (x86 without VNNI), it holds for uint8
weights and for int8 weights of 7 bits; for large int8 weights, the expected result has each pair of products cut off at 32767. Prints one line of
JSON: the `machine`, and for each `wrong` product the number of wrong integers and the largest difference.
"""

from __future__ import annotations

import faulthandler
import json
import platform
import resource

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

_CUT = 2**15 - 1


def compare(*, cuts_sums_off: bool) -> dict[str, list[int]]:
    """Return `{product: [number of wrong integers, largest difference]}`, empty if the engine computes as such a processor does."""
    random = np.random.default_rng(7)
    row = random.integers(200, 256, (4, 64)).astype(np.uint8)
    large = random.integers(100, 128, (64, 16))
    kinds = {
        "uint8": (large + 128).astype(np.uint8),
        "7-bit": (large - 64).astype(np.int8),
        "int8": large.astype(np.int8),
    }
    wrong = {}
    for name, weights in kinds.items():
        pairs = row.astype(np.int64).reshape(4, 32, 2, 1) * weights.astype(np.int64).reshape(1, 32, 2, 16)
        sums = pairs.sum(axis=2)
        right = (np.minimum(sums, _CUT) if cuts_sums_off and name == "int8" else sums).sum(axis=1)
        error = np.abs(_product(row, weights) - right)
        if error.any():
            wrong[name] = [int(np.count_nonzero(error)), int(error.max())]
    return wrong


def _product(row: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the row times the weights, computed by MatMulInteger."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["row", "weights"], ["product"])],
        "product",
        [helper.make_tensor_value_info("row", TensorProto.UINT8, row.shape)],
        [helper.make_tensor_value_info("product", TensorProto.INT32, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"row": row})
    return np.asarray(given, np.int64)


if __name__ == "__main__":
    faulthandler.enable()  # if a signal kills the engine, the message names the line that called it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/cpuinfo") as lines:
        flags = next((line for line in lines if line.startswith("flags")), "").split()
    cuts = platform.machine() == "x86_64" and not {"avx512_vnni", "avx_vnni"} & set(flags)
    print(json.dumps({"machine": platform.machine(), "wrong": compare(cuts_sums_off=cuts)}))
