"""The rows of a sweep for people and programs: filtered, sorted, as a table, as CSV, and as points for a plot."""

from __future__ import annotations

import csv
import io
import json
import math
import operator
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from toolkit import environments, printable
from toolkit.errors import RequestError, UnknownName
from toolkit.experiments.sweep_rows import SweepRow
from toolkit.files import outputs
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job
from toolkit.printable import Text
from toolkit.report import size
from toolkit.report.screen import PAGE, Screen

_SAID = ("target", "scheme", "quantizer", "estimator", "samples")  # columns of the request, not of the result

_FIRST_COLUMNS = ("target", "scheme", "quantizer", "estimator", "calibration_samples", "size_bytes")
_DOCUMENT = outputs.kind_of_json("sweep")
_CSV = outputs.FileKind(
    "a sweep's rows of this program (CSV)", lambda seen: seen.startswith(",".join(_FIRST_COLUMNS).encode())
)


def _total(row: SweepRow) -> float | None:
    if row.verdict is None:
        return None
    return math.inf if row.total_db is None else row.total_db


COLUMNS: dict[str, Callable[[SweepRow], Any]] = {
    "target": lambda row: row.target,
    "scheme": lambda row: row.scheme,
    "quantizer": lambda row: row.quantizer,
    "estimator": lambda row: row.estimator,
    "samples": lambda row: row.calibration_samples,
    "size": lambda row: row.size_bytes,
    "drift": _total,
    "score": lambda row: row.score,
    "latency": lambda row: row.latency_ms,
    "verdict": lambda row: row.verdict or "none",
    "pareto": lambda row: "yes" if row.pareto else "no",
}
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


def filtered(rows: Sequence[SweepRow], conditions: Sequence[str]) -> list[SweepRow]:
    """Return the rows that meet all conditions, as "verdict=passed" or "size<100000". A row without a value meets only `!=`.

    Raise RequestError for a condition that cannot be read, UnknownName for an unknown column.
    """
    tests = [_condition(text) for text in conditions]
    return [row for row in rows if all(test(row) for test in tests)]


def sorted_by(rows: Sequence[SweepRow], column: str) -> list[SweepRow]:
    """Return the rows, best first: highest drift in dB (least noise), best score, lowest value of other columns. Rows without a value come last."""
    value = _column(column)
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    more_is_better = column == "drift" or (column == "score" and any(row.better == "higher" for row in known))
    return [*sorted(known, key=value, reverse=more_is_better), *unknown]


def text(rows: Sequence[SweepRow], hidden: int = 0, screen: Screen = PAGE) -> Text:
    """Return the rows as a table. `*` marks the Pareto front of size and drift. `hidden` is how many rows a filter left out.

    If the screen is too narrow, values that are the same in all rows move below the table. If that is not enough, the drift of single stages is left
    out.
    """
    stages = list(
        dict.fromkeys(stage for row in rows for stage in row.drift_db if stage not in ("source", "conversion"))
    )
    task = next((row.task for row in rows if row.task is not None), "score")
    head = ["", *_SAID, "size", *stages, "total", task, "ms", "verdict"]
    table = [head, *(_cells(row, stages) for row in rows)]
    table, notes = _narrowed(table, stages, screen.width)
    shown = _lines(table)
    for place, row in reversed([*enumerate(rows, start=1)]):
        if row.problem is not None:
            shown.insert(place + 1, f"     {printable.sentence(row.problem.splitlines()[0])}")
    notes.append(
        "*: none is both smaller and nearer to the original; drift in dB (SQNR of the worst output), more is better"
    )
    notes += [f"{hidden} rows were left out by --filter"] if hidden else []
    return screen.fitted(printable.lines([*shown, *notes]))


