"""What a recipe file `calibration/NAME.toml` may declare about a set of samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticKnownError

from toolkit import config, registry
from toolkit.comparison import task_metrics
from toolkit.comparison.output_kinds import KindName
from toolkit.errors import EdgeToolkitError, suggestion
from toolkit.samples.normalization import FORMULA, PRESETS
from toolkit.samples.requested_set import StepsJson

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Divisor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_OneOrMore = BeforeValidator(lambda value: (value,) if isinstance(value, int | float) else value)
_Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
]


Valid = TypeVar("Valid")


class Steps(config.ConfigModel):
    """Steps for one input, in this order: color, crop, size; dtype; (x * scale - mean) / std; layout; shape.

    `preset` stands for dtype = "float32" and the scale, mean and std of a usual normalization of 8-bit images
    (`toolkit.samples.normalization`). `size` is (height, width) in pixels, of 8-bit images; without `crop` the image is stretched
    to it. `mean` and `std` have one number for all, or one for each place of the last axis, the channels; layout "nchw"
    then puts these first. `shape` is that of one sample, without batch axis.
    """

    size: tuple[_Count, _Count] | None = None
    resize: Literal["bilinear", "nearest", "bicubic", "lanczos", "box", "hamming"] | None = None
    crop: Literal["center"] | None = None
    color: Literal["rgb", "bgr", "gray"] | None = None
    dtype: _Dtype | None = None
    preset: Literal["0..1", "-1..1", "imagenet"] | None = None
    scale: _Number | None = None
    mean: Annotated[tuple[_Number, ...], _OneOrMore, Field(min_length=1)] | None = None
    std: Annotated[tuple[_Divisor, ...], _OneOrMore, Field(min_length=1)] | None = None
    layout: Literal["nhwc", "nchw"] | None = None
    shape: tuple[_Count, ...] | None = None

    @model_validator(mode="after")
    def _can_be_done(self) -> Steps:
        if self.size is None and (self.crop or self.resize):
            raise ValueError("crop and resize need size = [height, width], which is missing")
        real = self.dtype is None or self.dtype.startswith("float")
        if not real and (self.preset or self.has_numbers):
            raise ValueError(f'{FORMULA} gives real numbers, {self.dtype} holds none; expected dtype = "float32"')
        if self.preset and self.has_numbers:
            raise ValueError(f'preset = "{self.preset}" says scale, mean and std; expected either the preset or these')
        if self.preset == "imagenet" and self.color == "bgr":
            raise ValueError(
                'preset = "imagenet" is of red, green and blue; with color = "bgr", give scale, mean and std'
            )
        return self

    @property
    def has_numbers(self) -> bool:
        """Whether any number of the normalization is declared without a preset."""
        return any(value is not None for value in (self.scale, self.mean, self.std))

    def declared(self) -> StepsJson:
        """Return the declared steps as JSON, with the steps of a preset beside it."""
        said = cast(StepsJson, self.model_dump(mode="json", exclude_none=True, include=set(Steps.model_fields)))
        return said if self.preset is None else {"dtype": "float32", **said, **PRESETS[self.preset].steps()}


def _steps_of_an_input(value: object, validate: Callable[[object], Steps]) -> Steps:
    if not isinstance(value, Mapping):  # a misspelt step, rather than an input of the model
        raise PydanticKnownError("extra_forbidden")
    return _in_own_words(value, validate, Steps.model_fields)


class Preprocess(Steps):
    """Steps for all inputs, and tables of steps for single ones, by the model's name for them, that go before those."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Steps, WrapValidator(_steps_of_an_input)]]

    @model_validator(mode="after")
    def _normalizes_once(self) -> Preprocess:
        mixed = [
            name for name, steps in (self.__pydantic_extra__ or {}).items() if steps.has_numbers and not steps.preset
        ]
        if self.preset and mixed:
            raise ValueError(
                f'{", ".join(mixed)}: scale, mean or std beside preset = "{self.preset}" for all inputs; '
                "expected a preset for each input, or none"
            )
        return self

    def by_input(self) -> dict[str, StepsJson]:
        """Return the steps declared for single inputs, as JSON."""
        return {name: steps.declared() for name, steps in (self.__pydantic_extra__ or {}).items()}


class ReaderChoice(config.ConfigModel):
    """Which file of toolkit/samples/readers reads the set, and that reader's own options."""

    model_config = ConfigDict(extra="allow")
    kind: Annotated[str, config.plugin("samples/readers")]

    @model_validator(mode="after")
    def _fits_the_kind(self) -> ReaderChoice:
        self.options()
        return self

    def options(self) -> Any:
        """Return the reader's own `Options`; ValidationError if they do not fit."""
        kind = registry.load("samples/readers", self.kind).Options
        return _in_own_words(
            self.model_extra, TypeAdapter(kind).validate_python, [field.name for field in dataclasses.fields(kind)]
        )


class Sampling(config.ConfigModel):
    """How many samples to draw, and the seed; a seed draws the same samples on every machine.

    `sequence` is how many consecutive samples belong together, for models that keep state between calls.
    """

    calibration: _Count | None = None
    verification: _Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    sequence: _Count | None = None

    @model_validator(mode="after")
    def _whole_sequences(self) -> Sampling:
        for name, count in (("calibration", self.calibration), ("verification", self.verification)):
            if count is not None and self.sequence is not None and count % self.sequence:
                nearest = max(round(count / self.sequence), 1) * self.sequence
                raise ValueError(
                    f"{name} = {count} samples do not make whole sequences of {self.sequence}; {nearest} do"
                )
        return self


def _task_metric(text: str) -> str:
    try:
        return task_metrics.canonical(text)
    except EdgeToolkitError as error:
        raise ValueError(error.problem) from None


class DatasetRecipe(config.ConfigModel):
    """A file `calibration/NAME.toml`; `constant` names inputs that are meant never to change (a mask, a switch).

    `task_metrics` score outputs against the labels: files of toolkit/comparison/task_metrics, or functions of your own. `output_kinds` says by name
    what the model's outputs are, where this set judges.
    """

    about: str = ""
    reader: ReaderChoice
    preprocess: Preprocess = Preprocess.model_validate({})
    sampling: Sampling = Sampling()
    constant: tuple[str, ...] = ()
    task_metrics: tuple[Annotated[str, AfterValidator(_task_metric)], ...] = ()
    output_kinds: dict[str, KindName] = Field(default_factory=dict)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe file, for editors."""
    return DatasetRecipe.model_json_schema()


def _in_own_words(value: object, validate: Callable[[object], Valid], known: Iterable[str]) -> Valid:
    """Validate values that `toolkit.config` does not look into; errors name the expected names or choices."""
    try:
        return validate(value)
    except ValidationError as error:
        details = [_reworded(detail, known) for detail in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(error.title, details) from None


def _reworded(detail: ErrorDetails, known: Iterable[str]) -> InitErrorDetails:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        kind, context = (
            "value_error",
            {"error": ValueError(f"unknown key; {suggestion(str(detail['loc'][-1]), known)}")},
        )
    elif kind == "literal_error":
        kind, context = "value_error", {"error": ValueError(f"{detail['input']!r}; expected {context['expected']}")}
    return InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=context)
