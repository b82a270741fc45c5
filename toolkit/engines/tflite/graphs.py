"""The operators of a .tflite in an order that follows from their connections, each with its constants.

Two converters may write the operators of one network in different orders. A walk from the outputs back, operand by operand, gives one order for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.tflite.constants import Constant, ConstantReader
from toolkit.engines.tflite.packed import names_of, schema_module
from toolkit.engines.tflite.tables import ModelT, OperatorT, SubGraphT, numbers_of, shape_of
from toolkit.errors import InvalidSource, UnknownName

MOVES = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")  # their output stands for their input
# The input with the bias; its step is the product of the steps of input and weights (TFLite's quantization specification).
BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "CONV_3D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_FED = {"TRANSPOSE_CONV": 2}  # the input with the data, 0 for other operators; the weights are input 1
_CHANNELS = {"DEPTHWISE_CONV_2D": -1}  # the weights' axis of output channels, 0 for the others
_INNER = ("bodySubgraphIndex", "condSubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex", "initSubgraphIndex")


@dataclass(frozen=True, slots=True)
class ComputingOperator:
    """An operator that does more than to move numbers to another dtype.

    constants    inputs that the file holds, by place among the inputs; DEQUANTIZE and the like are skipped
    feeds        operators that compute the other inputs, by place
    bias_step    real value of one step of its integer bias, None without one
    shape        of its first output
    ends         the least and the largest real number that its first output can hold, None where that is not quantized
    factors      what its first input is multiplied by beforehand, real numbers along the last axis; None where that is not folded into it
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    inputs: int
    constants: dict[int, Constant]
    feeds: dict[int, ComputingOperator]
    bias_step: np.ndarray | None
    ends: tuple[float, float] | None
    options: dict[str, Any]
    factors: np.ndarray | None = None

    @property
    def bias(self) -> int:
        """The place of its bias, -1 for an operator that has none."""
        return BIAS.get(self.name, -1)

    @property
    def channels(self) -> int:
        """The axis of its weights along which output channels lie."""
        return _CHANNELS.get(self.name, 0)


def operators_of(path: Path, key: str | None) -> list[ComputingOperator]:
    """Return the operators that a signature runs, those inside loops and branches after the loop or branch; without a signature, the first graph's.

    InvalidSource for a file that is no TFLite file, UnknownName for a signature that is not there.
    """
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InvalidSource(f"{path}: not a TFLite file (no TFL3 identifier)")
    schema = schema_module()
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _Walk(schema, model, content).operators(key)
    except (InvalidSource, UnknownName):
        raise
    except Exception as error:  # offsets of a damaged flatbuffer lead anywhere
        raise InvalidSource(f"{path}: damaged TFLite file ({type(error).__name__}: {error})") from error


