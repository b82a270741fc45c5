"""The scheme of a file by its dtypes, which may differ from the one that was asked for."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable

_STORED_AS = {"int8": ("int8", "uint8"), "int4": ("int4", "uint4"), "int16": ("int16", "uint16")}


def scheme_of(weights: Collection[str], activations: Collection[str], operators: Iterable[str]) -> str:
    """Return the scheme of a file, by the dtypes of its weights and of its operators' outputs."""
    for bits in ("int4", "int8"):
        if bits in weights:
            short = f"wi{bits[-1]}"
            integers = next((dtype for dtype in ("int16", "int8") if dtype in activations), None)
            if integers is not None:
                return f"static_{short}_ai{integers[3:]}"
            kept = any(name.startswith("DEQUANTIZE") for name in operators)
            return f"weight_only_{short}" if kept else f"dynamic_{short}_afp32"
    # Tables have the dtype of the activations that they become. A file with no other weights has no integer weight of its own.
    for bits in ("16", "8"):
        if f"int{bits}" in activations:
            return f"static_wi8_ai{bits}"
    return "float16" if "float16" in weights else "float32"


def kept_scheme(asked: str, weights: Collection[str], activations: Collection[str], operators: Iterable[str]) -> str:
    """Return the scheme that a file really has, after it was made with the scheme `asked`.

    It is `asked` if some activation has its integers, or, for a scheme that does not quantize activations, if some weight has its dtype.
    """
    made_by = importlib.import_module(f"toolkit.conversion.schemes.{asked}")
    wanted, there = (
        (made_by.WEIGHTS, weights) if made_by.ACTIVATIONS == "float32" else (made_by.ACTIVATIONS, activations)
    )
    if not set(_STORED_AS.get(wanted, (wanted,))).isdisjoint(there):
        return asked
    return scheme_of(weights, activations, operators)


def what_came_out(asked: str, kept: str, lacking: str) -> str:
    """Return the text about a file with another scheme than asked for; or, with the same scheme, about one whose weights kept their dtype."""
    if asked == kept:
        return f"{lacking}: the file is as large as it was"
    return f"{lacking}: it is {kept}, not {asked}"
