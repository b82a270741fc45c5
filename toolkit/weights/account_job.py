"""The account of an artifact's weights: each constant equals the float32 conversion's within half a step, or is named. It needs no samples.

(entry,) = executor.run(account_job(artifact, floats, signature=None))
found = judge_account(entry.result, profile.weights, stage="quantization")
found.findings, found.to_json(), found.line()
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path

from toolkit import config
from toolkit.comparison.likeness import Limit, Share
from toolkit.jobs.job import Engine, Job, Output
from toolkit.weights.thresholds import Thresholds

ACCOUNTED = "tflite"  # the only format with an account
_READS = "litert"  # the environment with the classes of TFLite's schema


class _Limits(config.ConfigModel):
    """The file `thresholds.toml`."""

    rounded: Limit
    off: Share
    left: Share
    lost: Share
    alike: Share


@cache
def thresholds() -> Thresholds:
    """Return from where on a constant is off, and what explains it, as `thresholds.toml` says."""
    read = config.load(Path(__file__).with_name("thresholds.toml"), _Limits)
    return Thresholds(**{name: getattr(read, name).limit for name in _Limits.model_fields})


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
        options={"signature": signature, "thresholds": asdict(thresholds())},
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
