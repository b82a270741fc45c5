"""Parts of a .tflite as files of their own: some operators of its main graph with their weights; inputs from other operators are fed.

An interpreter runs such a part on the same kernels as the whole file.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.tflite.packed import names_of, schema_module
from toolkit.engines.tflite.tables import BufferT, ModelT, OperatorCodeT, OperatorT, TensorT, numbers_of, shape_of
from toolkit.errors import InvalidSource

_MOVES = ("QUANTIZE", "DEQUANTIZE")
_GRAPHS = ("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO")  # other graphs of the file do their work
_NUMBERS = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """A tensor of the main graph; `scale` and `zero_point` are None where it is not quantized, or quantized by channel (only constants are)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """Return the real values, float64, in the shape of `values`."""
        real = np.asarray(values, np.float64)
        return real if self.scale is None or self.zero_point is None else (real - self.zero_point) * self.scale

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """Return the nearest values that the tensor can hold, in its dtype; values beyond its range become its ends."""
        if self.scale is None or self.zero_point is None:
            return real.astype(self.dtype)
        ends = np.iinfo(self.dtype)
        return np.clip(np.round(real / self.scale) + self.zero_point, ends.min, ends.max).astype(self.dtype)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the largest real value that it can hold; None where it is not quantized."""
        if self.scale is None or self.zero_point is None:
            return None
        ends = np.iinfo(self.dtype)
        return (ends.min - self.zero_point) * self.scale, (ends.max - self.zero_point) * self.scale


@dataclass(frozen=True, slots=True)
class Node:
    """An operator of the main graph: the fed or computed tensors that it reads, and the tensors that it gives; `uncut` is why it cannot run alone."""

    place: int
    operator: str
    reads: tuple[int, ...]
    gives: tuple[int, ...]
    uncut: str | None

    @property
    def moves(self) -> bool:
        """Whether it only quantizes or dequantizes."""
        return self.operator in _MOVES


class Parts:
    """The main graph of a .tflite file, read once; InvalidSource for a file that is none."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise InvalidSource(f"{path}: not a TFLite file (no TFL3 identifier)")
        self._schema = schema_module()
        self._model = self._schema.ModelT.InitFromPackedBuf(content, 0)
        if any(
            each.offset > 1 for each in self._model.buffers
        ):  # 1 is kept for files that were never finished (schema.fbs)
            raise InvalidSource(f"{path}: keeps its weights behind the flatbuffer, where no part of it can be cut out")
        self._graph = self._model.subgraphs[0]
        self._types = names_of(self._schema.TensorType)
        self.tensors = [self._tensor(each) for each in self._graph.tensors]
        given = {int(index) for each in self._graph.operators for index in each.outputs}
        self._fed = given | {int(index) for index in self._graph.inputs}
        self.nodes = [self._node(place, each) for place, each in enumerate(self._graph.operators)]
        self._unpack = {index: each.place for each in self.nodes if not each.reads for index in each.gives}
        self.inputs = tuple(int(index) for index in self._graph.inputs)
        self.outputs = tuple(int(index) for index in self._graph.outputs)

    def cut(self, places: Sequence[int], gives: Sequence[int]) -> tuple[bytes, tuple[int, ...]]:
        """Return a file of the operators at these places, in this order, with these outputs; and the tensors that are its inputs, in order."""
        schema = self._schema
        computed = {index for place in places for index in self.nodes[place].gives}
        read = [index for place in places for index in self.nodes[place].reads if index not in computed]
        takes = tuple(dict.fromkeys(read))
        moved = _Moved(self._model, schema)
        graph = schema.SubGraphT()
        graph.operators = [moved.operator(self._graph.operators[place]) for place in places]
        graph.inputs = np.array([moved.tensor(index) for index in takes], np.int32)
        graph.outputs = np.array([moved.tensor(index) for index in gives], np.int32)
        graph.tensors = moved.tensors
        model = schema.ModelT()
        model.version, model.subgraphs = self._model.version, [graph]
        model.operatorCodes, model.buffers = moved.codes, moved.buffers
        return _packed(model), takes

    def alone(self, node: Node) -> list[int]:
        """Return the places of an operator and of the operators that only unpack its constants, such as a DEQUANTIZE of weights."""
        return [*(self._unpack[index] for index in node.reads if index in self._unpack), node.place]

    def downstream(self, tensor: int) -> list[int]:
        """Return the places of all operators whose results depend on this tensor."""
        touched = {tensor}
        found = []
        for node in self.nodes:
            if not touched.isdisjoint(node.reads) and tensor not in node.gives:
                found.append(node.place)
                touched.update(node.gives)
        return found

    def _tensor(self, tensor: TensorT) -> GraphTensor:
        quantization = tensor.quantization
        scales = [] if quantization is None or quantization.scale is None else list(quantization.scale)
        points = None if quantization is None else quantization.zeroPoint
        one = len(scales) == 1
        return GraphTensor(
            (tensor.name or b"").decode(),
            self._types[tensor.type].lower(),
            shape_of(tensor),
            float(scales[0]) if one else None,
            int(points[0]) if one and points is not None else None,
        )

    def _node(self, place: int, operator: OperatorT) -> Node:
        code = self._model.operatorCodes[operator.opcodeIndex]
        name = names_of(self._schema.BuiltinOperator)[max(code.builtinCode, code.deprecatedBuiltinCode)]
        reads = tuple(index for index in numbers_of(operator.inputs) if index in self._fed)
        gives = tuple(numbers_of(operator.outputs))
        return Node(place, name, tuple(dict.fromkeys(reads)), gives, self._uncut(name, reads + gives))

    def _uncut(self, name: str, tensors: Sequence[int]) -> str | None:
        if name.startswith(_GRAPHS):
            return "its work is done in other graphs of the file, which are not looked into"
        others = sorted({self.tensors[index].dtype for index in tensors} - set(_NUMBERS))
        return f"it handles {', '.join(others)}, which cannot be fed by itself" if others else None


