"""Groups of options that verbs share, read: a verb has the options of a group where it has a parameter of its class."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from toolkit import printable
from toolkit.cli import completion
from toolkit.cli.help import OUTPUT, QUANTIZATION, RUN
from toolkit.cli.reading import environment_and_path
from toolkit.errors import RequestError, UnknownName
from toolkit.printable import Text

if TYPE_CHECKING:
    from toolkit.jobs.local_executor import LocalExecutor
    from toolkit.profiles.recipe import Asked
    from toolkit.screen import Screen
    from toolkit.settings import Limits, Settings

_MOST_MEMORY_GB = 1e9  # in bytes it fits into the 64 bits of setrlimit(2), with room for what is added to it
_TEXTS = list[str] | None

Options = Mapping[str, tuple[Any, Any]]  # by parameter: its annotation and its default


def option(kind: Any, default: Any, *names: str, **said: Any) -> tuple[Any, Any]:
    """Return an option of a group: its annotation, and its default."""
    return Annotated[kind, typer.Option(*names, **said)], default


def given_of(options: Options, said: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags of the options that somebody gave."""
    given = [name for name, (_, default) in options.items() if (said[name] or None) != (default or None)]
    return tuple(f"--{name.replace('_', '-')}" for name in given)


class Common:
    """The options of a verb that runs jobs, read. Those that run none have a part of them: `Printed`, `Located`, `Made`."""

    OPTIONS: ClassVar[Options] = {
        "as_json": option(
            bool, False, "--json",
            rich_help_panel=OUTPUT,
            help="Print one JSON document, and nothing else, on standard output.",
        ),
        "python": option(
            _TEXTS, None, "--python",
            metavar="NAME=PATH",
            rich_help_panel=RUN,
            help="The interpreter for an environment.",
        ),
        "offline": option(
            bool, False, "--offline",
            rich_help_panel=RUN,
            help="Never touch the network (also EDGE_TOOLKIT_OFFLINE=1).",
        ),
        "timeout": option(
            float, 900, "--timeout", metavar="S", rich_help_panel=RUN, help="Seconds that one job may take."
        ),
        "memory": option(
            float, 8, "--memory", metavar="GB", rich_help_panel=RUN, help="Resident memory that one job may use."
        ),
    }  # fmt: skip

    def __init__(
        self,
        as_json: bool,
        offline: bool = False,
        python: list[str] | None = None,
        timeout: float = 900.0,
        memory: float = 8.0,
    ) -> None:
        self.as_json = as_json
        self._offline = offline
        self._pythons = dict(environment_and_path(text) for text in python or ())
        self._timeout_s = timeout
        self._memory_gb = memory

    @property
    def settings(self) -> Settings:
        """The settings that the options ask for; RequestError for a limit of 0 or less."""
        from toolkit.settings import Settings, default_offline

        pythons = {name: Path(path) for name, path in self._pythons.items()}
        return Settings(offline=self._offline or default_offline(), pythons=pythons, limits=self._limits(), say=say)

    def _limits(self) -> Limits:
        from toolkit.settings import Limits

        if not (self._timeout_s > 0 and self._memory_gb > 0):
            raise RequestError(f"--timeout {self._timeout_s:g} and --memory {self._memory_gb:g}: both must be above 0")
        if self._memory_gb > _MOST_MEMORY_GB:
            raise RequestError(f"--memory {self._memory_gb:g}: expected a number of GB, at most {_MOST_MEMORY_GB:g}")
        return Limits(self._timeout_s, int(self._memory_gb * 1e9))

    def executor(self, allowed: Allowed) -> LocalExecutor:
        """Return what runs the jobs of a verb, with a progress line on standard error."""
        from dataclasses import replace

        from toolkit.jobs.local_executor import LocalExecutor
        from toolkit.jobs.progress import Progress

        progress = Progress()
        executor = LocalExecutor(replace(self.settings, permissions=allowed.permissions), progress)
        progress.steps = executor.steps
        return executor

    def show(self, document: Any, text: Callable[[], Text]) -> None:
        """Print the result: one JSON document, or the text for people, no wider than the screen."""
        said = printable.document(document) if self.as_json else self.screen.fitted(text())
        print(printable.lines([said]), flush=True)

    @property
    def screen(self) -> Screen:
        """What the result is printed on."""
        from toolkit.screen import Screen

        return Screen.of(sys.stdout)


class Printed(Common):
    """The options of a verb that looks at files alone, read."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json",)}


class Located(Common):
    """The options of a verb that looks at environments and makes none, read."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json", "python")}


