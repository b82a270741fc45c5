"""Break .tflite files, each in the one way that a request names; runs where LiteRT or TensorFlow is.

    python break_artifacts.py REQUESTS.json

A list of {"source": FILE, "place": FILE, "how": a function below, "with": its arguments by name}. What is broken stays a whole file, which
engines run. Numbers of operators count those of one kind, in the order of execution; -1 is the last.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

try:
    from ai_edge_litert import schema_py_generated as schema
except ImportError:  # TensorFlow's environment has its own
    from tensorflow.lite.python import schema_py_generated as schema

_DTYPES = {getattr(schema.TensorType, name.upper()): np.dtype(name) for name in ("float32", "int8", "int32", "int64")}
_CODES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_") and name != "CUSTOM"
}


class File:
    """The tables of a file, to be changed."""

    def __init__(self, path: Path) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        self.graph = self.model.subgraphs[0]
        self.signature = self.model.signatureDefs[0]

    def write(self, path: Path) -> None:
        """Write the file."""
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))

    def operators(self, kind: str) -> list[Any]:
        """Return the operators of one kind."""
        codes = [_CODES[max(each.builtinCode, each.deprecatedBuiltinCode)] == kind for each in self.model.operatorCodes]
        return [each for each in self.graph.operators if codes[each.opcodeIndex]]

    def constant(self, tensor: int) -> np.ndarray[Any, Any]:
        """Return a constant's values, to be changed in place."""
        held = self.graph.tensors[tensor]
        buffer = self.model.buffers[held.buffer]
        buffer.data = bytearray(np.asarray(buffer.data, np.uint8).tobytes())
        return np.frombuffer(buffer.data, _DTYPES[held.type]).reshape(tuple(held.shape))

    def weights(self, kind: str, number: int) -> np.ndarray[Any, Any]:
        """Return the weights of an operator, output channels first (of DEPTHWISE_CONV_2D last)."""
        return self.constant(self.operators(kind)[number].inputs[1])

    def bias(self, kind: str, number: int) -> np.ndarray[Any, Any]:
        """Return the bias of an operator."""
        return self.constant(self.operators(kind)[number].inputs[2])

    def add_constant(self, name: str, values: np.ndarray[Any, Any]) -> int:
        """Return a new tensor of these values."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        made = self._tensor(name, values.shape, values.dtype)
        self.graph.tensors[made].buffer = len(self.model.buffers) - 1
        return made

    def add(self, kind: str, inputs: list[int], shape: tuple[int, ...], options: object = None) -> int:
        """Return the float32 tensor that a new last operator gives."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs = len(self.model.operatorCodes) - 1, inputs
        made.outputs = [self._tensor(f"{kind}{len(self.graph.tensors)}", shape, np.dtype(np.float32))]
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(made)
        return made.outputs[0]

    def number(self, value: float) -> int:
        """Return a new tensor (1,) of one number."""
        return self.add_constant(f"number{len(self.graph.tensors)}", np.array([value], np.float32))

    def minus(self, one: int, other: int) -> int:
        """Return the difference of two tensors (1,)."""
        return self.add("SUB", [one, other], (1,), schema.SubOptionsT())

    def times(self, one: int, other: int) -> int:
        """Return the product of two tensors (1,)."""
        return self.add("MUL", [one, other], (1,), schema.MulOptionsT())

    def scales(self, tensor: int) -> np.ndarray[Any, Any]:
        """Return the scales by which a tensor is quantized, to be changed in place."""
        held = self.graph.tensors[tensor].quantization
        held.scale = np.array(held.scale, np.float32)
        return held.scale

    def feed(self, before: int, after: int) -> None:
        """Let what the last operator gives go wherever an input went, and the operator come first."""
        self.graph.operators.insert(0, self.graph.operators.pop())
        for each in self.graph.operators[1:]:
            each.inputs = [after if place == before else place for place in each.inputs]

    def give(self, before: int, after: int) -> None:
        """Let another tensor be what the file gives in place of one."""
        self.graph.outputs = [after if each == before else each for each in self.graph.outputs]
        for each in self.signature.outputs:
            each.tensorIndex = after if each.tensorIndex == before else each.tensorIndex

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, list(shape), 0
        made.type = next(code for code, held in _DTYPES.items() if held == dtype)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1


