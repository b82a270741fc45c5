"""Write Keras files that reach out of themselves, each in one way, and files that are more or other than they say.

    python make_keras_files.py FOLDER CANARY       with an interpreter that has h5py; nothing of Keras or TensorFlow is imported

CANARY is a folder with `secret` and `keep/treasure` in it, which the files try to read, to write into, or to delete. Beside the files lies
expected.json: {file: what the refusal has to name}.
"""

from __future__ import annotations

import base64
import json
import marshal
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Table = dict[str, Any]
FOLDER, CANARY = (Path(argument).resolve() for argument in sys.argv[1:3])
SECRET, KEEP, NEW = str(CANARY / "secret"), str(CANARY / "keep"), str(CANARY / "written")
KERNEL, BIAS = np.full((6, 3), 0.5, np.float32), np.zeros(3, np.float32)
expected: dict[str, str] = {}


def old(class_name: str, name: str, nodes: Any, **config: Any) -> Table:
    """Return a layer as Keras 2 writes it into an .h5 file."""
    held = {"name": name, "dtype": "float32", **config}
    return {"class_name": class_name, "config": held, "name": name, "inbound_nodes": nodes}


def old_model(*layers: Table, last: str = "x") -> Table:
    """Return a functional model of Keras 2: an input, these layers, and a Dense layer behind the `last` of them."""
    taken = old("InputLayer", "x", [], batch_input_shape=[None, 6])
    dense = old("Dense", "d", [[[last, 0, 0, {}]]], units=3, activation="linear", use_bias=True)
    held = {
        "name": "m",
        "layers": [taken, *layers, dense],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    return {"class_name": "Functional", "config": held}


def called(function: str, *constants: Any, **more: Any) -> Table:
    """Return a model that calls one of TensorFlow's functions on constants while it is made."""
    return old_model(old("TFOpLambda", "evil", [["_CONSTANT_VALUE", -1, constants[0], more]], function=function))


def new(class_name: str, name: str, module: str = "keras.layers", **config: Any) -> Table:
    """Return a layer as Keras 3 and the .keras files of tf-keras have it."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": name, "dtype": "float32", **config},
        "registered_name": None,
    }


def new_model(*layers: Table) -> Table:
    """Return a sequential model of Keras 3: an input, these layers, and a Dense layer."""
    taken = new("InputLayer", "x", batch_shape=[None, 6])
    dense = new("Dense", "d", units=3, activation="linear", use_bias=True)
    held = {"name": "m", "layers": [taken, *layers, dense], "build_input_shape": [None, 6]}
    return {"module": "keras", "class_name": "Sequential", "config": held, "registered_name": None}


def weights(group: Any) -> None:
    """Write the weights of the Dense layer as the old layout has them."""
    group.attrs["layer_names"] = [b"d"]
    group.attrs["backend"], group.attrs["keras_version"] = b"tensorflow", b"2.15.0"
    dense = group.create_group("d")
    dense.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
    dense.create_dataset("d/kernel:0", data=KERNEL)
    dense.create_dataset("d/bias:0", data=BIAS)


def h5(name: str, config: Any, names: str, change: Callable[[Any], None] | None = None) -> None:
    """Write a whole model of Keras 2 as HDF5; `change` is given the opened file."""
    with h5py.File(FOLDER / f"{name}.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.15.0", b"tensorflow"
        file.attrs["model_config"] = config if isinstance(config, (bytes, str)) else json.dumps(config).encode()
        weights(file.create_group("model_weights"))
        if change is not None:
            change(file)
    expected[f"{name}.h5"] = names


def inner_h5(path: Path, change: Callable[[Any], None] | None = None) -> bytes:
    """Return the content of a model.weights.h5 of Keras 3."""
    with h5py.File(path, "w") as file:
        held = file.create_group("layers/dense/vars")
        held.create_dataset("0", data=KERNEL)
        held.create_dataset("1", data=BIAS)
        if change is not None:
            change(file)
    content = path.read_bytes()
    path.unlink()
    return content


def parts(config: Any, version: str = "3.15.1", change: Callable[[Any], None] | None = None) -> dict[str, bytes]:
    """Return the parts of a `.keras` archive by name."""
    return {
        "metadata.json": json.dumps({"keras_version": version, "date_saved": "2026-01-01@00:00:00"}).encode(),
        "config.json": config if isinstance(config, bytes) else json.dumps(config).encode(),
        "model.weights.h5": inner_h5(FOLDER / "inner", change),
    }


def archive(name: str, held: dict[str, bytes], names: str, packing: int = zipfile.ZIP_STORED) -> Path:
    """Write a `.keras` archive."""
    path = FOLDER / f"{name}.keras"
    with zipfile.ZipFile(path, "w", packing) as file:
        for part, content in held.items():
            file.writestr(part, content)
    expected[path.name] = names
    return path


def keras(name: str, config: Any, names: str, version: str = "3.15.1") -> None:
    """Write a `.keras` file of Keras 3, or with a version of Keras 2 of tf-keras."""
    archive(name, parts(config, version), names)


def functions_as_layers() -> None:
    """TFOpLambda and its kin: TensorFlow's functions, called on constants while the model is made."""
    h5("write", called("io.write_file", NEW, contents="x"), "io.write_file")
    h5("copy", called("io.gfile.copy", SECRET, dst=NEW, overwrite=True), "io.gfile.copy")
    h5("delete", called("io.gfile.rmtree", KEEP), "io.gfile.rmtree")
    h5("rename", called("io.gfile.rename", SECRET, dst=NEW), "io.gfile.rename")
    h5("make-folder", called("io.gfile.makedirs", NEW), "io.gfile.makedirs")
    h5("read", called("io.read_file", SECRET), "io.read_file")
    h5("delete-v1", called("compat.v1.gfile.DeleteRecursively", KEEP), "compat.v1.gfile.DeleteRecursively")
    h5("raw", called("raw_ops.WriteFile", NEW, contents="x"), "raw_ops.WriteFile")
    h5("print", called("print", "secret", output_stream=f"file://{NEW}"), "tf.print")
    h5(
        "download",
        called("keras.utils.get_file", "f", origin=f"file://{SECRET}", cache_dir=str(CANARY)),
        "keras.utils.get_file",
    )
    h5("library", called("load_op_library", NEW), "load_op_library")
    h5("saved-model", called("saved_model.load", KEEP), "saved_model.load")
    h5("summary", called("summary.create_file_writer", NEW), "summary.create_file_writer")
    h5("unsafe-again", called("keras.__internal__.enable_unsafe_deserialization", []), "enable_unsafe_deserialization")
    h5("python", called("py_function", "os.system", inp=[], Tout="float32"), "py_function")
    h5("numpy-function", called("numpy_function", "os.system", inp=[], Tout="float32"), "numpy_function")
    h5(
        "slicing",
        old_model(old("SlicingOpLambda", "evil", [["_CONSTANT_VALUE", -1, KEEP, {}]], function="io.gfile.rmtree")),
        "io.gfile.rmtree",
    )
    method = old(
        "ClassMethod",
        "evil",
        [["_CONSTANT_VALUE", -1, [NEW], {"kwargs": {}}]],
        cls_symbol="io.gfile.GFile",
        method_name="write",
    )
    h5("class-method", old_model(method), "io.gfile.GFile.write")
    attribute = old("InstanceProperty", "evil", [["_CONSTANT_VALUE", -1, "x", {}]], attr_name="__class__")
    h5("instance-property", old_model(attribute), "__class__")
    attribute = old(
        "InstanceMethod", "evil", [["_CONSTANT_VALUE", -1, "x", {"args": [], "kwargs": {}}]], attr_name="__reduce__"
    )
    h5("instance-method", old_model(attribute), "__reduce__")
    node = {"name": "evil", "op": "WriteFile", "input": ["a", "b"]}
    layer = old("TensorFlowOpLayer", "evil", [[["x", 0, 0, {}]]], node_def=node, constants={"0": NEW, "1": "x"})
    h5("operator", old_model(layer), "WriteFile")
    serialized = b"\x0a\x04evil\x12\x09WriteFile\x1a\x01a\x1a\x01b".decode()
    layer = old("TensorFlowOpLayer", "evil", [[["x", 0, 0, {}]]], node_def=serialized, constants={"0": NEW, "1": "x"})
    h5("operator-serialized", old_model(layer), "WriteFile")
    nested = called("io.gfile.rmtree", KEEP)
    h5("nested", old_model({**nested, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]]]}), "io.gfile.rmtree")
    wrapped = old("TimeDistributed", "wrap", [[["x", 0, 0, {}]]], layer=called("io.gfile.rmtree", KEEP))
    h5("wrapped", old_model(wrapped), "io.gfile.rmtree")
    both = old(
        "Bidirectional",
        "both",
        [[["x", 0, 0, {}]]],
        layer=old("LSTM", "f", [], units=3),
        backward_layer=called("io.gfile.rmtree", KEEP),
    )
    h5("backward", old_model(both), "io.gfile.rmtree")
    cell = old("RNN", "rnn", [[["x", 0, 0, {}]]], cell=called("io.gfile.rmtree", KEEP))
    h5("cell", old_model(cell), "io.gfile.rmtree")
    lambda_op = new("TFOpLambda", "evil", function="io.gfile.rmtree") | {
        "inbound_nodes": [["_CONSTANT_VALUE", -1, KEEP, {}]]
    }
    keras("delete-tf_keras", new_model(lambda_op), "io.gfile.rmtree", version="2.15.0")


