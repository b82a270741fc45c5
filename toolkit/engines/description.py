"""What a file of a model holds, as JSON: the description that readers of all formats give."""

from __future__ import annotations

from typing import Any, TypedDict

from toolkit.tensors.signature import SignatureJson


class OperatorCount(TypedDict):
    """An operator by name and version, and how many of it the file has; in ONNX, `version` is the opset of its domain."""

    name: str
    version: int
    count: int


class OrderedSignature(SignatureJson):
    """A signature sorted by name, and the names of its tensors in the file's own order: {"inputs": [...], "outputs": [...]}."""

    order: dict[str, list[str]]


class _Described(TypedDict):
    signatures: list[OrderedSignature]
    operators: list[OperatorCount]
    tensors: dict[str, int]
    weights_bytes: dict[str, int]
    findings: list[dict[str, Any]]


class Description(_Described, total=False):
    """A file: its signatures, operators, count of tensors and bytes of weights by dtype, and findings.

    Of ONNX also its `scheme`; where it was asked for, the dtypes of its `activations` and the `endings` of its outputs.
    """

    scheme: str
    activations: list[str]
    endings: dict[str, dict[str, Any]]
