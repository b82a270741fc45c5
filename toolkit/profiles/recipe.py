"""How to quantize a model, and the variants that a scheme leaves open.

Recipe("static_wi8_ai8", estimators=(estimator("percentile:percentile=99.99"),)).variants("tflite")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from toolkit import registry
from toolkit.errors import RequestError, UnknownName

Granularity = Literal["per_channel", "per_tensor"]
Needed = Literal["ranges", "samples", "moments"]
FLOAT_IO = {"inputs": "float32", "outputs": "float32"}
FLOAT = "float32"


@dataclass(frozen=True, slots=True)
class Estimator:
    """A range estimator (a file of toolkit/conversion/estimators) with all of its parameters."""

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def needs(self) -> str:
        """The statistics that it needs: "extremes", "histogram", or "converter" where it needs none of ours."""
        return str(registry.load("conversion/estimators", self.name).NEEDS)

    def __str__(self) -> str:
        """Return the estimator's text, with the parameters that differ from their defaults."""
        usual = dataclasses.asdict(registry.load("conversion/estimators", self.name).Parameters())
        shown = ",".join(f"{key}={value:g}" for key, value in self.parameters.items() if value != usual.get(key))
        return f"{self.name}:{shown}" if shown else self.name

    def __hash__(self) -> int:
        return hash(str(self))


@dataclass(frozen=True, slots=True)
class KeepFloat:
    """What stays in float: output tensors by glob patterns of their names, and operators by type, as the artifact's format calls them."""

    tensors: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tensors or self.operators)

    def __str__(self) -> str:
        return ", ".join((*self.tensors, *self.operators))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A build's request for a scheme. With several estimators or quantizers, the variant that drifts least is shipped.

    `quantizer` is a single one of the scheme's quantizers; "NAME:TELLING" is a single one of its variants. `inputs` and `outputs` are the dtypes that
    an application feeds and gets. `within_16_bits` is whether the processor adds products of 8-bit integers in 16 bits, and cuts off larger sums.
    """

    scheme: str
    estimators: tuple[Estimator, ...] = (Estimator("min_max"),)
    quantizer: str | None = None
    granularity: Granularity = "per_channel"
    keep_float: KeepFloat = KeepFloat()
    inputs: str = "float32"
    outputs: str = "float32"
    within_16_bits: bool = False

    @property
    def has_its_dtypes(self) -> bool:
        """Whether the scheme supports the requested dtypes of inputs and outputs."""
        return {self.inputs, self.outputs} <= {*registry.load("conversion/schemes", self.scheme).INPUT_DTYPES}

    @property
    def is_calibrated(self) -> bool:
        """Whether it cannot do without a calibration set: its scheme cannot, or the requested variant."""
        name, _, telling = (self.quantizer or "").partition(":")
        return is_calibrated(self.scheme) or telling in _by_moments(self.scheme, name)

    def variants(self, artifact_format: str) -> list[Variant]:
        """Return all variants of the recipe in a format, in order of preference; RequestError where the scheme is not available in this way.

        Those that need moments are among them, whether or not there is a calibration set.
        """
        scheme = registry.load("conversion/schemes", self.scheme)
        for side in ("inputs", "outputs"):
            dtype = getattr(self, side)
            if dtype not in scheme.INPUT_DTYPES:
                known = ", ".join(scheme.INPUT_DTYPES)
                raise RequestError(f"scheme {self.scheme}: {side} {dtype!r} is not available; known: {known}")
        if not scheme.QUANTIZERS:
            if self.quantizer is not None or self.keep_float:
                raise RequestError(
                    f"scheme {self.scheme}: quantizes nothing, so no quantizer and nothing to keep in float"
                )
            return [Variant(self, None, None)]
        made_as = getattr(registry.load("conversion/converters", artifact_format), "PACKS", artifact_format)
        able = [name for name in scheme.QUANTIZERS if made_as == registry.load("conversion/quantizers", name).FORMAT]
        if not able:
            raise RequestError(f"scheme {self.scheme}: no quantizer makes it for the format {artifact_format}")
        spelled = self._spelled(able)
        if self.quantizer is None:
            return [variant for name in able for variant in spelled[name]]
        if self.quantizer not in spelled:
            raise UnknownName(f"quantizer of {self.scheme}", self.quantizer, spelled)
        return spelled[self.quantizer]

    def _spelled(self, able: Sequence[str]) -> dict[str, list[Variant]]:
        """Return the variants by what `quantizer` may be: all of a quantizer by its name, and those of one telling by "NAME:TELLING"."""
        found = {name: self._of_quantizer(name) for name in able}
        for variant in [variant for variants in found.values() for variant in variants]:
            if variant.telling is not None:
                found.setdefault(f"{variant.quantizer}:{variant.telling}", []).append(variant)
        return found

    def _of_quantizer(self, name: str) -> list[Variant]:
        estimated = is_calibrated(self.scheme) and not registry.load("conversion/quantizers", name).CALIBRATES
        within = tuple(_within_16_bits(self.scheme, name)) if self.within_16_bits else ()
        usual = [
            Variant(self, name, estimator, telling)
            for estimator in (self.estimators if estimated else (None,))
            for telling in within or (None,)
        ]
        return [*usual, *(Variant(self, name, None, telling) for telling in _by_moments(self.scheme, name))]


@dataclass(frozen=True, slots=True)
class Asked:
    """The quantization options of a command, which override the target's profile; None or empty where an option is not given."""

    scheme: str | None = None
    estimators: tuple[Estimator, ...] = ()
    quantizer: str | None = None
    granularity: Granularity | None = None
    keep_float: KeepFloat = KeepFloat()
    inputs: str | None = None
    outputs: str | None = None

    def of(self, recipe: Recipe) -> Recipe:
        """Return the recipe with these options in place of its own."""
        return dataclasses.replace(
            recipe,
            estimators=self.estimators or recipe.estimators,
            quantizer=self.quantizer or recipe.quantizer,
            granularity=self.granularity or recipe.granularity,
            keep_float=self.keep_float or recipe.keep_float,
            inputs=self.inputs or recipe.inputs,
            outputs=self.outputs or recipe.outputs,
        )


