"""Two releases on the same samples: the right answers of each, and how far their outputs are apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.comparison import compare
from toolkit.comparison.compare import Comparison, Measured
from toolkit.comparison.measured import number
from toolkit.comparison.paired_difference import drop
from toolkit.errors import UnjudgeableRun
from toolkit.regression.file import thin
from toolkit.regression.losses import losses
from toolkit.regression.record import Baseline, TaskRecord, name_of, of_bundle
from toolkit.regression.rows import GateRow, noticed
from toolkit.verdict.noise import own_noise

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound
    from toolkit.regression.limits import GateLimits


_OF_A_TASK = ("drop", "relative_drop")


def tasks(before: Baseline, now: Baseline, by: GateLimits, *, same: bool) -> Iterator[GateRow]:
    """Yield the paired test of each task metric of the last release. `same` is whether file and outputs are unchanged."""
    if now.labels_digest is None:
        for then in before.tasks:
            because = "the labels are missing, and without them nothing shows that it is as good as before"
            yield GateRow(
                f"task {then.metric}", then.scoring.score(then.rows), None, None, "failed", because, then.better
            )
        return
    ours = of_bundle(now.path, [then.metric for then in before.tasks], before.count, known=True)
    for then, task in zip(before.tasks, ours.tasks, strict=True):
        yield from _of_a_task(then, task, by, same=same)
        yield from losses(then, task, ours.truth, by)


def _of_a_task(then: TaskRecord, task: TaskRecord, by: GateLimits, *, same: bool) -> Iterator[GateRow]:
    metric = then.scoring
    was, score, sign = metric.score(then.rows), metric.score(task.rows), 1 if metric.BETTER == "higher" else -1
    found = drop(metric, then.rows, task.rows, by.task.confidence)
    # If a score has no upper or lower end (for example, an error), the limits are shares of its old value.
    unit = 1.0 if then.is_bounded else abs(was)
    certain, possible = by.task.certain * unit, by.task.possible * unit
    what, limit = f"task {then.metric}", was - sign * possible
    detail = f"drop [{found.low:.4g}, {found.high:.4g}]: certain <= {certain:.4g}, possible <= {possible:.4g}; {found.detail}"
    row = GateRow(what, was, score, limit, "failed", by.task.because, metric.BETTER, detail)
    if same and score == was:
        yield replace(row, status="passed", detail="the same file with the same outputs")
    elif found.high <= possible and found.low <= certain:
        yield replace(row, status="passed")
    elif found.low <= certain:
        yield replace(row, status="inconclusive")
    else:
        yield row
    if found.high < -by.suspicious.gain * unit:
        yield noticed(what, was, score, by.suspicious.because)


def outputs(before: Baseline, now: Baseline, *, same: bool) -> Iterator[GateRow]:
    """Yield the comparison of the new outputs with the old ones, by the bounds that the last release had on its total."""
    if before.outputs_digest == now.outputs_digest:
        because = "bit for bit the same outputs for every sample"
        yield GateRow("outputs", before.outputs_digest[:8], now.outputs_digest[:8], None, "passed", because)
        if before.source_sha256 != now.source_sha256:
            why = "the original changed, but the outputs are the same: was the new one built?"
            yield noticed("outputs are the same", None, None, why)
        elif not same:
            yield noticed("outputs are the same", None, None, "though the artifact is another file")
        return
    count = min(before.outputs.count, before.count)
    try:
        asked: dict[str, set[str]] = {}
        for each in before.comparisons:
            if each["unit"] not in _OF_A_TASK and each["metric"] not in compare.NO_METRICS:
                asked.setdefault(each["output"], set()).add(each["metric"])
        measured = compare.measure(before.outputs.read(count), thin(now.outputs.read(count), before.every), only=asked)
        bounds, silent = _bounds(before, measured)
        found = compare.judge(measured, bounds, stage="total", context=compare.Context(noise=own_noise(before.noise)))
    except UnjudgeableRun as error:
        yield GateRow("outputs", None, None, None, "inconclusive", f"cannot be judged: {error.problem}")
        return
    retrained = before.source_sha256 != now.source_sha256 and bool(before.tasks)
    for compared in found.comparisons:
        yield _of_outputs(compared, retrained=retrained)
    for name in silent:
        yield noticed(name, None, None, "its bound does not apply to what a baseline file keeps of it, or to its type")


def _bounds(before: Baseline, measured: Measured) -> tuple[list[Bound], list[str]]:
    """Return the bounds that the last release had on its total, and the names of those that do not apply to the outputs that were kept."""
    from toolkit.comparison.bounds import Bound

    found, silent = [], []
    for each in before.comparisons:
        output, metric, unit = each["output"], each["metric"], each["unit"]
        if each["stage"] != "total" or output not in measured.seen:  # the missing output fails by itself
            continue
        if metric in compare.NO_METRICS:  # judged whatever the bounds are
            continue
        applies = (output, metric) not in measured.inapplicable
        if applies and (unit == "noise" or unit in measured.measurement(output, metric).values):
            said = {"limit": number(each["limit"]), "because": each["because"]}
            if each.get("confidence") is not None:  # older files do not have it
                said["confidence"] = each["confidence"]
            if "undecided" in each:
                said["undecided"] = each["undecided"]
            found.append(Bound(stage="total", output=output, metric=metric, unit=unit, **said))
        else:
            silent.append(name_of({**each, "stage": "outputs"}))
    return found, silent


def _of_outputs(compared: Comparison, *, retrained: bool) -> GateRow:
    what = name_of({"stage": "outputs", **{key: getattr(compared, key) for key in ("output", "metric", "unit")}})
    value = compared.value
    parts = [f"{compared.samples} samples", compared.detail]
    if compared.interval is not None:
        parts.append(f"interval [{compared.interval[0]:.4f}, {compared.interval[1]:.4f}]")
    if compared.samples_needed:
        parts.append(f"about {compared.samples_needed} would settle it")
    if retrained and compared.metric not in compare.NO_METRICS and not math.isnan(value):
        return noticed(what, None, value, "the original changed, so its outputs did too; the task metric judges them")
    because = f"the last release stands for the original: {compared.because}"
    detail = "; ".join(filter(None, parts))
    return GateRow(what, None, value, compared.limit, compared.status, because, compared.better, detail)
