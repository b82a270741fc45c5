"""The likely cause of a wrong constant, in words: the simplest one that explains it.

This decides nothing: the deviation already shows that a constant is off. A mishap is named only if it explains nearly all of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from toolkit.engines.tflite.constants import Values
from toolkit.weights.thresholds import Thresholds

Others = Callable[[], Iterable[tuple[str, np.ndarray]]]
_FEW = 8  # the most values that are named one by one
_LISTED = 6  # the most channels that are named
_MOST_CHANNELS = 2048  # with more channels, no search for the most similar channel
_NUMBER = 2  # the most values of a constant that has all of them named
OTHER_TRAINING = "most values are off, and yet alike: as of another epoch or checkpoint"
OTHER_VALUES = "other values altogether"
FACTORS = "each channel is multiplied by a number of its own"
FACTOR = "all values are multiplied by"


def mishap(held: Values, wanted: np.ndarray, axis: int, others: Others, limits: Thresholds) -> str:
    """Return what happened to `held`, which should be `wanted`; `axis` is that of channels, `others` yields constants of the float file."""
    return next(_told(held, wanted, axis, others, limits))


def _told(held: Values, wanted: np.ndarray, axis: int, others: Others, limits: Thresholds) -> Iterator[str]:
    real, apart = held.real, np.abs(held.real - wanted)
    if not np.isfinite(real).all():
        yield f"{int((~np.isfinite(real)).sum())} values are not finite"
    if not real.any():
        yield "is zero"
    off = apart > np.maximum(np.broadcast_to(held.step, apart.shape) * limits.rounded, np.abs(wanted) * limits.off)
    channels = _by_channel(off, axis).any(axis=1)
    if off.size <= _NUMBER or (off.sum() <= _FEW and off.sum() < off.size / 2):
        yield "; ".join(_value(held, wanted, tuple(place)) for place in np.argwhere(off))
    if off.any() and not _by_channel(real, axis)[channels].any():
        yield f"{_channels(np.flatnonzero(channels))} zero"
    at_ends = _at_ends(held)
    if off.any() and at_ends[off].all():
        yield f"{int(off.sum())} values lie beyond what can be stored, and are cut off or overflow"
    alike = _correlation(real, wanted) > limits.alike
    if not (alike and channels.mean() > limits.alike):  # if most channels are off but alike, none has moved
        yield from _moved(real, wanted, others, limits.left)
    yield from _multiplied(real, wanted, axis, limits.left)
    lost = _bits_lost(held)
    if lost:
        yield f"the lower {lost} bits of each value are lost"
    if channels.sum() <= max(1, channels.size // 4):
        yield f"{_channels(np.flatnonzero(channels))} other values"
    yield OTHER_TRAINING if alike else OTHER_VALUES


def _moved(real: np.ndarray, wanted: np.ndarray, others: Others, left: float) -> Iterator[str]:
    """Yield a sentence if these values belong to another place."""
    name = _another(real, wanted, others, left)
    if name is not None:
        yield f"has the values of {name!r}"
    yield from _turned(real, wanted, left)
    for along in range(wanted.ndim):
        yield from _exchanged(real, wanted, along, left)


def _at_ends(held: Values) -> np.ndarray:
    """Return which values are stored as the least or the largest possible number."""
    if held.ends is None:
        return np.zeros(held.real.shape, bool)
    return np.asarray((held.stored <= held.ends[0]) | (held.stored >= held.ends[1]))


def _value(held: Values, wanted: np.ndarray, place: tuple[int, ...]) -> str:
    """Return what is wrong with one value; the bit, if just one was flipped."""
    text = f"value {list(map(int, place))} is {held.real[place]:.4g}, not {wanted[place]:.4g}"
    step = float(np.broadcast_to(held.step, wanted.shape)[place])
    if held.ends is None or step == 0:
        return text
    stored = int(held.stored[place])
    meant = stored + round((float(wanted[place]) - float(held.real[place])) / step)
    bits = (held.ends[1] - held.ends[0]).bit_length()
    flipped = (stored ^ meant) & ((1 << bits) - 1)
    return text + (f" (bit {flipped.bit_length() - 1} flipped)" if flipped.bit_count() == 1 else "")


def _by_channel(values: np.ndarray, axis: int) -> np.ndarray:
    """Return an array (channels, values of a channel)."""
    if values.ndim == 0:
        return values.reshape(1, 1)
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _channels(numbers: np.ndarray) -> str:
    shown = ", ".join(map(str, numbers[:_LISTED])) + (", ..." if len(numbers) > _LISTED else "")
    return f"channel {shown} is" if len(numbers) == 1 else f"{len(numbers)} channels ({shown}) are"


def _another(real: np.ndarray, wanted: np.ndarray, others: Others, left: float) -> str | None:
    """Return the name of the float file's constant that has these values, or None."""
    for name, values in others():
        if values.size == real.size and _is_explained(real, values.reshape(real.shape), wanted, left):
            return name
    return None


