"""Groups of options that verbs share: a verb with a parameter of a group's class has the options of the group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypedDict, cast

import typer

from toolkit import registry
from toolkit.cli import completion
from toolkit.cli.help import QUANTIZATION, RUN, one_of
from toolkit.errors import UnknownName

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from toolkit.execution.latency import LatencyRequest
    from toolkit.profiles.recipe import Asked, Granularity

_TEXTS = list[str] | None


class Option(NamedTuple):
    """An option of a group, as a parameter of a function: its annotation, which typer reads, and its default."""

    annotation: Any
    default: Any


Options = Mapping[str, Option]  # by name of the parameter


def option(kind: Any, default: Any, *names: str, **said: Any) -> Option:
    """Return an option of a group; `said` are the arguments of `typer.Option`."""
    return Option(Annotated[kind, typer.Option(*names, **said)], default)


def given_of(options: Options, said: Mapping[str, object]) -> tuple[str, ...]:
    """Return the flags of the options that were given."""
    given = [name for name, (_, default) in options.items() if (said[name] or None) != (default or None)]
    return tuple(f"--{name.replace('_', '-')}" for name in given)


class AllowedValues(TypedDict):
    """The values of the options of `Allowed`."""

    allow_read: list[Path] | None
    allow_network: bool
    allow_env: list[str] | None


class Allowed:
    """The permissions of the user's own code, in addition to those of every job."""

    OPTIONS: ClassVar[Options] = {
        "allow_read": option(
            list[Path] | None, None, "--allow-read",
            metavar="PATH",
            rich_help_panel=RUN,
            help="Your own code (builder, samples, metrics) may read this file or folder too; may be given again.",
        ),
        "allow_network": option(
            bool, False, "--allow-network", rich_help_panel=RUN, help="Your own code may reach the network."
        ),
        "allow_env": option(
            _TEXTS, None, "--allow-env",
            metavar="NAME",
            rich_help_panel=RUN,
            help="Workers get this environment variable as it is set here; may be given again.",
        ),
    }  # fmt: skip

    def __init__(self, **said: Unpack[AllowedValues]) -> None:
        from toolkit.settings.permissions import Permissions

        self.given = given_of(self.OPTIONS, said)
        self.permissions = Permissions(
            tuple(said["allow_read"] or ()), said["allow_network"], tuple(said["allow_env"] or ())
        )


class TimedValues(TypedDict):
    """The values of the options of `Timed`."""

    latency: bool
    sustained: float | None


class Timed:
    """What of the latency is measured, on targets that are the device itself."""

    OPTIONS: ClassVar[Options] = {
        "latency": option(
            bool, False, "--latency",
            rich_help_panel=RUN,
            help="Measure how long a call takes, and its memory; nothing else runs meanwhile.",
        ),
        "sustained": option(
            float | None, None, "--sustained",
            metavar="S",
            rich_help_panel=RUN,
            help="The same, and S seconds of calls without a pause: does the device get slower?",
        ),
    }  # fmt: skip

    def __init__(self, **said: Unpack[TimedValues]) -> None:
        self.given = given_of(self.OPTIONS, said)
        self._said = said

    @property
    def request(self) -> LatencyRequest:
        """Return the request; RequestError for seconds that are none."""
        from toolkit.execution.latency import LatencyRequest

        seconds = self._said["sustained"]
        return LatencyRequest(self._said["latency"] or seconds is not None, seconds)


def _of_quantization(kind: Any, *names: str, **said: Any) -> Option:
    return option(kind, None, *names, rich_help_panel=QUANTIZATION, **said)


_DTYPE = f"{one_of(registry.union('conversion/schemes', 'INPUT_DTYPES'))}, of those that the scheme can have."
_GRANULARITIES = ("per_channel", "per_tensor")


class QuantizedValues(TypedDict):
    """The values of the options of `Quantized`."""

    estimator: list[str] | None
    quantizer: str | None
    granularity: str | None
    keep_float: list[str] | None
    keep_float_op: list[str] | None
    inputs_dtype: str | None
    outputs_dtype: str | None


class Quantized:
    """The options of quantization; a call with the scheme returns the whole request."""

    OPTIONS: ClassVar[Options] = {
        "estimator": _of_quantization(
            _TEXTS, "--estimator",
            metavar="E",
            autocompletion=completion.plugins("conversion/estimators"),
            help="How ranges are estimated, as min_max or percentile:percentile=99.99; of several the best is taken.",
        ),
        "quantizer": _of_quantization(
            str | None, "--quantizer",
            metavar="Q",
            autocompletion=completion.plugins("conversion/quantizers"),
            help="This engine alone, of those that can make the scheme; ENGINE:VARIANT for a single one of its variants.",
        ),
        "granularity": _of_quantization(
            str | None, "--granularity",
            metavar="G",
            autocompletion=completion.among(*_GRANULARITIES),
            help="Scales of weights: per_channel or per_tensor.",
        ),
        "keep_float": _of_quantization(
            _TEXTS, "--keep-float",
            metavar="PATTERN",
            help="Layers to leave in float, by their output tensor's name; may be given again.",
        ),
        "keep_float_op": _of_quantization(
            _TEXTS, "--keep-float-op",
            metavar="OP",
            help="Operators to leave in float, as SOFTMAX; may be given again.",
        ),
        "inputs_dtype": _of_quantization(
            str | None, "--inputs-dtype",
            metavar="DTYPE",
            autocompletion=completion.dtypes,
            help=f"What the application feeds: {_DTYPE}",
        ),
        "outputs_dtype": _of_quantization(
            str | None, "--outputs-dtype",
            metavar="DTYPE",
            autocompletion=completion.dtypes,
            help=f"What the application gets: {_DTYPE}",
        ),
    }  # fmt: skip

    def __init__(self, **said: Unpack[QuantizedValues]) -> None:
        self._said = said

    def __call__(self, scheme: str | None) -> Asked:
        """Return the request; UnknownName for an unknown granularity; raises the errors of the estimators too."""
        from toolkit.profiles import recipe

        said = self._said
        if said["granularity"] not in (None, *_GRANULARITIES):
            raise UnknownName("--granularity", said["granularity"], _GRANULARITIES)
        return recipe.Asked(
            scheme,
            tuple(recipe.estimator(text) for text in said["estimator"] or ()),
            said["quantizer"],
            cast("Granularity | None", said["granularity"]),
            recipe.KeepFloat(tuple(said["keep_float"] or ()), tuple(said["keep_float_op"] or ())),
            said["inputs_dtype"],
            said["outputs_dtype"],
        )
