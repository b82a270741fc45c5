"""Which tensor of a float .tflite corresponds to which tensor of the quantized one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.engines.tflite.subgraphs import Node, Parts
from toolkit.engines.tflite.subsequence import heaviest

_READ = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64")  # what taps read


def counterparts(model: Parts, floats: Parts) -> dict[int, tuple[int, str]]:
    """Return the float file's counterpart of each computed tensor of a quantized file, and how it was found: by "name" or "order".

    A tensor and its results of QUANTIZE and DEQUANTIZE count as the same, so one of their names in the float file is enough. Without a name, the
    order decides: operators of the same kind and shape in the same place among known ones, without QUANTIZE and DEQUANTIZE.
    """
    theirs = {floats.tensors[index].name: index for index in computed(floats)}
    same = _kin(model)
    found: dict[int, tuple[int, str]] = {}
    for index in computed(model):
        for kin in [index, *same[index]]:
            other = theirs.get(model.tensors[kin].name)
            if other is not None and floats.tensors[other].shape == model.tensors[index].shape:
                found[index] = (other, "name")
                break
    ours, others = _working(model), _working(floats)
    pairs = list(zip(model.inputs, floats.inputs, strict=False)) if len(model.inputs) == len(floats.inputs) else []
    pairs += [
        pair
        for one, two in _in_order(model, floats, ours, others, found)
        for pair in zip(one.gives, two.gives, strict=False)
    ]
    for index, other in pairs:
        if index in same and index not in found and floats.tensors[other].shape == model.tensors[index].shape:
            found.update({kin: (other, "order") for kin in [index, *same[index]] if kin not in found})
    return found


def _in_order(
    model: Parts, floats: Parts, ours: Sequence[Node], others: Sequence[Node], found: Mapping[int, tuple[int, str]]
) -> list[tuple[Node, Node]]:
    """Return pairs of operators in the longest sequence that both files share; a pair with a common name counts more than all others together."""
    taken = {other for other, _ in found.values()}
    numbers: dict[object, int] = {}
    kinds = [
        [
            -1 if known.intersection(node.gives) else numbers.setdefault(_kind(parts, node), len(numbers))
            for node in side
        ]
        for parts, side, known in ((model, ours, set(found)), (floats, others, taken))
    ]
    one, other = (np.array(each, np.int64) for each in kinds)
    worth = ((one[:, None] == other[None, :]) & (one[:, None] >= 0)).astype(np.float32)
    givers = {index: place for place, node in enumerate(others) for index in node.gives}
    for place, node in enumerate(ours):
        for index in node.gives:
            if index in found and found[index][0] in givers:
                worth[place, givers[found[index][0]]] = len(ours) + 1
    return [(ours[left], others[right]) for left, right in heaviest(worth)]


def _kind(parts: Parts, node: Node) -> tuple[str, tuple[object, ...]]:
    return node.operator, tuple(parts.tensors[index].shape for index in node.gives if index >= 0)


def computed(parts: Parts) -> dict[int, None]:
    """Return all fed or computed tensors of numbers, inputs first, in the order of execution."""
    given = (index for node in parts.nodes for index in node.gives if parts.tensors[index].dtype in _READ)
    return dict.fromkeys([*parts.inputs, *given])


def without_counterpart(parts: Parts, matched: set[int]) -> list[str]:
    """Return outputs of operators without a counterpart, by operator and name; without unpacked constants and without QUANTIZE and DEQUANTIZE."""
    return [
        f"{node.operator} {parts.tensors[index].name}"
        for node in parts.nodes
        if node.reads and not node.moves
        for index in node.gives
        if index not in matched
    ]


def _working(parts: Parts) -> list[Node]:
    return [node for node in parts.nodes if not node.moves]


def _kin(parts: Parts) -> dict[int, list[int]]:
    """Return, for each tensor, the tensors that QUANTIZE and DEQUANTIZE connect with it, itself included."""
    same: dict[int, list[int]] = {index: [index] for index in computed(parts)}
    for node in parts.nodes:
        if node.moves and node.reads:
            joined = [*same[node.reads[0]], *(kin for kin in same[node.gives[0]] if kin not in same[node.reads[0]])]
            for index in joined:
                same[index] = joined
    return same
