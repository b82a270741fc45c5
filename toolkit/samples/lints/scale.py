"""Wrong scale, compared with the verification set: [0, 1], [0, 255] or [-1, 1] in place of another, and values that were normalized twice.

A range alone says little, since samples differ. So the check counts the samples that reach beyond the range of the other set: few samples of one kind
do. Even that is not always a mistake: one recording is louder than another, and one fold has another mean. A mistake is certain where the ranges
differ by a factor of a conversion (255, 127.5, a half of 65536). For images it is also certain where the ranges are different conventions of pixels,
where zero lies at another place in the range, or where the difference is too large for an exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Input, Judged, Real, Side, Values, thinned

LOOKS_AT = "input"
CODES = ("wrong-scale", "double-normalization", "uncovered-range")
_MOST_VALUES = 4096
_TAIL = 0.01  # of a sample's values; if so many are beyond the other set's range, it is not a single hot pixel
_STEP = 1 / 255  # of the range: one of int8. Values beyond by less are rounded, not clipped
_CONVENTIONS = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0), (-128.0, 127.0))
_FACTORS = (127.5, 128.0, 255.0, 256.0, 32767.0, 32768.0)  # by which pixels and sounds are divided, or should have been
_RAW = (1.0, 255.0)  # the largest value of images before they are normalized

Range = tuple[float, float]


@dataclass(frozen=True)
class Limits:
    """`beyond`, `uncovered`: shares of samples out of the other set's range, for another scale and for clipping; each set needs `samples` or more.

    `factor`, `shift`: ranges that differ by less (the second as a share of the range) have the same scale. `near`: how far the factor between them
    may be from a conversion's, as a factor. `exposure`: the largest factor between images that exposure explains. `fit`: how exactly a range must be
    that of a second normalization, as a share of it. `unit`: the largest value of a range that counts as normalized.
    """

    beyond: float
    uncovered: float
    samples: float
    factor: float
    shift: float
    near: float
    exposure: float
    fit: float
    unit: float


def applies(one: Input) -> str | None:
    """Return why truth values have no scale; None for other inputs."""
    return "true and false have no scale" if one.dtype == "bool" else None


def measure(values: Values, one: Input) -> Real:
    """Return (4): minimum, 1st and 99th percentile (of an even choice of up to 4096 values), maximum."""
    few = thinned(values.ravel(), _MOST_VALUES)
    places = [round(_TAIL * (few.size - 1)), round((1 - _TAIL) * (few.size - 1))]
    tails = np.partition(few, places)[places]
    return np.array([values.min(), *tails, values.max()], np.float64)


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return an error for two sets that certainly differ in scale, warnings for sets that may and for samples out of the calibrated range."""
    if len(calibration.rows) < limits.samples or len(verification.rows) < limits.samples:
        return f"fewer than {limits.samples:g} samples in one of the sets: their ranges are those of what happened to be there"
    ours, theirs = _range(calibration), _range(verification)
    beyond, unused = _share_out_of(ours, verification), _share_out_of(theirs, calibration)
    numbers = {"range": ours, "verification_range": theirs, "beyond": beyond, "unused": unused}
    if max(beyond, unused) > limits.beyond and not one.split and _differ(ours, theirs, limits):
        found = _mismatch(calibration, verification, numbers, limits)
        return [found if _is_certain(one, ours, theirs, limits, found.code) else replace(found, severity="warning")]
    by_chance = 2 / (
        len(calibration.rows) + 1
    )  # the probability that the next of n + 1 independent numbers is the largest or the smallest
    if beyond <= limits.uncovered + by_chance:
        return []
    message = (
        f"{beyond:.0%} of the verification samples reach beyond the calibrated range {_shown(ours)}, up to {_shown(theirs)}:"
        " what is beyond will be clipped"
    )
    fix = "add samples like those to the calibration set: the brightest, the loudest, the rarest"
    return [Finding("uncovered-range", "warning", message, fix, facts=numbers)]


def _range(side: Side) -> Range:
    return float(side.rows[:, 0].min()), float(side.rows[:, 3].max())


def _share_out_of(reach: Range, side: Side) -> float:
    """Return the share of samples with at least a hundredth of their values below or above a range by more than a step."""
    step = (reach[1] - reach[0]) * _STEP
    return float(((side.rows[:, 1] < reach[0] - step) | (side.rows[:, 2] > reach[1] + step)).mean())


