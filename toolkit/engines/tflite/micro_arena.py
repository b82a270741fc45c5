"""What TFLite Micro needs of an arena: one start and one call of a model in an arena of a size, and what the engine recorded of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TypedDict

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

    The inputs are the same each time; a size that the file leaves open is the one that it was made with. An arena that is
    too small may also end the process.
    """
    bound, content = micro.bind(model, signature), model.read_bytes()
    size = micro.roomy_bytes(content) if arena_bytes is None else arena_bytes
    try:
        interpreter = micro.start(content, size)
        held = {name: interpreter.get_input_details(place) for name, place in bound.inputs.items()}
        sample = {name: _values(np.dtype(each["dtype"]), tuple(each["shape"])) for name, each in held.items()}
        answers = micro.call_of(interpreter, bound)(sample)
    except RuntimeError as error:
        return {"arena_bytes": size, "said": str(error), "outputs": None, "recorded": {}}
    digest = hashlib.sha256(b"".join(answers[name].tobytes() for name in sorted(answers))).hexdigest()
    lines = "\n".join(micro.printed(interpreter.print_allocations))
    recorded = {name: int(count) for name, count in _RECORDED.findall(lines)}
    return {"arena_bytes": size, "said": None, "outputs": digest, "recorded": recorded}


def _values(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return an input: numbers of the whole range of small integers, normal ones in float, and zeros of wide integers, which may be ids."""
    random = np.random.default_rng(_SEED)
    if dtype.kind == "f":
        return random.normal(size=shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.zeros(shape, dtype)
