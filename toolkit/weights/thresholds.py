"""The numbers of `thresholds.toml`, as the search for reasons has them: the host reads the file, and a job gets them with its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a constant is off, and what explains it; `thresholds.toml` says why each is the right one.

    `rounded` is in steps, `off` a share of a constant's size. `left` and `lost` are shares of a norm; `alike` is a correlation, and a share of
    channels.
    """

    rounded: float
    off: float
    left: float
    lost: float
    alike: float

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Thresholds:
        """Return the thresholds that a job's options have; KeyError where one is missing."""
        return cls(**{name: float(options[name]) for name in cls.__slots__})