def _differ(ours: Range, theirs: Range, limits: Limits) -> bool:
    widths = [high - low for low, high in (ours, theirs)]
    if min(widths) == 0:
        return True
    apart = abs(sum(ours) - sum(theirs)) / 2
    return max(widths) / min(widths) >= limits.factor or apart / max(widths) >= limits.shift


def _is_certain(one: Input, ours: Range, theirs: Range, limits: Limits, code: str) -> bool:
    """Return whether no choice of samples explains the difference, as the module says."""
    narrow, wide = sorted((ours, theirs), key=lambda reach: reach[1] - reach[0])
    if narrow[0] == narrow[1]:
        return False
    factor = (wide[1] - wide[0]) / (narrow[1] - narrow[0])
    if any(1 / limits.near <= factor / each <= limits.near for each in _FACTORS):
        return True
    if one.channels_axis is None:
        return False
    conventions = {_convention(ours), _convention(theirs)}
    zeros = [-low / (high - low) for low, high in (ours, theirs)]  # where zero lies in the range, as a share of it
    return (
        code == "double-normalization"
        or (None not in conventions and len(conventions) > 1)
        or (min(zeros) <= 0 and max(zeros) >= limits.shift)
        or factor >= limits.exposure
    )


def _mismatch(calibration: Side, verification: Side, numbers: dict[str, object], limits: Limits) -> Finding:
    ours, theirs = _range(calibration), _range(verification)
    shown = f"values are {_shown(ours)}, those of the verification set {_shown(theirs)}"
    if _normalized_again(theirs, ours, limits):
        message = f"{shown}: normalized twice"
        fix = "normalize once: either the samples are stored normalized, or [preprocess] does it"
        return Finding("double-normalization", "error", message, fix, facts=numbers)
    if _normalized_again(ours, theirs, limits):
        message = f"{shown}: those of the verification set were normalized twice"
        fix = f"normalize {verification.name} once: either its samples are stored normalized, or [preprocess] does it"
        return Finding("double-normalization", "error", message, fix, facts=numbers)
    share = max(_share_out_of(ours, verification), _share_out_of(theirs, calibration))
    message = f"{shown}: {share:.0%} of the samples of one reach beyond all of the other, as of another scale"
    return Finding("wrong-scale", "error", message, _rescaling(ours, theirs), facts=numbers)


def _normalized_again(once: Range, twice: Range, limits: Limits) -> bool:
    """Return whether the affine map from one range to the other also makes the first from raw values, [0, 1] or [0, 255].

    Then the map is a normalization, (x - mean) / std or x / 255, that was applied twice.
    """
    width = once[1] - once[0]
    if width == 0 or twice[1] == twice[0] or max(map(abs, once)) > limits.unit:
        return False
    scale = (twice[1] - twice[0]) / width
    offset = twice[0] - scale * once[0]
    return any(max(abs(offset - once[0]), abs(scale * most + offset - once[1])) <= limits.fit * width for most in _RAW)


def _convention(reach: Range) -> Range | None:
    """Return the narrowest of the usual ranges that holds this range; the range must fill at least half of it, else None."""
    width = reach[1] - reach[0]
    fitting = [
        (low, high) for low, high in _CONVENTIONS if low <= reach[0] and reach[1] <= high and width >= (high - low) / 2
    ]
    return min(fitting, key=lambda usual: usual[1] - usual[0], default=None)


def _rescaling(ours: Range, theirs: Range) -> str:
    found, wanted = _convention(ours), _convention(theirs)
    if found is None or wanted is None or found == wanted:
        return "prepare both sets alike, as the model was trained: compare [preprocess] of their recipes"
    scale = (wanted[1] - wanted[0]) / (found[1] - found[0])
    shift = wanted[0] - scale * found[0]
    steps = f"scale = {scale:.8g}" + (f", mean = [{-shift:.8g}]" if shift else "")
    return f"{steps} under [preprocess] makes {list(wanted)} of {list(found)}; if the verification set is the wrong one, mend that"


def _shown(reach: Range) -> str:
    return f"[{reach[0]:.4g}, {reach[1]:.4g}]"
