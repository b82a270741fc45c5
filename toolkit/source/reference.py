"""The original model in its own framework: what it is, its canonical form, its outputs, and how repeatable these are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from toolkit import printable
from toolkit.engines import table_index
from toolkit.engines.answers import check
from toolkit.engines.tensorflow.devices import use
from toolkit.engines.tensorflow.messages import message, parse, specs
from toolkit.errors import EdgeToolkitError, InvalidSource, causes
from toolkit.source.loading import DEFAULT_KEY, LoadedOriginal
from toolkit.source.loading.builder import code_read
from toolkit.source.loading.operators import abilities, is_stateful, random_operators, refuse_reaching
from toolkit.tensors.signature import SignatureJson
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_index, read_shards, sequence_length

_BATCH = 64  # samples in one call, where the model takes a batch of any size
_NOISE_SAMPLES = 16

Arrays = dict[str, np.ndarray]
Call = Callable[[Arrays], Arrays]


def open_(request: Request) -> dict[str, Any]:
    """Load the model and return the fields of `LoadedOriginal`, and the files of the builder's code: SHA-256 by path."""
    use("cpu")
    original = _load(request)
    return {
        "engine": original.engine,
        "loader": original.loader,
        "signatures": original.signatures,
        "operators": sorted(original.operators),
        "coverage": original.coverage,
        "findings": [each.to_json() for each in original.findings],
        "code": code_read(),
    }


def canonicalize(request: Request) -> dict[str, Any]:
    """Write out/saved_model and return its signature: the requested one, as `serving_default`, with these shapes and the same names.

    Options: `signature` (a key) and `shapes` (of one call, by input name). The samples in inputs["samples"] give sizes and shapes of null; without
    samples these stay open.
    """
    use("cpu")
    key, shapes = request.options["signature"], _shapes(request)
    original = _load(request)
    (declared,) = (signature for signature in original.signatures if signature["key"] == key)
    try:
        original.save(key, shapes, request.out / "saved_model")
    except EdgeToolkitError as error:
        hint = _about_open_sizes(request, shapes)
        error.hint = error.hint or (None if hint is None else printable.line(hint))
        raise
    except Exception as error:
        path = request.options["path"]
        raise InvalidSource(
            f"{path}: cannot be saved with the shapes {shapes} ({causes(error)})", _about_open_sizes(request, shapes)
        ) from error
    file = request.out / "saved_model" / "saved_model.pb"
    graph = parse(message("protobuf.saved_model", "SavedModel"), file, "SavedModel").meta_graphs[0]
    made = graph.signature_def[DEFAULT_KEY]
    signature: SignatureJson = {"key": DEFAULT_KEY, "inputs": specs(made.inputs), "outputs": specs(made.outputs)}
    for side in ("inputs", "outputs"):
        wanted, found = (sorted(str(spec["name"]) for spec in one[side]) for one in (declared, signature))
        if wanted != found:
            raise InvalidSource(f"{request.options['path']}: {side} are called {wanted}, in its canonical form {found}")
    return {"signature": signature}


def run(request: Request) -> dict[str, Any]:
    """Run the original on inputs["samples"] and write out/outputs; return engine, signature, count, noise and device.

    `noise` holds the largest absolute difference (real units) by output name, over the first samples: "repeat" of a repeated call, and "batch" of one
    call with many samples against one call for each (where the signature takes a batch of any size). A model with state takes the samples one by one
    in their order; it is loaded again for the repetition and at the start of each sequence. InvalidSource for an original whose repeated calls differ
    and that draws random numbers: nothing can be compared with it.
    Options: `signature`, `device` ("cpu" or "gpu"), `first` (only so many samples, or null).
    """
    device, key = request.options["device"], request.options["signature"]
    use(device)
    original = _load(request)
    (signature,) = (one for one in original.signatures if one["key"] == key)
    stateful = is_stateful(original.operators)
    batched = not stateful and _takes_batches(signature)
    call: Call = partial(original.call, key)
    again = call
    if stateful:
        length = sequence_length(request.inputs["samples"])
        again = _Sequences(lambda: partial(_load(request).call, key), length)
        call = _Sequences(lambda: partial(_load(request).call, key), length) if length else call
    first, total = _run_all(request, call, signature, batched=batched)
    noise = {"repeat": _largest([(outputs if stateful else again(sample), again(sample)) for sample, outputs in first])}
    if batched:
        noise["batch"] = _largest([(outputs, again(sample)) for sample, outputs in first])
    _refuse_random(request.options["path"], original, noise["repeat"])
    return {"engine": original.engine, "signature": signature, "count": total, "noise": noise, "device": device}


