"""Ways to be wrong: each a function of a network and of its healthy file that returns a file which is whole, and wrong in one way.

Most convert another function, other weights or another calibration set with TensorFlow's own converter; the last ones change the healthy file.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from networks import Network, converted

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import break_artifacts


def answered(network: Network, output: str, change: Callable[[tf.Tensor], tf.Tensor]) -> bytes:
    """Return a file of which one output is changed."""

    def answer(w, x):
        given = network.answer(w, x)
        return {**given, output: change(given[output])}

    return converted(network, network.scheme, answer)


def fed(network: Network, name: str, change: Callable[[tf.Tensor], tf.Tensor]) -> bytes:
    """Return a file of which one input is changed before anything is computed of it."""
    return converted(network, network.scheme, lambda w, x: network.answer(w, {**x, name: change(x[name])}))


def moved(network: Network, output: str, factor: Any = 1.0, by: Any = 0.0, about: Any = 0.0) -> bytes:
    """Let an output be (y - about) factor + about + by; each of them one number, or one for each channel."""
    factor, by, about = (np.array(each, np.float32) for each in (factor, by, about))
    return answered(network, output, lambda y: (y - about) * factor + about + by)


def constant(network: Network, output: str, channel: int) -> bytes:
    """Let one channel of an output be its mean for ever."""
    mean = network.truth[output].reshape(-1, network.truth[output].shape[-1])[:, channel].mean()
    factor = np.ones(network.truth[output].shape[-1], np.float32)
    factor[channel] = 0
    return answered(network, output, lambda y: y * factor + (1 - factor) * np.float32(mean))


def ordered(network: Network, output: str, order: Sequence[int]) -> bytes:
    """Give the channels of an output another order, or one in the place of another."""
    return answered(network, output, lambda y: tf.gather(y, list(order), axis=-1))


def instead(network: Network, output: str, numbers: Sequence[int], first: int = 0) -> bytes:
    """Give another whole number for each: `numbers[y - first]`."""

    def change(y):
        return tf.gather(tf.constant(numbers, y.dtype), tf.cast(y, tf.int32) - first)

    return answered(network, output, change)


def rolled(network: Network, output: str, by: int, axis: int) -> bytes:
    """Move an output along one of its axes; what leaves comes in on the other side."""

    def change(y):
        size = y.shape[axis]
        return tf.concat(
            [tf.gather(y, range(size - by, size), axis=axis), tf.gather(y, range(size - by), axis=axis)], axis
        )

    return answered(network, output, change)


def shrunk(network: Network, output: str, factor: float) -> bytes:
    """Let boxes (top, left, bottom, right) be smaller about their middles."""

    def change(y):
        middle = (y + tf.gather(y, [2, 3, 0, 1], axis=-1)) / 2.0
        return middle + factor * (y - middle)

    return answered(network, output, change)


def rounded(network: Network, output: str, step: float) -> bytes:
    """Round an output to a grid, in float32."""
    return answered(replace(network, scheme="float32"), output, lambda y: tf.round(y / step) * step)


def channels_before(network: Network, order: Sequence[int]) -> bytes:
    """Take the last convolution's channels in another order before they become pixels."""
    weights = {name: network.weights[name].take(list(order), -1) for name in ("k3", "b3")}
    return converted(network, network.scheme, weights=weights)


def shifted_bias(network: Network, name: str, by: Any) -> bytes:
    """Take a bias that is off by so much."""
    return converted(network, network.scheme, weights={name: network.weights[name] + np.array(by, np.float32)})


def zeroed_rows(network: Network, name: str, rows: int) -> bytes:
    """Take a table whose first rows are 0."""
    return converted(
        network,
        network.scheme,
        weights={name: np.concatenate([0 * network.weights[name][:rows], network.weights[name][rows:]])},
    )


def denied(network: Network, output: str) -> bytes:
    """Say no for yes."""
    return answered(network, output, tf.logical_not)


def never(network: Network, output: str) -> bytes:
    """Say no whatever comes."""
    return answered(network, output, lambda y: tf.logical_and(y, False))


def collapsed(network: Network, output: str, share: float) -> bytes:
    """Let vectors of length 1 be near to one another: so much is left of what they differ by."""
    middle = np.ones(16, np.float32) / 4
    return answered(network, output, lambda y: tf.nn.l2_normalize(middle + share * y, -1))


def input_moved(network: Network, name: str, factor: float = 1.0, by: float = 0.0) -> bytes:
    """Let the network see an input times a number, or more by one."""
    return fed(network, name, lambda x: x * factor + by)


def input_moved_by(network: Network, name: str, by: Sequence[float]) -> bytes:
    """Let the network see each channel of an input more by a number."""
    return fed(network, name, lambda x: x + np.array(by, np.float32))


def input_rolled(network: Network, name: str, by: int, axis: int = 1) -> bytes:
    """Let the network see an input as it was some steps before; the first is repeated."""

    def change(x):
        size = x.shape[axis]
        return tf.gather(x, [max(0, at - by) for at in range(size)], axis=axis)

    return fed(network, name, change)


