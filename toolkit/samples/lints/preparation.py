"""Images that the original recognizes far better where they are prepared in another usual way: the recipe's numbers or colours are wrong.

An artifact is calibrated with them and agrees with the original on them, and so passes, and is wrong for the application's images. The numbers are
not in the model, so that only labels show it. What is compared are the same samples: whether they are easy or hard plays no part.
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
    """`wrong`: share of labels that the original misses, below which nothing is tried. `samples`: fewer show nothing.

    `level`: below it, over all that was tried, a gain is no chance. `gain`: share of samples that another preparation must get right beyond the one
    that is declared.
    """

    wrong: float
    samples: float
    level: float
    gain: float


def judge(
    own: NDArray[np.bool_], others: NDArray[np.bool_], declared: Sequence[str], limits: Limits
) -> list[Finding] | str:
    """Return a finding where the best of other preparations (k, n) gets far more right than the own one (n,); `declared` (k) says them."""
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
