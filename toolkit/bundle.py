"""What is shipped: a folder per target, replaced as a whole, so that it is never half of one build and half of another.

    DIR/<target>/   model.tflite  manifest.json  report.json  report.md  runs/<stage>.safetensors
    DIR/<target>/   report.json  report.md  runs/  rejected/model.tflite   where the verdict is not passed: nothing is promoted
    DIR/<target>/   ...  attribution/                                      where it failed: the operator that made it fail, by itself
    DIR/<target>/   ...  sizes/<size>/report.json ...                      where several sizes were declared: what was found at each of them

A bundle that had passed is not lost to a build that did not: it moves to DIR/<target>/previous/.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import __version__, report, saved_runs, tasks
from toolkit.attribution import folder as attribution
from toolkit.errors import RequestError
from toolkit.runtime import Run
from toolkit.store import storage_failed, sync
from toolkit.verdict import Attempted, Step, Verdict
from toolkit.worker import labels
from toolkit.worker.request import sha256
from toolkit.worker.shards import read_all

MANIFEST, REPORT, RUNS, SIZES, ATTRIBUTION = "manifest.json", "report.json", "runs", "sizes", "attribution"
OWN_TASKS = "tasks.json"
LABELS = f"labels{saved_runs.SUFFIX}"
_REJECTED, _PREVIOUS = "rejected", "previous"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def write(verdict: Verdict, out: Path, sizes: Mapping[str, Verdict] | None = None) -> Path:
    """Write the bundle of a verdict, and the reports of each of several `sizes`, and return its folder."""
    place = out / verdict.target.name
    with _replacing(place) as folder:
        artifact = folder if verdict.passed else folder / _REJECTED
        artifact.mkdir(exist_ok=True)
        name = verdict.artifact.path.name
        shutil.copyfile(verdict.artifact.path, artifact / name)
        _keep_wanted(verdict, folder)
        shipped = name if verdict.passed else f"{_REJECTED}/{name}"
        _write_reports(verdict, folder, shipped)
        _write_sizes(sizes or {}, folder, f"../../{shipped}")
        if verdict.passed:
            _write(folder / MANIFEST, _json(_manifest(verdict, folder)))
        else:
            _keep_passed(place, folder / _PREVIOUS)
    return place


def kept_artifact(out: Path, verdict: Verdict, attempt: Attempted | None = None) -> Path:
    """Return where the bundle of a verdict keeps its artifact, or that of another scheme that was tried and did not pass."""
    place = out / verdict.target.name
    if attempt is not None and isinstance(attempt.outcome, Verdict):
        return place / _REJECTED / attempt.scheme / attempt.outcome.artifact.path.name
    return (place if verdict.passed else place / _REJECTED) / verdict.artifact.path.name


def _keep_wanted(verdict: Verdict, folder: Path) -> None:
    """Keep the file of the scheme that was wanted and did not pass, for the command that looks into it."""
    wanted = verdict.wanted
    if wanted is not None and isinstance(wanted.outcome, Verdict):
        place = folder / _REJECTED / wanted.scheme
        place.mkdir(parents=True)
        shutil.copyfile(wanted.outcome.artifact.path, place / wanted.outcome.artifact.path.name)


def write_reports(verdict: Verdict, out: Path, sizes: Mapping[str, Verdict] | None = None) -> Path:
    """Write the reports alone, of an artifact that lies elsewhere, and return their folder."""
    place = out / verdict.target.name
    with _replacing(place) as folder:
        _write_reports(verdict, folder, str(verdict.artifact.path))
        _write_sizes(sizes or {}, folder, str(verdict.artifact.path))
    return place


def require_writable(out: Path) -> None:
    """Make the output folder if it is not there; raise RequestError where nothing can be written to it, before anything was done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise storage_failed(out, error) from error
        problem = f"{out}: nothing can be written there ({error.strerror}); --out with a folder that may be written would be right"
        raise RequestError(problem) from error


def require_writable_file(out: Path) -> None:
    """Raise RequestError where no file `out` can be written, before anything was done; its folder is made."""
    if out.is_dir():
        raise RequestError(f"{out}: is a folder; --out with the name of a file would be right")
    require_writable(out.parent)


def copy_whole(source: Path, place: Path) -> None:
    """Copy a file, whole or not at all."""
    with _whole_file(place) as aside:
        shutil.copyfile(source, aside)


def write_text(text: str, place: Path) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with _whole_file(place) as aside:
        aside.write_bytes(text.encode())


