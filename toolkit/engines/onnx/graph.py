"""ONNX models in files, and walks over all their parts, also bodies of loops and branches, and functions."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from toolkit.engines.onnx.extent import AGAIN, require_few_parts
from toolkit.engines.onnx.model_proto import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
)
from toolkit.errors import InvalidSource, UnknownName
from toolkit.tensors.signature import TensorJson

STANDARD_DOMAINS = ("", "ai.onnx")
NAMED = 10
QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"

_LARGEST = 2**31 - 1  # of a protobuf message, https://protobuf.dev/programming-guides/proto-limits/
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64"}


def read(path: Path) -> ModelProto:
    """Return the ModelProto in a file; data in other files is not read.

    Raises InvalidSource for a file that is no ONNX model, is damaged, is too large for the format or for any model, or has a newer format.
    """
    import onnx

    size = path.stat().st_size
    if size > _LARGEST:
        raise InvalidSource(f"{path}: {size / 1e9:.1f} GB; an ONNX file holds at most 2 GB, so this is none")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # DecodeError of protobuf, which is no dependency of ours
        raise InvalidSource(
            f"{path}: not an ONNX model, or a damaged one ({str(error).splitlines()[0]})", AGAIN
        ) from error
    if not model.ir_version or not model.HasField("graph") or not (model.graph.output or model.graph.node):
        raise InvalidSource(f"{path}: not an ONNX model: no graph in it", AGAIN)
    if model.ir_version > onnx.IR_VERSION:
        raise InvalidSource(
            f"{path}: written in version {model.ir_version} of ONNX's format; onnx {onnx.__version__} reads up to {onnx.IR_VERSION}",
            "export it again for an older one, or take a newer onnx",
        )
    require_few_parts(path, model)
    return model


def graphs_of(model: ModelProto) -> Iterator[GraphProto]:
    """Yield the graph, and the graphs in its nodes and in the model's functions."""
    inside = [model.graph]
    inside += [graph for function in model.functions for graph in _bodies(function)]
    while inside:
        graph = inside.pop()
        yield graph
        inside += _bodies(graph)


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Yield all nodes of all graphs and functions."""
    for function in model.functions:
        yield from function.node
    for graph in graphs_of(model):
        yield from graph.node


def constants_of(model: ModelProto) -> Iterator[TensorProto]:
    """Yield the TensorProto of every constant: initializers, and values in nodes."""
    for graph in graphs_of(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in ([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []) + list(
                attribute.sparse_tensors
            ):
                yield from (sparse.values, sparse.indices)


def opset_of(model: ModelProto, domain: str = "") -> int:
    """Return the version of a domain's operators in a model; 0 where the model names none."""
    same = STANDARD_DOMAINS if domain in STANDARD_DOMAINS else (domain,)
    return max((entry.version for entry in model.opset_import if entry.domain in same), default=0)


def lacking_operators(model: ModelProto) -> list[str]:
    """Return the names of operators in ONNX's own domain that the model's opset lacks: a converter did not convert them."""
    import onnx

    def is_known(name: str) -> bool:
        try:
            onnx.defs.get_schema(name, opset_of(model), "")
        except onnx.defs.SchemaError:
            return False
        return True

    names = {node.op_type for node in nodes_of(model) if node.domain in STANDARD_DOMAINS}
    return sorted(name for name in names if not is_known(name))


def dtype_name(element_type: int) -> str:
    """Return numpy's name of an element type, else ONNX's own in small letters; InvalidSource for an unknown number."""
    import onnx

    if element_type not in onnx.TensorProto.DataType.values():
        raise InvalidSource(f"element type {element_type}: ONNX has none of that number")
    name = onnx.TensorProto.DataType.Name(element_type)
    return _DTYPES.get(name, name.lower())


def spec_of(value: ValueInfoProto) -> TensorJson:
    """Return the JSON of a ValueInfoProto: name, dtype, and shape; null for a size that is not fixed, and for a shape of unknown rank."""
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = [size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim]
    return {"name": value.name, "dtype": dtype_name(tensor.elem_type), "shape": shape}


