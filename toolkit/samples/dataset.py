"""Calibration and evaluation sets: the declarations of a recipe, and the job that draws samples from it.

    recipe("calibration/digits.toml")   recipe("photos/")   recipe("package.module:function")      -> Recipe
    samples_job("calibration/digits.toml", None, signature)                                        -> Job

A worker reads the samples (`toolkit.samples.draw`), with a file of `toolkit/samples/readers` for each kind of data. This module only checks that the
files exist, so that a misspelt path costs no time. If a recipe declares a count, the draw meets it or fails. Without a count, up to 200 samples
calibrate, but no more than half of the set, and up to 500 others verify.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from toolkit import config, printable, registry
from toolkit.comparison import task_metrics
from toolkit.errors import NoSamples, RequestError
from toolkit.files.foreign import require_reachable
from toolkit.jobs.job import Engine, Job, Output
from toolkit.samples.dataset_recipe import DatasetRecipe, ReaderChoice
from toolkit.samples.requested_set import SamplingJson, SetJson
from toolkit.tensors.signature import Signature

_LISTED = 8
_ENVIRONMENT = "dataset"


@dataclass(frozen=True, slots=True)
class SampleRecipe:
    """A set as it was requested: its name in messages, the folder that its paths are relative to, and its declarations."""

    name: str
    folder: Path
    declared: DatasetRecipe

    @property
    def cached(self) -> bool:
        """Whether the same files always give the same samples."""
        return bool(registry.load("samples/readers", self.declared.reader.kind).CACHED)

    def files(self) -> dict[str, Path]:
        """Return the absolute paths that the reader will read, by key; they may be missing. Matches of a pattern have the keys `key.00000`, ..."""
        named = registry.load("samples/readers", self.declared.reader.kind).files(self.declared.reader.options())
        found: dict[str, Path] = {}
        for key, file in named.items():
            path, name = Path(os.path.abspath(self.folder / file)), key.removesuffix("*")
            fitting = sorted(path.parent.glob(path.name)) if key.endswith("*") and "*" in path.name else []
            found.update({f"{name}.{index:05d}": each for index, each in enumerate(fitting)} or {name: path})
        return found

    @property
    def task_metrics(self) -> tuple[str, ...]:
        """The declared task metrics; the user's own file by its path from the current folder."""
        return tuple(
            os.path.relpath(self.folder / text) if task_metrics.is_own(text) and ".py:" in text else text
            for text in self.declared.task_metrics
        )

    def request(self) -> SetJson:
        """Return the JSON for the worker; it has no path of this machine if the samples are cached."""
        declared = self.declared
        return {
            "name": self.name,
            "folder": None if self.cached else os.path.abspath(self.folder),
            "reader": {"kind": declared.reader.kind, "options": dataclasses.asdict(declared.reader.options())},
            "preprocess": {"common": declared.preprocess.declared(), "inputs": declared.preprocess.by_input()},
            "sampling": cast(SamplingJson, declared.sampling.model_dump(mode="json")),
            "constant": list(declared.constant),
        }


def recipe(spec: str) -> SampleRecipe:
    """Return the set that `--calibration` or `--eval` names: a recipe file, or data that a reader recognizes.

    InvalidConfig with all mistakes of a recipe file; RequestError for a path that does not exist (with the
    closest one that does) or that no reader takes.
    """
    require_reachable(spec)
    if spec.endswith(".toml"):
        path = Path(spec)
        _refuse_missing({spec: path})
        return SampleRecipe(path.name, path.parent, config.load(path, DatasetRecipe))
    data = os.path.abspath(spec) if os.path.exists(spec) else spec  # `.` has no name
    for kind in sorted(
        registry.names("samples/readers"), key=lambda kind: kind == "images"
    ):  # the reader that takes any folder comes last
        recognized = registry.load("samples/readers", kind).recognize(data)
        if recognized is not None:
            folder, options = recognized
            reader = ReaderChoice(kind=kind, **dataclasses.asdict(options))
            return SampleRecipe(Path(spec).name or Path(data).name, folder, DatasetRecipe(reader=reader))
    _refuse_missing({spec: Path(spec)})
    raise RequestError(
        f"{spec}: no samples that any reader takes; expected a recipe (.toml), a file (.npz, .npy, .csv, .tfrecord, .parquet, "
        ".wav, .flac, .ogg), a folder of images, sounds or parquet files, or package.module:function"
    )


def require_readable(spec: str) -> None:
    """Raise RequestError with all mistakes in a set's recipe and in its file names; no sample is read."""
    one = recipe(spec)
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})


def refuse_no_sets(*, calibration: bool, evaluation: bool, must_calibrate: bool) -> None:
    """Raise NoSamples if there is no set at all, or no calibration set for a scheme that needs one."""
    if not (calibration or evaluation):
        raise NoSamples("no samples to calibrate or to judge with; give a set with --calibration or --eval")
    if must_calibrate and not calibration:
        raise NoSamples(
            "no calibration set: a static scheme takes the ranges of its activations from one; give it with --calibration"
        )


