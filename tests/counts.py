"""Prints how large and how entangled the toolkit is: `python tests/counts.py`.

A room is a folder or a file at the top of `toolkit/`. Imports count wherever they stand, inside functions and for type checkers too. Rooms that
import one another are one circle, and share a level; a level is one above the highest that it imports. At the top, `__init__.py` is no room, and
neither is `__main__.py`, a file that Python starts and that no module imports.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "toolkit"
LONGEST_FUNCTION = 60
LONGEST_FILE = 300

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Count:
    """A number, the most that it may be (None: nobody said), and what it counts, by name."""

    what: str
    value: float
    limit: float | None = None
    of: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line that is printed, and one for each thing that is counted."""
        limit = "" if self.limit is None else f"  (limit {self.limit:g})"
        return "\n".join([f"{self.what:<44}{self.value:>8g}{limit}", *(f"    {each}" for each in self.of)])


def room_of(module: str) -> str:
    """Return the room of a module, by its name under `toolkit`."""
    return module.partition(".")[0]


def arrows(imports: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return which other rooms each room imports, from what each module imports."""
    found: dict[str, set[str]] = {}
    for module, others in imports.items():
        if module:
            rooms = {room_of(other) for other in others if other}
            found.setdefault(room_of(module), set()).update(rooms - {room_of(module)})
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of rooms that reach one another, those of one room left out."""
    reached = {room: _reached(room, graph) for room in graph}
    together = {room: sorted({room, *(other for other in reached[room] if room in reached[other])}) for room in graph}
    return sorted({tuple(rooms): rooms for rooms in together.values() if len(rooms) > 1}.values())


def _reached(room: str, graph: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [room]
    while left:
        for other in graph.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def levels(graph: Mapping[str, set[str]]) -> int:
    """Return how many levels of rooms there are."""
    circle_of = {room: tuple(circle) for circle in circles(graph) for room in circle}
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            together = circle_of.get(room, (room,))
            below = {other for each in together for other in graph.get(each, ())} - set(together)
            highest = 1 + max(map(height, below), default=0)
            heights.update(dict.fromkeys(together, highest))
        return heights[room]

    return max(map(height, graph), default=0)


def trees() -> dict[str, ast.Module]:
    """Return the syntax tree of each file of the toolkit, by its path under the repository."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def long_functions(files: Mapping[str, ast.Module]) -> list[str]:
    """Return the functions with more than LONGEST_FUNCTION lines, from `def` to the last, longest first."""
    found = []
    for name, tree in files.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    found.append((lines, f"{name}: {node.name} {lines}"))
    return [text for _, text in sorted(found, reverse=True)]


def long_files() -> list[str]:
    """Return the files with more than LONGEST_FILE lines, longest first."""
    counted = [
        (len(path.read_text(encoding="utf-8").splitlines()), path.relative_to(ROOT).as_posix())
        for path in PACKAGE.rglob("*.py")
    ]
    return [f"{name} {lines}" for lines, name in sorted(counted, reverse=True) if lines > LONGEST_FILE]


def public(node: ast.AST, name: str) -> Iterator[tuple[str, bool]]:
    """Yield what is public in a module or class, by name, with whether it has a docstring; what a function holds is its own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield f"{name}: {child.name}", ast.get_docstring(child) is not None
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}: {child.name}")


def docstrings(files: Mapping[str, ast.Module]) -> dict[str, bool]:
    """Return all that is public, modules too, with whether it has a docstring."""
    found = {name: ast.get_docstring(tree) is not None for name, tree in files.items()}
    return found | {thing: has for name, tree in files.items() for thing, has in public(tree, name)}


def annotations(files: Mapping[str, ast.Module]) -> tuple[int, int, int]:
    """Return how often `dict[str, Any]`, `Any` in any place, and a parameter `request: Any` are written."""
    nodes = [node for tree in files.values() for node in ast.walk(tree)]
    dictionaries = [node for node in nodes if isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"]
    anything = [node for node in nodes if isinstance(node, ast.Name) and node.id == "Any"]
    parameters = [node for node in nodes if isinstance(node, ast.arg) and node.arg == "request" and node.annotation]
    requests = [node for node in parameters if ast.unparse(node.annotation or node) == "Any"]
    return len(dictionaries), len(anything), len(requests)


def counts() -> list[Count]:
    """Return all counts; imports and their order are those of `tests/unit/test_architecture.py`."""
    sys.path.insert(0, str(ROOT))
    from tests.unit import test_architecture as architecture

    files = trees()
    imports = {module: architecture.imported(module) for module in architecture.MODULES}
    graph = arrows(imports)
    upward = [
        f"{module} -> {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if module and other and architecture.RANKS[room_of(other)] > architecture.RANKS[room_of(module)]
    ]
    said = docstrings(files)
    without = tuple(name for name, has in said.items() if not has)
    in_circles = tuple(" ".join(circle) for circle in circles(graph))
    functions, long = long_functions(files), long_files()
    dictionaries, anything, requests = annotations(files)
    return [
        Count("rooms at the top", len(graph), 34),
        Count("arrows between rooms", sum(map(len, graph.values()))),
        Count("levels of imports", levels(graph), 13),
        Count("circles", len(in_circles), 0, in_circles),
        Count("upward imports", len(upward), 0, tuple(upward)),
        Count(f"functions over {LONGEST_FUNCTION} lines", len(functions), 0, tuple(functions)),
        Count(f"files over {LONGEST_FILE} lines", len(long), 5, tuple(long)),
        Count("public docstrings, % (limit is the least)", 100 * (1 - len(without) / len(said)), 100, without),
        Count("dict[str, Any]", dictionaries),
        Count("Any", anything),
        Count("request: Any", requests),
        Count("files", len(files)),
        Count("lines", sum(len(re.findall("\n", (ROOT / name).read_text(encoding="utf-8"))) for name in files)),
    ]


if __name__ == "__main__":
    sys.stdout.writelines(f"{count}\n" for count in counts())
