"""The files that Keras writes: an archive (`.keras`) or HDF5, with a whole model or with weights only.

Of HDF5 there are two layouts. The old one (Keras 1 and 2, and every `.h5` of a whole model) has a group for each layer, in the order of attributes
`layer_names` and `weight_names`, under `model_weights` in a file of a whole model. The new one (`.weights.h5`, alone or in an archive) has
`vars/0`, `vars/1`, ... under the places of the layers in the model, and no order.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
"""The longest configuration. The largest of Keras's own are 1 MB; a vocabulary of a million words that a layer keeps in it takes ten."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a file: where it lies, and whether it is the model's ("model"), the optimizer's ("optimizer", "counter"), or neither ("other")."""

    name: str
    what: str
    array: Any  # an h5py.Dataset

    def value(self) -> np.ndarray:
        """Return the numbers; bfloat16, which HDF5 has not, as Keras 3 marks it."""
        if self.array.attrs.get("dtype") == "bfloat16":
            import ml_dtypes

            return np.array(self.array, ml_dtypes.bfloat16)
        return np.asarray(self.array)


def container(path: Path) -> str | None:
    """Return "zip" for an archive of Keras (also one that was cut off), "hdf5", or None, as the first bytes tell."""
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
    """Return whether the name of the attribute that holds a model's configuration occurs in a file, read in blocks."""
    wanted = b"model_config"
    tail = b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            if wanted in tail + block:
                return True
            tail = block[-len(wanted) :]
    return False


def not_keras(path: object, file: Path) -> InvalidSource:
    """Return what to say of a file that is called like one of Keras and is none."""
    with open(file, "rb") as opened:
        start = opened.read(len(_LFS))
    if start == _LFS:
        return InvalidSource(f"{path}: is a pointer of Git LFS, not the file itself", "git lfs pull")
    what = "is empty" if not start else f"starts with {start[:8]!r}"
    return InvalidSource(f"{path}: {what}; a .keras archive starts with {ZIP!r}, HDF5 with {HDF5!r}", _AGAIN)


_AGAIN = "copy the file again from where it was saved, or save the model again"


@contextlib.contextmanager
def variables_file(path: object, file: Path) -> Iterator[Any]:
    """Open what holds the variables, as an h5py.File; InvalidSource where the file is damaged, none of Keras, or keeps its numbers elsewhere."""
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
        ) as error:  # what h5py has, of odd types too
            raise damaged(path, error) from error


@contextlib.contextmanager
def _weights_in(opened: archives.Archive) -> Iterator[tuple[Any, int]]:
    """Give the weights in an archive as a file, and its size: where they lie, or unpacked aside if they are packed, which Keras does not do."""
    size = opened.size(_WEIGHTS)
    if opened.is_stored(_WEIGHTS):
        yield opened.window(_WEIGHTS), size
        return
    with tempfile.TemporaryFile() as aside:
        for block in opened.blocks(_WEIGHTS):
            aside.write(block)
        yield aside, size


def packed_weights(path: object, file: Path) -> int | None:
    """Return to how many bytes the weights of an archive unpack, where that takes longer than to look into a file may; None for all others."""
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
    """Return what to say of a file that is other than Keras writes it."""
    return InvalidSource(f"{path}: {error}", _AGAIN)


def damaged(path: object, error: BaseException, what: str = "") -> InvalidSource:
    """Return what to say of a file, or of a part of it, that cannot be read."""
    return InvalidSource(f"{path}: {what + ' ' if what else ''}is damaged: {causes(error)}", _AGAIN)


@contextlib.contextmanager
def archive(path: object, file: Path) -> Iterator[archives.Archive]:
    """Open a `.keras` file; InvalidSource where it was cut off, lacks a part, or is other than it says."""
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
    """Raise InvalidSource where packed weights unpack to far more than the HDF5 file that they begin with: minutes of unpacking, for nothing."""
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
    """Return a table of JSON that Keras wrote; InvalidSource where it is damaged, or longer than any is."""
    if len(content) > MOST_CONFIG_BYTES:
        raise InvalidSource(
            f"{path}: {what} has {len(content):,} bytes; expected at most {MOST_CONFIG_BYTES:,}", _AGAIN
        )
    try:
        found: dict[str, Any] = parse_json(content, what, dict, finite=False)
    except DamagedFile as error:
        raise InvalidSource(f"{path}: is damaged: {error.problem}", _AGAIN) from error
    return found


