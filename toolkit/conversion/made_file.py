"""The description of a file by the converter or quantizer that made it, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict

from toolkit.engines.description import OperatorUse

NOT_SMALLER = "not-smaller"
"""The code of the finding that weights were quantized, and the file is as large as the float artifact."""


class MadeFile(TypedDict):
    """The real content of a file: `keeps` is the scheme that it keeps, which may differ from the requested one.

    `operators` are {name, version, count}, `uses` is how the file uses them; `tensors` counts them by dtype, and `weights_bytes` is by dtype.
    """

    file: str
    size_bytes: int
    sha256: str
    signature: dict[str, Any]
    operators: list[dict[str, Any]]
    uses: list[OperatorUse]
    tensors: dict[str, int]
    weights_bytes: dict[str, int]
    keeps: str
    findings: list[dict[str, Any]]


class FloatFile(MadeFile):
    """A float artifact: also the multiplications of one call, and the JSON about the end of each output, by its name."""

    multiply_accumulates: int
    endings: dict[str, Any]


class RangesResult(TypedDict):
    """The number of tensors that have a range in out/ranges.json."""

    tensors: int
