"""The files that Keras writes: an archive (`.keras`) or HDF5, with a whole model or with weights only.

Here files are told apart, checked and opened. `stored_arrays` reads the arrays in them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.errors import DamagedFile, InvalidSource, causes
from toolkit.files import archives
from toolkit.files.foreign import open_plain, parse_json
from toolkit.source.loading.keras_models import hdf5

HDF5, ZIP = hdf5.SIGNATURE, b"PK\x03\x04"  # APPNOTE.TXT of PKWARE, 4.3.7
_ARCHIVED = {"config.json", "metadata.json", "model.weights.h5"}
_LFS = b"version https://git-lfs"
_BLOCK = 1 << 20
_WEIGHTS = "model.weights.h5"

MOST_CONFIG_BYTES = 16 << 20
"""The longest configuration. The largest of Keras's own models have 1 MB; a layer with a vocabulary of a million words has ten."""


def container(path: Path) -> str | None:
    """Return "zip" for an archive of Keras (also one that was cut off), "hdf5", or None, by the first bytes."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        start = file.read(512)
    if start.startswith(HDF5):
        return "hdf5"
    if start.startswith(ZIP):
        first = start[30 : 30 + int.from_bytes(start[26:28], "little")].decode(errors="replace")
        if first in _ARCHIVED or path.suffix == ".keras":
            return "zip"
        return "zip" if "config.json" in archives.names_in(path) else None
    return None


def names_a_model(path: Path) -> bool:
    """Return whether a file, read in blocks, holds the name of the attribute for a model's configuration."""
    wanted = b"model_config"
    tail = b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            if wanted in tail + block:
                return True
            tail = block[-len(wanted) :]
    return False


def not_keras(path: object, file: Path) -> InvalidSource:
    """Return the error for a file with a name of Keras's files that is none."""
    with open(file, "rb") as opened:
        start = opened.read(len(_LFS))
    if start == _LFS:
        return InvalidSource(f"{path}: is a pointer of Git LFS, not the file itself", "git lfs pull")
    what = "is empty" if not start else f"starts with {start[:8]!r}"
    return InvalidSource(f"{path}: {what}; a .keras archive starts with {ZIP!r}, HDF5 with {HDF5!r}", _AGAIN)


_AGAIN = "copy the file again from where it was saved, or save the model again"


@contextlib.contextmanager
def variables_file(path: object, file: Path) -> Iterator[Any]:
    """Open the HDF5 file with the variables, as an h5py.File; InvalidSource where it is damaged, not of Keras, or keeps its numbers elsewhere."""
    kind = container(file)
    if kind is None:
        raise not_keras(path, file)
    with contextlib.ExitStack() as stack:
        try:
            if kind == "zip":
                held, size = stack.enter_context(_weights_in(stack.enter_context(archive(path, file))))
            else:
                held, size = file, file.stat().st_size
            yield stack.enter_context(hdf5.opened(held, size))
        except (hdf5.BadHDF5, archives.BadArchive) as error:
            raise refused(path, error) from error
        except (
            OSError,
            RuntimeError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:  # h5py raises all of these
            raise damaged(path, error) from error


@contextlib.contextmanager
def _weights_in(opened: archives.Archive) -> Iterator[tuple[Any, int]]:
    """Give the weights in an archive as a file, and its size: in place, or unpacked into a temporary file if they are packed (not by Keras)."""
    size = opened.size(_WEIGHTS)
    if opened.is_stored(_WEIGHTS):
        yield opened.window(_WEIGHTS), size
        return
    with tempfile.TemporaryFile() as aside:
        for block in opened.blocks(_WEIGHTS):
            aside.write(block)
        yield aside, size


def packed_weights(path: object, file: Path) -> int | None:
    """Return the unpacked size in bytes of an archive's packed weights, where unpacking takes too long for an inspection; None for all others."""
    if container(file) != "zip":
        return None
    with archive(path, file) as opened:
        size = opened.size(_WEIGHTS)
        return size if size > archives.FREE_BYTES and not opened.is_stored(_WEIGHTS) else None


def require_whole(path: object, file: Path) -> None:
    """Raise InvalidSource for a file that was cut off, or an archive whose checksums are wrong; HDF5 has none."""
    if container(file) == "zip":
        with archive(path, file) as opened:
            try:
                opened.require_intact()
            except archives.BadArchive as error:
                raise refused(path, error) from error
    with variables_file(path, file):
        pass


def refused(path: object, error: Exception) -> InvalidSource:
    """Return the error for a file that Keras would not write."""
    return InvalidSource(f"{path}: {error}", _AGAIN)


def damaged(path: object, error: BaseException, what: str = "") -> InvalidSource:
    """Return the error for a file, or a part of it, that cannot be read."""
    return InvalidSource(f"{path}: {what + ' ' if what else ''}is damaged: {causes(error)}", _AGAIN)


@contextlib.contextmanager
def archive(path: object, file: Path) -> Iterator[archives.Archive]:
    """Open a `.keras` file; InvalidSource where it was cut off, lacks a part, or is not what it declares."""
    with open_plain(file) as held:
        try:
            opened = archives.Archive(held)
            opened.require_proportionate()
        except archives.BadArchive as error:
            raise refused(path, error) from error
        missing = sorted(_ARCHIVED - set(opened.names))
        if missing:
            raise InvalidSource(f"{path}: has no {', '.join(missing)} in it", _AGAIN)
        _require_weights_end(path, opened)
        yield opened


def _require_weights_end(path: object, opened: archives.Archive) -> None:
    """Raise InvalidSource where packed weights unpack to far more than the HDF5 file at their beginning: minutes of unpacking for nothing."""
    size = opened.size(_WEIGHTS)
    if size <= archives.FREE_BYTES or opened.is_stored(_WEIGHTS):
        return
    try:
        end = hdf5.end(next(opened.blocks(_WEIGHTS), b""))
    except archives.BadArchive as error:
        raise refused(path, error) from error
    if end is not None and size > end + archives.FREE_BYTES:
        raise InvalidSource(
            f"{path}: has {_WEIGHTS!r} in it, which unpacks to {size:,} bytes; HDF5 says there that it ends after {end:,}",
            _AGAIN,
        )


def part(path: object, opened: archives.Archive, name: str) -> dict[str, Any]:
    """Return a JSON part of an archive; InvalidSource where it is damaged."""
    try:
        return configuration(path, opened.read(name, MOST_CONFIG_BYTES), f"{name} in it")
    except archives.BadArchive as error:
        raise refused(path, error) from error


def configuration(path: object, content: bytes | str, what: str) -> dict[str, Any]:
    """Return a JSON table of Keras; InvalidSource where it is damaged or too long."""
    if len(content) > MOST_CONFIG_BYTES:
        raise InvalidSource(
            f"{path}: {what} has {len(content):,} bytes; expected at most {MOST_CONFIG_BYTES:,}", _AGAIN
        )
    try:
        found: dict[str, Any] = parse_json(content, what, dict, finite=False)
    except DamagedFile as error:
        raise InvalidSource(f"{path}: is damaged: {error.problem}", _AGAIN) from error
    return found


@contextlib.contextmanager
def named(file: Path, suffix: str) -> Iterator[Path]:
    """Give a link to a file, with the suffix that Keras expects: people rename files."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(file.resolve())
        yield link
