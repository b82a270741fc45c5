"""What looks at the samples before anything is converted."""

from __future__ import annotations

from toolkit import findings
from toolkit.diagnosis import calibration_stability
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.prepare import Samples, Sets, draw, executing, make_environments, open_model, profiles_of
from toolkit.profiles.recipe import Recipe, estimator
from toolkit.samples import lint_job
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, original_of, samples_from

_LOOKED_AT = Recipe("static_wi8_ai8", (estimator("min_max"),), quantizer="mlir")


def lint(
    original: Original | Place,
    samples: Samples | None = None,
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    executor: Executor | None = None,
) -> list[Finding]:
    """Return what is to be said of a calibration set, worst first: of its samples, of the ranges that they give, and of how stable these are.

    Where the samples are severely wrong nothing is converted. `samples` stand in place of `calibration` and `evaluation`.
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
        if not any(finding.is_error for finding in found):
            statistics = model.conversions.statistics("tflite").output("statistics")
            (ranges,) = running.run(lint_job.lint_ranges_job(statistics, model.samples, numbers))
            (variant,) = _LOOKED_AT.variants("tflite")
            halves = calibration_stability.halves_of(model, variant, "tflite")
            found += findings.read(ranges.result["findings"])
            found += calibration_stability.unstable_outputs(halves, running, numbers)
    order = ("error", "warning", "info")
    return sorted(found, key=lambda finding: order.index(finding.severity))
