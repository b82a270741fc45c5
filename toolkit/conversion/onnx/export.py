"""From a SavedModel to an ONNX graph with tf2onnx; its refusals become one sentence.

tf2onnx leaves an operator that it lacks in the graph under TensorFlow's name, logs an error and ends with success. So each graph must pass onnx's
checker and a session of ONNX Runtime before it leaves this module.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.onnx.graph import STANDARD_DOMAINS, graphs_of, lacking_operators, nodes_of
from toolkit.engines.onnx.model_proto import ModelProto
from toolkit.engines.onnx.session import session
from toolkit.errors import EnvironmentUnavailable, RequestError, Unconvertible, causes

OPSET = 17
# tf2onnx 1.17 knows no newer opsets; before 9, its Constant and BatchNormalization were other operators
OPSETS = range(9, 19)
_CALLS = re.compile(r"^((Stateful)?PartitionedCall/)+")
_OF_A_FUNCTION = re.compile(r"(_\d+)?_frozen(_\d+)?")
_NUMBER = re.compile(r"__(\d+)")
_WRITES = re.compile(r"Assign\w*VariableOp|ResourceScatter\w+")
_LARGEST = 2**31 - 1  # of a protobuf message, https://protobuf.dev/programming-guides/proto-limits/


def converted(model: Path, opset: int) -> ModelProto:
    """Return the ModelProto of a canonical SavedModel: the signature's tensors keep their names, shapes are static, all operators are ONNX's.

    Raises Unconvertible with the operators that ONNX or tf2onnx lacks, and RequestError for an opset that tf2onnx cannot write.
    """
    import tensorflow as tf

    _require_packages()
    if opset not in OPSETS:
        raise RequestError(f"opset {opset}: tf2onnx writes {OPSETS[0]} to {OPSETS[-1]}")
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    if size > _LARGEST:
        raise Unconvertible(f"converting to ONNX: {size / 1e9:.1f} GB of weights; one file holds at most 2 GB")
    loaded = tf.saved_model.load(str(model))  # a signature does not keep its variables alive
    made = _translated(loaded.signatures["serving_default"], opset)
    lacking = lacking_operators(made)
    if lacking:
        raise Unconvertible(
            f"converting to ONNX: opset {opset} has no operator for {', '.join(lacking)}",
            "leave that part out of the exported signature, or compute it with other operators",
        )
    return made


def _require_packages() -> None:
    """Raise EnvironmentUnavailable if the interpreter (one that the user named) has only TensorFlow."""
    lacks = [name for name in ("tf2onnx", "onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacks:
        raise EnvironmentUnavailable(
            f"converting to ONNX: {sys.executable} has no {', '.join(lacks)}",
            f"install {' '.join(lacks)} there, or leave --python tensorflow=... out",
        )


def prepared(made: ModelProto, folder: Path) -> ModelProto:
    """Return the model with batch normalizations, paddings and constants folded into their neighbours, shapes inferred and nodes named.

    It does the same as `onnxruntime.quantization.shape_inference.quant_pre_process`: ONNX Runtime's basic optimizations, which stay within ONNX.
    Parts that would not stay within ONNX are unchanged. `folder` is for temporary files. Raises Unconvertible if no session can be made.
    """
    import onnx

    _check(made)
    before, after = folder / "before.onnx", folder / "after.onnx"
    onnx.save(made, before)
    loadable(before, optimized=after)
    folded = onnx.load(after)
    if {node.domain for node in nodes_of(folded)} - set(STANDARD_DOMAINS):
        folded = made
    _keep_domains_in_use(folded)
    _settle(folded)
    folded = onnx.shape_inference.infer_shapes(folded, check_type=True, strict_mode=True)
    _check(folded)
    before.unlink()
    after.unlink()
    return folded


def _check(made: ModelProto) -> None:
    """Raise Unconvertible, in the words of onnx's checker, if that finds a fault."""
    import onnx

    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        words = str(error).strip().splitlines()[0]
        raise Unconvertible(f"converting to ONNX: tf2onnx wrote no sound model: {words}") from error


def loadable(path: Path, *, optimized: Path | None = None) -> None:
    """Raise Unconvertible, in ONNX Runtime's own words, if that refuses a file. `optimized`: see `session`."""
    try:
        session(path, kernels="builtin", optimized=optimized)
    except Exception as error:  # its exceptions have no other common base
        words = str(error).strip().splitlines()[0]
        raise Unconvertible(f"converting to ONNX: ONNX Runtime refuses the file: {words}") from error


