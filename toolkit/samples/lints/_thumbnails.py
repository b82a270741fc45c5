"""Thumbnails: box averages of an image or a signal. Noise and recompression hardly change them, so they help to find copies."""

from __future__ import annotations

import numpy as np

from toolkit.samples.lints import Input, Real, Values

_SIDE, _LENGTH = 16, 256  # values of a thumbnail: along each of several axes, or along the only one


def thumbnail(values: Values, one: Input) -> Real:
    """Return up to 256 values (k,) for an image or a signal, float64: the mean of the channels, averaged in boxes."""
    if one.channels_axis is not None:
        planes = np.moveaxis(values, one.channels_axis, 0)
        values = sum(planes[1:], start=planes[0]) / len(planes)  # plane by plane: numpy sums short axes slowly
    else:
        values = values.reshape([size for size in values.shape if size > 1])
    most = _LENGTH if values.ndim == 1 else _SIDE
    for axis in range(values.ndim):
        values = _boxes(values, axis, most)
    return values.astype(np.float64).ravel()


def _boxes(values: Values, axis: int, most: int) -> Values:
    size = values.shape[axis]
    if size <= most:
        return values
    edges = np.linspace(0, size, most + 1).astype(np.intp)
    widths = np.expand_dims(np.diff(edges), tuple(other for other in range(values.ndim) if other != axis))
    return np.asarray(np.add.reduceat(values, edges[:-1], axis=axis) / widths)
