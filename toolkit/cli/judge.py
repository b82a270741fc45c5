"""The verbs that judge existing files: verify, compare, check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer

from toolkit import printable
from toolkit.cli import completion
from toolkit.cli.common import Common, Detailed, Printed
from toolkit.cli.handed import HandedSeveral
from toolkit.cli.help import MODEL, OUTPUT, SAMPLES, TARGET, VERDICT
from toolkit.cli.option_groups import Allowed, Timed
from toolkit.cli.options import Bounds, EvaluationSets, LintLimits, OutputKinds, ReferenceDevice, StopEarly, TaskMetrics
from toolkit.cli.reading import kinds_of, sets_of
from toolkit.cli.reported import Reported
from toolkit.cli.verbs import app, verb
from toolkit.errors import RequestError, UnknownName

_Judged = Annotated[
    Path,
    typer.Argument(metavar="ARTIFACT", help="A .tflite or .onnx file; with --bounds, a bundle whose runs are judged."),
]
_Source = Annotated[
    Path | None, typer.Option("--source", metavar="SOURCE", rich_help_panel=MODEL, help="The original model.")
]
_Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "-t",
        metavar="T",
        rich_help_panel=TARGET,
        autocompletion=completion.targets,
        help="A profile's name or path; may be given again.",
    ),
]  # fmt: skip
_CalibratedWith = Annotated[
    list[str] | None,
    typer.Option(
        "--calibration",
        metavar="SET",
        rich_help_panel=SAMPLES,
        help="The set that it was calibrated with, none of which will judge.",
    ),
]
_Renames = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="THEIRS=OURS",
        rich_help_panel=MODEL,
        help="What the artifact calls THEIRS is the original's OURS, an input or an output; may be given again.",
    ),
]
_Reports = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where to write the reports, if anywhere."),
]


@verb(
    app,
    "verify",
    "verify model.tflite --source model.keras -t host --eval set.npz",
    "verify dist/host --bounds stricter.toml",
)
def verify(
    common: Common,
    handed: HandedSeveral,
    allowed: Allowed,
    timed: Timed,
    reported: Reported,
    detailed: Detailed,
    artifact: _Judged,
    source: _Source = None,
    target: _Targets = None,
    calibration: _CalibratedWith = None,
    evaluation: EvaluationSets = None,
    task_metric: TaskMetrics = None,
    output_kind: OutputKinds = None,
    bounds: Bounds = None,
    stop_early: StopEarly = False,
    reference_device: ReferenceDevice = "cpu",
    rename: _Renames = None,
    limits: LintLimits = None,
    out: _Reports = None,
) -> int:
    """Compare an artifact that exists with its original.

    It is compared stage by stage. With --bounds, the runs of a bundle are judged by other bounds, and no model runs.
    """
    from toolkit import report
    from toolkit.pipeline.binding import Renamed
    from toolkit.pipeline.prepare import Samples
    from toolkit.verbs.verify import verify

    if bounds is not None:
        given = {
            "--source": source,
            "--target": target,
            "--calibration": calibration,
            "--eval": evaluation,
            "--task-metric": task_metric,
            "--output-kind": output_kind,
            "--stop-early": stop_early,
            "--reference-device": reference_device != "cpu",
            "--rename": rename,
            "--limits": limits,
            "--out": out,
        }
        others = [*(flag for flag, value in given.items() if value), *handed.given, *allowed.given, *timed.given]
        return _rejudge(common, reported, artifact, bounds, others)
    path, targets = _compared_with(artifact, source, target)
    reported.require_outside(out, targets)
    original = handed(path, reference_device)
    sets = sets_of("--calibration", calibration), sets_of("--eval", evaluation)
    metrics, kinds = tuple(task_metric or ()), kinds_of(output_kind)
    samples = Samples(*sets, limits, stop_early=stop_early, task_metrics=metrics, output_kinds=kinds)
    named = Renamed(artifact, tuple(rename or ()))
    with common.executor(allowed) as executor:
        outcomes = verify(named, original, targets, samples, out, timing=timed.request, executor=executor)
    document = report.outcomes_json(outcomes, path)
    common.show(document, lambda: report.outcomes_text(outcomes, detailed.screen))
    reported(document)
    return report.exit_status(outcomes)


def _compared_with(artifact: Path, source: Path | None, target: list[str] | None) -> tuple[Path, list[str]]:
    if source is None or not target:
        lacking = " and ".join(name for name, value in (("--source", source), ("--target", target)) if not value)
        raise RequestError(
            f"verify {artifact}: without {lacking} there is nothing to compare it with",
            "for a bundle's runs by other bounds: verify BUNDLE --bounds FILE",
        )
    return source, target


def _rejudge(common: Common, reported: Reported, bundle: Path, bounds: Path, others: Sequence[str]) -> int:
    from toolkit.regression.rejudge import rejudge

    if others:
        raise RequestError(f"verify {bundle} --bounds: runs nothing again, and takes no {', '.join(others)}")
    judged = rejudge(bundle, bounds)
    common.show(judged.to_json(), lambda: judged.text(common.screen))
    reported(judged.to_json())
    return int(judged.outcome != "passed")


_CompareStage = Annotated[
    str,
    typer.Option(
        "--stage",
        metavar="STAGE",
        rich_help_panel=VERDICT,
        autocompletion=completion.stages,
        help="Whose bounds: total, conversion, ...",
    ),
]
_CompareScheme = Annotated[
    str | None,
    typer.Option(
        "--scheme",
        metavar="S",
        rich_help_panel=VERDICT,
        autocompletion=completion.plugins("conversion/schemes"),
        help="Whose bounds, of those that are for some schemes alone.",
    ),
]
_CompareOutputKind = Annotated[
    list[str] | None,
    typer.Option(
        "--output-kind",
        metavar="NAME=KIND",
        rich_help_panel=VERDICT,
        autocompletion=completion.output_kinds,
        help="What an output is, as logits=class_scores, for the bounds of its kind; may be given again.",
    ),
]
_CompareMetric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="M",
        rich_help_panel=VERDICT,
        autocompletion=completion.plugins("comparison/metrics"),
        help="Measure this too, as topk_agreement:k=5; may be given again.",
    ),
]


@verb(
    app,
    "compare",
    "compare original.safetensors device.safetensors",
    "compare a.npz b.npz --bounds bounds.toml --stage conversion",
)
def compare(
    common: Printed,
    reported: Reported,
    reference: Annotated[
        Path, typer.Argument(metavar="RUN", help="A saved run: a .safetensors of a bundle's runs, or an .npz.")
    ],
    candidate: Annotated[Path, typer.Argument(metavar="RUN", help="The run that is held against it.")],
    bounds: Bounds = None,
    stage: _CompareStage = "total",
    scheme: _CompareScheme = None,
    output_kind: _CompareOutputKind = None,
    metric: _CompareMetric = None,
) -> int:
    """Compare two saved runs; with --bounds also judge them.

    They are compared output by output, and no model runs.
    """
    from toolkit import profiles
    from toolkit.comparison.bounds import Stage
    from toolkit.comparison.compare import Context
    from toolkit.regression.run_comparison import compare_runs

    if bounds is None and (stage != "total" or scheme is not None or output_kind):
        problem = "compare: --stage, --scheme and --output-kind choose among bounds; give --bounds FILE with them"
        raise RequestError(problem)
    if bounds is None and reported.is_asked:
        raise RequestError("compare --report: nothing is judged without bounds; give --bounds FILE with it")
    known = get_args(Stage)
    if stage not in known:
        raise UnknownName("stage", stage, known)
    limits = () if bounds is None else profiles.read_bounds(bounds)
    context = Context(scheme, kinds=kinds_of(output_kind))
    compared = compare_runs(reference, candidate, limits, stage=stage, context=context, also=metric or ())
    common.show(compared.to_json(), compared.text)
    reported(compared.to_json())
    return int(compared.passed is False)


@verb(
    app,
    "check",
    "check dist/host --baseline baselines/host.json",
    "check dist/host --baseline baselines/host.json --update-baseline",
)
def check(
    common: Printed,
    reported: Reported,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of one target of a build.")],
    baseline: Annotated[
        Path,
        typer.Option(
            "--baseline",
            metavar="OLD",
            rich_help_panel=VERDICT,
            help="The last release: a baseline file, or its bundle.",
        ),
    ],
    allow: Annotated[
        Path | None,
        typer.Option(
            "--allow",
            metavar="FILE",
            rich_help_panel=VERDICT,
            help="TOML: changes that may be, each with its reason.",
        ),
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option(
            "--update-baseline",
            rich_help_panel=VERDICT,
            help="Write the baseline of this build, and print what changed.",
        ),
    ] = False,
) -> int:
    """Compare a build with the last release.

    Outputs, task metrics, size, latency and findings are compared; nothing runs again.
    """
    from toolkit.verbs.check import check
    from toolkit.verbs.check import update_baseline as update

    if update_baseline:
        useless = [flag for flag, given in (("--allow", allow), ("--report", reported.is_asked)) if given]
        if useless:
            raise RequestError(f"check --update-baseline: judges nothing, and takes no {', '.join(useless)}")
        changes = update(bundle, baseline)
        common.show(
            {"baseline": str(baseline), "changes": changes}, lambda: printable.lines([f"{baseline}:", *changes])
        )
        return 0
    checked = check(bundle, baseline, allow=allow)
    common.show(checked.to_json(), lambda: checked.text(common.screen))
    reported(checked.to_json())
    return int(not checked.passed)