class KeptInFloat(TypedDict):
    """A `KeepFloat` as JSON: patterns of tensors, and operators by type."""

    tensors: Sequence[str]
    operators: Sequence[str]


class VariantRow(TypedDict):
    """The fields that distinguish a variant, as JSON."""

    scheme: str
    quantizer: str | None
    estimator: str | None
    telling: str | None
    granularity: Granularity
    keep_float: KeptInFloat


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to follow a recipe: a quantizer and an estimator of ranges. None where nothing is quantized or estimated.

    `telling` names options of the quantizer that replace the usual ones, one of the scheme's WITHIN_16_BITS or BY_MOMENTS.
    """

    recipe: Recipe
    quantizer: str | None
    estimator: Estimator | None
    telling: str | None = None

    @property
    def told(self) -> dict[str, object]:
        """The options of the quantizer (JSON)."""
        quantizer = str(self.quantizer)
        usual: dict[str, object] = registry.load("conversion/schemes", self.recipe.scheme).QUANTIZERS[quantizer]
        scheme = self.recipe.scheme
        tellings = {**_within_16_bits(scheme, quantizer), **_by_moments(scheme, quantizer)}
        return {**usual, **(tellings[self.telling] if self.telling is not None else {})}

    @property
    def needs(self) -> Needed | None:
        """What it needs of a calibration set: "ranges" or "moments" of activations, or its "samples", to calibrate by itself; None for nothing."""
        if self.telling in _by_moments(self.recipe.scheme, str(self.quantizer)):
            return "moments"
        if self.quantizer is None or not is_calibrated(self.recipe.scheme):
            return None
        return "samples" if self.estimator is None else "ranges"

    @property
    def fallback(self) -> bool:
        """Whether its quantizer is used only where the others fail."""
        return self.quantizer is not None and bool(registry.load("conversion/quantizers", self.quantizer).FALLBACK)

    def to_json(self) -> VariantRow:
        """Return the fields that distinguish the variant, as JSON."""
        recipe = self.recipe
        return {
            "scheme": recipe.scheme,
            "quantizer": self.quantizer,
            "estimator": None if self.estimator is None else str(self.estimator),
            "telling": self.telling,
            "granularity": recipe.granularity,
            "keep_float": {"tensors": recipe.keep_float.tensors, "operators": recipe.keep_float.operators},
        }


def estimator(text: str) -> Estimator:
    """Return the estimator of a text such as "percentile:percentile=99.99"; UnknownName or RequestError for unknown or invalid parameters."""
    name, _, given = text.partition(":")
    kind = registry.load("conversion/estimators", name).Parameters
    known = [each.name for each in dataclasses.fields(kind)]
    numbers = {}
    for part in filter(None, given.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise UnknownName(f"parameter of the estimator {name}", key, known)
        try:
            numbers[key] = float(value)
        except ValueError:
            raise RequestError(
                f"estimator {text!r}: {key} is {value!r}; expected a number, as {name}:{key}=1"
            ) from None
    try:
        parameters = kind(**numbers)
    except ValueError as error:
        raise RequestError(f"estimator {text!r}: {error}") from error
    return Estimator(name, dataclasses.asdict(parameters))


def _within_16_bits(scheme: str, quantizer: str) -> dict[str, dict[str, object]]:
    return _tellings(scheme, "WITHIN_16_BITS", quantizer)


def _by_moments(scheme: str, quantizer: str) -> dict[str, dict[str, object]]:
    return _tellings(scheme, "BY_MOMENTS", quantizer)


def _tellings(scheme: str, table: str, quantizer: str) -> dict[str, dict[str, object]]:
    """Return the settings of a quantizer's variants in one of a scheme's optional tables."""
    tellings: dict[str, dict[str, dict[str, object]]] = getattr(registry.load("conversion/schemes", scheme), table, {})
    return tellings.get(quantizer, {})


def may_scale(scheme: str) -> bool:
    """Return whether a quantizer may scale the weights of a scheme by moments of activations; False for a scheme that the toolkit does not make."""
    known = scheme in registry.names("conversion/schemes")
    return known and bool(getattr(registry.load("conversion/schemes", scheme), "BY_MOMENTS", {}))


def is_calibrated(scheme: str) -> bool:
    """Return whether a scheme needs a calibration set; UnknownName where the scheme does not exist."""
    return bool(registry.load("conversion/schemes", scheme).CALIBRATED)