def write_npz(run: Run, place: Path) -> None:
    """Write a run's outputs by name, (N, *shape), whole or not at all."""
    with _whole_file(place) as aside, zipfile.ZipFile(aside, "w", allowZip64=True) as archive:
        for spec in run.signature["outputs"]:  # numpy.savez has no place for an output that is called `file`
            with archive.open(f"{spec['name']}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, read_all(run.outputs, spec["name"]), allow_pickle=False)


def write_run(step: Step, drawn: Path, place: Path) -> None:
    """Write a run over all or the first of the samples in the folder `drawn` as `toolkit.saved_runs` does, whole or not at all."""
    with _whole_file(place) as aside:
        _save_run(step, drawn, aside)


def _save_run(step: Step, drawn: Path, place: Path) -> None:
    hashes = json.loads((drawn / "hashes.json").read_text())
    said = {"stage": step.stage, "signature": step.signature.to_json(), **report.run_about(step.run)}
    saved_runs.write(place, step.run.outputs, said, hashes[: step.count])


@contextlib.contextmanager
def _whole_file(place: Path) -> Iterator[Path]:
    """Give a path beside `place` to write to, which takes its place when all went well."""
    aside = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        yield aside
        sync(aside)
        os.replace(aside, place)
    except OSError as error:
        raise storage_failed(place, error) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def _write_reports(verdict: Verdict, folder: Path, artifact: str) -> None:
    _write(folder / REPORT, _json(report.verdict_json(verdict, artifact)))
    _write(folder / "report.md", report.markdown(verdict, artifact).encode())
    _write_runs(verdict, folder / RUNS)
    if verdict.attribution is not None:
        attribution.write(verdict.attribution, folder / ATTRIBUTION)


def _write_sizes(sizes: Mapping[str, Verdict], folder: Path, artifact: str) -> None:
    """Write the reports of each size to a folder of its own; `artifact` is the artifact's path as seen from there."""
    for size, verdict in sizes.items():
        place = folder / SIZES / size
        place.mkdir(parents=True)
        _write_reports(verdict, place, artifact)


def _write_runs(verdict: Verdict, folder: Path) -> None:
    """Write every run of the chain, and the labels of its samples, so that they can be judged again where nothing of this machine is."""
    folder.mkdir()
    for step in verdict.steps:
        _save_run(step, verdict.drawn, folder / f"{step.stage}{saved_runs.SUFFIX}")
    held = labels.read(verdict.drawn)
    if held is not None:
        _write(folder / LABELS, labels.packed(held if isinstance(held, dict) else {labels.UNNAMED: held}))
    own = tasks.own_json(verdict.tasks)
    if own:
        _write(folder / OWN_TASKS, _json(own))


def require_one_size(bundle: Path) -> None:
    """Raise RequestError for the bundle of several sizes: its report is of one of them, and each has a folder that stands for itself."""
    sizes = sorted(path.name for path in (bundle / SIZES).iterdir()) if (bundle / SIZES).is_dir() else []
    if sizes:
        raise RequestError(
            f"{bundle}: was judged at several sizes, {', '.join(sizes)}; each by itself would be right",
            f"{bundle / SIZES / sizes[0]}, and so on",
        )


def saved_tasks(bundle: Path) -> list[tasks.Task]:
    """Return what functions of the user's said in a build, which nobody calls again; RequestError for a file that is none of ours."""
    path = bundle / RUNS / OWN_TASKS
    try:
        return tasks.from_json(json.loads(path.read_text("utf-8"))) if path.is_file() else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{path}: cannot be read ({error}); the one that a build wrote would be right") from error


def _manifest(verdict: Verdict, folder: Path) -> dict[str, Any]:
    """Return what is in the bundle and everything that it came from."""
    return {
        "schema": 1,
        "target": verdict.target.name,
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": sha256(path), "size_bytes": path.stat().st_size}
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "artifact": verdict.artifact.path.name,
        "scheme": verdict.artifact.scheme,
        "signature": verdict.artifact.signature,
        "source": report.source_json(verdict),
        "samples": dict(verdict.samples),
        "tools": {**report.tools(verdict), "edge-toolkit": __version__},
    }


def _keep_passed(place: Path, previous: Path) -> None:
    """Keep the bundle that passed before, which may be there or already kept from an earlier failure."""
    if (place / MANIFEST).is_file():
        shutil.copytree(place, previous)
    elif (place / _PREVIOUS).is_dir():
        shutil.copytree(place / _PREVIOUS, previous)


@contextlib.contextmanager
def _replacing(place: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of the old one, as a whole, when all went well."""
    aside = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        _remove_leftovers(place)
        aside.mkdir(parents=True)
        yield aside
        for path in aside.rglob("*"):
            sync(path)
        _swap(aside, place)
    except OSError as error:
        raise storage_failed(place, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_leftovers(place: Path) -> None:
    """Remove what a killed build left beside the place; its process is gone."""
    for leftover in place.parent.glob(f".{place.name}.*.partial"):
        pid = leftover.name.split(".")[-2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(leftover, ignore_errors=True)


def _swap(aside: Path, place: Path) -> None:
    """Exchange two folders in one step where the system can (renameat2), else in two."""
    if not place.exists():
        os.rename(aside, place)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        paths = os.fsencode(aside), os.fsencode(place)
        if libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return
    old = aside.with_name(aside.name + ".old")
    os.rename(place, old)
    os.rename(aside, place)
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"
