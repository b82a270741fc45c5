"""Inputs and outputs of a Keras model: nested lists and mappings of tensors, and a name for each tensor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def symbolic_tensors(model: Any, side: str) -> Any:
    """Return the structure of symbolic "inputs" or "outputs" that a functional or sequential model was made from; None for any other."""
    for holder in (getattr(model, "_functional", None), model):
        for attribute in (f"_{side}_struct", f"_nested_{side}"):
            found = getattr(holder, attribute, None)
            if found is not None:
                return found
    return None


def leaves(structure: Any, key: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """Yield (key, leaf) of nested lists and mappings; mappings in the order of their keys, the same in all frameworks."""
    if isinstance(structure, Mapping):
        for name in sorted(structure, key=str):
            yield from leaves(structure[name], str(name))
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from leaves(item)
    else:
        yield key, structure


def filled(structure: Any, others: Iterator[Any]) -> Any:
    """Return the structure with `others` in place of its leaves, in the order of `leaves`."""
    if isinstance(structure, Mapping):
        return {name: filled(structure[name], others) for name in sorted(structure, key=str)}
    if isinstance(structure, (list, tuple)):
        items = [filled(item, others) for item in structure]
        if hasattr(structure, "_fields"):
            return type(structure)(*items)
        return tuple(items) if isinstance(structure, tuple) else items
    return next(others)


def named_leaves(structure: Any) -> dict[str, Any]:
    """Return leaves by unique name, spelled as TensorFlow can name an argument: the key in a mapping, else the name of its layer."""
    found = list(leaves(structure))
    names = [_as_argument(_name(key, leaf, f"input_{position}")) for position, (key, leaf) in enumerate(found)]
    return dict(zip(unique(names), (leaf for _, leaf in found), strict=True))


def output_names(model: Any) -> list[str] | None:
    """Return names of outputs in the order of `leaves`; None where the model does not tell them."""
    symbolic = symbolic_tensors(model, "outputs")
    if symbolic is None:
        return None
    return unique([_name(key, leaf, f"output_{place}") for place, (key, leaf) in enumerate(leaves(symbolic))])


def _name(key: str | None, leaf: Any, otherwise: str) -> str:
    history = getattr(leaf, "_keras_history", None)
    layer = getattr(history, "operation", None) or getattr(history, "layer", None)
    return key or getattr(layer, "name", None) or getattr(leaf, "name", None) or otherwise


def _as_argument(name: str) -> str:
    """Return the name as TensorFlow spells that of an argument (sanitize_arg_name in core/function/polymorphism/function_type.py)."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return plain if re.match(r"[a-zA-Z]", plain) else f"arg_{plain}"


def unique(names: list[str]) -> list[str]:
    """Return unique names: a second `x` is `x_1`, as in Keras."""
    found: list[str] = []
    for name in names:
        candidates = (name, *(f"{name}_{number}" for number in range(1, len(names) + 1)))
        found.append(next(candidate for candidate in candidates if candidate not in found))
    return found
