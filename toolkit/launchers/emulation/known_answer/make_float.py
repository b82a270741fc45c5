"""Make the known-answer model in float and its answer, with the same bytes every time: `<python of the litert environment> make_float.py FOLDER`.

The model is for a GPU's driver in software: a 3x3 and a depthwise convolution, one of 1x1, and one over all that is left. All its numbers are small
integers, and so are all sums in whatever order, up to 2,048: so float16 and float32 both hold them exactly, and any other answer is wrong. The 3x3
convolution goes two steps at once, because an engine may compute others by Winograd's transforms, which are not exact.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from make import ACCUMULATE, Layer, Tensor, build  # type: ignore[import-not-found]  # the script beside this one

SEED = 20261201
EXACT = 2**11
"""The largest number up to which float16 holds every integer (IEEE 754 binary16 has a significand of 11 bits)."""


def design() -> tuple[Tensor, list[Layer]]:
    """Return the input with its values, and the layers with the values of their outputs, which are the answer."""
    random = np.random.default_rng(SEED)
    sample = random.integers(-3, 4, (1, 8, 8, 4))
    start = Tensor("sample", sample.shape, "float32", [], sample)
    layers: list[Layer] = []
    last = start
    # operator, shape of the weights, axis of the channels, the weights' largest value, the share that is not 0, stride, relu
    for operator, shape, axis, most, share, stride, relu in (
        ("CONV_2D", (16, 3, 3, 4), 0, 2, 0.3, 2, True),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 16), 3, 2, 0.5, 1, False),
        ("CONV_2D", (12, 1, 1, 16), 0, 1, 0.3, 1, True),
        ("CONV_2D", (8, 4, 4, 12), 0, 1, 0.1, 4, False),
    ):
        values = random.integers(-most, most + 1, shape) * (random.random(shape) < share)
        weights = Tensor("", shape, "float32", [], values, axis=axis)
        bias = Tensor("", (shape[axis],), "float32", [], random.integers(-9, 10, shape[axis]))
        largest = ACCUMULATE[operator](np.abs(last.values), np.abs(values), stride) + np.abs(bias.values)
        assert largest.max() <= EXACT, "a sum that float16 could round"
        results = ACCUMULATE[operator](last.values, values, stride) + bias.values
        name = f"{len(layers)}_{operator.lower()}"
        weights.name, bias.name = f"{name}/weights", f"{name}/bias"
        last = Tensor(name, results.shape, "float32", [], np.maximum(results, 0) if relu else results)
        layers.append(Layer(operator, weights, bias, last, stride, relu))
    return start, layers


def main() -> None:
    """Write `float.tflite` and `float_answer.npz` (`sample`, and every output by name) into the folder."""
    folder = Path(sys.argv[1])
    start, layers = design()
    (folder / "float.tflite").write_bytes(build(start, layers))
    answer = {tensor.name: tensor.values.astype(np.float32) for tensor in (start, *(layer.output for layer in layers))}
    np.savez_compressed(folder / "float_answer.npz", **answer)
    for name, values in answer.items():
        print(f"{name:24} {values.shape!s:16} {values.min():g}..{values.max():g}, {len(np.unique(values))} values")


if __name__ == "__main__":
    main()
