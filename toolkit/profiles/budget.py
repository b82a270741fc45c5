"""What a device has to spare for a model: bytes of its file, of its tensors and of its process, and time."""

from __future__ import annotations

from pydantic import Field

from toolkit.comparison.bounds import Text
from toolkit.config import ConfigModel
from toolkit.launchers import Verification


class Budget(ConfigModel):
    """What the device has to spare; None where nothing is said.

    `arena_bytes` is the memory for the tensors of a call, without weights and without the engine; of a runtime with arenas the
    arena, which is measured.
    `flash_bytes` is the memory that holds the file beside the program, whose size is not known here.
    `latency_ms` and `peak_memory_bytes` are measured on the device: the median time of one call after the warm-up, and the most resident memory of
    the process that makes the calls, with its interpreter and the engine.
    """

    file_bytes: int | None = Field(default=None, gt=0)
    arena_bytes: int | None = Field(default=None, gt=0)
    flash_bytes: int | None = Field(default=None, gt=0)
    latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    peak_memory_bytes: int | None = Field(default=None, gt=0)

    @property
    def is_measured(self) -> bool:
        """Whether a limit of it can only be judged by a measurement on the device."""
        return self.latency_ms is not None or self.peak_memory_bytes is not None


class ArenaMargin(ConfigModel):
    """By what share an arena that is given should be larger than the least that was measured, and the reason for it."""

    margin: float = Field(ge=0, le=10, allow_inf_nan=False)
    because: Text


def require_timed(budget: Budget, how: Verification) -> None:
    """Raise ValueError for limits that only the device itself can show, in a profile that is verified otherwise."""
    if how.timed:
        return
    names = [name for name in ("latency_ms", "peak_memory_bytes") if getattr(budget, name) is not None]
    raise ValueError(
        f"{' and '.join(names)} cannot be judged: the target is {how}; expected a profile of the device itself, "
        "with launcher 'ssh', or none of these limits"
    )
