"""The arguments of verbs: plain strings and paths, the files that are read, and the places of bundles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from toolkit.errors import RequestError
from toolkit.pipeline import signatures
from toolkit.pipeline.prepare import Samples, Sets
from toolkit.source.original import Original

Place = str | Path
Targets = Place | Sequence[Place]


def original_of(given: object) -> Original:
    """Return the model of a path, or the given Original; RequestError for anything else, for example a model in memory."""
    if isinstance(given, Original):
        return given
    if isinstance(given, str | Path):
        return Original(Path(given))
    problem = f"model: is an object of class {type(given).__name__}; expected a path or a toolkit.Original"
    raise RequestError(problem, "save the model, as in model.save('model.keras'), and give the path")


def targets_of(given: object) -> tuple[str, ...]:
    """Return the names and paths of the profiles, given as one or as several; RequestError for anything else."""
    several = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    named = tuple(str(each) for each in several if isinstance(each, str | Path))
    if len(named) < len(several):
        raise RequestError(f"targets: {given!r}; expected the name of a target, or several, as in ['host']")
    return named


def samples_from(samples: object, calibration: Sets, evaluation: Sets) -> Samples:
    """Return the samples: the given `Samples`, or those of the two sets; RequestError for both at once, and for anything else."""
    if samples is None:
        return Samples(calibration, evaluation)
    if not isinstance(samples, Samples):
        problem = f"samples: is an object of class {type(samples).__name__}; expected toolkit.Samples(...)"
        raise RequestError(problem, "a set alone is given as calibration= or evaluation=")
    if calibration is not None or evaluation is not None:
        raise RequestError("samples: given with calibration or evaluation; expected one of these ways")
    return samples


def inputs_of(original: Original, samples: Samples) -> Iterator[Path | str | None]:
    """Yield the inputs of a verb as they were given: paths, and texts that may be no path."""
    yield from (original.path, original.map, samples.limits, (original.builder or "").rpartition(":")[0] or None)
    for sets in (samples.calibration, samples.evaluation):
        yield from sets.values() if isinstance(sets, Mapping) else (sets,)


def profile_files(targets: Iterable[str]) -> list[str]:
    """Return the profiles that are given as files; a plain name is no file, even if a file has this name."""
    return [each for each in targets if each.endswith(".toml")]


def bundle_places(signature: str | tuple[str, ...] | None, names: Iterable[str], out: Path) -> list[Path]:
    """Return the folder of each target's bundle; each of several signatures has its own."""
    several = isinstance(signature, tuple) and len(signature) > 1
    folders = [out / signatures.folder_of(key) for key in signature or ()] if several else [out]
    return [folder / name for folder in folders for name in names]
