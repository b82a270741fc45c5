"""What a command line may say beside the names of files: types of single options, and groups of them that verbs share, read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from toolkit import printable
from toolkit.errors import RequestError, UnknownName
from toolkit.printable import Text

if TYPE_CHECKING:
    from toolkit.local_executor import LocalExecutor
    from toolkit.opening import Sets
    from toolkit.recipe import Asked
    from toolkit.settings import Limits, Settings
    from toolkit.source import Original

_MOST_MEMORY_GB = 1e9  # in bytes it fits into the 64 bits of setrlimit(2), with room for what is added to it

Options = Mapping[str, tuple[Any, Any]]  # by parameter: its annotation and its default

SourcePath = Annotated[
    Path,
    typer.Argument(metavar="SOURCE", help="A SavedModel, a Keras file, a checkpoint, a Saver's files, a frozen graph."),
]
ArtifactPath = Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A .tflite file.")]
Targets = Annotated[
    list[str], typer.Option("--target", "-t", metavar="T", help="A profile's name or path; may be given again.")
]
OneTarget = Annotated[str, typer.Option("--target", "-t", metavar="T", help="A profile's name or path.")]
Calibration = Annotated[
    str | None,
    typer.Option("--calibration", metavar="SET", help="A recipe, an .npz, a folder of images, or module:function."),
]
# Where several signatures, or several sizes, are verified, each may have sets of its own; `sets_of` reads them.
CalibrationSets = Annotated[
    list[str] | None,
    typer.Option(
        "--calibration",
        metavar="SET",
        help="A recipe, an .npz, a folder of images, or module:function; NAME=SET for one of several signatures.",
    ),
]
EvaluationSets = Annotated[
    list[str] | None,
    typer.Option(
        "--eval",
        metavar="SET",
        help="Samples to verify with; else those of --calibration that do not calibrate. NAME=SET for one signature, or one size.",
    ),
]
Bounds = Annotated[
    Path | None, typer.Option("--bounds", metavar="FILE", help="Bounds to judge by: a profile, or [[bounds]] alone.")
]
StopEarly = Annotated[
    bool, typer.Option("--stop-early", help="An emulated device runs no more samples once its verdict is certain.")
]
Evaluation = Annotated[
    str | None,
    typer.Option(
        "--eval", metavar="SET", help="Samples to verify with; else those of --calibration that do not calibrate."
    ),
]
TaskMetrics = Annotated[
    list[str] | None,
    typer.Option(
        "--task-metric",
        metavar="M",
        help="Score outputs against the labels by this, as top_k_accuracy:k=5, or your module:function; may be given again.",
    ),
]
OutputKinds = Annotated[
    list[str] | None,
    typer.Option(
        "--output-kind",
        metavar="NAME=KIND",
        help="What an output is, as logits=class_scores, where that is not seen from the model; may be given again.",
    ),
]
LintLimits = Annotated[
    Path | None,
    typer.Option(
        "--limits", metavar="FILE", help="TOML: by what a calibration set is found wrong, and what you accept."
    ),
]
Scheme = Annotated[
    str | None, typer.Option("--scheme", metavar="S", help="This scheme, instead of the target's order of preference.")
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")]
ReferenceDevice = Annotated[
    str, typer.Option("--reference-device", metavar="cpu|gpu", help="What the original itself runs on.")
]


class Common:
    """The options that every verb has, read."""

    OPTIONS: ClassVar[Options] = {
        "as_json": (
            Annotated[
                bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")
            ],
            False,
        ),
        "offline": (
            Annotated[bool, typer.Option("--offline", help="Never touch the network (also EDGE_TOOLKIT_OFFLINE=1).")],
            False,
        ),
        "python": (
            Annotated[
                list[str] | None,
                typer.Option("--python", metavar="NAME=PATH", help="The interpreter for an environment."),
            ],
            None,
        ),
        "timeout": (
            Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds that one job may take.")],
            900.0,
        ),
        "memory": (
            Annotated[float, typer.Option("--memory", metavar="GB", help="Resident memory that one job may use.")],
            8.0,
        ),
    }

    def __init__(self, as_json: bool, offline: bool, python: list[str] | None, timeout: float, memory: float) -> None:
        self.as_json = as_json
        self._offline = offline
        self._pythons = dict(_environment_and_path(text) for text in python or ())
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

        from toolkit.local_executor import LocalExecutor
        from toolkit.progress import Progress

        return LocalExecutor(replace(self.settings, permissions=allowed.permissions), Progress())

    def show(self, document: Any, text: Callable[[], Text]) -> None:
        """Print the result: one JSON document, or the text for people."""
        print(printable.lines([printable.document(document) if self.as_json else text()]), flush=True)


def say(*lines: str) -> None:
    """Tell people on standard error what is going on, in these lines."""
    print(printable.lines(lines), file=sys.stderr, flush=True)


class Allowed:
    """What the user's own code may do beside what every job may, read."""

    OPTIONS: ClassVar[Options] = {
        "allow_read": (
            Annotated[
                list[Path] | None,
                typer.Option(
                    "--allow-read",
                    metavar="PATH",
                    help="Your own code (builder, samples, metrics) may read this file or folder too; may be given again.",
                ),
            ],
            None,
        ),
        "allow_network": (
            Annotated[bool, typer.Option("--allow-network", help="Your own code may reach the network.")],
            False,
        ),
        "allow_env": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--allow-env",
                    metavar="NAME",
                    help="Workers get this environment variable as it is set here; may be given again.",
                ),
            ],
            None,
        ),
    }

    def __init__(self, allow_read: list[Path] | None, allow_network: bool, allow_env: list[str] | None) -> None:
        from toolkit.permissions import Permissions

        self.permissions = Permissions(tuple(allow_read or ()), allow_network, tuple(allow_env or ()))


