"""The jobs that time an artifact on its device, and the reading of what they gave."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit import launchers, printable
from toolkit.errors import RequestError, WorkerLied
from toolkit.execution.latency import Latency, LatencyRequest, Times
from toolkit.execution.run import Called, Execution, run_job
from toolkit.execution.timing import Rule
from toolkit.files.shapes import AMOUNT, COUNT, Either, fits
from toolkit.jobs.job import Engine, Job, Output

if TYPE_CHECKING:
    from toolkit.execution.latency_rule import LatencyRule
    from toolkit.jobs.store import Entry
    from toolkit.settings import Limits

_MACHINE = {
    "model": Either(str, None),
    "cores": COUNT,
    "governors": Either([str], None),
    "mhz": Either([AMOUNT], None),
    "load_before": Either(AMOUNT, None),
    "load_after": Either(AMOUNT, None),
    "others_busy": Either(AMOUNT, None),
}
_RESULT = {
    "engine": str,
    "timed": Either("invoke", "call"),
    "load_ms": AMOUNT,
    "first_ms": AMOUNT,
    "warm_up_calls": COUNT,
    "steady": bool,
    "calls": COUNT,
    "every": COUNT,
    "seconds": AMOUNT,
    "memory": Either({"before_bytes": COUNT, "loaded_bytes": COUNT, "peak_bytes": COUNT}, None),
    "machine": _MACHINE,
}


@dataclass(frozen=True, slots=True)
class TimingJobs:
    """The jobs that measure one latency: one for each process, and one for the sustained run; None without one. All of them run alone."""

    processes: tuple[Job, ...]
    long_run: Job | None
    threads: int
    rule: LatencyRule

    @property
    def all(self) -> tuple[Job, ...]:
        """All jobs, in the order in which they should run."""
        return (*self.processes, *([] if self.long_run is None else [self.long_run]))

    def latency(self, entries: Sequence[Entry], engine: str | None = None) -> Latency:
        """Return the latency, from the finished jobs of `all`; WorkerLied where one gave what is none, or ran on another engine.

        `engine` is the one that was judged, None for that of the first process.
        """
        found = [times_of(entry) for entry in entries]
        wanted = found[0].engine if engine is None else engine
        for entry, each in zip(entries, found, strict=True):
            if each.engine != wanted:
                who = f"{entry.about['title']}: by {printable.line(each.engine)[:80]}"
                raise WorkerLied(f"{who}; expected {printable.line(wanted)[:80]}, as the outputs are its")
        count = len(self.processes)
        return Latency(tuple(found[:count]), self.threads, self.rule, found[count] if self.long_run else None)


def timing_jobs(
    model: Path | Output,
    samples: Path | Output,
    execution: Execution,
    request: LatencyRequest,
    limits: Limits,
    called: Mapping[str, object] | None = None,
) -> TimingJobs:
    """Return the jobs that time a model with the first sample; RequestError for a launcher whose durations are not the device's.

    `limits` are those of other jobs; a sustained run may take longer by its seconds. `called` are the options that say which signature is called, by
    which names. No job is ever taken from the store: each has an option that no other has.
    """
    from toolkit.execution.latency_rule import rule_of

    require_timed(execution)
    rule = rule_of()
    one = Job("the timed sample", "wire.subset", "one", Engine("dataset"), {"index": 0}, {"samples": samples})
    run = run_job(model, one.output("samples"), execution, signature=Called())
    name = model.name if isinstance(model, Path) else Path(model.name).name

    def job(title: str, own: Rule, limits: Limits) -> Job:
        options = {**run.options, **(called or {}), "rule": own, "measurement": secrets.token_hex(8)}
        return replace(
            run,
            title=f"timing {name} on {execution.runtime}{title}",
            module="execution.timing",
            options=options,
            cached=False,
            alone=True,
            limits=limits,
        )

    count = rule.processes.count
    processes = tuple(job(f", process {number} of {count}", rule.of_process, limits) for number in range(1, count + 1))
    seconds = request.sustained_s
    if seconds is None:
        return TimingJobs(processes, None, execution.threads, rule)
    longer = replace(limits, timeout_s=limits.timeout_s + seconds)
    return TimingJobs(
        processes,
        job(f" for {seconds:g} s", {**rule.of_process, "seconds": seconds, "most_s": seconds}, longer),
        execution.threads,
        rule,
    )


def require_timed(execution: Execution) -> None:
    """Raise RequestError for an execution whose durations say nothing about a device: an emulated one, or one that stands in for the device's own."""
    engine, runtime = execution.engine, execution.runtime
    how = launchers.verification(engine.launcher, engine.options, runtime)
    if not how.timed:
        raise RequestError(
            f"latency cannot be measured of {runtime} with the launcher {engine.launcher}: its times are this machine's ({how})",
            "a profile of the board itself, with launcher = 'ssh' (docs/latency.md)",
        )


def times_of(entry: Entry) -> Times:
    """Return what a timing job gave; WorkerLied where that is not in the shape of `ProcessTimes`, or its durations are none."""
    said, title = entry.result, entry.about["title"]
    if not fits(said, _RESULT):
        raise WorkerLied(f"{title}: its result is no measurement: {printable.line(said)[:200]}")
    try:
        # Mapped, so that a header that announces more than the file has is an error before memory is asked for.
        ms = np.array(np.load(entry.out / "call_ms.npy", mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise WorkerLied(f"{title}: its durations cannot be read ({error})") from error
    sound = ms.dtype == np.float64 and ms.ndim == 1 and len(ms) == math.ceil(said["calls"] / max(1, said["every"]))
    if not (sound and len(ms) and bool(np.all(np.isfinite(ms) & (ms >= 0)))):
        raise WorkerLied(
            f"{title}: gave durations that are none: {ms.dtype} {list(ms.shape)}, of {said['calls']} calls"
        )
    if not np.median(ms) > 0:
        raise WorkerLied(f"{title}: the clock saw no time pass in most calls; it is too coarse to measure them")
    if said["memory"] is not None and not all(said["memory"].values()):
        raise WorkerLied(f"{title}: says that its process has no memory: {said['memory']}")
    known = {name: said[name] for name in _RESULT if name != "every"}
    return Times(**known, ms=ms, about=entry.about)
