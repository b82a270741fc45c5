"""How long one call of an artifact takes on its device, and with how much memory: what several processes say together.

Each of several processes loads the model, makes a first call, warms up, and times calls with the same inputs. Their medians are the sample that the
interval is of: calls of one process follow one another, and are no independent samples. `latency.toml` has the numbers and their reasons.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from toolkit import printable
from toolkit.comparison.intervals import MedianInterval, median_interval
from toolkit.errors import RequestError
from toolkit.execution.machine import Machine, Memory
from toolkit.files.shapes import AMOUNT, COUNT, Either

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.execution.latency_rule import LatencyRule

_SUSTAINED_MOST_S = 24 * 3600.0
SHAPE = {
    "median_ms": AMOUNT,
    "interval_ms": (AMOUNT, Either(AMOUNT, "inf")),
    "engine": str,
    "launcher": str,
    "cpu": str,
    "threads": COUNT,
    "timed": Either("invoke", "call"),
    "disturbed": bool,
}
"""The fields of a report's `latency`, as far as they are read again (`toolkit.files.shapes`)."""


@dataclass(frozen=True, slots=True)
class LatencyRequest:
    """What is to be timed: `asked` is whether somebody asked for it, beside the budgets of a profile.

    `sustained_s` is for how many seconds calls go on, to see whether the device gets slower; None for no such run. RequestError for seconds that are
    none.
    """

    asked: bool = False
    sustained_s: float | None = None

    def __post_init__(self) -> None:
        if self.sustained_s is not None and not 0 < self.sustained_s <= _SUSTAINED_MOST_S:
            raise RequestError(
                f"--sustained {self.sustained_s:g}: expected seconds, above 0 and at most {_SUSTAINED_MOST_S:g}"
            )


class SustainedRow(TypedDict):
    """A run without a pause, as JSON: medians of equal parts, in order, the last as a multiple of the first, and whether that is too much."""

    seconds: float
    calls: int
    parts_ms: list[float]
    slowdown: float
    throttled: bool


class WarmUpRow(TypedDict):
    """The calls that were discarded in each process, and in how many processes calls still got faster in the end."""

    calls: list[int]
    unsteady: int


class MemoryRow(TypedDict):
    """Resident bytes of the process at their highest: the largest of all processes, each at three moments."""

    before_bytes: int
    loaded_bytes: int
    peak_bytes: int


class LatencyRow(TypedDict):
    """A `Latency` as JSON; durations in milliseconds. `timed` says what is inside the clock.

    `noisy` is whether the interval is wider than a limit, `disturbed` whether other programs took more of the processor than a limit.
    """

    median_ms: float
    interval_ms: list[float]
    confidence: float
    min_ms: float
    p95_ms: float | None
    p99_ms: float | None
    process_ms: list[float]
    calls: int
    load_ms: list[float]
    first_ms: list[float]
    warm_up: WarmUpRow
    timed: str
    noisy: bool
    disturbed: bool
    threads: int
    engine: str
    launcher: str
    cpu: str
    sustained: SustainedRow | None
    memory: MemoryRow | None
    machine: Machine


