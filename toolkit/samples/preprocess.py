"""Prepare one input of one sample by the recipe's steps, and check it against the model. A misfit is refused and never changed to fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.samples.normalization import FORMULA, PRESETS
from toolkit.samples.readers.images import arrange
from toolkit.samples.requested_set import StepsJson

_IMAGE_AXES = 3  # height, width, channels


def prepared(values: np.ndarray, steps: StepsJson, where: str) -> np.ndarray:
    """Return the values after the declared steps; their order is that of `toolkit.samples.dataset_recipe.Steps`."""
    try:
        if "size" in steps or "color" in steps:
            values = arrange(values, steps)
        if "preset" in steps:
            _require_8_bits(values, steps["preset"])
        if "dtype" in steps:
            values = _exactly(values, np.dtype(steps["dtype"]))
        if any(step in steps for step in ("scale", "mean", "std")):
            values = _scaled(values, steps)
        if steps.get("layout") == "nchw":
            values = np.moveaxis(values, -1, -3)
        return values.reshape(steps["shape"]) if "shape" in steps else values
    except ValueError as error:  # numpy raises it too, for a missing axis or a shape of another size
        raise InvalidSamples(f"{where}: [preprocess]: {error}") from error


def _require_8_bits(values: np.ndarray, preset: str) -> None:
    """Raise ValueError for values that are not 8-bit images: a preset would normalize them twice, or by a wrong range."""
    if values.dtype != np.uint8:
        problem = f'preset = "{preset}" is for 8-bit images, 0..255 as uint8, not for {values.dtype}'
        raise ValueError(f"{problem}; declare scale, mean and std: {FORMULA}")


def _exactly(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the values in a dtype; ValueError if whole numbers or truth values do not fit."""
    with np.errstate(over="ignore", invalid="ignore"):  # a check below finds these, or a later one finds infinity
        converted = values.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, values):
        raise ValueError(f"{values[converted != values].ravel()[0]} is not {dtype}; dtype does not round")
    return converted


def _scaled(values: np.ndarray, steps: StepsJson) -> np.ndarray:
    """Return (values * scale - mean) / std in the values' own dtype."""
    if values.dtype.kind != "f":
        raise ValueError(f'scale, mean and std need real numbers, not {values.dtype}; declare dtype = "float32" too')
    declared = {"mean": steps.get("mean"), "std": steps.get("std")}
    for step, numbers in declared.items():
        if numbers is not None and len(numbers) > 1 and values.shape[-1:] != (len(numbers),):
            raise ValueError(
                f"{step} has {len(numbers)} numbers, but the shape is {values.shape}; one number, or one each"
            )
    scaled = np.array(values)
    with np.errstate(over="ignore", invalid="ignore"):  # a later check finds infinity and NaN
        if "scale" in steps:
            scaled *= values.dtype.type(steps["scale"])
        for step, change in (("mean", np.subtract), ("std", np.divide)):
            numbers = declared[step]
            if numbers is not None:
                of_each = np.array(numbers, values.dtype)
                change(scaled, of_each if len(of_each) > 1 else of_each[0], out=scaled)
    return scaled


def of_dtype(values: np.ndarray, dtype: str, where: str, integers: str | None = None) -> np.ndarray:
    """Return the values in the model's dtype; InvalidSamples if that would lose more than digits of real numbers.

    Real numbers become real numbers of any width. Whole numbers become whole numbers of a dtype that holds them; they never become real, because
    0..255 may mean 0..1, or not. A quantized input takes real numbers, which are quantized later, or its own dtype, `integers`.
    """
    have, wanted = values.dtype, np.dtype(dtype)
    if have == wanted or have.name == integers:
        return values
    if have.kind in "iu" and integers is not None:
        raise InvalidSamples(
            f"{where} is {have}, the artifact takes {integers}, or real numbers, which are quantized for it",
            f'declare dtype = "{integers}" under [preprocess] if these are its integers, "{wanted}" (and a scale) if they are real values',
        )
    if have.kind in "iu" and wanted.kind == "f":
        raise InvalidSamples(f"{where} is {have}, the model takes {wanted}", _real_hint(have, wanted))
    both_real = have.kind == wanted.kind == "f"
    if not both_real and not (have.kind in "iu" and (have.kind == wanted.kind or np.can_cast(have, wanted))):
        raise InvalidSamples(
            f"{where} is {have}, the model takes {wanted}", f'declare it in a recipe: [preprocess] dtype = "{wanted}"'
        )
    try:
        return _exactly(values, wanted)
    except ValueError as error:
        raise InvalidSamples(f"{where} is {have}, the model takes {wanted}: {error}") from error


def _real_hint(have: np.dtype[Any], wanted: np.dtype[Any]) -> str:
    """Return the hint how to declare the meaning of whole numbers: only the model's author knows its training."""
    presets = ", ".join(f'"{name}" ({preset.gives})' for name, preset in PRESETS.items())
    of_images = f"preset = {presets}, whichever the model was trained with; or " if have == np.uint8 else ""
    return (
        f'declare it in a recipe: [preprocess] {of_images}dtype = "{wanted}", and the scale, mean and std that the model was trained with: '
        f"{FORMULA} (scale = 1.0 leaves them as they are)"
    )


def of_shape(array: np.ndarray, wanted: list[int | None] | None, where: str) -> np.ndarray:
    """Return the array for one call: the sample itself, or the sample with a batch axis of 1 before it."""
    if wanted is None:
        return array
    batched = array[np.newaxis] if array.ndim == len(wanted) - 1 else array
    if batched.ndim == len(wanted) and all(
        size in (None, have) for size, have in zip(wanted, batched.shape, strict=True)
    ):
        return batched
    one = wanted[1:] if wanted and wanted[0] in (1, None) else wanted
    shown = "(" + ", ".join("any" if size is None else str(size) for size in one) + ("," if len(one) == 1 else "") + ")"
    raise InvalidSamples(
        f"{where} has shape {array.shape}, a sample of the model has {shown}", _shape_hint(array.shape, one)
    )


def _shape_hint(have: tuple[int, ...], wanted: list[int | None]) -> str:
    if math.prod(have) == math.prod(size or 0 for size in wanted):
        turned = len(have) == _IMAGE_AXES and [have[-1], *have[:-1]] == wanted
        return (
            'declare layout = "nchw" under [preprocess]' if turned else f"declare shape = {wanted} under [preprocess]"
        )
    if len(have) == len(wanted) == _IMAGE_AXES and None not in wanted:
        steps = [f"size = {wanted[:-1]}"] if [*have[:-1]] != wanted[:-1] else []
        steps += ['color = "gray"'] if (have[-1], wanted[-1]) == (3, 1) else []
        steps += ['color = "rgb"'] if (have[-1], wanted[-1]) == (1, 3) else []
        if steps:
            return f"if these are images, declare {' and '.join(steps)} under [preprocess]"
    return "the first axis of an array counts the samples; a sample itself has no batch axis, or one of 1"
