"""HDF5 files that somebody else may have written: only this module opens them, and it checks the whole file before a number is read.

HDF5 can keep a dataset's numbers in any other file (external storage, virtual datasets), lead to other files (external links), load code to unpack
numbers (filters), and declare a terabyte that is not there (fill values). Keras writes only groups, and datasets with their numbers in the file.
Anything else is refused by name, with or without trust. Format: HDF5 File Format Specification, version 3.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from toolkit.files.archives import FREE_BYTES, MOST_EXPANSION, is_disproportionate

SIGNATURE = b"\x89HDF\r\n\x1a\n"  # II.A
_SUPERBLOCK = 52  # bytes up to the end-of-file address of the longest version, with addresses of 8 bytes

MOST_OBJECTS = 20_000
"""Groups and datasets of one file: a model has one or two for each variable and layer, Keras's largest 6,000. A check of one takes 0.1 ms."""

DEEPEST = 64
"""Groups inside each other; Keras makes two or three for each model inside of a model."""

# H5Zpublic.h of HDF5 2.0, and the one that h5py brings. HDF5 looks for the code of any other in a folder of plugins.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_NUMBERS = "biufV"  # V: bfloat16, which HDF5 has not


class BadHDF5(ValueError):
    """A file that keeps numbers elsewhere, or declares what it does not hold. The text begins with a verb: callers put the file's name before it."""


@contextlib.contextmanager
def opened(file: Any, size: int) -> Iterator[Any]:
    """Open a path or a file-like object of `size` bytes as an h5py.File for reading, after a check of all of it; BadHDF5 for what is refused."""
    import h5py

    with h5py.File(file, "r") as found:
        _check(found, size)
        yield found


def end(start: bytes) -> int | None:
    """Return the length of a file in bytes, from its superblock; None where it starts with no known one (II.A, versions 0 to 3)."""
    place = (
        {0: 40, 1: 44, 2: 28, 3: 28}.get(start[8])
        if start.startswith(SIGNATURE) and len(start) >= _SUPERBLOCK
        else None
    )
    return None if place is None else int.from_bytes(start[place : place + 8], "little")


def _check(file: Any, size: int) -> None:
    import h5py

    names: list[bytes] = []
    problems: list[str] = []

    def note(name: bytes, link: Any) -> int | None:
        if link.type != h5py.h5l.TYPE_HARD:
            kind = "an external link, to another file" if link.type == h5py.h5l.TYPE_EXTERNAL else "a soft link"
            problems.append(f"has {_told(name)} in it, which is {kind}; expected groups and numbers")
        elif len(names) == MOST_OBJECTS or name.count(b"/") >= DEEPEST:
            what = (
                f"{DEEPEST} groups inside each other"
                if len(names) < MOST_OBJECTS
                else f"{MOST_OBJECTS:,} groups and arrays"
            )
            problems.append(f"has more than {what} in it; no model has")
        else:
            names.append(name)
        return 1 if problems else None  # a value ends the walk

    file.id.links.visit(note, info=True)
    if problems:
        raise BadHDF5(problems[0])
    stored: dict[Any, int] = {}
    for name in names:
        item = h5py.h5o.open(file.id, name)
        if isinstance(item, h5py.h5d.DatasetID):
            stored[h5py.h5o.get_info(item).addr] = _stored_bytes(_told(name), item)
    if sum(stored.values()) > size:
        raise BadHDF5(
            f"says that its arrays take {sum(stored.values()):,} bytes of its {size:,}; they lie over one another"
        )


def _stored_bytes(name: str, dataset: Any) -> int:
    """Return how many bytes of the file a dataset takes; BadHDF5 where its numbers are elsewhere, packed by other code, or not there."""
    import h5py

    made = dataset.get_create_plist()
    if made.get_external_count():
        raise BadHDF5(f"has {name} in it, whose numbers are in another file, {_told(made.get_external(0)[0])!r}")
    if made.get_layout() == h5py.h5d.VIRTUAL:
        raise BadHDF5(f"has {name} in it, a virtual dataset, whose numbers are in other files or places")
    for place in range(made.get_nfilters()):
        code, *_, label = made.get_filter(place)
        if code not in _FILTERS:
            raise BadHDF5(
                f"has {name} in it, packed by filter {code} {_told(label)!r}, which is code from elsewhere; known: {', '.join(_FILTERS.values())}"
            )
    if dataset.dtype.kind not in _NUMBERS:
        raise BadHDF5(f"has {name} in it, of {dataset.dtype}; expected numbers")
    declared = math.prod(int(each) for each in dataset.shape) * dataset.dtype.itemsize
    taken = int(dataset.get_storage_size())
    short = (
        taken < declared
        if not made.get_nfilters()
        else _has_holes(dataset, made) or is_disproportionate(taken, declared)
    )
    if short:
        raise BadHDF5(
            f"has {name} in it, which declares {declared:,} bytes of numbers and holds {taken:,}; expected all of them, "
            f"packed at most {MOST_EXPANSION} times where that is more than {FREE_BYTES:,}"
        )
    return taken


def _has_holes(dataset: Any, made: Any) -> bool:
    """Return whether a dataset has fewer chunks than its shape needs: the rest would be fill values."""
    wanted = math.prod(-(-int(size) // int(chunk)) for size, chunk in zip(dataset.shape, made.get_chunk(), strict=True))
    return int(dataset.get_num_chunks()) < wanted


def _told(name: bytes | str) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
