"""How often a file has an operator, as its description lists it."""

from __future__ import annotations

from typing import TypedDict


class OperatorCount(TypedDict):
    """An operator by name and version, and how many of it the file has; of ONNX, `version` is the opset of its domain."""

    name: str
    version: int
    count: int
