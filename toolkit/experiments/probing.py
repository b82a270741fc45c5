"""Asks a release of a runtime what it can run, and makes its table of capabilities.

Models of one operator run in jobs of workers, as all models do: confined, and killed at their limits. A job has many models, since each job of an
emulated machine starts a worker of its own. Where a job dies, each half of its models gets a job, down to one model; an abort is an answer too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from toolkit import registry
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError, TargetUnavailable, WorkerCrashed, WorkerRefused
from toolkit.execution.run import Execution, on_this_machine
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job
from toolkit.profiles.capabilities import Abilities, Capabilities, Kernel, Probing

_HOW = (
    "edge-toolkit targets probe: each version of each operator was looked up by the runtime, and each combination of dtypes prepared and run once, "
    "in a model of that operator alone"
)
_HOW_LISTED = "edge-toolkit targets probe: the runtime listed the kernels that it registers for the CPU; operators without one were put to a session"
_ABORTS = "aborts"
_MODELS_OF_A_JOB = 1000  # an emulated core takes about 30 ms for a model, and some seconds for each start of a worker
Said = Mapping[str, "str | None"]


def probed(
    name: str,
    version: str,
    execution: Execution,
    artifact_format: str,
    executor: Executor,
    operators: Sequence[str] | None = None,
) -> Probing:
    """Return the table of a runtime in a version, of these `operators` or of all; RequestError for a format whose runtimes cannot be asked."""
    began = time.monotonic()
    _require_probed_with(name, execution)
    converter = registry.load("conversion/converters", artifact_format)
    if hasattr(converter, "probe_models"):
        writing = models_job(name, artifact_format, operators)
        table = _by_models(Asking(writing, execution, executor), name, version, artifact_format, converter)
    elif hasattr(converter, "kernels"):
        if hasattr(
            registry.load("execution/runtimes", name), "KERNELS"
        ):  # the list is that of the engine on this machine
            raise RequestError(f"{name}: does not list its kernels, and nothing else asks it; the run decides")
        table = _by_kernels(name, version, execution, artifact_format, executor)
    else:
        raise RequestError(f"{name}: runs {artifact_format}, for which no probe is known")
    return Probing(table, time.monotonic() - began)


def _require_probed_with(name: str, execution: Execution) -> None:
    """Raise RequestError for a runtime that is not started in the one way that its tables are of."""
    of = getattr(registry.load("execution/runtimes", name), "PROBED_WITH", {})
    options = execution.engine.options
    for option, value in of.items():
        if options.get(option) != value:
            raise RequestError(
                f"{name}: its tables are of {option} {value!r}, and this is {options.get(option)!r}; the run decides",
                f"name a target with {option} = {value!r}",
            )


def models_job(name: str, artifact_format: str, operators: Sequence[str] | None) -> Job:
    """Return the job that writes the models of one operator which a runtime is asked with, of these operators or of all."""
    return Job(
        f"writing models of one operator for {name}",
        f"conversion.converters.{artifact_format}",
        "probe_models",
        on_this_machine(artifact_format).engine,
        options={
            "operators": None if operators is None else sorted(operators),
            "used": _looks_up_used(name),
            "takes": _edges(name),
        },
    )


def _looks_up_used(name: str) -> bool:
    """Return whether a runtime looks up only the operators that a graph has."""
    return bool(getattr(registry.load("execution/runtimes", name), "LOOKS_UP_USED", False))


def _edges(name: str) -> list[str] | None:
    """Return the dtypes that a runtime's models may take and give, None for any."""
    edges = getattr(registry.load("execution/runtimes", name), "EDGES", None)
    return None if edges is None else list(edges)


def _by_models(asked: Asking, name: str, version: str, artifact_format: str, converter: ModuleType) -> Capabilities:
    (written,) = asked.executor.run(asked.writing)
    made = written.result
    groups = (*made["versions"].values(), *made["models"].values(), made["custom"])
    said = asked.of(list(dict.fromkeys(member for group in groups for member in group.values())))
    if None not in said.values():
        raise TargetUnavailable(
            f"{name}: ran none of {len(said)} models, so it is not the models; {next(iter(said.values()))}"
        )
    lacks = converter.lacks_operator if _looks_up_used(name) else None
    operators = {
        each: abilities(made["versions"][each], made["models"].get(each, {}), said, converter.about_dtypes, lacks)
        for each in made["versions"]
    }
    return Capabilities(
        runtime=name,
        version=version,
        artifact_format=artifact_format,
        engine=asked.engine,
        machine=asked.machine,
        kernels=asked.execution.kernels,
        how=_HOW,
        probes=len(said),
        newest_probed=made["newest"],
        operators=operators,
        custom={each: not converter.lacks_custom(said[member] or "") for each, member in made["custom"].items()},
    )