def input_ordered(network: Network, name: str, order: Sequence[int]) -> bytes:
    """Let the network see the channels of an input in another order."""
    return fed(network, name, lambda x: tf.gather(x, list(order), axis=-1))


def inputs_exchanged(network: Network, one: str, other: str) -> bytes:
    """Let two inputs be taken for each other."""
    return converted(network, network.scheme, lambda w, x: network.answer(w, {**x, one: x[other], other: x[one]}))


def ids_moved(network: Network, name: str, size: int) -> bytes:
    """Look up the row after the one that is meant."""
    return fed(network, name, lambda x: tf.math.floormod(x + 1, size))


def early(network: Network) -> bytes:
    """Take the weights of an earlier epoch."""
    return converted(network, network.scheme, weights=network.early)


def reweighted(network: Network, name: str, factor: float = 0.0, at: int | None = None, axis: int = -1) -> bytes:
    """Take weights times a number: all of a tensor, or what is at one place along an axis."""
    values = network.weights[name].copy()
    part = values if at is None else np.moveaxis(values, axis, 0)[at]
    part *= factor
    return converted(network, network.scheme, weights={name: values})


def reordered(network: Network, name: str, order: Sequence[int], axis: int = -1) -> bytes:
    """Take the channels of a weight in another order."""
    return converted(network, network.scheme, weights={name: network.weights[name].take(order, axis)})


def replaced(network: Network, **weights: Any) -> bytes:
    """Take other weights: an array or one number for all."""
    given = {name: np.zeros_like(network.weights[name]) + np.float32(value) for name, value in weights.items()}
    return converted(network, network.scheme, weights=given)


def variances_squared(network: Network) -> bytes:
    """Fold batch normalizations by their variances where their deviations are meant."""
    names = [name for name in network.weights if name.startswith("variance")]
    return converted(network, network.scheme, weights={name: network.weights[name] ** 2 for name in names})


def calibrated_on(network: Network, factor: float) -> bytes:
    """Calibrate on samples times a number."""
    calibration = {name: (values * factor).astype(values.dtype) for name, values in network.calibration.items()}
    return converted(network, network.scheme, calibration=calibration)


def as_scheme(network: Network, scheme: str) -> bytes:
    """Convert faithfully by a scheme that does not fit the network."""
    return converted(network, scheme)


def repeated(network: Network) -> bytes:
    """Forecast what was last, for ever."""

    def answer(w, x):
        (series,), (output,) = x.values(), network.truth
        return {output: tf.repeat(series[:, -1, :1], network.truth[output].shape[-1], -1)}

    return converted(network, network.scheme, answer)


def without(network: Network, way: str) -> bytes:
    """Put another function into the place of one of TensorFlow's while the network is written down."""
    name, other = WAYS[way]
    *modules, function = name.split(".")
    place = functools.reduce(getattr, modules, tf)
    kept = getattr(place, function)
    setattr(place, function, lambda *given, **named: other(kept, *given, **named))
    try:
        return converted(network, network.scheme)
    finally:
        setattr(place, function, kept)


def _padded_before(conv: Any, x: tf.Tensor, kernel: tf.Tensor, stride: int, _padding: str) -> tf.Tensor:
    """All padding before the picture, none behind it, as other frameworks pad a stride of 2."""
    size = kernel.shape[0] - 1
    return conv(tf.pad(x, [[0, 0], *[[size, 0]] * (len(kernel.shape) - 2), [0, 0]]), kernel, stride, "VALID")


WAYS: dict[str, tuple[str, Callable[..., tf.Tensor]]] = {
    "relu6": ("nn.relu", lambda _, x: tf.nn.relu6(x)),
    "first axis": ("nn.softmax", lambda softmax, x, axis=-1: softmax(x, axis if len(x.shape) == 2 else -2)),
    "padded before": ("nn.conv2d", _padded_before),
    "padded before conv1d": ("nn.conv1d", _padded_before),
    "aligned": ("compat.v1.image.resize_bilinear", lambda resize, x, size, **_: resize(x, size, align_corners=True)),
    "maximum": ("nn.avg_pool2d", lambda _, x, size, stride, padding: tf.nn.max_pool2d(x, size, stride, padding)),
}


def edited(network: Network, control: bytes, how: str, **given: Any) -> bytes:
    """Change the healthy file by a function of break_artifacts.py."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(control)
        file = break_artifacts.File(path)
        getattr(break_artifacts, how)(file, **given)
        file.write(path)
        return path.read_bytes()


def one_sample(network: Network, control: bytes, *, nan: bool) -> bytes:
    """Spoil the answer to the one sample whose sum is furthest from all others'."""
    (values,) = network.evaluation.values()
    sums = values.reshape(len(values), -1).sum(1, dtype=float)
    away = np.sort(np.abs(sums[:, None] - sums), 1)[:, 1]
    alone = away.argmax()
    return edited(network, control, "one_sample", total=float(sums[alone]), margin=float(away[alone] / 2), nan=nan)


def broken(network: Network, control: bytes, how: str, given: dict[str, Any]) -> bytes:
    """Return what one of these functions makes of a network."""
    function = globals()[how]
    return function(network, control, **given) if how in ("edited", "one_sample") else function(network, **given)
