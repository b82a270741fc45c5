"""Runs an artifact over samples, on a runtime that a launcher starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from toolkit import launchers, printable, registry
from toolkit.engines.loaded import Delegated
from toolkit.errors import RequestError, WorkerLied
from toolkit.files.shapes import COUNT, Either, fits
from toolkit.jobs.job import Engine, Job, Output
from toolkit.jobs.runtime_engine import engine_of_runtime
from toolkit.jobs.store import Entry
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.wire.shards import read_index

if TYPE_CHECKING:
    from toolkit.execution.latency import Latency

HOST_RUNTIME = "litert"
_RUNNING = "running "
_DELEGATED = {"operators": [COUNT], "multiply_accumulates": Either([COUNT], None), "left": [str]}


@dataclass(frozen=True, slots=True)
class Run:
    """What a model gave for a set of samples: `outputs` is a folder of shards, `signature` tells their dtypes, scales and zero points.

    `fed` says by quantized input whether its samples were integers already or were quantized, where that was asked for. `delegated` is what the
    delegate of its engine took; None on an engine without one. `latency` is how long a call takes on the device, where that was asked for.
    """

    outputs: Path
    signature: Signature
    engine: str
    about: Mapping[str, str | int]
    count: int
    key: str
    fed: Mapping[str, str] = field(default_factory=dict)
    delegated: Delegated | None = None
    latency: Latency | None = None

    def __repr__(self) -> str:
        return printable.line(f"<Run by {self.engine}: {self.count} samples>")


@dataclass(frozen=True, slots=True)
class AtEdges:
    """How numbers go into a model and come out, where that is not as the samples and the model have them.

    Samples of the inputs `rounded` are put on the grids of these specs first, and stay real numbers. With `gives_real`, integers that have a scale
    are given as real numbers. Both are float32.
    """

    rounded: tuple[TensorSpec, ...] = ()
    gives_real: bool = False

    def options(self) -> dict[str, Any]:
        """Return it as a job's options; without those that change nothing."""
        rounded = {spec.name: spec.to_json() for spec in self.rounded}
        return {**({"rounded": rounded} if rounded else {}), **({"gives_real": True} if self.gives_real else {})}


AS_THEY_ARE = AtEdges()
"""Samples and outputs as they are."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a model is run: the engine, the runtime in it, its kernels (default, builtin, reference), the number of threads, and how it is fed."""

    engine: Engine
    runtime: str
    kernels: str = "default"
    threads: int = 1
    edges: AtEdges = AS_THEY_ARE

    @classmethod
    def of(cls, run: Job) -> Execution:
        """Return how a job of `run_job` runs its model, whatever it feeds it with."""
        return cls(run.engine, run.options["runtime"], run.options["kernels"], run.options["threads"])


def on_this_machine(artifact_format: str) -> Execution:
    """Return how this machine runs a format by itself, whatever the target."""
    runtime = registry.load("conversion/converters", artifact_format).HOST_RUNTIME
    return Execution(engine_of_runtime(runtime), runtime)


class CalledOptions(TypedDict, total=False):
    """A `Called` as JSON: the names are {"inputs": {its own: theirs}, "outputs": ...}."""

    signature: str | None
    names: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Called:
    """Which signature of a file is run, None for its only one, and other names of its inputs and outputs, by their own."""

    signature: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> CalledOptions:
        """Return it as a job's options; without `names` where none differs."""
        called: CalledOptions = {"signature": self.signature}
        if self.inputs or self.outputs:
            called["names"] = {"inputs": dict(self.inputs), "outputs": dict(self.outputs)}
        return called


def run_job(
    model: Path | Output,
    samples: Output | Path,
    execution: Execution,
    *,
    signature: Called | str | None = None,
    first: int | None = None,
    before: Job | None = None,
) -> Job:
    """Return the job that runs a model over the samples, all of them or the `first` so many; UnknownName for an unknown runtime.

    The job resumes from `before`, the same run over fewer samples.
    """
    registry.load("execution/runtimes", execution.runtime)
    name = model.name if isinstance(model, Path) else Path(model.name).name
    kernels = "" if execution.kernels == "default" else f" ({execution.kernels} kernels)"
    launchers.require_able(execution.engine.launcher, execution.runtime)
    emulated = "emulated " if launchers.is_emulated(execution.engine.launcher) else ""
    return Job(
        f"{_RUNNING}{name} on {emulated}{execution.runtime}{kernels}",
        "execution.infer",
        "run",
        execution.engine,
        options={
            "runtime": execution.runtime,
            "kernels": execution.kernels,
            "threads": execution.threads,
            **(signature if isinstance(signature, Called) else Called(signature)).options(),
            "first": first,
            **execution.edges.options(),
        },
        inputs={"model": model, "samples": samples, **({} if before is None else {"before": before})},
        plugins=(f"execution.runtimes.{execution.runtime}",),
    )