def _translated(signature: Any, opset: int) -> Any:
    """Return tf2onnx's translation of a signature; tf2onnx binds inputs and outputs by position and gives them new names."""
    import tensorflow as tf
    import tf2onnx

    _, declared = signature.structured_input_signature
    names = sorted(declared)
    writes = sorted({node.op for node in _nodes_of_tensorflow(signature) if _WRITES.fullmatch(node.op)})
    if writes:
        raise Unconvertible(
            f"converting to ONNX: the model keeps state from call to call ({', '.join(writes)}), which ONNX has no way to",
            "export a signature that takes the state as an input and gives the next one as an output",
        )
    both = sorted(set(names) & set(signature.structured_outputs))
    if both:
        raise Unconvertible(
            f"converting to ONNX: {', '.join(both)} is the name of an input and of an output, which in ONNX is one tensor",
            "give the output another name in the exported signature",
        )

    def call(*tensors: Any) -> dict[str, Any]:
        results = signature(**dict(zip(names, tensors, strict=True)))
        return {name: tf.identity(tensor) for name, tensor in results.items()}  # two may be one tensor, or an input

    inside = {name: f"placeholder_of_input_{at}" for at, name in enumerate(names)}
    specs = [tf.TensorSpec(declared[name].shape, declared[name].dtype, name=inside[name]) for name in names]
    try:
        function = tf.function(call, input_signature=specs)
        made, _ = tf2onnx.convert.from_function(
            function,
            input_signature=specs,
            opset=opset,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    except Exception as error:  # tf2onnx has no exceptions of its own
        raise Unconvertible(f"converting to ONNX: tf2onnx cannot translate this model: {causes(error)}") from error
    _fix_captured(made, function.get_concrete_function(*specs))
    _rename(made, {inside[name]: name for name in names})
    said = {"inputs": ([tensor.name for tensor in made.graph.input], names)}
    said["outputs"] = ([tensor.name for tensor in made.graph.output], list(signature.structured_outputs))
    for side, (found, asked) in said.items():
        if sorted(found) != sorted(asked):
            raise Unconvertible(
                f"converting to ONNX: tf2onnx gives the {side} {sorted(found)}; the model has {sorted(asked)}"
            )
    return made


def _fix_captured(model: ModelProto, function: Any) -> None:
    """Turn tensors that a graph captured from outside into constants (a tf.constant in a SavedModel's function); tf2onnx leaves them as inputs."""
    import onnx

    held = {inside.name: value for value, inside in function.graph.captures if value.dtype.is_numpy_compatible}
    left = [tensor for tensor in model.graph.input if tensor.name in held]
    for tensor in left:
        model.graph.input.remove(tensor)
        model.graph.initializer.append(onnx.numpy_helper.from_array(held[tensor.name].numpy(), tensor.name))


def _nodes_of_tensorflow(signature: Any) -> Iterator[Any]:
    """Yield all nodes of a signature's graph and of the functions that it calls."""
    graph = signature.graph.as_graph_def()
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _erfc(context: Any, node: Any, name: str, _arguments: Any) -> None:
    """Translate erfc to 1 - erf(x), which ONNX has; the exact GELU needs it. Where erfc is near 0, the error is float32's rounding of 1."""
    from tf2onnx import utils

    (x,) = node.input
    dtype, shape = context.get_dtype(x), context.get_shape(x)
    one = context.make_const(utils.make_name(name), np.array(1, utils.map_onnx_to_numpy_type(dtype)))
    erf = context.make_node("Erf", [x], dtypes=[dtype], shapes=[shape])
    outputs = node.output
    context.remove_node(node.name)
    context.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=outputs, dtypes=[dtype], shapes=[shape])


def _rename(model: ModelProto, names: dict[str, str]) -> None:
    """Give tensors other names throughout a model; a tensor that already has such a name gets another one."""
    taken = {name for graph in graphs_of(model) for node in graph.node for name in node.output}
    taken |= {tensor.name for graph in graphs_of(model) for tensor in (*graph.initializer, *graph.input)}
    inside = {name: f"{name}__inside" for name in taken & set(names.values()) - set(names)}
    names = {**inside, **names}
    for graph in graphs_of(model):
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.name = names.get(value.name, value.name)
        for node in graph.node:
            for side in (node.input, node.output):
                side[:] = [names.get(name, name) for name in side]


def _settle(model: ModelProto) -> None:
    """Give tensors, nodes and graphs names, and constants an order, that do not depend on the earlier work of the process.

    TensorFlow and tf2onnx number their objects through a process, and keep any one of equal constants. Tensors lose the calls that TensorFlow wraps a
    model in. Constants get the name of their first use, nodes that of their results. In the body of a loop, two names of one tensor may still change
    places.
    """
    _rename(model, _plain(model))
    constants = {constant.name for graph in graphs_of(model) for constant in graph.initializer}
    names: dict[str, str] = {}
    for node in nodes_of(model):
        given = next(filter(None, node.output))
        node.name = f"{node.op_type}:{given}"
        for at, name in enumerate(node.input):
            if name in constants:
                names.setdefault(name, f"{given}:{at}")
    _rename(model, names)
    for number, graph in enumerate(graphs_of(model)):
        graph.name, graph.doc_string = f"graph{number}", ""
        ordered = sorted(graph.initializer, key=lambda constant: str(constant.name))
        del graph.initializer[:]
        graph.initializer.extend(ordered)


def _plain(model: ModelProto) -> dict[str, str]:
    """Return {name: name without calls and with new numbers} for the results of nodes and bodies, unless two would get the same name."""
    names = [name for node in nodes_of(model) for name in node.output]
    names += [value.name for graph in graphs_of(model) for value in graph.input]
    numbers: dict[str, int] = {}

    def anew(match: re.Match[str]) -> str:
        return f"__{numbers.setdefault(match[1], len(numbers) + 1)}"

    plain = {name: _NUMBER.sub(anew, _OF_A_FUNCTION.sub("", _CALLS.sub("", name))) for name in names}
    counts = Counter(plain.values())
    return {name: shorter for name, shorter in plain.items() if name != shorter and counts[shorter] == 1}


def _keep_domains_in_use(model: ModelProto) -> None:
    """Remove the opsets of unused domains: ONNX Runtime lists all domains that it knows, and older releases refuse unknown ones."""
    used = {node.domain for node in nodes_of(model)} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
