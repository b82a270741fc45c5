"""TensorFlow's protocol buffers without TensorFlow: an import of TensorFlow takes seconds, a parse of a file milliseconds."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.engines.tensorflow.graph_def import GraphDef, TensorInfo, TensorShapeProto
from toolkit.errors import InvalidSource, causes
from toolkit.tensors.signature import TensorJson

_DTYPES = {"float": "float32", "double": "float64", "half": "float16"}


def message(module: str, name: str) -> Any:
    """Return a new, empty message: "protobuf.saved_model" and "SavedModel" give the one of tensorflow/core/protobuf/saved_model.proto."""
    if "tensorflow" not in sys.modules:
        bare = types.ModuleType("tensorflow")
        bare.__path__ = tensorflow_folders()
        sys.modules["tensorflow"] = bare
    return getattr(importlib.import_module(f"tensorflow.core.{module}_pb2"), name)()


def tensorflow_folders() -> list[str]:
    """Return the folders of the installed TensorFlow, imported or not; ImportError where there is none."""
    if "tensorflow" in sys.modules:
        return list(sys.modules["tensorflow"].__path__)
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("tensorflow is not installed here")
    return list(spec.submodule_search_locations)


def parse(into: Any, path: Path, what: str) -> Any:
    """Fill a message from a file, binary or text (suffix .pbtxt), and return it; InvalidSource where the file is damaged."""
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    try:
        if path.suffix == ".pbtxt":
            text_format.Parse(path.read_text(), into)
        else:
            into.ParseFromString(path.read_bytes())
    except (DecodeError, ValueError, RecursionError) as error:
        raise InvalidSource(f"{path}: is damaged, no {what} ({causes(error)})", "save the model again") from error
    return into


def dtype_name(number: int) -> str:
    """Return numpy's name of a `DataType`, reference or not: 1 and 101 are "float32". "string", "resource" and "variant" keep their names.

    A number that this TensorFlow does not know is "type 77".
    """
    types_pb2 = importlib.import_module("tensorflow.core.framework.types_pb2")
    if number % 100 not in types_pb2.DataType.values():
        return f"type {number}"
    name = types_pb2.DataType.Name(number % 100).removeprefix("DT_").lower()
    return _DTYPES.get(name, name)


def sizes(shape: TensorShapeProto) -> list[int | None] | None:
    """Return a `TensorShapeProto` as JSON: null for an unknown size, null for an unknown rank."""
    if shape.unknown_rank:
        return None
    return [None if dimension.size < 0 else dimension.size for dimension in shape.dim]


def specs(tensors: Mapping[str, TensorInfo]) -> list[TensorJson]:
    """Return inputs or outputs of a `SignatureDef` as JSON, sorted by name."""
    return [
        {"name": name, "dtype": dtype_name(info.dtype), "shape": sizes(info.tensor_shape)}
        for name, info in sorted(tensors.items())
    ]


def operators_run(graph: GraphDef) -> set[str]:
    """Return the names of the operators that can run in a `GraphDef`: its own, and those of called functions.

    Its library holds more: functions that an engine may use instead (a GPU's LSTM), and gradients.
    """
    library = {function.signature.name: function.node_def for function in graph.library.function}
    found: set[str] = set()
    waiting, seen = [list(graph.node)], set[str]()
    while waiting:
        for node in waiting.pop():
            called = {node.op} | {value.func.name for value in node.attr.values()}
            called |= {one.name for value in node.attr.values() for one in value.list.func}
            found |= {node.op} - set(library)
            for name in called & set(library) - seen:
                seen.add(name)
                waiting.append(list(library[name]))
    return found


def operators(graph: GraphDef) -> set[str]:
    """Return the names of all operators of a `GraphDef`, functions included."""
    found = {node.op for node in graph.node}
    for function in graph.library.function:
        found.update(node.op for node in function.node_def)
    return found
