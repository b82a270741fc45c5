"""Samples in numpy's files: an .npz with an array per input, or .npy files; the first axis counts the samples.

The arrays are never all in memory: rows are read from the file, one by one. Compressed arrays of an .npz are first unpacked into a temporary folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.files import npz
from toolkit.files.archives import Archive
from toolkit.findings import Finding
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.samples.readers._columns import label_by_name, require, require_all

CACHED = True
ENVIRONMENT = "dataset"
# numpy raises these for damaged files; BadArchive is a ValueError.
_DAMAGED = (EOFError, ValueError, OverflowError, RuntimeError)


@dataclass(frozen=True)
class Options:
    """`path`: an .npz or .npy; `inputs`: an array of the .npz, or an .npy file, by model input; `labels`: one, or by target.

    Where `inputs` does not name an array, the reader takes the one that has the name of the input, or the only array for the only input.
    """

    path: str | None = None
    inputs: dict[str, str] | None = None
    labels: str | dict[str, str] | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.path is None and not (self.inputs and all(_is_file(name) for name in self.inputs.values())):
            raise ValueError('names no data; give path = "samples.npz", or inputs = { image = "image.npy" }')


@dataclass(frozen=True)
class _Array:
    """An array in a file; only its header was read. `member` is its name inside an .npz."""

    path: Path
    member: str | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _is_file(name: str) -> bool:
    return name.endswith(".npy")


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for an .npz or .npy file."""
    path = Path(data)
    return (path.parent, Options(path.name)) if path.suffix in (".npz", ".npy") else None


