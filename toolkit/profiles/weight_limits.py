"""The limits for an account of weights: `weight_limits.toml`, a profile's overrides, and constants that the user accepts.

[weights]
steps = { limit = 20, because = "weights were moved by GPTQ" }

[[weights.accepted]]
tensor  = "head/*"               a pattern for the names of constants, the artifact's or the original's
because = "the last layer was trained again"
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from toolkit import config

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Limit(config.ConfigModel):
    """A number, and why it is the right one."""

    limit: Amount
    because: Text


class WeightLimits(config.ConfigModel):
    """The file `weight_limits.toml`: what each is of is said there."""

    matched: Limit
    steps: Limit
    float16_steps: Limit
    within: Limit
    table_clipped: Limit
    scaled_clipped: Limit
    scaled_noise_db: Limit
    scaled_evenly_db: Limit
    weights_db: Limit
    int4_db: Limit
    float16_db: Limit
    float32: Limit
    bias: Limit
    scalar: Limit
    clipped: Limit
    clipped_most: Limit


class Accepted(config.ConfigModel):
    """Constants that may be others than the original's, and why."""

    tensor: Text
    because: Text

    def fits(self, *names: str) -> bool:
        """Return whether the pattern matches one of the names."""
        return any(fnmatch.fnmatchcase(name, self.tensor) for name in names)


class Weights(config.ConfigModel):
    """The table `[weights]` of a profile: limits in place of the package's, and what is accepted."""

    matched: Limit | None = None
    steps: Limit | None = None
    float16_steps: Limit | None = None
    within: Limit | None = None
    table_clipped: Limit | None = None
    scaled_clipped: Limit | None = None
    scaled_noise_db: Limit | None = None
    scaled_evenly_db: Limit | None = None
    weights_db: Limit | None = None
    int4_db: Limit | None = None
    float16_db: Limit | None = None
    float32: Limit | None = None
    bias: Limit | None = None
    scalar: Limit | None = None
    clipped: Limit | None = None
    clipped_most: Limit | None = None
    accepted: tuple[Accepted, ...] = ()

    @field_validator("accepted")
    @classmethod
    def _each_once(cls, accepted: tuple[Accepted, ...]) -> tuple[Accepted, ...]:
        names = [each.tensor for each in accepted]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} comes twice; expected one entry for each pattern")
        return accepted

    def limits(self) -> Mapping[str, Limit]:
        """Return all limits by name: the package's, with the profile's own in place of them."""
        shipped = config.load(Path(__file__).with_name("weight_limits.toml"), WeightLimits)
        return {name: getattr(self, name) or getattr(shipped, name) for name in WeightLimits.model_fields}
