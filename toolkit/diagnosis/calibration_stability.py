"""Whether outputs depend on the calibration samples: each of two random halves gives the ranges of an artifact, and both artifacts run.

This costs two quantizations and three short runs. So `calibration lint` does it if it has a model, and a build does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from toolkit.comparison import compare
from toolkit.errors import InvalidSamples
from toolkit.execution.run import on_this_machine, run_of, signature_of_run
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.store import Entry
from toolkit.pipeline.model import Model
from toolkit.profiles.recipe import Variant
from toolkit.samples.lint_job import LintLimits
from toolkit.tensors.signature import Signature
from toolkit.verdict.noise import noise_share
from toolkit.verdict.stage_run import StageRun

_SAMPLES = 16
_SEED = 0


@dataclass(frozen=True, slots=True)
class Halves:
    """The jobs. `made`: the artifacts with the ranges of all samples, and of each half. `runs`: the runs of the float artifact and of these."""

    name: str
    made: tuple[Job, Job, Job]
    runs: tuple[Job, Job, Job, Job]


def halves_of(model: Model, variant: Variant, artifact_format: str) -> Halves:
    """Return the jobs that show how far a variant's outputs move between halves. Raise InvalidSamples if it is not made from the toolkit's ranges."""
    conversions = model.conversions
    whole = conversions.artifact(variant, artifact_format)
    if "ranges" not in whole.inputs:
        raise InvalidSamples(f"{whole.title}: is not made from ranges; expected a static scheme with an estimator")
    statistics = conversions.statistics(artifact_format).output("statistics")
    made = [whole]
    for half in (0, 1):
        ranges = Job(
            f"finding the ranges of half {half + 1}",
            "samples.lint",
            "half_ranges",
            Engine("dataset"),
            options={"seed": _SEED, "half": half},
            inputs={"statistics": statistics},
            plugins=("samples.lints.unstable",),
        )
        inputs = {**whole.inputs, "ranges": ranges.output("ranges.json")}
        made.append(replace(whole, title=f"{whole.title}, half {half + 1}", inputs=inputs))
    execution = on_this_machine(artifact_format)
    files = [conversions.file(job, artifact_format) for job in (conversions.floats(artifact_format), *made)]
    runs = [model.run(file, execution, _SAMPLES) for file in files]
    name = model.samples.options["calibration"]["name"]
    return Halves(name, (made[0], made[1], made[2]), (runs[0], runs[1], runs[2], runs[3]))


def unstable_outputs(halves: Halves, executor: Executor, limits: LintLimits) -> list[Finding]:
    """Run the jobs. Return a finding if the halves differ by more than quantization explains. Raise the error of the first job that failed."""
    entries = executor.run(*halves.made, *halves.runs)
    made, ran = entries[:3], entries[3:]
    floats = _step("conversion", ran[0], run_of(ran[0]).signature)
    whole, first, second = (
        _step(
            "quantization", run, signature_of_run(Signature.from_json(one.result["signature"]), run_of(run).signature)
        )
        for one, run in zip(made, ran[1:], strict=True)
    )
    # the least of the three: all samples together have the faults of both halves
    quantization = min(noise_share(compare.measure(floats.read(), one.read())) for one in (whole, first, second))
    between = noise_share(compare.measure(first.read(), second.read()))
    if math.isfinite(between) and between <= limits.values["unstable"]["outputs"] * quantization:
        return []
    message = (
        f"{halves.name}: outputs of artifacts with the ranges of two random halves agree to {_decibels(between)} of signal to noise;"
        f" quantization can do with {_decibels(quantization)}"
    )
    fix = "give more samples; or take an estimator that outliers do not move: --estimator percentile or mse"
    numbers = {"between": between, "quantization": quantization}
    return [Finding("unstable-outputs", "warning", message, fix, facts=numbers)]


def _step(stage: str, entry: Entry, signature: Signature) -> StageRun:
    return StageRun(stage, run_of(entry), signature)


def _decibels(noise: float) -> str:
    return f"{-10 * math.log10(noise):.1f} dB" if 0 < noise < math.inf else "none"
