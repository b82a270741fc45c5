"""Whether an original that is often wrong would be right with images prepared in another usual way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.task_metrics import top_k_accuracy
from toolkit.execution.run import run_of
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.model import Model
from toolkit.samples.lints import Input, preparation
from toolkit.source.source import changed_job
from toolkit.verdict.stage_run import StageRun
from toolkit.wire import labels
from toolkit.wire.shards import read_index, read_samples

if TYPE_CHECKING:
    from toolkit.samples.preparations import Change
    from toolkit.samples.requested_set import PreprocessJson, StepsJson

_CHECK = "preparation"
_MOST_SAMPLES = 100  # enough to be certain of a gain of a fifth
_LOOKED_AT = 16  # samples that show the range of values of all samples

Bools = NDArray[np.bool_]


def otherwise_prepared(
    model: Model, original: StageRun, drawn: Path, kinds: Mapping[str, OutputKind], executor: Executor
) -> list[Finding]:
    """Return a finding if class scores are wrong for many labels, and right for far more labels with images prepared in another way.

    `original` is the original's run over the samples in `drawn`. `kinds` are the kinds of its outputs. If the job that tries other ways fails, its
    error is raised.
    """
    held = labels.read(drawn)
    if model.limits is None or held is None:
        return []
    limits = preparation.Limits(**model.limits.values[_CHECK])
    for name in [name for name, kind in kinds.items() if kind.name == "class_scores"]:
        own = _right(original, name, held)
        if own is None or len(own) < limits.samples or own.mean() > 1 - limits.wrong:
            continue
        for one, tried in _tried(model, drawn):
            others = _tried_right(model, one, tried, name, held, executor)
            if len(others):
                judged = preparation.judge(own[: others.shape[1]], others, [each.to.declared for each in tried], limits)
                return [] if isinstance(judged, str) else [_told(found, model, one.name) for found in judged]
    return []


def _told(found: Finding, model: Model, name: str) -> Finding:
    """Return a finding with the names of its set and its input. A finding that the user accepted becomes information."""
    message = f"{_giver(model)['name']}: input {name!r}: {found.message}"
    told = replace(found, message=message, of_samples=True, facts={**found.facts, "input": name})
    because = None if model.limits is None else model.limits.accepted.get(found.code)
    return told if because is None else replace(told, severity="info", message=f"{message} (accepted: {because})")


def _giver(model: Model) -> Mapping[str, Any]:
    """Return the options of the set that the verification samples come from."""
    giver: Mapping[str, Any] = model.samples.options["evaluation"] or model.samples.options["calibration"]
    return giver


def _tried(model: Model, drawn: Path) -> list[tuple[Input, list[Change]]]:
    """Return the only input that takes images, with the other preparations to try; [] without exactly one such input or nothing to try."""
    from toolkit.samples.preparations import changes  # few originals are often wrong

    tensors = read_index(drawn)["tensors"]
    inputs = [Input(name, tuple(spec["shape"][1:]), spec["dtype"]) for name, spec in tensors.items()]
    images = [one for one in inputs if one.channels_axis is not None and one.dtype.startswith("float")]
    if len(images) != 1:
        return []
    (one,) = images
    assert one.channels_axis is not None
    steps: PreprocessJson = _giver(model)["preprocess"]
    first = [sample[one.name][0] for sample in read_samples(drawn, 0, _LOOKED_AT)]
    values = np.moveaxis(np.array(first, np.float64), one.channels_axis + 1, -1)
    declared: StepsJson = {**steps["common"], **steps["inputs"].get(one.name, {})}
    found = changes(values, declared)
    return [(one, found)] if found else []


def _tried_right(
    model: Model, one: Input, tried: Sequence[Change], output: str, held: labels.Labels, executor: Executor
) -> Bools:
    """Return whether each of n samples is right with each of k changes, shape (k, n); (0, 0) if nothing could run."""
    assert one.channels_axis is not None
    options = [change.options() for change in tried]
    job = changed_job(
        model.source,
        model.verification,
        options,
        name=one.name,
        axis=one.channels_axis + 1,
        first=_MOST_SAMPLES,
    )
    (entry,) = executor.run(job)
    run = run_of(entry)
    count = run.count // len(tried)
    repeated: dict[str, labels.Column] = {name: column[:count] * len(tried) for name, column in _columns(held).items()}
    right = _right(StageRun("changed", run, run.signature), output, repeated) if count else None
    return np.zeros((0, 0), bool) if right is None else right.reshape(len(tried), count)


def _columns(held: labels.Labels) -> dict[str, list[np.ndarray | str]]:
    return {name: list(column) for name, column in (held if isinstance(held, dict) else {labels.UNNAMED: held}).items()}


def _right(run: StageRun, name: str, held: labels.Labels) -> Bools | None:
    """Return whether the largest score of each sample is the label's; None if the labels are not classes of this output."""
    spec = next(one for one in run.signature.outputs if one.name == name)
    blocks = [spec.dequantize(block[name]) for block in run.read().blocks]
    if not blocks:
        return None
    scores = {name: np.concatenate(blocks)}
    parameters = {**top_k_accuracy.PARAMETERS, "output": name}
    truth = held if isinstance(held, dict) else {labels.UNNAMED: held}
    if top_k_accuracy.applies({name: scores[name].shape[1:]}, truth, parameters) is not None:
        return None
    return np.array(top_k_accuracy.evidence(scores, truth, parameters), bool)
