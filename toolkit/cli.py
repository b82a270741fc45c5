"""The command line: verbs, each of them one call of the Python interface.

Nothing heavy is imported at the top: `edge-toolkit --help` answers as fast as Python starts.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from toolkit.errors import EdgeToolkitError, RequestError, UnknownName

if TYPE_CHECKING:
    from toolkit.executor import Executor
    from toolkit.limits import Limits
    from toolkit.recipe import Asked
    from toolkit.settings import Settings
    from toolkit.source import Original

INTERRUPTED = 130  # 128 + SIGINT, as a shell says it

app = typer.Typer(
    name="edge-toolkit",
    epilog="Exit status: 0 passed, 1 a verdict not passed, 2 the request is wrong, 3 something outside failed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
targets = typer.Typer(help="Hardware profiles.", no_args_is_help=True, rich_markup_mode=None)
cache = typer.Typer(help="The store of finished jobs.", no_args_is_help=True, rich_markup_mode=None)
calibrations = typer.Typer(help="Calibration sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(targets, name="targets")
app.add_typer(calibrations, name="calibration")
app.add_typer(cache, name="cache")

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

    def __init__(self, as_json: bool, offline: bool, python: list[str] | None, timeout: float, memory: float) -> None:
        self.as_json = as_json
        self._offline = offline
        self._pythons = dict(_pair("--python", text, "tensorflow=/path/to/python") for text in python or ())
        self._timeout_s = timeout
        self._memory_gb = memory

    @property
    def settings(self) -> Settings:
        from toolkit.settings import Settings, default_offline

        pythons = {name: Path(path) for name, path in self._pythons.items()}
        return Settings(offline=self._offline or default_offline(), pythons=pythons, limits=self._limits(), say=say)

    def _limits(self) -> Limits:
        from toolkit.limits import Limits

        if not (self._timeout_s > 0 and self._memory_gb > 0):
            raise RequestError(f"--timeout {self._timeout_s:g} and --memory {self._memory_gb:g}: both must be above 0")
        return Limits(self._timeout_s, int(self._memory_gb * 1e9))

    def executor(self) -> Executor:
        from toolkit.executor import Executor
        from toolkit.progress import Progress

        return Executor(self.settings, Progress())

    def show(self, document: Any, text: Callable[[], str]) -> None:
        """Print the result: one JSON document, or the text for people."""
        print(json.dumps(document, indent=2, allow_nan=False) if self.as_json else text())


def say(line: str) -> None:
    """Tell people on standard error what is going on."""
    print(line, file=sys.stderr, flush=True)


_COMMON = {
    "as_json": Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")
    ],
    "offline": Annotated[
        bool, typer.Option("--offline", help="Never touch the network (also EDGE_TOOLKIT_OFFLINE=1).")
    ],
    "python": Annotated[
        list[str] | None, typer.Option("--python", metavar="NAME=PATH", help="The interpreter for an environment.")
    ],
    "timeout": Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds that one job may take.")],
    "memory": Annotated[float, typer.Option("--memory", metavar="GB", help="Resident memory that one job may use.")],
}
_COMMON_DEFAULTS: dict[str, Any] = {"as_json": False, "offline": False, "python": None, "timeout": 900.0, "memory": 8.0}


_ORIGINAL = {
    "signature": Annotated[
        str | None, typer.Option("--signature", metavar="KEY", help="Which of the model's signatures.")
    ],
    "shape": Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            metavar="NAME=1,8,8",
            help="The shape of one call, where the model leaves sizes open; may be given again.",
        ),
    ],
    "builder": Annotated[
        str | None,
        typer.Option(
            "--builder",
            metavar="MODULE:FUNCTION",
            help="Makes the model that a checkpoint or weights belong to: package.module:function or file.py:function.",
        ),
    ],
    "builder_arg": Annotated[
        list[str] | None, typer.Option("--builder-arg", metavar="K=V", help="Given to the builder, as text.")
    ],
    "step": Annotated[int | None, typer.Option("--step", metavar="N", help="Which checkpoint of a folder.")],
    "inputs": Annotated[
        list[str] | None, typer.Option("--inputs", metavar="NAME=TENSOR,...", help="Where a graph begins.")
    ],
    "outputs": Annotated[
        list[str] | None, typer.Option("--outputs", metavar="NAME=TENSOR,...", help="Where a graph ends.")
    ],
    "bind": Annotated[
        list[str] | None, typer.Option("--bind", metavar="NAME=VALUE", help="A placeholder's value, as keep_prob=1.0.")
    ],
    "map": Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help='TOML: "variable" = "what the checkpoint calls it".')
    ],
    "allow_unrestored": Annotated[
        list[str] | None,
        typer.Option("--allow-unrestored", metavar="PATTERN", help="Variables that may lack a value in the file."),
    ],
    "trust": Annotated[
        bool, typer.Option("--trust", help="Let a model run what reaches for files, Python or the network.")
    ],
}
_ORIGINAL_DEFAULTS: dict[str, Any] = dict.fromkeys(_ORIGINAL) | {"trust": False}


_QUANTIZED = {
    "estimator": Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            metavar="E",
            help="How ranges are estimated, as min_max or percentile:percentile=99.99; of several the best is taken.",
        ),
    ],
    "quantizer": Annotated[
        str | None,
        typer.Option("--quantizer", metavar="Q", help="This engine alone, of those that can make the scheme."),
    ],
    "granularity": Annotated[
        str | None, typer.Option("--granularity", metavar="G", help="Scales of weights: per_channel or per_tensor.")
    ],
    "keep_float": Annotated[
        list[str] | None,
        typer.Option(
            "--keep-float", metavar="PATTERN", help="Layers to leave in float, by their output tensor's name."
        ),
    ],
    "keep_float_op": Annotated[
        list[str] | None, typer.Option("--keep-float-op", metavar="OP", help="Operators to leave in float, as SOFTMAX.")
    ],
}
_QUANTIZED_DEFAULTS: dict[str, Any] = dict.fromkeys(_QUANTIZED)
_REPORTED = {
    "report": Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FORMAT=FILE",
            help="Also write it as junit, markdown, github or sarif; FILE - is standard output. May be given again.",
        ),
    ]
}
_REPORTED_DEFAULTS: dict[str, Any] = dict.fromkeys(_REPORTED)


def _asked(scheme: str | None, said: dict[str, Any]) -> Asked:
    """Return what was said of quantization."""
    from toolkit import recipe

    granularities = ("per_channel", "per_tensor")
    if said["granularity"] not in (None, *granularities):
        raise UnknownName("--granularity", said["granularity"], granularities)
    return recipe.Asked(
        scheme,
        tuple(recipe.estimator(text) for text in said["estimator"] or ()),
        said["quantizer"],
        said["granularity"],
        recipe.KeepFloat(tuple(said["keep_float"] or ()), tuple(said["keep_float_op"] or ())),
    )


class Handed:
    """What was said of the model beside its path; called with the path, it is the original."""

    def __init__(self, **said: Any) -> None:
        self._said = said

    def __call__(self, path: Path, device: str = "cpu") -> Original:
        from toolkit.source import Original

        if device not in ("cpu", "gpu"):
            raise UnknownName("--reference-device", device, ("cpu", "gpu"))
        said = self._said
        return Original(
            path,
            said["signature"],
            _shapes(said["shape"]),
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
        )


class Reported:
    """Where the one document of a verb goes beside the terminal; called with the document, it writes it."""

    def __init__(self, texts: list[str] | None, *, as_json: bool) -> None:
        from toolkit import report_formats

        self._asked = report_formats.asked(texts or (), printed=as_json)
        report_formats.require_writable(self._asked)

    def __call__(self, document: Mapping[str, Any]) -> None:
        from toolkit import report_formats

        report_formats.write(document, self._asked)


def _report_error(reported: Reported | None, error: EdgeToolkitError) -> None:
    """Write the error where a document was asked for; that this fails too (the disk is full, say) is said and changes nothing."""
    try:
        if reported is not None:
            reported(_error(error))
    except EdgeToolkitError as another:
        say(str(another))


def verb(group: typer.Typer, name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a function a verb: it gets `common` first, returns the exit status, and every verb has the common options.

    One that has a parameter `handed` has the options that say more of a model than its path; one that has `quantized`, those of quantization;
    one that has `reported`, those for reports in other formats, which are written of an error too.
    """

    def wrap(function: Callable[..., int]) -> Callable[..., int]:
        own = inspect.signature(function, eval_str=True)
        extra = {
            **_COMMON,
            **(_ORIGINAL if "handed" in own.parameters else {}),
            **(_QUANTIZED if "quantized" in own.parameters else {}),
            **(_REPORTED if "reported" in own.parameters else {}),
        }
        defaults = _COMMON_DEFAULTS | _ORIGINAL_DEFAULTS | _QUANTIZED_DEFAULTS | _REPORTED_DEFAULTS

        @functools.wraps(function)
        def call(**arguments: Any) -> None:
            shared = {key: arguments.pop(key) for key in _COMMON}
            if "handed" in own.parameters:
                arguments["handed"] = Handed(**{key: arguments.pop(key) for key in _ORIGINAL})
            if "quantized" in own.parameters:
                arguments["quantized"] = {key: arguments.pop(key) for key in _QUANTIZED}
            as_json = shared["as_json"]
            texts = arguments.pop("report", None)
            reported: Reported | None = None
            try:
                if "reported" in own.parameters:
                    arguments["reported"] = reported = Reported(texts, as_json=as_json)
                status = function(Common(**shared), **arguments)
            except EdgeToolkitError as error:
                status = _tell(error, as_json=as_json)
                _report_error(reported, error)
            except KeyboardInterrupt:
                say("interrupted: what was finished is kept, and the same command goes on from there")
                status = INTERRUPTED
            raise typer.Exit(status)

        parameters = [
            parameter
            for key, parameter in own.parameters.items()
            if key not in ("common", "handed", "quantized", "reported")
        ]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=defaults[key], annotation=annotation)
            for key, annotation in extra.items()
        ]
        kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        call.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in kept}
        del call.__wrapped__
        group.command(name)(call)
        return function

    return wrap


