"""The numbers of `diagnosis.toml`: when a difference counts as a known mistake."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from toolkit import config


class Limit(config.ConfigModel):
    """A number, and why it is the right one."""

    limit: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    because: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Share(Limit):
    """A part of a whole."""

    limit: Annotated[float, Field(gt=0, lt=1)]

    @property
    def decibels(self) -> float:
        """The decrease in dB of what is left, if this share is removed."""
        return -10 * math.log10(1 - self.limit)


class Count(Limit):
    """A whole number."""

    limit: Annotated[int, Field(ge=1)]


class Likeness(config.ConfigModel):
    """The file `diagnosis.toml`."""

    nearly_all: Share
    offset: Share
    simpler: Share
    alike: Share
    related: Share
    channel: Limit
    cut: Share
    left: Share
    behind: Count
    answers: Count
    probabilities: Limit


@cache
def likeness() -> Likeness:
    """Return the limits that every diagnosis uses."""
    return config.load(Path(__file__).with_name("diagnosis.toml"), Likeness)