class Handed:
    """What was said of the model beside its path; called with the path, it is the original."""

    OPTIONS: ClassVar[Options] = {
        "signature": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--signature",
                    metavar="KEY",
                    help="Which of the model's signatures; build and verify take several, and all.",
                ),
            ],
            None,
        ),
        "shape": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--shape",
                    metavar="NAME=1,8,8",
                    help="The shape of one call, where the model leaves sizes open; the same name again is another size to verify.",
                ),
            ],
            None,
        ),
        "builder": (
            Annotated[
                str | None,
                typer.Option(
                    "--builder",
                    metavar="MODULE:FUNCTION",
                    help="Makes the model that a checkpoint or weights belong to: package.module:function or file.py:function.",
                ),
            ],
            None,
        ),
        "builder_arg": (
            Annotated[
                list[str] | None, typer.Option("--builder-arg", metavar="K=V", help="Given to the builder, as text.")
            ],
            None,
        ),
        "step": (
            Annotated[int | None, typer.Option("--step", metavar="N", help="Which checkpoint of a folder.")],
            None,
        ),
        "inputs": (
            Annotated[
                list[str] | None, typer.Option("--inputs", metavar="NAME=TENSOR,...", help="Where a graph begins.")
            ],
            None,
        ),
        "outputs": (
            Annotated[
                list[str] | None, typer.Option("--outputs", metavar="NAME=TENSOR,...", help="Where a graph ends.")
            ],
            None,
        ),
        "bind": (
            Annotated[
                list[str] | None,
                typer.Option("--bind", metavar="NAME=VALUE", help="A placeholder's value, as keep_prob=1.0."),
            ],
            None,
        ),
        "map": (
            Annotated[
                Path | None,
                typer.Option("--map", metavar="FILE", help='TOML: "variable" = "what the checkpoint calls it".'),
            ],
            None,
        ),
        "allow_unrestored": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--allow-unrestored", metavar="PATTERN", help="Variables that may lack a value in the file."
                ),
            ],
            None,
        ),
        "trust": (
            Annotated[
                bool,
                typer.Option(
                    "--trust",
                    help="Let a model run what reaches for files, Python or the network, and run where nothing confines it.",
                ),
            ],
            False,
        ),
    }

    def __init__(self, **said: Any) -> None:
        self._said = said

    def __call__(self, path: Path, device: str = "cpu", several: Collection[str] = ()) -> Original:
        """Return the original; `several` says of what the verb takes more than one: "signature", "shape"."""
        from toolkit.sizes import declared
        from toolkit.source import Original

        if device not in ("cpu", "gpu"):
            raise UnknownName("--reference-device", device, ("cpu", "gpu"))
        said = self._said
        keys, sizes = said["signature"] or [], declared(_shapes(said["shape"]))
        for flag, count in (("signature", len(keys)), ("shape", len(sizes))):
            if count > 1 and flag not in several:
                raise RequestError(f"--{flag}: {count} of them; this verb takes one")
        return Original(
            path,
            tuple(keys) if len(keys) > 1 else keys[0] if keys else None,
            sizes[0] if len(sizes) == 1 else {},
            builder=said["builder"],
            builder_args=_pairs("--builder-arg", said["builder_arg"], "layers=3"),
            step=said["step"],
            inputs=_tensors("--inputs", said["inputs"]),
            outputs=_tensors("--outputs", said["outputs"]),
            bind=_pairs("--bind", said["bind"], "keep_prob=1.0"),
            map=said["map"],
            allow_unrestored=tuple(said["allow_unrestored"] or ()),
            trust=said["trust"],
            device="gpu" if device == "gpu" else "cpu",
            sizes=sizes if len(sizes) > 1 else (),
        )


