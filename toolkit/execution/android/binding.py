"""A .tflite's signature, bound to a program that knows inputs and outputs by the order of the graph, and gives all outputs in one row of bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.engines.tflite.file import describe
from toolkit.engines.tflite.packed import PackedModel, tensors_in
from toolkit.errors import Unconvertible, UnknownName, WorkerLied
from toolkit.tensors.signature import OrderedSignature, SignatureJson, TensorJson

_OPEN_BYTES = 1 << 30  # the most that is read where the file leaves the outputs' sizes open
_STATE = "VAR_HANDLE"
_DTYPES = frozenset("float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool".split())


@dataclass(frozen=True, slots=True)
class Binding:
    """`signature` as runtimes have it; `order` are its names in the graph's order, by side; `flags` choose it among several.

    `keeps` is whether the graph keeps numbers from one run of the same process to the next.
    """

    signature: SignatureJson
    order: dict[str, list[str]]
    flags: tuple[str, ...]
    keeps: bool

    @property
    def input_bytes(self) -> int:
        """The bytes of one sample's inputs, an open size counted as 1."""
        return sum(_bytes_of(spec, 1) for spec in self.signature["inputs"])

    @property
    def most_bytes(self) -> int:
        """The most bytes that all outputs of a sample may have."""
        outputs = self.signature["outputs"]
        return _OPEN_BYTES if any(None in _sizes(spec) for spec in outputs) else sum(_bytes_of(s, 1) for s in outputs)

    def in_order(self, sample: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return a sample's arrays in the graph's order; ValueError where a name, dtype or shape is not the signature's."""
        specs = {str(spec["name"]): spec for spec in self.signature["inputs"]}
        if sample.keys() != specs.keys():
            raise ValueError(f"given {sorted(sample)}, the model takes {sorted(specs)}")
        for name, array in sample.items():
            sizes = _sizes(specs[name])
            fits = len(sizes) == array.ndim and all(
                size in (None, found) for size, found in zip(sizes, array.shape, strict=True)
            )
            if not fits or array.dtype.name != specs[name]["dtype"]:
                raise ValueError(
                    f"{name!r}: given {array.dtype.name} {list(array.shape)}, the model takes {specs[name]}"
                )
        return [sample[name] for name in self.order["inputs"]]

    def outputs(self, content: bytes, who: str) -> dict[str, np.ndarray]:
        """Return the arrays in a row of bytes; WorkerLied where there are more or fewer bytes than the outputs have.

        A size that the file leaves open has to follow from the number of bytes: the same for all outputs, once in each.
        """
        specs = {str(spec["name"]): spec for spec in self.signature["outputs"]}
        size = self._open_size(len(content), who)
        found, at = {}, 0
        for name in self.order["outputs"]:
            shape = [size if each is None else each for each in _sizes(specs[name])]
            dtype = np.dtype(str(specs[name]["dtype"]))
            count = math.prod(shape)
            found[name] = np.frombuffer(content, dtype, count, at).reshape(shape).copy()
            at += count * dtype.itemsize
        return found

    def _open_size(self, count: int, who: str) -> int:
        outputs = self.signature["outputs"]
        fixed = sum(_bytes_of(spec, 1) for spec in outputs if None not in _sizes(spec))
        each = sum(_bytes_of(spec, 1) for spec in outputs if None in _sizes(spec))
        left = count - fixed
        if (left != 0) if each == 0 else (left <= 0 or left % each):
            expected = f"{fixed}" if each == 0 else f"{fixed} and a multiple of {each}"
            raise WorkerLied(
                f"{who}: benchmark_model wrote {count} bytes of outputs; expected {expected}",
                "is there space on the phone, and is the program a benchmark_model that runs this file?",
            )
        return left // each if each else 1


def bind(model: Path, key: str | None) -> Binding:
    """Return the binding of a file's signature, of its only one where `key` is None.

    UnknownName for a signature that is not there; Unconvertible for a graph whose inputs and outputs the program cannot take or give.
    """
    described = describe(model)
    signatures = {each["key"]: each for each in described["signatures"]}
    if key is None and len(signatures) == 1:
        key = next(iter(signatures))
    if key not in signatures:
        raise UnknownName("signature", str(key), [str(each) for each in signatures])
    chosen = signatures[key]
    _require_bindable(chosen, model.name)
    if any(operator["name"] == _STATE for operator in described["operators"]):
        raise Unconvertible(
            f"{model.name}: keeps numbers from one sample to the next; benchmark_model begins anew with each sample"
        )
    signature: SignatureJson = {"key": key, "inputs": chosen["inputs"], "outputs": chosen["outputs"]}
    flags = (f"--signature_to_run_for={key}",) if len(signatures) > 1 else ()
    return Binding(signature, chosen["order"], flags, _keeps(model))


def _require_bindable(signature: OrderedSignature, name: str) -> None:
    for side, specs in (("input", signature["inputs"]), ("output", signature["outputs"])):
        order = signature["order"][f"{side}s"]
        if sorted(order) != sorted(str(spec["name"]) for spec in specs):
            raise Unconvertible(f"{name}: an {side} of its signature is none of its graph, or is two of them")
        for spec in specs:
            if spec["dtype"] not in _DTYPES:
                raise Unconvertible(f"{name}: {side} {spec['name']!r} is {spec['dtype']}, which has no fixed size")
            if spec["shape"] is None or (side == "output" and spec["shape"].count(None) > 1):
                raise Unconvertible(f"{name}: the sizes of {side} {spec['name']!r} do not follow from its bytes")


def _keeps(model: Path) -> bool:
    """Return whether a graph of the file has variable tensors, as a fused LSTM has: they hold from one run to the next."""
    return any(
        tensor.IsVariable() for graph in PackedModel.read(model.read_bytes()).graphs for tensor in tensors_in(graph)
    )


def _sizes(spec: TensorJson) -> list[int | None]:
    return list(spec["shape"] or ())


def _bytes_of(spec: TensorJson, size: int) -> int:
    """Return the bytes of a tensor, with `size` for a size that is open."""
    return math.prod(size if each is None else each for each in _sizes(spec)) * np.dtype(str(spec["dtype"])).itemsize
