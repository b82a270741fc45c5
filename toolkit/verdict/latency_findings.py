"""What makes a measured latency less certain, or another one in use."""

from __future__ import annotations

import math
from collections.abc import Iterator

from toolkit.execution.latency import Latency
from toolkit.findings import Finding


def findings_of(latency: Latency) -> Iterator[Finding]:
    """Yield what makes a latency less certain, or another one in use: noise, calls that still got faster, a device that gets slower."""
    low, high = latency.interval_ms
    fix, rule = "measure again when nothing else runs on the device", latency.rule
    if latency.is_noisy:
        width = "unknown" if math.isinf(high) else f"{(high - low) / latency.median_ms:.0%} of it"
        message = f"the latency is noisy: the interval of its median is {width}, more than {rule.noisy.share:.0%}"
        yield Finding("latency-noisy", "warning", message, fix=fix)
    if latency.is_disturbed:
        message = (
            f"other programs took up to {latency.machine['others_busy']:.0%} of the processor while the latency was measured, more than "
            f"{rule.disturbed.share:.0%}: a call may take less than it says"
        )
        yield Finding("latency-disturbed", "warning", message, fix=fix)
    unsteady = sum(not each.steady for each in latency.processes)
    if unsteady:
        most = latency.rule.warm_up.most_s
        message = (
            f"calls still got faster after {most:g} s of warm-up in {unsteady} of {len(latency.processes)} processes"
        )
        yield Finding("latency-not-steady", "warning", message)
    if latency.is_throttled and latency.long_run is not None:
        parts = latency.parts_ms
        message = (
            f"the device gets slower in use: {parts[0]:.4g} ms a call at first, {parts[-1]:.4g} ms after "
            f"{latency.long_run.seconds:.0f} s without a pause"
        )
        yield Finding("latency-throttled", "warning", message)
