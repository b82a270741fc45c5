"""Listings for a terminal: artifacts, runs, models, profiles, findings, environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import findings, printable
from toolkit.findings import Finding
from toolkit.printable import Text
from toolkit.report.screen import PAGE, Screen
from toolkit.report.wording import coverage_lines, signature_lines, size, where_text

if TYPE_CHECKING:
    from toolkit.conversion.artifacts import Artifact
    from toolkit.environments import Status
    from toolkit.execution.run import Run
    from toolkit.profiles import Target


def artifact_text(artifact: Artifact) -> Text:
    """Return a converted file's facts for a terminal."""
    lines = [f"{artifact.path}   {artifact.scheme}   {size(artifact.size_bytes)}   sha256 {artifact.sha256}"]
    lines += signature_lines(artifact.signature.to_json())
    lines += [f"  {finding.severity}: {finding.message}" for finding in artifact.findings]
    return printable.lines([*lines, "  not verified: `edge-toolkit verify` compares it with its original"])


def run_text(run: Run, out: Path) -> Text:
    """Return a run's facts for a terminal."""
    fed = [f"  fed {name}: {how}" for name, how in run.fed.items()]
    lines = [f"{out}   {run.count} samples on {where_text(run)}", *fed, *signature_lines(run.signature.to_json())]
    if run.latency is not None:
        from toolkit.report.latency import latency_lines
        from toolkit.verdict.latency_findings import findings_of

        lines += [f"  {label:<13} {printable.sentence(line)}" for label, line in latency_lines(run.latency)]
        lines += [
            f"  {finding.severity}: {printable.sentence(finding.message)}" for finding in findings_of(run.latency)
        ]
    return printable.lines(lines)


def inspected_text(path: Path, held: Mapping[str, Any], screen: Screen = PAGE) -> Text:
    """Return the contents of a source or an artifact for a terminal. Variables are listed by name if the screen shows all rows."""
    lines = [
        f"{path}   {held['kind']}" + (f"   written by {printable.name(held['writer'])}" if "writer" in held else "")
    ]
    for signature in held["signatures"]:
        kinds = held.get("output_kinds", {}).get(signature["key"] or "", {})
        lines += [
            f"  signature {printable.name(signature['key']) if signature['key'] else '(none; bound by tensor name)'}",
            *signature_lines(
                signature, "    ", "any rank" if held.get("settled", True) else "(its shape is known when it is loaded)"
            ),
            *(
                f"    kind    {printable.name(name)} is {one['kind']}: {printable.sentence(one['reason'])}"
                for name, one in kinds.items()
            ),
        ]
    if not held["signatures"]:
        lines.append("  no signature" + ("" if held.get("settled", True) else " before it is loaded"))
    operators = [
        printable.name(
            operator if isinstance(operator, str) else f"{operator['name']} v{operator['version']} x{operator['count']}"
        )
        for operator in held["operators"]
    ]
    if operators:
        lines.append(f"  operators     {', '.join(operators)}")
    if "loader" in held:
        lines += _source_lines(held, each=screen.whole)
    lines += _size_lines(held)
    lines += [
        f"  {finding.severity}: {printable.sentence(finding.message)}"
        for finding in findings.read(held.get("findings", ()))
    ]
    for name, said in held.get("targets", {}).items():
        lines += _target_lines(name, said)
    return printable.lines(lines)


def _target_lines(name: str, said: Mapping[str, Any]) -> list[Text]:
    """Return what speaks against an artifact on a target before it runs."""
    error = said["error"]
    known = [printable.line(f"  {name}: {finding.message}") for finding in findings.read(said["findings"])]
    arena = said.get("arena")
    if arena is not None:
        account = f"recorded: head {arena['head_bytes']}, tail {arena['tail_bytes']}, total {arena['recorded_bytes']}"
        size = f"arena {arena['recommended_bytes']} bytes: {arena['margin']:.0%} over the {arena['least_bytes']} in which it just runs here"
        known.insert(0, printable.line(f"  {name}: {size} ({account})"))
    if error is None:
        return [printable.line(f"  {name}: nothing is known against it; verify runs it"), *known]
    hint = [printable.together("    hint: ", printable.set_in(error["hint"]))] if error["hint"] else []
    return [printable.together("  ", printable.set_in(error["problem"])), *hint, *known]


