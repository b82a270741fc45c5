"""What a person hands to a verb: plain strings and paths, the files that are read, and where bundles will lie."""

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
    """Return the model that is meant by a path, or by an Original; RequestError for anything else, a model in memory say."""
    if isinstance(given, Original):
        return given
    if isinstance(given, str | Path):
        return Original(Path(given))
    problem = f"model: is an object of class {type(given).__name__}; expected a path or a toolkit.Original"
    raise RequestError(problem, "save the model, as in model.save('model.keras'), and give the path")


def targets_of(given: object) -> tuple[str, ...]:
    """Return the names and paths of profiles, of one or of several; RequestError for anything else."""
    several = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    named = tuple(str(each) for each in several if isinstance(each, str | Path))
    if len(named) < len(several):
        raise RequestError(f"targets: {given!r}; expected the name of a target, or several, as in ['host']")
    return named


def samples_from(samples: object, calibration: Sets, evaluation: Sets) -> Samples:
    """Return the samples that are meant: all that is said of them, or the sets alone; RequestError for both at once, and for anything else."""
    if samples is None:
        return Samples(calibration, evaluation)
    if not isinstance(samples, Samples):
        problem = f"samples: is an object of class {type(samples).__name__}; expected toolkit.Samples(...)"
        raise RequestError(problem, "a set alone is given as calibration= or evaluation=")
    if calibration is not None or evaluation is not None:
        raise RequestError("samples: given with calibration or evaluation; expected one of these ways")
    return samples


def inputs_of(original: Original, samples: Samples) -> Iterator[Path | str | None]:
    """Yield what a verb reads, as it was said: paths, and texts that may be no path."""
    yield from (original.path, original.map, samples.limits, (original.builder or "").rpartition(":")[0] or None)
    for sets in (samples.calibration, samples.evaluation):
        yield from sets.values() if isinstance(sets, Mapping) else (sets,)


def profile_files(targets: Iterable[str]) -> list[str]:
    """Return the profiles that are named by their files; a name alone is no file, even where one is called so."""
    return [each for each in targets if each.endswith(".toml")]


def bundle_places(signature: str | tuple[str, ...] | None, names: Iterable[str], out: Path) -> list[Path]:
    """Return the folder of each target's bundle; of several signatures each has its own."""
    several = isinstance(signature, tuple) and len(signature) > 1
    folders = [out / signatures.folder_of(key) for key in signature or ()] if several else [out]
    return [folder / name for folder in folders for name in names]
