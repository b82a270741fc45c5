"""What a file of a model holds, as JSON: the description that readers of all formats give."""

from __future__ import annotations

from typing import Any, TypedDict

from toolkit.tensors.signature import OrderedSignature


class OperatorCount(TypedDict):
    """An operator by name and version, and how many of it the file has; in ONNX, `version` is the opset of its domain."""

    name: str
    version: int
    count: int


class OperatorUse(TypedDict):
    """How a file uses an operator: in which version, and with which types of tensors.

    `version` is the operator's own: in ONNX the opset in which it was last changed, for the opset of the file. `takes` and `gives` are dtypes; a
    tensor with a scale for each channel is "int8 per-channel", an optional one that is left out "none", and one whose dtype the file does not tell
    "unknown". `graph` and `index` are the place of the first such operator, and `count` is how many there are.
    """

    name: str
    version: int
    takes: list[str]
    gives: list[str]
    graph: int
    index: int
    count: int


class _Described(TypedDict):
    signatures: list[OrderedSignature]
    operators: list[OperatorCount]
    uses: list[OperatorUse]
    tensors: dict[str, int]
    weights_bytes: dict[str, int]
    findings: list[dict[str, Any]]


class Description(_Described, total=False):
    """A file: its signatures, operators and their uses, count of tensors and bytes of weights by dtype, and findings.

    Of TFLite also `arena_bytes`, an estimate of what its computed tensors take at once, and `softmax_step`, the least product of beta and scale of
    its integer softmaxes, None without any.
    Of ONNX also its `scheme`; where it was asked for, the dtypes of its `activations` and the `endings` of its outputs.
    """

    arena_bytes: int
    softmax_step: float | None
    scheme: str
    activations: list[str]
    endings: dict[str, dict[str, Any]]
