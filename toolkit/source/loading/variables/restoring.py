"""Restores the variables of a tf.train.Saver's file into a session's graph by name, with a check of each.

TensorFlow checks too little: a resource variable silently takes a value of any shape. And it needs too much: without one slot of an optimizer it
restores nothing. So values are read one by one and fed to the operators that would have restored them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.engines.tensorflow.graph import Session
from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tensorflow.messages import dtype_name, sizes
from toolkit.errors import InvalidSource
from toolkit.source.loading.coverage import Coverage, coverage
from toolkit.source.loading.graphs.cut import VARIABLES, attribute, dtype_of, needed, spelled
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.proposals import Ends
from toolkit.source.loading.variables.places import VariablePlace, initializer
from toolkit.source.loading.variables.saved_variables import SavedVariables

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Matching:
    """Saved variables and their places; `elsewhere` is the kind of a variable without a place, `cause` the likely reason for a missing one."""

    held: SavedVariables
    places: list[VariablePlace]
    elsewhere: str
    cause: str


def restore(
    session: Session, graph: GraphDef, ends: Mapping[str, Ends], matching: Matching, options: GraphOptions
) -> Coverage:
    """Write into a session's variables, as far as the outputs need them, and return the coverage.

    InvalidSource where one is missing or has another shape or dtype. What may stay unrestored (`options.allow_unrestored`)
    gets the value that it starts with.
    """
    held, places = matching.held, matching.places
    nodes = {node.name: node for node in graph.node}
    wanted: set[str] = set()
    for end in ends.values():
        stops = [*end.inputs.values(), *(spelled(name) for name in options.bind)]
        names, _ = needed(nodes, end.outputs.values(), stops)
        wanted |= {name for name in names if nodes[name].op in VARIABLES}
    taken = [place for place in places if place.variable in wanted and place.name in held.variables]
    _refuse_mismatches(held, nodes, taken)
    missing = sorted(wanted - {place.variable for place in taken})
    unused = held.unused({place.name for place in taken}, matching.elsewhere)
    in_graph = {place.name for place in places}
    unused = [{**one, "what": "other"} if one["what"] == "model" and one["name"] in in_graph else one for one in unused]
    told = coverage(held.path, sorted(wanted - set(missing)), missing, unused, options.allow_unrestored, matching.cause)
    _start(session, held.path, missing)
    reader = held.reader() if taken else None
    operators = {place.operator.name: place.operator for place in taken}
    for name, operator in operators.items():
        session.run(
            operator,
            {
                place.tensor: held.value(reader, place.name, place.part)
                for place in taken
                if place.operator.name == name
            },
        )
    return told


def _start(session: Session, path: str, variables: Iterable[str]) -> None:
    for name in variables:
        writer = initializer(session.graph, name)
        if writer is None:
            raise InvalidSource(f"{path}: {name!r} is not restored, and the graph does not say what it starts with")
        session.run(writer)


def _refuse_mismatches(held: SavedVariables, nodes: Mapping[str, NodeDef], places: Iterable[VariablePlace]) -> None:
    problems = []
    for place in places:
        dtype, shape = held.variables[place.name]
        node = nodes[place.variable]
        wanted, declared = dtype_name(dtype_of(node)), attribute(node, "shape")
        parts: list[int | None] = [int(size) for size in place.part.split(" ")[:-1]]
        whole = parts if place.part else None if declared is None else sizes(declared.shape)
        problems += mismatch(place.variable, (wanted, whole), place.name, (dtype, shape))
    refuse(held.path, problems)


def mismatch(
    variable: str, wanted: tuple[str, list[int | None] | None], name: str, found: tuple[str, list[int]]
) -> list[str]:
    """Return how a saved variable differs from the model's in shape or dtype; nothing where it fits."""
    here = variable if variable == name else f"{variable} (saved as {name})"
    if wanted[1] is not None and (
        len(wanted[1]) != len(found[1]) or any(a not in (None, b) for a, b in zip(wanted[1], found[1], strict=True))
    ):
        return [f"{here} has the shape {wanted[1]} in the model, {found[1]} in the file"]
    return [f"{here} is {wanted[0]} in the model, {found[0]} in the file"] if wanted[0] != found[0] else []


def refuse(path: str, problems: list[str]) -> None:
    """Raise InvalidSource with the problems, if there are any."""
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InvalidSource(
            f"{path}: does not fit the model: {'; '.join(problems[:_SHOWN])}{more}",
            "the file is of another model, or the builder was called with other arguments when it was trained",
        )
