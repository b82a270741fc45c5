"""The content of an .ort file, ONNX Runtime's own format for phones: a graph that was optimized beforehand, as a flatbuffer.

It is read with the classes that come with ONNX Runtime (onnxruntime/core/flatbuffers/schema/ort.fbs). Types of tensors have the numbers that ONNX
gives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from toolkit.engines.description import Description, OperatorCount
from toolkit.engines.onnx.graph import STANDARD_DOMAINS, dtype_name
from toolkit.engines.uses import NONE, UNKNOWN, Placed, grouped, without_ends
from toolkit.errors import InvalidSource
from toolkit.tensors.signature import OrderedSignature, TensorJson
from toolkit.wire.request import Request

IDENTIFIER = b"ORTM"  # ort.fbs: file_identifier
AGAIN = "make it again: python -m onnxruntime.tools.convert_onnx_models_to_ort MODEL.onnx --optimization_style Fixed --target_platform arm"

_OF_ONE_PROCESSOR = "com.microsoft.nchwc"  # layouts for x86: ONNX Runtime has their kernels there only
_TENSOR, _SIZE = 1, 1  # ort.fbs: TypeInfoValue.tensor_type, DimensionValueType.VALUE
_HALVES = ("int4", "uint4")


def is_ort(head: bytes) -> bool:
    """Return whether a file begins like an .ort file."""
    return head[4:8] == IDENTIFIER


def inspect(request: Request) -> Description:
    """Return `describe` of inputs["model"]; how its outputs end is unknown. InvalidSource for a damaged file, or one for another processor."""
    return {**describe(request.inputs["model"]), "endings": {}}


def describe(path: Path) -> Description:
    """Return signature, operators, dtypes of tensors and of results, and bytes of weights by dtype, all as the optimized graph has them.

    InvalidSource for a file that is no .ort, a damaged one, or one that runs on x86 alone.
    """
    try:
        graph = _graph(path)
        graphs = list(_graphs(graph))
        nodes = [node for each in graphs for node in _nodes(each)]
        types = {name: spec for each in reversed(graphs) for name, spec in _types(each)}
        found: Description = {
            "signatures": [_signature(graph, types)],
            "operators": _operators(nodes),
            "uses": grouped(_placed(graphs, types)),
            "tensors": dict(Counter(spec["dtype"] for spec in types.values())),
            "weights_bytes": _weights_bytes(graph),
            "activations": sorted({types[name]["dtype"] for node in nodes for name in _outputs(node) if name in types}),
            "findings": [],
        }
    except InvalidSource:
        raise
    except Exception as error:  # numbers of a damaged file lead anywhere
        raise InvalidSource(f"{path}: damaged .ort file ({type(error).__name__}: {error})", AGAIN) from error
    _refuse_one_processor(path, nodes)
    return found


def signature(path: Path) -> OrderedSignature:
    """Return the signature of a file; raises as `describe` does."""
    (found,) = describe(path)["signatures"]
    return found


def _graph(path: Path) -> Any:
    import onnxruntime.tools.ort_format_model  # noqa: F401 (it makes the next module importable)
    from ort_flatbuffers_py import fbs

    content = path.read_bytes()
    if not is_ort(content[:8]):
        raise InvalidSource(f"{path}: no .ort file, which has {IDENTIFIER.decode()} in its bytes 4 to 8", AGAIN)
    session = fbs.InferenceSession.InferenceSession.GetRootAsInferenceSession(content, 0)
    return session.Model().Graph()


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph, and then the graphs in its nodes' attributes."""
    yield graph
    for node in _nodes(graph):
        for attribute in _each(node.Attributes, node.AttributesLength()):
            if attribute.G() is not None:
                yield from _graphs(attribute.G())


def _nodes(graph: Any) -> Iterator[Any]:
    return _each(graph.Nodes, graph.NodesLength())


