"""How good outputs are against the truth, one metric a file: classes, scores, boxes, masks, numbers or words against the samples' labels.

A task metric is a module, standard library and numpy, with

    BETTER        "lower" or "higher": which scores are good
    RANGE         (low, high): the scores that it can take
    PARAMETERS    {name: default}: numbers and texts. A text that is the name of an output, or of a target among the labels, is "" by
                  default where the only one that fits is meant
    refuse(parameters) -> None | reason
                  what is impossible about them, in words for the user
    applies(outputs, labels, parameters=PARAMETERS) -> None | reason
                  why the metric says nothing about them; outputs: {name: one sample's shape, batch axis included}, labels: those of all
                  samples, each of which is looked at
    evidence(outputs, labels, parameters=PARAMETERS) -> rows
                  what the score needs to know of each sample, as plain JSON (finite numbers, texts, lists, mappings, None);
                  outputs: {name: float64 (n, *shape)}, real values, NaN and Inf as the engines gave them; labels: those of these n
    score(rows, parameters=PARAMETERS) -> float
                  the score of any rows, from any samples, in any order, some more than once: a bootstrap, a paired test and a baseline file
                  score a subset again without the outputs. NaN for no rows, and where a subset holds nothing that could be scored

`evidence` and `score` may rely on `applies` having returned None. Samples are independent: the rows of two blocks are those of both together.
Rows belong to the metric with its parameters, so its text is kept with them.

A NaN in what a metric reads of a sample is never left out. In `top_k_accuracy` the sample counts as wrong. In all others its row is None, and
the score of rows with a None among them is NaN. A metric that ranks or measures values (and does not only compare those of one sample) treats
an infinity as a NaN.

Labels are `Labels`: a sequence with one entry for each sample (an array (N, ...) is one), or {target: such a sequence}. An
entry is a number, an array or a text; arrays of a target may differ in shape from sample to sample, as boxes do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit import registry
from toolkit.errors import UnjudgeableRun
from toolkit.wire.user_function import SPELLING

Real = NDArray[np.float64]
Better = Literal["lower", "higher"]
Column = Sequence[Any] | NDArray[Any]
"""The labels of one target, a number, an array or a text for each sample."""

Labels = Column | Mapping[str, Column]
Parameters = registry.Parameters
Shapes = Mapping[str, Sequence[int]]
Outputs = Mapping[str, Real]
Rows = Sequence[Any]
"""What a metric needs to know of each sample, plain JSON; its form is the metric's own."""


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """A task metric with all of its parameters bound; its text is what `load` takes."""

    name: str
    BETTER: Better
    RANGE: tuple[float, float]
    PARAMETERS: Parameters
    _module: ModuleType

    def applies(self, outputs: Shapes, labels: Labels) -> str | None:
        """Return None, or why the metric does not apply to such outputs and labels."""
        if count_labels(labels) == 0:
            return "there are no labels"
        return self._module.applies(outputs, labels, self.PARAMETERS)

    def evidence(self, outputs: Outputs, labels: Labels) -> Rows:
        """Return a row for each sample; UnjudgeableRun where outputs and labels have different numbers of samples."""
        found, wanted = {len(array) for array in outputs.values()}, count_labels(labels)
        if found != {wanted}:
            raise UnjudgeableRun(
                f"{self}: got outputs of {sorted(found)} samples and labels of {wanted}; expected equal counts"
            )
        return self._module.evidence(outputs, labels, self.PARAMETERS)

    def score(self, rows: Rows) -> float:
        """Return the score of rows; NaN for none."""
        return self._module.score(rows, self.PARAMETERS) if len(rows) else float("nan")

    def __str__(self) -> str:
        return registry.text_of(self.name, self._module, self.PARAMETERS)


def load(text: str) -> TaskMetric:
    """Return the metric of a text such as "top_k_accuracy:k=5,output=logits"; UnknownName or RequestError for an unknown metric or parameter."""
    name, module, parameters = registry.load_with_parameters("comparison/task_metrics", text)
    return TaskMetric(name, module.BETTER, module.RANGE, parameters, module)


def is_own(text: str) -> bool:
    """Return whether a text names a user's function, `module:function` or `file.py:function`, and not a metric of ours with parameters."""
    return (
        text.partition(":")[0] not in registry.names("comparison/task_metrics") and SPELLING.fullmatch(text) is not None
    )


def canonical(text: str) -> str:
    """Return the canonical text of a task metric or of a user's function; UnknownName or RequestError for an unknown one."""
    return text if is_own(text) else str(load(text))


def gather(metric: TaskMetric, blocks: Iterable[Outputs], labels: Labels) -> Rows:
    """Return the rows of a run, whose real outputs come in blocks; UnjudgeableRun where rows and labels differ in number."""
    rows: list[Any] = []
    for block in blocks:
        count = len(next(iter(block.values()), ()))
        rows += metric.evidence(block, part(labels, len(rows), len(rows) + count))
    if len(rows) != count_labels(labels):
        raise UnjudgeableRun(f"{metric}: {len(rows)} outputs for {count_labels(labels)} labels")
    return rows


def part(labels: Labels, start: int, stop: int) -> Labels:
    """Return the labels of the samples from `start` to before `stop`."""
    if isinstance(labels, Mapping):
        return {target: column[start:stop] for target, column in labels.items()}
    return labels[start:stop]


def count_labels(labels: Labels) -> int:
    """Return the number of samples of labels; UnjudgeableRun where targets have different numbers."""
    if not isinstance(labels, Mapping):
        return len(labels)
    counts = {target: len(column) for target, column in labels.items()}
    if len(set(counts.values())) > 1:
        raise UnjudgeableRun(f"labels: targets of different numbers of samples: {counts}")
    return next(iter(counts.values()), 0)
