"""Tensors whose name means something else in the reference: comparing them would compare two different things.

A converter names a tensor after a node that went into it. The name does not show what was folded into the tensor later. So equal names are no proof.
The order of the numbers decides:

* An error that is greater than the error at the outputs must be visible on the way to them. So a tensor is in doubt only if it is farther from its
  namesake than any output is from its own counterpart.
* The readers of the tensor run alone on the namesake's values. If that makes more than twice the noise in the whole model, more than half of the
  noise comes from these values. So the whole model agrees without the namesake, and the namesake stands for something else. A broken tensor shows
  the contrary: its readers are right on the namesake's values, and wrong in the whole model.
* If no reader can run alone, the next compared tensors decide: if each has less than half of the tensor's noise, nothing proves that the two tensors
  are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from toolkit.diagnosis.worker.layer_drift import NoiseTally, share_of
from toolkit.engines.tflite import split
from toolkit.engines.tflite.subgraphs import Parts

_MOST = 2  # more than twice the noise: the part from the fed values is larger than the rest


class ComparedTensor(Protocol):
    """A tensor of the candidate, with its noise in the whole model and alone. `other` is its counterpart in the reference, or None."""

    index: int
    other: int | None
    cumulative: NoiseTally
    isolated: NoiseTally


def misnamed(model: Parts, rows: Sequence[ComparedTensor], outputs: Sequence[int]) -> set[int]:
    """Return the tensors whose namesake in the reference is not their counterpart. The signature binds `outputs`, so these are never among them."""
    known = {row.index: row for row in rows if row.other is not None}
    ends = [share(known[index].cumulative) for index in outputs if index in known]
    found: set[int] = set()
    if not ends:
        return found
    after = _next(model)
    doubtful = sorted(
        (row for row in known.values() if row.index not in outputs and share(row.cumulative) > max(ends)),
        key=lambda row: -share(row.cumulative),
    )
    while True:  # a result for one tensor may decide another
        more = {row.index for row in doubtful if row.index not in found and _stands_for_else(row, known, after, found)}
        if not more:
            return found
        found |= more


def share(tally: NoiseTally) -> float:
    """Return the noise as a share of the signal's power."""
    return share_of(tally.signal, tally.noise)


def _stands_for_else(
    row: ComparedTensor, known: Mapping[int, ComparedTensor], after: Mapping[int, list[int]], found: set[int]
) -> bool:
    readers = [known[index] for index in after.get(row.index, ()) if index in known and index not in found]
    alone = [reader for reader in readers if reader.isolated.samples]
    if alone:
        return all(share(each.isolated) > _MOST * share(each.cumulative) for each in alone)
    later = [known[index] for index in _nearest(row.index, known, after, found)]
    return bool(later) and all(share(row.cumulative) > _MOST * share(each.cumulative) for each in later)


def _next(model: Parts) -> dict[int, list[int]]:
    """Return for each tensor the results of the operators that read it."""
    after: dict[int, list[int]] = {}
    for node in split.working(model):
        for index in split.fed(model, node):
            after.setdefault(index, []).extend(split.shown(model, node))
    return after


def _nearest(
    index: int, known: Mapping[int, ComparedTensor], after: Mapping[int, list[int]], found: set[int]
) -> Iterator[int]:
    """Yield the first compared tensor on each path that begins after a tensor."""
    asked, seen = list(after.get(index, ())), set()
    while asked:
        one = asked.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in known and one not in found:
            yield one
        else:
            asked += after.get(one, ())
