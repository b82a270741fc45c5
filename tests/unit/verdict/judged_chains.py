"""Chains of runs that verdicts are made of, written by hand, and the fixtures that judge them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from toolkit import printable, profiles
from toolkit.comparison import compare
from toolkit.comparison.bounds import Bound
from toolkit.comparison.task_drops import asked
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import Unconvertible
from toolkit.execution.run import Run
from toolkit.jobs.job import Engine
from toolkit.pipeline.prepare import Samples
from toolkit.source.original import Original
from toolkit.source.source import Source
from toolkit.tensors.signature import FileSignature, Signature, TensorSpec
from toolkit.verbs.next_steps import VerbRequest
from toolkit.verdict.evidence import Evidence
from toolkit.verdict.stage_run import StageRun
from toolkit.verdict.verdict import Attempted, judge
from toolkit.wire.shards import ShardWriter

SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}],
    "outputs": [{"name": "scores", "dtype": "float32", "shape": [1, 4]}],
}
PROFILE = """
name = "board"
about = "A board"
format = "tflite"
schemes = ["float32"]
[runtime]
name = "litert"
version = "2.3.0"
{budget}
[[bounds]]
stage = "conversion"
output = "*"
metric = "max_abs"
limit = 0.01
unit = "real"
because = "a test"
[[bounds]]
stage = "kernels"
output = "*"
metric = "max_abs"
limit = {kernels}
unit = "real"
because = "a test"
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
unit = "{unit}"
because = "a test"
"""
SCORES = np.random.default_rng(0).normal(size=(50, 1, 4)).astype(np.float32)
COVERAGE = {
    "restored": ["kernel", "bias"],
    "unrestored": ["offset"],
    "unused": [{"name": "Adam/m/kernel", "what": "optimizer"}],
    "allowed": ["off*"],
}
DROP = """
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
because = "a test"
"""


@pytest.fixture
def profile(tmp_path):
    def make(
        metric: str = "max_abs",
        limit: float = 0.015,
        unit: str = "real",
        budget: str = "",
        kernels: float = 0.01,
        drop: tuple[str, float] | None = None,
    ):
        text = PROFILE.format(metric=metric, limit=limit, unit=unit, budget=budget, kernels=kernels)
        if drop is not None:
            text += DROP.format(metric=drop[0], limit=drop[1])
        (tmp_path / "board.toml").write_text(text)
        return profiles.find(tmp_path / "board.toml")

    return make


@pytest.fixture
def judged(tmp_path, profile):
    """Return a maker of verdicts: from the outputs of each stage, what else is given replaces the evidence."""
    count = iter(range(1000))

    def step(stage: str, scores: np.ndarray, signature: dict[str, object]) -> StageRun:
        folder = tmp_path / f"run{next(count)}"
        (name,) = [spec["name"] for spec in signature["outputs"]]
        with ShardWriter(folder) as writer:
            for row in scores:
                writer.add({name: row})
        about = {"title": stage, "machine": "x86_64", "launcher": "local"}
        told = Signature.from_json(signature)
        return StageRun(stage, Run(folder, told, "fake 1", about, len(scores), "key"), told)

    def make(
        stages: dict[str, np.ndarray],
        chosen=None,
        findings=(),
        labels=None,
        noise=None,
        renamed=None,
        tasks=(),
        *,
        early=False,
        given=None,
    ):
        signatures = {renamed: json.loads(json.dumps(SIGNATURE).replace("scores", "logits"))} if renamed else {}
        steps = [step(stage, scores, signatures.get(stage, SIGNATURE)) for stage, scores in stages.items()]
        model = tmp_path / "model.tflite"
        model.write_bytes(b"artifact")
        artifact = Artifact(model, given or "float32", 8, "00", FileSignature.from_json(SIGNATURE), (), ())
        source = Source(
            path=Path("model"),
            kind="checkpoint",
            sha256="11",
            writer="tensorflow 2.21.0",
            loader="keras",
            key="serving_default",
            signature=Signature.from_json(SIGNATURE),
            files={},
            options={},
            engine=Engine("tensorflow"),
            device="cpu",
            coverage=COVERAGE,
            findings=(),
        )
        samples = {"calibration": 9, "verification": len(steps[0].run.outputs.name)}
        samples["verification"] = steps[0].run.count
        drawn = tmp_path / f"drawn{next(count)}"
        drawn.mkdir()
        (drawn / "hashes.json").write_text(json.dumps([f"{number:064x}" for number in range(steps[0].count)]))
        if labels is not None:
            np.save(drawn / "labels.npy", labels)
        board = chosen or profile()
        wanted = asked(tasks, board.bounds, "float32")
        evidence = Evidence(
            tuple(steps),
            samples,
            drawn,
            noise or {"repeat": {"scores": 0.0}},
            tuple(findings),
            1.0,
            wanted,
            candidates=({"scheme": "float32"},),
            early=early,
            given=given is not None,
        )
        return judge(board, source, artifact, evidence)

    return make


def stages(**off: float) -> dict[str, np.ndarray]:
    """Return the outputs of a chain; each stage adds its own error to the one before."""
    found, level = {"original": SCORES}, 0.0
    for name in ("conversion", "kernels"):
        level += off.get(name, 0.001)
        found[name] = SCORES + np.float32(level)
    return found


def with_wrong(count: int) -> dict[str, np.ndarray]:
    """Return the outputs of a chain whose last stage is wrong for the first `count` samples, by next to nothing."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"].copy()
    for row in range(count):
        outputs["kernels"][row, 0] = -outputs["kernels"][row, 0]
    return outputs