def code(mark: str) -> str:
    """Return marshalled Python code that makes a file, as Keras writes it."""
    return base64.b64encode(marshal.dumps(compile(f"open({mark!r}, 'w')", "<lambda>", "eval"))).decode()


def python_code() -> None:
    """Lambda layers, in the forms in which one can hide its code."""
    plain = {"function": [code(NEW), None, None], "function_type": "lambda", "module": "builtins", "arguments": {}}
    rest = {"output_shape": None, "output_shape_type": "raw", "output_shape_module": None}
    node = [[["x", 0, 0, {}]]]
    h5("lambda", old_model(old("Lambda", "evil", node, **plain, **rest)), "holds Python code")
    h5(
        "lambda-text",
        old_model(old("Lambda", "evil", node, **{**plain, "function": code(NEW)}, **rest)),
        "holds Python code",
    )
    shape = {"output_shape": [code(NEW), None, None], "output_shape_type": "lambda", "output_shape_module": None}
    named = {"function": "abs", "function_type": "function", "module": "builtins", "arguments": {}}
    h5("lambda-shape", old_model(old("Lambda", "evil", node, **named, **shape)), "output_shape holds Python code")
    mask = {"mask": [code(NEW), None, None], "mask_type": "lambda", "mask_module": None}
    h5("lambda-mask", old_model(old("Lambda", "evil", node, **named, **rest, **mask)), "mask holds Python code")
    hidden = {"class_name": "__lambda__", "config": {"code": code(NEW), "defaults": None, "closure": None}}
    keras("lambda-new", new_model(new("Lambda", "evil", function=hidden, arguments={})), "holds Python code")
    keras("lambda-activation", new_model(new("Activation", "evil", activation=hidden)), "holds Python code")
    keras(
        "lambda-initializer", new_model(new("Dense", "evil", units=6, kernel_initializer=hidden)), "holds Python code"
    )
    keras(
        "lambda-constant",
        new_model(new("Embedding", "evil", input_dim=3, output_dim=2, embeddings_constraint=hidden)),
        "holds Python code",
    )
    compiled = new_model() | {"name": "inner", "compile_config": {"optimizer": "adam", "loss": hidden}}
    keras("lambda-compiled", new_model(compiled), "holds Python code")
    built = new_model(new("Dense", "e", units=6) | {"build_config": {"input_shape": [None, 6], "more": hidden}})
    keras("lambda-built", built, "holds Python code")