def kept_nodes(model: ModelProto, keep: Mapping[str, list[str]]) -> list[NodeProto]:
    """Return the nodes that `keep` (as in toolkit/conversion/quantizers) selects, by the name of an output or by the operator."""
    return [
        node
        for node in model.graph.node
        if node.op_type in keep["operators"]
        or any(fnmatchcase(name, glob) for glob in keep["tensors"] for name in node.output)
    ]


def check_keep(model: ModelProto, keep: Mapping[str, list[str]]) -> None:
    """Raise UnknownName for a pattern that matches no tensor, and for an operator that the graph does not have."""
    tensors = sorted({name for node in model.graph.node for name in node.output if name})
    types = sorted({node.op_type for node in model.graph.node})
    for pattern in keep["tensors"]:
        if not any(fnmatchcase(name, pattern) for name in tensors):
            near = difflib.get_close_matches(pattern, tensors, n=NAMED, cutoff=0.0)
            hint = f"the nearest of {len(tensors)} tensors that operators give are shown"
            raise UnknownName("keep_float: tensor", pattern, near, hint)
    for operator in keep["operators"]:
        if operator not in types:
            raise UnknownName("keep_float: operator", operator, types)


def _bodies(holder: GraphProto | FunctionProto) -> list[GraphProto]:
    """Return the graphs in the nodes of a graph or a function."""
    held = _attributes(holder)
    return [each.g for each in held if each.HasField("g")] + [graph for each in held for graph in each.graphs]


def _attributes(holder: GraphProto | FunctionProto) -> list[AttributeProto]:
    return [attribute for node in holder.node for attribute in node.attribute]


def split_gemm(model: ModelProto, kept: list[str]) -> ModelProto:
    """Return a model whose plain Gemms (A times a constant B, plus C) are a MatMul and an Add, except the nodes `kept`.

    Quantizers of matrix products know only MatMul, and silently skip Gemm, which a dense layer becomes.
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    constants = {constant.name: constant for constant in made.graph.initializer}
    nodes = []
    for node in made.graph.node:
        said = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        plain = not said.get("transA") and said.get("alpha", 1) == said.get("beta", 1) == 1
        if node.op_type != "Gemm" or node.name in kept or not plain or node.input[1] not in constants:
            nodes.append(node)
            continue
        weights = onnx.numpy_helper.to_array(constants[node.input[1]])
        weights = weights.T if said.get("transB") else weights
        name, bias = f"{node.output[0]}:weights", list(node.input[2:])
        made.graph.initializer.append(onnx.numpy_helper.from_array(weights.copy(), name))
        product = f"{node.output[0]}:product" if bias else node.output[0]
        nodes.append(onnx.helper.make_node("MatMul", [node.input[0], name], [product], node.name))
        if bias:
            nodes.append(onnx.helper.make_node("Add", [product, *bias], list(node.output), f"{node.name}:bias"))
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    _drop_unused(made)
    return made


def sort_nodes(model: ModelProto) -> None:
    """Sort the graph's nodes so that each comes after the nodes whose tensors it takes, also in its bodies of loops and branches.

    Quantizers append nodes anywhere, and their own sorts skip bodies.
    """
    giver = {name: at for at, node in enumerate(model.graph.node) for name in node.output if name}
    waits = [{giver[name] for name in _taken(node) if name in giver} for node in model.graph.node]
    done: set[int] = set()
    order: list[int] = []
    stack = list(reversed(range(len(waits))))
    while stack:
        at = stack[-1]
        missing = waits[at] - done
        if at in done or not missing:
            order += [] if at in done else [at]
            done.add(stack.pop())
        else:
            stack += sorted(missing, reverse=True)
    nodes = [model.graph.node[at] for at in order]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _taken(node: NodeProto) -> set[str]:
    """Return the names of all tensors that a node or the graphs in it take, also those that such a graph gives itself."""
    bodies = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    inside = [name for graph in bodies for each in graph.node for name in _taken(each)]
    return {*node.input, *inside, *(value.name for graph in bodies for value in graph.output)}


def _drop_unused(model: ModelProto) -> None:
    used = {name for node in nodes_of(model) for name in node.input} | {value.name for value in model.graph.output}
    kept = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
