"""Tables of what runtimes can run, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from toolkit import printable
from toolkit.printable import Text

if TYPE_CHECKING:
    from toolkit.profiles.capabilities import Capabilities, Probing


class TableDocument(TypedDict):
    """What a table holds: of which engine, made on which machine, from how many probes; how many operators, and how many combinations of dtypes."""

    path: str | None
    engine: str
    machine: str
    probes: int
    operators: int
    registered: int
    runs: int
    refuses: int


class ProbingDocument(TableDocument):
    """The same of a table that was just made, with the seconds that it took."""

    seconds: float


def table_json(table: Capabilities, path: object) -> TableDocument:
    """Return what a table holds."""
    able = table.operators.values()
    return {
        "path": None if path is None else str(path),
        "engine": table.engine,
        "machine": table.machine,
        "probes": table.probes,
        "operators": len(table.operators),
        "registered": sum(bool(each.versions or each.kernels) for each in able),
        "runs": sum(len(each.runs) or len(each.kernels) for each in able),
        "refuses": sum(len(each.refuses) for each in able),
    }


def probing_json(made: Probing) -> ProbingDocument:
    """Return what was probed."""
    return {**table_json(made.table, made.path), "seconds": round(made.seconds, 1)}


def probing_text(made: Probing) -> Text:
    """Return what was probed, and what came of it."""
    held = probing_json(made)
    said = [why for each in made.table.operators.values() for why in each.refuses.values()]
    died = Counter(why.startswith("aborts") for why in said)[True]
    lines = [f"{held['path']}: {table_line(made.table)}", f"  {held['probes']} probes in {held['seconds']:.1f} s"]
    if died:
        lines.append(f"  {died} combinations ended the process of the runtime")
    return printable.lines(lines)


def table_line(table: Capabilities) -> str:
    """Return a table in one line."""
    held = table_json(table, None)
    return (
        f"{held['engine']} ({held['machine']}) has {held['registered']} of {held['operators']} operators; "
        f"{held['runs']} combinations of dtypes run, {held['refuses']} are refused"
    )
