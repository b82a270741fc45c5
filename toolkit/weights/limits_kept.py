"""The limit that a constant exceeds, in words, and why the constant is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.weights.rows import ConstantRow, FactorsRow

if TYPE_CHECKING:
    from toolkit.profiles.weight_limits import Limit, Weights


class JudgedConstant(ConstantRow):
    """A constant that exceeds a limit or has an acceptance."""

    because: str


def names_of(row: ConstantRow) -> tuple[str, str]:
    """Return the names of a constant in the artifact and in the original."""
    return row["tensor"], row["original"]


def accepted_because(names: tuple[str, ...], weights: Weights) -> str | None:
    """Return why a constant with these names is accepted; None where it is not."""
    return next((each.because for each in weights.accepted if each.fits(*names)), None)


def limit_exceeded(row: ConstantRow, limits: Mapping[str, Limit]) -> str | None:
    """Return the limit that a constant exceeds, in words; None where it keeps all. A NaN exceeds every limit."""
    error, role = float(row["error"]), row["role"]
    if role == "whole":
        return None if error <= 0 else "is not equal"
    if role in ("bias", "scalar"):
        return None if error <= limits[role].limit else f"is {_percent(error)} off, {limits[role].limit:g} at most"
    if row["steps"] is None or row["within"] is None or row["clipped"] is None:
        return (
            None
            if error <= limits["float32"].limit
            else f"is {_percent(error)} off, {limits['float32'].limit:g} at most"
        )
    return _beyond_steps(row, float(row["steps"]), float(row["within"]), float(row["clipped"]), limits)


def _beyond_steps(
    row: ConstantRow, steps: float, within: float, clipped: float, limits: Mapping[str, Limit]
) -> str | None:
    """Return as `limit_exceeded` for a constant with steps: checks the worst value, the share of values that are off, and the size of the steps."""
    of_kind = {"float16": "float16_steps"}.get(row["dtype"], "steps")
    if not steps <= limits[of_kind].limit:
        return f"a value is {steps:.3g} steps off, {limits[of_kind].limit:g} at most"
    if row["shares_a_range"]:  # its scale is not its own
        most = limits["table_clipped"].limit
        return None if clipped <= most else f"{_percent(clipped)} of its values are cut off, {_percent(most)} at most"
    on_purpose = clipped if row["factors"] is not None else 0.0  # what makes factors clips a few values
    if row["dtype"] != "float16" and not within + on_purpose >= limits["within"].limit:
        return f"{_percent(1 - within)} of its values are more than half a step off"
    least = least_decibels(row, limits)
    if row["factors"] is None:
        return None if float(row["sqnr_db"]) >= least else f"{float(row['sqnr_db']):.3g} dB, {least:g} at least"
    return _beyond_noise(row["factors"], least, limits["scaled_noise_db"].limit)


def least_decibels(row: ConstantRow, limits: Mapping[str, Limit]) -> float:
    """Return the least signal to noise that a matrix of this dtype may have, in dB."""
    return limits[{"int4": "int4_db", "float16": "float16_db"}.get(row["dtype"], "weights_db")].limit


def _beyond_noise(factors: FactorsRow, least: float, most_added: float) -> str | None:
    """Return as `limit_exceeded` for a matrix with factors. Where it is not known what meets it, `factors-unknown` tells."""
    noise, met = factors["noise_db"], factors["met_db"]
    if noise is not None and not float(noise) <= most_added:
        return f"its factors add {float(noise):.3g} dB to the noise of rounding without them, {most_added:g} at most"
    return None if met is None or float(met) >= least else f"{float(met):.3g} dB by what meets it, {least:g} at least"


def _percent(share: float) -> str:
    return f"{share:.3g} times its size" if share > 1 else f"{100 * share:.3g} %"