def _show_version(asked: bool) -> None:
    if asked:
        from toolkit import __version__

        print(f"edge-toolkit {__version__}")
        raise typer.Exit(0)


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Trained TensorFlow models, packaged for phones, boards and microcontrollers, and verified on the runtime that the device runs."""


@verb(app, "build")
def build(
    common: Common,
    handed: Handed,
    quantized: dict[str, Any],
    reported: Reported,
    source: SourcePath,
    target: Targets,
    calibration: Calibration = None,
    evaluation: Evaluation = None,
    limits: LintLimits = None,
    scheme: Scheme = None,
    stop_early: StopEarly = False,
    reference_device: ReferenceDevice = "cpu",
    out: Out = Path("dist"),
) -> int:
    """From a saved model to a verified bundle, for one target or several."""
    from toolkit import report
    from toolkit.api import build
    from toolkit.opening import Samples

    original, samples = handed(source, reference_device), Samples(calibration, evaluation, limits, stop_early)
    with common.executor() as executor:
        outcomes = build(original, target, samples, out, scheme=_asked(scheme, quantized), executor=executor)
    document = report.outcomes_json(outcomes)
    common.show(document, lambda: report.outcomes_text(outcomes))
    reported(document)
    return report.exit_status(outcomes)


@verb(app, "convert")
def convert(
    common: Common,
    handed: Handed,
    quantized: dict[str, Any],
    source: SourcePath,
    scheme: Annotated[str, typer.Option("--scheme", metavar="S", help="The quantization scheme.")] = "float32",
    calibration: Calibration = None,
    inputs_dtype: Annotated[str, typer.Option("--inputs-dtype", help="float32, int8 or uint8.")] = "float32",
    outputs_dtype: Annotated[str, typer.Option("--outputs-dtype", help="float32, int8 or uint8.")] = "float32",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write.")] = Path("model.tflite"),
) -> int:
    """Convert and quantize, without a verdict."""
    from toolkit import report
    from toolkit.api import convert
    from toolkit.conversion import format_of
    from toolkit.opening import Samples
    from toolkit.recipe import Recipe

    recipe = _asked(scheme, quantized).of(Recipe(scheme, inputs=inputs_dtype, outputs=outputs_dtype))
    artifact_format = format_of(out)
    with common.executor() as executor:
        artifact = convert(
            handed(source), recipe, Samples(calibration), out, artifact_format=artifact_format, executor=executor
        )
    common.show(report.artifact_json(artifact), lambda: report.artifact_text(artifact))
    return 0


@verb(app, "run")
def run(
    common: Common,
    artifact: ArtifactPath,
    target: OneTarget,
    samples: Annotated[
        str, typer.Option("--samples", metavar="SET", help="A recipe, an .npz, a folder of images, or module:function.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .npz, or .safetensors, to write the outputs to.")
    ] = Path("outputs.npz"),
) -> int:
    """Run an artifact over samples, on a target's runtime."""
    from toolkit import report
    from toolkit.api import run

    with common.executor() as executor:
        ran = run(artifact, target, samples, out, executor=executor)
    common.show(report.run_json(ran, out), lambda: report.run_text(ran, out))
    return 0