def importable() -> None:
    """Objects that are said to be what Python can import."""

    def function(name: str, module: str) -> Table:
        return {"class_name": "function", "config": name, "module": module, "registered_name": name}

    keras("eval", new_model(new("Activation", "evil", activation=function("eval", "builtins"))), "eval")
    keras("system", new_model(new("Activation", "evil", activation=function("system", "os"))), "os.system")
    keras(
        "system-tf_keras",
        new_model(new("Activation", "evil", activation=function("system", "os"))),
        "os.system",
        version="2.15.0",
    )
    known = {"class_name": "function", "config": "relu", "module": "os", "registered_name": "system"}
    keras("registered", new_model(new("Activation", "evil", activation=known)), "os.relu", version="2.15.0")
    keras(
        "class-elsewhere",
        new_model(new("Popen", "evil", module="subprocess", args="x")),
        "subprocess.Popen",
        version="2.15.0",
    )
    said = new("Dense", "evil", units=6) | {"module": "os", "registered_name": "system"}
    keras("dense-elsewhere", new_model(said), "os.Dense, registered as system", version="2.15.0")
    said = new("TFOpLambda", "evil", module="os", function="math.abs") | {"registered_name": "system"}
    keras("form-elsewhere", new_model(said), "os.system", version="2.15.0")
    said = {"class_name": "__tuple__", "module": "subprocess", "registered_name": "getoutput", "config": {}}
    keras(
        "value-elsewhere",
        new_model(new("Activation", "evil", activation=said)),
        "subprocess.getoutput",
        version="2.15.0",
    )
    keras(
        "get-file",
        new_model(new("Activation", "evil", activation=function("get_file", "keras.utils"))),
        "keras.utils.get_file",
    )
    keras(
        "load-model",
        new_model(new("Activation", "evil", activation=function("load_model", "keras.models"))),
        "keras.models.load_model",
    )
    keras(
        "internal",
        new_model(new("FileEditor", "evil", module="keras.src.saving.file_editor")),
        "keras.src.saving.file_editor.FileEditor",
    )
    keras("saved-model-layer", new_model(new("TFSMLayer", "evil", filepath=KEEP, call_endpoint="serve")), "TFSMLayer")
    keras("torch", new_model(new("TorchModuleWrapper", "evil", module_bytes=code(NEW))), "TorchModuleWrapper")
    keras("jax", new_model(new("JaxLayer", "evil", call_fn=None)), "JaxLayer")
    keras("feature-space", new_model(new("FeatureSpace", "evil", module="keras.utils")), "FeatureSpace")
    keras(
        "dotted-activation",
        new_model(new("Dense", "evil", units=6, activation="tf.io.gfile.rmtree")),
        "tf.io.gfile.rmtree",
    )
    h5(
        "dotted-activation",
        old_model(old("Dense", "evil", [[["x", 0, 0, {}]]], units=6, activation="os.system")),
        "os.system",
    )
    shared = new("Popen", "evil", module="subprocess") | {"shared_object_id": 7}
    keras("shared", new_model(new("Dense", "e", units=6, kernel_regularizer=shared)), "subprocess.Popen")
    spec = {
        "class_name": "__typespec__",
        "spec_name": "getoutput",
        "module": "subprocess",
        "config": [],
        "registered_name": None,
    }
    keras("typespec", new_model(new("InputLayer", "evil", type_spec=spec)), "subprocess.getoutput", version="2.15.0")
    spec = {"class_name": "TypeSpec", "type_spec": "my.Evil", "serialized": []}
    h5("typespec", old_model(old("InputLayer", "evil", [], type_spec=spec)), "my.Evil")
    column = {"class_name": "VocabularyFileCategoricalColumn", "config": {"key": "k", "vocabulary_file": SECRET}}
    h5("feature-column", old_model(old("DenseFeatures", "evil", [], feature_columns=[column])), "DenseFeatures")
    huge = {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "S2000000000"}}
    keras("huge-dtype", new_model(new("Dense", "evil", units=6, kernel_initializer=huge)), "__numpy__")
    keras("while", new_model(new("WhileLoop", "evil", module="keras.src.ops.core")), "WhileLoop")


