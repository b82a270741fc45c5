"""Calibration and evaluation sets: what a recipe declares, and the job that draws samples from it.

    recipe("calibration/digits.toml")   recipe("photos/")   recipe("package.module:function")      -> Recipe
    samples_job("calibration/digits.toml", None, signature)                                        -> Job

Nothing is read here: that is a worker's (`toolkit.samples.draw`), with a file of `toolkit/samples/readers` for each kind of
data. Only whether the files are there is looked at, so that a misspelt path costs no time. A count that a recipe
declares is met or refused; where it declares none, up to 200 samples calibrate, but no more than half of what there is,
and up to 500 others verify.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

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
from pydantic_core import InitErrorDetails, PydanticKnownError

from toolkit import config, printable, registry
from toolkit.comparison import task_metrics
from toolkit.comparison.output_kinds import KindName
from toolkit.errors import EdgeToolkitError, NoSamples, RequestError, suggestion
from toolkit.files.foreign import require_reachable
from toolkit.jobs.job import Engine, Job, Output
from toolkit.samples.normalization import FORMULA, PRESETS

_LISTED = 8
_ENVIRONMENT = "dataset"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Divisor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_OneOrMore = BeforeValidator(lambda value: (value,) if isinstance(value, int | float) else value)
_Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
]


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
        """Whether any number of the normalization is declared by itself."""
        return any(value is not None for value in (self.scale, self.mean, self.std))

    def declared(self) -> dict[str, Any]:
        """Return the steps that are declared, as JSON; those that a preset stands for beside it."""
        said = self.model_dump(mode="json", exclude_none=True, include=set(Steps.model_fields))
        return said if self.preset is None else {"dtype": "float32", **said, **PRESETS[self.preset].steps()}


def _steps_of_an_input(value: Any, validate: Callable[[Any], Any]) -> Any:
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

    def by_input(self) -> dict[str, dict[str, Any]]:
        """Return the steps declared for single inputs, as JSON."""
        return {name: steps.declared() for name, steps in (self.__pydantic_extra__ or {}).items()}


class ReaderChoice(config.ConfigModel):
    """Which file of toolkit/samples/readers reads, and what it is told; that depends on it."""

    model_config = ConfigDict(extra="allow")
    kind: Annotated[str, config.plugin("samples/readers")]

    @model_validator(mode="after")
    def _fits_the_kind(self) -> ReaderChoice:
        self.options()
        return self

    def options(self) -> Any:
        """Return the reader's own `Options`; ValidationError where they do not fit."""
        kind = registry.load("samples/readers", self.kind).Options
        return _in_own_words(
            self.model_extra, TypeAdapter(kind).validate_python, [field.name for field in dataclasses.fields(kind)]
        )


class Sampling(config.ConfigModel):
    """How many samples to draw, and the seed to draw with; the same seed draws the same samples on every machine.

    With `sequence`, so many samples that follow one another belong together: for models that keep state between calls.
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

    `task_metrics` are those by which outputs are scored against the labels, files of toolkit/comparison/task_metrics or functions of your own.
    `output_kinds` says by name what outputs of the model are, where this set judges.
    """

    about: str = ""
    reader: ReaderChoice
    preprocess: Preprocess = Preprocess.model_validate({})
    sampling: Sampling = Sampling()
    constant: tuple[str, ...] = ()
    task_metrics: tuple[Annotated[str, AfterValidator(_task_metric)], ...] = ()
    output_kinds: dict[str, KindName] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleRecipe:
    """A set as it was requested: what messages call it, what its paths are relative to, and what it declares."""

    name: str
    folder: Path
    declared: DatasetRecipe

    @property
    def cached(self) -> bool:
        """Whether the same files always give the same samples."""
        return bool(registry.load("samples/readers", self.declared.reader.kind).CACHED)

    def files(self) -> dict[str, Path]:
        """Return the files and folders that the reader will read, absolute, not necessarily there; those of a pattern as `key.00000`, ..."""
        named = registry.load("samples/readers", self.declared.reader.kind).files(self.declared.reader.options())
        found: dict[str, Path] = {}
        for key, file in named.items():
            path, name = Path(os.path.abspath(self.folder / file)), key.removesuffix("*")
            fitting = sorted(path.parent.glob(path.name)) if key.endswith("*") and "*" in path.name else []
            found.update({f"{name}.{index:05d}": each for index, each in enumerate(fitting)} or {name: path})
        return found

    @property
    def task_metrics(self) -> tuple[str, ...]:
        """The task metrics that are declared; a file of the user's own by its path from the current folder."""
        return tuple(
            os.path.relpath(self.folder / text) if task_metrics.is_own(text) and ".py:" in text else text
            for text in self.declared.task_metrics
        )

    def request(self) -> dict[str, Any]:
        """Return the JSON that the worker gets: no path of this machine, if the samples are cached."""
        declared = self.declared
        return {
            "name": self.name,
            "folder": None if self.cached else os.path.abspath(self.folder),
            "reader": {"kind": declared.reader.kind, "options": dataclasses.asdict(declared.reader.options())},
            "preprocess": {"common": declared.preprocess.declared(), "inputs": declared.preprocess.by_input()},
            "sampling": declared.sampling.model_dump(mode="json"),
            "constant": list(declared.constant),
        }


