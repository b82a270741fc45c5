"""The numbers of `latency.toml`: how latency is measured, and when a measurement is noisy."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from toolkit import config
from toolkit.comparison.bounds import Text
from toolkit.execution.timing import Rule


class Processes(config.ConfigModel):
    """How many processes measure, one after the other."""

    count: int = Field(ge=1)
    because: Text


class Confidence(config.ConfigModel):
    """The least confidence of the interval of the median."""

    level: float = Field(gt=0, lt=1)
    because: Text


class WarmUp(config.ConfigModel):
    """The length of a piece of the warm-up, by which share a piece has to be faster for it to go on, and after how many seconds it ends anyway."""

    window_s: float = Field(gt=0, allow_inf_nan=False)
    faster: float = Field(gt=0, lt=1)
    most_s: float = Field(gt=0, allow_inf_nan=False)
    because: Text


class Timed(config.ConfigModel):
    """The least number of timed calls and of seconds of one process, and after how many seconds fewer calls are enough."""

    calls: int = Field(ge=1)
    seconds: float = Field(gt=0, allow_inf_nan=False)
    most_s: float = Field(gt=0, allow_inf_nan=False)
    because: Text


class Tail(config.ConfigModel):
    """The least number of calls beyond a percentile that is given."""

    calls: int = Field(ge=1)
    because: Text


class Noisy(config.ConfigModel):
    """The largest width of an interval, as a share of the median, that is not called noisy."""

    share: float = Field(gt=0, allow_inf_nan=False)
    because: Text


class Disturbed(config.ConfigModel):
    """The largest share of all cores' time that other programs may take during the calls."""

    share: float = Field(gt=0, lt=1)
    because: Text


class Throttled(config.ConfigModel):
    """By which share the last of the `parts` of a sustained run may be slower than the first."""

    share: float = Field(gt=0, allow_inf_nan=False)
    parts: int = Field(ge=2)
    because: Text


class LatencyRule(config.ConfigModel):
    """The file `latency.toml`."""

    processes: Processes
    confidence: Confidence
    warm_up: WarmUp
    timed: Timed
    tail: Tail
    noisy: Noisy
    disturbed: Disturbed
    throttled: Throttled

    @property
    def of_process(self) -> Rule:
        """Return the rule of one process, as its job is told."""
        return {
            "window_s": self.warm_up.window_s,
            "faster": self.warm_up.faster,
            "warm_up_most_s": self.warm_up.most_s,
            "calls": self.timed.calls,
            "seconds": self.timed.seconds,
            "most_s": self.timed.most_s,
        }


def rule_of() -> LatencyRule:
    """Return the numbers by which every latency is measured."""
    return config.load(Path(__file__).with_name("latency.toml"), LatencyRule)