def vocabularies() -> None:
    """A path in place of the words: the layer reads the file."""
    for layer in ("StringLookup", "IntegerLookup", "TextVectorization"):
        keras(f"vocabulary-{layer}", new_model(new(layer, "evil", vocabulary=SECRET)), SECRET)
    lookup = old("StringLookup", "evil", [[["x", 0, 0, {}]]], vocabulary=SECRET)
    h5("vocabulary", old_model(lookup), SECRET)
    said = {"class_name": "__bytes__", "config": {"value": SECRET}}
    keras("vocabulary-bytes", new_model(new("StringLookup", "evil", vocabulary=said)), "vocabulary")


def numbers_elsewhere() -> None:
    """HDF5 that keeps its numbers elsewhere, or in what only other code can read."""

    def elsewhere(file: Any) -> None:
        del file["model_weights/d/d/bias:0"]
        file["model_weights/d"].create_dataset("d/bias:0", (3,), np.float32, external=[(SECRET, 0, 12)])

    h5("external", old_model(), "in another file", elsewhere)

    def external_link(file: Any) -> None:
        del file["model_weights/d/d/bias:0"]
        file["model_weights/d/d/bias:0"] = h5py.ExternalLink(SECRET, "/x")

    h5("external-link", old_model(), "external link", external_link)

    def loop(file: Any) -> None:
        file["model_weights/e"] = h5py.SoftLink("/model_weights/e")

    h5("soft-link", old_model(), "soft link", loop)

    def virtual(file: Any) -> None:
        del file["model_weights/d/d/bias:0"]
        layout = h5py.VirtualLayout((3,), np.float32)
        layout[:] = h5py.VirtualSource(SECRET, "x", (3,))
        file["model_weights/d"].create_virtual_dataset("d/bias:0", layout)

    h5("virtual", old_model(), "virtual dataset", virtual)

    def filtered(file: Any) -> None:
        del file["model_weights/d/d/bias:0"]
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((3,))
        made.set_filter(1, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file["model_weights/d/d"].id, b"bias:0", h5py.h5t.IEEE_F32LE, space, dcpl=made)

    h5("filter", old_model(), "filter", filtered)
    path = FOLDER / "filter.h5"  # h5py writes no filter that it has not: its number is exchanged in the file
    content = path.read_bytes()
    place = content.index(b"deflate\0") - 8
    assert content[place : place + 2] == struct.pack("<H", 1)
    path.write_bytes(content[:place] + struct.pack("<H", 333) + content[place + 2 :])

    def references(file: Any) -> None:
        file["model_weights/d"].create_dataset("refs", (2,), h5py.ref_dtype)[0] = file.ref

    h5("references", old_model(), "expected numbers", references)

    def inner(file: Any) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars"].create_dataset("1", (3,), np.float32, external=[(SECRET, 0, 12)])

    archive("external-inside", parts(new_model(), change=inner), "in another file")
    with h5py.File(FOLDER / "external.weights.h5", "w") as file:
        weights(file)
        del file["d/d/bias:0"]
        file["d"].create_dataset("d/bias:0", (3,), np.float32, external=[(SECRET, 0, 12)])
    expected["external.weights.h5"] = "in another file"