@dataclass(frozen=True, slots=True)
class Times:
    """What one process gave: its result, and the durations of its timed calls in milliseconds, in order."""

    load_ms: float
    first_ms: float
    warm_up_calls: int
    steady: bool
    calls: int
    seconds: float
    ms: np.ndarray
    memory: Memory | None
    machine: Machine
    engine: str
    timed: str
    about: Mapping[str, str | int]

    @property
    def median_ms(self) -> float:
        """The median of the timed calls."""
        return float(np.median(self.ms))


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of an artifact on its device: what each of several processes measured, and a sustained run if one was asked for."""

    processes: tuple[Times, ...]
    threads: int
    rule: LatencyRule
    long_run: Times | None = None

    def __repr__(self) -> str:
        low, high = self.interval_ms
        return printable.line(f"<Latency {self.median_ms:.4g} ms [{low:.4g}, {high:.4g}]>")

    @property
    def median_ms(self) -> float:
        """The median of the processes' medians."""
        return statistics.median(each.median_ms for each in self.processes)

    @property
    def interval_ms(self) -> tuple[float, float]:
        """The interval that holds the median of all processes with `confidence`; without bounds if there were too few processes."""
        found = self._found
        return (0.0, math.inf) if found is None else (found.low, found.high)

    @property
    def confidence(self) -> float:
        """The exact confidence of the interval, from 0 to 1."""
        return 1.0 if self._found is None else self._found.confidence

    @property
    def _found(self) -> MedianInterval | None:
        return median_interval([each.median_ms for each in self.processes], self.rule.confidence.level)

    @property
    def is_noisy(self) -> bool:
        """Whether the interval is wider than a limit, as a share of the median."""
        low, high = self.interval_ms
        return not high - low <= self.rule.noisy.share * self.median_ms

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs took so much of the processor that the true latency may be any shorter one."""
        share = self.machine["others_busy"]
        return share is not None and not share <= self.rule.disturbed.share

    @property
    def calls(self) -> int:
        """How many calls were timed, in all processes."""
        return sum(each.calls for each in self.processes)

    def percentile_ms(self, share: float) -> float | None:
        """Return the duration that a share of all calls kept; None where too few calls lie beyond it."""
        durations = np.sort(np.concatenate([each.ms for each in self.processes]))
        if math.floor(len(durations) * (1 - share)) < self.rule.tail.calls:
            return None
        return float(durations[math.ceil(len(durations) * share) - 1])

    @property
    def min_ms(self) -> float:
        """The shortest call."""
        return min(float(each.ms.min()) for each in self.processes)

    @property
    def memory(self) -> MemoryRow | None:
        """Return the most resident bytes at three moments, each the largest of all processes; None where one does not say."""
        said = [each.memory for each in (*self.processes, *([self.long_run] if self.long_run else []))]
        held = [each for each in said if each is not None]
        if len(held) < len(said):
            return None
        return {
            "before_bytes": max(each["before_bytes"] for each in held),
            "loaded_bytes": max(each["loaded_bytes"] for each in held),
            "peak_bytes": max(each["peak_bytes"] for each in held),
        }

    @property
    def parts_ms(self) -> list[float]:
        """The medians of equally many calls of the sustained run each, in order; [] without one."""
        if self.long_run is None:
            return []
        parts = np.array_split(self.long_run.ms, min(self.rule.throttled.parts, len(self.long_run.ms)))
        return [float(np.median(part)) for part in parts]

    @property
    def slowdown(self) -> float | None:
        """How many times as long a call took in the last part of the sustained run as in the first; None without such a run."""
        parts = self.parts_ms
        return None if not parts else parts[-1] / parts[0] if parts[0] else math.inf

    @property
    def is_throttled(self) -> bool:
        """Whether calls took longer in the last part of the sustained run than in the first, by more than a limit."""
        return self.slowdown is not None and not self.slowdown <= 1 + self.rule.throttled.share

    @property
    def machine(self) -> Machine:
        """Return what the processes saw of the machine: the load before the first and after the last, the largest share of others."""
        first, last = self.processes[0].machine, self.processes[-1].machine
        others = [
            each.machine["others_busy"] for each in (*self.processes, *([self.long_run] if self.long_run else []))
        ]
        known = [share for share in others if share is not None]
        return {
            **last,
            "load_before": first["load_before"],
            "others_busy": max(known) if len(known) == len(others) else None,
        }

    def to_json(self) -> LatencyRow:
        """Return plain JSON."""
        first = self.processes[0]
        return {
            "median_ms": self.median_ms,
            "interval_ms": list(self.interval_ms),
            "confidence": self.confidence,
            "min_ms": self.min_ms,
            "p95_ms": self.percentile_ms(0.95),
            "p99_ms": self.percentile_ms(0.99),
            "process_ms": [each.median_ms for each in self.processes],
            "calls": self.calls,
            "load_ms": [each.load_ms for each in self.processes],
            "first_ms": [each.first_ms for each in self.processes],
            "warm_up": {
                "calls": [each.warm_up_calls for each in self.processes],
                "unsteady": sum(not each.steady for each in self.processes),
            },
            "timed": first.timed,
            "noisy": self.is_noisy,
            "disturbed": self.is_disturbed,
            "threads": self.threads,
            "engine": first.engine,
            "launcher": str(first.about["launcher"]),
            "cpu": str(first.about.get("cpu", "unknown")),
            "sustained": self._sustained_json(),
            "memory": self.memory,
            "machine": self.machine,
        }

    def _sustained_json(self) -> SustainedRow | None:
        if self.long_run is None or self.slowdown is None:
            return None
        return {
            "seconds": self.long_run.seconds,
            "calls": self.long_run.calls,
            "parts_ms": self.parts_ms,
            "slowdown": self.slowdown,
            "throttled": self.is_throttled,
        }
