"""The dtype and the range of each input of a model, after all steps of [preprocess].

A model does not say which range it was trained with. A reader who knows the model sees that 0 to 255 should be 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from toolkit import printable


class InputRangeRow(TypedDict):
    """An `InputRange` as JSON: (lowest, highest) values."""

    dtype: str
    verification: tuple[float, float] | None
    calibration: tuple[float, float] | None


class InputRangeJson(TypedDict, total=False):
    """The range of an input from a draw, as JSON; a range, [lowest, highest], is missing or null if there is no number."""

    dtype: str
    verification: Sequence[float] | None
    calibration: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class InputRange:
    """The lowest and highest number of one input over all samples that judge, and over those that calibrate; None if there is no number.

    The units are those of the model. `dtype` is that of the samples; for a quantized input it may be a dtype of real numbers.
    """

    dtype: str
    verification: tuple[float, float] | None = None
    calibration: tuple[float, float] | None = None

    @classmethod
    def from_json(cls, content: InputRangeJson) -> InputRange:
        """Return the range of an input from the JSON of `toolkit.samples.draw`."""
        return cls(content["dtype"], _range(content.get("verification")), _range(content.get("calibration")))

    def to_json(self) -> InputRangeRow:
        """Return plain JSON."""
        return {"dtype": self.dtype, "verification": self.verification, "calibration": self.calibration}

    def __str__(self) -> str:
        ranges = {"": self.verification, "in calibration ": self.calibration}
        shown = [f"{which}{low:.4g} to {high:.4g}" for which, one in ranges.items() if one for low, high in [one]]
        return f"{self.dtype}, {', '.join(shown) or 'no number'}"


def _range(numbers: Sequence[float] | None) -> tuple[float, float] | None:
    if numbers is None:
        return None
    low, high = numbers
    return low, high


def input_lines(inputs: Mapping[str, InputRange]) -> list[str]:
    """Return a line for each input: its name, dtype and ranges."""
    return [f"{printable.name(name)} is fed {one}" for name, one in inputs.items()]
