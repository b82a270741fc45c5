"""Whether a network keeps within float16, which a GPU computes in: numbers beyond it are infinite on a phone, and not on a driver that saturates."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from toolkit import registry
from toolkit.conversion.calibration_job import statistics_job
from toolkit.execution.float16_range import MOST, BeyondResult, BeyondRow
from toolkit.findings import Finding
from toolkit.jobs.executor import JobOutcome
from toolkit.jobs.job import Job, Output
from toolkit.jobs.runtime_engine import engine_of_runtime

STAGE = "precision"  # the stage that computes in float16
_SHOWN = 3
_FIX = (
    "keep values smaller (a mean for a sum, normalized inputs), or build for an app that asks the delegate for float32 "
    '(kernels = "float32" under [runtime] of a profile of your own)'
)


def range_job(model: Output | Path, seen: Output | Path, samples: Output, artifact_format: str) -> Job:
    """Return the job that looks for numbers beyond float16 in the weights of a .tflite and, over the samples, in the activations of `seen`."""
    runtime = registry.load("conversion/converters", artifact_format).HOST_RUNTIME
    statistics = statistics_job(seen, samples, runtime, histograms=False)
    return Job(
        "looking for numbers beyond float16",
        "execution.float16_range",
        "look",
        engine_of_runtime(runtime),
        inputs={"model": model, "statistics": statistics.output("statistics")},
    )


def said(outcome: JobOutcome) -> list[Finding]:
    """Return findings on the result of `range_job`. Each leaves the verdict open: what a phone gives is not what ran here."""
    if outcome.error is not None:
        message = f"whether activations keep within float16 could not be looked at: {outcome.error.problem}"
        return [Finding("not-looked-at", "inconclusive", message)]
    found = cast("BeyondResult", outcome.entry.result)
    kinds = {"activations": found["activations"], "weights": found["weights"]}
    return [_finding(kind, rows) for kind, rows in kinds.items() if rows]


def _finding(kind: str, rows: list[BeyondRow]) -> Finding:
    shown = "; ".join(map(_reaches, rows[:_SHOWN])) + ("; …" if len(rows) > _SHOWN else "")
    message = (
        f"{len(rows)} {kind} go beyond float16's range of {MOST:,.0f}: {shown}. A phone's GPU has infinity there, and NaN behind it; "
        "the driver here does not, so its numbers are no evidence"
    )
    names = tuple(row["tensor"] for row in rows)
    return Finding(f"{kind}-beyond-float16", "inconclusive", message, fix=_FIX, names=names)


def _reaches(row: BeyondRow) -> str:
    where = "" if row["sample"] is None else f" in sample {row['sample']}"
    return f"{row['tensor']!r} has {row['most']:,.6g}{where}"
