"""What TensorFlow Lite's Core ML delegate takes of a .tflite, estimated from the file: the delegate itself runs on Apple's systems only.

The rules are those of the delegate's sources, for Core ML 3, which is iOS 13 and later: tensorflow/lite/delegates/coreml/coreml_delegate.mm
(IsNodeSupportedByDelegate, kMinNodesPerCoreMlDelegate) and the `Is...Supported` functions below builders/ in that folder, as of TensorFlow 2.21. What
Core ML then does with an operator, on which of its processors and in which precision, no file tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.loaded import Delegated
from toolkit.engines.tflite.arithmetic import by_operator
from toolkit.engines.tflite.packed import PackedModel, operators_in, tensors_in
from toolkit.wire.request import Request

_FEWEST = 2  # operators of a part that is handed over
_LARGEST_KERNEL = 16384
_SIGN_BIT, _NO_ACTIVATION = 5, 0  # tflite/schema/schema.fbs: ActivationFunctionType
_REFLECT = 0  # MirrorPadMode
_NEWEST = {"DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 6}  # versions; of all others 1
_REAL = ("float32", "float16")
_OF_CHANNELS = {3: 2, 4: 3}  # the last axis, by the number of axes


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor; `values` are a constant's raw bytes, None for one that is computed. A float16 constant counts as one behind its DEQUANTIZE too."""

    dtype: str
    shape: tuple[int, ...]
    values: np.ndarray | None

    @property
    def is_constant(self) -> bool:
        return self.values is not None

    def whole_numbers(self) -> list[int]:
        """Return the values of an int32 constant; [] for any other tensor."""
        return [] if self.values is None or self.dtype != "int32" else self.values.view("<i4").tolist()


@dataclass(frozen=True, slots=True)
class _Node:
    """An operator; `options` are the schema's table of its own options, None for none. `reads` and `gives` are numbers of tensors."""

    name: str
    version: int
    inputs: tuple[_Tensor | None, ...]
    options: Any
    reads: tuple[int, ...]
    gives: tuple[int, ...]

    def input(self, place: int) -> _Tensor | None:
        return self.inputs[place] if place < len(self.inputs) else None


def estimate(request: Request) -> Delegated:
    """Return what the delegate takes of the main graph of inputs["model"], by its rules; nothing is run."""
    return estimated(request.inputs["model"])


def estimated(path: Path) -> Delegated:
    """Return what the delegate takes of the main graph of a .tflite. `left` has the reason for each operator that stays on the CPU.

    An operator that only widens float16 constants is none: the delegate takes the constants as they are.
    """
    model = PackedModel.read(path.read_bytes())
    counts = [count for _, count in by_operator(path)[0]]
    nodes = _nodes(model)
    reasons = {place: _refusal(node) for place, node in nodes.items()}
    for part in _parts(nodes, reasons):
        if len(part) < _FEWEST:
            reasons |= dict.fromkeys(
                part, f"alone between operators of the CPU, and fewer than {_FEWEST} are not handed over"
            )
    taken = [place for place, reason in reasons.items() if reason is None]
    return {
        "operators": (len(taken), len(nodes)),
        "multiply_accumulates": (sum(counts[place] for place in taken), sum(counts[place] for place in nodes)),
        "left": [f"{nodes[place].name}: {reason}" for place, reason in reasons.items() if reason is not None],
    }


def _nodes(model: PackedModel) -> dict[int, _Node]:
    """Return the main graph's operators by their places, without those that widen float16 constants."""
    graph = model.graphs[0]
    tensors = [_tensor(model, tensor) for tensor in tensors_in(graph)]
    nodes: dict[int, _Node] = {}
    for place, operator in enumerate(operators_in(graph)):
        name = model.operator(operator)
        reads = tuple(int(operator.Inputs(index)) for index in range(operator.InputsLength()))
        gives = tuple(int(operator.Outputs(index)) for index in range(operator.OutputsLength()))
        first = tensors[reads[0]] if reads and reads[0] >= 0 else None
        if name == "DEQUANTIZE" and first is not None and first.is_constant and first.dtype == "float16":
            tensors[gives[0]] = first
            continue
        version = model.root.OperatorCodes(operator.OpcodeIndex()).Version()
        inputs = tuple(tensors[number] if number >= 0 else None for number in reads)
        computed = tuple(number for number in reads if number >= 0 and not tensors[number].is_constant)
        nodes[place] = _Node(name, version, inputs, _options(model, operator, name), computed, gives)
    return nodes


