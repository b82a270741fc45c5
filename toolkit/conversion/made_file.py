"""What a converter or a quantizer says of the file that it made, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict


class MadeFile(TypedDict):
    """What a file really holds: `keeps` is the scheme that it keeps, which may be another than the one asked for.

    `operators` are {name, version, count}; `tensors` counts them by dtype, and `weights_bytes` is by dtype.
    """

    file: str
    size_bytes: int
    sha256: str
    signature: dict[str, Any]
    operators: list[dict[str, Any]]
    tensors: dict[str, int]
    weights_bytes: dict[str, int]
    keeps: str
    findings: list[dict[str, Any]]


class FloatFile(MadeFile):
    """A float artifact: the multiplications of one call besides, and the JSON of what each output ends with, by its name."""

    multiply_accumulates: int
    endings: dict[str, Any]


class RangesResult(TypedDict):
    """How many tensors have a range in out/ranges.json."""

    tensors: int
