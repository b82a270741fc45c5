"""Writes a baseline again, and lists what changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.comparison.wording import number_text
from toolkit.errors import RequestError
from toolkit.files.places import not_a_file
from toolkit.regression.file import read, write
from toolkit.regression.record import Baseline, name_of, of_bundle


def update(bundle: Path, path: Path, tasks: Sequence[str] | None = None) -> list[str]:
    """Write the release in a bundle to a baseline file. Return the differences, one sentence each.

    `tasks` are the task metrics for the file. None keeps those of the existing file, or takes the default of `of_bundle`.
    Raise RequestError for a bundle whose verdict is not "passed", and for a file that is anything but a baseline of the same target.
    """
    problem = not_a_file(path)
    if problem is not None:
        raise RequestError(f"{path}: {problem}", "baselines/phone.json, say")
    before = read(path) if os.path.lexists(path) else None
    if tasks is None and before is not None and before.tasks:
        tasks = [task.metric for task in before.tasks]
    now = of_bundle(bundle, tasks)
    if now.verdict != "passed":
        raise RequestError(f"{bundle}: its verdict is {now.verdict}; only a release that passed can be a baseline")
    if before is not None and before.target != now.target:
        problem = f"{path}: is a baseline of {before.target}, the bundle is of {now.target}; keep a file for each"
        raise RequestError(problem)
    write(path, now)
    if before is None:
        return [f"{path}: new, {now.count} samples of {now.target}, {now.scheme}"]
    return list(_differences(before, now)) or ["nothing is different"]


def _differences(before: Baseline, now: Baseline) -> Iterator[str]:
    facts = [
        ("scheme", before.scheme, now.scheme),
        ("original", before.source_sha256[:8], now.source_sha256[:8]),
        ("artifact", before.artifact_sha256[:8], now.artifact_sha256[:8]),
        ("size", f"{before.size_bytes} bytes", f"{now.size_bytes} bytes"),
        ("latency", f"{before.latency_ms} ms", f"{now.latency_ms} ms"),
        ("outputs", before.outputs_digest[:8], now.outputs_digest[:8]),
        ("samples", f"{before.count} ({before.samples_digest[:8]})", f"{now.count} ({now.samples_digest[:8]})"),
        ("labels", (before.labels_digest or "none")[:8], (now.labels_digest or "none")[:8]),
        *_pairs("task", _scores(before), _scores(now)),
        *_pairs("comparison", _values(before), _values(now)),
        *_pairs("bound", _limits(before), _limits(now)),
        *_pairs("finding", _codes(before), _codes(now)),
        *_pairs("tool", dict(before.tools), dict(now.tools)),
    ]
    if before.signature != now.signature:
        yield "signature: inputs or outputs changed in name, shape, type or scale"
    yield from (f"{what}: {was} -> {is_now}" for what, was, is_now in facts if was != is_now)


def _pairs(kind: str, before: dict[str, str], now: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in sorted(before.keys() | now.keys()):
        yield f"{kind} {name}", before.get(name, "none"), now.get(name, "none")


def _scores(release: Baseline) -> dict[str, str]:
    return {task.metric: f"{task.scoring.score(task.rows):.6g}" for task in release.tasks}


def _values(release: Baseline) -> dict[str, str]:
    return {name_of(each): number_text(float(each["value"]), each["unit"]) for each in release.comparisons}


def _limits(release: Baseline) -> dict[str, str]:
    return {name_of(each): number_text(float(each["limit"]), each["unit"]) for each in release.comparisons}


def _codes(release: Baseline) -> dict[str, str]:
    return {code: f"{held.count} ({held.severity})" for code, held in release.findings.items()}