def files(options: Options) -> dict[str, str]:
    """Return the files that the options name."""
    labels = options.labels if isinstance(options.labels, dict) else {"": options.labels or ""}
    named = {"path": options.path}
    named.update({f"labels.{target}".rstrip("."): file for target, file in labels.items() if _is_file(file)})
    named.update({f"inputs.{name}": file for name, file in (options.inputs or {}).items() if _is_file(file)})
    return {key: file for key, file in named.items() if file is not None}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per row of the arrays."""
    held = _headers(files["path"]) if "path" in files else {}
    require_all(_members(options), list(held), "array")
    labels, findings = _labels(options, files, held, asked)
    chosen = _inputs(options, files, held, asked, labels)
    unused = sorted(set(held) - {array.member or "" for array in (*chosen.values(), *labels.values())})
    if unused and options.inputs is None:
        message = f"arrays that no input of the model is named after are not used: {', '.join(unused)}"
        findings.append(Finding("unused-arrays", "info", message, facts={"arrays": unused}))
    several = isinstance(options.labels, dict)
    count = _common_count(
        {**chosen, **{f"labels.{name}" if several else name: array for name, array in labels.items()}}
    )
    rows = {name: _rows(array, asked.scratch) for name, array in chosen.items()}
    targets = {target: _rows(array, asked.scratch, texts=True) for target, array in labels.items()}

    def at(index: int) -> Sample:
        truth = {target: row(index) for target, row in targets.items()}
        return Sample(
            {name: row(index) for name, row in rows.items()},
            truth if several else truth.get("labels"),
            f"sample {index}",
        )

    return Reading(Indexed(count, at), findings, f"{options.path or next(iter((options.inputs or {}).values()))}: ")


def _members(options: Options) -> list[tuple[str, str]]:
    """Return the arrays of an .npz that the recipe names, each with its key."""
    labels = options.labels if isinstance(options.labels, dict) else {"": options.labels} if options.labels else {}
    named = [(f"inputs.{name}", source) for name, source in (options.inputs or {}).items()]
    named += [(f"labels.{target}".rstrip("."), source) for target, source in labels.items()]
    return [(key, source) for key, source in named if not _is_file(source)]


def _labels(
    options: Options, files: Mapping[str, Path], held: dict[str, _Array], asked: ReadRequest
) -> tuple[dict[str, _Array], list[Finding]]:
    """Return the arrays of the labels by target (a single unnamed one as `labels`), and the finding about labels that were found by name."""
    if options.labels is not None:
        keys = options.labels if isinstance(options.labels, dict) else {"": options.labels}
        places = {target: f"labels.{target}".rstrip(".") for target in keys}
        found = {
            target or "labels": _single(files[places[target]]) if _is_file(name) else _pick(name, held, places[target])
            for target, name in keys.items()
        }
        return found, []
    of_numbers = [name for name, array in held.items() if array.dtype.kind in "iufb"]
    name, findings = label_by_name(of_numbers, {*asked.names, *(options.inputs or {}).values()}, "array")
    return {} if name is None else {"labels": held[name]}, findings


def _inputs(
    options: Options,
    files: Mapping[str, Path],
    held: dict[str, _Array],
    asked: ReadRequest,
    labels: Mapping[str, _Array],
) -> dict[str, _Array]:
    if options.inputs is not None:
        return {
            name: _single(files[f"inputs.{name}"]) if _is_file(source) else _pick(source, held, f"inputs.{name}")
            for name, source in options.inputs.items()
        }
    candidates = {
        name: array for name, array in held.items() if array not in labels.values() and array.dtype.kind in "iufb"
    }
    missing = [name for name in asked.names if name not in candidates]
    if not missing:
        return {name: candidates[name] for name in asked.names}
    if len(asked.names) == 1 and len(candidates) == 1:
        return {asked.names[0]: next(iter(candidates.values()))}
    there = ", ".join(
        f"{name or 'one without a name'} {array.dtype} {array.shape}" for name, array in sorted(candidates.items())
    )
    raise InvalidSamples(
        f"no array for the model's inputs {missing}; arrays: {there or 'none with numbers'}",
        f'say which it is: [reader] inputs = {{ {missing[0]} = "NAME OF AN ARRAY" }}',
    )


def _pick(name: str, held: dict[str, _Array], key: str) -> _Array:
    return held[require(name, list(held), key, "array")]


def _single(path: Path) -> _Array:
    arrays = list(_headers(path).values())
    if len(arrays) != 1 or arrays[0].member is not None:
        raise InvalidSamples(f"{path.name}: is an .npz; expected an .npy with a single array")
    return arrays[0]


def _common_count(arrays: Mapping[str, _Array]) -> int:
    """Return the number of samples; InvalidSamples unless all arrays have the same."""
    bare = [name for name, array in arrays.items() if not array.shape]
    if bare:
        raise InvalidSamples(f"array {bare[0]!r} is a single number; the first axis of an array counts the samples")
    counts = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InvalidSamples(f"the arrays hold different numbers of samples along their first axis: {told}")
    return next(iter(counts.values()), 0)


def _headers(path: Path) -> dict[str, _Array]:
    """Return the arrays of an .npz by name, or the array of an .npy under the name ''."""
    if path.is_dir():
        raise InvalidSamples(f"{path.name}: is a folder; expected an .npz or .npy file")
    try:
        with open(path, "rb") as file:
            start = file.read(6)
            file.seek(0)
            if start == np.lib.format.MAGIC_PREFIX:
                return {"": _Array(path, None, *npz.header(file))}
            if start[:2] != b"PK":
                raise InvalidSamples(f"{path.name}: neither an .npz nor an .npy, as numpy.savez and numpy.save write")
            return {name: _Array(path, name, *told) for name, told in npz.headers(Archive(file)).items()}
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _rows(array: _Array, scratch: Path, *, texts: bool = False) -> Callable[[int], Any]:
    """Return a function that reads one row; with `texts`, it reads a text from an array of texts (N,)."""
    if texts and array.dtype.kind == "U" and len(array.shape) == 1:
        path = array.path if array.member is None else _unpack(array, scratch)
        words = np.load(path, mmap_mode="r", allow_pickle=False)  # each has the declared length, even a megabyte
        return lambda index: str(words[index])
    if array.dtype.kind not in "iufb":
        what = "Python objects, which could run code when read" if array.dtype.hasobject else f"of dtype {array.dtype}"
        raise InvalidSamples(f"array {array.member or array.path.name!r} is {what}; expected an array of numbers")
    if array.shape[:1] != (0,) and 0 in array.shape:
        raise InvalidSamples(f"array {array.member or array.path.name!r} has the shape {array.shape}: no number in it")
    try:
        path = array.path if array.member is None else _unpack(array, scratch)
        mapped = (
            np.load(path, mmap_mode="r", allow_pickle=False)
            if 0 not in array.shape
            else np.zeros(array.shape, array.dtype)
        )
    except _DAMAGED as error:
        raise _damaged(array.path, error) from error
    if not isinstance(mapped, np.memmap) or not mapped.flags.c_contiguous:
        return lambda index: np.array(mapped[index])
    offset, row, shape = mapped.offset, mapped.nbytes // len(mapped), array.shape[1:]
    size = row // mapped.itemsize

    def at(index: int) -> np.ndarray:  # no map: its rows would stay resident until the whole file is
        values: np.ndarray = np.fromfile(path, array.dtype, count=size, offset=offset + index * row)
        return values.reshape(shape)

    return at


def _unpack(array: _Array, scratch: Path) -> Path:
    """Copy one array of an .npz into its own file and return that, so that its rows can be read one by one."""
    with open(array.path, "rb") as file:
        archive = Archive(file)
        (part,) = (name for name in archive.names if name.removesuffix(".npy") == array.member)
        free = shutil.disk_usage(scratch).free
        if archive.size(part) > free:
            raise InvalidSamples(
                f"{array.path.name}: {array.member!r} unpacks to {archive.size(part)} bytes; {scratch} has {free} free"
            )
        path = scratch / f"{len(list(scratch.iterdir()))}.npy"
        with open(path, "wb") as unpacked:
            unpacked.writelines(archive.blocks(part))
    return path


def _damaged(path: Path, error: BaseException) -> InvalidSamples:
    return InvalidSamples(
        f"{path.name}: cannot be read, it is damaged or cut short ({error})", "make or download the file again"
    )