def samples_job(
    calibration: SampleRecipe | str | None,
    evaluation: SampleRecipe | str | None,
    signature: Signature | Mapping[str, Any] | Path | Job | Output,
    *,
    must_calibrate: bool = False,
) -> Job:
    """Return the job that writes `calibration` and `verification`, folders of samples that fit the model's signature.

    With two sets, each gives its side, and verification leaves out the samples of calibration. A calibration set alone is split. With an evaluation
    set alone there is no `calibration`; NoSamples if a scheme `must_calibrate`. The signature may also be JSON, or a file of it. RequestError for
    missing files.
    """
    given = {"calibration": calibration, "evaluation": evaluation}
    sets = {role: recipe(spec) if isinstance(spec, str) else spec for role, spec in given.items() if spec is not None}
    refuse_no_sets(calibration="calibration" in sets, evaluation="evaluation" in sets, must_calibrate=must_calibrate)
    _refuse_missing({f"{asked.name}: {path}": path for asked in sets.values() for path in asked.files().values()})
    same = {role: (one.request(), one.files()) for role, one in sets.items()}
    if same.get("calibration") == same.get("evaluation"):  # a set that is named twice is split
        del sets["evaluation"]
    return _job("draw", sets, signature)


def whole_set_job(given: SampleRecipe | str, signature: Signature | Mapping[str, Any] | Path | Job | Output) -> Job:
    """Return the job that writes all samples of a set to `verification`, in its own order; none is left out."""
    one = recipe(given) if isinstance(given, str) else given
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})
    return _job("everything", {"evaluation": one}, signature)


def calibration_job(
    calibration: SampleRecipe | str, signature: Signature | Mapping[str, Any] | Path | Job | Output
) -> Job:
    """Return the job that writes `calibration` only, from a set that keeps no samples for judging."""
    one = recipe(calibration) if isinstance(calibration, str) else calibration
    _refuse_missing({f"{one.name}: {path}": path for path in one.files().values()})
    return _job("draw", {"calibration": one}, signature, {"judges": False})


def _job(
    call: str,
    sets: Mapping[str, SampleRecipe],
    signature: Signature | Mapping[str, Any] | Path | Job | Output,
    more: Mapping[str, Any] | None = None,
) -> Job:
    roles = ("calibration", "evaluation")
    options: dict[str, Any] = {role: sets[role].request() if role in sets else None for role in roles} | dict(
        more or {}
    )
    kinds = {one.declared.reader.kind for one in sets.values()}
    inputs: dict[str, Path | Job | Output] = {
        f"{role}.{key}": path for role, one in sets.items() for key, path in one.files().items()
    }
    if isinstance(signature, Signature):
        options["signature"] = _of_inputs(signature.to_json())
    elif isinstance(signature, Mapping):
        options["signature"] = _of_inputs(signature)
    else:
        inputs["signature"] = signature
    return Job(
        title="drawing samples from " + " and ".join(dict.fromkeys(one.name for one in sets.values())),
        module="samples.draw",
        call=call,
        engine=Engine(_environment(kinds)),
        options=options,
        inputs=inputs,
        plugins=tuple(f"samples.readers.{name}" for name in sorted(kinds)),
        cached=all(one.cached for one in sets.values()),
        user_code=not all(one.cached for one in sets.values()),
    )


def _environment(kinds: Iterable[str]) -> str:
    """Return the environment that serves all of these readers: each environment contains "dataset"."""
    needed = {str(registry.load("samples/readers", kind).ENVIRONMENT): kind for kind in sorted(kinds)}
    needed.pop(_ENVIRONMENT, None)
    if len(needed) > 1:
        raise RequestError(
            f"sets for the readers {' and '.join(needed.values())} cannot be read together: no environment has both",
            'write one of them to an .npz: kind = "arrays"',
        )
    return next(iter(needed), _ENVIRONMENT)


def _of_inputs(signature: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a signature: samples depend on nothing else, so models with equal inputs share their samples."""
    keys = ("name", "dtype", "shape", "integers")
    return {"inputs": [{key: spec[key] for key in keys if key in spec} for spec in signature["inputs"]]}


def _refuse_missing(paths: Mapping[str, Path]) -> None:
    """Raise RequestError with a line for each missing path and the closest name that exists."""
    problems = [f"{said}: {_missing(path)}" for said, path in paths.items() if not path.exists()]
    if problems:
        raise RequestError(printable.lines(problems))


def _missing(path: Path) -> str:
    """Return in words which part of the path is missing, and the names in that folder."""
    path = path.absolute()
    while not path.parent.exists():
        path = path.parent
    if not path.parent.is_dir():
        return f"{path.parent.name!r} is a file, not a folder"
    names = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(path.name, names, n=1)
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return (
        f"there is no {path.name!r}; "
        + (f"did you mean {close[0]!r}? " if close else "")
        + f"there: {listed or 'nothing'}"
    )