def _tensor(model: PackedModel, tensor: Any) -> _Tensor:
    shape = tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))
    return _Tensor(model.dtype(tensor), shape, _values(model, tensor))


def _values(model: PackedModel, tensor: Any) -> np.ndarray | None:
    """Return a constant's bytes; an empty array for those that lie behind the tables, as no small constant of a rule does; None for no constant."""
    buffer = model.root.Buffers(tensor.Buffer())
    if model.size_bytes(tensor) == 0:
        return None
    return np.asarray(buffer.DataAsNumpy(), np.uint8) if buffer.DataLength() else np.zeros(0, np.uint8)


def _options(model: PackedModel, operator: Any, name: str) -> Any:
    """Return the table of an operator's options, of the class that the schema names by the operator."""
    table, wanted = operator.BuiltinOptions(), _OPTIONS.get(name)
    if table is None or wanted is None:
        return None
    options = getattr(model.schema, wanted)()
    options.Init(table.Bytes, table.Pos)
    return options


def _parts(nodes: dict[int, _Node], reasons: dict[int, str | None]) -> list[list[int]]:
    """Return the operators that are handed over, by the parts in which they are: as many as can run, in turn on the delegate and on the CPU.

    As tensorflow/lite/graph_info.cc does it (PartitionGraphIntoIndependentNodeSubsets).
    """
    made = {number for node in nodes.values() for number in node.gives}
    ready = {number for node in nodes.values() for number in node.reads} - made
    left, parts, on_delegate, idle = dict(nodes), list[list[int]](), False, 0
    while left and idle < 2:
        part: list[int] = []
        for place, node in list(left.items()):
            if (reasons[place] is None) is on_delegate and ready.issuperset(node.reads):
                part.append(place)
                ready.update(node.gives)
                del left[place]
        idle = 0 if part else idle + 1
        if on_delegate and part:
            parts.append(part)
        on_delegate = not on_delegate
    return parts


def _refusal(node: _Node) -> str | None:
    """Return why the delegate does not take an operator; None for one that it takes."""
    rule = _RULES.get(node.name)
    if rule is None:
        return "no such operator in the delegate"
    if node.version > _NEWEST.get(node.name, 1):
        return f"version {node.version}; the delegate takes {_NEWEST.get(node.name, 1)} at most"
    first = node.input(2 if node.name == "TRANSPOSE_CONV" else 0)
    if first is None or first.dtype != "float32":
        return f"its input is {first.dtype if first else 'missing'}; the delegate takes float32"
    return rule(node)


def _always(_: _Node) -> None:
    return None


def _of_two(node: _Node) -> str | None:
    one, other = node.input(0), node.input(1)
    if one is None or other is None:
        return "takes two tensors"
    if not all(each.dtype == "float32" or (each.dtype == "float16" and each.is_constant) for each in (one, other)):
        return f"takes {one.dtype} and {other.dtype}"
    return None if _broadcast(one, other) else f"shapes {list(one.shape)} and {list(other.shape)}"


def _broadcast(one: _Tensor, other: _Tensor) -> bool:
    if max(len(one.shape), len(other.shape)) > max(_OF_CHANNELS):
        return False
    a, b = ((1,) * (4 - len(each.shape)) + each.shape for each in (one, other))
    single = any(each.is_constant and math.prod(each.shape) == 1 for each in (one, other))
    planes = a[1:3] == b[1:3] or (1, 1) in (a[1:3], b[1:3])
    return (a[0] == b[0] or single) and planes and (a[3] == b[3] or 1 in (a[3], b[3]))