@verb(app, "verify")
def verify(
    common: Common,
    handed: Handed,
    reported: Reported,
    artifact: Annotated[
        Path, typer.Argument(metavar="ARTIFACT", help="A .tflite file; with --bounds, a bundle whose runs are judged.")
    ],
    source: Annotated[Path | None, typer.Option("--source", metavar="SOURCE", help="The original model.")] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", metavar="T", help="A profile's name or path.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration", metavar="SET", help="The set that it was calibrated with, none of which will judge."
        ),
    ] = None,
    evaluation: Evaluation = None,
    bounds: Bounds = None,
    stop_early: StopEarly = False,
    reference_device: ReferenceDevice = "cpu",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write the reports, if anywhere.")
    ] = None,
) -> int:
    """Compare an artifact that is already there with its original, stage by stage; or judge a bundle's runs by other bounds."""
    from toolkit import report
    from toolkit.api import verify
    from toolkit.opening import Samples

    if bounds is not None:
        others = {"source": source, "target": target, "calibration": calibration, "eval": evaluation, "out": out}
        return _rejudge(common, reported, artifact, bounds, others)
    if source is None or not target:
        lacking = " and ".join(name for name, value in (("--source", source), ("--target", target)) if not value)
        raise RequestError(
            f"verify {artifact}: without {lacking} there is nothing to hold it against",
            "for a bundle's runs by other bounds: verify BUNDLE --bounds FILE",
        )
    original, samples = handed(source, reference_device), Samples(calibration, evaluation, stop_early=stop_early)
    with common.executor() as executor:
        outcomes = verify(artifact, original, target, samples, out, executor=executor)
    document = report.outcomes_json(outcomes)
    common.show(document, lambda: report.outcomes_text(outcomes))
    reported(document)
    return report.exit_status(outcomes)


