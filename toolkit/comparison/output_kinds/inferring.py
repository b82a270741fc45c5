"""The kind of an output, with the reason in words: from the graph, its numbers, its name, the reference's rows, and labels, in this order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import numpy as np

from toolkit.comparison.output_kinds import OutputKindSpec, all_kinds
from toolkit.comparison.output_kinds.file import numbers_of, one_call
from toolkit.comparison.output_kinds.rows import LOOKS, SAID, Real
from toolkit.files.shapes import COUNT
from toolkit.tensors.endings import Ending, canonical
from toolkit.wire.labels import Labels

By = Literal["command line", "recipe", "profile", "graph", "signature", "name", "reference", "labels", "otherwise"]
_ROWS_LOOKED_AT = 4096
_MOST_SAMPLES = 1000
_MOST_NUMBERS = 1 << 22  # numbers of one output, in float64: 32 MB
_NOT_OF_CLASSES = frozenset(("logistic", "concat"))  # the largest number of such an output is no answer


SHAPE = {"kind": str, "reason": str, "by": str, "parts": [COUNT]}
"""What `OutputKind.to_json` writes, for `toolkit.files.foreign`."""


class OutputKindRow(TypedDict):
    """An `OutputKind` as JSON; `kind` is its name."""

    kind: str
    reason: str
    by: By
    parts: list[int]


@dataclass(frozen=True, slots=True)
class OutputKind:
    """The meaning of one output: the kind's name, the reason, and its source; `parts` are the sizes of what was joined along the last axis."""

    name: str
    reason: str
    by: By
    parts: tuple[int, ...] = ()

    def to_json(self) -> OutputKindRow:
        """Return plain JSON."""
        return {"kind": self.name, "reason": self.reason, "by": self.by, "parts": list(self.parts)}

    @classmethod
    def from_json(cls, content: OutputKindRow) -> OutputKind:
        """Return the kind that `to_json` wrote."""
        return cls(content["kind"], content["reason"], content["by"], tuple(content["parts"]))


