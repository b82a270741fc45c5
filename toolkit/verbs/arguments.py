"""What a person hands to a verb: the files that it reads, and where its bundles will lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from toolkit import signatures
from toolkit.opening import Samples
from toolkit.source import Original


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
