"""Checks each path that a verb will write before any work begins: foreign files are never replaced.

A file may be replaced where it is empty, or where its content (not its name) is of the kind that is to be written. Anything else of that name
(another file, a folder, a link, a pipe, a device) is refused. So is a path in a bundle, one that the verb reads, and one that is named twice. The
check is made again when the new file takes its place.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import printable
from toolkit.errors import EdgeToolkitError, RequestError
from toolkit.files import manifest
from toolkit.files.foreign import open_plain
from toolkit.files.places import make_folders, not_a_file
from toolkit.files.whole import Refusal, storage_failed, whole_file

_LOOKED_AT = 1 << 16  # bytes of a file's beginning, which show its kind
_END = 1024  # bytes of its end: a zip archive's comment lies there, and the mark of our node data
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that is written: its name, and a test by the first 64 KiB of a file and the last of a longer one."""

    what: str
    recognises: Callable[[bytes], bool]

    def refusal(self, path: Path) -> str | None:
        """Return why a file of this kind must not replace what lies at a path, or None."""
        problem = not_a_file(path)
        if problem is not None or not os.path.lexists(path):
            return problem
        try:
            with open_plain(path) as file:
                seen = file.read(_LOOKED_AT)
                if os.fstat(file.fileno()).st_size > _LOOKED_AT + _END:
                    file.seek(-_END, os.SEEK_END)
                seen += file.read()
        except (OSError, RequestError) as error:
            return f"cannot be read, so nobody knows what would be lost ({error})"
        if not seen or self.recognises(seen):
            return None
        return f"is a file that holds something else than {self.what}; choose another name for it"


@dataclass(frozen=True, slots=True)
class OutputPath:
    """A file or folder that is to be written, and the test whether it may replace what lies there."""

    path: Path
    refusal: Refusal


def kind_of_json(name: str) -> FileKind:
    """Return the kind of JSON files of ours that begin with their format, `"format": "edge-toolkit NAME"`."""
    begins = re.compile(rb'\s*\{\s*"format"\s*:\s*"edge-toolkit ' + re.escape(name.encode()) + b'"')
    return FileKind(f"the {name} of this program (JSON)", lambda seen: begins.match(seen) is not None)


def _is_png(seen: bytes) -> bool:
    return seen.startswith(b"\x89PNG") and b"tEXtSoftware\0edge-toolkit" in seen


def _is_svg(seen: bytes) -> bool:
    return seen.startswith(b"<?xml") and re.search(rb"<dc:title>edge-toolkit</dc:title>", seen) is not None


PLOTS = {
    "png": FileKind("a plot of this program (PNG)", _is_png),
    "svg": FileKind("a plot of this program (SVG)", _is_svg),
}


def require(outputs: Sequence[OutputPath], inputs: Iterable[Path | str | None] = ()) -> None:
    """Raise RequestError with all reasons why a verb cannot write its files; nothing is made or opened for writing.

    `inputs` are the files and folders that the verb reads. Nothing is written into a folder that is a model or holds samples.
    """
    read = [Path(each) for each in inputs if each is not None and os.path.exists(each)]
    problems = [printable.line(f"{each.path}: {problem}") for each in outputs for problem in _problems(each, read)]
    problems += map(printable.line, _twice([each.path for each in outputs]))
    if problems:
        raise RequestError(printable.lines(dict.fromkeys(problems)), "nothing was written or changed")


def _problems(output: OutputPath, inputs: Iterable[Path]) -> Iterator[str]:
    problem = output.refusal(output.path)
    if problem is not None:
        yield problem
    bundle = manifest.enclosing(output.path)
    if bundle is not None:
        yield f"lies in the bundle {bundle}, which is written as a whole; choose a place outside of it"
    place = Path(os.path.realpath(output.path))
    for one in inputs:
        held = Path(os.path.realpath(one))
        if place == held:
            yield "is an input of this run; choose another place"
        elif place in held.parents:
            yield f"holds {one}, an input of this run; choose another place"
        elif held in place.parents and _is_one_thing(held):
            yield f"lies in {one}, an input of this run; choose a place outside of it"


def _is_one_thing(folder: Path) -> bool:
    """Return whether a folder is a model, all of whose files count."""
    return any((folder / name).is_file() for name in _SAVED_MODEL)


def _twice(paths: Sequence[Path]) -> Iterator[str]:
    places = [Path(os.path.realpath(path)) for path in paths]
    for number, (path, place) in enumerate(zip(paths, places, strict=True)):
        if place in places[:number]:
            yield f"{path}: is to be written twice; choose a place for each"
        for other, there in zip(paths, places, strict=True):
            if there in place.parents:
                yield f"{path}: lies in {other}, which is written as a whole; choose a place outside of it"


def require_writable(out: Path) -> None:
    """Make the output folder if it is not there; raise RequestError where nothing can be written to it, before any work begins."""
    try:
        make_folders(out)
    except OSError as error:
        raise _not_writable(out, error) from error
    _require_writable(out)


def _require_writable(out: Path) -> None:
    try:
        with tempfile.NamedTemporaryFile(
            prefix=".writable-", dir=out
        ):  # a file with a name, which a full disk has no room for
            pass
    except OSError as error:
        raise _not_writable(out, error) from error


def _not_writable(out: Path, error: OSError) -> EdgeToolkitError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return storage_failed(out, error)
    return RequestError(
        f"{out}: nothing can be written there ({error.strerror}); choose a folder that you may write to"
    )


def require_files(outputs: Sequence[OutputPath], inputs: Iterable[Path | str | None] = ()) -> None:
    """Check as `require` does, and raise RequestError where nothing can be written to the folder of a file, or to the one that it will lie in."""
    require(outputs, inputs)
    for folder in dict.fromkeys(each.path.parent for each in outputs):
        _require_writable(next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each)))


def copy_whole(source: Path, place: Path, kind: FileKind) -> None:
    """Copy a file, whole or not at all; RequestError where a file of another kind lies there."""
    with whole_file(place, kind.refusal) as aside:
        shutil.copyfile(source, aside)


def write_text(text: str, place: Path, kind: FileKind) -> None:
    """Write a text file, UTF-8, whole or not at all; RequestError where a file of another kind lies there."""
    with whole_file(place, kind.refusal) as aside:
        aside.write_bytes(text.encode())
