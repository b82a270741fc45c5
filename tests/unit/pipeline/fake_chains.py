"""Chains of stages whose runs are real jobs on the fake runtime; what only a converter or TensorFlow does is given as finished jobs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from toolkit import profiles
from toolkit.comparison.bounds import Bound
from toolkit.conversion.artifacts import Artifact, artifact_of
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.pipeline.model import Model
from toolkit.pipeline.stages import Chain, plan
from toolkit.samples.dataset import samples_job
from toolkit.settings import Settings
from toolkit.source.source import Source
from toolkit.tensors.signature import Signature

SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 4]}],
}
SCHEME = "dynamic_wi8_afp32"
CONVERTER = SimpleNamespace(HOST_RUNTIME="fake", ENGINE="dataset", SUFFIX=".fake")


class Watched:
    """An executor for several benches, and in `seen` what happened to which job: (title, started, finished, ...)."""

    def __init__(self, home: Path) -> None:
        self.seen: list[tuple[str, str]] = []
        self.executor = LocalExecutor(
            Settings(home=home, offline=True), lambda job, what, _: self.seen.append((job.title, what))
        )


class Bench:
    """A model with `count` samples: what the fake runtime can is run, and the rest is given."""

    def __init__(self, folder: Path, monkeypatch: Any, watched: Watched, count: int = 40) -> None:
        monkeypatch.setitem(sys.modules, "toolkit.conversion.converters.fake", CONVERTER)
        self.folder, self.executor, self.seen = folder, watched.executor, watched.seen
        self.seen.clear()
        levels = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
        np.savez(folder / "samples.npz", x=levels)
        self.original = self.file("original")
        self.model = self._model()

    def file(self, name: str, **told: Any) -> Path:
        """Return a file for the fake runtime that does as it is told."""
        path = self.folder / f"{name}.fake"
        path.write_text(json.dumps({"signature": SIGNATURE, **told}))
        return path

    def finished(self, title: str, result: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> Job:
        """Return a job that has run already and gave this."""
        job = Job(title, "worker.given", "given", Engine("dataset"))
        claim = self.executor.store.claim(f"{uuid.uuid4().int:064x}")
        assert claim is not None
        digests = {}
        for name, path in (files or {}).items():
            place = claim.folder / "out" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            digests[name] = (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        (claim.folder / "out").mkdir(exist_ok=True)
        about = {"title": title, "machine": "x86_64", "launcher": "local"}
        self.executor._graph.entries[job] = claim.seal(dict(result), 0.0, about, digests)
        self.executor._graph.known.add(job)
        return job

    def failed(self, title: str, error: Exception) -> Job:
        """Return a job that has failed already."""
        job = Job(title, "worker.given", "given", Engine("dataset"))
        self.executor._graph.failures[job] = error
        self.executor._graph.known.add(job)
        return job

    def converted(self, path: Path, scheme: str = SCHEME, **more: Any) -> Job:
        """Return the finished conversion that wrote a file."""
        about = {"file": "model.fake", "keeps": scheme, "size_bytes": path.stat().st_size, "sha256": "0" * 64}
        empty: dict[str, Any] = {"operators": [], "uses": [], "findings": [], "endings": {}, "multiply_accumulates": 0}
        return self.finished(
            f"make {path.stem}", {**about, "signature": SIGNATURE, **empty, **more}, {"model.fake": path}
        )

    def entry(self, job: Job) -> Entry:
        """Return what a job gave, which is run where it has to be."""
        return self.executor.run(job)[0]

    def artifact(self, made: Job, scheme: str = SCHEME) -> Artifact:
        """Return the artifact that a conversion wrote."""
        return artifact_of(self.entry(made), scheme)

    def _model(self) -> Model:
        samples = samples_job(None, str(self.folder / "samples.npz"), SIGNATURE)
        source = Source(
            path=self.original,
            kind="saved_model",
            sha256="1" * 64,
            writer="a test",
            loader="a test",
            key="serving_default",
            signature=Signature.from_json(SIGNATURE),
            files={},
            options={"kind": "saved_model", "builder": None},
            engine=Engine("dataset"),
            device="cpu",
            coverage=None,
            findings=(),
        )
        model = Model(source, samples, calibrates=False)
        run = self.entry(run_job(self.original, model.verification, Execution(Engine("dataset"), "fake")))
        files = {path.relative_to(run.out).as_posix(): path for path in run.out.rglob("*") if path.is_file()}
        model.reference = self.finished("original", {**run.result, "noise": {}}, files)
        model.rechecked = run_job(self.original, model.verification, Execution(Engine("dataset"), "fake"))
        model.canonical = self.finished("canonical", {})
        model.conversions = dataclasses.replace(model.conversions, _jobs={})
        model.conversions._jobs["float", "fake"] = self.converted(self.file("floats"), "float32")
        return model

    def floats(self, **more: Any) -> None:
        """Give another result of the conversion to the float artifact."""
        self.model.conversions._jobs["float", "fake"] = self.converted(self.folder / "floats.fake", "float32", **more)

    def target(self, *bounds: Bound, **runtime: Any) -> profiles.Target:
        """Return the target whose runtime is the fake one, with just these bounds."""
        host = profiles.find("host")
        ran = host.runtime.model_copy(update={"name": "fake", "version": "1", **runtime})
        return host.model_copy(update={"name": "fake", "format": "fake", "runtime": ran, "bounds": bounds, "notes": ""})

    def chain(self, made: Job, on: profiles.Target) -> Chain:
        """Return the chain of what a conversion made."""
        floats = self.entry(self.model.conversions.floats("fake"))
        return plan(self.model, on, self.artifact(made), made, floats)

    def ran(self, title: str) -> int:
        """Return how often a job of that title was started, or found in the store."""
        return sum(what in ("started", "reused") and said == title for said, what in self.seen)


def bound(stage: str, limit: float, metric: str = "sqnr_db", **more: Any) -> Bound:
    """Return a bound on all outputs of a stage."""
    return Bound(stage=stage, output="*", metric=metric, limit=limit, because="a test", **more)


def bounds(limit: float = 20.0) -> Sequence[Bound]:
    """Return a bound on the SQNR of every stage that has one."""
    return [bound(stage, limit) for stage in ("source", "conversion", "quantization", "kernels", "device", "total")]
