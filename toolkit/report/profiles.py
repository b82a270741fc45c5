"""A profile for people and as JSON: every value with the file that sets it, and which of its bounds decide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from toolkit import printable, registry
from toolkit.comparison.bounds import Stage
from toolkit.comparison.deciding import ALL, Hidden, Standing, standing
from toolkit.printable import Text

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound
    from toolkit.profiles import Target, Value

_WIDEST = 30  # characters of a column; a longer cell moves the columns after it
_VALUES = 16  # characters of most values
_RULE = (
    "bounds: of several on one metric, one that names the output decides, then that of the nearer file, "
    "then one that names kinds, then one that names schemes"
)


def target_json(target: Target) -> dict[str, Any]:
    """Return the fields of a profile as JSON; `verified` is how its launcher verifies."""
    return {**target.model_dump(mode="json"), "verified": target.verification.to_json()}


def profile_json(target: Target) -> dict[str, Any]:
    """Return a profile as JSON. Each bound has the `file` that sets it, its `place` there, whether it `decides`, and where it is `hidden`.

    `capabilities` is the table of what the runtime can run, null where it was not probed. `verified` is how its launcher verifies.
    """
    from toolkit.profiles import capabilities

    document = target_json(target)
    table = capabilities.path_of(target.runtime.probed, target.runtime.version) if target.runtime.has_tables else None
    document["capabilities"] = None if table is None else str(table)
    for said, bound in zip(document["bounds"], target.bounds, strict=True):
        found = _standing(bound, target)
        said["file"] = None if bound.path is None else str(bound.path)
        said["place"] = bound.where
        said["decides"] = found.decides
        said["hidden"] = [
            {"by": one.by.where, "schemes": list(one.schemes), "output": one.output} for one in found.hidden
        ]
    return document


def profile_text(target: Target, values: Sequence[Value]) -> Text:
    """Return every value of a profile and the file it comes from, then its bounds by stage, hidden bounds last."""
    plain = [value for value in values if not value.key.startswith("bounds[")]
    width = max(len(value.key) for value in plain)
    lines = [
        f"{value.key:<{width}}  {json.dumps(value.value, default=list):<{_VALUES}}  {value.path.name if value.path else '(default)'}"
        for value in plain
    ]
    lines += ["", f"verified: {target.verification}", _table_line(target), "", _RULE]
    stages = [stage for stage in get_args(Stage) if any(bound.stage == stage for bound in target.bounds)]
    widths = [max(map(len, column)) for column in zip(*map(_cells, target.bounds), strict=True)]
    for stage in stages:
        rows = [(bound, _standing(bound, target)) for bound in target.bounds if bound.stage == stage]
        rows.sort(key=lambda row: not row[1].decides)
        lines += ["", stage, *(line for row in rows for line in _bound_lines(*row, widths))]
    return printable.lines(lines)


def _table_line(target: Target) -> str:
    """Return which table says what the target's runtime can run."""
    from toolkit.profiles import capabilities
    from toolkit.report.capabilities import table_line

    if not target.runtime.has_tables:
        return "capabilities: none; nothing lists what the runtime can run with these options, and the run decides"
    runtime, version = target.runtime.probed, target.runtime.version
    table = capabilities.find(runtime, version)
    if table is None:
        return f"capabilities: none; edge-toolkit targets probe {runtime}=={version} makes the table"
    return f"capabilities: {capabilities.path_of(runtime, version)}: {table_line(table)}"


def _cells(bound: Bound) -> list[str]:
    """Return the subject of a bound, its limit, and its kinds and schemes."""
    of = ", ".join((*bound.kinds, *bound.schemes)) or "all"
    return [bound.output, f"{bound.metric} {bound.terms}", of]


def _bound_lines(bound: Bound, stands: Standing, widths: Sequence[int]) -> list[str]:
    """Return a bound with its file, its reason if it decides, and where it does not decide."""
    cells = [cell.ljust(min(width, _WIDEST)) for cell, width in zip(_cells(bound), widths, strict=True)]
    because = [" ".join(bound.because.split())] if stands.decides else []
    hidden = [f"hidden{_where(one)} by {one.by.where}" for one in stands.hidden]
    return [f"  {'  '.join(cells)}  {bound.where}", *(f"      {line}" for line in (*because, *hidden))]


def _where(one: Hidden) -> str:
    output = [f"for output {one.output!r}"] if one.output != ALL else []
    names = ", ".join((*([one.kind] if one.kind else []), *one.schemes))
    return "".join(f" {part}" for part in (*output, *([f"for {names}"] if names else [])))


def _standing(bound: Bound, target: Target) -> Standing:
    schemes = [name for name in registry.names("conversion/schemes") if name not in target.forbids]
    return standing(bound, target.bounds, schemes)
