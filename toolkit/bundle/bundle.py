"""The folder that ships for each target. It is replaced as a whole, so it never mixes two builds.

    DIR/<target>/   manifest.json        every file with its hash, and the verdict; a folder without it is no bundle (`toolkit.files.manifest`)
                    report.json  report.md  runs/<stage>.safetensors
                    model.tflite         if the verdict is passed; with what the target's `packagers` write, as model.cc and model.h
                    rejected/            if it is not passed: the artifact is not promoted
                    attribution/         if it failed: the operator that made it fail, by itself
                    sizes/<size>/        if several sizes were declared: the results at each size, as a bundle without an artifact
                    previous/            the last bundle that passed, if this one did not

A bundle replaces only a bundle of the same target, and only if that is unchanged since its build. So a file that somebody else put there is never
lost.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit import __version__, registry, report
from toolkit.bundle import attribution_folder as attribution
from toolkit.comparison import saved_runs, scored_task
from toolkit.errors import RequestError
from toolkit.execution.run import Run
from toolkit.files import manifest
from toolkit.files.foreign import read_json
from toolkit.files.outputs import FileKind, OutputPath, require
from toolkit.files.places import make_folders
from toolkit.files.shapes import SHA256
from toolkit.files.whole import Refusal, alone_in, storage_failed, whole_file, whole_folder
from toolkit.verdict.stage_run import StageRun
from toolkit.verdict.verdict import Attempted, Verdict
from toolkit.wire import labels
from toolkit.wire.shards import read_all, sample_names

REPORT, RUNS, SIZES, ATTRIBUTION = "report.json", "runs", "sizes", "attribution"
OWN_TASKS = "tasks.json"
LABELS = f"labels{saved_runs.SUFFIX}"
_REJECTED, _PREVIOUS = "rejected", "previous"
_NPZ_MARK = b"outputs of a run, edge-toolkit"
_RUN_BEGINS = b'{"__metadata__": {"run": "'
NPZ = FileKind("outputs that `run` wrote (.npz)", lambda seen: seen.startswith(b"PK") and seen.endswith(_NPZ_MARK))
RUN = FileKind("a run that was saved (.safetensors)", lambda seen: seen[8:].startswith(_RUN_BEGINS))


def write(verdict: Verdict, out: Path, sizes: Mapping[str, Verdict] | None = None) -> Path:
    """Write the bundle of a verdict, with the reports of each of several `sizes`. Return its folder.

    Raise RequestError if its place holds anything but an unchanged bundle of the target, StoreFailed if the disk refuses.
    """
    place = out / verdict.target.name
    with _replacing(place, _refusal(verdict.target.name)) as folder:
        artifact = folder if verdict.passed else folder / _REJECTED
        artifact.mkdir(exist_ok=True)
        name = verdict.artifact.path.name
        shutil.copyfile(verdict.artifact.path, artifact / name)
        for packager in verdict.target.packagers if verdict.passed else ():
            registry.load("bundle/packagers", packager).write(verdict, folder)
        _keep_wanted(verdict, folder)
        shipped = name if verdict.passed else f"{_REJECTED}/{name}"
        _write_reports(verdict, folder, shipped)
        _write_sizes(sizes or {}, folder, f"../../{shipped}")
        if not verdict.passed:
            _keep_passed(place, folder / _PREVIOUS)
        manifest.write(folder, _said(verdict, shipped))
    return place


def kept_artifact(out: Path, verdict: Verdict, attempt: Attempted | None = None) -> Path:
    """Return where the bundle of a verdict keeps its artifact, or the artifact of another scheme (`attempt`) that did not pass."""
    place = out / verdict.target.name
    if attempt is not None and isinstance(attempt.outcome, Verdict):
        return place / _REJECTED / attempt.scheme / attempt.outcome.artifact.path.name
    return (place if verdict.passed else place / _REJECTED) / verdict.artifact.path.name


def _keep_wanted(verdict: Verdict, folder: Path) -> None:
    """Keep the file of the preferred scheme if it did not pass, for the command that diagnoses it."""
    wanted = verdict.wanted
    if wanted is not None and isinstance(wanted.outcome, Verdict):
        place = folder / _REJECTED / wanted.scheme
        place.mkdir(parents=True)
        shutil.copyfile(wanted.outcome.artifact.path, place / wanted.outcome.artifact.path.name)


def write_reports(verdict: Verdict, out: Path, sizes: Mapping[str, Verdict] | None = None) -> Path:
    """Write only the reports of an artifact that lies elsewhere, and beside them the file if it was rewritten. Return their folder.

    Raise the errors of `write`, and RequestError if the place holds a build's bundle: its artifact would be lost.
    """
    place = out / verdict.target.name
    with _replacing(place, _refusal(verdict.target.name, reports=True)) as folder:
        place_of = str(verdict.artifact.path)
        if verdict.artifact.before is not None:  # it lies in the store alone
            place_of = f"{'' if verdict.passed else f'{_REJECTED}/'}{verdict.artifact.path.name}"
            (folder / place_of).parent.mkdir(exist_ok=True)
            shutil.copyfile(verdict.artifact.path, folder / place_of)
        _write_reports(verdict, folder, place_of)
        _write_sizes(sizes or {}, folder, place_of)
        manifest.write(folder, _said(verdict, None))
    return place


def require_places(places: Iterable[Path], inputs: Sequence[Path | str | None] = (), *, reports: bool = False) -> None:
    """Raise RequestError with everything that prevents writing bundles, or only `reports`, to their places. Call it before any work."""
    require([OutputPath(place, _refusal(place.name, reports=reports)) for place in places], inputs)


def _refusal(target: str, *, reports: bool = False) -> Refusal:
    """Return a function that says why a path may not be replaced by a bundle of the target, or by `reports` alone (without an artifact)."""

    def refusal(place: Path) -> str | None:
        problem = manifest.refusal(place, target)
        if problem is not None:
            return f"{problem}; choose another --out, or move that away"
        if reports and manifest.is_bundle(place) and manifest.verified(place).artifact is not None:
            return "is the bundle of a build, whose artifact would be lost; choose another --out"
        return None

    return refusal


def write_npz(run: Run, place: Path) -> None:
    """Write a run's outputs by name, shape (N, *shape), whole or not at all. Raise RequestError if another kind of file is there."""
    with whole_file(place, NPZ.refusal) as aside, zipfile.ZipFile(aside, "w", allowZip64=True) as archive:
        archive.comment = _NPZ_MARK
        for spec in run.signature.outputs:  # numpy.savez cannot write an output with the name `file`
            with archive.open(f"{spec.name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, read_all(run.outputs, spec.name), allow_pickle=False)


def write_run(step: StageRun, drawn: Path, place: Path) -> None:
    """Write a run over all or the first samples of the folder `drawn`, in the format of `toolkit.comparison.saved_runs`, whole or not at all."""
    with whole_file(place, RUN.refusal) as aside:
        _save_run(step, _DrawnSamples.read(drawn), aside)


class _DrawnSamples(NamedTuple):
    """The SHA-256 of each sample that was drawn, and their names; () where they have none."""

    hashes: Sequence[str]
    names: Sequence[str]

    @classmethod
    def read(cls, drawn: Path) -> _DrawnSamples:
        return cls(read_json(drawn / "hashes.json", [SHA256]), sample_names(drawn))


def _save_run(step: StageRun, drawn: _DrawnSamples, place: Path) -> None:
    said = {"stage": step.stage, "signature": step.signature.to_json(), **report.run_about(step.run)}
    if drawn.names:
        said["sample_names"] = list(drawn.names[: step.count])
    saved_runs.write(place, step.run.outputs, said, drawn.hashes[: step.count])


def _write_reports(verdict: Verdict, folder: Path, artifact: str) -> None:
    _write(folder / REPORT, _json(report.verdict_json(verdict, artifact)))
    _write(folder / "report.md", report.markdown(verdict, artifact).encode())
    _write_runs(verdict, folder / RUNS)
    if verdict.attribution is not None:
        attribution.write(verdict.attribution, folder / ATTRIBUTION)


def _write_sizes(sizes: Mapping[str, Verdict], folder: Path, artifact: str) -> None:
    """Write the reports of each size to its own folder. `artifact` is the artifact's path relative to that folder."""
    for size, verdict in sizes.items():
        place = folder / SIZES / size
        place.mkdir(parents=True)
        _write_reports(verdict, place, artifact)
        manifest.write(place, _said(verdict, None))


def _write_runs(verdict: Verdict, folder: Path) -> None:
    """Write every run of the chain, and the labels of its samples, so that they can be judged again on any other machine."""
    folder.mkdir()
    drawn = _DrawnSamples.read(verdict.drawn)
    for step in verdict.steps:
        _save_run(step, drawn, folder / f"{step.stage}{saved_runs.SUFFIX}")
    held = labels.read(verdict.drawn)
    if held is not None:
        _write(folder / LABELS, labels.packed(held if isinstance(held, dict) else {labels.UNNAMED: held}))
    own = scored_task.own_json(verdict.tasks)
    if own:
        _write(folder / OWN_TASKS, _json(own))


def require_one_size(bundle: Path) -> None:
    """Raise RequestError for the bundle of several sizes: its report covers only one size, and each size has its own complete folder."""
    sizes = sorted(path.name for path in (bundle / SIZES).iterdir()) if (bundle / SIZES).is_dir() else []
    if sizes:
        raise RequestError(
            f"{bundle}: was judged at several sizes, {', '.join(sizes)}; give one of them",
            f"{bundle / SIZES / sizes[0]}, and so on",
        )


def saved_tasks(bundle: Path) -> list[scored_task.Task]:
    """Return the scores of the user's own functions in a build; they are not called again. Raise RequestError for a file of another format."""
    path = bundle / RUNS / OWN_TASKS
    try:
        return scored_task.from_json(read_json(path, scored_task.OWN_JSON))
    except FileNotFoundError:
        return []


def _said(verdict: Verdict, artifact: str | None) -> dict[str, Any]:
    """Return the facts of a manifest beside its files: the verdict, and the origin of the artifact. `artifact` is its path in the bundle, or None."""
    return {
        "target": verdict.target.name,
        "verdict": verdict.outcome,
        "artifact": artifact,
        "scheme": verdict.artifact.scheme,
        "signature": verdict.artifact.signature.to_json(),
        "rewritten": report.rewritten_json(verdict.artifact),
        "source": report.source_json(verdict),
        "samples": dict(verdict.samples),
        "tools": {**report.tools(verdict), "edge-toolkit": __version__},
    }


def _keep_passed(place: Path, previous: Path) -> None:
    """Keep the last bundle that passed: the present one, or the one that an earlier failure already kept."""
    for folder in (place, place / _PREVIOUS):
        if manifest.is_bundle(folder) and manifest.verified(folder).passed:
            shutil.copytree(folder, previous)
            return


@contextlib.contextmanager
def _replacing(place: Path, refusal: Refusal) -> Iterator[Path]:
    """Yield an empty folder that replaces the old one as a whole if no error occurs. Two builds for one place wait for each other."""
    try:
        make_folders(place.parent)
        with alone_in(place.parent), whole_folder(place, refusal) as folder:
            yield folder
    except OSError as error:
        raise storage_failed(place, error) from error


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"