def compiled_first(run: Job) -> Job:
    """Return the same run, where its engine compiles for long after a job that does so: that job reads no samples, so runs over others share it.

    What it writes depends on the model, the engine and the driver alone, and no run changes it: so no model comes to run what another one left.
    """
    if not hasattr(registry.load("execution/runtimes", run.options["runtime"]), "compile"):
        return run
    asked = {name: run.options[name] for name in ("runtime", "kernels", "threads", "signature")}
    title = f"compiling {run.title.removeprefix(_RUNNING)}"
    compiling = replace(run, title=title, call="compile", options=asked, inputs={"model": model_of(run)})
    return replace(run, inputs={**run.inputs, "compiled": compiling.output("compiled")})


def on_device(run: Job, device: str) -> Job:
    """Return the same run with a title that names the device, and if it is emulated says so, with its kernels."""
    kernels = "" if run.options["kernels"] == "default" else f"{run.options['kernels']}, "
    emulated = f" ({kernels}emulated)" if launchers.is_emulated(run.engine.launcher) else ""
    return replace(run, title=f"running on {device}{emulated}")


def model_of(run: Job) -> Output | Path:
    """Return the model that a job of `run_job` runs."""
    model = run.inputs["model"]
    if isinstance(model, Job):
        raise TypeError(f"{run.title}: runs all that {model.title} wrote")
    return model


def metric_job(function: str, outputs: Output, count: int, signature: Signature, samples: Output) -> Job:
    """Return the job that calls a user's metric, `module:function` or `file.py:function` of the current folder, with a run's outputs.

    `count` is the number of samples of the run, and `signature` says what its numbers mean. RequestError where the file is missing.
    """
    place = function.rpartition(":")[0]
    file = {"function": Path(os.path.abspath(place))} if place.endswith(".py") else {}
    if file and not file["function"].is_file():
        raise RequestError(f"task metric {function}: no such file {place}")
    return Job(
        function,  # messages about the user's code begin with it
        "comparison.user_metric",
        "measure",
        Engine("dataset"),
        options={
            "function": function,
            "file": str(file["function"]) if file else None,  # its own place, as it may import files beside it
            "folder": os.getcwd(),
            "arguments": {},
            "signature": signature.to_json(),
            "first": count,
        },
        inputs={"outputs": outputs, "labels": samples, **file},
        cached=False,
        user_code=True,
    )


def run_of(entry: Entry) -> Run:
    """Return the run of a finished job; raise WorkerLied where its outputs are not what its signature says."""
    outputs = entry.out / "outputs"
    index = read_index(outputs)
    said = {spec["name"]: spec["dtype"] for spec in entry.result["signature"]["outputs"]}
    found = {name: tensor["dtype"] for name, tensor in index["tensors"].items()}
    if index["count"] != entry.result["count"] or (index["count"] and said != found):
        raise WorkerLied(
            f"{entry.about['title']}: wrote {index['count']} x {found}, and says {entry.result['count']} x {said}"
        )
    said_outputs = entry.result["signature"]["outputs"]
    shaped = (
        [{**spec, "shape": index["tensors"][spec["name"]]["shape"]} for spec in said_outputs]
        if index["count"]
        else said_outputs
    )
    return Run(
        outputs,
        Signature.from_json({**entry.result["signature"], "outputs": shaped}),
        entry.result["engine"],
        entry.about,
        index["count"],
        entry.key,
        delegated=_delegated(entry),
    )


def _delegated(entry: Entry) -> Delegated | None:
    said = entry.result.get("delegated")  # a run of the original has none
    return None if said is None else delegated_of(said, entry)


def delegated_of(said: Any, entry: Entry) -> Delegated:
    """Return what a job says of a delegate; raise WorkerLied where that is not in the shape of `Delegated`, or more than all."""
    shares = [said.get("operators"), said.get("multiply_accumulates")] if fits(said, _DELEGATED) else [None]
    if not all(share is None or (len(share) == 2 and share[0] <= share[1]) for share in shares) or shares[0] is None:
        raise WorkerLied(f"{entry.about['title']}: says that its delegate took {said!r}")
    return cast("Delegated", said)


def signature_of_run(signature: Signature, ran: Signature) -> Signature:
    """Return the artifact's signature, which has the scales of dequantized outputs, if the run gave the same outputs; else the run's own."""
    said = {(spec.name, spec.dtype) for spec in signature.outputs}
    return signature if said == {(spec.name, spec.dtype) for spec in ran.outputs} else ran