def channel_zeroed(file: File, kind: str, number: int) -> None:
    """Zero the output channel with the largest weights of an operator."""
    weights = file.weights(kind, number)
    channels = np.moveaxis(weights, -1 if kind == "DEPTHWISE_CONV_2D" else 0, 0)
    channels[np.abs(channels.reshape(len(channels), -1).astype(float)).sum(axis=1).argmax()] = 0


def bias_dropped(file: File, kind: str, number: int) -> None:
    """Zero an operator's bias."""
    file.bias(kind, number)[:] = 0


def kernels_turned(file: File, kind: str, number: int) -> None:
    """Exchange height and width of an operator's weights, as a wrong order of axes does."""
    weights = file.weights(kind, number)
    weights[:] = weights.swapaxes(1, 2).copy()


def channels_reversed(file: File, kind: str, number: int) -> None:
    """Reverse the input channels of an operator: BGR for RGB."""
    weights = file.weights(kind, number)
    weights[:] = weights[..., ::-1].copy()


def rows_moved(file: File, kind: str, number: int, order: list[int]) -> None:
    """Give the output channels of an operator another order, weights and bias and the scales of both."""
    operator = file.operators(kind)[number]
    for place in operator.inputs[1:]:
        values = file.constant(place)
        values[:] = values[order].copy()
        held = file.graph.tensors[place].quantization
        if held is not None and held.scale is not None and len(held.scale) == len(order):
            held.scale = np.asarray(held.scale)[order]


def weights_shifted(file: File, kind: str, number: int) -> None:
    """Move an operator's kernel by one pixel, as padding on the wrong side does."""
    weights = file.weights(kind, number)
    weights[:] = np.roll(weights, 1, axis=2)


def layers_exchanged(file: File, kind: str, one: int, other: int) -> None:
    """Exchange weights and biases of two operators of one shape; float ones."""
    for weights in (
        (file.weights(kind, one), file.weights(kind, other)),
        (file.bias(kind, one), file.bias(kind, other)),
    ):
        kept = weights[0].copy()
        weights[0][:], weights[1][:] = weights[1].copy(), kept


def weights_replaced(file: File, kind: str, arrays: str) -> None:
    """Put another training's weights and biases into all operators of one kind: w0, b0, w1, ... of an .npz, output channels first."""
    with np.load(arrays) as held:
        for number in range(len(file.operators(kind))):
            file.weights(kind, number)[:], file.bias(kind, number)[:] = held[f"w{number}"], held[f"b{number}"]


def activation_dropped(file: File, kind: str, number: int) -> None:
    """Take the activation away that is fused into an operator."""
    options = file.operators(kind)[number].builtinOptions
    if options.fusedActivationFunction == schema.ActivationFunctionType.NONE:
        raise ValueError(f"{kind} {number} has no activation")
    options.fusedActivationFunction = schema.ActivationFunctionType.NONE