def _rejudge(common: Common, reported: Reported, bundle: Path, bounds: Path, others: Mapping[str, object]) -> int:
    from toolkit.rejudging import rejudge

    useless = [f"--{name}" for name, value in others.items() if value]
    if useless:
        raise RequestError(f"verify {bundle} --bounds: runs nothing again, and has no use for {', '.join(useless)}")
    judged = rejudge(bundle, bounds)
    common.show(judged.to_json(), judged.text)
    reported(judged.to_json())
    return int(judged.outcome != "passed")


@verb(app, "compare")
def compare(
    common: Common,
    reported: Reported,
    reference: Annotated[
        Path, typer.Argument(metavar="RUN", help="A saved run: a .safetensors of a bundle's runs, or an .npz.")
    ],
    candidate: Annotated[Path, typer.Argument(metavar="RUN", help="The run that is held against it.")],
    bounds: Bounds = None,
    stage: Annotated[
        str, typer.Option("--stage", metavar="STAGE", help="Whose bounds: total, conversion, ...")
    ] = "total",
    scheme: Scheme = None,
) -> int:
    """Compare two saved runs, output by output; with --bounds also judge them."""
    from toolkit import target
    from toolkit.rejudging import compare_runs

    if bounds is None and (stage != "total" or scheme is not None):
        raise RequestError("compare: --stage and --scheme choose among bounds; --bounds FILE with them would be right")
    known = get_args(target.Stage)
    if stage not in known:
        raise UnknownName("stage", stage, known)
    limits = () if bounds is None else target.read_bounds(bounds)
    compared = compare_runs(reference, candidate, limits, stage=stage, scheme=scheme)
    common.show(compared.to_json(), compared.text)
    reported(compared.to_json())
    return int(not compared.passed)


