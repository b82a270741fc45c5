"""Which variables of a model were restored from its file, proven by what a read changes.

Every loader of TensorFlow and Keras can restore nothing without an error: with another root, another name, or one more layer. So here no loader is
trusted. Each variable gets a value that no file holds, the file is read, and a variable that still has this value was not restored.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSource, UnknownName

_SHOWN = 8


class Variable(Protocol):
    """A variable of any framework: its name, its shape (in the framework's own class), and its values."""

    name: str
    shape: Any

    def numpy(self) -> np.ndarray:
        """Return the values."""
        ...

    def assign(self, value: np.ndarray, /) -> Any:
        """Set the values."""


class UnusedVariable(TypedDict):
    """A variable of a file that the model does not take; `what` is "optimizer", "counter", "model" or "other"."""

    name: str
    what: str


class Coverage(TypedDict):
    """What became of each variable: names of the model's (restored, unrestored), the file's own (unused), and the patterns that were allowed."""

    restored: list[str]
    unrestored: list[str]
    unused: list[UnusedVariable]
    allowed: list[str]


def variables_of(model: Any) -> dict[str, Variable]:
    """Return the variables, by name, that the outputs of a Keras model or a tf.Module can depend on: weights, but no seeds and no metrics."""
    import tensorflow as tf

    found: list[Variable] = list(model.weights if hasattr(model, "weights") else model.variables)
    if isinstance(model, tf.Module):  # does not look into Keras 3 models that it holds
        known = {id(unwrapped(variable)) for variable in found}
        found += [variable for variable in _weights_of_parts(model) if id(unwrapped(variable)) not in known]
    named: dict[str, Variable] = {}
    for variable in found:
        name = getattr(variable, "path", None) or variable.name.removesuffix(":0")
        unique, twin = name, 1
        while unique in named:
            unique, twin = f"{name}_{twin}", twin + 1
        named[unique] = variable
    return named


def _weights_of_parts(module: Any) -> list[Variable]:
    """Return the weights of the Keras 3 models in a module, found in the way of tf.train.Checkpoint."""
    import tensorflow as tf

    found: dict[int, Variable] = {}
    for part in reached(module):
        if not isinstance(part, tf.Module) and hasattr(part, "trainable_weights"):
            found.update({id(unwrapped(weight)): weight for weight in part.weights})
    return list(found.values())


def children(trackable: Any) -> dict[str, Any]:
    """Return what tf.train.Checkpoint saves below an object, by name; TensorFlow before 2.10 has no public function for it."""
    import tensorflow as tf

    view = getattr(tf.train, "TrackableView", None)
    if view is not None:
        return dict(view.children(trackable))
    trackable._maybe_initialize_trackable()  # noqa: SLF001
    return dict(trackable._trackable_children())  # noqa: SLF001


def reached(root: Any) -> list[Any]:
    """Return an object and all objects that tf.train.Checkpoint reaches from it."""
    return [root, *(child for below in children_of(root).values() for child in below.values())]


def children_of(root: Any) -> dict[int, Mapping[str, Any]]:
    """Return the children by attribute of each object that tf.train.Checkpoint reaches, by the object's id().

    Some children are made only on request, so each object is asked once. The result keeps all of them alive, and so their ids unique.
    """
    found: dict[int, Mapping[str, Any]] = {}
    for one in (queue := [root]):
        if id(one) not in found:
            found[id(one)] = children(one)
            queue.extend(found[id(one)].values())
    return found


def unwrapped(variable: Any) -> Any:
    """Return the tf.Variable in a variable of Keras 3; any other variable itself."""
    import tensorflow as tf

    held = getattr(variable, "value", variable)
    return held if isinstance(held, tf.Variable) else variable


def unrestored(variables: Mapping[str, Variable], read: Callable[[], None]) -> list[str]:
    """Return the names of the variables that `read` did not write; these get their old values back.

    A variable that still holds the poison after `read` gets a second, different poison, and `read` is called again: the file itself may hold one of
    them.
    """
    before = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
    suspects = [name for name, value in before.items() if value.size]  # an empty variable cannot be missing
    for dose in (0, 1):
        poisons = {name: _poison(before[name], dose) for name in suspects}
        for name, poison in poisons.items():
            variables[name].assign(poison)
        if suspects:
            read()
        suspects = [name for name in suspects if _same(variables[name].numpy(), poisons[name])]
    for name in suspects:
        variables[name].assign(before[name])
    return suspects


def _poison(like: np.ndarray, dose: int) -> np.ndarray:
    """Return an array of one of two values that are rare as a variable's."""
    if like.dtype.kind in "OSU":
        return np.full(like.shape, f"never saved {dose}".encode(), object)
    if like.dtype.kind == "b":
        return np.full(like.shape, bool(dose), like.dtype)
    if like.dtype.kind in "iu":
        return np.full(like.shape, np.iinfo(like.dtype).max - 1 - dose, like.dtype)
    return np.full(like.shape, (np.nan, 113)[dose], like.dtype)


def _same(value: np.ndarray, poison: np.ndarray) -> bool:
    value = np.asarray(value)
    if value.dtype == object:
        return value.tolist() == poison.tolist()
    return value.dtype == poison.dtype and value.tobytes() == poison.tobytes()


def coverage(
    path: object,
    restored: Iterable[str],
    unrestored: Iterable[str],
    unused: Iterable[UnusedVariable],
    allowed: Sequence[str],
    cause: str | None = None,
) -> Coverage:
    """Return what became of each variable, sorted by name.

    An `unused` one is of kind "model" where it lies in the part of the file that is the model, and the builder's model lacks it. InvalidSource where
    a variable of the model, or such an unused one, has no partner and no pattern of `allowed` (fnmatch) matches its name; the hint has the likely
    `cause`. UnknownName for a pattern that matches no variable.
    """
    told: Coverage = {
        "restored": sorted(restored),
        "unrestored": sorted(unrestored),
        "unused": sorted(unused, key=lambda one: one["name"]),
        "allowed": list(allowed),
    }
    surplus = [one["name"] for one in told["unused"] if one["what"] == "model"]
    known = [*told["unrestored"], *(one["name"] for one in told["unused"]), *told["restored"]]
    for pattern in allowed:
        if not fnmatch.filter(known, pattern):
            raise UnknownName("--allow-unrestored", pattern, [*told["unrestored"], *surplus])
    missing, surplus = _unmatched(told["unrestored"], allowed), _unmatched(surplus, allowed)
    if missing or surplus:
        total = len(told["restored"]) + len(told["unrestored"])
        problems = []
        if missing:
            problems.append(f"{len(missing)} of {total} variables of the model found nothing in it: {_listed(missing)}")
        if surplus:
            problems.append(f"{len(surplus)} of its own found no place in the builder's model: {_listed(surplus)}")
        allowing = printable.command(["--allow-unrestored", (missing or surplus)[0]])
        way_around = f"{allowing} (or a pattern) goes on without"
        raise InvalidSource(f"{path}: {'; '.join(problems)}", f"{cause}; {way_around}" if cause else way_around)
    return told


def _unmatched(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
