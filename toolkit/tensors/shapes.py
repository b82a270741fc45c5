"""The declared sizes of a model that leaves some open: which stay open in its artifact, and their names in messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.errors import RequestError

Shape = list[int | None] | None
Shapes = Mapping[str, Shape]


def declared(said: Sequence[tuple[str, Sequence[int]]]) -> tuple[dict[str, Sequence[int]], ...]:
    """Return the sizes that shapes of inputs, in the order in which they were said, stand for: the n-th of each input belong together.

    An input that was said once has that shape in all of them; RequestError where two inputs were said differently often.
    """
    by_name: dict[str, list[Sequence[int]]] = {}
    for name, shape in said:
        by_name.setdefault(name, []).append(shape)
    counts = {name: len(shapes) for name, shapes in by_name.items() if len(shapes) > 1}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count} times" for name, count in counts.items())
        raise RequestError(f"--shape: {told}; the n-th of each belong together: give equal counts, or one for all")
    count = max(counts.values(), default=1)
    return tuple(
        {name: shapes[number if len(shapes) > 1 else 0] for name, shapes in by_name.items()} for number in range(count)
    )


def left_open(sizes: Sequence[Shapes]) -> dict[str, Shape]:
    """Return the shape of each input with None for what differs from size to size; None for an input whose number of axes does."""
    return {name: _common([shapes[name] for shapes in sizes]) for name in sizes[0]}


def label(declared: Shapes, sizes: Sequence[Shapes], of: Shapes) -> str:
    """Return what one of the sizes is called: "64x96", the sizes that the model leaves open; of several inputs with a comma between them.

    A first axis that is open is the batch, and left out where it is 1 throughout. No two sizes that differ are called the same.
    """
    parts = []
    for name in sorted(declared):
        axes = [axis for axis, size in enumerate(_axes(declared[name], of[name])) if size is None]
        if 0 in axes and all((shapes[name] or [1])[0] == 1 for shapes in sizes):
            axes.remove(0)
        parts.append("x".join(str((of[name] or [])[axis]) for axis in axes))
    return ",".join(filter(None, parts))


def growth(canonical: Shapes, of: Shapes) -> int:
    """Return how many times as much one call holds as it would with 1 for each size that is left open, for the input that grows most."""
    grown = [1]
    for name, shape in canonical.items():
        times = 1
        for left, size in zip(_axes(shape, of[name]), of[name] or (), strict=True):
            times *= (size or 1) if left is None else 1
        grown.append(times)
    return max(grown)


def _axes(declared: Shape, given: Shape) -> list[int | None]:
    """Return the sizes of a shape as declared; of one whose rank is open too, as many open ones as are given."""
    return [None] * len(given or ()) if declared is None else declared


def _common(shapes: Sequence[Shape]) -> Shape:
    first, *others = shapes
    if first is None or any(other is None or len(other) != len(first) for other in others):
        return None
    return [
        size if all(other is not None and other[axis] == size for other in others) else None
        for axis, size in enumerate(first)
    ]
