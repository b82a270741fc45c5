"""The latency and the memory of an artifact on its device, in words: the same for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.report.wording import size

if TYPE_CHECKING:
    from toolkit.execution.latency import Latency
    from toolkit.verdict.verdict import Verdict

_INSIDE = {"invoke": "the engine's invoke alone", "call": "the engine's call, with its copies of inputs and outputs"}


def latency_lines(latency: Latency) -> list[tuple[str, str]]:
    """Return (label, line) for each thing that was measured; durations are milliseconds of one call."""
    low, high = latency.interval_ms
    words = (("NOISY", latency.is_noisy), ("DISTURBED", latency.is_disturbed))
    noisy = "".join(f"{word}, " for word, here in words if here)
    tails = [(name, latency.percentile_ms(share)) for name, share in (("p95", 0.95), ("p99", 0.99))]
    told = "".join(f", {name} {ms:.4g}" for name, ms in tails if ms is not None)
    found = f"{noisy}{latency.median_ms:.4g} ms a call [{low:.4g}, {high:.4g}]"
    of = f"median of {len(latency.processes)} processes, {latency.confidence:.1%} interval"
    inside = f"{latency.calls} calls of {_INSIDE[latency.processes[0].timed]}"
    first, load = _range(latency, "first_ms"), _range(latency, "load_ms")
    lines = [
        ("latency", f"{found}: {of}; least {latency.min_ms:.4g}{told}; {inside}"),
        ("", f"first call {first}, loading {load}, then {_warm_up(latency)}"),
        ("", _machine(latency)),
    ]
    if latency.long_run is not None and latency.slowdown is not None:
        parts = latency.parts_ms
        said = "SLOWER in use" if latency.is_throttled else "no slower in use"
        lines.append(
            (
                "sustained",
                f"{said}: {parts[0]:.4g} ms a call at first, {parts[-1]:.4g} ms after {latency.long_run.seconds:.0f} s without a pause",
            )
        )
    memory = latency.memory
    if memory is not None:
        more = memory["peak_bytes"] - memory["before_bytes"]
        said = f"{size(memory['peak_bytes'])} resident at the peak, {size(more)} more than before the model was loaded"
        lines.append(("memory", f"{said}; interpreter and engine included"))
    return lines


def budget_lines(verdict: Verdict) -> list[str]:
    """Return a line for each budget that was measured, with its limit, and whether it is kept."""
    words = {"passed": "", "failed": "  FAIL", "inconclusive": "  INCONCLUSIVE"}
    lines = []
    for spent in verdict.budget:
        if spent.name == "latency_ms":
            low, high = spent.interval or (spent.spent, spent.spent)
            lines.append(f"{spent.spent:.4g} ms [{low:.4g}, {high:.4g}] <= {spent.limit:g} ms{words[spent.status]}")
        elif spent.name == "peak_memory_bytes":
            lines.append(f"{size(int(spent.spent))} at the peak <= {size(int(spent.limit))}{words[spent.status]}")
    return lines


def _range(latency: Latency, name: str) -> str:
    found: Sequence[float] = sorted(getattr(each, name) for each in latency.processes)
    return f"{found[0]:.4g} ms" if len(found) == 1 else f"{found[0]:.4g} to {found[-1]:.4g} ms"


def _warm_up(latency: Latency) -> str:
    calls = sorted(each.warm_up_calls for each in latency.processes)
    return f"{calls[0]} to {calls[-1]} calls of warm-up, not counted"


def _machine(latency: Latency) -> str:
    machine = latency.machine
    governors, mhz = machine["governors"], machine["mhz"]
    parts = [
        f"{latency.threads} thread{'s' if latency.threads > 1 else ''} of {machine['cores']} cores",
        printable.line(machine["model"] or "processor unknown"),
        f"governor {printable.line(', '.join(governors)) if governors else 'unknown'}",
        f"{' to '.join(dict.fromkeys(f'{each:.0f}' for each in mhz))} MHz" if mhz else "frequency unknown",
    ]
    loads = machine["load_before"], machine["load_after"]
    if None not in loads:
        parts.append(f"load {loads[0]:.2f} before, {loads[1]:.2f} after")
    if machine["others_busy"] is not None:
        parts.append(f"other programs took up to {machine['others_busy']:.0%} of the processor")
    return ", ".join(parts)
