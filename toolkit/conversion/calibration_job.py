"""Calibration: the jobs that gather statistics of a float artifact's activations, and estimate ranges or moments from them."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.jobs.job import Job, Output
from toolkit.jobs.runtime_engine import engine_of_runtime
from toolkit.profiles.recipe import Estimator


def statistics_job(model: Output | Path, samples: Output, runtime: str, *, histograms: bool) -> Job:
    """Return the job that writes the folder `statistics`, of all activations over all samples, gathered on all cores.

    The set is split into one job for each core, and their statistics are merged. The merge is exact: the result is the same for any number of jobs.
    """
    parts = len(os.sched_getaffinity(0))
    gathered = [
        Job(
            f"calibrating with {runtime} (part {part + 1} of {parts})",
            "conversion.calibrate",
            "gather",
            engine_of_runtime(runtime),
            options={"runtime": runtime, "histograms": histograms, "part": part, "parts": parts},
            inputs={"model": model, "samples": samples},
            plugins=(f"execution.runtimes.{runtime}",),
        )
        for part in range(parts)
    ]
    if parts == 1:
        return gathered[0]
    inputs = {f"part{part}": job.output("statistics") for part, job in enumerate(gathered)}
    return Job("merge the statistics", "conversion.calibrate", "merge", engine_of_runtime(runtime), inputs=inputs)


def moments_job(model: Output, samples: Output, runtime: str) -> Job:
    """Return the job that writes `moments.json`: the mean square of each channel of what feeds the matrices of a float artifact."""
    return Job(
        f"measuring moments with {runtime}",
        "conversion.tflite.moments",
        "measure",
        engine_of_runtime(runtime),
        options={"runtime": runtime},
        inputs={"model": model, "samples": samples},
        plugins=(f"execution.runtimes.{runtime}",),
    )


def ranges_job(statistics: Output, estimator: Estimator, runtime: str) -> Job:
    """Return the job that writes `ranges.json` from statistics."""
    return Job(
        f"finding ranges by {estimator}",
        "conversion.calibrate",
        "estimate",
        engine_of_runtime(runtime),
        options={"estimator": estimator.name, "parameters": dict(estimator.parameters)},
        inputs={"statistics": statistics},
        plugins=(f"conversion.estimators.{estimator.name}",),
    )