def pooled_by_maximum(file: File) -> None:
    """Take the maximum where the mean was taken."""
    code = file.model.operatorCodes[file.operators("AVERAGE_POOL_2D")[0].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MAX_POOL_2D


def low_bits_lost(file: File, kind: str) -> None:
    """Keep the upper 4 of the 8 bits of all weights of one kind."""
    for number in range(len(file.operators(kind))):
        weights = file.weights(kind, number)
        weights[:] = weights & ~0xF


def bit_flipped(file: File, kind: str, number: int) -> None:
    """Flip the highest bit of the largest weight of an operator, as failing memory does."""
    weights = file.weights(kind, number)
    largest = np.unravel_index(np.abs(weights.astype(float)).argmax(), weights.shape)
    weights.view(f"u{weights.itemsize}")[largest] ^= 1 << (8 * weights.itemsize - 1)


def second_bit_flipped(file: File, kind: str, number: int) -> None:
    """Flip the second lowest bit of the first weight of an operator: it is two steps off."""
    weights = file.weights(kind, number)
    weights.view(f"u{weights.itemsize}").flat[0] ^= 2


def scales_averaged(file: File, kind: str, number: int) -> None:
    """Read the weights of all channels with the mean of their scales, as where one scale for a tensor is taken for one for each channel."""
    scales = file.scales(file.operators(kind)[number].inputs[1])
    scales[:] = scales.mean()


def range_halved(file: File, kind: str, number: int) -> None:
    """Give what an operator puts out half of its range, so that larger numbers are clipped; what reads it knows."""
    (place,) = file.operators(kind)[number].outputs
    file.scales(place)[:] *= 0.5
    for each in file.graph.operators:
        if each.inputs[0] == place and len(each.inputs) == 3 and each.inputs[2] >= 0:  # with a bias of its own scale
            file.scales(each.inputs[2])[:] *= 0.5
            file.constant(each.inputs[2])[:] *= 2


def input_scaled(file: File, factor: float) -> None:
    """Quantize the input by a scale that is so many times the one which the first operator was made for."""
    (fed,) = file.graph.inputs
    shape = tuple(int(size) for size in file.graph.tensors[fed].shape)
    file.feed(fed, file.add("MUL", [fed, file.number(1 / factor)], shape, schema.MulOptionsT()))


def input_moved(file: File, by: int) -> None:
    """Move the input by so many of its steps before it is quantized: uint8 fed where int8 is meant."""
    (fed,) = file.graph.inputs
    step = file.scales(file.operators("QUANTIZE")[0].outputs[0])[0]
    shape = tuple(int(size) for size in file.graph.tensors[fed].shape)
    file.feed(fed, file.add("ADD", [fed, file.number(by * step)], shape, schema.AddOptionsT()))


def output_scaled(file: File, name: str, factor: float) -> None:
    """Give an output times a number: its integers, read by another scale than they were made with."""
    (before,) = (each.tensorIndex for each in file.signature.outputs if each.name == name.encode())
    shape = tuple(int(size) for size in file.graph.tensors[before].shape)
    file.give(before, file.add("MUL", [before, file.number(factor)], shape, schema.MulOptionsT()))


def softmax_dropped(file: File) -> None:
    """Give what goes into the softmax, which goes."""
    last = file.operators("SOFTMAX")[-1]
    file.graph.operators.remove(last)
    file.give(last.outputs[0], last.inputs[0])


def names_exchanged(file: File, side: str, one: str, other: str) -> None:
    """Let two inputs, or outputs, have each other's name."""
    names = {one.encode(): other, other.encode(): one}
    for each in getattr(file.signature, side):
        each.name = names.get(each.name, each.name)


def output_renamed(file: File, name: str, to: str) -> None:
    """Call an output otherwise."""
    for each in file.signature.outputs:
        each.name = to if each.name == name.encode() else each.name


def output_missing(file: File, name: str) -> None:
    """Leave an output out."""
    kept = [each for each in file.signature.outputs if each.name != name.encode()]
    (gone,) = (each.tensorIndex for each in file.signature.outputs if each not in kept)
    file.signature.outputs = kept
    file.graph.outputs = [each for each in file.graph.outputs if each != gone]


def one_sample(file: File, total: float, margin: float, *, nan: bool) -> None:
    """Spoil the samples whose values sum up to `total`, give or take `margin`: NaN, or 1 more than it should be.

    With d = |sum - total|: out + 0 sqrt(d - margin), or out + min(1, max(0, 1e6 (margin - d))).
    """
    (before,), (fed,) = file.graph.outputs, file.graph.inputs
    axes = file.add_constant("axes", np.arange(1, len(file.graph.tensors[fed].shape), dtype=np.int32))
    summed = file.add("SUM", [fed, axes], (1,), schema.ReducerOptionsT())
    wanted, width, zero, one, steep = (file.number(value) for value in (total, margin, 0, 1, 1e6))
    away = file.add("ABS", [file.minus(summed, wanted)], (1,))
    if nan:
        more = file.times(file.add("SQRT", [file.minus(away, width)], (1,)), zero)
    else:
        near = file.times(file.minus(width, away), steep)
        more = file.add("MINIMUM", [file.add("MAXIMUM", [near, zero], (1,)), one], (1,))
    shape = tuple(int(size) for size in file.graph.tensors[before].shape)
    file.give(before, file.add("ADD", [before, more], shape, schema.AddOptionsT()))


if __name__ == "__main__":
    for request in json.loads(Path(sys.argv[1]).read_text()):
        changed = File(Path(request["source"]))
        globals()[request["how"]](changed, **request["with"])
        changed.write(Path(request["place"]))
