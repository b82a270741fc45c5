"""What a model takes and gives: tensors by name, and how their numbers become real values.

Tensors are always bound by name, from the original model to the device: converters and runtimes reorder them, and two tensors of one
shape that change places go unnoticed by position. So there is no access by index here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, cast

import numpy as np

from toolkit.errors import InvalidSource, UnknownName
from toolkit.files.shapes import COUNT, Either

_TENSOR = {
    "name": str,
    "dtype": str,
    "shape": Either([Either(COUNT, None)], None),
    "scale?": [float],
    "zero_point?": [int],
}


class _NamedJson(TypedDict):
    name: str
    dtype: str
    shape: list[int | None] | None


class TensorJson(_NamedJson, total=False):
    """What `TensorSpec.to_json` writes; `scale` and `zero_point` only where the tensor is quantized."""

    scale: list[float]
    zero_point: list[int]


class SignatureJson(TypedDict):
    """What `Signature.to_json` writes."""

    key: str | None
    inputs: list[TensorJson]
    outputs: list[TensorJson]


class OrderedSignature(SignatureJson, total=False):
    """A signature sorted by name, and the names of its tensors in the file's own order: {"inputs": [...], "outputs": [...]}."""

    order: dict[str, list[str]]


SHAPE = {"key": str, "inputs": [_TENSOR], "outputs": [_TENSOR]}
"""What `Signature.to_json` writes, for `toolkit.files.foreign`."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output.

    `dtype` is numpy's name; `shape` is what one call takes or gives, batch axis included, with None for any size; None where the model does
    not even say how many axes there are.
    `scale` and `zero_point` are empty for a tensor that is not quantized, else real = scale * (integer - zero_point). A float tensor may
    carry them too: then its values were dequantized inside the model and lie on that grid, so one step is still one LSB.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.zero_point):
            problem = f"{len(self.scale)} scales and {len(self.zero_point)} zero points; expected equal counts"
            raise InvalidSource(f"tensor {self.name!r}: {problem}")
        if len(self.scale) > 1:  # TFLite quantizes per channel only what is constant
            raise InvalidSource(f"tensor {self.name!r}: {len(self.scale)} scales; an input or output has one at most")
        for scale in self.scale:
            if not (math.isfinite(scale) and scale > 0):
                raise InvalidSource(f"tensor {self.name!r}: scale {scale!r}; expected a finite number above 0")

    @property
    def is_integer(self) -> bool:
        """Whether the tensor holds integers (or truth values)."""
        return self.dtype.startswith(("int", "uint", "bool"))

    @property
    def lsb(self) -> float | None:
        """Return the real value of one step of the tensor's numbers, or None where they have no step (plain floats)."""
        if self.scale:
            return self.scale[0]
        return 1.0 if self.is_integer else None

    def dequantize(self, array: np.ndarray) -> np.ndarray:
        """Return the real values of an array of this tensor, as float64 of the same shape; NaN and Inf stay as they are."""
        real = np.asarray(array, np.float64)
        if self.scale and self.is_integer:
            real = (real - self.zero_point[0]) * self.scale[0]
        return real

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TensorSpec:
        """Return the tensor that `to_json` wrote; InvalidSource where scale and zero point make no sense."""
        return cls(
            name=content["name"],
            dtype=content["dtype"],
            shape=None if content["shape"] is None else tuple(content["shape"]),
            scale=tuple(float(scale) for scale in content.get("scale", ())),
            zero_point=tuple(int(point) for point in content.get("zero_point", ())),
        )

    def to_json(self) -> TensorJson:
        """Return plain JSON; `scale` and `zero_point` only where there are any."""
        shape = None if self.shape is None else list(self.shape)
        content: TensorJson = {"name": self.name, "dtype": self.dtype, "shape": shape}
        if self.scale:
            content["scale"], content["zero_point"] = list(self.scale), list(self.zero_point)
        return content


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a model: `key` is its name in the model, None for none; inputs and outputs are sorted by name, and no name comes twice."""

    key: str | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        for side in ("inputs", "outputs"):
            tensors: tuple[TensorSpec, ...] = getattr(self, side)
            names = [tensor.name for tensor in tensors]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InvalidSource(f"signature {self.key!r}: {side} {twice} are named twice; expected a name for each")
            object.__setattr__(self, side, tuple(sorted(tensors, key=lambda tensor: tensor.name)))

    def input(self, name: str) -> TensorSpec:
        """Return the input of that name; UnknownName with the closest where there is none."""
        return _named("input", name, self.inputs)

    def output(self, name: str) -> TensorSpec:
        """Return the output of that name; UnknownName with the closest where there is none."""
        return _named("output", name, self.outputs)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Signature:
        """Return the signature that `to_json`, or a worker, wrote."""
        inputs = tuple(TensorSpec.from_json(tensor) for tensor in content["inputs"])
        outputs = tuple(TensorSpec.from_json(tensor) for tensor in content["outputs"])
        return cls(content["key"], inputs, outputs)

    def to_json(self) -> SignatureJson:
        """Return plain JSON: {"key": ..., "inputs": [...], "outputs": [...]}."""
        return {
            "key": self.key,
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
        }


@dataclass(frozen=True, slots=True)
class FileSignature(Signature):
    """The signature of a file, and `order`: the names of its "inputs" and "outputs" in the file's own order, {} if it is not known."""

    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @property
    def plain(self) -> Signature:
        """The signature without the file's order."""
        return Signature(self.key, self.inputs, self.outputs)

    def called(self, names: Mapping[str, Mapping[str, str]]) -> FileSignature:
        """Return the signature with other names: {"inputs": {old: new}, "outputs": {old: new}}."""
        inputs, outputs = (
            tuple(replace(spec, name=names[side].get(spec.name, spec.name)) for spec in specs)
            for side, specs in (("inputs", self.inputs), ("outputs", self.outputs))
        )
        order = {side: tuple(names[side].get(name, name) for name in own) for side, own in self.order.items()}
        return FileSignature(self.key, inputs, outputs, order)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FileSignature:
        """Return the signature that a reader of files, or `to_json`, wrote."""
        plain = Signature.from_json(content)
        order = {side: tuple(names) for side, names in content.get("order", {}).items()}
        return cls(plain.key, plain.inputs, plain.outputs, order)

    def to_json(self) -> OrderedSignature:
        """Return plain JSON with sorted keys, as a reader's answer comes in."""
        content: dict[str, object] = {
            "inputs": [dict(sorted(tensor.to_json().items())) for tensor in self.inputs],
            "key": self.key,
            **({"order": {side: list(names) for side, names in self.order.items()}} if self.order else {}),
            "outputs": [dict(sorted(tensor.to_json().items())) for tensor in self.outputs],
        }
        return cast(OrderedSignature, content)


def _named(side: str, name: str, tensors: tuple[TensorSpec, ...]) -> TensorSpec:
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise UnknownName(side, name, (tensor.name for tensor in tensors))
