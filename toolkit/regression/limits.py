"""The limits of a gate in `gate.toml`, and the changes that the user allows, each with its reason.

[[allowed]]
what    = "size_bytes"           a row of the gate
to      = 60000                  the new limit: a number, or the text that the row has now
because = "the new head has a hidden layer"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from toolkit import config

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Limit(config.ConfigModel):
    """A share, and why it is the right one."""

    limit: Share
    because: Text


class TaskLimit(config.ConfigModel):
    """How far a task metric may drop: no more than `certain` may be shown, and more than `possible` must be ruled out, at a level of confidence."""

    certain: Share
    possible: Share
    confidence: float = Field(gt=0, lt=1)
    because: Text


class Level(config.ConfigModel):
    """The p-value below which a loss is no chance."""

    level: float = Field(gt=0, lt=1)
    because: Text


class Suspicious(config.ConfigModel):
    """From where on an improvement is shown: a gain of a task metric that is certain, and a share of the old size."""

    gain: Share
    size: Share
    because: Text


class GateLimits(config.ConfigModel):
    """The file `gate.toml`."""

    margin: Limit
    task: TaskLimit
    loss: Level
    recall: Level
    size_bytes: Limit
    latency_ms: Limit
    suspicious: Suspicious


class Allowance(config.ConfigModel):
    """One change that may be: the row, up to where, and why."""

    what: Text
    to: float | int | Text
    because: Text

    @field_validator("to")
    @classmethod
    def _is_met_by_no_nan(cls, to: float | str) -> float | str:
        if isinstance(to, float) and not abs(to) < float("inf"):
            raise ValueError(f"{to}; expected a finite number, as an allowance without a limit judges nothing")
        return to


class Allowances(config.ConfigModel):
    """A file of allowances."""

    allowed: Annotated[tuple[Allowance, ...], Field(min_length=1)]

    @field_validator("allowed")
    @classmethod
    def _each_once(cls, allowed: tuple[Allowance, ...]) -> tuple[Allowance, ...]:
        names = [each.what for each in allowed]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} comes twice; expected one allowance for each row")
        return allowed


def limits() -> GateLimits:
    """Return the limits of every gate."""
    return config.load(Path(__file__).with_name("gate.toml"), GateLimits)


def allowances(path: Path | None) -> tuple[Allowance, ...]:
    """Return the allowances of a file, () without a file. Raise InvalidConfig for mistakes in it, including a missing `because`."""
    return () if path is None else config.load(path, Allowances).allowed
