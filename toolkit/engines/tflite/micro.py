"""TFLite Micro's interpreter: inputs and outputs by the names of the file's signature, and the engine's own words in its errors.

The engine knows inputs and outputs by their order in the file's first graph, the only one that it starts. What is wrong it prints on file descriptor
2; its exceptions say only that something is.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.engine_log import EngineLog
from toolkit.engines.loaded import Call, Loaded, RunOptions, Tapped, TappedTensor
from toolkit.engines.tflite.file import describe, spec_of
from toolkit.engines.tflite.packed import PackedModel, tensors_in
from toolkit.engines.tflite.taps import outputs_of_operators
from toolkit.errors import Unconvertible, UnknownName
from toolkit.tensors.signature import SignatureJson

_STATE = "VAR_HANDLE"
_SLACK_BYTES = 16 << 20  # of an arena that nobody measures; the system gives only the pages that are used
_WIDEST_BYTES = 8  # of a number


@dataclass(frozen=True, slots=True)
class Binding:
    """A signature of the file's first graph: `inputs` and `outputs` have each name's place in the graph's own order.

    `keeps` is whether the model keeps numbers by a handle from one call to the next.
    """

    signature: SignatureJson
    inputs: dict[str, int]
    outputs: dict[str, int]
    keeps: bool

    def require(self, sample: dict[str, np.ndarray]) -> None:
        """Raise ValueError where the names of a sample's arrays are not those of the inputs; the engine itself looks at dtypes and shapes."""
        if sample.keys() != self.inputs.keys():
            raise ValueError(f"given {sorted(sample)}, the model takes {sorted(self.inputs)}")


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run, in an arena that is large enough for all of its tensors side by side.

    Each call begins with variable tensors as they were at first. Raises UnknownName for a signature that is not there, Unconvertible for one that is
    not of the first graph, and the engine's errors with what it printed.
    """
    bound, content = bind(model, options.get("signature")), model.read_bytes()
    interpreter = start(content, roomy_bytes(content))
    return Loaded(call_of(interpreter, bound), engine(), bound.signature)


def tap(model: Path, options: RunOptions) -> Tapped:
    """Return the model on the same kernels, with all tensors of numbers that operators of its first graph give; each has its own memory."""
    from tflite_micro import runtime

    bound, content = bind(model, options.get("signature")), model.read_bytes()
    interpreter = start(content, roomy_bytes(content), runtime.InterpreterConfig.kPreserveAllTensors)
    given, call = outputs_of_operators(content), call_of(interpreter, bound)

    def tapped(sample: dict[str, np.ndarray]) -> list[np.ndarray]:
        call(sample)
        fed = (sample[name] for name in bound.inputs)
        return [*fed, *(interpreter.GetTensor(place, 0)["tensor_data"] for place in given)]

    return Tapped(_specs(content, bound, given), tapped, engine())


def engine() -> str:
    """Return the engine's name and version."""
    from importlib.metadata import version

    return f"tflite-micro {version('tflite-micro')}"


def bind(model: Path, key: str | None) -> Binding:
    """Return the binding of a file's signature, of its only one where `key` is None."""
    described = describe(model)
    signatures = {each["key"]: each for each in described["signatures"]}
    if key is None and len(signatures) == 1:
        key = next(iter(signatures))
    if key not in signatures:
        raise UnknownName("signature", str(key), [str(each) for each in signatures])
    packed = PackedModel.read(model.read_bytes())
    inputs, outputs = _places(packed, key, model.name)
    chosen = signatures[key]
    signature: SignatureJson = {"key": key, "inputs": chosen["inputs"], "outputs": chosen["outputs"]}
    return Binding(signature, inputs, outputs, any(each["name"] == _STATE for each in described["operators"]))


def start(content: bytes, arena_bytes: int, config: Any = None) -> Any:
    """Return an interpreter of a file's bytes in an arena of so many bytes; RuntimeError with the engine's words where it does not start.

    `config` is one of `tflite_micro.runtime.InterpreterConfig`, by default the one that records what the arena is used for.
    """
    from tflite_micro import runtime

    config = runtime.InterpreterConfig.kAllocationRecording if config is None else config
    with words_of_engine():
        return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes, intrepreter_config=config)


