"""Findings about a chain's samples: about the calibration set, and about the original's answers for the verification set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from toolkit import findings, registry
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.model import Model
from toolkit.pipeline.preparations import otherwise_prepared
from toolkit.pipeline.stages import Chain
from toolkit.profiles.recipe import is_calibrated
from toolkit.verdict.stage_run import StageRun

_GUESSED = ("otherwise", "labels")  # whose kind is not from the model itself: the labels are what is looked at


def looked_at(
    chain: Chain, original: StageRun, drawn: Path, kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return what was found of the samples that calibrate, and of what the original, by its run, answers for those that judge, in `drawn`.

    `kinds` is what its outputs mean, by name. What a set that calibrates has wrong is no error where nothing was calibrated.
    """
    found: list[Finding] = []
    for outcome in executor.outcomes(chain.linted):
        if outcome.error is not None:
            found.append(_not_looked_at("the calibration set", outcome.error))
        else:
            found += findings.read(outcome.entry.result["findings"])
    scheme = chain.artifact.scheme
    known = scheme in registry.names("conversion/schemes")  # that of somebody's file may be one that nothing here makes
    if known and not is_calibrated(scheme):
        found = [replace(one, severity="warning") if one.is_error else one for one in found]
    return [*found, *of_answers(chain.model, original, drawn, kinds, executor)]


def of_answers(
    model: Model, original: StageRun, drawn: Path, kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return what was found of the samples that judge, in `drawn`, by what the original answers for them."""
    if model.limits is None:
        return []
    from toolkit.samples.lint_job import answers_job  # pydantic, and what it reads, takes long to import

    outputs = model.reference.output("outputs")
    meant = {name: kind.name for name, kind in kinds.items() if kind.by not in _GUESSED}
    job = answers_job(outputs, original.run.signature, model.samples, model.limits, meant)
    (outcome,) = executor.outcomes([job])
    if outcome.error is not None:
        return [_not_looked_at("what the original answers", outcome.error)]
    found = findings.read(outcome.entry.result["findings"])
    try:
        return [*found, *otherwise_prepared(model, original, drawn, kinds, executor)]
    except EdgeToolkitError as error:
        return [*found, _not_looked_at("how else the samples could be prepared", error)]


def _not_looked_at(what: str, error: EdgeToolkitError) -> Finding:
    """Return what is said of a look that failed, which keeps nobody from a verdict."""
    message = f"{what} could not be looked at: {error.problem}"
    return Finding("not-looked-at", "warning", message)
