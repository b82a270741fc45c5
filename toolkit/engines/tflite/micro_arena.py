"""What TFLite Micro needs of an arena: one start and one call of a model in an arena of a size, and what the engine recorded of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit.engines.tflite import micro

_RECORDED = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_SEED = 20


class ArenaProbe(TypedDict):
    """Whether a model ran in an arena of `arena_bytes`; `said` is what the engine said if not, `outputs` the SHA-256 of what it answered if so.

    `recorded` is the engine's own account, in bytes: the total, the head (tensors of a call, scratch buffers) and the tail (what stays).
    """

    arena_bytes: int
    said: str | None
    outputs: str | None
    recorded: dict[str, int]


def probe(model: Path, signature: str | None, arena_bytes: int | None) -> ArenaProbe:
    """Return what came of one call in an arena of so many bytes; None for one that is large enough for any purpose.

    The inputs are the same each time. An arena that is too small may also end the process.
    """
    bound, content = micro.bind(model, signature), model.read_bytes()
    size = micro.roomy_bytes(content) if arena_bytes is None else arena_bytes
    sample = {spec["name"]: _values(spec) for spec in bound.signature["inputs"]}
    try:
        interpreter = micro.start(content, size)
        answers = micro.call_of(interpreter, bound)(sample)
    except RuntimeError as error:
        return {"arena_bytes": size, "said": str(error), "outputs": None, "recorded": {}}
    digest = hashlib.sha256(b"".join(answers[name].tobytes() for name in sorted(answers))).hexdigest()
    lines = "\n".join(micro.printed(interpreter.print_allocations))
    recorded = {name: int(count) for name, count in _RECORDED.findall(lines)}
    return {"arena_bytes": size, "said": None, "outputs": digest, "recorded": recorded}


def _values(spec: Mapping[str, Any]) -> np.ndarray:
    """Return an input of a spec: numbers of the whole range of small integers, normal ones in float, and zeros of wide integers, which may be ids."""
    random, dtype, shape = np.random.default_rng(_SEED), np.dtype(spec["dtype"]), tuple(spec["shape"])
    if dtype.kind == "f":
        return random.normal(size=shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.zeros(shape, dtype)
