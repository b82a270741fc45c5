"""Comparisons in words, the same wherever they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit import printable
from toolkit.comparison import metrics
from toolkit.comparison.comparison import NO_METRICS, Comparison, worst_text

_NARROWEST = (" " * 13, " " * 16, " " * 15, " " * 26, " " * 16)  # columns of comparisons, the same in all reports


def number_text(value: float, unit: str) -> str:
    """Return a measured value, with its unit if that says something."""
    words = {
        "db": " dB",
        "lsb": " lsb",
        "range": " of range",
        "noise": " times its noise",
        "drop": " drop",
        "relative_drop": " of the original's",
    }
    return f"{value:.4g}{words.get(unit, '')}"


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a line for each comparison; each column is as wide as its widest cell."""
    cells = [_cells(each) for each in comparisons]
    widths = [max(map(len, column)) for column in zip(_NARROWEST, *cells, strict=True)]
    return [_line(each, row, widths) for each, row in zip(comparisons, cells, strict=True)]


def comparison_text(comparison: Comparison) -> str:
    """Return one comparison as a line."""
    return comparison_lines([comparison])[0]


def _cells(comparison: Comparison) -> list[str]:
    held = (comparison.stage, printable.name(comparison.output), comparison.metric)
    return [*held, value_text(comparison), limit_text(comparison)]


def _line(comparison: Comparison, cells: Sequence[str], widths: Sequence[int]) -> str:
    text = " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(filter(None, (text, status_text(comparison), *remarks(comparison)))).rstrip()


def status_text(comparison: Comparison) -> str:
    """Return a remark on a comparison that did not simply pass, else ""."""
    if comparison.is_left_open:
        return "left open"
    return {"passed": "", "failed": "FAIL", "inconclusive": "INCONCLUSIVE"}[comparison.status]


def remarks(comparison: Comparison) -> list[str]:
    """Return the remarks on a comparison: the worst sample, how many samples would settle it, and what is special."""
    needed = f"about {comparison.samples_needed} samples would settle it" if comparison.samples_needed else ""
    return [printable.sentence(each) for each in (worst_of(comparison), needed, comparison.detail) if each]


def worst_of(comparison: Comparison) -> str:
    """Return which sample is the worst, for a comparison that did not pass and that a single sample decides; else ""."""
    if comparison.passed or comparison.worst_sample is None:
        return ""
    return worst_text(comparison.worst_sample, comparison.samples, comparison.worst_sample_name)


def value_text(comparison: Comparison) -> str:
    """Return the measured value, with its interval if it has one."""
    value = _number(comparison, comparison.value)
    if comparison.interval is None:
        return value
    low, high = comparison.interval
    return f"{value} [{low:.4g}, {high:.4g}]"


def limit_text(comparison: Comparison) -> str:
    """Return the limit as text: <= 0.1 of range."""
    return f"{'<=' if comparison.better == 'lower' else '>='} {_number(comparison, comparison.limit)}"


def _number(comparison: Comparison, value: float) -> str:
    """Return a value or limit with its unit; for a comparison with the toolkit's own artifact, say what the distance is."""
    if comparison.unit != "achievable":
        return number_text(value, comparison.unit)
    if comparison.metric in NO_METRICS:
        return f"{value:.4g} of own's"
    metric = metrics.load(comparison.metric)
    if metric.OVER == "rate":
        return f"p = {value:.3g}"
    if metric.BETTER == "lower":
        return f"{value:.4g} times own's"
    return f"{value:.4g}{' dB' if metric.UNITS[0] == 'db' else ''} below own"