TRUTH = SCORES[:, 0].argmax(axis=1)
CERTAIN = """
[[bounds]]
stage = "total"
output = "*"
metric = "{metric}"
limit = {limit}
unit = "{unit}"
undecided = "passed"
because = "a test"
"""


@pytest.fixture
def certain(tmp_path, profile):
    """Return a maker of targets that hold a task metric, if it is scored, to what is certain alone."""

    def make(metric: str, limit: float, unit: str = "drop", drop: tuple[str, float] | None = None):
        profile(limit=100, kernels=100, drop=drop)
        path = tmp_path / "board.toml"
        path.write_text(path.read_text() + CERTAIN.format(metric=metric, limit=limit, unit=unit))
        return profiles.find(path)

    return make


@dataclasses.dataclass(frozen=True)
class Held:
    """A run of a chain in memory."""

    stage: str
    scores: np.ndarray

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return len(self.scores)

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return all of it, or the first samples."""
        signature = Signature("", (), (TensorSpec("scores", "float32", (1, 4)),))
        return compare.RunOutputs(self.stage, signature, [{"scores": self.scores[:count]}])


def bound(stage, metric, limit, unit="", **more):
    return Bound(stage=stage, output="*", metric=metric, limit=limit, unit=unit, because="b", **more)


def chain(*scores, last="device"):
    names = ("original", "conversion", last)
    return [Held(name, each.astype(np.float32)) for name, each in zip(names, scores, strict=True)]


def tried(verdict, scheme, **changed):
    """Return the verdict as that of another scheme."""
    artifact = dataclasses.replace(verdict.artifact, scheme=scheme, asked=scheme)
    return dataclasses.replace(verdict, artifact=artifact, **changed)


@pytest.fixture
def shipped(judged, profile):
    """Return a verdict of float16 that passed where int8 was wanted and stayed open, and dynamic had no artifact."""
    rate = profile(metric="top1_agreement", limit=0.9, unit="fraction")
    open_one = tried(judged({name: scores[:20] for name, scores in stages().items()}, rate), "static_wi8_ai8")
    error = Unconvertible(printable.lines(["dynamic_wi8_afp32: no kernel", "for it"]), "a hint")
    others = [
        Attempted("static_wi8_ai8", open_one),
        Attempted("dynamic_wi8_afp32", error),
        Attempted("float16", None),
    ]
    return tried(judged(stages()), "float16", attempts=tuple(others))


def request(samples=None, original=None):
    return VerbRequest(original or Original(Path("my model")), samples or Samples("cal.toml"), "boards/mine.toml")


def given(conversion: float, quantization: float | None = None) -> dict[str, np.ndarray]:
    """Return the outputs of a chain whose stages are off by so much each, on the target's kernels by nothing more."""
    found = {"original": SCORES, "conversion": SCORES + np.float32(conversion)}
    if quantization is not None:
        found["quantization"] = found["conversion"] + np.float32(quantization)
    return found | {"kernels": list(found.values())[-1]}
