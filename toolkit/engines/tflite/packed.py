"""A .tflite read in place, without unpacking it: its graphs, their operators and tensors, and the names of these."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

_SCHEMAS = (
    "ai_edge_litert.schema_py_generated",
    "tensorflow.lite.python.schema_py_generated",
    "tflite_micro.tensorflow.lite.micro.python.schema_py_generated",
)


def schema_module() -> Any:
    """Return the generated classes of TFLite's schema, from the engine that is installed here; ImportError where none is."""
    for name in _SCHEMAS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"none of {', '.join(_SCHEMAS)} is installed here")


@functools.cache
def names_of(enumeration: type) -> dict[int, str]:
    """Return the names of a schema's enumeration by number."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def bytes_of(buffer: Any) -> int:
    """Return how much a buffer holds, inside of the tables or behind them, where large models have it."""
    return int(buffer.DataLength() or buffer.Size())


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The root table of a file (`schema.Model`), read by the generated classes of `schema`."""

    schema: Any
    root: Any

    @classmethod
    def read(cls, content: bytes) -> PackedModel:
        """Return the file's root; a damaged file is noticed only when something of it is read."""
        schema = schema_module()
        return cls(schema, schema.Model.GetRootAsModel(content, 0))

    @property
    def graphs(self) -> list[Any]:
        """The file's graphs, the main one first."""
        return [self.root.Subgraphs(index) for index in range(self.root.SubgraphsLength())]

    def dtype(self, tensor: Any) -> str:
        """Return a tensor's dtype as the schema names it, in small letters."""
        return names_of(self.schema.TensorType)[tensor.Type()].lower()

    def operator(self, operator: Any) -> str:
        """Return an operator's name as the schema has it, "CUSTOM name" for one that is not builtin."""
        return self.name_of_code(self.root.OperatorCodes(operator.OpcodeIndex()))

    def name_of_code(self, code: Any) -> str:
        """Return the name of an operator code, as `operator`."""
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # the schema's own rule: the larger one counts
        name = names_of(self.schema.BuiltinOperator)[number]
        return f"CUSTOM {code.CustomCode().decode()}" if name == "CUSTOM" else name

    def size_bytes(self, tensor: Any) -> int:
        """Return how many bytes of values the file holds for a tensor, 0 where it is computed or fed."""
        return bytes_of(self.root.Buffers(tensor.Buffer()))


def operators_in(graph: Any) -> list[Any]:
    """Return the operators of a graph, in the order of execution."""
    return [graph.Operators(index) for index in range(graph.OperatorsLength())]


def tensors_in(graph: Any) -> list[Any]:
    """Return the tensors of a graph."""
    return [graph.Tensors(index) for index in range(graph.TensorsLength())]
