"""The fields of a hardware profile, and the checks that they make sense together."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from toolkit import config, launchers, registry
from toolkit.comparison.bounds import ACHIEVABLE, Bound, Scheme, Text
from toolkit.comparison.output_kinds import KindName
from toolkit.config import ConfigModel, plugin
from toolkit.environments.instructions import cuts_sums_off
from toolkit.errors import EdgeToolkitError, RequestError
from toolkit.launchers import Verification
from toolkit.profiles import recipe
from toolkit.profiles.budget import ArenaMargin, Budget, require_timed
from toolkit.profiles.recipe import Granularity, KeepFloat, Recipe
from toolkit.profiles.weight_limits import Weights


def _dtypes() -> tuple[str, ...]:
    return registry.union("conversion/schemes", "INPUT_DTYPES")


def _dtype(name: str) -> str:
    if name not in _dtypes():
        raise config.unknown(_dtypes())
    return name


Dtype = Annotated[str, AfterValidator(_dtype), WithJsonSchema({"enum": _dtypes(), "type": "string"})]


def _folder_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise ValueError(f"{text!r}; expected letters, digits, '.', '_' and '-': the bundle's folder has this name")
    return text


def require_name(text: str) -> None:
    """Raise RequestError for what cannot be the name of a target."""
    try:
        _folder_name(text)
    except ValueError as error:
        raise RequestError(f"name: {error}") from None


KERNELS = ("default", "builtin", "reference")  # of a runtime without a delegate


class Runtime(ConfigModel):
    """What runs the model: an engine of one version, started by a launcher, on a CPU that the launcher may have to emulate.

    `options` are what else the launcher is told, by names of its own. `static_shapes` is whether it runs only models without open sizes: an open
    batch is fixed before it runs, if the format can be rewritten.
    """

    name: Annotated[str, plugin("execution/runtimes")]
    version: Text
    launcher: Annotated[str, plugin("launchers")] = "local"
    cpu: Text | None = None
    threads: int = Field(default=1, ge=1)
    kernels: Literal["default", "builtin", "reference", "float32"] = "default"
    options: dict[Text, str | int | float | bool] = Field(default_factory=dict)
    static_shapes: bool = False

    @property
    def probed(self) -> str:
        """The runtime whose table says what this one can run: of one that nothing executes, that which runs what its delegate leaves."""
        kernels = getattr(registry.load("execution/runtimes", self.name), "KERNELS", None)
        return str(kernels or self.name) if launchers.is_static(self.launcher) else self.name

    @property
    def has_tables(self) -> bool:
        """Whether tables of capabilities are of the runtime as it is started here: with another accelerator it has other kernels."""
        of: dict[str, object] = getattr(registry.load("execution/runtimes", self.name), "PROBED_WITH", {})
        return all(self.launcher_options.get(option) == value for option, value in of.items())

    @property
    def launcher_options(self) -> dict[str, str | int | float | bool]:
        """All options of the launcher."""
        return {**({} if self.cpu is None else {"cpu": self.cpu}), **self.options}


def _refused_edges(runtime: str, inputs: str, outputs: str) -> str | None:
    """Return which dtype of an application's inputs and outputs a runtime does not take, and no rewrite replaces; None where there is none."""
    module = registry.load("execution/runtimes", runtime)
    takes = getattr(module, "EDGES", None)
    converters = [registry.load("conversion/converters", each) for each in module.FORMATS]
    moved = {dtype for each in converters for dtype in getattr(each, "REWRITES", ())}
    for side, dtype in (("inputs", inputs), ("outputs", outputs)):
        if takes is not None and dtype not in takes and not (dtype in moved and "float32" in takes):
            return f"{side} {dtype!r} cannot be had with {runtime}, which takes {', '.join(takes)}"
    return None


class Conversion(ConfigModel):
    """The dtypes that an application on the device feeds and gets. `integers_only` is whether no operator may take or give floats."""

    inputs: Dtype = "float32"
    outputs: Dtype = "float32"
    integers_only: bool = False


class KeptFloat(ConfigModel):
    """What is never quantized: output tensors by glob patterns of their names, operators by type, as the format calls them."""

    tensors: tuple[Text, ...] = ()
    operators: tuple[Text, ...] = ()


