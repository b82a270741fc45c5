"""Sizes, engines, outputs and variants in words, the same everywhere; for comparisons, see `toolkit.comparison.wording`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit import printable
from toolkit.verdict.evidence import CandidateRow
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.comparison.output_kinds.inferring import OutputKind
    from toolkit.execution.run import Run

_LISTED = 8
OUTCOMES = {"passed": "PASSED", "failed": "NOT PASSED", "inconclusive": "INCONCLUSIVE"}


def size(count: int) -> str:
    """Return a number of bytes in the decimal unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


def variant_text(row: CandidateRow) -> str:
    """Return what distinguishes a variant from others of its scheme: the quantizer, the range estimator, and options that are not the default."""
    return ", ".join(str(row[key]) for key in ("quantizer", "estimator", "telling") if row.get(key) is not None)


def candidate_lines(verdict: Verdict) -> list[str]:
    """Return a line for each variant of the scheme that was tried, the selected one first; [] if there was no choice."""
    if len(verdict.candidates) < 2:
        return []
    rows = sorted(verdict.candidates, key=lambda candidate: not candidate["chosen"])
    return [f"{'selected' if row['chosen'] else 'runner-up':<13} {variant_text(row)}: {_drift(row)}" for row in rows]


def noise_text(verdict: Verdict) -> str:
    """Return the largest absolute differences of the original's outputs if only the way it runs changes."""
    return ", ".join(
        f"{printable.name(output)} {kind} {value:.3g}"
        for kind, values in verdict.noise.items()
        for output, value in values.items()
    )


def kind_lines(kinds: Mapping[str, OutputKind]) -> list[str]:
    """Return a line for each output with its kind, and why it has that kind."""
    return [
        f"{printable.name(name)} is {kind.name}: {printable.sentence(kind.reason)}"
        for name, kind in sorted(kinds.items())
    ]


def coverage_lines(coverage: Mapping[str, Any]) -> list[str]:
    """Return which variables got a value from the files, which did not, and which parts of the files were not used."""
    lines = [f"restored {len(coverage['restored'])} variables"]
    if coverage["unrestored"]:
        allowed = ", ".join(coverage["allowed"])
        lines.append(f"left as they began (allowed by {allowed}): {_some(coverage['unrestored'])}")
    by_part: dict[str, list[str]] = {}
    for entry in coverage["unused"]:
        by_part.setdefault(entry["what"], []).append(entry["name"])
    lines += [f"not used of the file, {what}: {_some(names)}" for what, names in sorted(by_part.items())]
    return lines


def where_text(run: Run) -> str:
    """Return the engine of a run, and the browser, class of processor, board or emulator that it ran on."""
    about = run.about
    parts = [
        about.get("accelerator"),
        about.get("browser"),
        about.get("processor", about.get("machine")),
        about.get("board"),
        about.get("emulator"),
        about.get("cpu") if "emulator" in about else None,
    ]
    return f"{run.engine} ({', '.join(str(part) for part in parts if part)})"


def arena_text(verdict: Verdict) -> str:
    """Return the arena that a microcontroller has to give the model, and what of it was measured; "" for a runtime without arenas."""
    arena = verdict.arena
    if arena is None:
        return ""
    spent = next((each for each in verdict.budget if each.name == "arena_bytes"), None)
    limit = "" if spent is None else f"; the board has {spent.limit}{'' if spent.passed else '  FAIL'}"
    return (
        f"{arena.recommended_bytes} bytes: {arena.margin:.0%} over the {arena.least_bytes} in which it just runs here{limit} "
        f"(recorded: head {arena.head_bytes}, tail {arena.tail_bytes}, total {arena.recorded_bytes})"
    )


def untimed_text(verdict: Verdict) -> str:
    """Return that latency was not measured, and why: an emulator ran it, or this machine's processor in place of the device's; else ""."""
    if any("emulator" in run.about for run in verdict.runs.values()):
        return "; latency not measured (emulated)"
    how = verdict.target.verification
    return f", {how.means}; latency not measured" if how.stands_in else ""


def static_text(verdict: Verdict) -> str:
    """Return that nothing executed the target's runtime; "" where something did."""
    target = verdict.target
    return f"static, not executed: nothing here runs {target.runtime.name}" if target.verification.static else ""


def confined_text(verdict: Verdict) -> str:
    """Return how the runs were confined to their own files and kept off the network, or that they were not; "" if no run says."""
    stages: dict[str, list[str]] = {}
    for stage, run in verdict.runs.items():
        if "confined" in run.about:
            stages.setdefault(str(run.about["confined"]), []).append(stage)
    if len(stages) == 1:
        return next(iter(stages))
    return "; ".join(f"{how} ({', '.join(names)})" for how, names in stages.items())


def signature_lines(signature: Mapping[str, Any], indent: str = "  ", unknown: str = "any rank") -> list[str]:
    """Return a line for each input and output. `unknown` is the text for a shape that is not known."""
    lines = []
    for side in ("inputs", "outputs"):
        for spec in signature[side]:
            shape = (
                unknown
                if spec["shape"] is None
                else "[" + ", ".join("?" if n is None else str(n) for n in spec["shape"]) + "]"
            )
            scale = f"   scale {spec['scale'][0]:.6g}, zero point {spec['zero_point'][0]}" if spec.get("scale") else ""
            lines.append(f"{indent}{side[:-1]:<8}{printable.name(spec['name'])}   {spec['dtype']} {shape}{scale}")
    return lines


def _drift(row: CandidateRow) -> str:
    if row["problem"] is not None or row["size_bytes"] is None:
        return str(row["problem"]).splitlines()[0]
    if row["sqnr_db"] == -math.inf:
        return "nothing but noise, or outputs that do not match the float artifact's"
    drift = "no noise" if row["sqnr_db"] is None else f"{row['sqnr_db']:.4g} dB"
    another = "" if row.get("keeps") in (None, row.get("scheme")) else f", but it is {row['keeps']}"
    return f"{drift} against the float artifact, {size(row['size_bytes'])}{another}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(map(printable.name, names[:_LISTED])) + (f" and {more} more" if more > 0 else "")
