"""Folders with a file for each sample: the order of the files, their classes, and the model's input that they are for."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from toolkit import printable
from toolkit.errors import EdgeToolkitError, InvalidSamples, all_at_once, prefixed, suggestion
from toolkit.files.foreign import looking_through
from toolkit.findings import Finding
from toolkit.samples.readers import inside

_NAMED = 8  # names that one message lists


class Choice(Protocol):
    """The options of such a reader for inputs and labels."""

    @property
    def input(self) -> str | None:
        """The only input that the files are for."""

    @property
    def inputs(self) -> dict[str, str] | None:
        """A subfolder for each input."""

    @property
    def labels(self) -> str:
        """Whether "folders" are classes."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Their order."""


def mostly(data: str, suffixes: Sequence[str]) -> bool:
    """Return whether most files in a folder, at any depth, have one of the suffixes; False if it is no folder."""
    folder = Path(data)
    if not folder.is_dir():
        return False
    counts = Counter(path.suffix.lower() for path in _files(folder))
    return 2 * sum(counts[suffix] for suffix in suffixes) > counts.total()


@dataclass(frozen=True)
class FolderSamples:
    """A file for each sample and input, the samples' labels (None if folders are no classes), and findings.

    `origins` are the samples' names in messages: the path of the first input's file below `folder`. Messages name other files by their path under
    `root`.
    """

    root: Path
    by_input: dict[str, list[Path]]
    origins: list[str]
    labels: list[int] | None
    findings: list[Finding]
    folder: Path

    def place(self, path: str) -> str:
        """Return the prefix of an origin where nothing else says which set it is from; `path` is the set's path in the recipe."""
        if self.root == self.folder.parent and not self.folder.is_dir():
            return inside(PurePosixPath(path).parent.as_posix())
        return inside((PurePosixPath(path) / self.folder.relative_to(self.root).as_posix()).as_posix())


def samples_of(place: Path, options: Choice, names: Sequence[str], suffixes: Sequence[str], what: str) -> FolderSamples:
    """Return the files of a folder for the model's inputs: all files for one input, or a subfolder for each input, paired by name.

    A single file is a sample without a label.
    """
    if place.is_file() and place.suffix.lower() in suffixes and options.inputs is None:
        return FolderSamples(
            place.parent, {_only_input(options.input, names, what): [place]}, [place.name], None, [], place
        )
    if options.inputs is None:
        folders = {_only_input(options.input, names, what): place}
    else:
        folders = {name: place / subfolder for name, subfolder in options.inputs.items()}
    held = _listed(folders, suffixes, what)
    by_input = {name: files for name, (files, _) in held.items()}
    first, folder = next(iter(folders.items()))
    _refuse_unpaired(by_input, folders)
    return FolderSamples(
        place,
        by_input,
        [path.relative_to(folder).as_posix() for path in by_input[first]],
        _labels_by_folder(folder, by_input[first], options.classes) if options.labels == "folders" else None,
        [finding for _, findings in held.values() for finding in findings],
        folder,
    )


def _refuse_unpaired(by_input: Mapping[str, list[Path]], folders: Mapping[str, Path]) -> None:
    """Raise InvalidSamples for a file that has no counterpart of the same name, with any suffix, in each other input."""
    names = {
        name: [path.relative_to(folders[name]).with_suffix("").as_posix() for path in files]
        for name, files in by_input.items()
    }
    first, wanted = next(iter(names.items()))
    problems = []
    for name, found in names.items():
        if found != wanted:
            lone = sorted(set(found) ^ set(wanted)) or [name for name in wanted if wanted.count(name) > 1]
            problems.append(
                f"{some(lone)} {'are' if len(lone) > 1 else 'is'} not there once for each of the inputs {first!r} and {name!r}"
            )
    if problems:
        raise InvalidSamples(
            printable.lines(problems), "files of one sample have one name in the folders of all inputs"
        )


