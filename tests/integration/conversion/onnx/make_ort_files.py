"""Write a convolution as float and as QDQ .onnx, and as an .ort for x86 alone: make_ort_files.py FOLDER, in the onnxruntime environment."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

CHANNELS = 16  # with fewer, ONNX Runtime leaves the layout as it is
RANDOM = np.random.default_rng(3)


class Reader(CalibrationDataReader):
    """Eight samples."""

    def __init__(self) -> None:
        self._rest = iter([{"x": RANDOM.normal(size=(1, CHANNELS, 8, 8)).astype(np.float32)} for _ in range(8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next one."""
        return next(self._rest, None)


def main() -> None:
    """Write conv.onnx, conv_int8.onnx and amd64/conv.ort."""
    folder = Path(sys.argv[1])
    weights = RANDOM.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "weights"], ["sums"], "conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["sums"], ["y"], "clip"),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, CHANNELS, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CHANNELS, 8, 8])],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(graph, producer_name="test", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "conv.onnx")
    quantize_static(
        folder / "conv.onnx", folder / "conv_int8.onnx", Reader(), quant_format=QuantFormat.QDQ, per_channel=True
    )
    convert_onnx_models_to_ort(
        folder / "conv.onnx", folder / "amd64", [OptimizationStyle.Fixed], target_platform="amd64"
    )


if __name__ == "__main__":
    main()