def recipe(spec: str) -> SampleRecipe:
    """Return the set that `--calibration` or `--eval` names: a recipe file, or data that a reader recognizes.

    InvalidConfig with all mistakes of a recipe file; RequestError for a path that is not there (with the closest that
    is) or that no reader takes.
    """
    require_reachable(spec)
    if spec.endswith(".toml"):
        path = Path(spec)
        _refuse_missing({spec: path})
        return SampleRecipe(path.name, path.parent, config.load(path, DatasetRecipe))
    data = os.path.abspath(spec) if os.path.exists(spec) else spec  # so that `.` has a name
    for kind in sorted(
        registry.names("samples/readers"), key=lambda kind: kind == "images"
    ):  # who takes any folder comes last
        recognized = registry.load("samples/readers", kind).recognize(data)
        if recognized is not None:
            folder, options = recognized
            reader = ReaderChoice(kind=kind, **dataclasses.asdict(options))
            return SampleRecipe(Path(spec).name or Path(data).name, folder, DatasetRecipe(reader=reader))
    _refuse_missing({spec: Path(spec)})
    raise RequestError(
        f"{spec}: no samples that any reader takes; expected a recipe (.toml), a file (.npz, .npy, .csv, .tfrecord, .parquet, "
        ".wav, .flac, .ogg), a folder of images, sounds or parquet files, or package.module:function"
    )


def require_readable(spec: str) -> None:
    """Raise RequestError with all that is wrong with a set as far as its recipe and the names of its files show it; no sample is read."""
    one = recipe(spec)
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})


