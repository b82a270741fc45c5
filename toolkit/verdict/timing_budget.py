"""The budgets of a target that are judged by what was measured on the device: latency and memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.execution.latency import Latency
from toolkit.findings import Finding
from toolkit.verdict.verdict import Spent

if TYPE_CHECKING:
    from toolkit.profiles.budget import Budget


def spent_of(latency: Latency, budget: Budget) -> Iterator[Spent]:
    """Yield how much of each measured budget was spent: the latency with its interval, and the most memory of any process.

    If other programs disturbed the measurement, nothing bounds the latency from below: a limit that it exceeds then leaves the verdict open.
    """
    if budget.latency_ms is not None:
        low, high = latency.interval_ms
        interval = (0.0 if latency.is_disturbed else low, high)
        yield Spent("latency_ms", latency.median_ms, budget.latency_ms, interval)
    if budget.peak_memory_bytes is not None and latency.memory is not None:
        yield Spent("peak_memory_bytes", latency.memory["peak_bytes"], budget.peak_memory_bytes)


def memory_not_known(latency: Latency, budget: Budget) -> Iterator[Finding]:
    """Yield the finding that a budget of memory is not judged, as the device does not say what the calls took."""
    if budget.peak_memory_bytes is not None and latency.memory is None:
        message = "budget.peak_memory_bytes is not judged: the device does not say how much memory the calls took"
        yield Finding("memory-not-measured", "inconclusive", message)