@dataclass(slots=True)
class OriginalOutputs:
    """The first samples of the original's outputs: `values` (n, *shape) real numbers; `labels` (n,) where each has one label, else None.

    `marks` (n, C) are the labels where each sample has several, each yes or no; else None.
    """

    values: Mapping[str, Real]
    labels: np.ndarray | None = None
    marks: np.ndarray | None = None
    _classified: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: Iterable[Mapping[str, Real]], labels: Labels | None) -> OriginalOutputs:
        """Return the first samples of a run; `labels` are those of all samples, (N, ...), or labels of another form, which name no class."""
        parts: dict[str, list[Real]] = {}
        count, most = 0, _MOST_SAMPLES
        for block in blocks:
            widest = max((values[0].size for values in block.values() if len(values)), default=1)
            most = min(most, max(1, _MOST_NUMBERS // max(1, widest)))
            for name, values in block.items():
                parts.setdefault(name, []).append(values[: most - count])
            count = min(most, count + len(next(iter(block.values()), ())))
            if count >= most:
                break
        alike = {name: each for name, each in parts.items() if len({one.shape[1:] for one in each}) == 1}
        return cls(
            {name: np.concatenate(each) for name, each in alike.items()}, _classes(labels, count), _marks(labels, count)
        )

    def rows(self, name: str) -> Real | None:
        """Return rows on the last axis of an output, (n, C); None where it has no rows, or equal rows for every sample, which show nothing."""
        values = self.values.get(name)
        if values is None or values.ndim < 2 or not values.size or (values == values[:1]).all():
            return None
        return values.reshape(-1, values.shape[-1])[:_ROWS_LOOKED_AT]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of one sample of an output."""
        values = self.values.get(name)
        return None if values is None else values.shape[1:]

    def is_classified(self, name: str) -> bool:
        """Return whether labels are the places of the largest numbers: certainly more often than the most frequent label alone would be right."""
        from toolkit.comparison.intervals import clopper_pearson

        values, labels = self.values[name], self.labels
        if labels is None or not len(labels) or labels.max() >= values[0].size:
            return False
        hits = int((values.reshape(len(values), -1).argmax(axis=1) == labels).sum())
        return clopper_pearson(hits, len(labels), 0.95)[0] > np.bincount(labels).max() / len(labels)

    def is_marked(self, name: str) -> bool:
        """Return whether each sample has a mark for each number of an output, and marks of yes and of no occur."""
        values, marks = self.values[name], self.marks
        if marks is None or values[0].size != marks.shape[1]:
            return False
        return bool(marks.any() and not marks.all())


def infer(
    outputs: Sequence[Mapping[str, Any]], endings: Mapping[str, Ending], seen: OriginalOutputs | None = None
) -> dict[str, OutputKind]:
    """Return the kind of each output (JSON of a spec), by name; `seen` is None where nothing has run, and then less is known."""
    return {
        spec["name"]: _Inference(spec, endings.get(spec["name"], Ending()), seen).result(all_kinds())
        for spec in outputs
    }


class _Inference:
    """One output, and all known facts about it."""

    def __init__(self, spec: Mapping[str, Any], ending: Ending, seen: OriginalOutputs | None) -> None:
        self._name = str(spec["name"])
        self._numbers = numbers_of(spec)
        declared = None if spec["shape"] is None else one_call(spec["shape"])
        self._shape = (None if seen is None else seen.shape(self._name)) or declared
        self._ending, self._seen = ending, seen

    def result(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind:
        """Return the kind."""
        fitting = {name: kind for name, kind in kinds.items() if kind.misfit(self._numbers, self._shape) is None}
        for find in (self._by_operator, self._by_numbers, self._by_name, self._by_rows, self._by_labels):
            found = find(fitting)
            if found is not None:
                return found
        name = next(name for name, kind in kinds.items() if kind.inferred.otherwise)
        return OutputKind(name, self._why_otherwise(), "graph" if self._ending.kind else "otherwise", self._parts)

    def _by_operator(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind | None:
        last = self._last
        found = [
            name
            for name, kind in kinds.items()
            if self._ending.kind in kind.inferred.operators
            and (kind.inferred.last is None or (last is not None and last <= kind.inferred.last))
            and (last is None or last >= kind.inferred.least)
        ]
        if not found:
            return None
        first, *others = sorted(found, key=lambda name: (kinds[name].fits.rows != "one", name))
        # With an unknown shape, several kinds fit.
        unless = f"; {others[0]} where a sample has {kinds[others[0]].fits.rows or 'more'} rows" if others else ""
        return OutputKind(first, f"it ends in {self._operator}{unless}", "graph", self._parts)

    def _by_numbers(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind | None:
        if self._is_rounded:
            return None
        for name, kind in kinds.items():
            if self._numbers in kind.inferred.numbers:
                what = "truth values" if self._numbers == "truth" else "whole numbers without a scale"
                behind = f", from {self._operator}" if self._ending.kind else ""
                return OutputKind(name, f"{what}{behind}", "signature")
        return None

    def _by_name(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind | None:
        words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self._name).lower()))
        for name, kind in kinds.items():
            said = sorted(words & set(kind.inferred.names))
            if said and self._looks(kind, in_any_order=True) is not False:
                return OutputKind(name, f"its name says {said[0]!r}: a guess", "name", self._parts)
        return None

    def _by_rows(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind | None:
        for name, kind in kinds.items():
            if kind.inferred.rows is not None and self._looks(kind):
                return OutputKind(name, SAID[kind.inferred.rows.are], "reference", self._parts)
        return None

    def _by_labels(self, kinds: Mapping[str, OutputKindSpec]) -> OutputKind | None:
        if self._seen is None or self._name not in self._seen.values:
            return None
        for name, kind in kinds.items():
            if kind.inferred.marks == self._ending.kind and self._seen.is_marked(self._name):
                return OutputKind(
                    name, f"{self._operator} over numbers that the labels say yes or no of, each", "labels"
                )
        if self._ending.kind in _NOT_OF_CLASSES:
            return None
        for name, kind in kinds.items():
            if kind.inferred.labels and self._seen.is_classified(self._name):
                return OutputKind(name, "the largest of its numbers is where the samples' labels say", "labels")
        return None

    def _looks(self, kind: OutputKindSpec, *, in_any_order: bool = False) -> bool | None:
        """Return whether the reference's rows look like those of a kind; None where there are no rows."""
        rows = None if self._seen is None else self._seen.rows(self._name)
        if rows is None or kind.inferred.rows is None:
            return None
        if rows.shape[1] < kind.inferred.least:
            return False
        looks = LOOKS[kind.inferred.rows.are]
        if in_any_order:  # the name says corners: rows in one order are right too
            rows = np.concatenate([rows, rows[:, [1, 0, 3, 2]]]) if rows.shape[1] == 4 else rows
        return looks(rows, kind.inferred.rows.within)

    def _why_otherwise(self) -> str:
        if self._is_rounded:
            return f"whole numbers that were rounded, from {self._operator}"
        if self._ending.kind == "logistic" and self._last is None:
            return f"it ends in {self._operator}, of a number of elements that is not known yet"
        if self._ending.kind == "logistic":
            return (
                f"{self._operator} over {self._last or 'several'} numbers: not classes, which would exclude one another"
            )
        if self._ending.kind == "concat":
            sizes = " + ".join(map(str, self._parts))
            return f"parts are joined by {self._operator}{f', {sizes}' if sizes else ''}"
        if self._ending.kind:
            return f"it ends in {self._operator}"
        return (
            "nothing says more of it"
            if self._seen is not None
            else "the file says no more of it; a build looks at the graph and its outputs"
        )

    @property
    def _operator(self) -> str:
        behind = [each for each in dict.fromkeys(self._ending.through) if not canonical(each).startswith("identity")]
        own = self._ending.operator
        length = self._ending.kind == "l2normalization" and canonical(own) != self._ending.kind
        named = f"a division by its own length ({own})" if length else own
        return f"{named} behind {', '.join(behind)}" if behind else named

    @property
    def _is_rounded(self) -> bool:
        """Whether the output's real numbers were rounded to whole ones at the end."""
        return self._numbers == "whole" and self._ending.dtype.startswith("float")

    @property
    def _last(self) -> int | None:
        return 1 if self._shape == () else self._shape[-1] if self._shape else None

    @property
    def _parts(self) -> tuple[int, ...]:
        return self._ending.parts if sum(self._ending.parts) == self._last else ()


def _classes(labels: Labels | None, count: int) -> np.ndarray | None:
    """Return one class for each of the first samples, (count,); None for labels of another form."""
    if not isinstance(labels, np.ndarray) or labels.size != len(labels) or labels.dtype.kind not in "iuf":
        return None
    flat = labels.reshape(-1)[:count]
    if len(flat) != count or not np.isfinite(flat).all() or (flat < 0).any() or (flat != np.floor(flat)).any():
        return None
    return flat.astype(np.int64)


def _marks(labels: Labels | None, count: int) -> np.ndarray | None:
    """Return several marks, yes or no, for each of the first samples, (count, C); None for labels of another form."""
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return None
    first = labels[:count]
    return first.astype(bool) if len(first) == count and np.isin(first, (0, 1)).all() else None