def _each(get: Any, count: int) -> Iterator[Any]:
    return (get(at) for at in range(count))


def _outputs(node: Any) -> Iterator[str]:
    return (name.decode() for name in _each(node.Outputs, node.OutputsLength()))


def _inputs(node: Any) -> Iterator[str]:
    return (name.decode() for name in _each(node.Inputs, node.InputsLength()))


def _types(graph: Any) -> Iterator[tuple[str, TensorJson]]:
    """Yield the name and the spec of each tensor of a graph."""
    from ort_flatbuffers_py import fbs

    for argument in _each(graph.NodeArgs, graph.NodeArgsLength()):
        said = argument.Type()
        if said is None or said.ValueType() != _TENSOR:
            continue
        tensor = fbs.TensorTypeAndShape.TensorTypeAndShape()
        tensor.Init(said.Value().Bytes, said.Value().Pos)
        name, shape = argument.Name().decode(), tensor.Shape()
        sizes = None if shape is None else [_size(dim.Value()) for dim in _each(shape.Dim, shape.DimLength())]
        yield name, {"name": name, "dtype": dtype_name(tensor.ElemType()), "shape": sizes}


def _size(value: Any) -> int | None:
    return int(value.DimValue()) if value is not None and value.DimType() == _SIZE else None


def _signature(graph: Any, types: dict[str, TensorJson]) -> OrderedSignature:
    """Return the signature as `toolkit.engines.onnx.file.signature` does; a constant is no input."""
    constants = {tensor.Name() for tensor in _each(graph.Initializers, graph.InitializersLength())}
    inputs = [name.decode() for name in _each(graph.Inputs, graph.InputsLength()) if name not in constants]
    outputs = [name.decode() for name in _each(graph.Outputs, graph.OutputsLength())]
    specs = [sorted((types[name] for name in side), key=lambda spec: str(spec["name"])) for side in (inputs, outputs)]
    return {"key": None, "inputs": specs[0], "outputs": specs[1], "order": {"inputs": inputs, "outputs": outputs}}


def _name(node: Any) -> str:
    domain, name = node.Domain().decode(), node.OpType().decode()
    return name if domain in STANDARD_DOMAINS else f"{domain}.{name}"


def _operators(nodes: list[Any]) -> list[OperatorCount]:
    used = Counter((_name(node), int(node.SinceVersion())) for node in nodes)
    found: list[OperatorCount] = [
        {"name": name, "version": version, "count": count} for (name, version), count in used.items()
    ]
    return sorted(found, key=lambda operator: (str(operator["name"]), operator["version"]))


def _placed(graphs: list[Any], types: dict[str, TensorJson]) -> Iterator[Placed]:
    """Yield each operator with the dtypes of its tensors and its place."""
    for number, graph in enumerate(graphs):
        for index, node in enumerate(_nodes(graph)):
            takes, gives = (_dtypes(names, types) for names in (_inputs(node), _outputs(node)))
            yield Placed(_name(node), int(node.SinceVersion()), takes, gives, number, index)


def _dtypes(names: Iterable[str], types: dict[str, TensorJson]) -> tuple[str, ...]:
    return without_ends([(str(types[name]["dtype"]) if name in types else UNKNOWN) if name else NONE for name in names])


def _weights_bytes(graph: Any) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for tensor in _each(graph.Initializers, graph.InitializersLength()):
        sizes[dtype_name(tensor.DataType())] += tensor.RawDataLength()
    return dict(sizes)


def _refuse_one_processor(path: Path, nodes: list[Any]) -> None:
    found = sorted({node.OpType().decode() for node in nodes if node.Domain().decode() == _OF_ONE_PROCESSOR})
    if found:
        raise InvalidSource(
            f"{path}: was made for x86 alone (--target_platform amd64): no other processor has its operators "
            f"{', '.join(f'{_OF_ONE_PROCESSOR}.{name}' for name in found)}",
            AGAIN,
        )
