"""Check the samples before any conversion."""

from __future__ import annotations

from toolkit import findings
from toolkit.diagnosis import calibration_stability
from toolkit.execution.run import run_of
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.store import Entry
from toolkit.pipeline.meaning import kinds_of
from toolkit.pipeline.model import Model
from toolkit.pipeline.prepare import Samples, Sets, draw, executing, make_environments, open_model, profiles_of
from toolkit.pipeline.scrutiny import of_answers
from toolkit.profiles.recipe import Recipe, estimator
from toolkit.samples import lint_job
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, original_of, samples_from
from toolkit.verdict.stage_run import StageRun

_LOOKED_AT = Recipe("static_wi8_ai8", (estimator("min_max"),), quantizer="mlir")


def lint(
    original: Original | Place,
    samples: Samples | None = None,
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    executor: Executor | None = None,
) -> list[Finding]:
    """Return the findings about a calibration set, worst first.

    They are about its samples, the original's answers for the judging samples, the ranges that the samples give, and the stability of these ranges.
    If the samples are severely wrong, or cannot show whether an artifact is right, nothing is converted. `samples` replace `calibration` and
    `evaluation`.
    """
    original, samples = original_of(original), samples_from(samples, calibration, evaluation)
    samples.require_readable([_LOOKED_AT])
    numbers = lint_job.read_limits(samples.limits)
    with executing(executor, original) as running:
        opened = open_model(original, running)
        make_environments([(one, [_LOOKED_AT]) for one in profiles_of(["host"])], running.settings)
        model = draw(opened, samples, [_LOOKED_AT])
        drawn, looked = running.run(model.samples, lint_job.lint_job(model.samples, numbers))
        found = [*findings.read(drawn.result["findings"]), *findings.read(looked.result["findings"])]
        if not any(finding.is_grave for finding in found):
            found += _of_answers(model, drawn, running)
        if not any(finding.is_grave for finding in found):
            statistics = model.conversions.statistics("tflite").output("statistics")
            (ranges,) = running.run(lint_job.lint_ranges_job(statistics, model.samples, numbers))
            (variant,) = _LOOKED_AT.variants("tflite")
            halves = calibration_stability.halves_of(model, variant, "tflite")
            found += findings.read(ranges.result["findings"])
            found += calibration_stability.unstable_outputs(halves, running, numbers)
    return sorted(found, key=lambda finding: findings.SEVERITIES.index(finding.severity), reverse=True)


def _of_answers(model: Model, drawn: Entry, running: Executor) -> list[Finding]:
    """Return the findings about the judging samples by the original's answers; rows and labels show the meaning of its outputs."""
    (entry,) = running.run(model.reference)
    run = run_of(entry)
    original = StageRun("original", run, run.signature)
    folder = drawn.out / "verification"
    return of_answers(model, original, folder, kinds_of(original, {}, folder, model.said_kinds), running)
