"""Releases made by hand, field by field, for tests of what is done with them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.comparison import compare
from toolkit.regression.record import Baseline, TaskRecord
from toolkit.tensors.signature import Signature, TensorSpec

COUNT = 200
SCORES = np.random.default_rng(0).normal(size=(COUNT, 1, 4)).astype(np.float32)


@dataclass
class Held:
    """Outputs in memory."""

    scores: np.ndarray

    @property
    def count(self) -> int:
        """How many samples."""
        return len(self.scores)

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return all of them, or the first."""
        spec = TensorSpec("scores", "float32", (1, 4))
        return compare.RunOutputs("held", Signature("", (), (spec,)), [{"scores": self.scores[:count]}])


def spec(name, dtype="float32", scale=None, point=None):
    return TensorSpec(name, dtype, (1, 4), *([] if scale is None else [(scale,), (point,)]))


def bound(stage, metric, value, limit, better="higher", unit="db"):
    said = {"stage": stage, "output": "scores", "metric": metric, "unit": unit, "because": f"why {metric}"}
    return {**said, "value": value, "limit": limit, "better": better}


def accuracy(wrong):
    """Return the task metric of which so many of the samples are wrong."""
    return TaskRecord("top_k_accuracy", "higher", tuple(int(index >= wrong) for index in range(COUNT)))


def release(**about):
    made = Baseline(
        path=Path("old"),
        target="board",
        verdict="passed",
        scheme="static_wi8_ai8",
        source_sha256="a" * 64,
        artifact_sha256="b" * 64,
        size_bytes=1001,
        signature=Signature("", (spec("image"),), (spec("scores"),)),
        stage="device",
        count=COUNT,
        samples_digest="c" * 64,
        labels_digest="d" * 64,
        outputs_digest="e" * 64,
        outputs=Held(SCORES),
        tasks=(accuracy(10),),
        comparisons=(),
        noise={},
        findings={},
        tools={},
        latency_ms=None,
    )
    return dataclasses.replace(made, **about)