class _Walk:
    """Walks the graphs of one file, each once."""

    def __init__(self, schema: Any, model: ModelT, content: bytes) -> None:
        self._schema, self._model, self._content = schema, model, content
        self._codes = names_of(schema.BuiltinOperator)
        self._been: set[int] = set()

    def operators(self, key: str | None) -> list[ComputingOperator]:
        known = {each.signatureKey.decode(): each for each in self._model.signatureDefs or ()}
        if not known:
            return list(self._graph(0, None))
        if key is not None and key not in known:
            raise UnknownName("signature", key, known)
        chosen = known[key] if key is not None else next(iter(known.values()))
        by_name = sorted(chosen.outputs or (), key=lambda item: bytes(item.name))
        return list(self._graph(int(chosen.subgraphIndex), [int(item.tensorIndex) for item in by_name]))

    def _graph(self, number: int, outputs: list[int] | None) -> Iterator[ComputingOperator]:
        if number in self._been:
            return
        self._been.add(number)
        graph = self._model.subgraphs[number]
        one = _Graph(self, graph, ConstantReader(self._schema, self._model, graph, self._content))
        for place in one.order([int(index) for index in graph.outputs] if outputs is None else outputs):
            made = one.operator(place)
            if made.name in MOVES:
                continue
            yield made
            for inner in _INNER:
                if isinstance(made.options.get(inner), int):
                    yield from self._graph(made.options[inner], None)

    def name(self, operator: OperatorT) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        name = self._codes[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return f"CUSTOM {code.customCode.decode()}" if name == "CUSTOM" else name


class _Graph:
    """One graph of the file."""

    def __init__(self, walk: _Walk, graph: SubGraphT, reader: ConstantReader) -> None:
        self._walk, self._graph, self._reader = walk, graph, reader
        self._maker = {
            int(index): place for place, each in enumerate(graph.operators or ()) for index in numbers_of(each.outputs)
        }
        self._made: dict[int, ComputingOperator] = {}

    def order(self, outputs: list[int]) -> list[int]:
        """Return the places of all operators, by a walk from the outputs back, operand by operand; inputs come first, unused operators last."""
        found: dict[int, None] = {}
        entered: set[int] = set()
        ends = [self._maker[index] for index in outputs if index in self._maker]
        waiting = [(place, False) for place in reversed([*ends, *range(len(self._graph.operators or ()))])]
        while waiting:
            place, done = waiting.pop()
            if done:
                found[place] = None
            elif place not in entered:
                entered.add(place)
                waiting.append((place, True))
                read = [self._maker.get(index) for index in numbers_of(self._graph.operators[place].inputs)]
                waiting += [(each, False) for each in reversed(read) if each is not None and each not in entered]
        return list(found)

    def operator(self, place: int) -> ComputingOperator:
        """Return one operator; ask for the operators that it reads first."""
        if place in self._made:
            return self._made[place]
        held = self._graph.operators[place]
        name, inputs, outputs = self._walk.name(held), numbers_of(held.inputs), numbers_of(held.outputs)
        constants, feeds = {}, {}
        for position, index in enumerate(inputs):
            origin = self._origin(index)
            constant = self._reader.constant(origin) if origin >= 0 else None
            if constant is not None:
                constants[position] = constant
            elif origin in self._maker and self._maker[origin] in self._made:
                feeds[position] = self._made[self._maker[origin]]
        first = self._graph.tensors[outputs[0]] if outputs else None
        shape = () if first is None else shape_of(first)
        self._made[place] = ComputingOperator(
            name=name,
            tensor="" if first is None or first.name is None else first.name.decode(errors="replace"),
            shape=shape,
            inputs=len(inputs),
            constants=constants,
            feeds=feeds,
            bias_step=self._bias_step(name, inputs),
            ends=None if first is None else self._ends(outputs[0]),
            options={} if held.builtinOptions is None else dict(vars(held.builtinOptions)),
        )
        return self._made[place]

    def _origin(self, index: int) -> int:
        """Return the tensor that this one stands for, before QUANTIZE and DEQUANTIZE."""
        seen: set[int] = set()  # a damaged file may have a cycle
        while index in self._maker and index not in seen:
            seen.add(index)
            maker = self._graph.operators[self._maker[index]]
            if self._walk.name(maker) not in MOVES:
                break
            index = numbers_of(maker.inputs)[0]
        return index

    def _bias_step(self, name: str, inputs: list[int]) -> np.ndarray | None:
        place, fed = BIAS.get(name, -1), _FED.get(name, 0)
        if place < 0 or place >= len(inputs) or inputs[place] < 0:
            return None
        if self._reader.dtype(inputs[place]) not in ("int32", "int64"):
            return None
        of_input, of_weights = self._reader.scale(inputs[fed]), self._reader.scale(inputs[1])
        return None if of_input.size != 1 or not of_weights.size else of_input[0] * of_weights

    def _ends(self, index: int) -> tuple[float, float] | None:
        scale, dtype = self._reader.scale(index), self._reader.dtype(index)
        quantization = self._graph.tensors[index].quantization
        points = None if quantization is None else quantization.zeroPoint
        if points is None or scale.size != 1 or dtype not in ("int8", "uint8", "int16"):
            return None
        ends, point = np.iinfo(dtype), int(points[0])
        return float((ends.min - point) * scale[0]), float((ends.max - point) * scale[0])
