"""Runs a model over a set of samples on one of the runtimes, and measures nothing but the engine's own call."""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from toolkit.engines import table_index
from toolkit.engines.answers import check
from toolkit.engines.loaded import Delegated, Loaded, TimedOutputs
from toolkit.errors import WorkerLied
from toolkit.execution.edges import Grids, giving_real_numbers, on_grids, quantize
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_index, read_samples, sequence_length


class RunResult(TypedDict):
    """What a run gives beside the outputs: the `signature` has the names that its samples and outputs have.

    `delegated` is what a delegate took of the model; None on an engine without one.
    """

    engine: str
    signature: dict[str, Any]
    count: int
    load_ms: float
    delegated: Delegated | None


def run(request: Request) -> RunResult:
    """Write out/outputs (shards) for the samples of inputs["samples"] through the model inputs["model"].

    Options: `runtime` (a file of toolkit/execution/runtimes), `first` (that many samples only, or null), and what the runtime takes. Where the
    model's input is an integer and the sample is real, the sample is quantized with the model's own scale and zero point, as an application does. The
    model is loaded again for each sequence of the set, so that its state begins anew. `names` are other names for the model's inputs and outputs,
    {"inputs": {its own: theirs}, "outputs": ...}: samples, outputs and the returned signature have them. `rounded` and `gives_real` are those of
    `toolkit.execution.run.AtEdges`. inputs["before"], where it is given, is the out folder of the same run over fewer samples, in whole sequences:
    the run copies its outputs and resumes after them. inputs["compiled"], where it is given, is what `compile` wrote for the same model and options.
    """
    samples = request.inputs["samples"]
    total = read_index(samples)["count"]
    first = request.options.get("first")
    if first is not None and first < 1:
        raise ValueError(f"first {first}; expected a number of samples, or null for all")
    total = min(total, first or total)
    options = {**_run_options(request), "count": total}
    began = time.perf_counter()
    loaded = _loaded(request, options)
    load_ms = (time.perf_counter() - began) * 1e3
    length = sequence_length(samples) or total
    names = request.options.get("names", {"inputs": {}, "outputs": {}})
    signature, own = called({**loaded.signature}, names), {theirs: own for own, theirs in names["inputs"].items()}
    specs = {spec["name"]: spec for spec in signature["inputs"]}
    rounded: Grids = request.options.get("rounded", {})
    before = request.inputs.get("before")
    call_ms = [] if before is None else np.load(before / "call_ms.npy").tolist()
    start = len(call_ms)
    with ShardWriter(request.out / "outputs") as writer:
        for outputs in () if before is None else read_samples(before / "outputs"):
            writer.add(outputs)
        reader, done = read_samples(samples, start, total), start
        while done < total:
            if done > start and done % length == 0:
                loaded = _loaded(request, options)
            group = [
                {
                    own.get(name, name): quantize(array, specs[name]) if name in specs else array
                    for name, array in on_grids(each, rounded).items()
                }
                for each in itertools.islice(reader, min(loaded.at_once, total - done, length - done % length))
            ]
            with table_index.naming(samples, done, "evaluation"):
                answers = answered(loaded, group)
            for outputs, ms in answers:
                call_ms.append(ms)
                check(outputs, loaded.signature["outputs"], f"sample {done}")
                writer.add({names["outputs"].get(name, name): array for name, array in outputs.items()})
                if done % 16 == 0:
                    request.progress(done, total)
                done += 1
    np.save(request.out / "call_ms.npy", np.array(call_ms))
    return {
        "engine": loaded.engine,
        "signature": signature,
        "count": total,
        "load_ms": load_ms,
        "delegated": loaded.delegated,
    }


def _run_options(request: Request) -> dict[str, Any]:
    """Return the options that a runtime loads a model with."""
    compiled = request.inputs.get("compiled")
    return request.options if compiled is None else {**request.options, "compiled": str(compiled)}


def compile(request: Request) -> dict[str, Any]:  # noqa: A001 (what a runtime calls it too)
    """Write to out/compiled what the runtime options["runtime"] compiles of the model inputs["model"], which `run` then need not do again."""
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    folder = request.out / "compiled"
    folder.mkdir()
    runtime.compile(request.inputs["model"], request.options, folder)
    return {}


def _loaded(request: Request, options: dict[str, Any]) -> Loaded:
    """Return the model of a run, ready to run in its runtime."""
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    loaded: Loaded = runtime.load(request.inputs["model"], options)
    return giving_real_numbers(loaded) if request.options.get("gives_real", False) else loaded


def answered(loaded: Loaded, group: Sequence[dict[str, np.ndarray]]) -> list[TimedOutputs]:
    """Return the outputs and the milliseconds of each sample of a group; WorkerLied where the engine gave answers to more or fewer."""
    if loaded.call_several is not None:
        answers = loaded.call_several(group)
        if len(answers) != len(group):
            raise WorkerLied(f"{loaded.engine}: was given {len(group)} samples, and gave {len(answers)} answers")
        return answers
    answers = []
    for sample in group:
        began = time.perf_counter()
        outputs = loaded.call(sample)
        answers.append((outputs, (time.perf_counter() - began) * 1e3))
    return answers


def called(signature: dict[str, Any], names: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return a signature with other names, {"inputs": {old: new}, "outputs": ...}, sorted by name as before."""
    changed = {
        side: sorted(
            ({**spec, "name": new.get(spec["name"], spec["name"])} for spec in signature[side]),
            key=lambda spec: str(spec["name"]),
        )
        if new
        else signature[side]
        for side, new in names.items()
    }
    return {**signature, **changed}