def text(attribute: Any) -> str | None:
    """Return an attribute of HDF5 as text: old files have bytes."""
    return attribute.decode() if isinstance(attribute, bytes) else None if attribute is None else str(attribute)


def is_old_layout(file: Any) -> bool:
    """Return whether the variables lie in groups of layers, in an order."""
    return "layer_names" in weights_of(file).attrs or "layer_names0" in weights_of(file).attrs


def weights_of(file: Any) -> Any:
    """Return the group that holds the weights; ValueError where something else is in its place."""
    held = file.get("model_weights", file)
    if not hasattr(held, "get"):
        raise ValueError("model_weights in it is not a group")
    return held


def stored(file: Any) -> list[Stored]:
    """Return all arrays of an opened file; in the old layout those of the model first, in the order in which they are read.

    ValueError where the old layout lists more than a file may hold: it could list one array without end.
    """
    import h5py

    found: dict[str, Stored] = {}
    for name, array in _of_layers(file) if is_old_layout(file) else ():
        found[array.name] = Stored(name.removesuffix(":0"), "model", array)
    names: list[bytes] = []

    def note(name: bytes, item: Any) -> None:
        if item.type == h5py.h5o.TYPE_DATASET:
            names.append(name)

    h5py.h5o.visit(file.id, note, info=True)  # h5py's own `visititems` opens every group as well
    for raw in names:
        name = raw.decode("utf-8", "surrogateescape")
        if f"/{name}" not in found:
            found[f"/{name}"] = Stored(name.removesuffix(":0"), _what(name), h5py.Dataset(h5py.h5o.open(file.id, raw)))
    return list(found.values())


def _of_layers(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield (layer/weight, array) of the old layout, in its order."""
    group = weights_of(file)
    seen = 0
    for layer in (*_listed(group, "layer_names"), "top_level_model_weights"):
        held = group.get(layer)
        weights = _listed(held, "weight_names") if held is not None else []
        seen += 1 + len(weights)
        if seen > hdf5.MOST_OBJECTS:
            raise ValueError(f"it lists more than {hdf5.MOST_OBJECTS:,} layers and weights; no model has")
        for weight in weights:
            yield f"{layer}/{weight}", held[weight]


def variables(arrays: Sequence[Stored]) -> list[dict[str, Any]]:
    """Return the model's own variables as JSON, what a build uses of a file's arrays."""
    return [
        {
            "name": one.name,
            "dtype": "bfloat16" if one.array.attrs.get("dtype") == "bfloat16" else str(one.array.dtype),
            "shape": list(one.array.shape),
            "size_bytes": int(one.array.dtype.itemsize * one.array.size),
        }
        for one in arrays
        if one.what == "model"
    ]


def others(arrays: Sequence[Stored]) -> list[dict[str, Any]]:
    """Return a finding for what a file's arrays hold beside the model: an optimizer's state, metrics."""
    surplus = [one for one in arrays if one.what != "model"]
    if not surplus:
        return []
    size = sum(int(one.array.dtype.itemsize * one.array.size) for one in surplus)
    message = f"holds {len(surplus)} arrays of the training, optimizer or metrics, {size:,} bytes, which no build uses"
    return [{"code": "training-state", "severity": "info", "message": message}]


@contextlib.contextmanager
def named(file: Path, suffix: str) -> Iterator[Path]:
    """Give a link to a file under a suffix: Keras goes by the name, and people rename files."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(file.resolve())
        yield link


def _listed(group: Any, name: str) -> list[str]:
    """Return a list of names, which Keras splits over name0, name1, ... where it is too long for one attribute."""
    if name in group.attrs:
        return [str(text(entry)) for entry in group.attrs[name]]
    names: list[str] = []
    chunk = 0
    while f"{name}{chunk}" in group.attrs:
        names += [str(text(entry)) for entry in group.attrs[f"{name}{chunk}"]]
        chunk += 1
    return names


def _what(name: str) -> str:
    parts = name.split("/")
    if parts[0] in ("optimizer", "optimizer_weights", "_optimizer"):
        return "counter" if any(part.startswith(("iter", "learning_rate")) for part in parts) else "optimizer"
    metrics = {"metrics", "_metrics", "compile_metrics", "_compile_metrics", "loss_tracker", "_loss_tracker"}
    return "other" if parts[0] in metrics or any("seed_generator" in part for part in parts) else "model"