class Made(Common):
    """The options of a verb that makes environments and runs nothing in them, read."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json", "python", "offline")}


class Detailed:
    """How much of the result is shown, read; the JSON document and the reports have all of it, whatever is said here."""

    OPTIONS: ClassVar[Options] = {
        "verbose": option(
            bool, False, "--verbose", "-v",
            rich_help_panel=OUTPUT,
            help="Show all rows; else what matters most, on one screen.",
        ),
    }  # fmt: skip

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    @property
    def screen(self) -> Screen:
        """What the result is printed on."""
        from toolkit.screen import Screen

        return Screen.of(sys.stdout, whole=self._verbose)


def say(*lines: str) -> None:
    """Tell people on standard error what is going on, in these lines."""
    print(printable.lines(lines), file=sys.stderr, flush=True)


class Allowed:
    """What the user's own code may do beside what every job may, read."""

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

    def __init__(self, **said: Any) -> None:
        from toolkit.settings.permissions import Permissions

        self.given = given_of(self.OPTIONS, said)
        self.permissions = Permissions(
            tuple(said["allow_read"] or ()), said["allow_network"], tuple(said["allow_env"] or ())
        )


def _of_quantization(kind: Any, *names: str, **said: Any) -> tuple[Any, Any]:
    return option(kind, None, *names, rich_help_panel=QUANTIZATION, **said)


_DTYPE = "float32, int8, uint8 or int16, of those that the scheme can have."
_GRANULARITIES = ("per_channel", "per_tensor")


class Quantized:
    """What was said of quantization; called with the scheme, it is all that is asked of it."""

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
            help="This engine alone, of those that can make the scheme.",
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

    def __init__(self, **said: Any) -> None:
        self._said = said

    def __call__(self, scheme: str | None) -> Asked:
        """Return it; UnknownName for a granularity that is none, and what the estimators raise."""
        from toolkit.profiles import recipe

        said = self._said
        if said["granularity"] not in (None, *_GRANULARITIES):
            raise UnknownName("--granularity", said["granularity"], _GRANULARITIES)
        return recipe.Asked(
            scheme,
            tuple(recipe.estimator(text) for text in said["estimator"] or ()),
            said["quantizer"],
            said["granularity"],
            recipe.KeepFloat(tuple(said["keep_float"] or ()), tuple(said["keep_float_op"] or ())),
            said["inputs_dtype"],
            said["outputs_dtype"],
        )


class Reported:
    """Where the one document of a verb goes beside the terminal; called with the document, it writes it."""

    OPTIONS: ClassVar[Options] = {
        "report": option(
            _TEXTS, None, "--report",
            metavar="FORMAT=FILE",
            rich_help_panel=OUTPUT,
            autocompletion=completion.plugins("report/formats", after="="),
            help="Also write it as junit, markdown, github or sarif; FILE - is standard output; may be given again.",
        ),
    }  # fmt: skip

    def __init__(self, report: list[str] | None, *, as_json: bool) -> None:
        from toolkit.report import formats

        self._asked = formats.asked(report or (), printed=as_json)
        formats.require_writable(self._asked)

    @property
    def is_asked(self) -> bool:
        """Whether a report is wanted anywhere."""
        return bool(self._asked)

    def require_outside(self, out: Path | None, targets: Iterable[str]) -> None:
        """Raise RequestError for a report that would lie in a bundle which is written to `out`: that is written as a whole.

        It is then not written there either, to say so.
        """
        if out is None or not self._asked:
            return
        from toolkit.profiles import find

        names = {find(name).name for name in targets}
        inside = [one for one in self._asked if one.path is not None and names & {*_folders_below(out, one.path)}]
        self._asked = tuple(one for one in self._asked if one not in inside)
        if inside:
            why = "will lie in a bundle, which is written as a whole; choose a place outside of it"
            raise RequestError(printable.lines(f"{one.path}: {why}" for one in inside))

    def __call__(self, document: Mapping[str, Any]) -> None:
        from toolkit.report import formats

        formats.write(document, self._asked)


def _folders_below(out: Path, path: Path) -> tuple[str, ...]:
    """Return the first two folders between `out` and a path (TARGET, or SIGNATURE/TARGET, where a bundle is); () for a path elsewhere."""
    place, above = Path(os.path.realpath(path)), os.path.realpath(out)
    return place.relative_to(above).parts[:-1][:2] if place.is_relative_to(above) else ()