def _turned(real: np.ndarray, wanted: np.ndarray, left: float) -> Iterator[str]:
    """Yield a sentence if two axes of equal length are exchanged."""
    for one in range(wanted.ndim):
        for other in range(one + 1, wanted.ndim):
            if wanted.shape[one] == wanted.shape[other] > 1 and _is_explained(
                real, wanted.swapaxes(one, other), wanted, left
            ):
                yield f"axes {one} and {other} are exchanged"


def _exchanged(real: np.ndarray, wanted: np.ndarray, axis: int, left: float) -> Iterator[str]:
    """Yield a sentence if channels along an axis have another order: each is then very near to another wanted channel."""
    ours, theirs = _by_channel(real, axis), _by_channel(wanted, axis)
    count = len(ours)
    if not 1 < count <= _MOST_CHANNELS or not np.isfinite(ours).all():
        return
    apart = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1)[None, :] - 2 * ours @ theirs.T
    order = apart.argmin(axis=1)
    if (order == np.arange(count)).all() or len(set(order.tolist())) < count:
        return
    if _is_explained(ours, theirs[order], theirs, left):
        moved = np.flatnonzero(order != np.arange(count))
        verb = "exchanged" if len(moved) == 2 else "in another order"
        yield f"{_channels(moved)} {verb} (axis {axis})"


def _multiplied(real: np.ndarray, wanted: np.ndarray, axis: int, left: float) -> Iterator[str]:
    """Yield a sentence if all values have one factor, or each channel its own, as after a wrongly folded batch normalization."""
    size = float((wanted**2).sum())
    factor = float((real * wanted).sum()) / size if size > 0 else 0.0
    if factor != 0 and _is_explained(real, wanted * factor, wanted, left):
        yield f"{FACTOR} {factor:.4g}"
    ours, theirs = _by_channel(real, axis), _by_channel(wanted, axis)
    if ours.shape[1] < 2:
        return
    sizes = (theirs**2).sum(axis=1)
    factors = np.divide((ours * theirs).sum(axis=1), sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    if _is_explained(ours, theirs * factors[:, None], theirs, left):
        text = f"{FACTORS} ({factors.min():.4g} to {factors.max():.4g})"
        yield f"{text}: as by a batch normalization that is folded in another way"


def _bits_lost(held: Values) -> int:
    """Return the number of lowest bits that no stored number uses."""
    if held.ends is None:
        return 0
    used = int(np.bitwise_or.reduce(held.stored.ravel().astype(np.int64)))
    return (used & -used).bit_length() - 1 if used else 0


def _is_explained(real: np.ndarray, explained: np.ndarray, wanted: np.ndarray, left: float) -> bool:
    return bool(np.linalg.norm(real - explained) <= left * np.linalg.norm(real - wanted))


def _correlation(real: np.ndarray, wanted: np.ndarray) -> float:
    sizes = float(np.linalg.norm(real) * np.linalg.norm(wanted))
    return float((real * wanted).sum()) / sizes if sizes > 0 else 0.0
