"""The fields of a kind's file, and the outputs that a kind fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from toolkit.config import ConfigModel

Numbers = Literal["real", "whole", "truth"]
Count = Literal["one", "several"]


class Fits(ConfigModel):
    """What a kind can be said of."""

    numbers: Annotated[tuple[Numbers, ...], Field(min_length=1)]
    rows: Count | None = None
    last: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)] | None = None
    elements: Count | None = None


class Rows(ConfigModel):
    """What rows of the reference look like."""

    are: str
    within: FiniteFloat = Field(ge=0)
    because: str


class Inferred(ConfigModel):
    """By what a kind is recognized; by operators and rows only where the last axis has `least` to `last` numbers.

    `labels` is whether those of classes show it, `marks` behind which operator labels that say yes or no of each number do.
    """

    operators: tuple[str, ...] = ()
    least: int = 0
    last: int | None = None
    numbers: tuple[Numbers, ...] = ()
    names: tuple[str, ...] = ()
    labels: bool = False
    marks: str | None = None
    otherwise: bool = False
    rows: Rows | None = None


class OutputKindSpec(ConfigModel):
    """One kind of output."""

    about: str
    shape: str
    fits: Fits
    inferred: Inferred = Inferred()
    bounds: tuple[dict[str, Any], ...] = ()

    def misfit(self, numbers: Numbers, shape: Sequence[int | None] | None) -> str | None:
        """Return None where an output with such numbers and this shape (None: any size) can be of this kind, else the reason."""
        if numbers not in self.fits.numbers:
            return f"it holds {_NUMBERS[numbers]}"
        if shape is None:
            return None
        said = f"its shape is {_text(shape)}"
        shape = one_call(shape)
        last = self.fits.last
        if last is not None:
            size = shape[-1] if shape else 1
            if size is not None and not (last[0] <= size <= last[-1] if len(last) > 1 else last[0] <= size):
                return said
        if self.fits.rows is not None and _count(shape[:-1]) not in (self.fits.rows, None):
            return said
        if self.fits.elements is not None and _count(shape) not in (self.fits.elements, None):
            return said
        return None


def one_call(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the shape of one call: an open first size is the batch, of one."""
    return (1, *shape[1:]) if shape and shape[0] is None else tuple(shape)


_NUMBERS = {"real": "real numbers", "whole": "whole numbers", "truth": "truth values"}


def numbers_of(spec: Mapping[str, Any]) -> Numbers:
    """Return which kind of numbers a tensor (JSON of a spec) has."""
    dtype = str(spec["dtype"])
    if dtype == "bool":
        return "truth"
    return "whole" if dtype.startswith(("int", "uint")) and not spec.get("scale") else "real"


def _count(sizes: Sequence[int | None]) -> Count | None:
    """Return whether these sizes hold one number or several; None where that is unknown."""
    known = [size for size in sizes if size is not None]
    if prod(known) > 1:
        return "several"
    return "one" if len(known) == len(sizes) else None


def _text(shape: Sequence[int | None]) -> str:
    return (
        "(" + ", ".join("?" if size is None else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    )