def run_changed(request: Request) -> dict[str, Any]:
    """Write out/outputs for the first samples of inputs["samples"], once for each of several changes of one input, one change after the other.

    Options: `signature`, `device`, `first`, `input` (its name), `axis` (of its channels, in one call) and `changes`: `reverse` the channels or not,
    then times `factor` plus `offset`, a number for each. Nothing is run of a model that keeps state: its samples belong together.
    """
    options = request.options
    use(options["device"])
    original = _load(request)
    (signature,) = (one for one in original.signatures if one["key"] == options["signature"])
    call: Call = partial(original.call, options["signature"])
    batched = _takes_batches(signature)
    done = 0
    with ShardWriter(request.out / "outputs") as writer:
        for change in () if is_stateful(original.operators) else options["changes"]:
            for chunk in _chunks(request.inputs["samples"], _BATCH if batched else 1, options["first"]):
                fed = [_changed(sample, change, options) for sample in chunk]
                for _, outputs in _together(call, fed) if batched else [(one, call(one)) for one in fed]:
                    check(outputs, signature["outputs"], f"sample {done}")
                    writer.add(outputs)
                    done += 1
    return {"engine": original.engine, "signature": signature, "count": done}


def _changed(sample: Arrays, change: dict[str, Any], options: dict[str, Any]) -> Arrays:
    """Return a sample with one input changed, in its own dtype."""
    name, axis = options["input"], options["axis"]
    values = np.flip(sample[name], axis) if change["reverse"] else sample[name]
    numbers = [np.array(change[key], np.float64) for key in ("factor", "offset")]
    factor, offset = (np.moveaxis(each.reshape(-1, *[1] * (values.ndim - 1)), 0, axis) for each in numbers)
    return {**sample, name: (values * factor + offset).astype(sample[name].dtype)}


class _Sequences:
    """Calls of a model with state; the model is loaded again before each sequence of `length` samples."""

    def __init__(self, load: Callable[[], Call], length: int | None) -> None:
        self._load = load
        self._length = length or sys.maxsize
        self._done = 0

    def __call__(self, sample: Arrays) -> Arrays:
        if self._done % self._length == 0:
            self._call = self._load()
        self._done += 1
        return self._call(sample)


def _run_all(
    request: Request, call: Call, signature: SignatureJson, *, batched: bool
) -> tuple[list[tuple[Arrays, Arrays]], int]:
    """Write the outputs for all samples; return the first few samples with theirs, and how many samples there were."""
    samples = request.inputs["samples"]
    total = min(read_index(samples)["count"], request.options["first"] or sys.maxsize)
    first: list[tuple[Arrays, Arrays]] = []
    done = 0
    with ShardWriter(request.out / "outputs") as writer:
        for chunk in _chunks(samples, _BATCH if batched else 1, total):
            with table_index.naming(samples, range(done, done + len(chunk)), "evaluation", partial(_each, call, chunk)):
                called = _together(call, chunk) if batched else [(one, call(one)) for one in chunk]
            for sample, outputs in called:
                check(outputs, signature["outputs"], f"sample {done}")
                writer.add(outputs)
                first += [(sample, outputs)] * (done < _NOISE_SAMPLES)
                done += 1
            request.progress(done, total)
    return first, total