def numbers_that_are_not_there() -> None:
    """HDF5 that declares more than it holds, and groups without end."""

    def hole(file: Any) -> None:
        file["model_weights/d"].create_dataset("huge", (1 << 28,), np.float32, chunks=(1 << 20,), fillvalue=0.5)

    h5("holes", old_model(), "declares 1,073,741,824 bytes", hole)

    def squeezed(file: Any) -> None:
        file["model_weights/d"].create_dataset(
            "zeros", data=np.zeros(1 << 25, np.float32), chunks=(1 << 20,), compression=9
        )

    h5("squeezed", old_model(), "declares 134,217,728 bytes", squeezed)

    def deep(file: Any) -> None:
        group = file
        for _ in range(300):
            group = group.create_group("g")

    h5("deep", old_model(), "inside each other", deep)

    def many(file: Any) -> None:
        for number in range(25_000):
            file.create_group(f"g{number}")

    h5("many", old_model(), "groups and arrays", many)

    def listed(file: Any) -> None:
        file["model_weights"].attrs["layer_names"] = np.array([b"d"] * 150)
        file["model_weights/d"].attrs["weight_names"] = np.array([b"d/kernel:0"] * 150)

    h5("listed", old_model(), "lists more than", listed)


def other_types() -> None:
    """Attributes and configurations of other types, lengths and depths."""

    def odd_attributes(file: Any) -> None:
        file["model_weights"].attrs["layer_names"] = 7

    h5("odd-attributes", old_model(), "is damaged", odd_attributes)

    def dataset_for_group(file: Any) -> None:
        del file["model_weights"]
        file["model_weights"] = KERNEL

    h5("dataset-for-group", old_model(), "is damaged", dataset_for_group)
    h5("config-number", "7", "is damaged")
    h5("config-deep", "[" * 200_000, "nested")
    h5("config-deeper", '{"class_name":' * 5000 + "1" + "}" * 5000, "nested")
    h5("config-long", json.dumps({**old_model(), "more": "x" * (17 << 20)}).encode(), "expected at most")
    h5("config-wide", old_model(old("Dense", "d", [[]] * 200_000)), "tables and lists")
    h5("config-digits", '{"class_name": "Model", "config": ' + "9" * 5000 + "}", "digits")


