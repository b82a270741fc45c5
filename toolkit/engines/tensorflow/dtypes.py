"""Numbers that TFLite has no arithmetic for: which operators of a graph compute with them, from the graph alone, before any conversion.

Only arithmetic on fed numbers counts: the converter folds all else into constants, and operators that only move numbers (CAST, RESHAPE) may have a
kernel. Kernels: tensorflow/compiler/mlir/lite/ir/tfl_ops.td, TensorFlow 2.21; its ADD, for example, takes float32, int32 and int64.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from toolkit.engines.tensorflow.graph_def import FunctionDef, GraphDef, NodeDef, SignatureDef
from toolkit.engines.tensorflow.messages import dtype_name
from toolkit.findings import Finding

ADVICE = {
    "float64": 'make the model in float32: tf.keras.backend.set_floatx("float32") before it is made, then model.set_weights(old.get_weights()); '
    "in a tf.Module, tf.cast(variable, tf.float32). A Keras file (model.save) is made again in float32 automatically, and ONNX computes in float64",
    "float16": 'make the model without a policy of mixed precision: keras.config.set_dtype_policy("float32") before it is made, then '
    "model.set_weights(old.get_weights()); a Keras file (model.save) is made again in float32 automatically. float16 weights are the scheme float16",
    "complex128": "compute in complex64: tf.cast(x, tf.complex64), or with two real numbers",
    "uint64": "compute in int64 or int32: tf.cast(x, tf.int32)",
}
ADVICE["bfloat16"] = ADVICE["float16"]
_ARITHMETIC = frozenset(
    """
    MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv2D Conv3D Conv2DBackpropInput DepthwiseConv2dNative _FusedConv2D _FusedMatMul BiasAdd
    Add AddV2 AddN Sub Mul Div RealDiv FloorDiv FloorMod Maximum Minimum Pow SquaredDifference Neg Abs Square Sqrt Rsqrt Exp Log Sin Cos Tanh Sigmoid
    Relu Relu6 Elu LeakyRelu Softmax LogSoftmax Softplus Mean Sum Prod Max Min AvgPool MaxPool FusedBatchNorm FusedBatchNormV3 Cumsum
    """.split()
)
_BODIES = {"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"}


def computing(graph: GraphDef, tensors: Iterable[str]) -> dict[str, list[str]]:
    """Return {dtype: operators} for arithmetic on these input tensors, of a `GraphDef`, in dtypes that TFLite has no arithmetic for."""
    library = {function.signature.name: function for function in graph.library.function}
    found: dict[str, set[str]] = {}
    fed = {tensor.partition(":")[0] for tensor in tensors}
    _follow(graph.node, fed, library, found, set())
    return {dtype: sorted(names) for dtype, names in sorted(found.items())}


def findings(graph: GraphDef, signatures: Mapping[str, SignatureDef]) -> list[Finding]:
    """Return findings about signatures ({key: `SignatureDef`}) whose arithmetic has no kernel, one for each dtype."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for key, definition in sorted(signatures.items()):
        for dtype, names in computing(graph, [info.name for info in definition.inputs.values()]).items():
            found.setdefault((dtype, tuple(names)), []).append(key)
    return [said(dtype, names, keys) for (dtype, names), keys in found.items()]


def said(dtype: str, names: Collection[str], signatures: list[str]) -> Finding:
    """Return the finding that TFLite lacks this dtype's arithmetic."""
    message = f"computes in {dtype} ({', '.join(names)}), which TFLite has no kernels for; {ADVICE[dtype]}"
    facts = {"dtype": dtype, "signatures": signatures}
    return Finding("no-arithmetic", "warning", message, names=tuple(names), facts=facts)


def _follow(
    nodes: Iterable[NodeDef],
    fed: set[str],
    library: Mapping[str, FunctionDef],
    found: dict[str, set[str]],
    seen: set[tuple[str, tuple[str, ...]]],
) -> None:
    """Note the arithmetic of all nodes that depend on the `fed` ones, and of the functions that they call; a cycle (TensorFlow 1) is walked once."""
    users: dict[str, list[NodeDef]] = {}
    for node in nodes:
        for name in node.input:
            if not name.startswith("^"):
                users.setdefault(name.partition(":")[0], []).append(node)
    waiting, reached = sorted(fed), set(fed)
    while waiting:
        for node in users.get(waiting.pop(), ()):
            if node.name not in reached:
                reached.add(node.name)
                waiting.append(node.name)
                _note(node, found)
    for node in nodes:
        if node.name in reached - fed:
            _follow_calls(node, reached, library, found, seen)


def _follow_calls(
    node: NodeDef,
    reached: set[str],
    library: Mapping[str, FunctionDef],
    found: dict[str, set[str]],
    seen: set[tuple[str, tuple[str, ...]]],
) -> None:
    """Continue in the functions that a node calls, from the arguments that depend on what is fed; in loops and branches, from all arguments."""
    given = [name for name in node.input if not name.startswith("^")]
    places = [place for place, name in enumerate(given) if name.partition(":")[0] in reached]
    called = [value.func.name for value in node.attr.values() if value.HasField("func")]
    called += [function.name for value in node.attr.values() for function in value.list.func]
    for name in called:
        if name not in library:
            continue
        arguments = [argument.name for argument in library[name].signature.input_arg]
        chosen = arguments if node.op in _BODIES else [arguments[place] for place in places if place < len(arguments)]
        if (name, tuple(chosen)) not in seen:
            seen.add((name, tuple(chosen)))
            _follow(library[name].node_def, set(chosen), library, found, seen)


def _note(node: NodeDef, found: dict[str, set[str]]) -> None:
    if node.op in _ARITHMETIC:
        for value in node.attr.values():
            name = dtype_name(value.type) if value.type else ""
            if name in ADVICE:
                found.setdefault(name, set()).add(node.op)
