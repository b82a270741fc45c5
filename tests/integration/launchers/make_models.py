"""Models that a program has to bind by the graph's order, or that keep numbers; runs where LiteRT is.

python make_models.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.integration.make_flatbuffers import File, counter, recurrent


def crossed(folder: Path, *, is_open: bool = False) -> None:
    """Two inputs and two outputs of one shape, in another order than their names have: z = first - second, y = first + second."""
    file = File()
    graph = file.graph()
    more = {"shapeSignature": np.array([-1, 4], np.int32)} if is_open else {}
    first, second = graph.tensor("b_tensor", **more), graph.tensor("a_tensor", **more)
    less = graph.operator("SUB", [first, second], [graph.tensor("less", **more)], schema.SubOptionsT())
    both = graph.operator("ADD", [first, second], [graph.tensor("both", **more)], schema.AddOptionsT())
    graph.ends([first, second], [less, both])
    file.signature({"a": second, "b": first}, {"y": both, "z": less})
    file.write(folder / ("open.tflite" if is_open else "crossed.tflite"))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for make in (crossed, counter, recurrent):
        make(folder)
    crossed(folder, is_open=True)
