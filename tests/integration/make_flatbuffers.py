"""Small .tflite files that no converter wrote, and what is seen of their tensors; runs where LiteRT is.

    python make_flatbuffers.py FOLDER

FOLDER/NAME.tflite, and for "residual" FOLDER/residual.npz: by way of looking and tensor name an array (samples, 1, 4). FOLDER/extremes.npz: for
NAME what kernels say of all its float32 tensors in some samples, without values and with them, and what numpy does, (samples, tensors, 3).
"""

from __future__ import annotations

import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from toolkit.execution.runtimes.litert import extremes, load, tap

RANDOM = np.random.default_rng(3)
DTYPES = {
    np.dtype(name): getattr(schema.TensorType, name.upper()) for name in ("float32", "float16", "int8", "int32", "bool")
}


class File:
    """A model that is put together operator by operator."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers, self.model.subgraphs, self.model.operatorCodes = [schema.BufferT()], [], []

    def graph(self) -> Graph:
        """Return another graph; the first is the main one."""
        graph = Graph(self)
        self.model.subgraphs.append(graph.made)
        return graph

    def signature(self, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        """Name inputs and outputs of the main graph."""
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = "serving_default", 0
        made.inputs, made.outputs = ([self._map(*item) for item in side.items()] for side in (inputs, outputs))
        self.model.signatureDefs = [made]

    def _map(self, name: str, tensor: int) -> object:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, tensor
        return made

    def write(self, path: Path) -> None:
        """Write the file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))


class Graph:
    """One of its graphs."""

    def __init__(self, file: File) -> None:
        self.file, self.made = file, schema.SubGraphT()
        self.made.tensors, self.made.operators = [], []

    def tensor(self, name: str, shape: tuple[int, ...] = (1, 4), dtype: object = np.float32, **more: object) -> int:
        """Return a tensor, float32 (1, 4) where nothing is said."""
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), DTYPES.get(np.dtype(dtype)), 0
        for key, value in more.items():
            setattr(made, key, value)
        self.made.tensors.append(made)
        return len(self.made.tensors) - 1

    def handle(self, name: str) -> int:
        """Return a tensor that stands for a variable."""
        return self.tensor(name, (), type=schema.TensorType.RESOURCE)

    def constant(self, name: str, values: np.ndarray) -> int:
        """Return a tensor of these values."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.file.model.buffers.append(buffer)
        return self.tensor(name, values.shape, values.dtype, buffer=len(self.file.model.buffers) - 1)

    def operator(self, name: str, inputs: list[int], outputs: list[int], options: object = None, **more: object) -> int:
        """Return what an operator gives: the first of its outputs."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.file.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.file.model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        for key, value in more.items():
            setattr(made, key, value)
        self.made.operators.append(made)
        return outputs[0] if outputs else -1

    def dense(self, entry: int, name: str) -> int:
        """Return a dense layer of 4 units with random weights."""
        weights = self.constant(f"{name}/weights", RANDOM.normal(size=(4, 4)).astype(np.float32))
        return self.operator(
            "FULLY_CONNECTED", [entry, weights, -1], [self.tensor(name)], schema.FullyConnectedOptionsT()
        )

    def ends(self, inputs: list[int], outputs: list[int]) -> None:
        """Say what the graph takes and gives."""
        self.made.inputs, self.made.outputs = inputs, outputs


def residual(folder: Path) -> None:
    """Two residual blocks; their ADD may write its sum where the branch's result was."""
    file = File()
    graph = file.graph()
    entry = graph.tensor("x")
    stem = graph.dense(entry, "stem")
    for block in ("one", "two"):
        branch = graph.dense(stem, f"{block}/branch")
        stem = graph.operator("ADD", [branch, stem], [graph.tensor(f"{block}/sum")], schema.AddOptionsT())
    graph.ends([entry], [graph.dense(stem, "y")])
    file.signature({"x": entry}, {"y": graph.made.outputs[0]})
    file.write(folder / "residual.tflite")
    look(folder, graph, file.model)


