"""How an ONNX model uses its operators: their versions and the dtypes of their tensors, which decide if a runtime has a kernel for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from toolkit.engines.description import OperatorUse
from toolkit.engines.onnx.graph import STANDARD_DOMAINS, graphs_of, opset_of
from toolkit.engines.onnx.model_proto import ModelProto, NodeProto
from toolkit.engines.uses import NONE, UNKNOWN, Placed, grouped, without_ends


def uses(model: ModelProto, dtypes: Mapping[str, str]) -> list[OperatorUse]:
    """Return the uses of all operators of the model's graphs, functions left out; `dtypes` are those of tensors, by name, as far as they are known.

    An operator outside of ONNX has its domain before its name, and the version that the model imports.
    """
    return grouped(_placed(model, dtypes))


def since(name: str, domain: str, opset: int) -> int:
    """Return the opset in which an operator was last changed, as of an opset; the opset itself for an operator that onnx does not have."""
    import onnx

    try:
        return int(onnx.defs.get_schema(name, opset, "" if domain in STANDARD_DOMAINS else domain).since_version)
    except onnx.defs.SchemaError:
        return opset


def _placed(model: ModelProto, dtypes: Mapping[str, str]) -> Iterator[Placed]:
    opsets = {domain: opset_of(model, domain) for domain in {entry.domain for entry in model.opset_import} | {""}}
    for number, graph in enumerate(graphs_of(model)):
        for index, node in enumerate(graph.node):
            version = since(node.op_type, node.domain, opsets.get(node.domain, 0))
            yield Placed(_name(node), version, _of(node.input, dtypes), _of(node.output, dtypes), number, index)


def _name(node: NodeProto) -> str:
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def _of(names: Iterable[str], dtypes: Mapping[str, str]) -> tuple[str, ...]:
    return without_ends([dtypes.get(name, UNKNOWN) if name else NONE for name in names])
