"""The signature that is wanted among those of a model, and the shapes of one call of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.errors import InvalidSource, RequestError, UnknownName
from toolkit.source.loading import DEFAULT_KEY
from toolkit.source.original import ALL, Original
from toolkit.tensors.shapes import Shape
from toolkit.tensors.signature import Signature, TensorSpec


def choose(path: Path, signatures: Sequence[Signature], wanted: str | tuple[str, ...] | None) -> Signature:
    """Return the signature of the key `wanted`; with None the default one, or the only one.

    InvalidSource where the choice is not clear or the signature has no outputs, UnknownName for a wrong key, RequestError for several keys.
    """
    by_key = {str(signature.key): signature for signature in signatures}
    if not by_key:
        raise InvalidSource(
            f"{path}: has no signature",
            "save it with tf.saved_model.save(model, path, signatures=...), or with model.export(path)",
        )
    if isinstance(wanted, tuple) or (wanted == ALL and ALL not in by_key):
        known = ", ".join(by_key)
        raise RequestError(f"--signature: several of {path} at once; expected one of {known} here")
    if wanted is not None and wanted not in by_key:
        raise UnknownName(f"{path}: signature", wanted, by_key)
    if wanted is None and DEFAULT_KEY not in by_key and len(by_key) > 1:
        raise InvalidSource(
            f"{path}: has the signatures {', '.join(by_key)}, but none is called {DEFAULT_KEY}",
            "choose one with --signature",
        )
    chosen = by_key[wanted or (DEFAULT_KEY if DEFAULT_KEY in by_key else next(iter(by_key)))]
    if not chosen.outputs:
        raise InvalidSource(f"{path}: signature {chosen.key!r} has no outputs")
    return chosen


def one_call(specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]], path: Path) -> tuple[TensorSpec, ...]:
    """Return the inputs with the shapes of one call; UnknownName where `shapes` names no input, RequestError where a shape does not fit."""
    names = [spec.name for spec in specs]
    for name in shapes:
        if name not in names:
            raise UnknownName(f"{path}: input", name, names)
    return tuple(replace(spec, shape=_shape_of_call(spec, shapes.get(spec.name), path)) for spec in specs)


def declared_sizes(original: Original, specs: Sequence[TensorSpec]) -> list[dict[str, Shape]]:
    """Return the shapes of each declared size.

    RequestError where the verb takes only one size, where a size leaves something open, and where a size comes twice.
    """
    if not original.sizes:
        return []
    declared = [shapes_of(one_call(specs, each, original.path)) for each in original.sizes]
    for number, asked in enumerate(declared):
        left = [name for name, shape in asked.items() if shape is None or None in shape]
        if left:
            raise RequestError(
                f"{original.path}: several sizes are declared, and those of {', '.join(left)} are left open",
                "declare the shapes of all inputs whose sizes the model leaves open: --shape NAME=1,8,8",
            )
        if asked in declared[:number]:
            raise RequestError(f"--shape: {dict(original.sizes[number])} is declared twice; declare each size once")
    if not original.shapes:
        raise RequestError("--shape: several sizes of one input; expected one here")
    return declared


def shapes_of(specs: Sequence[TensorSpec]) -> dict[str, Shape]:
    """Return the shape of each tensor by its name."""
    return {spec.name: None if spec.shape is None else list(spec.shape) for spec in specs}


def _shape_of_call(spec: TensorSpec, given: Sequence[int] | None, path: Path) -> tuple[int | None, ...] | None:
    declared = spec.shape
    if given is not None:
        fits = declared is None or (
            len(declared) == len(given)
            and all(size in (None, asked) for size, asked in zip(declared, given, strict=True))
        )
        if not fits:
            raise RequestError(
                f"{path}: input {spec.name!r} is declared as {list(declared or ())}, which the shape {list(given)} does not fit"
            )
        return tuple(given)
    if declared and declared[0] is None:
        return (1, *declared[1:])
    return declared
