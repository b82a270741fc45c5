"""Write ONNX files whose functions make more of them than they are.

    python make_hostile_onnx_files.py FOLDER          with an interpreter that has onnx

Beside the files lies expected.json: {file: what the refusal has to name}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

FOLDER = Path(sys.argv[1]).resolve()
expected: dict[str, str] = {}


def write(name: str, says: str, functions: list[Any], nodes: list[Any]) -> None:
    """Write y = f(x)."""
    x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4]) for each in "xy")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=8, functions=functions
    )
    (FOLDER / name).write_bytes(model.SerializeToString())
    expected[name] = says


def write_shaped(name: str, says: str, shape: list[int]) -> None:
    """Write a file whose constant says a shape that no numbers have."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    held = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    held.dims[:] = shape
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [held])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (FOLDER / name).write_bytes(model.SerializeToString())
    expected[name] = says


def function(name: str, *called: str) -> Any:
    """Return a function of one input that calls others, one behind the other."""
    places = ["a", *(f"t{place}" for place in range(len(called) - 1)), "b"]
    nodes = [
        helper.make_node(each, [places[place]], [places[place + 1]], domain="" if each == "Relu" else "f")
        for place, each in enumerate(called)
    ]
    return helper.make_function(
        "f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    )


def main() -> None:
    """Write all of them."""
    call = [helper.make_node("F0", ["x"], ["y"], domain="f")]
    doubling = [function(f"F{place}", f"F{place + 1}", f"F{place + 1}") for place in range(40)]
    write("doubling.onnx", "has more than 200,000 operators", [*doubling, function("F40", "Relu")], call)
    write("itself.onnx", "calls itself", [function("F0", "F1"), function("F1", "F0")], call)
    write("sound.onnx", "", [function("F0", "F1", "F1"), function("F1", "Relu")], call)
    write_shaped("huge.onnx", "says the shape", [1 << 62, 1 << 62])
    write_shaped("negative.onnx", "says the shape", [-6, 3])
    (FOLDER / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
