"""A .tflite split into files that any TFLite runtime can run, also one that cannot show inner tensors.

tapped    the file with all results of its operators as outputs
apart     its operators side by side: each has its own inputs and outputs, and none feeds another
single    one operator

Names are the tensors' numbers in the main graph of the file, for the outputs of `tapped`, and for inputs and outputs of `apart`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.tflite.packed import schema_module
from toolkit.engines.tflite.subgraphs import Node, Parts
from toolkit.engines.tflite.tables import ModelT, SubGraphT, TensorMapT, numbers_of
from toolkit.errors import InvalidSource

_READ = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


def working(parts: Parts) -> list[Node]:
    """Return the operators, without those that unpack constants and so always give the same."""
    return [node for node in parts.nodes if node.reads]


def shown(parts: Parts, node: Node) -> list[int]:
    """Return the outputs of an operator that can be read."""
    return [index for index in node.gives if index >= 0 and parts.tensors[index].dtype in _READ]


def fed(parts: Parts, node: Node) -> list[int]:
    """Return the inputs of an operator that have to be fed: all but constants, packed or not."""
    constant = {index for each in parts.nodes if not each.reads for index in each.gives}
    return [index for index in node.reads if index not in constant]


def require_main(path: Path, key: str) -> None:
    """Raise InvalidSource where another than the main graph computes a signature: only the main graph is split."""
    if all(each.subgraphIndex != 0 for each in _tables(path).signatureDefs or () if each.signatureKey == key.encode()):
        raise InvalidSource(f"{path.name}: computes {key!r} in another than its main graph, which is not looked into")


def input_names(path: Path) -> dict[str, int]:
    """Return the input tensors by their names in the main graph's signature, or by their own names without a signature."""
    tables = _tables(path)
    graph = tables.subgraphs[0]
    for each in tables.signatureDefs or ():
        if each.subgraphIndex == 0:
            return {item.name.decode(): int(item.tensorIndex) for item in each.inputs or ()}
    return {graph.tensors[index].name.decode(): int(index) for index in graph.inputs}


def output_names(path: Path) -> dict[str, int]:
    """Return the output tensors by name, as `input_names` does."""
    tables = _tables(path)
    graph = tables.subgraphs[0]
    for each in tables.signatureDefs or ():
        if each.subgraphIndex == 0:
            return {item.name.decode(): int(item.tensorIndex) for item in each.outputs or ()}
    return {graph.tensors[index].name.decode(): int(index) for index in graph.outputs}


def tapped(path: Path) -> bytes:
    """Return the file with all results of its operators as outputs; its inputs keep their names."""
    parts, inputs = Parts(path), input_names(path)
    tables = _tables(path)
    given = dict.fromkeys(index for node in working(parts) for index in shown(parts, node))
    return _signed(tables, inputs, {str(index): index for index in given})


def apart(path: Path, known: Collection[int]) -> tuple[bytes, list[int], list[int]]:
    """Return a file of the operators whose inputs are all `known`, the tensors that it takes, and the places of these operators.

    Each operator reads copies of its inputs, so that no other operator's output reaches it. Constants are unpacked as before.
    """
    parts, tables = Parts(path), _tables(path)
    graph = tables.subgraphs[0]
    copies: dict[int, int] = {}
    operators, given, places = [], [], []
    for node in parts.nodes:
        takes = fed(parts, node)
        if node.reads and (node.uncut is not None or not set(takes) <= set(known) or not shown(parts, node)):
            continue
        operator = copy.copy(graph.operators[node.place])
        operator.inputs = np.array(
            [_copied(graph, copies, index) if index in takes else index for index in numbers_of(operator.inputs)],
            np.int32,
        )
        operators.append(operator)
        if node.reads:
            given += shown(parts, node)
            places.append(node.place)
    graph.operators = operators
    inputs = {str(index): copied for index, copied in copies.items()}
    return _signed(tables, inputs, {str(index): index for index in given}), list(copies), places


def single(parts: Parts, place: int) -> tuple[bytes, list[int], list[int]]:
    """Return a file of the operator at a place, and the tensors that it takes as input_0, input_1, ... and gives as output_0, ..."""
    node = parts.nodes[place]
    gives = shown(parts, node)
    content, takes = parts.cut(parts.alone(node), gives)
    tables = schema_module().ModelT.InitFromPackedBuf(content, 0)
    graph = tables.subgraphs[0]
    inputs = {f"input_{number}": int(index) for number, index in enumerate(graph.inputs)}
    outputs = {f"output_{number}": int(index) for number, index in enumerate(graph.outputs)}
    return _signed(tables, inputs, outputs), list(takes), gives


def _tables(path: Path) -> ModelT:
    return schema_module().ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def _copied(graph: SubGraphT, copies: dict[int, int], index: int) -> int:
    """Return the tensor that is fed in place of another."""
    if index not in copies:
        made = copy.copy(graph.tensors[index])
        made.buffer = 0  # the first is empty, by the format's rule
        made.name = b"fed " + (made.name or b"")
        graph.tensors.append(made)
        copies[index] = len(graph.tensors) - 1
    return copies[index]


def _signed(tables: ModelT, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
    """Return the file with these inputs and outputs, and a signature of them."""
    import flatbuffers

    schema = schema_module()
    graph = tables.subgraphs[0]
    graph.inputs = np.array(list(inputs.values()), np.int32)
    graph.outputs = np.array(list(outputs.values()), np.int32)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = (_mapped(schema, named) for named in (inputs, outputs))
    tables.signatureDefs = [signature]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tables.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _mapped(schema: Any, named: Mapping[str, int]) -> list[TensorMapT]:
    found = []
    for name, index in named.items():
        each = schema.TensorMapT()
        each.name, each.tensorIndex = name, index
        found.append(each)
    return found
