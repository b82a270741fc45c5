"""SavedModel folders, of TensorFlow 2 and of TensorFlow 1.

Looking into one parses `saved_model.pb` and runs nothing. TensorFlow 1's reference variables survive no re-export, so such a model is frozen in a
session; everything else is traced again with static shapes around the loaded signature.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSource, UnknownName, causes
from toolkit.worker.shards import read_index

DEFAULT_KEY = "serving_default"
_INIT_KEY = "__saved_model_init_op"  # how tf.saved_model.save marks an initializer among the signatures
_REFERENCE_VARIABLES = {"Variable", "VariableV2"}


def recognize(path: Path) -> bool:
    """Return whether the folder holds a SavedModel."""
    return (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file()


def inspect(request: Any) -> dict[str, Any]:
    """Return signatures, operators, tags and writer of the SavedModel in inputs["source"], from its protocol buffer alone."""
    graph = _meta_graph(request.inputs["source"])
    operators = {node.op for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        operators.update(node.op for node in function.node_def)
    return {
        "kind": "saved_model",
        "writer": f"tensorflow {graph.meta_info_def.tensorflow_version or 'of unknown version'}",
        "tags": sorted(graph.meta_info_def.tags),
        "signatures": [
            {"key": key, "inputs": _specs(definition.inputs), "outputs": _specs(definition.outputs)}
            for key, definition in sorted(graph.signature_def.items())
            if key != _INIT_KEY
        ],
        "operators": sorted(operators),
    }


def canonicalize(request: Any) -> dict[str, Any]:
    """Write out/saved_model and return its signature: the chosen one, under `serving_default`, with the given static shapes."""
    source = request.inputs["source"]
    key, shapes = request.options["signature"], _shapes(request)
    graph = _meta_graph(source)
    if key not in graph.signature_def:
        raise UnknownName("signature", key, [name for name in graph.signature_def if name != _INIT_KEY])
    target = str(request.out / "saved_model")
    with _refusals(source):
        if _REFERENCE_VARIABLES & {node.op for node in graph.graph_def.node}:
            _freeze(str(source), sorted(graph.meta_info_def.tags), graph.signature_def[key], shapes, target)
        else:
            _trace(str(source), sorted(graph.meta_info_def.tags), key, shapes, target)
    made = _meta_graph(Path(target)).signature_def[DEFAULT_KEY]
    signature = {"key": DEFAULT_KEY, "inputs": _specs(made.inputs), "outputs": _specs(made.outputs)}
    wanted = _names(graph.signature_def[key])
    found = _names(made)
    if found != wanted:
        raise InvalidSource(f"{source}: signature {key!r} has inputs and outputs {wanted}, its canonical form {found}")
    return {"signature": signature}


def _names(definition: Any) -> tuple[list[str], list[str]]:
    return sorted(definition.inputs), sorted(definition.outputs)


def _shapes(request: Any) -> dict[str, list[int]]:
    """Return the shape of one call by input name; what the signature leaves open is as the samples in inputs["samples"] have it."""
    shapes: dict[str, Any] = dict(request.options["shapes"])
    for name, shape in shapes.items():
        if shape is None or None in shape:
            shapes[name] = read_index(request.inputs["samples"])["tensors"][name]["shape"]
    return shapes


def _trace(source: str, tags: list[str], key: str, shapes: dict[str, list[int]], target: str) -> None:
    """Save the signature, traced again, with the variables that it uses and nothing else: less to load for all that come after."""
    import tensorflow as tf

    loaded = tf.saved_model.load(source, tags=tags)
    call = loaded.signatures[key]
    _, declared = call.structured_input_signature
    specs = {name: tf.TensorSpec(shapes[name], spec.dtype, name=name) for name, spec in declared.items()}

    def by_name(**inputs: Any) -> Any:
        return call(**inputs)

    traced = tf.function(by_name).get_concrete_function(**specs)
    module = tf.Module()
    module.traced, module.used_variables = traced, list(call.graph.variables)
    signatures = {DEFAULT_KEY: traced}
    try:
        tf.saved_model.save(module, target, signatures=signatures)
    except AssertionError:  # it refers to more than variables (lookup tables, say), which the loaded object holds
        shutil.rmtree(target, ignore_errors=True)
        module.source = loaded
        tf.saved_model.save(module, target, signatures=signatures)


def _freeze(source: str, tags: list[str], definition: Any, shapes: dict[str, list[int]], target: str) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    outputs = {name: info.name for name, info in definition.outputs.items()}
    with v1.Session(graph=tf.Graph()) as session:
        v1.saved_model.loader.load(session, tags, source)
        nodes = sorted({tensor.split(":")[0] for tensor in outputs.values()})
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, nodes)
    with v1.Session(graph=tf.Graph()) as session:
        inputs = {
            name: v1.placeholder(tf.dtypes.as_dtype(info.dtype), shapes[name], name=f"input_{position}")
            for position, (name, info) in enumerate(sorted(definition.inputs.items()))
        }
        mapping = {definition.inputs[name].name: tensor for name, tensor in inputs.items()}
        results = tf.graph_util.import_graph_def(frozen, mapping, list(outputs.values()), name="model")
        v1.saved_model.simple_save(session, target, inputs, dict(zip(outputs, results, strict=True)))


def _meta_graph(source: Path) -> Any:
    """Return the one MetaGraph to serve from, parsed without running anything."""
    from google.protobuf.message import DecodeError

    messages = _saved_model_messages()
    parsed = messages.SavedModel()
    try:
        if (source / "saved_model.pb").is_file():
            parsed.ParseFromString((source / "saved_model.pb").read_bytes())
        else:
            from google.protobuf import text_format

            text_format.Parse((source / "saved_model.pbtxt").read_text(), parsed)
    except (DecodeError, ValueError) as error:
        raise InvalidSource(
            f"{source}: saved_model.pb is damaged ({causes(error)})", "export the model again"
        ) from error
    graphs = list(parsed.meta_graphs)
    serving = [graph for graph in graphs if "serve" in graph.meta_info_def.tags] or graphs
    if len(serving) != 1:
        tags = [sorted(graph.meta_info_def.tags) for graph in graphs]
        raise InvalidSource(f"{source}: {len(graphs)} graphs, tagged {tags}; one tagged 'serve' would be right")
    return serving[0]


def _saved_model_messages() -> Any:
    """Return the protocol buffer classes; importing all of TensorFlow for them (3 s) is avoided where it is not there yet."""
    if "tensorflow" not in sys.modules:
        spec = importlib.util.find_spec("tensorflow")
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError("tensorflow is not installed here")
        bare = types.ModuleType("tensorflow")
        bare.__path__ = list(spec.submodule_search_locations)
        sys.modules["tensorflow"] = bare
    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2


def _specs(tensors: Any) -> list[dict[str, Any]]:
    from tensorflow.core.framework import types_pb2

    specs = []
    for name, info in sorted(tensors.items()):
        dtype = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
        sizes = [None if dimension.size < 0 else dimension.size for dimension in info.tensor_shape.dim]
        shape = None if info.tensor_shape.unknown_rank else sizes
        specs.append(
            {
                "name": name,
                "dtype": {"float": "float32", "double": "float64", "half": "float16"}.get(dtype, dtype),
                "shape": shape,
            }
        )
    return specs


@contextlib.contextmanager
def _refusals(source: Path) -> Iterator[None]:
    """Say of TensorFlow's many ways to refuse a damaged or foreign SavedModel which file it was and what it said."""
    try:
        yield
    except (KeyError, TypeError, NameError) as error:
        raise InvalidSource(f"{source}: cannot be traced with static shapes ({causes(error)})") from error
    except (
        Exception
    ) as error:  # OSError, IndexError, DataLossError, NotFoundError, ValueError: all were seen for damaged files
        raise InvalidSource(
            f"{source}: TensorFlow cannot load it: {causes(error)}", "export the model again"
        ) from error
