"""Write an int8 .tflite whose results lie half-way between two steps; runs where LiteRT is.

    python make_ties.py FOLDER

All scales are powers of two, as hardware for fixed-point numbers wants them. The first convolution halves sums of two channels, the second takes the
differences of these halves eightfold. XNNPACK rounds a half to the even neighbour, reference kernels away from zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from toolkit.launchers.emulation.known_answer.make import Layer, Tensor, build

CHANNELS = 4


def main(folder: Path) -> None:
    """Write folder/ties.tflite, with the input `x` and both layers as outputs."""
    place = np.arange(CHANNELS)
    halves, differences = np.zeros((2, CHANNELS, 1, 1, CHANNELS), int)
    halves[place, 0, 0, place] = halves[place, 0, 0, (place + 1) % CHANNELS] = 64
    differences[place, 0, 0, place], differences[place, 0, 0, (place + 1) % CHANNELS] = 64, -64
    shape, values = (1, 8, 8, CHANNELS), np.zeros((1, 8, 8, CHANNELS), int)
    start = Tensor("x", shape, "int8", [1.0], values)
    layers = []
    for name, weights, scale in (("halves", halves, 1 / 128), ("differences", differences, 1 / 8)):
        held = Tensor(f"{name}/weights", weights.shape, "int8", [scale] * CHANNELS, weights)
        bias = Tensor(f"{name}/bias", (CHANNELS,), "int32", held.scales, np.zeros(CHANNELS, int))
        layers.append(Layer("CONV_2D", held, bias, Tensor(name, shape, "int8", [1.0], values)))
    (folder / "ties.tflite").write_bytes(build(start, layers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