class Quantized:
    """What was said of quantization; called with the scheme, it is all that is asked of it."""

    OPTIONS: ClassVar[Options] = {
        "estimator": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--estimator",
                    metavar="E",
                    help="How ranges are estimated, as min_max or percentile:percentile=99.99; of several the best is taken.",
                ),
            ],
            None,
        ),
        "quantizer": (
            Annotated[
                str | None,
                typer.Option("--quantizer", metavar="Q", help="This engine alone, of those that can make the scheme."),
            ],
            None,
        ),
        "granularity": (
            Annotated[
                str | None,
                typer.Option("--granularity", metavar="G", help="Scales of weights: per_channel or per_tensor."),
            ],
            None,
        ),
        "keep_float": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--keep-float", metavar="PATTERN", help="Layers to leave in float, by their output tensor's name."
                ),
            ],
            None,
        ),
        "keep_float_op": (
            Annotated[
                list[str] | None,
                typer.Option("--keep-float-op", metavar="OP", help="Operators to leave in float, as SOFTMAX."),
            ],
            None,
        ),
    }

    def __init__(self, **said: Any) -> None:
        self._said = said

    def __call__(self, scheme: str | None) -> Asked:
        from toolkit import recipe

        said, granularities = self._said, ("per_channel", "per_tensor")
        if said["granularity"] not in (None, *granularities):
            raise UnknownName("--granularity", said["granularity"], granularities)
        return recipe.Asked(
            scheme,
            tuple(recipe.estimator(text) for text in said["estimator"] or ()),
            said["quantizer"],
            said["granularity"],
            recipe.KeepFloat(tuple(said["keep_float"] or ()), tuple(said["keep_float_op"] or ())),
        )


class Reported:
    """Where the one document of a verb goes beside the terminal; called with the document, it writes it."""

    OPTIONS: ClassVar[Options] = {
        "report": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--report",
                    metavar="FORMAT=FILE",
                    help="Also write it as junit, markdown, github or sarif; FILE - is standard output. May be given again.",
                ),
            ],
            None,
        ),
    }

    def __init__(self, report: list[str] | None, *, as_json: bool) -> None:
        from toolkit import report_formats

        self._asked = report_formats.asked(report or (), printed=as_json)
        report_formats.require_writable(self._asked)

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
        from toolkit.target import find

        names = {find(name).name for name in targets}
        inside = [one for one in self._asked if one.path is not None and names & {*_folders_below(out, one.path)}]
        self._asked = tuple(one for one in self._asked if one not in inside)
        if inside:
            why = "will lie in a bundle, which is written as a whole; a place outside of it would be right"
            raise RequestError(printable.lines(f"{one.path}: {why}" for one in inside))

    def __call__(self, document: Mapping[str, Any]) -> None:
        from toolkit import report_formats

        report_formats.write(document, self._asked)


