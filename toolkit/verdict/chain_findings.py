"""Findings about a chain of runs. A verdict has them beside its comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Measured
from toolkit.comparison.deciding import deciding, for_scheme, switched_off
from toolkit.comparison.noise_limits import KERNELS, NUDGED
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.confinement import NOT_CONFINED
from toolkit.conversion.artifacts import Artifact
from toolkit.findings import Finding
from toolkit.verdict.stage_run import StageRun

if TYPE_CHECKING:
    from toolkit.profiles import Target

NOT_EXECUTED = "not-executed"
"""The code of the finding that keeps the verdict on a static target open."""

_OF_ORIGINAL = (
    "source",
    "conversion",
    "quantization",
    "total",
)  # the original's noise is part of the error of these stages


def not_executed(target: Target) -> list[Finding]:
    """Return the finding that nothing executed a target's runtime: whatever the other stages show, the verdict stays open."""
    if not target.verification.static:
        return []
    message = f"{target.name} is static: nothing here executes {target.runtime.name}, so no number of samples shows what the device computes"
    return [
        Finding(
            NOT_EXECUTED,
            "inconclusive",
            message,
            fix="compare on the device: the outputs of each stage are in the bundle",
        )
    ]


def not_confined(steps: Sequence[StageRun]) -> list[Finding]:
    """Return the finding that the jobs of some stages ran unconfined, as the user allowed."""
    found: dict[str, list[str]] = {}
    for step in steps:
        said = str(step.run.about.get("confined", ""))
        if said.startswith(NOT_CONFINED):
            found.setdefault(said, []).append(step.stage)
    return [
        Finding(
            "not-confined",
            "warning",
            f"{said}; stages {', '.join(stages)}: the model ran with all rights of the user",
        )
        for said, stages in found.items()
    ]


def metrics_switched_off(bounds: Sequence[Bound], scheme: str, outputs: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each metric that is switched off, with the reason."""
    return [Finding("switched-off", "info", off_text(bound)) for bound in switched_off(bounds, scheme, outputs)]


def off_text(bound: Bound) -> str:
    """Return which metric is switched off, where, and why."""
    by = f" by {bound.where}" if bound.where else ""
    return f"not judged: {bound.stage} {bound.output} {bound.metric} is switched off{by}: {bound.because}"


def of_outputs(cumulative: Mapping[str, Measured]) -> list[Finding]:
    """Return the findings about the outputs of each stage, compared with the original's."""
    return [
        Finding("outputs", "warning", f"{stage}: {sentence}")
        for stage, measured in cumulative.items()
        for sentence in measured.findings
    ]


def of_common_mistakes(steps: Sequence[StageRun], kinds: Mapping[str, OutputKind]) -> list[Finding]:
    """Return a finding for each output of the last stage whose difference from the original is explained by a common mistake."""
    from toolkit.comparison.common_mistakes import explain  # asked only of a verdict that failed

    found: list[Finding] = []
    named = {output: kind.name for output, kind in kinds.items()}
    for each in explain(steps[0].read(), steps[-1].read(), named):
        message = f"output {each.output!r}: {each.message} ({each.gains})"
        found.append(Finding(each.code, "warning", message))
    return found


def bounds_below_noise(
    target: Target,
    artifact: Artifact,
    noise: Mapping[str, Mapping[str, float]],
    total: Measured,
    ran: Collection[str] = _OF_ORIGINAL,
) -> list[Finding]:
    """Return a finding for each bound on an absolute error that is tighter than the original's own noise. `ran` are the stages that ran."""
    found: list[Finding] = []
    for stage, output in itertools.product([each for each in _OF_ORIGINAL if each in ran], total.seen):
        for bound in deciding(for_scheme(target.bounds, stage, artifact.scheme), output):
            if bound.metric != "max_abs" or bound.unit not in ("real", "range") or bound.off:
                continue
            seen = total.seen[output]
            of_kernels = (NUDGED, KERNELS) if stage == "source" else ()  # the source stage runs none of these kernels
            kinds = [kind for kind, values in noise.items() if output in values and kind not in of_kernels]
            for kind, value in ((kind, noise[kind][output]) for kind in kinds):
                size = value / (seen.high - seen.low) if bound.unit == "range" and seen.high > seen.low else value
                if not size <= bound.limit:
                    asked = f"bound {bound.stage} {output} max_abs <= {bound.limit:g} {bound.unit}"
                    message = f"{asked} is tighter than the original's own noise ({kind}: {size:.3g})"
                    found.append(Finding("bound-below-noise", "warning", message))
    return found
