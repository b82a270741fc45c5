"""Make the known-answer model and its answer, with the same bytes every time: `<python of the litert environment> make.py FOLDER`.

The model is int8, in the form that converters write: a 3x3 convolution with zero points and scales by channel, a depthwise and a 1x1 convolution, and
a fully connected layer. The answer does not come from an engine: this script computes it in integers.

Right kernels may round in different ways. So no result here depends on the way of rounding: every scale is a power of two, so the exact result is
accumulator / 2^k; weights are multiples of 4 and biases are 2 modulo 4, so that no accumulator comes within 2 of a half. Any other answer of an
engine is wrong.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20231105


@dataclass
class Tensor:
    """A tensor: its values or shape, dtype and scales, none of a float one."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: list[float]
    values: np.ndarray
    zero_point: int = 0
    axis: int = 0


@dataclass
class Layer:
    """One operator: its name in the schema, its weights and bias, and the tensor it writes."""

    operator: str
    weights: Tensor
    bias: Tensor
    output: Tensor
    stride: int = 1
    relu: bool = False


def design() -> tuple[Tensor, list[Layer]]:
    """Return the input with its values, and the layers with the values of their outputs, which are the answer."""
    random = np.random.default_rng(SEED)
    sample = random.integers(-128, 128, (1, 8, 8, 16))
    start = Tensor("sample", sample.shape, "int8", [1.0], sample, -5)
    layers: list[Layer] = []
    last = start
    # operator, shape of the weights, axis of the channels, stride, shifts (accumulator / 2^k) to choose from, zero point, relu
    for operator, shape, axis, stride, shifts, zero_point, relu in (
        ("CONV_2D", (32, 3, 3, 16), 0, 1, (9, 10, 11), -128, True),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 32), 3, 2, (7, 8, 9), 7, False),
        ("CONV_2D", (48, 1, 1, 32), 0, 1, (8, 9), -3, False),
        ("FULLY_CONNECTED", (16, 768), 0, 1, (10,), 11, False),
    ):
        channels = shape[axis]
        shift = random.choice(shifts, channels)
        weights = Tensor("", shape, "int8", list(2.0**-shift), 4 * random.integers(-31, 32, shape), axis=axis)
        bias = Tensor("", (channels,), "int32", weights.scales, 4 * random.integers(-5000, 5000, channels) + 2)
        accumulator = ACCUMULATE[operator](last.values - last.zero_point, weights.values, stride) + bias.values
        assert not np.any(np.abs(accumulator % 2**shift - 2 ** (shift - 1)) < 2), "a result that rounding could decide"
        rounded = (accumulator + 2 ** (shift - 1)) // 2**shift + zero_point
        values = np.clip(rounded, zero_point if relu else -128, 127)
        name = f"{len(layers)}_{operator.lower()}"
        weights.name, bias.name = f"{name}/weights", f"{name}/bias"
        if len(shifts) == 1:
            weights.scales = bias.scales = weights.scales[:1]
        last = Tensor(name, values.shape, "int8", [1.0], values, zero_point)
        layers.append(Layer(operator, weights, bias, last, stride, relu))
    return start, layers


def _patches(sample: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Return (height, width, size, size, channels): the input patch of each output position, with padding SAME."""
    height, width = (-(-extent // stride) for extent in sample.shape[1:3])
    total = [
        max((out - 1) * stride + size - extent, 0)
        for out, extent in zip((height, width), sample.shape[1:3], strict=True)
    ]
    padded = np.pad(
        sample[0], [(total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2), (0, 0)]
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (0, 1))[::stride, ::stride]
    return windows.transpose(0, 1, 3, 4, 2)


ACCUMULATE = {
    "CONV_2D": lambda x, w, stride: np.einsum("hwijc,oijc->hwo", _patches(x, w.shape[1], stride), w)[None],
    "DEPTHWISE_CONV_2D": lambda x, w, stride: np.einsum("hwijc,ijc->hwc", _patches(x, w.shape[1], stride), w[0])[None],
    "FULLY_CONNECTED": lambda x, w, stride: x.reshape(1, -1) @ w.T,
}


def build(start: Tensor, layers: list[Layer]) -> bytes:
    """Return the model as a TFLite flatbuffer; the output of each layer is an output of the model."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.subgraphs = 3, b"known answer", [graph]
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    graph.name, graph.tensors, graph.operators, graph.outputs = b"main", [], [], []
    graph.inputs = [_add_tensor(schema, model, start, constant=False)]
    last = graph.inputs[0]
    for layer in layers:
        constants = [_add_tensor(schema, model, tensor) for tensor in (layer.weights, layer.bias)]
        result = _add_tensor(schema, model, layer.output, constant=False)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes)
        model.operatorCodes.append(_code(schema, layer.operator))
        operator.inputs, operator.outputs = [last, *constants], [result]
        kind, operator.builtinOptions = _options(schema, layer)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        graph.operators.append(operator)
        graph.outputs.append(result)
        last = result
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _add_tensor(schema: Any, model: Any, tensor: Tensor, *, constant: bool = True) -> int:
    made = schema.TensorT()
    made.name, made.shape, made.type = (
        tensor.name.encode(),
        list(tensor.shape),
        getattr(schema.TensorType, tensor.dtype.upper()),
    )
    if tensor.scales:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = [float(scale) for scale in tensor.scales]
        made.quantization.zeroPoint = [tensor.zero_point] * len(tensor.scales)
        made.quantization.quantizedDimension = tensor.axis
    made.buffer = 0
    if constant:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(tensor.values.astype(tensor.dtype).tobytes(), np.uint8)
        made.buffer = len(model.buffers)
        model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(made)
    return len(model.subgraphs[0].tensors) - 1


def _code(schema: Any, operator: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
    code.version = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4}[operator]  # the first with int8
    return code


def _options(schema: Any, layer: Layer) -> tuple[str, Any]:
    kind = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected"}[
        layer.operator
    ] + "Options"
    options = getattr(schema, kind + "T")()
    activations = schema.ActivationFunctionType
    options.fusedActivationFunction = activations.RELU if layer.relu else activations.NONE
    if layer.operator != "FULLY_CONNECTED":
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = layer.stride
        options.dilationHFactor = options.dilationWFactor = 1
    if layer.operator == "DEPTHWISE_CONV_2D":
        options.depthMultiplier = 1
    return kind, options


def main() -> None:
    """Write `model.tflite` and `answer.npz` (`sample`, and every output by name) into the folder."""
    folder = Path(sys.argv[1])
    start, layers = design()
    (folder / "model.tflite").write_bytes(build(start, layers))
    answer = {tensor.name: tensor.values.astype(np.int8) for tensor in (start, *(layer.output for layer in layers))}
    np.savez_compressed(folder / "answer.npz", **answer)  # type: ignore[arg-type]  # names are no options of it
    for name, values in answer.items():
        saturated = np.mean((values == 127) | (values == -128))
        print(
            f"{name:24} {values.shape!s:16} {values.min()}..{values.max()}, {saturated:.0%} saturated, {len(np.unique(values))} values"
        )


if __name__ == "__main__":
    main()