@contextmanager
def words_of_engine() -> Iterator[None]:
    """Add what the engine prints meanwhile on file descriptor 2 to its RuntimeError, which says nothing of the reason."""
    log = _log()
    log.new_lines()
    try:
        yield
    except RuntimeError as error:
        words = "; ".join(line.strip() for line in log.new_lines() if line.strip())
        raise RuntimeError(f"{error}: {words}" if words else str(error)) from None


def printed(call: Callable[[], None]) -> list[str]:
    """Return the lines that the engine prints on file descriptor 2 in a call."""
    log = _log()
    log.new_lines()
    call()
    return log.new_lines()


@functools.cache
def _log() -> EngineLog:
    """Return the process's one log of the engine: each keeps a file open."""
    return EngineLog()


def roomy_bytes(content: bytes) -> int:
    """Return the bytes of an arena that nothing about the model should exceed: all tensors side by side several times over, and its file."""
    packed = PackedModel.read(content)
    shapes = (
        [tensor.Shape(place) for place in range(tensor.ShapeLength())]
        for graph in packed.graphs
        for tensor in tensors_in(graph)
        if not packed.size_bytes(tensor)
    )
    numbers = sum(math.prod(max(1, size) for size in shape) for shape in shapes)
    return int(_SLACK_BYTES + _WIDEST_BYTES * numbers + 4 * len(content))


def call_of(interpreter: Any, bound: Binding) -> Call:
    """Return what calls an interpreter once, by names; what the model keeps is as at first, unless it is kept by a handle."""

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        bound.require(sample)
        if not bound.keeps:  # it would forget what the model itself keeps by a handle
            interpreter.reset()
        for name, place in bound.inputs.items():
            interpreter.set_input(sample[name], place)
        with words_of_engine():
            interpreter.invoke()
        return {name: interpreter.get_output(place) for name, place in bound.outputs.items()}

    return call


def _places(packed: PackedModel, key: str | None, name: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return each name's place among the inputs and the outputs of the file's first graph."""
    graph = packed.root.Subgraphs(0)
    takes = [graph.Inputs(place) for place in range(graph.InputsLength())]
    gives = [graph.Outputs(place) for place in range(graph.OutputsLength())]
    definitions = [packed.root.SignatureDefs(place) for place in range(packed.root.SignatureDefsLength())]
    found = [each for each in definitions if key is not None and each.SignatureKey().decode() == key]
    if not found:
        named = [{graph.Tensors(index).Name().decode(): index for index in side} for side in (takes, gives)]
    else:
        (definition,) = found
        if definition.SubgraphIndex() != 0:
            raise Unconvertible(
                f"{name}: signature {key!r} is graph {definition.SubgraphIndex()} of the file; TFLite Micro starts graph 0 only",
                "convert that signature alone",
            )
        inputs = (definition.Inputs(place) for place in range(definition.InputsLength()))
        outputs = (definition.Outputs(place) for place in range(definition.OutputsLength()))
        named = [{item.Name().decode(): item.TensorIndex() for item in side} for side in (inputs, outputs)]
    for side, names, order in (("input", named[0], takes), ("output", named[1], gives)):
        if not set(names.values()) <= set(order) or (side == "input" and set(names.values()) != set(order)):
            raise Unconvertible(f"{name}: the {side}s of its signature are not those of its graph")
    return (
        {each: takes.index(index) for each, index in named[0].items()},
        {each: gives.index(index) for each, index in named[1].items()},
    )


def _specs(content: bytes, bound: Binding, given: dict[int, str]) -> tuple[TappedTensor, ...]:
    """Return the JSON of each tensor that can be read, inputs first; a name that comes twice gets the tensor's index."""
    packed = PackedModel.read(content)
    graph = packed.root.Subgraphs(0)
    operators = {**{graph.Inputs(place): "" for place in bound.inputs.values()}, **given}
    names = {place: graph.Tensors(place).Name().decode() for place in operators}
    times = Counter(names.values())
    found = []
    for place, operator in operators.items():
        name = names[place] if times[names[place]] == 1 else f"{names[place]}#{place}"
        found.append(TappedTensor(**spec_of(packed, name, graph.Tensors(place)), operator=operator))
    return tuple(found)
