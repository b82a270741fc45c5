"""A set of samples as a job is asked for it: what its recipe declares, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict


class StepsJson(TypedDict, total=False):
    """The declared steps of one input: see `toolkit.samples.dataset_recipe.Steps`."""

    size: list[int]
    resize: str
    crop: str
    color: str
    dtype: str
    preset: str
    scale: float
    mean: list[float]
    std: list[float]
    layout: str
    shape: list[int]


class PreprocessJson(TypedDict):
    """The steps for all inputs, and those for single ones by the input's name, which go before them."""

    common: StepsJson
    inputs: dict[str, StepsJson]


class ReaderJson(TypedDict):
    """A file of `toolkit/samples/readers`, and its own `Options`."""

    kind: str
    options: dict[str, Any]


class SamplingJson(TypedDict):
    """How many samples to draw for each side, None where the recipe does not say, and how: see `toolkit.samples.dataset_recipe.Sampling`."""

    calibration: int | None
    verification: int | None
    seed: int
    sequence: int | None


class SetJson(TypedDict):
    """A set: what messages call it, its folder where the reader needs one, and what its recipe declares."""

    name: str
    folder: str | None
    reader: ReaderJson
    preprocess: PreprocessJson
    sampling: SamplingJson
    constant: list[str]
