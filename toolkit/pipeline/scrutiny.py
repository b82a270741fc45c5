"""Findings about a chain's samples: about the calibration set, and about the original's answers for the verification set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolkit import findings, registry
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.stages import Chain
from toolkit.profiles.recipe import is_calibrated

_GUESSED = ("otherwise", "labels")  # whose kind is not from the model itself: the labels are what is looked at


def looked_at(
    chain: Chain, signature: Mapping[str, Any], kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return what was found of the samples that calibrate, and of what the original, whose run has that signature, answers for those that judge.

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
    if chain.model.limits is None:
        return found
    from toolkit.samples.lint_job import answers_job  # pydantic, and what it reads, takes long to import

    outputs = chain.model.reference.output("outputs")
    meant = {name: kind.name for name, kind in kinds.items() if kind.by not in _GUESSED}
    (outcome,) = executor.outcomes([answers_job(outputs, signature, chain.model.samples, chain.model.limits, meant)])
    if outcome.error is not None:
        return [*found, _not_looked_at("what the original answers", outcome.error)]
    return [*found, *findings.read(outcome.entry.result["findings"])]


def _not_looked_at(what: str, error: EdgeToolkitError) -> Finding:
    """Return what is said of a look that failed, which keeps nobody from a verdict."""
    message = f"{what} could not be looked at: {error.problem}"
    return Finding("not-looked-at", "warning", message)
