"""The values of TensorFlow's graph for the tensors of a float .tflite converted from it, as far as the tensors kept the names of the graph's nodes.

TensorFlow's converter names a tensor after the nodes that went into it, separated by ";" (tensorflow/compiler/mlir/lite: fused locations). The tensor
stands for the node among them that is computed last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.engines.tflite import split
from toolkit.engines.tflite.subgraphs import Parts
from toolkit.errors import InvalidSource
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_samples


def taps(request: Request) -> dict[str, int]:
    """Write out/outputs: for each sample, the values of each tensor of inputs["model"] that has a node in the graph of inputs["saved_model"].

    A tensor's name is its number. The signature matches the outputs. Raise InvalidSource if no other tensor has a node.
    """
    from toolkit.engines.tensorflow.devices import use

    use("cpu")
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(request.inputs["saved_model"]))
    signature = loaded.signatures["serving_default"]
    frozen = convert_variables_to_constants_v2(signature)
    parts = Parts(request.inputs["model"])
    found = _nodes(parts, frozen.graph)
    if not found:
        raise InvalidSource(
            f"{request.inputs['model'].name}: none of its tensors inside is called as a node of TensorFlow's graph"
        )
    outputs = split.output_names(request.inputs["model"])
    given = dict(zip(sorted(signature.structured_outputs), frozen.outputs, strict=True))
    found.update({outputs[name]: tensor.name for name, tensor in given.items() if outputs[name] not in found})
    names = {key: spec.name for key, spec in signature.structured_input_signature[1].items()}
    fed = {tensor.op.name: tensor for tensor in frozen.inputs}
    order = [fed[name] for name in names.values()]
    call = frozen.prune(order, [frozen.graph.get_tensor_by_name(name) for name in found.values()])
    with ShardWriter(request.out / "outputs") as writer:
        for sample in read_samples(request.inputs["samples"]):
            values = call(*(tf.constant(sample[key]) for key in names))
            writer.add({str(index): np.asarray(array) for index, array in zip(found, values, strict=True)})
    return {"matched": len(found)}


def _nodes(parts: Parts, graph: Any) -> dict[int, str]:
    """Return the name of the graph's tensor for each tensor that an operator gives: of its last node, if that has the same shape and dtype."""
    operations = list(graph.get_operations())
    places = _places([operation.name for operation in operations])
    found = {}
    for index in (index for node in split.working(parts) for index in split.shown(parts, node)):
        tensor = parts.tensors[index]
        known = [places.get(name) for name in tensor.name.split(";")]
        named = [place for place in known if place is not None]
        values = operations[max(named)].outputs[:1] if named else []
        for each in values:
            if each.shape == tensor.shape and each.dtype.as_numpy_dtype().dtype.name == tensor.dtype:
                found[index] = each.name
    return found


def _places(names: list[str]) -> dict[str, int | None]:
    """Return the place of each node by its name, and by every end of its name that begins after a "/": inlining removes the callers' names.

    The place is None for an end that several names have.
    """
    found: dict[str, int | None] = {}
    for place, name in enumerate(names):
        parts = name.split("/")
        for start in range(1, len(parts)):
            end = "/".join(parts[start:])
            found[end] = None if end in found else place
    return {**found, **{name: place for place, name in enumerate(names)}}