def _size_lines(held: Mapping[str, Any]) -> list[str]:
    """Return how the size of a file or folder is made up: numbers by dtype, and the rest, which is mostly the graph.

    If the numbers take more than the file (they lie elsewhere, or it is compressed), the rest is not shown.
    """
    if "size_bytes" not in held:
        return []
    whole = held["size_bytes"]
    if "weights_bytes" in held:
        what, numbers = "weights and constants", dict(held["weights_bytes"])
    else:
        what, numbers = "variables", _bytes_by_dtype(held.get("variables", ()))
    total = sum(numbers.values())
    lines = [f"  size          {size(whole)}"]
    if numbers:
        by_dtype = ", ".join(
            f"{dtype} {size(numbers[dtype])}" for dtype in sorted(numbers, key=lambda one: -numbers[one])
        )
        lines.append(f"    {what}  {_share(total, whole)}: {by_dtype}")
    if 0 <= total <= whole:
        lines.append(f"    graph and all else  {_share(whole - total, whole)}")
    return lines


def _bytes_by_dtype(variables: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for variable in variables:
        found[str(variable["dtype"])] = found.get(str(variable["dtype"]), 0) + variable["size_bytes"]
    return found


def _share(part: int, whole: int) -> str:
    return f"{size(part)} ({part / whole:.0%})" if 0 < part <= whole else size(part)


def _source_lines(held: Mapping[str, Any], *, each: bool) -> list[str]:
    """Return the lines that only a source has: its loader, its variables (with `each`, by name), and the needs of a build."""
    lines = [f"  loader        {held['loader']}"]
    variables = held["variables"]
    if variables:
        total = sum(variable["size_bytes"] for variable in variables)
        lines.append(f"  variables     {len(variables)}, {size(total)}" + ("" if each else "; -v lists them"))
    if variables and each:
        names = [printable.name(variable["name"]) for variable in variables]
        width = max(map(len, names))
        lines += [
            f"    {name:<{width}}   {variable['dtype']} {variable['shape']}   {size(variable['size_bytes'])}"
            for name, variable in zip(names, variables, strict=True)
        ]
    if held.get("coverage"):
        lines += [f"  coverage      {line}" for line in coverage_lines(held["coverage"])]
    return lines + [printable.together("  needs         ", printable.set_in(need, " " * 16)) for need in held["needs"]]


def findings_text(name: str, found: Sequence[Finding]) -> Text:
    """Return the findings about a set, with their codes, and a fix for each that has one."""
    if not found:
        return printable.line(f"{name}: nothing to be said against it")
    lines = []
    for finding in found:
        lines.append(f"{finding.severity}: {finding.message} [{finding.code}]")
        lines += [f"    fix: {finding.fix}"] if finding.fix else []
    return printable.lines(lines)


def nested_text(held: Mapping[str, Any], prefix: str = "") -> Text:
    """Return JSON as a line for each value. Empty and null values are left out."""
    lines: list[str] = []
    for key, value in held.items():
        if isinstance(value, Mapping):
            lines += [nested_text(value, f"{prefix}{key}.")] if value else []
        elif value not in (None, [], ""):
            lines.append(f"{prefix + key:<32}  {printable.document(value, None)}")
    return printable.lines(line for line in lines if line)


def targets_text(found: Sequence[Target]) -> Text:
    """Return two lines for each profile: what it is, and how it is verified."""
    width = max((len(target.name) for target in found), default=0)
    return printable.lines(
        line
        for target in found
        for line in (
            f"{target.name:<{width}}  {target.about}",
            f"{'':<{width}}  verified: {target.verification}",
        )
    )


def status_text(rows: Sequence[Status]) -> Text:
    """Return the state of this machine for a terminal, with a fix for each thing that does not work."""
    lines = []
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        lines.append(f"{row.kind:<12} {row.name:<{width}}  {'ready' if row.ready else 'not ready':<10} {row.about}")
        if not row.ready:
            lines.append(f"{'':<13}{'':<{width}}  {row.problem}" + (f"; fix: {row.fix}" if row.fix else ""))
    return printable.lines(lines)