def _by_kernels(
    name: str, version: str, execution: Execution, artifact_format: str, executor: Executor
) -> Capabilities:
    """Return the table of a runtime that lists its kernels itself."""
    listing = Job(
        f"listing the kernels of {name}", f"conversion.converters.{artifact_format}", "kernels", execution.engine
    )
    (entry,) = executor.run(listing)
    kernels: Mapping[str, Sequence[Mapping[str, Any]]] = entry.result["kernels"]
    able = {
        each: Abilities(
            kernels=tuple(
                Kernel(versions=tuple(row["versions"]), takes=tuple(map(tuple, row["takes"]))) for row in rows
            )
        )
        for each, rows in kernels.items()
    }
    return Capabilities(
        runtime=name,
        version=version,
        artifact_format=artifact_format,
        engine=entry.result["engine"],
        machine=str(entry.about["machine"]),
        kernels=execution.kernels,
        how=_HOW_LISTED,
        probes=sum(map(len, kernels.values())),
        newest_probed=None,
        operators={**able, **dict.fromkeys(entry.result["missing"], Abilities())},
    )


def abilities(
    versions: Mapping[str, str],
    models: Mapping[str, str],
    said: Said,
    about_dtypes: Callable[[str], str | None],
    lacks_operator: Callable[[str], bool] | None = None,
) -> Abilities:
    """Return what a runtime does with an operator, from what came of its models.

    A combination is refused only if the runtime names the dtypes as the reason, and another combination ran: then the model is sound. All others are
    left out: they are not known. `lacks_operator` says whether an answer is that there is no such operator, for models that fail
    for other reasons too; without it a version is there if its model started.
    """

    def has(answer: str | None) -> bool:
        return answer is None or (lacks_operator is not None and not lacks_operator(answer))

    registered = sorted(int(version) for version, member in versions.items() if has(said[member]))
    runs = sorted(combination for combination, member in models.items() if said[member] is None)
    reasons = {combination: about_dtypes(said[member] or "") for combination, member in sorted(models.items())}
    refuses = {
        combination: reason for combination, reason in reasons.items() if reason is not None and combination not in runs
    }
    return Abilities(versions=_ranges(registered), runs=tuple(runs), refuses=refuses if runs else {})


def _ranges(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return sorted numbers as ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


@dataclass(slots=True)
class Asking:
    """A runtime that is asked with models that a job wrote; `engine` and `machine` are what reported themselves."""

    writing: Job
    execution: Execution
    executor: Executor
    engine: str = ""
    machine: str = ""

    def of(self, members: Sequence[str]) -> dict[str, str | None]:
        """Return what came of each model. Many run in one job; where a job dies, each half of them runs again, down to one model."""
        said: dict[str, str | None] = {}
        jobs = [members[place : place + _MODELS_OF_A_JOB] for place in range(0, len(members), _MODELS_OF_A_JOB)]
        while jobs:
            halves: list[Sequence[str]] = []
            for job, outcome in zip(jobs, self.executor.outcomes(map(self._job, jobs)), strict=True):
                if outcome.error is None:
                    said |= outcome.entry.result["said"]
                    self.engine = outcome.entry.result["engine"] or self.engine
                    self.machine = str(outcome.entry.about.get("machine", self.machine))
                elif len(job) == 1:
                    said[job[0]] = _died(outcome.error)
                elif isinstance(outcome.error, WorkerCrashed | LimitReached):
                    halves += [job[: len(job) // 2], job[len(job) // 2 :]]
                else:
                    raise outcome.error
            jobs = halves
        return said

    def _job(self, members: Sequence[str]) -> Job:
        name, execution = self.execution.runtime, self.execution
        return Job(
            f"asking {execution.engine.environment} with {len(members)} models",
            "execution.probe",
            "probe",
            execution.engine,
            options={
                "runtime": name,
                "kernels": execution.kernels,
                "threads": execution.threads,
                "signature": None,
                "members": list(members),
            },
            inputs={"models": self.writing.output("models.zip")},
            plugins=(f"execution.runtimes.{name}",),
        )


def _died(error: EdgeToolkitError) -> str:
    """Return what is said of a model that ends its process; raise an error that says nothing of the model."""
    if isinstance(error, WorkerCrashed | LimitReached | WorkerRefused):
        return f"{_ABORTS}: {str(error.problem).splitlines()[0]}"
    raise error
