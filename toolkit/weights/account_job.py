"""The account of an artifact's weights: each constant equals the float32 conversion's within half a step, or is named. It needs no samples.

(entry,) = executor.run(account_job(artifact, floats, signature=None))
found = judge_account(entry.result, profile.weights, stage="quantization")
found.findings, found.to_json(), found.line()
"""

from __future__ import annotations

from pathlib import Path

from toolkit.jobs.job import Engine, Job, Output

ACCOUNTED = "tflite"  # the only format with an account
_READS = "litert"  # the environment with the classes of TFLite's schema


def account_job(
    artifact: Path | Output, floats: Path | Output, *, signature: str | None, moments: Path | Output | None = None
) -> Job:
    """Return the job that accounts for each constant of a .tflite; `toolkit.weights.account` describes its result.

    `moments` are those of the float artifact, by which factors of a matrix's columns are judged; None without a calibration set.
    """
    name = artifact.name if isinstance(artifact, Path) else Path(artifact.name).name
    return Job(
        f"looking up the weights of {name}",
        "weights.account",
        "account",
        Engine(_READS),
        options={"signature": signature},
        inputs={"model": artifact, "floats": floats, **({} if moments is None else {"moments": moments})},
    )


def clipping_job(
    artifact: Path | Output, floats: Path | Output, statistics: Path | Output, *, signature: str | None
) -> Job:
    """Return the job that compares the ranges of an artifact's activations with statistics of the float file's: see `toolkit.weights.clipping`."""
    name = artifact.name if isinstance(artifact, Path) else Path(artifact.name).name
    return Job(
        f"comparing the ranges of {name} with calibration",
        "weights.clipping",
        "clipping",
        Engine(_READS),
        options={"signature": signature},
        inputs={"model": artifact, "floats": floats, "statistics": statistics},
    )