def look(folder: Path, graph: Graph, model: object) -> None:
    """Write what numpy computes, what taps show, and what the interpreter's tensors hold after a run."""
    samples = RANDOM.normal(size=(20, 1, 4)).astype(np.float32)
    path = folder / "residual.tflite"
    names = [each.name for each in graph.made.tensors]
    computed = [operator.outputs[0] for operator in graph.made.operators]
    found: dict[str, np.ndarray] = {"samples": samples}
    for kernels in ("default", "builtin"):
        tapped = tap(path, {"threads": 1, "kernels": kernels})
        values = [[array.copy() for array in tapped.call({"x": sample})] for sample in samples]
        for place, spec in enumerate(tapped.tensors):
            found[f"taps, {kernels}:{spec['name']}"] = np.stack([each[place] for each in values])
    for way, preserve in (("naive", False), ("preserved", True)):
        plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        run = litert.Interpreter(
            str(path), experimental_op_resolver_type=plain, experimental_preserve_all_tensors=preserve
        )
        run.allocate_tensors()
        for sample in samples:
            run.set_tensor(0, sample)
            run.invoke()
            for place in computed:
                found.setdefault(f"{way}:{names[place]}", []).append(run.get_tensor(place))
    by_numpy = {0: samples.astype(np.float64)}
    for operator in graph.made.operators:
        left, right = operator.inputs[0], operator.inputs[1]
        if len(operator.inputs) == 3:
            weights = np.frombuffer(model.buffers[graph.made.tensors[right].buffer].data.tobytes(), np.float32)
            by_numpy[operator.outputs[0]] = by_numpy[left] @ weights.reshape(4, 4).T.astype(np.float64)
        else:
            by_numpy[operator.outputs[0]] = by_numpy[left] + by_numpy[right]
    found |= {f"numpy:{names[place]}": by_numpy[place] for place in computed}
    np.savez(folder / "residual.npz", **{name: np.stack(list(arrays)) for name, arrays in found.items()})


def gated(folder: Path) -> None:
    """Two inputs that a signature calls by other names, a branch, an integer tensor, and one name for two tensors."""
    file = File()
    graph = file.graph()
    left, right = graph.tensor("left:0"), graph.tensor("right:0")
    product = graph.operator("MUL", [left, right], [graph.tensor("twin")], schema.MulOptionsT())
    grid = schema.QuantizationParametersT()
    grid.scale, grid.zeroPoint = np.array([0.5], np.float32), np.array([-3], np.int64)
    integers = graph.tensor("integers", dtype=np.int8, quantization=grid)
    graph.operator("QUANTIZE", [product], [integers])
    real = graph.operator("DEQUANTIZE", [integers], [graph.tensor("twin")])
    sign = graph.operator("GREATER", [left, right], [graph.tensor("sign", dtype=bool)])
    flat = graph.constant("axis", np.array([0, 1], np.int32))
    options = schema.ReducerOptionsT()
    which = graph.operator("REDUCE_ANY", [sign, flat], [graph.tensor("which", (), bool)], options)
    branches = schema.IfOptionsT()
    branches.thenSubgraphIndex, branches.elseSubgraphIndex = 1, 2
    end = graph.operator("IF", [which, real], [graph.tensor("chosen")], branches)
    graph.ends([left, right], [product, end])
    file.signature({"a": left, "b": right}, {"product": product, "chosen": end})
    for name in ("ADD", "MUL"):
        inner = file.graph()
        entry = inner.tensor(f"{name}/entry")
        options = schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT()
        middle = inner.operator(name, [entry, entry], [inner.tensor(f"{name}/inside")], options)
        inner.ends([entry], [middle])
    file.write(folder / "gated.tflite")


def logarithm(folder: Path) -> None:
    """NaN for what is below zero."""
    file = File()
    graph = file.graph()
    entry = graph.tensor("x")
    middle = graph.operator("LOG", [entry], [graph.tensor("log")])
    graph.ends([entry], [graph.operator("EXP", [middle], [graph.tensor("y")], schema.ExpOptionsT())])
    file.write(folder / "logarithm.tflite")


