"""Deliberate breakages of three real networks, and the stage that is guilty of each: settled by how it is broken, before anything was judged.

A breakage is given to the stage where it happens, and to those that follow it as they would have had it:

    source, conversion      everything downstream is converted and quantized from what is broken
    quantization            the shipped file is the broken one
    kernels, device         the shipped file is sound; what runs there computes what the broken file does
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class InFile:
    """A function of break_artifacts.py on the file of a stage, with its arguments.

    `looks` is the code of the finding that says what it looks like, if one does. `of` says which files are broken: "floats" at the stage
    "conversion" (what ships is then quantized from the broken one), else "artifact"; "both" in the same way; and "floats" at another stage for
    a float file in the shipped one's place.
    """

    network: str
    stage: str
    how: str
    given: Mapping[str, Any] = field(default_factory=dict)
    looks: str | None = None
    of: Literal["floats", "artifact", "both"] = "artifact"


@dataclass(frozen=True)
class InRun:
    """A change of what a stage gave, and those after it; one that so few samples cannot decide is inconclusive."""

    network: str
    stage: str
    change: Callable[[Outputs], Outputs]
    outcome: str = "failed"


def one_scale_for_all(outputs: Outputs) -> Outputs:
    """Round all outputs to one grid of 8 bits over the range of 400 that the boxes have which some detectors put beside their scores."""
    step = 400 / 255
    return {name: (np.round(array / step) * step).astype(array.dtype) for name, array in outputs.items()}


def one_output_lost(outputs: Outputs) -> Outputs:
    """Leave an output out."""
    return {name: array for name, array in outputs.items() if name != "scores"}


def two_samples_exchanged(outputs: Outputs) -> Outputs:
    """Exchange the two samples that are furthest apart."""
    (only,) = outputs.values()
    order = np.arange(len(only))
    one, other = only.reshape(len(only), -1)[:, 0].argmin(), only.reshape(len(only), -1)[:, 0].argmax()
    order[[one, other]] = other, one
    return {name: array[order] for name, array in outputs.items()}


def one_behind(outputs: Outputs) -> Outputs:
    """Give each sample the answer to the one before it."""
    return {name: np.roll(array, 1, axis=0) for name, array in outputs.items()}


def always_the_first(outputs: Outputs) -> Outputs:
    """Give the first answer for ever."""
    return {name: np.broadcast_to(array[:1], array.shape).copy() for name, array in outputs.items()}


def one_answer_wrong(outputs: Outputs) -> Outputs:
    """Give one class of the surest answer the probability of another one."""
    name = "probabilities" if "probabilities" in outputs else "dense"
    probabilities = outputs[name].copy()
    row = probabilities[probabilities.max(axis=-1).ravel().argmax()].reshape(-1)
    largest, smallest = row.argmax(), row.argmin()
    row[[largest, smallest]] = row[[smallest, largest]]
    return outputs | {name: probabilities}


def one_output_stale(outputs: Outputs) -> Outputs:
    """Give one of the outputs as it was for the sample before."""
    return outputs | {"scores": np.roll(outputs["scores"], 1, axis=0)}


def laid_out_otherwise(outputs: Outputs) -> Outputs:
    """Give (1, C) as (C, 1)."""
    return {name: np.moveaxis(array, 1, -1) for name, array in outputs.items()}


def integers_as_they_are(outputs: Outputs) -> Outputs:
    """Leave scale and zero point out: int8 numbers for probabilities."""
    return {name: np.round(array * 256 - 128).astype(array.dtype) for name, array in outputs.items()}


def infinite_where_large(outputs: Outputs) -> Outputs:
    """Let the largest number overflow."""
    return {name: np.where(array == array.max(), np.inf, array).astype(array.dtype) for name, array in outputs.items()}


IN_FILES: dict[str, InFile] = {
    # ResNet8, CIFAR-10, on this machine
    "channel-zeroed-by-the-converter": InFile(
        "resnet8", "conversion", "channel_zeroed", {"kind": "CONV_2D", "number": 4}, of="floats"
    ),
    "kernel-axes-exchanged": InFile(
        "resnet8", "conversion", "kernels_turned", {"kind": "CONV_2D", "number": 0}, of="floats"
    ),
    "padding-on-the-wrong-side": InFile(
        "resnet8", "conversion", "weights_shifted", {"kind": "CONV_2D", "number": 3}, of="floats"
    ),
    "layers-exchanged": InFile(
        "resnet8", "conversion", "layers_exchanged", {"kind": "CONV_2D", "one": 1, "other": 2}, of="floats"
    ),
    "activation-lost": InFile(
        "resnet8", "conversion", "activation_dropped", {"kind": "CONV_2D", "number": 0}, of="floats"
    ),
    "maximum-for-mean": InFile("resnet8", "conversion", "pooled_by_maximum", of="floats"),
    "softmax-lost": InFile("resnet8", "conversion", "softmax_dropped", {}, "softmax-missing", of="floats"),
    "channel-zeroed-by-the-quantizer": InFile(
        "resnet8", "quantization", "channel_zeroed", {"kind": "CONV_2D", "number": 4}
    ),
    "bias-dropped": InFile("resnet8", "quantization", "bias_dropped", {"kind": "CONV_2D", "number": 0}),
    "low-bits-lost": InFile("resnet8", "quantization", "low_bits_lost", {"kind": "CONV_2D"}),
    "bit-flipped": InFile("resnet8", "quantization", "bit_flipped", {"kind": "CONV_2D", "number": 0}, "other-weights"),
    "last-bias-dropped": InFile(
        "resnet8", "quantization", "bias_dropped", {"kind": "FULLY_CONNECTED", "number": 0}, "other-weights"
    ),
    "nan-in-one-of-1000": InFile("resnet8", "quantization", "one_sample", {"sample": 617, "nan": True}),
    "one-of-1000-wrong": InFile("resnet8", "quantization", "one_sample", {"sample": 617, "nan": False}),
    "nan-in-one-of-1000-in-the-kernels": InFile("resnet8", "kernels", "one_sample", {"sample": 617, "nan": True}),
    # MobileNetV1, persons, on this machine with the runtime that boards have
    "one-scale-for-all-channels": InFile(
        "vww", "kernels", "scales_averaged", {"kind": "DEPTHWISE_CONV_2D", "number": 0}
    ),
    "bias-ignored": InFile("vww", "kernels", "bias_dropped", {"kind": "CONV_2D", "number": 1}),
    "nan-in-one-sample": InFile("vww", "kernels", "one_sample", {"sample": 97, "nan": True}),
    "one-sample-wrong": InFile("vww", "kernels", "one_sample", {"sample": 97, "nan": False}),
    "uint8-for-int8": InFile("vww", "kernels", "input_moved", {"by": 128}),
    "divided-by-255-once-more": InFile("vww", "kernels", "input_scaled", {"factor": 255}),
    "blue-for-red": InFile("vww", "kernels", "channels_reversed", {"kind": "CONV_2D", "number": 0}),
    # a table of penguins, on an emulated board: four inputs of one shape, two outputs of one shape
    "outputs-exchanged": InFile(
        "penguin",
        "conversion",
        "names_exchanged",
        {"side": "outputs", "one": "scores", "other": "probabilities"},
        "outputs-swapped",
        of="both",
    ),
    "inputs-exchanged": InFile(
        "penguin",
        "conversion",
        "names_exchanged",
        {"side": "inputs", "one": "culmen_depth_mm", "other": "flipper_length_mm"},
        of="both",
    ),
    "classes-in-another-order": InFile(
        "penguin",
        "conversion",
        "rows_moved",
        {"kind": "FULLY_CONNECTED", "number": 2, "order": [2, 0, 1]},
        "classes-permuted",
        of="both",
    ),
    "checkpoint-of-another-training": InFile(
        "penguin", "conversion", "weights_replaced", {"kind": "FULLY_CONNECTED", "arrays": "RETRAINED"}, of="floats"
    ),
    "output-read-by-another-scale": InFile(
        "penguin", "quantization", "output_scaled", {"name": "scores", "factor": 1.5}, "slope"
    ),
    "last-release-on-the-device": InFile(
        "penguin", "device", "weights_replaced", {"kind": "FULLY_CONNECTED", "arrays": "RETRAINED"}, of="floats"
    ),
}

IN_RUNS: dict[str, InRun] = {
    "one-scale-for-both-outputs": InRun("penguin", "quantization", one_scale_for_all),
    "output-missing-from-the-runtime": InRun("penguin", "kernels", one_output_lost),
    "one-output-a-sample-behind": InRun("penguin", "device", one_output_stale),
    "one-answer-wrong-on-the-device": InRun("penguin", "device", one_answer_wrong),
    "one-answer-of-1000-wrong-on-the-device": InRun("resnet8", "device", one_answer_wrong),
    "answers-laid-out-otherwise": InRun("penguin", "device", laid_out_otherwise),
    "two-answers-exchanged": InRun("vww", "kernels", two_samples_exchanged, "inconclusive"),
    "answers-one-sample-behind": InRun("vww", "kernels", one_behind),
    "first-answer-for-ever": InRun("vww", "kernels", always_the_first),
    "integers-not-dequantized": InRun("vww", "kernels", integers_as_they_are),
    "overflow-on-the-device": InRun("penguin", "device", infinite_where_large),
}


def of(network: str, breakages: Mapping[str, InFile]) -> dict[str, InFile]:
    """Return the breakages of one network."""
    return {name: each for name, each in breakages.items() if each.network == network}


def missed(comparisons: Iterable[Any], stage: str | None) -> Any:
    """Return the first comparison that failed at a stage, or, where its own bounds were kept, of the total; None where only a finding did."""
    failed = [each for each in comparisons if each.status == "failed"]
    return next((each for each in failed if each.stage == stage), None) or next(
        (each for each in failed if each.stage == "total"), None
    )