def _refuse_random(path: str, original: LoadedOriginal, repeat: dict[str, float]) -> None:
    wandering = [name for name, largest in repeat.items() if largest != 0.0]
    drawn = random_operators(original.operators)
    if wandering and drawn:
        name = max(wandering, key=lambda one: repeat[one])
        raise InvalidSource(
            f"{path}: the same input gives other outputs each time ({name!r} by up to {repeat[name]:.3g}), "
            f"and the graph draws random numbers: {', '.join(drawn)}",
            "was dropout left on? export with training=False, or bind its placeholder: --bind keep_prob=1.0",
        )


def _load(request: Request) -> LoadedOriginal:
    """Return the original; InvalidSource, with the file's name, for any error of the framework about a damaged or foreign file."""
    path = request.options["path"]
    plugin = importlib.import_module(f"toolkit.source.kinds.{request.options['kind']}")
    try:
        original: LoadedOriginal = plugin.load(request)
    except (EdgeToolkitError, MemoryError):
        raise
    except Exception as error:  # damaged files give OSError, IndexError, DataLossError, NotFoundError, ValueError
        raise InvalidSource(f"{path}: TensorFlow cannot load it: {causes(error)}", "save the model again") from error
    refuse_reaching(path, abilities(original.operators), request.options["trust"])
    _refuse_changed(request.options["code"])
    return original


def _refuse_changed(code: dict[str, str]) -> None:
    """Raise InvalidSource where the builder's files changed since this job was keyed by them."""
    found = code_read() if code else {}
    changed = sorted(path for path, digest in code.items() if found.get(path, digest) != digest)
    if changed:
        raise InvalidSource(f"builder: {changed[0]} changed while its model was built", "run the command again")


def _about_open_sizes(request: Request, shapes: dict[str, list[int]]) -> str | None:
    """Return a hint with the flags for sizes that came from the samples; None where none did."""
    asked = request.options["shapes"] if "samples" in request.inputs else {}
    taken = [name for name, shape in asked.items() if shape is None or None in shape]
    said = printable.command(
        word for name in taken for word in ("--shape", f"{name}=1,{','.join(map(str, shapes[name]))}")
    )
    return (
        f"if the model leaves sizes open and the samples have no batch axis, give the shape of one call: {said}"
        if taken
        else None
    )


def _shapes(request: Request) -> dict[str, list[int]]:
    """Return the shape of one call by input name; samples in inputs["samples"] give what is left open."""
    shapes: dict[str, Any] = dict(request.options["shapes"])
    for name, shape in shapes.items():
        if (shape is None or None in shape) and "samples" in request.inputs:
            shapes[name] = read_index(request.inputs["samples"])["tensors"][name]["shape"]
    return shapes


def _chunks(samples: Any, size: int, total: int) -> Iterator[list[Arrays]]:
    """Yield the first `total` samples in lists of at most `size`."""
    for arrays in read_shards(samples):
        count = min(len(next(iter(arrays.values()), ())), total)
        total -= count
        for start in range(0, count, size):
            rows = range(start, min(start + size, count))
            yield [{name: array[row, ...] for name, array in arrays.items()} for row in rows]


def _each(call: Call, chunk: list[Arrays]) -> Iterator[Arrays]:
    """Yield the outputs of one call for each sample."""
    yield from map(call, chunk)


def _together(call: Call, chunk: list[Arrays]) -> list[tuple[Arrays, Arrays]]:
    """Return each sample with its outputs, from one call for all of them."""
    outputs = call({name: np.concatenate([sample[name] for sample in chunk]) for name in chunk[0]})
    return [
        (sample, {name: array[row : row + 1] for name, array in outputs.items()}) for row, sample in enumerate(chunk)
    ]


def _takes_batches(signature: SignatureJson) -> bool:
    specs = [*signature["inputs"], *signature["outputs"]]
    return all(spec["shape"] is not None and len(spec["shape"]) > 0 and spec["shape"][0] is None for spec in specs)


def _largest(pairs: list[tuple[Arrays, Arrays]]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for one, other in pairs:
        for name, array in one.items():
            if array.size and array.dtype.kind in "fiu":
                difference = float(np.max(np.abs(array.astype(np.float64) - other[name].astype(np.float64))))
                largest[name] = float(
                    np.maximum(largest.get(name, 0.0), difference)
                )  # keeps a NaN, which max() would drop
    return largest