@verb(app, "check")
def check(
    common: Common,
    reported: Reported,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of one target of a build.")],
    baseline: Annotated[
        Path, typer.Option("--baseline", metavar="OLD", help="The last release: a baseline file, or its bundle.")
    ],
    allow: Annotated[
        Path | None, typer.Option("--allow", metavar="FILE", help="TOML: changes that may be, each with its reason.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the baseline of this build, and print what changed.")
    ] = False,
) -> int:
    """Compare a build with the last release: outputs, task metrics, size, latency, findings; nothing runs again."""
    from toolkit import baseline as gate
    from toolkit.bundle import require_writable_file

    if update_baseline:
        if allow is not None:
            raise RequestError("check --update-baseline: judges nothing, and has no use for --allow")
        require_writable_file(baseline)
        changes = gate.update(bundle, baseline)
        common.show({"baseline": str(baseline), "changes": changes}, lambda: "\n".join([f"{baseline}:", *changes]))
        return 0
    checked = gate.check(bundle, baseline, allow)
    common.show(checked.to_json(), checked.text)
    reported(checked.to_json())
    return int(not checked.passed)


@verb(app, "sweep")
def sweep(
    common: Common,
    handed: Handed,
    source: SourcePath,
    target: Targets,
    calibration: Calibration = None,
    evaluation: Evaluation = None,
    limits: LintLimits = None,
    scheme: Annotated[
        list[str] | None, typer.Option("--scheme", metavar="S", help="A scheme to try; else all of the target's.")
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option("--estimator", metavar="E", help="A range estimator to try; else all of our own."),
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option("--size", metavar="N", help="So many calibration samples; else all of them.")
    ] = None,
    quantizer: Annotated[str | None, typer.Option("--quantizer", metavar="Q", help="This engine alone.")] = None,
    conditions: Annotated[
        list[str] | None, typer.Option("--filter", metavar="C", help="Show these rows alone, as 'drift>=20'.")
    ] = None,
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help="The best of this column first.")] = "drift",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write sweep.json, .csv, .png and .svg.")
    ] = None,
) -> int:
    """Quantization experiments: schemes, estimators, set sizes and targets in one table."""
    from toolkit import recipe, sweep_table
    from toolkit.experiments import Asking, sweep
    from toolkit.opening import Samples

    asking = Asking(
        tuple(scheme or ()),
        tuple(recipe.estimator(text) for text in estimator or ()),
        tuple(size or ()),
        recipe.Asked(quantizer=quantizer),
    )
    sweep_table.sorted_by([], sort)
    sweep_table.filtered([], conditions or ())
    with common.executor() as executor:
        samples = Samples(calibration, evaluation, limits)
        rows = sweep(handed(source), target, samples, asking, executor=executor)
        shown = sweep_table.sorted_by(sweep_table.filtered(rows, conditions or ()), sort)
        if out is not None:
            sweep_table.write(shown, out, source.name, executor)
    common.show(
        {"rows": [row.to_json() for row in shown]}, lambda: sweep_table.text(shown, hidden=len(rows) - len(shown))
    )
    return 0 if any(row.verdict == "passed" for row in rows) else 1


