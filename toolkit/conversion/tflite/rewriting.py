"""Rewrite the edges of a finished .tflite for an engine that takes less than TFLite does: the batch is fixed, and integers become float32.

What is between the edges stays as it is, operator for operator and byte for byte of weights. The engine's own interpreter, without delegates, says
which sizes follow from a fixed batch; a size that it does not know before it runs is not written.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit.conversion.tflite.repacking import code_of, packed, unpacked
from toolkit.engines.tflite.file import describe
from toolkit.engines.tflite.packed import names_of
from toolkit.errors import Unconvertible
from toolkit.findings import Finding
from toolkit.wire.request import Request, sha256

MOVED = ("int8", "int16", "uint8")
"""The dtypes of quantized inputs and outputs that QUANTIZE and DEQUANTIZE replace by float32."""

# tensorflow/lite/tools/versioning/op_version.cc: the first versions that have these integers.
_QUANTIZE = {"int8": 1, "uint8": 1, "int16": 2}
_DEQUANTIZE = {"uint8": 1, "int8": 2, "int16": 3}
_NAMED = 10
_INSTEAD = "`edge-toolkit build` makes a file with float32 and fixed sizes, from the original"


class RewrittenFile(TypedDict):
    """The content of a rewritten file, and `done`: what was changed, a sentence for each input and output."""

    file: str
    size_bytes: int
    sha256: str
    signature: dict[str, Any]
    operators: list[Any]
    uses: list[Any]
    arena_bytes: int
    findings: list[dict[str, Any]]
    done: list[str]


def rewrite(request: Request) -> RewrittenFile:
    """Write out/NAME, the file inputs["model"] with other edges, and return its content.

    options["sizes"] is {input: its first size}, by names of the file, for a first axis that is open; {} leaves axes as they are. options["takes"] are
    the dtypes that inputs and outputs may have, None for any. Unconvertible, with all reasons, for what cannot be rewritten.
    """
    path = request.inputs["model"]
    if len(describe(path)["signatures"]) > 1:  # a damaged file is refused here
        raise Unconvertible(f"{path.name} cannot be rewritten: it has several signatures; expected one", _INSTEAD)
    out = request.out / request.options["name"]
    file = _File(path.read_bytes())
    opened = file.fix(request.options["sizes"])
    file.require_possible(path.name)
    if opened:
        out.write_bytes(file.packed())
        file.close(_computed_sizes(out, opened))
    file.move(request.options["takes"])
    file.require_possible(path.name)
    out.write_bytes(file.packed())
    _computed_sizes(out, ())
    found = describe(out)
    (signature,) = found["signatures"]
    return {
        "file": out.name,
        "size_bytes": out.stat().st_size,
        "sha256": sha256(out),
        "signature": dict(signature),
        "operators": found["operators"],
        "uses": found["uses"],
        "arena_bytes": found["arena_bytes"],
        "findings": [each.to_json() for each in _left_behind(path)],
        "done": file.done,
    }


def edges_moved(content: bytes, takes: Collection[str] | None) -> bytes:
    """Return a file whose integer inputs and outputs are float32 where their dtype is not among `takes`; what cannot be moved stays."""
    if takes is None:
        return content
    file = _File(content)
    file.move(takes)
    return file.packed() if file.done else content


class _File:
    """A file with one signature that is changed. `done` says what was, and `problems` what cannot be."""

    def __init__(self, content: bytes) -> None:
        self.schema, self.model = unpacked(content)
        self._size_bytes = len(content)
        definitions = self.model.signatureDefs or []
        self._definition = definitions[0] if definitions else None
        self._graph = self.model.subgraphs[0]
        self.done: list[str] = []
        self.problems: list[str] = []
        if self._definition is not None and self._definition.subgraphIndex:
            self.problems.append("its signature is not of its first graph")

    def packed(self) -> bytes:
        """Return the bytes of the file as it is now."""
        return packed(self.schema, self.model, self._size_bytes)

    def require_possible(self, name: str) -> None:
        """Raise Unconvertible where something could not be done."""
        if self.problems:
            raise Unconvertible(f"{name} cannot be rewritten: {'; '.join(self.problems)}", _INSTEAD)

    def fix(self, sizes: Mapping[str, int]) -> list[int]:
        """Give first axes of inputs that are open their sizes; return the outputs, by tensor, that leave a size open.

        Without sizes, nothing is done.
        """
        for place in _once(self._graph.inputs) if sizes else ():
            tensor, name = self._graph.tensors[place], self._name("inputs", place)
            first, *others = _declared(tensor) or [0]
            if min(others, default=0) < 0:
                self.problems.append(f"input {name!r} leaves more open than its first axis")
            elif first < 0:
                tensor.shape, tensor.shapeSignature = np.array([sizes[name], *others], np.int32), None
                self.done.append(f"input {name} takes {sizes[name]} in place of an open batch")
        outputs = _once(self._graph.outputs) if sizes else ()
        return [place for place in outputs if min(_declared(self._graph.tensors[place]), default=0) < 0]

    def close(self, computed: Mapping[int, Sequence[int] | None]) -> None:
        """Write the sizes that outputs have now, by tensor; None for an output whose size only a run shows."""
        for place, sizes in computed.items():
            tensor, name = self._graph.tensors[place], self._name("outputs", place)
            if sizes is None:
                self.problems.append(f"the size of output {name!r} is known only when the model has run")
                continue
            tensor.shape, tensor.shapeSignature = np.array(sizes, np.int32), None
            self.done.append(f"output {name} is {'x'.join(map(str, sizes))} in place of open sizes")

    def move(self, takes: Collection[str] | None) -> None:
        """Put QUANTIZE before integers, and DEQUANTIZE behind integers, whose dtype is not among `takes`; None takes any."""
        for side in ("inputs", "outputs"):
            for place in _once(getattr(self._graph, side)):
                tensor, name = self._graph.tensors[place], self._name(side, place)
                dtype = names_of(self.schema.TensorType)[tensor.type].lower()
                if takes is None or dtype in takes:
                    continue
                if dtype in MOVED and _grids(tensor) == 1 and "float32" in takes:
                    self._move(side, place, dtype)
                    self.done.append(f"{side[:-1]} {name} is float32 in place of {dtype}")
                else:
                    without = " without a scale" if dtype in MOVED and _grids(tensor) != 1 else ""
                    self.problems.append(f"{side[:-1]} {name!r} is {dtype}{without}; expected {', '.join(takes)}")

    def _move(self, side: str, place: int, dtype: str) -> None:
        """Put a float32 tensor at the edge in place of an integer one, and the operator between them. The name goes with the edge."""
        schema, graph = self.schema, self._graph
        integers, floats = graph.tensors[place], schema.TensorT()
        floats.name, floats.shape, floats.shapeSignature = integers.name, integers.shape, integers.shapeSignature
        floats.hasRank = integers.hasRank
        floats.type, floats.buffer = schema.TensorType.FLOAT32, self._empty_buffer()
        integers.name = f"{_text(integers.name)}_{dtype}"
        graph.tensors.append(floats)
        edge, operator = len(graph.tensors) - 1, schema.OperatorT()
        if side == "inputs":
            operator.opcodeIndex = code_of(schema, self.model, schema.BuiltinOperator.QUANTIZE, _QUANTIZE[dtype])
            operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = schema.QuantizeOptionsT()
            operator.inputs, operator.outputs = [edge], [place]
            graph.operators.insert(0, operator)
        else:
            operator.opcodeIndex = code_of(schema, self.model, schema.BuiltinOperator.DEQUANTIZE, _DEQUANTIZE[dtype])
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
            operator.inputs, operator.outputs = [place], [edge]
            graph.operators.append(operator)
        setattr(graph, side, [edge if each == place else each for each in getattr(graph, side)])
        for item in [] if self._definition is None else getattr(self._definition, side):
            item.tensorIndex = edge if item.tensorIndex == place else item.tensorIndex

    def _empty_buffer(self) -> int:
        """Return the index of a buffer without data: the first one, by the schema's own rule."""
        if self.model.buffers[0].data is None or not len(self.model.buffers[0].data):
            return 0
        self.model.buffers.append(self.schema.BufferT())
        return len(self.model.buffers) - 1

    def _name(self, side: str, place: int) -> str:
        """Return the name of an input or output as its signature has it; without a signature, that of its tensor."""
        items = [] if self._definition is None else getattr(self._definition, side)
        return next(
            (_text(item.name) for item in items if item.tensorIndex == place), _text(self._graph.tensors[place].name)
        )


