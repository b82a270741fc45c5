"""A set of samples as an option of a job: the declarations of its recipe, as JSON."""

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
    """The steps for all inputs, and those for single inputs by name, which override them."""

    common: StepsJson
    inputs: dict[str, StepsJson]


class ReaderJson(TypedDict):
    """A file of `toolkit/samples/readers`, and its own `Options`."""

    kind: str
    options: dict[str, Any]


class SamplingJson(TypedDict):
    """The number of samples to draw for each side, None if not declared, and how to draw: see `toolkit.samples.dataset_recipe.Sampling`."""

    calibration: int | None
    verification: int | None
    seed: int
    sequence: int | None


class SetJson(TypedDict):
    """A set: its name in messages, its folder if the reader needs one, and the declarations of its recipe."""

    name: str
    folder: str | None
    reader: ReaderJson
    preprocess: PreprocessJson
    sampling: SamplingJson
    constant: list[str]
