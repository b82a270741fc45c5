"""What a device has to spare for a model, and how much more than that is recommended."""

from __future__ import annotations

from pydantic import Field

from toolkit.comparison.bounds import Text
from toolkit.config import ConfigModel


class Budget(ConfigModel):
    """What the device has to spare; None where nothing is said.

    `arena_bytes` is the memory for the tensors of a call, without weights and without the engine; of a runtime with arenas the
    arena, which is measured.
    `flash_bytes` is the memory that holds the file beside the program, whose size is not known here.
    """

    file_bytes: int | None = Field(default=None, gt=0)
    arena_bytes: int | None = Field(default=None, gt=0)
    flash_bytes: int | None = Field(default=None, gt=0)


class ArenaMargin(ConfigModel):
    """By what share an arena that is given should be larger than the least that was measured, and the reason for it."""

    margin: float = Field(ge=0, le=10, allow_inf_nan=False)
    because: Text
