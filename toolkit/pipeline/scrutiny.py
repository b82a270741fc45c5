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

_GUESSED = ("otherwise", "labels")  # kinds that do not come from the model itself: here the labels are under test


def looked_at(
    chain: Chain, original: StageRun, drawn: Path, kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return findings about the calibration samples, and about the original's answers for the verification samples in `drawn`.

    `original` is the original's run, `kinds` the kinds of its outputs, by name. An error in the calibration set becomes a warning if nothing was
    calibrated.
    """
    found: list[Finding] = []
    for outcome in executor.outcomes(chain.linted):
        if outcome.error is not None:
            found.append(_not_looked_at("the calibration set", outcome.error))
        else:
            found += findings.read(outcome.entry.result["findings"])
    scheme = chain.artifact.scheme
    # An existing file may have a scheme that the toolkit does not make.
    known = scheme in registry.names("conversion/schemes")
    if known and not is_calibrated(scheme):
        found = [replace(one, severity="warning") if one.is_error else one for one in found]
    return [*found, *of_answers(chain.model, original, drawn, kinds, executor)]


def of_answers(
    model: Model, original: StageRun, drawn: Path, kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return findings about the verification samples in `drawn`, from the original's answers for them."""
    if model.limits is None:
        return []
    from toolkit.samples.lint_job import answers_job  # pydantic and its models take long to import

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
    """Return the warning about a check that could not run. It does not prevent a verdict."""
    message = f"{what} could not be looked at: {error.problem}"
    return Finding("not-looked-at", "warning", message)