def _lines(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of the table, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _narrowed(table: list[list[str]], stages: Sequence[str], width: int | None) -> tuple[list[list[str]], list[str]]:
    """Return the table, with fewer columns if it is too wide, and the lines below it about the removed columns."""
    notes: list[str] = []
    if width is None or max(map(len, _lines(table))) <= width:
        return table, notes
    alike = {
        column[0]: column[1]
        for column in zip(*table, strict=True)
        if column[0] in (*_SAID, "ms") and len(set(column[1:])) == 1
    }
    table = _without(table, alike)
    said = ", ".join(f"{name} {value}" for name, value in alike.items() if value)
    notes += [f"all rows: {said}"] if said else []
    if max(map(len, _lines(table))) > width and stages:
        table = _without(table, stages)
        notes.append(f"the drift of {', '.join(stages)} by itself: on a wider screen, with --json, or with --out")
    return table, notes


def _without(table: Sequence[Sequence[str]], names: Collection[str]) -> list[list[str]]:
    """Return a table without the columns of these names."""
    kept = [place for place, name in enumerate(table[0]) if name not in names]
    return [[row[place] for place in kept] for row in table]


def as_csv(rows: Sequence[SweepRow]) -> str:
    """Return the rows as CSV (RFC 4180), with a column for each field. A value that was not measured is empty."""
    stages = list(dict.fromkeys(stage for row in rows for stage in row.drift_db))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    names = _FIRST_COLUMNS
    rest = ["task", "score", "latency_ms", "verdict", "guilty_stage", "pareto", "problem", "keeps"]
    writer.writerow([*names, *(f"{stage}_db" for stage in stages), "total_db", "score_low", "score_high", *rest])
    for row in rows:
        held = row.to_json()
        interval = row.score_interval or (None, None)
        drifts = [held["drift_db"].get(stage) for stage in stages]
        cells = [*(held[n] for n in names), *drifts, held["total_db"], *interval, *(held[n] for n in rest)]
        writer.writerow([printable.cell(each) for each in cells])
    return out.getvalue()


def write(rows: Sequence[SweepRow], out: Path, title: str, executor: Executor) -> None:
    """Write `out/sweep.json`, `.csv`, `.png` and `.svg`, each whole or not at all. If a plot could not be drawn, raise its error."""
    document = {"format": "edge-toolkit sweep", "rows": [row.to_json() for row in rows]}
    outputs.write_text(json.dumps(document, indent=2, allow_nan=False), out / "sweep.json", _DOCUMENT)
    outputs.write_text(as_csv(rows), out / "sweep.csv", _CSV)
    if not executor.settings.offline and environments.find("plots", settings=executor.settings) is None:
        environments.setup(["plots"], executor.settings)
    (drawn,) = executor.run(plot_job(rows, title))
    for suffix in ("png", "svg"):
        outputs.copy_whole(drawn.out / f"plot.{suffix}", out / f"sweep.{suffix}", outputs.PLOTS[suffix])


def outputs_in(out: Path) -> list[outputs.OutputPath]:
    """Return the files that `write` writes to a folder."""
    kinds = {"json": _DOCUMENT, "csv": _CSV, **outputs.PLOTS}
    return [outputs.OutputPath(out / f"sweep.{suffix}", kind.refusal) for suffix, kind in kinds.items()]


def plot_job(rows: Sequence[SweepRow], title: str) -> Job:
    """Return the job that draws size against drift: plot.png and plot.svg. Rows without drift are left out."""
    points = [
        {
            "label": " ".join(
                str(part) for part in (row.scheme, row.quantizer, row.estimator, row.calibration_samples) if part
            ),
            "group": row.target,
            "x": row.size_bytes,
            "y": row.total_db,
            "pareto": row.pareto,
            "passed": row.verdict == "passed",
        }
        for row in rows
        if row.size_bytes is not None and row.total_db is not None and math.isfinite(row.total_db)
    ]
    options = {
        "title": printable.name(title),
        "x": "size of the file (bytes)",
        "y": "SQNR against the original (dB)",
        "points": points,
    }
    return Job(
        "plotting size against drift",
        "diagnosis.worker.plots",
        "scatter",
        Engine("plots"),
        options=json.loads(json.dumps(options)),
    )


def _column(name: str) -> Callable[[SweepRow], Any]:
    if name not in COLUMNS:
        raise UnknownName("column", name, COLUMNS)
    return COLUMNS[name]


def _condition(text: str) -> Callable[[SweepRow], bool]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise RequestError(
            f"--filter {text!r}: expected COLUMN=VALUE, or with !=, <, <=, >, >=, as in --filter 'drift>=20'"
        )
    name, sign, wanted = match.groups()
    value, compare = _column(name), _COMPARE[sign]

    def test(row: SweepRow) -> bool:
        have = value(row)
        if have is None:
            return sign == "!="
        if isinstance(have, str):
            return compare(have, wanted)
        return compare(have, number)

    number = math.nan
    if name in ("samples", "size", "drift", "score", "latency"):
        try:
            number = float(wanted)
        except ValueError:
            raise RequestError(f"--filter {text!r}: {name} is a number, {wanted!r} is not") from None
    return test


def _cells(row: SweepRow, stages: Sequence[str]) -> list[str]:
    score = "" if row.score is None else f"{row.score:.4f}"
    if row.score_interval is not None:
        score += f" [{row.score_interval[0]:.3f}, {row.score_interval[1]:.3f}]"
    return [
        "*" if row.pareto else "",
        row.target,
        row.scheme if row.keeps in (None, row.scheme) else f"{row.scheme} (it is {row.keeps})",
        printable.name(row.quantizer or ""),
        printable.name(row.estimator or ""),
        "" if row.calibration_samples is None else str(row.calibration_samples),
        "" if row.size_bytes is None else size(row.size_bytes),
        *(_decibels(row.drift_db[stage]) if stage in row.drift_db else "" for stage in stages),
        "" if row.verdict is None else _decibels(row.total_db),
        score,
        "" if row.latency_ms is None else f"{row.latency_ms:.3g}",
        "no verdict" if row.verdict is None else row.verdict + (f" ({row.guilty_stage})" if row.guilty_stage else ""),
    ]


def _decibels(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"
