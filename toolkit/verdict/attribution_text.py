"""The text of an attribution."""

from __future__ import annotations

import math

from toolkit import printable
from toolkit.printable import Text
from toolkit.verdict.attribution import BY_BITS, Attribution, Deviation, OperatorDeviation

_NAMED = 44  # the last characters of a tensor's name: they distinguish operators
_COLUMNS = ("operator", "dtype", "isolated", "max", "cumulative", "at output", "part", "worst")


def sentences(found: Attribution) -> list[str]:
    """Return the findings, a sentence each, the guilty operator first."""
    said = [f"{found.stage}: {found.reference} -> {found.candidate}", *_found(found), *found.diverging]
    return [*said, *([found.about_reproduction] if found.about_reproduction else []), *found.notes]


def table(found: Attribution) -> Text:
    """Return the operators in the order of execution, with the curve of the error."""
    rows = [_COLUMNS, *(_cells(found, each) for each in found.operators)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    about = (
        "isolated (alone, on the reference's values), cumulative, at output (the operators up to this one, and the float ones from there): "
        "SQNR in dB; max: largest error alone, of integers in LSB; part: of the noise of all; worst: sample of the least SQNR"
    )
    alone = [f"not run alone: {each}: {each.not_isolated}" for each in found.operators if each.not_isolated]
    return printable.lines([*lines, "", f"samples {', '.join(map(str, found.samples))}. {about}", *alone])


def _found(found: Attribution) -> list[str]:
    if found.why is not None:
        return [f"which operator diverges is not known, because {found.why}"]
    said = []
    if found.stage in BY_BITS and found.first is None:
        return ["over these samples all operators give the same, bit by bit"]
    if found.first is not None:
        whole = in_words(found.first.cumulative)
        said.append(f"the first operator that does not give the same, bit by bit, is {found.first}:{whole}")
    known = [each for each in found.operators if each.noise is not None]
    if not known:
        return [*said, f"which operator errs is not known, because {_why_none(found)}"]
    if found.largest is not None:
        return [*said, *_ranked(found, found.largest)]
    others = _unknown(found)
    if not others and all(each.cumulative is None or each.cumulative.share == 0 for each in found.operators):
        return [*said, "over these samples all operators give the same numbers"]
    if not others:
        same = "alone, fed with the same, operators give the same: the difference comes from how they are combined"
        return [*said, same]
    why = f": {others[0].not_isolated}" if others[0].not_isolated else ""
    same = "those operators that run alone give the same, fed with the same"
    return [*said, f"{same}; of {len(others)} it is not known, as {others[0]}{why}"]


def _ranked(found: Attribution, largest: OperatorDeviation) -> list[str]:
    """Return the sentence about the operator that makes most noise."""
    unknown = _unknown(found)
    at_output = found.output is not None
    of = f"of the noise at output {found.output!r}" if at_output else "of what operators err alone"
    part = f"{found.share(largest):.0%} {of}"
    but = "" if at_output or not unknown else f"; of {len(unknown)} others it is not known"
    if found.guilty is not None:
        said = f"{largest} stands out: it makes {part}, more than all other operators together{but}"
    else:
        said = f"no operator stands out: the error accumulates; most is made by {largest}, {part}{but}"
    own, whole = in_words(largest.isolated), in_words(largest.cumulative)
    return [said, f"alone, fed with what the reference has:{own}; in the whole:{whole}"]


def _unknown(found: Attribution) -> list[OperatorDeviation]:
    """Return the operators that differ in the whole model and did not run alone."""
    return [each for each in found.operators if each.noise is None and not each.equal]


def _why_none(found: Attribution) -> str:
    reasons = [each.not_isolated for each in found.operators if each.not_isolated]
    return reasons[0] if reasons else "the reference has nothing that corresponds to their outputs"


def in_words(deviation: Deviation | None) -> str:
    """Return how far a tensor deviates, as text that follows a colon."""
    if deviation is None:
        return " not known"
    return f" SQNR {decibels(deviation.share)} dB, off by up to {_most(deviation)} (sample {deviation.worst_sample})"


def _most(deviation: Deviation) -> str:
    return f"{deviation.max_abs:.3g}" if deviation.max_lsb is None else f"{deviation.max_lsb:.3g} LSB"


def decibels(share: float) -> str:
    """Return noise, as a share of the signal's power, as the SQNR in dB."""
    if share == 0:
        return "inf"
    return f"{-10 * math.log10(share) + 0.0:.1f}" if share < math.inf else "-inf"  # + 0.0: no -0.0


def _cells(found: Attribution, each: OperatorDeviation) -> tuple[str, ...]:
    own, whole = each.isolated, each.cumulative
    name = each.tensor if len(each.tensor) <= _NAMED else f"…{each.tensor[1 - _NAMED :]}"
    worst = own or whole
    return (
        printable.name(f"{each.operator} {name}"),
        each.dtype,
        "-" if own is None else decibels(own.share),
        "-" if own is None else _most(own),
        "-" if whole is None else decibels(whole.share),
        "-" if each.at_output is None else decibels(each.at_output),
        "-" if each.noise is None else f"{found.share(each):.1%}",
        "-" if worst is None else str(worst.worst_sample),
    )
