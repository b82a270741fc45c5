"""The options of operators, compared with the float file's: padding, strides, alignment, axes, activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.weights.pairing import Pair
from toolkit.weights.rows import OptionApart

# An operator that differs in one of these computes something else, whatever its weights are.
_CERTAIN = {
    "padding", "strideW", "strideH", "dilationWFactor", "dilationHFactor", "filterWidth", "filterHeight",
    "alignCorners", "halfPixelCenters", "axis", "dim", "beta", "alpha", "blockSize", "mode", "exclusive", "reverse", "batchDims",
    "adjX", "adjY", "includeAllTimes", "depthMultiplier",
}  # fmt: skip
# Other ways of converters and quantizers to express the same.
_HARMLESS = {
    "asymmetricQuantizeInputs", "quantizedBiasType", "weightsFormat", "newShape", "potScaleInt16", "keepNumDims", "approximate",
    "inDataType", "outDataType", "outputType", "diagonal", "kernelType", "container", "sharedName", "elementShape",
    "bodySubgraphIndex", "condSubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex", "initSubgraphIndex", "squeezeDims",
}  # fmt: skip
ACTIVATION = "fusedActivationFunction"
_RANGES = {
    0: (-np.inf, np.inf),
    1: (0.0, np.inf),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}  # ActivationFunctionType of the schema
_ACTIVATIONS = {0: "none", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH", 5: "SIGN_BIT"}
_STANDALONE = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "TANH", "MAXIMUM", "MINIMUM")
# Inputs of whole numbers that say how an operator works, by operator; those of the second table can express the same in several ways.
_HOW = {
    "TRANSPOSE": (1,), "PAD": (1,), "PADV2": (1,), "MIRROR_PAD": (1,), "RESIZE_BILINEAR": (1,), "RESIZE_NEAREST_NEIGHBOR": (1,),
    "TILE": (1,), "TOPK_V2": (1,), "SPACE_TO_BATCH_ND": (1, 2), "BATCH_TO_SPACE_ND": (1, 2),
    "SUM": (1,), "MEAN": (1,), "REDUCE_MAX": (1,), "REDUCE_MIN": (1,), "REDUCE_PROD": (1,), "REDUCE_ANY": (1,), "REDUCE_ALL": (1,),
    "ARG_MAX": (1,), "ARG_MIN": (1,), "CUMSUM": (1,), "REVERSE_V2": (1,),
}  # fmt: skip
_SEVERAL_WAYS = {
    "RESHAPE": (1,), "STRIDED_SLICE": (1, 2, 3), "SLICE": (1, 2), "BROADCAST_TO": (1,), "FILL": (0,), "EXPAND_DIMS": (1,),
    "SPLIT": (0,), "SPLIT_V": (1, 2), "ONE_HOT": (1,), "TRANSPOSE_CONV": (0,), "RANGE": (0, 1, 2), "WHILE": tuple(range(64)),
}  # fmt: skip


def options_apart(ours: ComputingOperator, theirs: ComputingOperator, follower: str | None) -> Iterator[OptionApart]:
    """Yield the options in which two paired operators differ, as {option, ours, theirs, certain}.

    `follower` is the only operator that reads the output of `ours`, if there is just one: it may be an activation that is not fused.
    """
    for option in sorted(ours.options.keys() & theirs.options.keys() - _HARMLESS):
        one, other = _plain(ours.options[option]), _plain(theirs.options[option])
        if one == other or (option in ("axis", "dim") and _same_axis(one, other, len(theirs.shape))):
            continue
        if option == ACTIVATION:
            if _holds(ours, other) or follower in _STANDALONE:
                continue
            one, other = _activation(one), _activation(other)
        certain = option in _CERTAIN and not _is_same_padding(option, ours, theirs)
        yield {"option": option, "ours": one, "theirs": other, "certain": certain}


def is_how(pair: Pair) -> bool:
    """Return whether a constant of whole numbers says how an operator works, and not what it computes with."""
    place = pair.theirs or pair.ours
    return place is not None and place.at in (*_HOW.get(place.of.name, ()), *_SEVERAL_WAYS.get(place.of.name, ()))


def numbers_apart(pair: Pair, held: np.ndarray, wanted: np.ndarray) -> OptionApart | None:
    """Return how such a constant differs, as `options_apart`; None where it means the same."""
    if pair.theirs is None or np.array_equal(held, wanted):
        return None
    name, at = pair.theirs.of.name, pair.theirs.at
    if name == "RESHAPE" and np.array_equal(held[held >= 0], wanted[held >= 0]):
        return None
    negative = (held < 0).any() or (wanted < 0).any()
    if name in _HOW and negative and sorted(held.ravel() % _rank(pair)) == sorted(wanted.ravel() % _rank(pair)):
        return None
    certain = at in _HOW.get(name, ()) and not (negative and name not in ("PAD", "PADV2", "MIRROR_PAD"))
    return {
        "option": f"input {at}",
        "ours": held.ravel().tolist(),
        "theirs": wanted.ravel().tolist(),
        "certain": certain,
    }


def _rank(pair: Pair) -> int:
    return max(1, len(pair.theirs.of.shape)) if pair.theirs is not None else 1


def _same_axis(one: object, other: object, rank: int) -> bool:
    return rank > 0 and isinstance(one, int) and isinstance(other, int) and one % rank == other % rank


def _activation(number: object) -> object:
    """Return the name of an activation; the number itself, if the schema has no name for it."""
    return _ACTIVATIONS.get(number, number) if isinstance(number, int) else number


def _holds(ours: ComputingOperator, activation: object) -> bool:
    """Return whether an operator's stored range lies within an activation's range, so that the activation changes nothing."""
    low, high = _RANGES.get(activation, (np.nan, np.nan)) if isinstance(activation, int) else (np.nan, np.nan)
    return ours.ends is not None and ours.ends[0] >= low and ours.ends[1] <= high * (1 + 1e-3)


def _is_same_padding(option: str, ours: ComputingOperator, theirs: ComputingOperator) -> bool:
    """Return whether another padding has the same effect: the output shapes are equal, and the kernel is one wide."""
    if option != "padding" or ours.shape != theirs.shape or 1 not in theirs.constants:
        return False
    kernel = theirs.constants[1].shape
    return len(kernel) == 4 and kernel[1] == kernel[2] == 1


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.item() if isinstance(value, np.generic) else value