def some(names: Sequence[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


def _listed(
    folders: Mapping[str, Path], suffixes: Sequence[str], what: str
) -> dict[str, tuple[list[Path], list[Finding]]]:
    """Return the result of `listing` for each input; InvalidSamples with the problem of each folder."""
    held, problems = {}, list[EdgeToolkitError]()
    for name, folder in folders.items():
        try:
            held[name] = listing(folder, suffixes, what)
        except InvalidSamples as error:
            problems.append(error if len(folders) == 1 else prefixed(f"input {name!r}: ", error))
    if problems:
        raise all_at_once(problems)
    return held


def listing(folder: Path, suffixes: Sequence[str], what: str) -> tuple[list[Path], list[Finding]]:
    """Return the files with one of the suffixes, sorted by path, and the finding about the others; InvalidSamples if there are none.

    Hidden files are no samples.
    """
    if not folder.is_dir():
        raise InvalidSamples(f"{folder.name}: is a file; expected a folder of {what}")
    taken: list[Path] = []
    skipped: list[Path] = []
    for path in _files(folder):
        (taken if path.suffix.lower() in suffixes else skipped).append(path)
    first = skipped[0].relative_to(folder).as_posix() if skipped else None
    if not taken:
        there = f"{len(skipped)} other files, {first!r} first" if skipped else "nothing"
        raise InvalidSamples(f"holds no sample; expected {what} ({', '.join(suffixes)}); there: {there}")
    if not skipped:
        return taken, []
    message = f"{len(skipped)} files that are no {what} ({', '.join(suffixes)}) were left out, {first!r} first"
    return taken, [Finding("skipped-files", "info", message, facts={"count": len(skipped)})]


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and in the folders that it links to, sorted by path, without hidden files.

    InvalidSamples for a folder that cannot be read, for a link without a target, and for a link to a folder above it.
    """
    problems = list[str]()

    def told(error: OSError) -> None:
        if error.errno == errno.ENAMETOOLONG:
            raise error
        problems.append(f"{Path(error.filename).relative_to(folder).as_posix()}: cannot be read: {error.strerror}")

    files: list[Path] = []
    with looking_through(folder):  # a path that is too long fails here, as it does when it is listed
        for where, folders, names in os.walk(folder, onerror=told, followlinks=True):
            paths = [Path(where, name) for name in names if not name.startswith(".")]
            files += [path for path in paths if path.is_file()]
            lost = [path for path in paths if path.is_symlink() and not path.exists()]
            problems += [f"{path.relative_to(folder).as_posix()}: is a link to what is not there" for path in lost]
            seen = [name for name in sorted(folders) if not name.startswith(".")]
            rings = [name for name in seen if _leads_back(Path(where, name))]
            folders[:] = [name for name in seen if name not in rings]
            problems += [
                f"{Path(where, name).relative_to(folder).as_posix()}: is a link to a folder that it lies in"
                for name in rings
            ]
    if problems:
        more = [f"and {len(problems) - _NAMED} more"] if len(problems) > _NAMED else []
        raise InvalidSamples(printable.lines([*problems[:_NAMED], *more]), "mend or remove it")
    yield from sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _leads_back(path: Path) -> bool:
    """Return whether a folder is a link to a folder above it: a walk through it would never end."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _labels_by_folder(folder: Path, files: Sequence[Path], classes: Sequence[str] | None) -> list[int] | None:
    """Return each file's class: its subfolder's place in the sorted names or in `classes`; None if all files lie in the folder itself."""
    found = [path.relative_to(folder).parts[0] if path.parent != folder else None for path in files]
    names = sorted({name for name in found if name is not None})
    if not names:
        return None
    if None in found:
        stray = [path.name for path, folder_name in zip(files, found, strict=True) if folder_name is None]
        shown = stray[0] if len(stray) == 1 else some(stray)
        lies = (
            "lies beside the class folders {}, so it has no label"
            if len(stray) == 1
            else "lie beside the class folders {}, so they have no label"
        )
        raise InvalidSamples(
            f"{shown} {lies.format(', '.join(names))}",
            'move it into one of them, or declare [reader] labels = "none"',
        )
    if classes is None:
        _refuse_empty(folder, names)
    order = list(classes or names)
    unknown = [name for name in names if name not in order]
    if unknown:
        raise InvalidSamples(
            printable.lines(
                f"class folder {name!r}: not among `classes`; {suggestion(name, order)}" for name in unknown
            )
        )
    places = {name: order.index(name) for name in names}
    return [places[name] for name in found if name is not None]


def _refuse_empty(folder: Path, names: Sequence[str]) -> None:
    """Raise InvalidSamples for an empty folder that comes before a class by name: a training that counted it gave that class another number."""
    others = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    empty = [name for name in others if name not in names and name < names[-1]]
    if empty:
        order = json.dumps(sorted({*names, *empty}), ensure_ascii=False)
        raise InvalidSamples(
            printable.lines(f"class folder {name!r}: holds no sample" for name in empty),
            f"remove it, or declare [reader] classes = {order}, as the model numbers them",
        )


def _only_input(declared: str | None, names: Sequence[str], what: str) -> str:
    """Return the model's input for such a folder: the declared one, or the only one."""
    name = declared or (names[0] if len(names) == 1 else None)
    if name is None:
        raise InvalidSamples(
            f"the model has the inputs {list(names)}; [reader] input = says which one takes the {what}"
        )
    return name