def archives() -> None:
    """Zip archives that unpack to more, or other, than they say."""
    archive("leads-out", {**parts(new_model()), "assets/../../written": b"x"}, "leads out")
    archive("absolute", {**parts(new_model()), NEW: b"x"}, "leads out")
    archive("backslash", {**parts(new_model()), "assets\\..\\..\\written": b"x"}, "leads out")
    path = archive("link", parts(new_model()), "is a link")
    with zipfile.ZipFile(path, "a") as file:
        link = zipfile.ZipInfo("assets/link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        file.writestr(link, SECRET)
    path = archive("twice", parts(new_model()), "more than once")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json", json.dumps(called("io.gfile.rmtree", KEEP)))
    held = parts(new_model())
    archive("bomb", {**held, "assets/zeros": bytes(200 << 20)}, "unpack to 209,715,200", zipfile.ZIP_DEFLATED)
    archive(
        "bomb-weights",
        {**held, "model.weights.h5": held["model.weights.h5"] + bytes(200 << 20)},
        "that unpack to",
        zipfile.ZIP_DEFLATED,
    )
    noise = np.random.default_rng(1).bytes(1 << 20)  # which keeps the packed size in proportion
    archive(
        "behind-weights",
        {**held, "model.weights.h5": held["model.weights.h5"] + noise + bytes(70 << 20)},
        "says there that it ends after",
        zipfile.ZIP_DEFLATED,
    )
    archive(
        "long-config", parts(b'{"class_name": "' + b"x" * (17 << 20) + b'"}'), "expected at most", zipfile.ZIP_DEFLATED
    )
    archive("lzma", held, "method 14", zipfile.ZIP_LZMA)
    path = archive("encrypted", held, "encrypted")
    content = bytearray(path.read_bytes())
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) > 0:
        content[at + 8] |= 1
    path.write_bytes(content)
    path = archive("larger", held, "impossible", zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0x7FFFFFFF)  # the last part says that it unpacks to 2 GB
    path.write_bytes(content)
    path = archive("over-one-another", held, "lies over")
    content = bytearray(path.read_bytes())
    first = content.find(b"PK\x01\x02")
    content[first + 20 : first + 28] = struct.pack("<II", len(content) // 2, len(content) // 2)
    content[18:26] = content[first + 20 : first + 28]
    path.write_bytes(content)
    path = archive("many-parts", held, "expected at most 10,000 parts")
    with zipfile.ZipFile(path, "a") as file:
        for number in range(12_000):
            file.writestr(f"assets/{number}", b"")
    path = archive("behind", held, "is damaged")
    path.write_bytes(path.read_bytes() + b"more")
    path = archive("other-header", held, "says something else of itself")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"config.json", b"canfig.json", 1))
    del held["model.weights.h5"]
    archive("npz-only", {**held, "model.weights.npz": b"x"}, "has no model.weights.h5")


HDF5 = (numbers_elsewhere, numbers_that_are_not_there, other_types)


def main() -> None:
    """Write all of them, and what each refusal has to name."""
    for write in (functions_as_layers, python_code, importable, vocabularies, *HDF5, archives):
        write()
    (FOLDER / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
