"""Numbers by layer in the format that Model Explorer overlays on a graph: node data, one JSON file (`model-explorer MODEL --node_data FILE`).

The format is from google-ai-edge/model-explorer, src/server/package/src/model_explorer/node_data_builder.py (GraphNodeData). The key of a value is
the name of any output tensor of a node. Thresholds are upper ends, in rising order, each with the colour of the values below it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypedDict

from toolkit.files.outputs import FileKind

# Red to green with rising decibels: at 10 dB a third of the signal is wrong, at 40 dB a hundredth, which 8 bits can reach.
_THRESHOLDS = ((10, "#d73027"), (20, "#fc8d59"), (30, "#fee08b"), (40, "#d9ef8b"), (200, "#91cf60"))
_MOST_DB = float(_THRESHOLDS[-1][0])


_ENDS = json.dumps([{"value": value, "bgColor": colour} for value, colour in _THRESHOLDS]).replace(" ", "").encode()
NODE_DATA = FileKind(
    "node data of this program (JSON)", lambda seen: b"".join(seen.split()).endswith(b'"thresholds":' + _ENDS + b"}")
)


class NodeValue(TypedDict):
    """A node's number."""

    value: float


class Threshold(TypedDict):
    """The upper end of a range, and the colour of the values below it."""

    value: float
    bgColor: str


class NodeData(TypedDict):
    """GraphNodeData of Model Explorer: values by the name of an output tensor."""

    results: dict[str, NodeValue]
    thresholds: list[Threshold]


def node_data(values: Mapping[str, float]) -> NodeData:
    """Return node data of decibels by tensor name. Infinite values go to the ends of the scale, because JSON has no infinity. NaN is left out."""
    return {
        "results": {
            name: {"value": min(max(value, -_MOST_DB), _MOST_DB)}
            for name, value in values.items()
            if not math.isnan(value)
        },
        "thresholds": [{"value": value, "bgColor": colour} for value, colour in _THRESHOLDS],
    }