def _folders_below(out: Path, path: Path) -> tuple[str, ...]:
    """Return the first two folders between `out` and a path (TARGET, or SIGNATURE/TARGET, where a bundle is); () for a path elsewhere."""
    place, above = Path(os.path.realpath(path)), os.path.realpath(out)
    return place.relative_to(above).parts[:-1][:2] if place.is_relative_to(above) else ()


def _pair(flag: str, text: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise RequestError(f"{flag} {text!r}: expected NAME=VALUE, as in {flag} {example}")
    return name, value


def _environment_and_path(text: str) -> tuple[str, str]:
    """Return the environment, of a release as `litert==2.1.0` where one is named, and the interpreter of a `--python`."""
    name, path = _pair("--python", text, "tensorflow=/path/to/python")
    if not path.startswith("="):
        return name, path
    release, interpreter = _pair("--python", path[1:], "litert==2.1.0=/path/to/python")
    return f"{name}=={release}", interpreter


def _pairs(flag: str, texts: list[str] | None, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, value = _pair(flag, text, example)
        _refuse_twice(flag, name, pairs)
        pairs[name] = value
    return pairs


def _tensors(flag: str, texts: list[str] | None) -> dict[str, str]:
    """Return tensors by the names that they are to have: what stands before `=`, else the operator's own name."""
    tensors: dict[str, str] = {}
    for part in (part.strip() for text in texts or () for part in text.split(",")):
        name, sign, tensor = part.partition("=")
        if not name or (sign and not tensor):
            raise RequestError(f"{flag} {part!r}: expected NAME=TENSOR, as in {flag} image=IteratorGetNext:0")
        name, tensor = (name, tensor) if sign else (name.partition(":")[0], name)
        _refuse_twice(flag, name, tensors)
        tensors[name] = tensor
    return tensors


def _refuse_twice(flag: str, name: str, known: dict[str, str]) -> None:
    if name in known:
        raise RequestError(f"{flag} {name}: given twice; each name can be used once")


def _shapes(texts: list[str] | None) -> list[tuple[str, list[int]]]:
    shapes = []
    for text in texts or ():
        name, sign, value = text.partition("=")
        try:
            sizes = [int(size) for size in value.split(",") if size.strip()] if value != "scalar" else []
        except ValueError:
            sizes = [-1]
        if not (name and sign and value) or any(size < 1 for size in sizes):
            raise RequestError(f"--shape {text!r}: expected NAME=SIZES, as in --shape image=1,8,8,1, or NAME=scalar")
        shapes.append((name, sizes))
    return shapes


def kinds_of(texts: list[str] | None) -> dict[str, str]:
    """Return kinds by output; RequestError with all mistakes."""
    if not texts:
        return {}
    from toolkit.output_kinds.declaring import read

    return read(texts)


def sets_of(flag: str, texts: list[str] | None) -> Sets:
    """Return the one set, or the sets by the name of a signature or size; one without a name is for the others. RequestError for one said twice."""
    from toolkit.opening import OTHERS

    sets: dict[str, str] = {}
    for text in texts or ():
        name, sign, place = text.partition("=")
        name, place = (name, place) if sign and not os.path.exists(text) else (OTHERS, text)
        if not place:
            raise RequestError(f"{flag} {text!r}: names no set; SET or NAME=SET would be right")
        if name in sets:
            raise RequestError(f"{flag} {text}: the second for {'all' if name == OTHERS else name}; each can have one")
        sets[name] = place
    return sets[OTHERS] if list(sets) == [OTHERS] else sets or None
