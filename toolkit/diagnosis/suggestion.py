"""The gain of keeping layers in float: each step that was tried, and the best one."""

from __future__ import annotations

import glob
import math
from dataclasses import dataclass
from typing import TypedDict

from toolkit import printable
from toolkit.diagnosis.worker.results import Number, json_number
from toolkit.printable import Text


class StepRow(TypedDict):
    """A `Step` as JSON. Numbers that JSON does not have are "inf", "-inf" and "nan"."""

    scheme: str
    kept: list[str]
    sqnr_db: Number | None
    agreement: Number | None
    size_bytes: int | None
    met: bool | None
    problem: str | None


class SuggestionDocument(TypedDict):
    """A `Suggestion` as JSON. `patterns` keep the layers of the best step in float."""

    target: str
    steps: list[StepRow]
    others: list[StepRow]
    best: StepRow | None
    patterns: list[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: a scheme with layers kept in float (`kept`, tensor names), against the float artifact.

    `sqnr_db` and `agreement` are those of the worst output; `agreement` is None if no output is a decision. `met` is whether all of the target's
    bounds on quantization and total are met; None if it has none for the scheme. A step that failed has a `problem` and no numbers.
    """

    scheme: str
    kept: tuple[str, ...]
    sqnr_db: float | None = None
    agreement: float | None = None
    size_bytes: int | None = None
    met: bool | None = None
    problem: str | None = None

    def to_json(self) -> StepRow:
        """Return plain JSON, with "inf" and "-inf" for infinities."""
        return {
            "scheme": self.scheme,
            "kept": list(self.kept),
            "sqnr_db": None if self.sqnr_db is None else json_number(self.sqnr_db),
            "agreement": None if self.agreement is None else json_number(self.agreement),
            "size_bytes": self.size_bytes,
            "met": self.met,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """All steps that were tried, in this order: no layer kept, more and more layers, fewer again, then other schemes (`others`)."""

    steps: tuple[Step, ...]
    others: tuple[Step, ...]
    target: str

    @property
    def best(self) -> Step | None:
        """The step that meets the bounds with the fewest layers kept; if none does, the step with the best SQNR; None if all failed."""
        met = [step for step in self.steps if step.met]
        if met:
            return min(met, key=lambda step: len(step.kept))
        able = [step for step in self.steps if step.sqnr_db is not None and not math.isnan(step.sqnr_db)]
        return max(able, key=lambda step: (_db(step), -len(step.kept)), default=None)

    def to_json(self) -> SuggestionDocument:
        """Return plain JSON."""
        return {
            "target": self.target,
            "steps": [step.to_json() for step in self.steps],
            "others": [step.to_json() for step in self.others],
            "best": None if self.best is None else self.best.to_json(),
            "patterns": [] if self.best is None else [glob.escape(name) for name in self.best.kept],
        }

    def text(self) -> Text:
        """Return the table for people, and the lines to write for the best step."""
        first = self.steps[0].sqnr_db
        rows = [("kept in float", "SQNR dB", "bought", "agreement", "bytes", f"bounds of {self.target}")]
        rows += [_cells(step, first) for step in (*self.steps, *self.others)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:-1]), row[-1]]) for row in rows
        ]
        return printable.lines([*(line.rstrip() for line in lines), "", *self._lines()])

    def _lines(self) -> list[str]:
        best = self.best
        if best is None:
            return ["nothing that was tried could be run"]
        if not best.kept:
            return [
                "nothing needs to be kept in float"
                if best.met
                else "keeping layers in float buys nothing: try another scheme"
            ]
        said = "meets the bounds" if best.met else "is the best of these, and does not meet the bounds"
        patterns = [glob.escape(name) for name in best.kept]
        return [
            f"{best.scheme} with {len(best.kept)} layers in float {said}. In the target's profile:",
            "    [quantization.keep_float]",
            "    tensors = [" + ", ".join(map(printable.literal, patterns)) + "]",
            "or on the command line:",
            "    " + printable.command(word for pattern in patterns for word in ("--keep-float", pattern)),
        ]


def _db(step: Step) -> float:
    return -math.inf if step.sqnr_db is None else step.sqnr_db


def _cells(step: Step, first: float | None) -> tuple[str, str, str, str, str, str]:
    what = f"{step.scheme}, {len(step.kept)} kept" if step.kept else step.scheme
    if step.problem is not None:
        return (what, "-", "-", "-", "-", step.problem.splitlines()[0])
    bought = "-" if first is None or step.sqnr_db is None or not step.kept else f"{step.sqnr_db - first:+.1f}"
    return (
        what,
        "-" if step.sqnr_db is None else f"{step.sqnr_db:.1f}",
        bought,
        "-" if step.agreement is None else f"{step.agreement:.1%}",
        f"{step.size_bytes}",
        {True: "met", False: "NOT met", None: "none"}[step.met],
    )