class _Moved:
    """The tensors, buffers and operator codes that a new file takes from another, each once, with new numbers."""

    def __init__(self, model: ModelT, schema: Any) -> None:
        self._model, self._graph = model, model.subgraphs[0]
        self._schema = schema
        self._tensors: dict[int, int] = {}
        self._buffers: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self.tensors: list[TensorT] = []
        self.buffers: list[BufferT] = [schema.BufferT()]  # the first is empty, by the format's rule
        self.codes: list[OperatorCodeT] = []

    def operator(self, operator: OperatorT) -> OperatorT:
        moved = copy.copy(operator)
        index = operator.opcodeIndex
        if index not in self._codes:
            self._codes[index] = len(self.codes)
            self.codes.append(self._model.operatorCodes[index])
        moved.opcodeIndex = self._codes[index]
        for name in ("inputs", "outputs", "intermediates"):
            places = getattr(operator, name)
            if places is not None:
                setattr(moved, name, np.array([self.tensor(int(place)) for place in places], np.int32))
        return moved

    def tensor(self, index: int) -> int:
        if index < 0:  # an optional input that is left out
            return index
        if index not in self._tensors:
            self._tensors[index] = len(self.tensors)
            moved = copy.copy(self._graph.tensors[index])
            moved.buffer = self._buffer(moved.buffer)
            self.tensors.append(moved)
        return self._tensors[index]

    def _buffer(self, index: int) -> int:
        held = self._model.buffers[index]
        if held.data is None or not len(held.data):
            return 0
        if index not in self._buffers:
            self._buffers[index] = len(self.buffers)
            self.buffers.append(held)
        return self._buffers[index]


def runner(content: bytes, options: Mapping[str, Any]) -> Any:
    """Return `call(arrays in the part's order) -> arrays`; errors of the engine are passed on. Arrays are copies."""
    from ai_edge_litert import interpreter

    from toolkit.engines.tflite.interpreter import resolvers

    kernels = resolvers(interpreter)[options["kernels"]]
    loaded = interpreter.Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
    loaded.allocate_tensors()
    inputs = [details["index"] for details in loaded.get_input_details()]
    outputs = [details["index"] for details in loaded.get_output_details()]

    def call(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        loaded.reset_all_variables()
        for index, array in zip(inputs, arrays, strict=True):
            loaded.set_tensor(index, array)
        loaded.invoke()
        return [loaded.get_tensor(index) for index in outputs]

    return call


def _packed(model: ModelT) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
