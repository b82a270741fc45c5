"""Shows on standard error what the executor does: a live line with bars in a terminal, else a line for each longer step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.jobs.job import Job

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from toolkit.jobs.graph import Steps

Watcher = Callable[[Job, str, tuple[int, int] | None], None]
"""Takes a job, what happened to it (started, progress, finished, reused, failed, dropped), and its (done, total)."""

_SHOWN_AFTER_S = 1.0


class Progress:
    """A `Watcher` that shows each job that takes longer than a second.

    `steps`, where it is set, returns how many of the steps known so far have ended; steps may be added while jobs run.
    """

    def __init__(self) -> None:
        self.steps: Callable[[], Steps] | None = None
        self._began: dict[Job, float] = {}
        self._seen: dict[Job, tuple[int, int]] = {}
        self._tasks: dict[Job, TaskID] = {}
        self._bars: Bars | None = None
        self._live = sys.stderr.isatty()

    def __call__(self, job: Job, what: str, progress: tuple[int, int] | None) -> None:
        """Take one event: started, progress, finished, reused, failed or dropped."""
        now = time.monotonic()
        began = self._began.setdefault(job, now)
        if progress is not None:
            self._seen[job] = progress
        if what in ("finished", "reused", "failed", "dropped"):
            self._end(job, what, now - began)
        elif self._live and now - began > _SHOWN_AFTER_S:
            self._show(job, now - began)

    def _show(self, job: Job, seconds: float) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(16))
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bars.start()
        done, total = self._seen.get(job, (0, None))
        said = self._said(job, seconds)
        if job not in self._tasks:
            self._tasks[job] = self._bars.add_task(said, total=total)
        self._bars.update(self._tasks[job], description=said, completed=done, total=total)

    def _said(self, job: Job, seconds: float) -> str:
        """Return the step's number, its title, how far it has come, and about how long it will take."""
        text = f"{self._step()}{printable.name(job.title)}"
        if job not in self._seen:
            return f"{text}, {_duration(seconds)}"
        done, total = self._seen[job]
        left = remaining_s(done, total, seconds)
        return f"{text}, {done} of {total}" + ("" if left is None else f", about {_duration(left)} left")

    def _step(self) -> str:
        if self.steps is None:
            return ""
        steps = self.steps()
        return f"step {min(steps.ended + 1, steps.known)} of {steps.known}: "

    def _end(self, job: Job, what: str, seconds: float) -> None:
        self._seen.pop(job, None)
        if self._bars is not None and job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
            if not self._tasks:
                self._bars.stop()
                self._bars = None
        if not self._live and seconds > _SHOWN_AFTER_S:
            steps = None if self.steps is None else self.steps()
            step = "" if steps is None else f"step {steps.ended} of {steps.known}: "
            line = printable.line(f"{step}{job.title}: {what} after {_duration(seconds)}")
            print(line, file=sys.stderr, flush=True)


def remaining_s(done: int, total: int, seconds: float) -> float | None:
    """Return about how many seconds are left, at the pace of `done` of `total` in `seconds`; None before anything is done."""
    if not 0 < done <= total:
        return None
    return seconds * (total - done) / done


def _duration(seconds: float) -> str:
    """Return seconds as people say them: 1.3 s, 42 s, 3 min 5 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