def _once(places: Sequence[int] | None) -> list[int]:
    """Return the tensors at an edge, each once."""
    return list(dict.fromkeys(map(int, () if places is None else places)))


def _declared(tensor: Any) -> list[int]:
    """Return the sizes that a file declares for a tensor, -1 for one that it leaves open."""
    of = tensor.shape if tensor.shapeSignature is None or not len(tensor.shapeSignature) else tensor.shapeSignature
    return [] if of is None else [int(size) for size in of]


def _grids(tensor: Any) -> int:
    """Return how many scales a tensor has."""
    quantization = tensor.quantization
    return 0 if quantization is None or quantization.scale is None else len(quantization.scale)


def _text(name: bytes | str | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""


def _computed_sizes(path: Path, wanted: Collection[int]) -> dict[int, list[int] | None]:
    """Return the sizes that the interpreter computes for tensors before it runs, None for one that only a run shows.

    Unconvertible in the interpreter's words for a file that does not start.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise Unconvertible(f"{path.name} does not start once its edges are rewritten: {said}", _INSTEAD) from error
    found: dict[int, list[int] | None] = {}
    for place in wanted:
        try:
            found[place] = list(interpreter.get_tensor(place).shape)
        except ValueError:  # there is no memory for it yet, for nothing says how much
            found[place] = None
    return found


def _left_behind(path: Path) -> list[Finding]:
    """Return the finding about files that are packed behind a model, as TFLite's metadata have them: labels, say. They are not in what is written."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return []
    message = (
        f"the rewritten file lacks {len(names)} files that are packed behind the model: {', '.join(names[:_NAMED])}"
    )
    return [Finding("packed-files-left-out", "warning", message, names=tuple(names[:_NAMED]))]