class Quantization(ConfigModel):
    """How schemes are made: the range estimators to choose from ("percentile:percentile=99.99"), and the granularity of weights."""

    estimators: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "min_max",
        "mse",
    )
    granularity: Granularity = "per_channel"
    keep_float: KeptFloat = KeptFloat()

    @field_validator("estimators")
    @classmethod
    def _can_be_had(cls, estimators: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(recipe.estimator(text)) for text in estimators)
        except EdgeToolkitError as error:
            raise ValueError(error.problem) from None


class Delegate(ConfigModel):
    """The least share of a model's operators that the runtime's delegate must take, from 0 to 1, and the reason for it.

    The same share is asked of its multiply-accumulates.
    """

    least: float = Field(ge=0, le=1, allow_inf_nan=False)
    because: Text


class Target(ConfigModel):
    """One device, as a profile and everything that it extends say.

    `schemes` are in order of preference; `forbids` names schemes that are never made for it, each with the reason. `output_kinds` says by name what
    outputs of the models are that are built for it. `delegate` is None for a runtime without a delegate, `arena` for one without arenas.
    `packagers` write what a bundle has for the target's own build.
    """

    name: Annotated[str, AfterValidator(_folder_name)]
    about: Text
    hardware: str = ""
    notes: str = ""
    abstract: bool = False
    extends: Text | None = None
    format: Annotated[str, plugin("conversion/converters")]
    schemes: tuple[Scheme, ...]
    forbids: dict[Scheme, Text] = Field(default_factory=dict)
    runtime: Runtime
    conversion: Conversion = Conversion()
    quantization: Quantization = Quantization()
    budget: Budget = Budget()
    delegate: Delegate | None = Field(default=None, validate_default=True)
    arena: ArenaMargin | None = Field(default=None, validate_default=True)
    packagers: tuple[Annotated[str, plugin("bundle/packagers")], ...] = ()
    weights: Weights = Weights()
    output_kinds: dict[Text, KindName] = Field(default_factory=dict)
    bounds: tuple[Bound, ...]

    @field_validator("schemes")
    @classmethod
    def _each_scheme_once_and_makeable(cls, schemes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not schemes:
            raise ValueError("is empty; expected the schemes to try, in order of preference")
        twice = sorted({scheme for scheme in schemes if schemes.count(scheme) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} comes twice; expected each scheme once, in order of preference")
        try:
            for scheme in schemes if "format" in info.data else ():
                Recipe(scheme).variants(info.data["format"])
        except EdgeToolkitError as error:
            raise ValueError(error.problem) from None
        return schemes

    @field_validator("forbids")
    @classmethod
    def _forbids_none_of_its_own(cls, forbids: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        both = sorted(set(forbids) & set(info.data.get("schemes", ())))
        if both:
            raise ValueError(f"{', '.join(both)} is among its schemes; expected one or the other")
        return forbids

    @field_validator("runtime")
    @classmethod
    def _runs_the_format(cls, runtime: Runtime, info: ValidationInfo) -> Runtime:
        module = registry.load("execution/runtimes", runtime.name)
        formats, kernels = module.FORMATS, tuple(getattr(module, "STEPS", {}).values()) or KERNELS
        if info.data.get("format", formats[0]) not in formats:
            raise ValueError(f"{runtime.name} does not run {info.data['format']}; it runs {', '.join(formats)}")
        try:
            launchers.require_able(runtime.launcher, runtime.name)
            if not info.data.get("abstract"):  # another profile, which extends it, may say the rest
                launchers.require_options(runtime.launcher, runtime.name, runtime.launcher_options)
        except EdgeToolkitError as error:
            raise ValueError("; ".join(error.problem.splitlines())) from None
        if runtime.kernels not in kernels:
            raise ValueError(f"{runtime.name} has no kernels {runtime.kernels!r}; known: {', '.join(kernels)}")
        if runtime.options and registry.load("launchers", runtime.launcher).HOST:  # builds start no such launcher
            given = ", ".join(sorted(runtime.options))
            raise ValueError(f"the launcher {runtime.launcher} has no options; got {given}")
        return runtime

    @field_validator("budget")
    @classmethod
    def _can_be_measured(cls, budget: Budget, info: ValidationInfo) -> Budget:
        runtime = info.data.get("runtime")
        if budget.is_measured and runtime is not None and not info.data.get("abstract"):
            require_timed(budget, launchers.verification(runtime.launcher, runtime.launcher_options, runtime.name))
        return budget

    @field_validator("delegate")
    @classmethod
    def _belongs_to_a_delegate(cls, delegate: Delegate | None, info: ValidationInfo) -> Delegate | None:
        runtime = info.data.get("runtime")
        module = None if runtime is None else registry.load("execution/runtimes", runtime.name)
        has_one = hasattr(module, "STEPS") or hasattr(module, "ESTIMATE")
        if runtime is not None and has_one is not (delegate is not None):
            raise ValueError(
                f"missing; {runtime.name} has a delegate: expected the least share of the operators that it must take"
                if has_one
                else f"{runtime.name} has no delegate"
            )
        return delegate

    @field_validator("arena")
    @classmethod
    def _belongs_to_arenas(cls, arena: ArenaMargin | None, info: ValidationInfo) -> ArenaMargin | None:
        runtime = info.data.get("runtime")
        has_one = runtime is not None and hasattr(registry.load("execution/runtimes", runtime.name), "ARENA_STEP_BYTES")
        if runtime is not None and has_one is not (arena is not None):
            raise ValueError(
                f"missing; {runtime.name} runs models in an arena: expected the margin of the arena to recommend"
                if has_one
                else f"{runtime.name} has no arena"
            )
        return arena

    @property
    def verification(self) -> Verification:
        """How the target is verified, as its launcher says; nothing is started."""
        return launchers.verification(self.runtime.launcher, self.runtime.launcher_options, self.runtime.name)

    def require_edges(self, inputs: str, outputs: str) -> None:
        """Raise RequestError for dtypes of inputs and outputs that the target's runtime does not take."""
        if problem := _refused_edges(self.runtime.name, inputs, outputs):
            raise RequestError(f"{self.name}: {problem}")

    def recipe(self, scheme: str) -> Recipe:
        """Return how this target makes a scheme; RequestError for a scheme that it forbids."""
        if scheme in self.forbids:
            raise RequestError(
                f"{self.name}: forbids {scheme}: {self.forbids[scheme]}", f"its own schemes: {', '.join(self.schemes)}"
            )
        kept = self.quantization.keep_float
        return Recipe(
            scheme,
            tuple(recipe.estimator(text) for text in self.quantization.estimators),
            granularity=self.quantization.granularity,
            keep_float=KeepFloat(kept.tensors, kept.operators)
            if registry.load("conversion/schemes", scheme).QUANTIZERS
            else KeepFloat(),
            inputs=self.conversion.inputs,
            outputs=self.conversion.outputs,
            within_16_bits=self.cuts_sums_off,
        )

    @property
    def cuts_sums_off(self) -> bool:
        """Whether the target's processor (the emulated one, else this machine's) cuts sums of products of 8-bit integers off at 16 bits."""
        return cuts_sums_off(*registry.load("launchers", self.runtime.launcher).features(self.runtime.launcher_options))

    @field_validator("conversion")
    @classmethod
    def _every_scheme_can_have_the_dtypes(cls, conversion: Conversion, info: ValidationInfo) -> Conversion:
        for scheme in info.data.get("schemes", ()):
            known = registry.load("conversion/schemes", scheme).INPUT_DTYPES
            for side, dtype in (("inputs", conversion.inputs), ("outputs", conversion.outputs)):
                if dtype not in known:
                    raise ValueError(f"{side} {dtype!r} is not available with {scheme}; known: {', '.join(known)}")
        if "runtime" in info.data and (
            problem := _refused_edges(info.data["runtime"].name, conversion.inputs, conversion.outputs)
        ):
            raise ValueError(problem)
        return conversion

    @field_validator("bounds")
    @classmethod
    def _bounds_can_carry_a_verdict(cls, bounds: tuple[Bound, ...], info: ValidationInfo) -> tuple[Bound, ...]:
        for scheme in info.data.get("schemes", ()):
            # A model may have no outputs of a given kind.
            of_all = [bound for bound in bounds if bound.stage == "total" and not bound.kinds]
            total = [bound for bound in of_all if not bound.schemes or scheme in bound.schemes]
            if all(bound.off or bound.is_silent or bound.unit == ACHIEVABLE for bound in total):
                raise ValueError(f"none for stage 'total' with scheme {scheme}; without one nothing can pass")
        return bounds