def counter(folder: Path) -> None:
    """A sum over all calls, in a variable that keeps it: what a state is in TensorFlow."""
    file = File()
    graph, first = file.graph(), file.graph()
    for each in (graph, first):
        options = schema.VarHandleOptionsT()
        options.container, options.sharedName = "", "total"
        each.operator("VAR_HANDLE", [], [each.handle("total")], options)
    first.operator("ASSIGN_VARIABLE", [0, first.constant("none", np.zeros((1, 4), np.float32))], [])
    first.ends([], [])
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = 1
    graph.operator("CALL_ONCE", [], [], once)
    entry = graph.tensor("x")
    before = graph.operator("READ_VARIABLE", [0], [graph.tensor("before")])
    after = graph.operator("ADD", [before, entry], [graph.tensor("after")], schema.AddOptionsT())
    graph.operator("ASSIGN_VARIABLE", [0, after], [])
    graph.ends([entry], [after])
    graph.made.operators.insert(0, graph.made.operators.pop(1))
    file.write(folder / "counter.tflite")


def recurrent(folder: Path) -> None:
    """A fused LSTM of 4 units over 1 step: its state is in variable tensors, its gates in intermediate ones."""
    file = File()
    graph = file.graph()
    entry = graph.tensor("x", (1, 1, 4))
    weights = [graph.constant(f"w{index}", RANDOM.normal(size=(4, 4)).astype(np.float32)) for index in range(8)]
    biases = [graph.constant(f"b{index}", np.full(4, 0.1, np.float32)) for index in range(4)]
    states = [graph.tensor(name, isVariable=True) for name in ("state", "cell")]
    gates = [graph.tensor(f"gate{index}", ()) for index in range(4)]
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    inputs = [entry, *weights, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    end = graph.tensor("y", (1, 1, 4))
    graph.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [end], options, intermediates=gates)
    graph.ends([entry], [end])
    file.write(folder / "recurrent.tflite")


def awkward(folder: Path) -> None:
    """What XNNPACK cannot reduce, behind what it can: a scalar, open sizes, no values, more axes than it takes."""
    file = File()
    graph = file.graph()
    entry, ones = graph.tensor("x"), graph.constant("ones", np.ones(4, np.float32))
    same = graph.operator("MUL", [entry, ones], [graph.tensor("same")], schema.MulOptionsT())
    signature = np.array([-1, 4], np.int32)
    middle = graph.operator("ABS", [same], [graph.tensor("open", shapeSignature=signature)], schema.AbsOptionsT())
    both = graph.constant("axes", np.array([0, 1], np.int32))
    ends = [graph.operator("REDUCE_MAX", [middle, both], [graph.tensor("scalar", ())], schema.ReducerOptionsT())]
    begin, size = graph.constant("begin", np.zeros(2, np.int32)), graph.constant("size", np.array([0, 4], np.int32))
    ends.append(graph.operator("SLICE", [same, begin, size], [graph.tensor("empty", (0, 4))], schema.SliceOptionsT()))
    for rank in (6, 7):
        shape = (*(1,) * (rank - 1), 4)
        sizes = graph.constant(f"sizes{rank}", np.array(shape, np.int32))
        result = graph.tensor(f"rank{rank}", shape)
        ends.append(graph.operator("RESHAPE", [same, sizes], [result], schema.ReshapeOptionsT()))
    graph.ends([entry], ends)
    file.write(folder / "awkward.tflite")


def look_at_extremes(folder: Path, names: list[str]) -> None:
    """Write what kernels say and what numpy does; calls go on from one sample to the next, with the state that they keep."""
    found: dict[str, list[np.ndarray]] = {}
    options = {"threads": 1, "kernels": "default", "signature": None}
    for name in names:
        path = folder / f"{name}.tflite"
        inputs = load(path, options).signature["inputs"]
        tapped = tap(path, options)
        ways = {way: extremes(path, options, values=values) for way, values in (("said", False), ("shown", True))}
        for _ in range(6):
            sample = {spec["name"]: RANDOM.normal(size=spec["shape"]).astype(np.float32) for spec in inputs}
            given = [each for each in tapped.call(sample) if each.dtype == np.float32]
            rows = [(each.min(initial=np.inf), each.max(initial=-np.inf), each.size) for each in given]
            del given
            found.setdefault(f"{name}:numpy", []).append(np.array(rows, np.float64))
            for way, model in ways.items():
                found.setdefault(f"{name}:{way}", []).append(model.call(sample)[1])
    np.savez(folder / "extremes.npz", **{name: np.stack(rows) for name, rows in found.items()})


if __name__ == "__main__":
    made = (residual, gated, logarithm, counter, recurrent, awkward)
    for make in made:
        make(Path(sys.argv[1]))
    look_at_extremes(Path(sys.argv[1]), [make.__name__ for make in made])
