"""Write small .onnx files, sound and unsound, to look into and to run.

python make_onnx_files.py FOLDER        with the interpreter of the onnxruntime environment
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(2)


def value(name: str, shape: list[int], dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Return a declared tensor."""
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: list, inputs: list, outputs: list, constants: dict[str, np.ndarray], **more: object
) -> onnx.ModelProto:
    """Return a model of opset 17."""
    held = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def dense() -> onnx.ModelProto:
    """X (1, 4) to y (1, 3) and to a truth value, so that two dtypes come out."""
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["product"], "multiply"),
        helper.make_node("Relu", ["product"], ["y"], "clip"),
        helper.make_node("ReduceMax", ["y"], ["top"], "top", keepdims=0),
        helper.make_node("Greater", ["top", "one"], ["large"], "compare"),
    ]
    constants = {"weights": RANDOM.normal(size=(4, 3)).astype(np.float32), "one": np.array(1, np.float32)}
    return model(nodes, [value("x", [1, 4])], [value("y", [1, 3]), value("large", [], TensorProto.BOOL)], constants)


def lookup() -> onnx.ModelProto:
    """Integers in, rows of a table out: no float goes in."""
    node = helper.make_node("Gather", ["table", "ids"], ["rows"], "look up", axis=0)
    table = {"table": RANDOM.normal(size=(5, 2)).astype(np.float32)}
    return model([node], [value("ids", [1, 3], TensorProto.INT64)], [value("rows", [1, 3, 2])], table)


def unknown() -> onnx.ModelProto:
    """An operator as a converter leaves it that has no translation for it."""
    return model([helper.make_node("Erfc", ["x"], ["y"], "left")], [value("x", [1, 4])], [value("y", [1, 4])], {})


def foreign() -> onnx.ModelProto:
    """An operator of ONNX Runtime's own."""
    node = helper.make_node("Gelu", ["x"], ["y"], "own", domain="com.microsoft")
    return model([node], [value("x", [1, 4])], [value("y", [1, 4])], {})


def outside(location: str) -> onnx.ModelProto:
    """Return `dense` with weights that lie in another file."""
    made = dense()
    weights = made.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, said in (("location", location), ("offset", "0"), ("length", "48")):
        weights.external_data.add(key=key, value=said)
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for build in (dense, lookup, unknown, foreign):
        (folder / f"{build.__name__}.onnx").write_bytes(build().SerializeToString())
    newer = dense()
    newer.ir_version = 999
    (folder / "newer.onnx").write_bytes(newer.SerializeToString())
    (folder / "beside.onnx").write_bytes(outside("weights.bin").SerializeToString())
    (folder / "above.onnx").write_bytes(outside("../../../../../../etc/passwd").SerializeToString())
    (folder / "weights.bin").write_bytes(bytes(48))
    strange = dense()
    strange.graph.initializer[0].data_type = 77
    (folder / "strange.onnx").write_bytes(strange.SerializeToString())
