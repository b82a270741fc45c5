"""Facts about two releases that need no run: signatures, sizes, findings and measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.comparison.measured import number
from toolkit.regression.record import Baseline, name_of
from toolkit.regression.rows import VERDICT, GateRow, Value, judged, noticed

if TYPE_CHECKING:
    from toolkit.regression.limits import GateLimits


def verdict(now: Baseline) -> GateRow:
    """Return whether the build passed by itself."""
    because = "what did not pass by itself does not ship, whatever the last release was"
    row = judged(VERDICT, None, now.verdict, "passed", because, None)
    return replace(row, status="inconclusive") if now.verdict == "inconclusive" else row


def dtypes(before: Baseline, now: Baseline) -> Iterator[GateRow]:
    """Yield a row for the dtype of each input and output, and a row for each changed scale or zero point."""
    because = "code that calls the model gives and takes numbers of this type"
    for side in ("inputs", "outputs"):
        for spec in getattr(before.signature, side):
            ours = next(each for each in getattr(now.signature, side) if each.name == spec.name)
            yield judged(f"{side[:-1]} {spec.name} dtype", spec.dtype, ours.dtype, spec.dtype, because, None)
            if spec.is_integer and ours.is_integer and (spec.scale, spec.zero_point) != (ours.scale, ours.zero_point):
                was, is_now = (f"{each.scale} {each.zero_point}" for each in (spec, ours))
                why = "its scale or zero point changed: code that holds the old ones reads other numbers"
                yield noticed(f"{side[:-1]} {spec.name} scale", was, is_now, why)


def runtime(before: Baseline, now: Baseline) -> Iterator[GateRow]:
    """Yield a row for the engine that ran the artifact, and rows for the order of its inputs and outputs, if the last release holds these."""
    if before.engine is not None:
        because = "the device runs one version: what another version does with this file was not checked"
        yield judged("runtime", before.engine, now.engine, before.engine, because, None)
    for side in ("inputs", "outputs") if before.order is not None and now.order is not None else ():
        was, is_now = (", ".join(each.order[side]) for each in (before, now) if each.order is not None)
        because = "code that calls the model by position, not by name, gives or takes another tensor"
        yield judged(f"{side} order", was, is_now, was, because, None)


def sizes(before: Baseline, now: Baseline, by: GateLimits) -> Iterator[GateRow]:
    """Yield a row for the file size and, if measured on the device, one for the latency. If the last release measured it, this one must too."""
    limit = math.floor(before.size_bytes * (1 + by.size_bytes.limit))
    yield judged("size_bytes", before.size_bytes, now.size_bytes, limit, by.size_bytes.because)
    if before.latency_ms is not None:
        yield _latency(before.latency_ms, before, now, by)
    elif now.latency_ms is not None:
        yield noticed("latency_ms", None, now.latency_ms, "measured for the first time")


def _latency(was_ms: float, before: Baseline, now: Baseline, by: GateLimits) -> GateRow:
    """Return the row of the latency, which the last release measured.

    The intervals decide: it failed if even the fastest that may be true now is slower than the slowest that may have been true, and the allowance; it
    passed if the slowest now is within the allowance of the last median. Between the two it is open, and where other programs ran meanwhile. Of two
    places nothing is judged.
    """
    most = was_ms * (1 + by.latency_ms.limit)
    row = judged("latency_ms", was_ms, now.latency_ms, most, by.latency_ms.because)
    if before.latency is None or now.latency is None:
        return row
    if before.latency.place != now.latency.place:
        why = f"measured elsewhere ({now.latency.place}), so nothing is judged; it was {before.latency.place}"
        return noticed("latency_ms", was_ms, now.latency_ms, why)
    then, found = before.latency, now.latency
    told = f"[{found.low_ms:.4g}, {found.high_ms:.4g}] ms, it was [{then.low_ms:.4g}, {then.high_ms:.4g}]"
    if found.low_ms > then.high_ms * (1 + by.latency_ms.limit) and not found.disturbed:
        return replace(row, status="failed", detail=told)
    if found.high_ms <= most:
        return replace(row, detail=told)
    return replace(row, status="inconclusive", detail=f"{told}; measure both again when nothing else runs there")


def findings(before: Baseline, now: Baseline) -> Iterator[GateRow]:
    """Yield a row for each code of a finding that is more than information, and for new information."""
    because = "the finding was not in the last release, so nobody has reviewed it"
    for code, held in now.findings.items():
        then = before.findings.get(code)
        count = 0 if then is None else then.count
        if held.severity == "info":
            if held.count > count:
                yield noticed(f"finding {code}", count, held.count, "new, for information")
            continue
        # Nobody has reviewed a finding at its present severity if it was only information in the last release.
        was = 0 if then is None or (then.severity == "info") else count
        yield judged(f"finding {code}", was, held.count, was, because)


def comparisons(before: Baseline, now: Baseline, by: GateLimits) -> Iterator[GateRow]:
    """Yield a row for each bound of the last release, and a row for the remaining margin to each bound on the total."""
    ours = {name_of(each): each for each in now.comparisons}
    for then in before.comparisons:
        name, better, bound = name_of(then), then["better"], number(then["limit"])
        if (
            then.get("undecided") == "passed"
        ):  # not a promise: an uncertain result passes such a bound; the paired tests show more
            continue
        if name not in ours:
            # The value is a text, so that an allowance can match it: a stage may be gone because it has nothing left to do.
            yield judged(f"bound {name}", f"{bound:g}", "gone", f"{bound:g}", "its bound is no longer held", None)
            continue
        because = "a looser bound lets through what the last release was held to"
        yield judged(f"bound {name}", bound, number(ours[name]["limit"]), bound, because, better)
        value, is_now = number(then["value"]), number(ours[name]["value"])
        if then["stage"] != "total":
            continue
        exact = math.inf if better == "higher" else -math.inf
        if value != exact:  # also for NaN: it gives a limit that no value keeps
            yield judged(name, value, is_now, value + by.margin.limit * (bound - value), by.margin.because, better)
        elif is_now != value:
            yield noticed(name, value, is_now, "it was equal to the original bit by bit, and no longer is")


def others(before: Baseline, now: Baseline, by: GateLimits) -> Iterator[GateRow]:
    """Yield rows that are shown and not judged: possible explanations of other rows, and results that look too good."""
    pairs: list[tuple[str, Value, Value, str]] = [
        ("scheme", before.scheme, now.scheme, now.wanted or "quantized in another way"),
        ("source", before.source_sha256[:8], now.source_sha256[:8], "the original is another"),
        ("stage", before.stage, now.stage, "the outputs are of another last stage"),
    ]
    pairs += [
        (f"tool {name}", before.tools.get(name), now.tools.get(name), "another version")
        for name in sorted(before.tools.keys() | now.tools.keys())
    ]
    yield from (noticed(what, was, is_now, why) for what, was, is_now, why in pairs if was != is_now)
    if now.size_bytes <= by.suspicious.size * before.size_bytes:
        yield noticed("size_bytes halved", before.size_bytes, now.size_bytes, by.suspicious.because)
    weights_differ = before.source_sha256 != now.source_sha256
    if weights_differ and before.artifact_sha256 == now.artifact_sha256:
        why = "the original changed, but the artifact is the same file: was the new one built?"
        yield noticed("artifact is the same", before.artifact_sha256[:8], now.artifact_sha256[:8], why)
