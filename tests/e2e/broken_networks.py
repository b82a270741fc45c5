"""A real network with its healthy build, and what a verdict says once something of it is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

import toolkit
from tests.e2e.breakages import InFile, InRun, Outputs
from tests.unit.regression.bundles_by_hand import report_anew
from toolkit import Original, Samples
from toolkit.conversion.artifacts import Artifact, artifact_of
from toolkit.environments import resolve
from toolkit.jobs.job import Job, Output
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.pipeline.attempt import attempts_of, trial_of
from toolkit.pipeline.evaluate import evaluate
from toolkit.pipeline.model import Model
from toolkit.pipeline.prepare import draw, open_model, recipes_of
from toolkit.pipeline.stages import plan
from toolkit.profiles.recipe import Asked, Recipe
from toolkit.regression.rejudge import Rejudged, rejudge
from toolkit.verbs.verify import artifact_at
from toolkit.verdict.verdict import Verdict
from toolkit.wire.shards import read_samples

HERE = Path(__file__).resolve().parent
TARGETS = HERE.parents[1] / "targets"
SCHEME, QUANTIZER = "static_wi8_ai8", "litert_quantizer"
CHAIN = ("source", "conversion", "quantization", "kernels", "device")


class Network:
    """A network with its healthy build, and the verdict on a chain of it in which something is broken."""

    def __init__(self, original: Original, samples: Samples, target: str, executor: LocalExecutor, out: Path) -> None:
        outcome = toolkit.build(original, [target], samples, out, executor=executor)[target]
        if isinstance(outcome, Exception):
            raise outcome
        self.original, self.samples, self.executor = original, samples, executor
        self.healthy, self.bundle = outcome, out / target
        self.model = self._model(original)
        self.floats = self.model.conversions.floats("tflite")
        (self.floats_entry,) = executor.run(self.floats)
        self._recipe = Recipe(SCHEME, quantizer=QUANTIZER)
        self._broken: dict[tuple[str, str], Path] = {}

    def _model(self, original: Original) -> Model:
        return draw(open_model(original, self.executor), self.samples, recipes_of(self.healthy.target, Asked()))

    def break_files(self, breakages: Mapping[str, InFile], folder: Path) -> None:
        """Break all files at once: a process of the engine for each would take longer than all else."""
        sources = {"floats": artifact_of(self.floats_entry, "float32").path, "artifact": self.healthy.artifact.path}
        requests = []
        for name, each in breakages.items():
            given = self._of_sample(**each.given) if "sample" in each.given else dict(each.given)
            for of in ("floats", "artifact") if each.of == "both" else (each.of,):
                place = self._broken[name, of] = folder / f"{name}.{of}.tflite"
                requests.append({"source": str(sources[of]), "place": str(place), "how": each.how, "with": given})
        (folder / "requests.json").write_text(json.dumps(requests))
        python = resolve("litert", settings=self.executor.settings).python
        command = [python, HERE / "break_artifacts.py", folder / "requests.json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def _of_sample(self, sample: int, **more: Any) -> dict[str, Any]:
        sums = np.array(
            [sum(each.sum(dtype=float) for each in one.values()) for one in read_samples(self.healthy.drawn)]
        )
        away = np.sort(np.abs(sums - sums[sample]))[1]
        return {"total": float(sums[sample]), "margin": float(away / 2), **more}

    def judge_file(self, name: str, breakage: InFile) -> Verdict:
        """Return the verdict on the chain that has a broken file in its place."""
        stage, shipped = breakage.stage, self.healthy.artifact
        broken = self._broken[name, "artifact" if breakage.of == "artifact" else "floats"]
        if breakage.of == "both":
            shipped = artifact_at(self._broken[name, "artifact"], self.executor)
        elif stage == "conversion":
            shipped = self._quantized_from(broken)
        elif stage == "quantization":
            shipped = artifact_at(broken, self.executor)
        chain = plan(self.model, self.healthy.target, shipped, None, self.floats_entry)
        hit = {"conversion"} if stage == "conversion" else set(CHAIN[max(CHAIN.index(stage), 3) :])
        for each in chain.stages:
            if each.name in hit:
                chain = chain.with_stage(replace(each, job=_on(each.job, broken)))
        self.executor.outcomes(chain.jobs)
        return evaluate(chain, self.executor, 0.0)

    def _quantized_from(self, floats: Path) -> Artifact:
        """Return what the first quantizer makes of a broken file that does not refuse it; the healthy artifact where all do."""
        made = [self.model.conversions.artifact(variant, "tflite") for variant in self._recipe.variants("tflite")]
        outcomes = (self.executor.outcomes([_reading(job, self.floats, floats)])[0] for job in made)
        able = (artifact_of(outcome.entry, SCHEME) for outcome in outcomes if outcome.error is None)
        return next(able, self.healthy.artifact)

    def judge_source(self, broken: Original, stage: str) -> Verdict:
        """Return the verdict on what another source is converted to; at the stage "conversion" the canonical form is still that of this one."""
        model = self._model(broken)
        model.reference = self.model.reference
        if stage == "conversion":
            model.rechecked = self.model.rechecked
        trial = trial_of(model, self.healthy.target, self._recipe)
        self.executor.outcomes(trial.jobs)
        (attempt,) = attempts_of(model, [trial], self.executor, time.monotonic())
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    def judge_run(self, breakage: InRun, folder: Path) -> Rejudged:
        """Return what the target's bounds say of the healthy build's runs, of which some were changed."""
        bundle = shutil.copytree(self.bundle, folder / "bundle")
        if breakage.stage == "device" and not (bundle / "runs" / "device.safetensors").is_file():
            _add_device(bundle)
        for stage in CHAIN[CHAIN.index(breakage.stage) :]:
            path = bundle / "runs" / f"{stage}.safetensors"
            if path.is_file():
                _rewrite(path, path, stage, breakage.change)
        report_anew(bundle)
        return rejudge(bundle, TARGETS / f"{self.healthy.target.name}.toml")


def _on(job: Job, model: Path) -> Job:
    """Return a run of another model."""
    return replace(job, inputs={**job.inputs, "model": model})


def _reading(job: Job, made: Job, file: Path) -> Job:
    """Return a job for which, and for all before it, a file stands in for what one job made."""

    def other(source: Path | Job | Output) -> Path | Job | Output:
        if isinstance(source, Output):
            return file if source.job is made else _reading(source.job, made, file).output(source.name)
        return source

    return replace(job, inputs={name: other(source) for name, source in job.inputs.items()})


def _add_device(bundle: Path) -> None:
    """Give a bundle the run of a device that gives what this machine gave."""
    report = json.loads((bundle / "report.json").read_text())
    report["runs"]["device"] = report["runs"]["kernels"]
    (bundle / "report.json").write_text(json.dumps(report))
    _rewrite(
        bundle / "runs" / "kernels.safetensors", bundle / "runs" / "device.safetensors", "device", lambda same: same
    )


def _rewrite(path: Path, place: Path, stage: str, change: Callable[[Outputs], Outputs]) -> None:
    with safe_open(path, framework="np") as file:
        said = json.loads(file.metadata()["run"]) | {"stage": stage}
        outputs = change({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
    said["count"] = len(next(iter(outputs.values())))
    for each in ("samples", "sample_names"):
        said[each] = said[each][: said["count"]]
    kept = [spec for spec in said["signature"]["outputs"] if spec["name"] in outputs]
    said["signature"]["outputs"] = [{**spec, "shape": list(outputs[spec["name"]].shape[1:])} for spec in kept]
    save_file({name: np.ascontiguousarray(array) for name, array in outputs.items()}, place, {"run": json.dumps(said)})
