"""The operator that made a stage fail: the search begins once a verdict has failed, and the verdict reports the result."""

from __future__ import annotations

from dataclasses import replace

from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.attempt import Trial, chain_of
from toolkit.pipeline.model import Model
from toolkit.pipeline.reference_kernels import WRONG, of_kernels, without_them
from toolkit.pipeline.stages import Chain
from toolkit.verdict.verdict import Verdict

_LOOKED_AT = 4  # samples for the search, the worst ones first


def attributed(model: Model, trial: Trial, verdict: Verdict, executor: Executor) -> Verdict:
    """Return a failed verdict with the operator that made its guilty stage fail, over the worst samples. Return any other verdict unchanged.

    If other kernels replaced wrong reference kernels, the verdict also names the operator that is wrong in the reference kernels.
    """
    stage, wrong = verdict.guilty_stage, any(each.code == WRONG for each in verdict.findings)
    if not wrong and (verdict.outcome != "failed" or stage is None):
        return verdict
    from toolkit.diagnosis.find_operator import attribute, samples_of  # most verdicts pass

    chain = chain_of(model, trial, executor)
    if not isinstance(chain, Chain):
        return verdict
    if wrong:
        verdict, chain = _with_wrong_operator(chain, verdict, executor), without_them(chain)
    if verdict.outcome != "failed" or stage is None:
        return verdict
    try:
        found = attribute(chain, stage, samples_of(verdict.judged, stage, _LOOKED_AT), executor)
    except EdgeToolkitError as error:  # the verdict stands without it
        return _not_attributed(verdict, error.problem)
    return replace(verdict, attribution=found)


def _with_wrong_operator(chain: Chain, verdict: Verdict, executor: Executor) -> Verdict:
    """Return the verdict with an operator in its finding on reference kernels: the one with the largest error when run alone."""
    from toolkit.diagnosis.find_operator import attribute

    finding = next(each for each in verdict.findings if each.code == WRONG)
    samples = [*finding.facts["samples"], *range(_LOOKED_AT)][:_LOOKED_AT]
    try:
        found = attribute(of_kernels(chain), "kernels", samples, executor)
    except EdgeToolkitError as error:
        about = f"which operator it is was not found: {error.problem}"
    else:
        operator = found.largest or found.first
        about = f"which operator it is is not known: {found.why or 'alone, all give the same'}"
        if operator is not None:
            about = f"the operator is {operator}, which gives something else there"
    said = replace(finding, message=f"{finding.message}; {about}")
    return replace(verdict, findings=tuple(said if each is finding else each for each in verdict.findings))


def _not_attributed(verdict: Verdict, why: str) -> Verdict:
    said = Finding("not-attributed", "info", f"the search for the operator that diverges was not run: {why}")
    return replace(verdict, findings=(*verdict.findings, said))