def refuse_no_sets(*, calibration: bool, evaluation: bool, must_calibrate: bool) -> None:
    """Raise NoSamples where there is no set at all, or none that calibrates for a scheme that must."""
    if not (calibration or evaluation):
        raise NoSamples("no samples to calibrate or to judge with; give a set with --calibration or --eval")
    if must_calibrate and not calibration:
        raise NoSamples(
            "no calibration set: a static scheme takes the ranges of its activations from one; give it with --calibration"
        )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe file, for editors."""
    return DatasetRecipe.model_json_schema()


def samples_job(
    calibration: SampleRecipe | str | None,
    evaluation: SampleRecipe | str | None,
    signature: Mapping[str, Any] | Path | Job | Output,
    *,
    must_calibrate: bool = False,
) -> Job:
    """Return the job that writes `calibration` and `verification`, folders of samples that fit the model's signature.

    With both sets each gives its part, and verification is without what calibration has; one for calibration alone is
    split; with one for evaluation alone there is no `calibration`, which InvalidSamples refuses if a scheme
    `must_calibrate`. The signature is JSON, or a file of it. RequestError for files that are not there.
    """
    given = {"calibration": calibration, "evaluation": evaluation}
    sets = {role: recipe(spec) if isinstance(spec, str) else spec for role, spec in given.items() if spec is not None}
    refuse_no_sets(calibration="calibration" in sets, evaluation="evaluation" in sets, must_calibrate=must_calibrate)
    _refuse_missing({f"{asked.name}: {path}": path for asked in sets.values() for path in asked.files().values()})
    same = {role: (one.request(), one.files()) for role, one in sets.items()}
    if same.get("calibration") == same.get("evaluation"):  # one set, said twice, is split
        del sets["evaluation"]
    return _job("draw", sets, signature)


def whole_set_job(given: SampleRecipe | str, signature: Mapping[str, Any] | Path | Job | Output) -> Job:
    """Return the job that writes all samples of a set, in its own order, to `verification`: nothing is drawn and nothing left out."""
    one = recipe(given) if isinstance(given, str) else given
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})
    return _job("everything", {"evaluation": one}, signature)


def calibration_job(calibration: SampleRecipe | str, signature: Mapping[str, Any] | Path | Job | Output) -> Job:
    """Return the job that writes `calibration` alone, of a set that has nothing to spare for judging."""
    one = recipe(calibration) if isinstance(calibration, str) else calibration
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})
    return _job("draw", {"calibration": one}, signature, {"judges": False})


def _job(
    call: str,
    sets: Mapping[str, SampleRecipe],
    signature: Mapping[str, Any] | Path | Job | Output,
    more: Mapping[str, Any] | None = None,
) -> Job:
    roles = ("calibration", "evaluation")
    options: dict[str, Any] = {role: sets[role].request() if role in sets else None for role in roles} | dict(
        more or {}
    )
    kinds = {one.declared.reader.kind for one in sets.values()}
    inputs: dict[str, Path | Job | Output] = {
        f"{role}.{key}": path for role, one in sets.items() for key, path in one.files().items()
    }
    if isinstance(signature, Mapping):
        options["signature"] = _of_inputs(signature)
    else:
        inputs["signature"] = signature
    return Job(
        title="drawing samples from " + " and ".join(dict.fromkeys(one.name for one in sets.values())),
        module="samples.draw",
        call=call,
        engine=Engine(_environment(kinds)),
        options=options,
        inputs=inputs,
        plugins=tuple(f"samples.readers.{name}" for name in sorted(kinds)),
        cached=all(one.cached for one in sets.values()),
        user_code=not all(one.cached for one in sets.values()),
    )


def _environment(kinds: Iterable[str]) -> str:
    """Return the environment that serves all of these readers: each holds what "dataset" holds."""
    needed = {str(registry.load("samples/readers", kind).ENVIRONMENT): kind for kind in sorted(kinds)}
    needed.pop(_ENVIRONMENT, None)
    if len(needed) > 1:
        raise RequestError(
            f"sets for the readers {' and '.join(needed.values())} cannot be read together: no environment has both",
            'write one of them to an .npz: kind = "arrays"',
        )
    return next(iter(needed), _ENVIRONMENT)


def _of_inputs(signature: Mapping[str, Any]) -> dict[str, Any]:
    """Return what samples depend on, so that models with equal inputs share them."""
    keys = ("name", "dtype", "shape", "integers")
    return {"inputs": [{key: spec[key] for key in keys if key in spec} for spec in signature["inputs"]]}


def _refuse_missing(paths: Mapping[str, Path]) -> None:
    """Raise RequestError with a line for each path that is not there and the closest name that is."""
    problems = [f"{said}: {_missing(path)}" for said, path in paths.items() if not path.exists()]
    if problems:
        raise RequestError(printable.lines(problems))


def _missing(path: Path) -> str:
    """Return what of the path is not there, and what is."""
    path = path.absolute()
    while not path.parent.exists():
        path = path.parent
    if not path.parent.is_dir():
        return f"{path.parent.name!r} is a file, not a folder"
    names = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(path.name, names, n=1)
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return (
        f"there is no {path.name!r}; "
        + (f"did you mean {close[0]!r}? " if close else "")
        + f"there: {listed or 'nothing'}"
    )


def _in_own_words(value: Any, validate: Callable[[Any], Any], known: Iterable[str]) -> Any:
    """Validate what `toolkit.config` cannot look into, and say of a wrong name or choice what is expected."""
    try:
        return validate(value)
    except ValidationError as error:
        details = [_reworded(detail, known) for detail in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(error.title, details) from None


def _reworded(detail: Any, known: Iterable[str]) -> InitErrorDetails:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        kind, context = (
            "value_error",
            {"error": ValueError(f"unknown key; {suggestion(str(detail['loc'][-1]), known)}")},
        )
    elif kind == "literal_error":
        kind, context = "value_error", {"error": ValueError(f"{detail['input']!r}; expected {context['expected']}")}
    return InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=context)