@verb(app, "debug")
def debug(
    common: Common,
    handed: Handed,
    artifact: ArtifactPath,
    source: Annotated[Path, typer.Option("--source", metavar="SOURCE", help="The original model.")],
    target: OneTarget = "host",
    calibration: Calibration = None,
    evaluation: Evaluation = None,
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="Over so many samples.")] = 32,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Try what to keep in float, and show what each step buys.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write tables, plots and node data.")
    ] = None,
) -> int:
    """Tell which layers of a quantized artifact drift from the float one, and what to keep in float."""
    from toolkit import drift
    from toolkit.examination import Looking, debug
    from toolkit.opening import Samples

    sets, looking = Samples(calibration, evaluation), Looking(target, samples, suggest)
    with common.executor() as executor:
        found = debug(artifact, handed(source), sets, looking, executor=executor)
        if out is not None:
            drift.write(found.drift, out, artifact.name, executor)
    common.show(found.to_json(), found.text)
    return 0


@verb(calibrations, "lint")
def calibration_lint(
    common: Common,
    handed: Handed,
    calibration: Annotated[str, typer.Argument(metavar="SET", help="The calibration set, as --calibration takes it.")],
    source: Annotated[Path, typer.Option("--source", metavar="SOURCE", help="The model that it is for.")],
    evaluation: Evaluation = None,
    limits: LintLimits = None,
) -> int:
    """Look for mistakes in a calibration set; exit status 1 where one would stop a build."""
    from toolkit import linting, report
    from toolkit.examination import lint
    from toolkit.opening import Samples

    with common.executor() as executor:
        found = lint(handed(source), Samples(calibration, evaluation, limits), executor=executor)
    common.show({"findings": [dict(finding) for finding in found]}, lambda: report.findings_text(calibration, found))
    return int(any(finding["severity"] == linting.SEVERE for finding in found))


@verb(calibrations, "show")
def calibration_show(
    common: Common,
    calibration: Annotated[str, typer.Argument(metavar="SET", help="A recipe or data, as --calibration takes it.")],
) -> int:
    """Show what a set declares, and the files that it is read from."""
    from toolkit import dataset, report

    asked = dataset.recipe(calibration)
    held = {**asked.request(), "files": {key: str(path) for key, path in asked.files().items()}}
    common.show(held, lambda: report.nested_text(held))
    return 0


@verb(app, "inspect")
def inspect_(
    common: Common,
    handed: Handed,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A source or an artifact.")],
) -> int:
    """Tell what a model is: who wrote it, signatures, variables, operators, what a build would need; with a builder, also what it restores."""
    from toolkit import report
    from toolkit.api import inspect

    with common.executor() as executor:
        held = inspect(handed(path), executor=executor)
    common.show(held, lambda: report.inspected_text(path, held))
    return 0


@verb(targets, "list")
def targets_list(common: Common) -> int:
    """List the profiles that --target knows."""
    from toolkit import report, target

    found = [target.find(name) for name in target.names()]
    common.show([profile.model_dump(mode="json") for profile in found], lambda: report.targets_text(found))
    return 0


@verb(targets, "show")
def targets_show(common: Common, name: Annotated[str, typer.Argument(metavar="TARGET")]) -> int:
    """Show the whole of a profile, with where each value comes from."""
    from toolkit import report, target

    profile = target.find(name)
    common.show(profile.model_dump(mode="json"), lambda: report.profile_text(target.provenance(name)))
    return 0


