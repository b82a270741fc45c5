"""What the executor is at, on standard error: a live line with bars in a terminal, a line per longer job elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.jobs import Job

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_SHOWN_AFTER_S = 1.0


class Progress:
    """Called by the executor; shows what takes longer than a second, and forgets it when it is done."""

    def __init__(self) -> None:
        self._began: dict[Job, float] = {}
        self._tasks: dict[Job, TaskID] = {}
        self._bars: Bars | None = None
        self._live = sys.stderr.isatty()

    def __call__(self, job: Job, what: str, progress: tuple[int, int] | None) -> None:
        """Take one event: started, progress, finished, reused, failed or dropped."""
        now = time.monotonic()
        began = self._began.setdefault(job, now)
        if what in ("finished", "reused", "failed", "dropped"):
            self._end(job, what, now - began)
        elif self._live and now - began > _SHOWN_AFTER_S:
            self._show(job, progress)

    def _show(self, job: Job, progress: tuple[int, int] | None) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
            )

            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bars.start()
        if job not in self._tasks:
            self._tasks[job] = self._bars.add_task(printable.name(job.title), total=None)
        if progress is not None:
            self._bars.update(self._tasks[job], completed=progress[0], total=progress[1])

    def _end(self, job: Job, what: str, seconds: float) -> None:
        if self._bars is not None and job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
            if not self._tasks:
                self._bars.stop()
                self._bars = None
        if not self._live and seconds > _SHOWN_AFTER_S:
            line = printable.line(f"{job.title}: {what} after {seconds:.1f} s")
            print(line, file=sys.stderr, flush=True)
