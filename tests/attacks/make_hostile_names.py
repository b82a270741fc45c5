"""Write one model of each kind that calls everything by a name that wants to be more: `python make_hostile_names.py FOLDER NAMES`.

NAMES is a JSON list; FOLDER has one model of each kind for each name, and index.json lists their paths. Runs in the environment of TensorFlow.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import flatbuffers
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.python import schema_py_generated as schema

FOLDER = Path(sys.argv[1])


class Net(tf.Module):
    """Computes y = x w."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.ones([2, 2]))

    @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32, name="x")])
    def __call__(self, x):
        """Return y, (1, 2)."""
        return {"y": x @ self.w}


def saved_model(path: Path, name: str) -> None:
    """Write a SavedModel with hostile signature, input, output, version and node names; its tensors keep theirs."""
    net = Net()
    tf.saved_model.save(net, str(path), signatures=net.__call__)
    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (graph,) = model.meta_graphs
    graph.meta_info_def.tensorflow_version = name
    signature = type(graph.signature_def["serving_default"])()
    signature.CopyFrom(graph.signature_def["serving_default"])
    del graph.signature_def["serving_default"]
    for side in (signature.inputs, signature.outputs):
        for key in list(side):
            side[name].CopyFrom(side[key])
            del side[key]
    graph.signature_def[name].CopyFrom(signature)
    file.write_bytes(model.SerializeToString())


def frozen_graph(path: Path, name: str) -> None:
    """Write a GraphDef whose nodes have hostile names and operators."""
    graph = tf.compat.v1.GraphDef()
    given = graph.node.add(name=name, op="Placeholder")
    given.attr["dtype"].type = tf.float32.as_datatype_enum
    graph.node.add(name=f"{name}2", op="Softmax", input=[name]).attr["T"].type = tf.float32.as_datatype_enum
    graph.node.add(name="odd", op=name, input=[name])
    path.with_suffix(".pb").write_bytes(graph.SerializeToString())


def checkpoint(path: Path, name: str) -> None:
    """Write a checkpoint of variables with hostile names."""
    tf.train.Checkpoint(**{name: tf.Variable([1.0, 2.0])}).write(str(path))


def tflite(path: Path, name: str) -> None:
    """Write a .tflite whose tensors, signature, inputs, outputs, description and custom operator have hostile names."""
    net = Net()
    content = tf.lite.TFLiteConverter.from_concrete_functions([net.__call__.get_concrete_function()], net).convert()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.description = name
    for tensor in model.subgraphs[0].tensors:
        tensor.name = name
    for signature in model.signatureDefs or ():
        signature.signatureKey = name
        for one in (*signature.inputs, *signature.outputs):
            one.name = name
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.with_suffix(".tflite").write_bytes(bytes(builder.Output()))


def keras_file(path: Path, name: str) -> None:
    """Write a .keras whose layers, class and version have hostile names."""
    import keras

    x = keras.Input((2,), name="x")
    keras.Model(x, keras.layers.Dense(2, name="d")(x)).save(path.with_suffix(".whole.keras"))
    with (
        zipfile.ZipFile(path.with_suffix(".whole.keras")) as whole,
        zipfile.ZipFile(path.with_suffix(".keras"), "w") as file,
    ):
        for member in whole.namelist():
            content = whole.read(member)
            if member.endswith(".json"):
                content = json.dumps(_renamed(json.loads(content), name)).encode()
            file.writestr(member, content)
    path.with_suffix(".whole.keras").unlink()


def _renamed(content, name):
    if isinstance(content, dict):
        return {
            key: name if key in ("name", "class_name", "registered_name", "keras_version") and isinstance(value, str) else _renamed(value, name)
            for key, value in content.items()
        }  # fmt: skip
    return [_renamed(each, name) for each in content] if isinstance(content, list) else content


def main() -> None:
    """Write all of them."""
    index = []
    for number, name in enumerate(json.loads(sys.argv[2])):
        for make in (saved_model, frozen_graph, checkpoint, tflite, keras_file):
            path = FOLDER / f"{make.__name__}_{number}"
            make(path, name)
            index += [
                str(each)
                for each in FOLDER.glob(f"{path.name}*")
                if each.suffix not in (".index", ".data-00000-of-00001")
            ] or [str(path)]
    (FOLDER / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main()
