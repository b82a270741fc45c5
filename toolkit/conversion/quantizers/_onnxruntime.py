"""Quantizes ONNX models with ONNX Runtime, in a worker.

They silently leave out what they do not know. Operators that they left in float, and those that ONNX Runtime still computes in float, are findings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from toolkit.conversion.made_file import MadeFile
from toolkit.conversion.onnx.audit import held
from toolkit.engines.onnx.graph import check_keep, kept_nodes, nodes_of, read, sort_nodes, split_gemm
from toolkit.engines.onnx.model_proto import ModelProto
from toolkit.engines.onnx.session import session
from toolkit.engines.tflite.file import said_beyond_float16
from toolkit.errors import InvalidSamples, Unconvertible
from toolkit.findings import Finding
from toolkit.wire.request import Request

_OPSET_OF_16_BITS = 21  # https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html: before it, 8 bits only


def quantize(request: Request) -> MadeFile:
    """As `toolkit.conversion.quantizers.onnxruntime.quantize`."""
    import onnx

    options, told = request.options, request.options["told"]
    for side in ("inputs", "outputs"):
        if options[side] != "float32":
            raise Unconvertible(
                f"{options['scheme']} in ONNX: {side} {options[side]!r} is not available yet; these models take and give float32"
            )
    model = read(request.inputs["model"])
    check_keep(model, options["keep_float"])
    kept = [node.name for node in kept_nodes(model, options["keep_float"])]
    made = _METHODS[told["method"]](model, kept, request)
    sort_nodes(made)
    path = request.out / "model.onnx"
    onnx.save(made, path)
    _check(path, options["scheme"])
    found = held(path, options["scheme"], options, request.inputs["model"])
    if told["method"] == "float16":
        found["findings"] += [each.to_json() for each in _beyond_float16(read(request.inputs["model"]))]
    return found


def _beyond_float16(model: ModelProto) -> list[Finding]:
    """Return the finding about constants of a float model that float16 cannot represent."""
    from onnx import numpy_helper

    most, found = float(np.finfo(np.float16).max), {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        large = int((np.abs(values) > most).sum()) if values.dtype == np.float32 else 0
        if large:
            found[tensor.name] = f"{large} of {values.size}"
    return said_beyond_float16(found, f"became {most:,.0f}")


def _float16(model: ModelProto, kept: list[str], _request: Request) -> ModelProto:
    """Return the model with weights and activations float16, and inputs and outputs unchanged."""
    from onnxconverter_common.float16 import convert_float_to_float16

    casts = [
        node.name for node in nodes_of(model) if node.op_type == "Cast"
    ]  # in a loop's body it would change the type of their results, and not the operators
    return convert_float_to_float16(
        model,
        min_positive_val=0.0,  # its own limits move numbers near 0 to 1e-7, and large ones to 1e4
        max_finite_val=float(np.finfo(np.float16).max),
        keep_io_types=True,
        node_block_list=[*kept, *casts],
    )


def _static(model: ModelProto, kept: list[str], request: Request) -> ModelProto:
    """Return the model with QuantizeLinear and DequantizeLinear around its operators (QDQ).

    `told`: dtypes of `weights` and `activations`, and `reduce_range`: whether weights have only 7 bits.
    """
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    told = request.options["told"]
    if told["activations"].endswith("16"):
        model = onnx.version_converter.convert_version(model, _OPSET_OF_16_BITS)
    try:
        quantizer = QDQQuantizer(
            model,
            per_channel=request.options["granularity"] == "per_channel",
            reduce_range=told["reduce_range"],
            weight_qType=QuantType.from_string(_QUANT_TYPES[told["weights"]]),
            activation_qType=QuantType.from_string(_QUANT_TYPES[told["activations"]]),
            tensors_range=TensorsData(CalibrationMethod.MinMax, _ranges(request.inputs["ranges"])),
            nodes_to_quantize=[],
            nodes_to_exclude=kept,
            op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry}),
            extra_options={},
        )
        return quantizer.quantize_model()
    except (RuntimeError, ValueError) as error:
        words = str(error).splitlines()[0]
        raise Unconvertible(
            f"{request.options['scheme']} in ONNX: the ranges are not those of this model: {words}"
        ) from error


def _dynamic(model: ModelProto, kept: list[str], request: Request) -> ModelProto:
    """Return the model with integer kernels that compute the activations' scales at each call; `told`: dtype of `weights`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    aside = request.out / "aside.onnx"
    quantize_dynamic(
        model,
        aside,
        weight_type=QuantType.from_string(_QUANT_TYPES[request.options["told"]["weights"]]),
        per_channel=request.options["granularity"] == "per_channel",
        nodes_to_exclude=kept,
        extra_options={"MatMulConstBOnly": True},  # a product of two activations has no weight
    )
    made = read(aside)
    aside.unlink()
    return made


def _weight_only(model: ModelProto, kept: list[str], request: Request) -> ModelProto:
    """Return the model with MatMulNBits for products with constants; `told`: `bits`, `block_size`, `symmetric`, and `accuracy_level` of the kernel.

    Accuracy levels: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#commicrosoftmatmulnbits
    """
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    told = request.options["told"]
    quantizer = MatMulNBitsQuantizer(
        split_gemm(model, kept),
        bits=told["bits"],
        block_size=told["block_size"],
        is_symmetric=told["symmetric"],
        accuracy_level=told["accuracy_level"],
        nodes_to_exclude=kept,
    )
    quantizer.process()
    return quantizer.model.model


_METHODS: Mapping[str, Callable[[ModelProto, list[str], Request], ModelProto]] = {
    "float16": _float16,
    "static": _static,
    "dynamic": _dynamic,
    "weight_only": _weight_only,
}
_QUANT_TYPES = {"int8": "QInt8", "uint8": "QUInt8", "int16": "QInt16", "uint16": "QUInt16"}


def _ranges(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the ranges in ONNX Runtime's form; InvalidSamples for an invalid range."""
    found = {}
    for name, (low, high) in json.loads(path.read_text())["tensors"].items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InvalidSamples(
                f"ranges: tensor {name!r} from {low} to {high}; expected finite numbers, the smaller first"
            )
        found[name] = (np.array(low, np.float32), np.array(high, np.float32))
    return found


def _check(path: Path, scheme: str) -> None:
    """Raise Unconvertible if ONNX or ONNX Runtime refuses the file, in their words."""
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
        session(path)
    except Exception as error:  # onnxruntime's exceptions have no other common base
        words = str(error).strip().splitlines()[0]
        raise Unconvertible(
            f"{scheme} in ONNX: ONNX Runtime's quantizer wrote a model that cannot be run: {words}"
        ) from error
