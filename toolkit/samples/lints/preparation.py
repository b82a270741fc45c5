"""Images that the original recognizes far better if they are prepared in another usual way: the recipe's numbers or colours are wrong.

An artifact that is calibrated with them agrees with the original on them. So it passes, and is wrong for the application's images. The model does not
hold these numbers, so only labels show the fault. All preparations are compared over the same samples, so it does not matter whether these are easy
or hard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.findings import Finding
from toolkit.samples.lints._tests import sign_tail

LOOKS_AT = "preparations"
CODES = ("other-preparation",)


@dataclass(frozen=True)
class Limits:
    """`wrong`: if the original misses a smaller share of labels, nothing is tried. `samples`: fewer samples show nothing.

    `level`: a gain with a probability below it, over all tries, is not chance. `gain`: share of samples that another preparation must get right
    beyond those of the declared one.
    """

    wrong: float
    samples: float
    level: float
    gain: float


def judge(
    own: NDArray[np.bool_], others: NDArray[np.bool_], declared: Sequence[str], limits: Limits
) -> list[Finding] | str:
    """Return a finding where the best of the other preparations (k, n) gets far more right than the recipe's own (n,); `declared` (k) names them."""
    if len(own) < limits.samples:
        return f"fewer than {limits.samples:g} samples show nothing about how they are prepared"
    best = int(others.sum(axis=1).argmax())
    more, less = int((others[best] & ~own).sum()), int((own & ~others[best]).sum())
    if more - less < limits.gain * len(own) or sign_tail(more, less) * len(others) > limits.level:
        return []
    count, before, after = len(own), int(own.sum()), int(others[best].sum())
    message = (
        f"of {count} samples the original is right for {before} as they are prepared, and for {after} with {declared[best]} under [preprocess]: "
        "samples that differ from those of the training give wrong ranges, and agreeing on them shows nothing"
    )
    fix = f"declare {declared[best]}; where samples were prepared before they were saved, save them so"
    facts = {"samples": count, "right": before, "otherwise": after}
    return [Finding("other-preparation", "inconclusive", message, fix, facts=facts)]