@verb(targets, "check")
def targets_check(common: Common, paths: Annotated[list[Path], typer.Argument(metavar="FILE...")]) -> int:
    """Check profiles; all mistakes at once."""
    from toolkit import target

    for path in paths:
        target.check(path)
    common.show({"checked": [str(path) for path in paths]}, lambda: "\n".join(f"{path}: ok" for path in paths))
    return 0


@verb(app, "setup")
def setup(common: Common, names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None) -> int:
    """Make environments ahead of time: all of them and the emulator (qemu), or those named."""
    from toolkit import environments, report

    rows = environments.setup(names or [*environments.names(), environments.QEMU], common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(app, "doctor")
def doctor(common: Common) -> int:
    """Show what works on this machine, with the fix for each that does not."""
    from toolkit import report
    from toolkit.api import doctor

    rows = doctor(common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(cache, "show")
def cache_show(common: Common) -> int:
    """Show where the store is and what it holds."""
    from toolkit import report
    from toolkit.store import Store

    store = Store(common.settings.home / "store")
    sizes = [size for _, size, _ in store.entries()]
    held = {"path": str(store.root), "jobs": len(sizes), "size_bytes": sum(sizes)}
    common.show(held, lambda: f"{held['path']}: {held['jobs']} finished jobs, {report.size(sum(sizes))}")
    return 0


@verb(cache, "prune")
def cache_prune(
    common: Common, days: Annotated[float, typer.Option("--days", help="Not used for so many days.")] = 30.0
) -> int:
    """Remove finished jobs that were not used for a while, and what is kept of failed ones."""
    return _prune(common, days)


@verb(cache, "clear")
def cache_clear(common: Common) -> int:
    """Remove all finished jobs; environments stay."""
    return _prune(common, 0.0)


def _prune(common: Common, days: float) -> int:
    from toolkit import report
    from toolkit.store import Store

    count, freed = Store(common.settings.home / "store").prune(days * 86_400)
    common.show(
        {"removed": count, "freed_bytes": freed}, lambda: f"removed {count} finished jobs, {report.size(freed)}"
    )
    return 0


def _pair(flag: str, text: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise RequestError(f"{flag} {text!r}: expected NAME=VALUE, as in {flag} {example}")
    return name, value


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


def _shapes(texts: list[str] | None) -> dict[str, list[int]]:
    shapes = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        try:
            sizes = [int(size) for size in value.split(",") if size.strip()] if value != "scalar" else []
        except ValueError:
            sizes = [-1]
        if not (name and sign and value) or any(size < 1 for size in sizes):
            raise RequestError(f"--shape {text!r}: expected NAME=SIZES, as in --shape image=1,8,8,1, or NAME=scalar")
        shapes[name] = sizes
    return shapes


def _error(error: EdgeToolkitError) -> dict[str, Any]:
    """Return the document that comes in place of another one."""
    said = {
        "kind": type(error).__name__,
        "problem": error.problem,
        "hint": error.hint,
        "exit_status": error.exit_status,
    }
    return {"error": said}


def _tell(error: EdgeToolkitError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_error(error), indent=2))
    else:
        say(str(error))
    return error.exit_status


def main() -> None:
    """Run the command line and exit with its status; no traceback ever reaches the user."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that workers are ended and folders left clean
    # What other packages hook into pydantic has no business here, and looking for it takes 5 % of the shortest verbs' time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        import traceback

        from toolkit.settings import default_home

        say(f"edge-toolkit: internal error: {type(error).__name__}: {error}")
        try:
            place = default_home() / "internal-error.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(traceback.format_exc())
            say(f"  hint: please report it with {place}")
        except OSError:
            say(f"  hint: please report it; the trace could not be written to {default_home()}")
        sys.exit(3)
