"""The memory that a model needs on a microcontroller: what was measured, and what to give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


class ArenaRow(TypedDict):
    """An `Arena` as JSON."""

    least_bytes: int
    recommended_bytes: int
    margin: float
    because: str
    head_bytes: int
    tail_bytes: int
    recorded_bytes: int
    probes: int


@dataclass(frozen=True, slots=True)
class Arena:
    """The arena of a model, in bytes, as measured on this machine.

    `least_bytes` is the least in which it started, ran and gave the same answer; in one step less it did not. `recommended_bytes` is more by the
    profile's `margin`, a share, for the reason `because`. The engine recorded `head_bytes` and `tail_bytes`, together `recorded_bytes`, which may be
    less than what runs. `probes` is how many sizes were tried.
    """

    least_bytes: int
    recommended_bytes: int
    margin: float
    because: str
    head_bytes: int
    tail_bytes: int
    recorded_bytes: int
    probes: int

    def to_json(self) -> ArenaRow:
        """Return the fields as JSON."""
        return {
            "least_bytes": self.least_bytes,
            "recommended_bytes": self.recommended_bytes,
            "margin": self.margin,
            "because": self.because,
            "head_bytes": self.head_bytes,
            "tail_bytes": self.tail_bytes,
            "recorded_bytes": self.recorded_bytes,
            "probes": self.probes,
        }
