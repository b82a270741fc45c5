"""The account of an artifact's weights: each is the float32 conversion's within half a step, or it is said which is not. No sample is needed for it.

(entry,) = executor.run(account_job(artifact, floats, signature=None))
found = judge_account(entry.result, profile.weights, stage="quantization")
found.findings, found.to_json(), found.line()
"""

from __future__ import annotations

from pathlib import Path

from toolkit.jobs import Engine, Job, Output
from toolkit.weights.judging import Account, judge_account

__all__ = ["ACCOUNTED", "Account", "account_job", "judge_account"]

ACCOUNTED = "tflite"  # the format whose files are looked into
_READS = "litert"  # whose environment has the classes of TFLite's schema


def account_job(artifact: Path | Output, floats: Output, *, signature: str | None) -> Job:
    """Return the job that accounts for each constant of a .tflite; its result: see `toolkit.worker.account`."""
    name = artifact.name if isinstance(artifact, Path) else Path(artifact.name).name
    return Job(
        f"account for the weights of {name}",
        "worker.account",
        "account",
        Engine(_READS),
        options={"signature": signature},
        inputs={"model": artifact, "floats": floats},
    )
