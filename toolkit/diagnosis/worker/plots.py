"""Plots as PNG and SVG, the same bytes for the same numbers. Markers and dashes also show what colours show, so a grey print is readable too."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from toolkit.wire.request import Request

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_INCHES_PER_LAYER = 0.16
_MOST_INCHES = 40.0
_MARKERS = "osD^vPX*<>"
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#000000",
)  # Okabe and Ito: distinguishable with colour blindness too
_MARK = "edge-toolkit"  # identifies a plot of this program, which may be replaced
_PNG_DPI = 130


class Point(TypedDict):
    """One marker of a scatter plot. `pareto` is whether it lies on the front of its group, `passed` whether its marker is filled."""

    label: str
    group: str
    x: float
    y: float
    pareto: bool
    passed: bool


def layers(request: Request) -> dict[str, int]:
    """Write out/plot.png and out/plot.svg of drift by layer.

    Options: `title`, and `rows` [{"label", "isolated_db", "cumulative_db", "cost_db"}] in the order of execution; null for a missing number.
    """
    rows = request.options["rows"]
    figure, axes = _figure(min(max(7.0, 2 + _INCHES_PER_LAYER * len(rows)), _MOST_INCHES), 5.5)
    drawn = (
        ("cost_db", "at the output, if only this layer erred", ":", "^", _COLOURS[2]),
        ("isolated_db", "isolated: the layer's own error", "--", "o", _COLOURS[0]),
        ("cumulative_db", "cumulative: with all errors before it", "-", "s", _COLOURS[1]),
    )
    for key, label, dashes, marker, colour in drawn:
        values = [math.nan if row[key] is None else float(row[key]) for row in rows]
        finite = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(
            range(len(rows)), finite, dashes, marker=marker, markersize=4, color=colour, label=label, linewidth=1.2
        )
    axes.set_xticks(range(len(rows)), [_short(row["label"]) for row in rows], rotation=90, fontsize=6, parse_math=False)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("layer, in the order of execution")
    axes.set_ylabel("SQNR against float (dB), higher is better")
    _finish(figure, axes, request)
    return {"layers": len(rows)}


def scatter(request: Request) -> dict[str, int]:
    """Write out/plot.png and out/plot.svg of size against drift.

    Options: `title`, `x` and `y` (the labels of both axes, with units), and `points` [{"label", "group", "x", "y", "pareto", "passed"}]. The
    Pareto front of each group is a line, and its points have their names beside their markers. Hollow markers did not pass.
    """
    points: list[Point] = request.options["points"]
    figure, axes = _figure(9.0, 6.0)
    groups = list(dict.fromkeys(point["group"] for point in points))
    for number, group in enumerate(groups):
        marker, colour = _MARKERS[number % len(_MARKERS)], _COLOURS[number % len(_COLOURS)]
        for passed in (True, False):
            some = [point for point in points if point["group"] == group and bool(point["passed"]) is passed]
            if some:
                xs, ys = [point["x"] for point in some], [point["y"] for point in some]
                face = colour if passed else "none"
                label = f"{group}{'' if passed else ', not passed'}"
                axes.scatter(xs, ys, s=36, marker=marker, facecolors=face, edgecolors=colour, label=label, zorder=3)
        front = sorted((point["x"], point["y"]) for point in points if point["group"] == group and point["pareto"])
        label = f"{group}, Pareto front"
        axes.plot([x for x, _ in front], [y for _, y in front], "--", color=colour, linewidth=1, label=label)
    axes.margins(x=0.12, y=0.12)
    axes.set_xlabel(request.options["x"])
    axes.set_ylabel(request.options["y"])
    figure.canvas.draw()
    _name([point for point in points if point["pareto"]], figure, axes)
    _finish(figure, axes, request)
    return {"points": len(points)}


def _name(points: list[Point], figure: Figure, axes: Axes) -> None:
    """Write each point's label near it, at the first place inside the axes that is free of others. A line leads to a label that is far away."""
    taken: list[Bbox] = []
    frame = axes.get_window_extent()
    for point in sorted(points, key=lambda one: (one["x"], one["y"])):
        for step in range(24):
            away = 6 + 12 * (step // 2)
            text = axes.annotate(
                point["label"],
                (point["x"], point["y"]),
                xytext=(6, away if step % 2 == 0 else -away - 6),
                textcoords="offset points",
                fontsize=7,
                parse_math=False,
                arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.5} if step > 1 else None,
            )
            box = text.get_window_extent(figure.canvas.get_renderer())
            if box.x1 > frame.x1:
                text.set_horizontalalignment("right")
                box = text.get_window_extent(figure.canvas.get_renderer())
            inside = frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_PNG_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _finish(figure: Figure, axes: Axes, request: Request) -> None:
    """Write both files, without dates and with fixed identifiers, because SVG would have random ones."""
    import matplotlib as mpl

    axes.set_title(request.options["title"], fontsize=10, parse_math=False)  # a `$` in a name does not begin a formula
    axes.grid(visible=True, linewidth=0.3, color="#cccccc")
    axes.legend(fontsize=8)
    out: Path = request.out
    with mpl.rc_context({"svg.hashsalt": "edge-toolkit", "svg.fonttype": "none"}):
        figure.savefig(out / "plot.svg", format="svg", metadata={"Date": None, "Creator": _MARK})
    figure.savefig(out / "plot.png", format="png", metadata={"Software": _MARK})


def _short(label: str, most: int = 34) -> str:
    return label if len(label) <= most else "…" + label[1 - most :]
