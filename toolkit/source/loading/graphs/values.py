"""The values of `--bind`: from text to an array of the placeholder's dtype."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from toolkit import printable
from toolkit.errors import RequestError

_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def bound_value(path: object, name: str, text: str, dtype: Any, shape: list[int | None] | None) -> np.ndarray:
    """Return the value as an array of a tf.DType, repeated to the placeholder's shape if that is known; RequestError where it does not fit."""
    wanted = dtype.as_numpy_dtype
    try:
        held = _parsed(text, wanted)
        array = np.array(held, wanted) if wanted is not object else np.array(held, object)
    except (ValueError, OverflowError, TypeError) as error:
        raise RequestError(
            f"{path}: --bind {name}={text}: {name!r} is {dtype.name}, and {text!r} is not {dtype.name}; expected {_right(name, dtype.name)}"
        ) from error
    if shape is None or _fits(list(array.shape), shape):
        return array
    if array.shape or None in shape:
        raise RequestError(
            f"{path}: --bind {name}={text}: {name!r} has the shape {shape}, the value {list(array.shape)}"
        )
    return np.full([size for size in shape if size is not None], array)


def _fits(found: list[int], shape: list[int | None]) -> bool:
    return len(found) == len(shape) and all(size in (None, there) for size, there in zip(shape, found, strict=True))


def _parsed(text: str, wanted: Any) -> Any:
    if wanted is object:
        return text.encode()
    held = json.loads(text.lower()) if text.startswith("[") else text
    return _each(held, wanted)


def _each(held: Any, wanted: Any) -> Any:
    if isinstance(held, list):
        return [_each(one, wanted) for one in held]
    text = str(held).strip().lower()
    if np.dtype(wanted).kind == "b":
        if text not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text]
    if np.dtype(wanted).kind in "iu":
        return wanted(int(text))
    return float(text)


def _right(name: str, dtype: str) -> str:
    example = "false" if dtype == "bool" else "text" if dtype == "string" else "0" if "int" in dtype else "1.0"
    return printable.command(["--bind", f"{name}={example}"])