def _pooling(node: _Node) -> str | None:
    return None if _activation(node) == _NO_ACTIVATION else "has a fused activation"


def _concatenation(node: _Node) -> str | None:
    first = node.input(0)
    last = _OF_CHANNELS.get(len(first.shape)) if first is not None else None
    along = node.options is not None and last is not None and node.options.Axis() in (last, -1)
    if len(node.inputs) < 2 or _activation(node) != _NO_ACTIVATION or not along:
        return "joins by channels only, of 3 or 4 axes"
    return None


def _convolution(node: _Node) -> str | None:
    weights = node.input(1)
    if weights is None or not weights.is_constant or len(weights.shape) != 4:
        return "weights are not constant, or have not 4 axes"
    if max(weights.shape[1:3]) > _LARGEST_KERNEL:
        return "its kernel is too large"
    if node.name == "TRANSPOSE_CONV":
        size = node.input(0)
        return None if size is not None and size.is_constant else "the size of its output is not constant"
    bias = node.input(2)
    if bias is None or not bias.is_constant:
        return "has no constant bias"
    return "activation SIGN_BIT" if _activation(node) == _SIGN_BIT else None


def _fully_connected(node: _Node) -> str | None:
    given, weights, bias = node.input(0), node.input(1), node.input(2)
    if weights is None or not weights.is_constant or weights.dtype not in _REAL:
        return "weights are not constant numbers in float"
    if bias is not None and not (bias.is_constant and bias.dtype in _REAL):
        return "its bias is not constant numbers in float"
    if node.options is None or node.options.WeightsFormat() != 0 or _activation(node) == _SIGN_BIT:
        return "weights are shuffled, or activation SIGN_BIT"
    if given is None or not given.shape or given.shape[-1] != math.prod(given.shape):
        return "takes more than one row"
    return None


def _mean(node: _Node) -> str | None:
    given, axes = node.input(0), node.input(1)
    if given is None or len(given.shape) != 4 or axes is None:
        return "not of 4 axes"
    if node.options is None or not node.options.KeepDims():
        return "does not keep the axes"
    found = axes.whole_numbers()
    return None if found and {axis % 4 for axis in found} <= {1, 2} else "not over height and width"


def _padding(node: _Node) -> str | None:
    amounts = node.input(1)
    if amounts is None or not amounts.is_constant or amounts.shape != (4, 2):
        return "not of 4 axes, or by amounts that are not constant"
    found = amounts.whole_numbers()
    return None if len(found) == 8 and not any((*found[:2], *found[6:])) else "pads the batch or channels"


def _mirror(node: _Node) -> str | None:
    if node.options is None or node.options.Mode() != _REFLECT:
        return "other mode than REFLECT"
    return _padding(node)


def _resize(node: _Node) -> str | None:
    size = node.input(1)
    return None if size is not None and size.is_constant else "its size is not constant"


def _softmax(node: _Node) -> str | None:
    return None if node.options is not None and node.options.Beta() == 1.0 else "beta is not 1"


def _reshape(_: _Node) -> str | None:
    return "not with Core ML 3"


def _activation(node: _Node) -> int:
    return _SIGN_BIT if node.options is None else int(node.options.FusedActivationFunction())


_RULES: dict[str, Callable[[_Node], str | None]] = {
    **dict.fromkeys(("HARD_SWISH", "LOGISTIC", "RELU", "RELU_N1_TO_1", "RELU6", "TANH"), _always),
    **dict.fromkeys(("ADD", "MUL"), _of_two),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pooling),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"), _convolution),
    **dict.fromkeys(("PAD", "PADV2"), _padding),
    "CONCATENATION": _concatenation,
    "FULLY_CONNECTED": _fully_connected,
    "MEAN": _mean,
    "MIRROR_PAD": _mirror,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "SOFTMAX": _softmax,
}  # fmt: skip
_OPTIONS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), "Pool2DOptions"),
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MEAN": "ReducerOptions",
    "MIRROR_PAD": "MirrorPadOptions",
    "SOFTMAX": "SoftmaxOptions",
}
