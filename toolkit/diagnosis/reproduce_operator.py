"""The operator that an attribution names, run alone: kept as a folder only if it shows the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from toolkit import environments, printable
from toolkit.diagnosis.worker.results import CutOperator, PackedOperator
from toolkit.errors import EdgeToolkitError
from toolkit.execution.run import HOST_RUNTIME, Execution, run_job
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.jobs.store import Entry
from toolkit.verdict.attribution import Attribution, OperatorDeviation
from toolkit.verdict.attribution_text import in_words


@dataclass(frozen=True, slots=True)
class Looked:
    """What was examined: the inputs of `toolkit.diagnosis.worker.divergence.weigh`, the values `fed` to each operator, and the samples' numbers.

    `after` is how the candidate runs. `before` is how the reference runs the same file; None if the reference is another file.
    """

    inputs: Mapping[str, Path | Output]
    fed: Output
    samples: list[int]
    after: Execution
    before: Execution | None


def reproduced(found: Attribution, looked: Looked, executor: Executor) -> tuple[Path | None, str]:
    """Return a folder with the operator that makes most noise (see `toolkit.diagnosis.worker.reproduction`) or None, and a sentence about it."""
    operator = found.largest or found.first
    if operator is None:
        return None, ""
    if operator.isolated is None:
        return None, f"{operator} was not reproduced: {operator.not_isolated or 'it did not run alone'}"
    try:
        packed = _packed(found, operator, looked, executor)
    except EdgeToolkitError as error:
        return None, f"{operator} was not reproduced: {error.problem}"
    result = cast("PackedOperator", packed.result)
    if not result["differs"]:
        return (
            None,
            f"{operator} gives the same alone, on the same inputs: the divergence comes from before it, or from how operators are combined",
        )
    return (
        packed.out / "reproduction",
        f"{operator} was run alone, and shows it: {'; '.join(result['says'])}",
    )


def _packed(found: Attribution, operator: OperatorDeviation, looked: Looked, executor: Executor) -> Entry:
    """Run the operator by itself on the stage's engine, and on both sides' engines if they have the same file. Return the entry with its folder."""
    worst = operator.isolated.worst_sample if operator.isolated else 0
    number = looked.samples.index(worst)
    inputs: dict[str, Path | Job | Output] = {**looked.inputs, "fed": looked.fed}
    cut = _job(f"cutting out {operator.operator}", "cut", inputs, {"place": operator.place, "sample": number})
    (entry,) = executor.run(cut)
    file, samples = cut.output("operator.tflite"), cut.output("samples")
    got = run_job(file, samples, looked.after).output("outputs")
    right = cut.output("right") if looked.before is None else run_job(file, samples, looked.before).output("outputs")
    alone = cast("CutOperator", entry.result)
    grids = alone["grids"] if looked.before is None else [(1.0, 0) for _ in alone["grids"]]
    options = {
        "about": _about(found, operator, alone, worst),
        "module": _module(looked.after),
        "kernels": looked.after.kernels,
        "threads": looked.after.threads,
        "grids": {f"output_{place}": grid for place, grid in enumerate(grids)},
    }
    pack = _job(
        f"packing {operator.operator} as a folder", "pack", {"operator": cut, "got": got, "expected": right}, options
    )
    (packed,) = executor.run(pack)
    return packed


def _about(found: Attribution, operator: OperatorDeviation, cut: CutOperator, sample: int) -> dict[str, str]:
    """Return the sentences of the folder's README."""
    sides = (("input", cut["inputs"]), ("output", cut["outputs"]))
    tensors = ", ".join(f"{side}_{place} is {name!r}" for side, names in sides for place, name in enumerate(names))
    same_file = found.stage in ("kernels", "device")
    units = "as the operator gives it" if same_file else "in real units"
    return {
        "title": f"{operator}: {found.stage}",
        "what": (
            f"`operator.tflite` is this operator alone, `inputs.npz` its inputs in sample {sample}: the values of the reference. "
            f"{printable.markdown(tensors)}. Over all samples that were checked:{in_words(operator.isolated)}."
        ),
        "expected": f"what the reference gave, {units}: {found.reference}",
        "got": f"what it gave: {found.candidate}",
        "where": f"with {found.candidate}",
    }


def _module(execution: Execution) -> str:
    """Return the Python module with a runtime's interpreter: the first module that its environment imports before jobs."""
    return next(iter(environments.preload(execution.engine.environment)), f"{execution.runtime}.interpreter")


def _job(title: str, call: str, inputs: Mapping[str, Path | Job | Output], options: Mapping[str, Any]) -> Job:
    return Job(title, "diagnosis.worker.reproduction", call, Engine(HOST_RUNTIME), options=options, inputs=inputs)
