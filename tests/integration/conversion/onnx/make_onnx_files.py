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


def integers() -> onnx.ModelProto:
    """Products of integers, of every form that a quantizer writes: those with large int8 weights and uint8 activations leave 16 bits.

    `image` (1, 4, 5, 5) and `row` (1, 8) are uint8 in [200, 255], `signed_row` the same less 128; each output is one operator's.
    """
    large = RANDOM.integers(100, 128, (8, 4, 3, 3)).astype(np.int8)
    alternating = large * np.array([1, -1, 1, -1], np.int8)[:, None, None]
    matrix = RANDOM.integers(100, 128, (8, 3)).astype(np.int8)
    weights: dict[str, np.ndarray] = {
        "large": large, "small": large // 2, "unsigned": large.astype(np.uint8) + 128, "alternating": alternating,
        "each": large[:4, :1], "grouped": large[:, :2], "matrix": matrix, "turned": matrix.T.copy(), "odd": matrix[:1],
    }  # fmt: skip
    constants = {"one": np.array(1, np.float32), "zero": np.array(0, np.uint8), "middle": np.array(-128, np.int8)}
    nodes, outputs = [], []

    def add(name: str, operator: str, inputs: list[str], dtype: int = TensorProto.FLOAT, **attributes: object) -> None:
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        outputs.append(helper.make_tensor_value_info(name, dtype, None))

    for name, zero in (("image", "zero"), ("row", "zero"), ("signed_row", "middle")):
        nodes.append(helper.make_node("DequantizeLinear", [name, "one", zero], [f"real {name}"]))
    for name, array in weights.items():
        constants[f"int {name}"] = array
        zero = "zero_point" if array.dtype == np.uint8 else "none"
        nodes.append(helper.make_node("DequantizeLinear", [f"int {name}", "one", zero], [name]))
    constants |= {"none": np.array(0, np.int8), "zero_point": np.array(128, np.uint8)}
    quantized = {"scale": np.array(2000, np.float32), "many": np.array(5000, np.float32)}
    constants |= quantized

    def requantized(name: str, operator: str, inputs: list[str], scale: str, zero: str, **attributes: object) -> None:
        nodes.append(helper.make_node(operator, inputs, [f"{name} real"], **attributes))
        nodes.append(helper.make_node("QuantizeLinear", [f"{name} real", scale, zero], [f"{name} int"]))
        add(name, "DequantizeLinear", [f"{name} int", scale, zero])

    for name in ("large", "small", "unsigned", "alternating"):
        requantized(f"conv {name}", "Conv", ["real image", name], "many", "zero")
    requantized("conv each", "Conv", ["real image", "each"], "many", "zero", group=4)
    requantized("conv grouped", "Conv", ["real image", "grouped"], "many", "zero", group=2)
    requantized("gemm", "Gemm", ["real row", "turned"], "scale", "zero", transB=1)
    nodes.append(helper.make_node("QuantizeLinear", ["real_in", "one", "middle"], ["made int8"]))
    nodes.append(helper.make_node("DequantizeLinear", ["made int8", "one", "middle"], ["real made"]))
    requantized("made product", "MatMul", ["real made", "matrix"], "scale", "middle")
    requantized("signed product", "MatMul", ["real signed_row", "matrix"], "scale", "middle")
    add("float", "MatMul", ["real_in", "matrix"])
    add("integer", "MatMulInteger", ["row", "int matrix", "zero"], TensorProto.INT32)
    add("signed integer", "MatMulInteger", ["signed_row", "int matrix", "middle"], TensorProto.INT32)
    inputs = [
        value("image", [1, 4, 5, 5], TensorProto.UINT8),
        value("row", [1, 8], TensorProto.UINT8),
        value("signed_row", [1, 8], TensorProto.INT8),
        value("real_in", [1, 8]),
    ]
    return model(nodes, inputs, outputs, constants)


def outside(location: str) -> onnx.ModelProto:
    """Return `dense` with weights that lie in another file."""
    made = dense()
    moved(made.graph.initializer[0], location)
    return made


def moved(weights: TensorProto, location: str) -> None:
    """Let a tensor lie in another file."""
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, said in (("location", location), ("offset", "0"), ("length", "48")):
        weights.external_data.add(key=key, value=said)


def sparse_outside() -> onnx.ModelProto:
    """Return `dense` with weights that are the sparse value of a node, which lies in another file."""
    made = dense()
    node = made.graph.node.add(op_type="Constant", output=["weights"])
    held = node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor
    held.values.CopyFrom(made.graph.initializer[0])
    held.values.dims[:] = [12]
    held.dims.extend([4, 3])
    held.indices.CopyFrom(numpy_helper.from_array(np.arange(12), "indices"))
    del made.graph.initializer[0]
    moved(held.values, "../../../../../../etc/passwd")
    return made


def function_outside() -> onnx.ModelProto:
    """Return `dense` whose weights are a constant in the branch of a function's node, which lies in another file."""
    made = dense()
    weights = made.graph.initializer[0]
    moved(weights, "/etc/passwd")
    constant = helper.make_node("Constant", [], ["weights"], value=weights)
    body = helper.make_graph([constant], "body", [], [value("weights", [4, 3])])
    branch = onnx.NodeProto(op_type="If", input=["condition"], output=["given"])
    branch.attribute.append(helper.make_attribute("then_branch", body))
    branch.attribute.append(helper.make_attribute("bodies", [body]))
    function = helper.make_function("own", "Weights", ["condition"], ["given"], [branch], made.opset_import)
    made.functions.append(function)
    del made.graph.initializer[0]
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for build in (dense, lookup, unknown, foreign, integers):
        (folder / f"{build.__name__}.onnx").write_bytes(build().SerializeToString())
    newer = dense()
    newer.ir_version = 999
    (folder / "newer.onnx").write_bytes(newer.SerializeToString())
    (folder / "beside.onnx").write_bytes(outside("weights.bin").SerializeToString())
    (folder / "above.onnx").write_bytes(outside("../../../../../../etc/passwd").SerializeToString())
    (folder / "sparse.onnx").write_bytes(sparse_outside().SerializeToString())
    (folder / "function.onnx").write_bytes(function_outside().SerializeToString())
    (folder / "weights.bin").write_bytes(bytes(48))
    strange = dense()
    strange.graph.initializer[0].data_type = 77
    (folder / "strange.onnx").write_bytes(strange.SerializeToString())
