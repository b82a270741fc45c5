"""Where a builder's model is in a checkpoint, how well the two fit, and why they do not.

The training code saved the model as `model`, `net` or another attribute, or alone. Its place is where most of its variables have a partner of their
shape in the file's object graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import InvalidSource
from toolkit.source.loading.builder import Built
from toolkit.source.loading.coverage import Variable, children_of, reached, unwrapped
from toolkit.source.loading.variables.object_graph import ObjectGraph
from toolkit.source.loading.variables.table import TableEntry

SHOWN = 8  # names in a message


@dataclass(slots=True)
class ModelPlace:
    """Where the model is in the file.

    `root` is the object to restore through, `model` the number of the model's object in the file (None if unknown), `objects` all matched objects by
    number, `of` the number of each variable by its name in the model, and `way` the attributes from the file's root to the model.
    """

    root: Any
    model: int | None
    objects: dict[int, Any]
    of: dict[str, int]
    way: tuple[str, ...] = ()


def find_place(
    path: str, graph: ObjectGraph, built: Built, variables: Mapping[str, Variable], *, partial: bool
) -> ModelPlace:
    """Return the place of the model: in the builder's own checkpoint, else where most of its variables have a partner of their shape.

    InvalidSource where the whole model is there more than once; with `partial`, also where a part of it is.
    """
    import tensorflow as tf

    names = {id(one): name for name, variable in variables.items() for one in (variable, unwrapped(variable))}

    def of(objects: Mapping[int, Any]) -> dict[str, int]:
        return {
            names[id(one)]: number for number, one in objects.items() if id(one) in names and number in graph.variables
        }

    if built.checkpoint is not None:
        objects = graph.matched(0, children_of(built.checkpoint), built.checkpoint)
        model = next((number for number, one in objects.items() if one is built.model), None)
        return ModelPlace(built.checkpoint, model, objects, of(objects))
    children = children_of(built.model)
    wanted = {name: _shape_and_dtype(variable) for name, variable in variables.items()}
    scored = []
    for start, way in graph.model_parts().items():
        objects = graph.matched(start, children, built.model)
        partners = of(objects)
        fitting = sum(_fits(wanted[name], graph.variables[number][1]) for name, number in partners.items())
        scored.append(((fitting, len(partners)), ModelPlace(None, start, objects, partners, way)))
    score, best = max(scored, key=lambda one: one[0])
    others = [place for other, place in scored if other == score and place.of != best.of]
    if others and best.of and (score[0] == len(variables) or partial):
        found = ", ".join("/".join(one.way) or "its root" for one in [best, *others][:SHOWN])
        raise InvalidSource(
            f"{path}: holds the model's variables {len(others) + 1} times: {found}",
            'return {"model": model, "checkpoint": tf.train.Checkpoint(NAME=model)} from the builder, with the name of the right one',
        )
    best.root = built.model
    for name in reversed(best.way):
        holder = tf.train.Checkpoint()
        setattr(holder, name, best.root)
        best.root = holder
    best.root = best.root if best.way else tf.train.Checkpoint(best.root)
    return best


def check_fit(path: str, graph: ObjectGraph, place: ModelPlace, variables: Mapping[str, Variable]) -> None:
    """Raise InvalidSource, with all such variables, where a variable has another shape or type than its partner in the file."""
    wrong = []
    for name, number in place.of.items():
        (shape, dtype), entry = _shape_and_dtype(variables[name]), graph.variables[number][1]
        if not _fits((shape, dtype), entry):
            wrong.append(f"{name} is {dtype} {shape.as_list()} in the model, {entry.dtype} {entry.shape} in the file")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise InvalidSource(
            f"{path}: {len(wrong)} of {len(variables)} variables have another shape or type: {'; '.join(wrong[:SHOWN])}{more}",
            "the builder makes another model than was saved: layers of another size, or in another order or number",
        )


def check_values(
    path: str, graph: ObjectGraph, place: ModelPlace, restored: Mapping[str, Variable], prefix: str
) -> None:
    """Raise InvalidSource where a restored variable differs from the file's value, read by its key."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    for name, variable in restored.items():
        if name in place.of:
            key, _ = graph.variables[place.of[name]]
            held, saved = np.asarray(variable.numpy()), np.asarray(reader.get_tensor(key))
            same = held.tolist() == saved.tolist() if held.dtype == object else held.tobytes() == saved.tobytes()
            if not same:
                raise InvalidSource(f"{path}: {name} was not restored to the value that the file has under {key}")


def cause_of(graph: ObjectGraph, built: Built, place: ModelPlace, lost: Mapping[str, Variable]) -> str:
    """Return the likely reason why variables have no partner."""
    from toolkit.source.loading.keras_models.original import is_keras

    roots = ", ".join(sorted(name for name in graph.children[0] if name != "root")) or "nothing"
    if built.checkpoint is not None:
        given = ", ".join(sorted(children_of(built.checkpoint)[id(built.checkpoint)])) or "nothing"
        return f"the file's root has {roots}; the builder's checkpoint has {given}: the names have to be the same"
    writer, family = graph.writer(), "keras 3" if hasattr(built.model, "stateless_call") else "tf-keras"
    if is_keras(built.model) and {writer, family} == {"keras 3", "tf-keras"}:
        return f"the file is of a model of {writer}, the builder's is of {family}"
    seen = reached(built.model)
    known = set(map(id, seen))
    if any(known.isdisjoint((id(variable), id(unwrapped(variable)))) for variable in lost.values()):
        return (
            "tf.train.Checkpoint does not see layers that a Keras 3 model keeps in a list or a dict, so they were never saved with it; where its "
            'optimizer was saved, the trainable ones can be restored: {"model": model, "checkpoint": tf.train.Checkpoint(model=model, '
            "optimizer=optimizer)} from the builder, after optimizer.build(model.trainable_variables)"
        )
    unbuilt = sorted(one.name for one in seen if getattr(one, "built", True) is False and hasattr(one, "weights"))
    if unbuilt:
        return f"the builder's model has layers that were never called ({', '.join(unbuilt[:SHOWN])}): call it once in the builder"
    if not place.of:
        return (
            f"nothing in the file is built as the builder's model is (its root has {roots}): a functional, a sequential and a subclassed model of "
            "the same layers keep their variables under different names"
        )
    return "the builder makes another model than was saved: layers missing, added, or in another order"


def _shape_and_dtype(variable: Variable) -> tuple[Any, str]:
    held = unwrapped(variable)
    return held.shape, held.dtype.base_dtype.name


def _fits(wanted: tuple[Any, str], entry: TableEntry) -> bool:
    shape, dtype = wanted
    return dtype == entry.dtype and bool(shape.is_compatible_with(entry.shape))
