"""Write hostile SavedModels, frozen graphs and MetaGraphs, and healthy ones that look alike: `python make_hostile_graphs.py FOLDER CANARY`.

In CANARY lies what a model may neither read (secret, whose number is in no output), write, nor delete (part/). index.json of FOLDER lists each model:
its name, its path, what its refusal says (null for a healthy one), and what it needs (inputs and outputs to cut at).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

raw, v1 = tf.raw_ops, tf.compat.v1
SPEC = tf.TensorSpec([None, 3], tf.float32, name="x")
SECRET = 73402151  # a number, so that a table of numbers can read it
FOLDER, CANARY = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
made: list[dict] = []


def listed(name, says, path=None, **more):
    """Put a model into the index."""
    made.append({"name": name, "path": str(path or FOLDER / name), "says": says, **more})


def save(name, says, call, **held):
    """Save a module whose signature is `call(x)`, and list it."""

    class Model(tf.Module):
        @tf.function(input_signature=[SPEC])
        def __call__(self, x):
            return {"y": call(x)}

    module = Model()
    for key, value in held.items():
        setattr(module, key, value)
    tf.saved_model.save(module, str(FOLDER / name), signatures={"serving_default": module.__call__})
    listed(name, says)
    return FOLDER / name


def edit(folder, change):
    """Change the one MetaGraph of a SavedModel."""
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())


def after(act, x):
    """Return x * 2 once something was done."""
    with tf.control_dependencies([act()]):
        return x * 2.0


def place(name):
    """Return a path in the canary's folder."""
    return str(CANARY / name)


def write(name):
    """Write a file there."""
    return raw.WriteFile(filename=place(name), contents="written by a model")


def number(text):
    """Return a scalar made of a text's bytes."""
    return tf.reduce_sum(tf.cast(tf.io.decode_raw(text, tf.uint8), tf.float32))


def canary():
    """Make what must stay as it is."""
    CANARY.mkdir(parents=True, exist_ok=True)
    (CANARY / "secret").write_text(f"{SECRET}\n{SECRET + 1}\n")
    part = CANARY / "part"
    part.mkdir()
    tf.raw_ops.SaveV2(prefix=str(part / "kept"), tensor_names=["w"], shape_and_slices=[""], tensors=[tf.ones([3])])


def saving_and_restoring():
    """What every SavedModel has, where a call runs it."""
    one = {"tensor_names": ["w"], "shape_and_slices": [""]}
    save(
        "save_v2",
        "SaveV2 (writes files)",
        lambda x: after(lambda: raw.SaveV2(prefix=place("saved"), tensors=[x], **one), x),
    )
    save(
        "save_v1",
        "Save (writes files)",
        lambda x: after(lambda: raw.Save(filename=place("saved1"), tensor_names=["w"], data=[x]), x),
    )
    save(
        "save_slices",
        "SaveSlices (writes files)",
        lambda x: after(
            lambda: raw.SaveSlices(
                filename=place("saved2"), tensor_names=["w"], shapes_and_slices=["3 0,3"], data=[tf.ones([3])]
            ),
            x,
        ),
    )
    save(
        "restore_v2",
        "RestoreV2 (reads files: ",
        lambda x: x + raw.RestoreV2(prefix=place("part/kept"), dtypes=[tf.float32], **one)[0],
    )
    save(
        "restore_v1",
        "Restore (reads files: ",
        lambda x: x + raw.Restore(file_pattern=place("part/kept"), tensor_name="w", dt=tf.float32),
    )
    save(
        "restore_slice",
        "RestoreSlice (reads files: ",
        lambda x: (
            x
            + raw.RestoreSlice(file_pattern=place("part/kept"), tensor_name="w", shape_and_slice="3 0,3", dt=tf.float32)
        ),
    )
    save(
        "restore_of_an_input",
        "RestoreV2 (reads files of a name that is made in the graph)",
        lambda x: x + raw.RestoreV2(prefix=tf.strings.join([place("part"), "/kept"]), dtypes=[tf.float32], **one)[0],
    )
    merge = {
        "checkpoint_prefixes": [place("part/kept")],
        "destination_prefix": place("merged"),
        "delete_old_dirs": True,
    }
    save(
        "merge",
        "MergeV2Checkpoints (deletes and writes files)",
        lambda x: after(lambda: raw.MergeV2Checkpoints(**merge), x),
    )


def files():
    """Operators that read or write files of any name."""
    save(
        "print_v2",
        "PrintV2 (writes files: file://",
        lambda x: after(lambda: tf.print(x, output_stream=f"file://{place('printed')}"), x),
    )
    save("write_file", "WriteFile (writes files)", lambda x: after(lambda: write("plain"), x))
    save("read_file", "ReadFile (reads files)", lambda x: x + number(tf.io.read_file(place("secret"))))
    save(
        "matching_files",
        "MatchingFiles (reads files)",
        lambda x: x + tf.cast(tf.size(tf.io.matching_files(place("*"))), tf.float32),
    )
    save(
        "immutable_const",
        "ImmutableConst (reads files)",
        lambda x: (
            x
            + tf.reduce_sum(
                tf.cast(raw.ImmutableConst(dtype=tf.uint8, shape=[8], memory_region_name=place("secret")), tf.float32)
            )
        ),
    )
    save(
        "vocabulary",
        "GenerateVocabRemapping (reads files)",
        lambda x: (
            x
            + tf.cast(
                raw.GenerateVocabRemapping(
                    new_vocab_file=place("secret"), old_vocab_file=place("secret"), new_vocab_offset=0, num_new_vocab=1
                ).num_present,
                tf.float32,
            )
        ),
    )
    save(
        "remap",
        "LoadAndRemapMatrix (reads files)",
        lambda x: (
            x
            + raw.LoadAndRemapMatrix(
                ckpt_path=place("part/kept"),
                old_tensor_name="w",
                row_remapping=[0],
                col_remapping=[],
                initializing_values=[],
                num_rows=1,
                num_cols=1,
            )
        ),
    )
    sampled = {"num_true": 1, "num_sampled": 1, "unique": False, "range_max": 2}
    save(
        "sampler",
        "FixedUnigramCandidateSampler (reads files: ",
        lambda x: (
            x
            + tf.cast(
                raw.FixedUnigramCandidateSampler(
                    true_classes=[[tf.constant(0, tf.int64)]], vocab_file=place("secret"), **sampled
                )[0],
                tf.float32,
            )
        ),
    )
    text = tf.constant([b""])
    save(
        "decode_proto",
        "DecodeProtoV2 (reads files: ",
        lambda x: after(
            lambda: (
                raw.DecodeProtoV2(
                    bytes=text,
                    message_type="a.B",
                    field_names=["c"],
                    output_types=[tf.int32],
                    descriptor_source=place("secret"),
                ).sizes
            ),
            x,
        ),
    )
    save(
        "encode_proto",
        "EncodeProto (reads files: ",
        lambda x: after(
            lambda: raw.EncodeProto(
                sizes=[[1]],
                values=[tf.constant([[1]])],
                field_names=["c"],
                message_type="a.B",
                descriptor_source=place("secret"),
            ),
            x,
        ),
    )
    save("summary", "CreateSummaryFileWriter (writes files)", _summary)
    save(
        "debug_identity",
        "DebugIdentity (writes files)",
        lambda x: raw.DebugIdentity(
            input=x, tensor_name="x:0", device_name="", debug_urls=[f"file://{place('debug')}"]
        ),
    )
    save(
        "file_system",
        "FileSystemSetConfiguration (changes how files are reached)",
        lambda x: after(lambda: raw.FileSystemSetConfiguration(scheme="file", key="a", value="b"), x),
    )


def _summary(x):
    handle = raw.SummaryWriter(shared_name="s", container="")
    make = raw.CreateSummaryFileWriter(
        writer=handle, logdir=place("log"), max_queue=1, flush_millis=1, filename_suffix="s"
    )
    with tf.control_dependencies([make]):
        return x * 2.0


def datasets():
    """tf.data inside of a function."""
    of = tf.data.Dataset

    def total(dataset):
        return dataset.reduce(0.0, lambda whole, one: whole + tf.reduce_sum(one))

    def lines(dataset):
        return dataset.reduce(0.0, lambda whole, one: whole + number(one))

    save("cache", "CacheDatasetV2 (writes files)", lambda x: x + total(of.from_tensors(x).cache(place("cache"))))
    save(
        "snapshot",
        "SnapshotDatasetV2 (writes files)",
        lambda x: x + total(of.from_tensors(x).snapshot(place("snapshot"))),
    )
    save("text_lines", "TextLineDataset (reads files)", lambda x: x + lines(tf.data.TextLineDataset(place("secret"))))
    save("records", "TFRecordDataset (reads files)", lambda x: x + lines(tf.data.TFRecordDataset(place("secret"))))
    save(
        "range_dataset",
        "RangeDataset (not known to be harmless)",
        lambda x: x + total(of.range(3).map(lambda n: tf.cast(n, tf.float32))),
    )


def code_and_network():
    """Python, other processes, devices that are none, and the end of the process."""
    save(
        "py_func", "runs Python", lambda x: tf.ensure_shape(tf.numpy_function(lambda a: a, [x], tf.float32), [None, 3])
    )
    save(
        "eager_py_func",
        "EagerPyFunc (runs Python)",
        lambda x: tf.ensure_shape(tf.py_function(lambda a: a, [x], tf.float32), [None, 3]),
    )
    save("abort", "Abort (stops the process)", lambda x: after(lambda: raw.Abort(error_msg="bye"), x))
    reduce = {
        "group_size": 2,
        "group_key": 1,
        "instance_key": 1,
        "merge_op": "Add",
        "final_op": "Id",
        "subdiv_offsets": [0],
    }
    save("collective", "CollectiveReduce (uses the network)", lambda x: raw.CollectiveReduce(input=x, **reduce))
    rendezvous = {"tensor_name": "t", "send_device": "/job:a", "send_device_incarnation": 1, "recv_device": "/job:b"}
    save("send", "Send (uses the network)", lambda x: after(lambda: raw.Send(tensor=x, **rendezvous), x))
    save("receive", "Recv (uses the network)", lambda x: x + raw.Recv(tensor_type=tf.float32, **rendezvous))
    save(
        "outfeed", "OutfeedEnqueue (not known to be harmless)", lambda x: after(lambda: raw.OutfeedEnqueue(input=x), x)
    )
    save("tpu", "ConfigureDistributedTPU (uses the network)", lambda x: after(raw.ConfigureDistributedTPU, x))
    save("data_service", "DataServiceDatasetV2 (uses the network)", _data_service)


def _data_service(x):
    one, most = tf.constant(1, tf.int64), tf.constant(1, tf.int64)
    service = {"processing_mode": "a", "address": "127.0.0.1:1", "protocol": "grpc", "job_name": "j"}
    kind = {"output_types": [tf.float32], "output_shapes": [[]]}
    dataset = raw.DataServiceDatasetV2(
        dataset_id=one, consumer_index=0, num_consumers=1, max_outstanding_requests=most,
        iteration_counter=raw.DummyIterationCounter(), **service, **kind,
    )  # fmt: skip
    return after(lambda: dataset, x)


def nested():
    """The same, where it does not stand in the signature itself."""

    @tf.function
    def inner(x):
        return after(lambda: write("nested"), x)

    save("nested", "WriteFile (writes files)", tf.function(inner))

    def body(step, a):
        return step + 1, after(lambda: write("loop"), a)

    says = "WriteFile (writes files)"
    save("loop", says, lambda x: tf.while_loop(lambda step, a: step < 2, body, [0, x])[1])
    save("branch", says, lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: after(lambda: write("branch"), x), lambda: x))
    cases = lambda x: [lambda: x, lambda: after(lambda: write("case"), x)]  # noqa: E731
    save("case", says, lambda x: tf.switch_case(tf.cast(x[0, 0] > 0, tf.int32), cases(x)))

    class Model(tf.Module):
        @tf.function(input_signature=[SPEC])
        def __call__(self, x):
            return {"y": x * 2.0}

        @tf.function(input_signature=[SPEC])
        def aside(self, x):
            return after(lambda: write("aside"), x)

    module = Model()
    tf.saved_model.save(module, str(FOLDER / "aside"), signatures={"serving_default": module.__call__})
    listed("aside", "which no signature runs")


class Resource(tf.saved_model.experimental.TrackableResource):
    """A resource that does something when it is loaded, or let go."""

    def __init__(self, when):
        super().__init__(device="")
        self._when = when
        assert self.resource_handle is not None  # made here, and not in the signature

    def _create_resource(self):
        act = write("created") if self._when == "create" else tf.no_op()
        with tf.control_dependencies([act]):
            return raw.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

    def _initialize(self):
        if self._when == "initialize":
            write("initialized")


def initializers():
    """What runs when a model is loaded."""
    for when in ("initialize", "create"):
        held = Resource(when)
        for path in CANARY.iterdir():
            if path.name in ("initialized", "created"):
                path.unlink()
        size = lambda held: tf.cast(raw.LookupTableSizeV2(table_handle=held.resource_handle), tf.float32)  # noqa: E731
        save(when, "WriteFile (writes files)", lambda x, held=held, size=size: x + size(held), held=held)
        for path in CANARY.iterdir():
            if path.name in ("initialized", "created"):
                path.unlink()


def table(name, says):
    """Save a model with a vocabulary, which is a healthy one; what is to be wrong with it is done afterwards."""
    file = FOLDER / "words.txt"
    file.write_text("3\n4\n5\n")
    init = tf.lookup.TextFileInitializer(
        str(file), tf.int64, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    held = tf.lookup.StaticHashTable(init, -1)
    return save(name, says, lambda x: x + tf.cast(held.lookup(tf.cast(x, tf.int64)), tf.float32), held=held)


def tables():
    """Vocabularies that are none of the model's own files."""
    table("healthy_table", None)

    def of_a_path(x):
        handle = raw.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="t")
        fill = raw.InitializeTableFromTextFileV2(
            table_handle=handle, filename=place("secret"), key_index=-2, value_index=-1
        )
        with tf.control_dependencies([fill]):
            return x + tf.cast(raw.LookupTableSizeV2(table_handle=handle), tf.float32)

    save("table_of_a_path", "InitializeTableFromTextFileV2 (reads files: ", of_a_path)
    above = os.path.relpath(CANARY / "secret", FOLDER / "table_above" / "assets")
    for name, filename in (
        ("table_above", above),
        ("table_absolute", place("secret")),
        ("table_beside", "../saved_model.pb"),
    ):

        def elsewhere(meta, filename=filename):
            meta.asset_file_def[0].filename = filename

        edit(table(name, "does not lie in the model's folder assets"), elsewhere)
    linked = table("table_linked", "it is a link to")
    (asset,) = (linked / "assets").iterdir()
    asset.unlink()
    asset.symlink_to(CANARY / "secret")

    def constant(meta):
        held = meta.object_graph_def
        (position,) = (at for at, one in enumerate(held.nodes) if one.WhichOneof("kind") == "asset")
        node = meta.graph_def.node.add(name="path", op="Const")
        node.attr["dtype"].type = 7
        node.attr["value"].tensor.dtype = 7
        node.attr["value"].tensor.tensor_shape.SetInParent()
        node.attr["value"].tensor.string_val.append(place("secret").encode())
        held.nodes[position].constant.operation = "path"

    edit(table("table_of_a_constant", "InitializeTableFromTextFileV2 (reads files: "), constant)


def of_version_1(name, says, *, main_op=None, legacy=None, local=None, tabled=None, change=None):
    """Save a model of TensorFlow 1, with something that runs when it is loaded."""
    with v1.Session(graph=tf.Graph()) as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        weight = v1.get_variable("w", initializer=np.ones(3, np.float32), use_resource=True)
        y = tf.identity(x * weight, name="y")
        act = next((one() for one in (main_op, legacy, local, tabled) if one), None)
        if tabled:
            v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, act)
        session.run(weight.initializer)
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder = v1.saved_model.Builder(str(FOLDER / name))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=act if main_op else None,
            legacy_init_op=act if legacy else None,
        )
        builder.save()
    listed(name, says)
    if change:
        edit(FOLDER / name, change)


def version_1():
    """SavedModels of TensorFlow 1."""
    of_version_1("healthy_v1", None)
    says = "WriteFile (writes files)"
    of_version_1("main_op", says, main_op=lambda: v1.write_file(place("main"), "a"))
    of_version_1("legacy_init_op", says, legacy=lambda: v1.write_file(place("legacy"), "a"))
    of_version_1("table_initializer", says, tabled=lambda: v1.write_file(place("tabled"), "a"))

    def writes(meta):
        (restore,) = (node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name)
        _add_write(meta.graph_def, place("restored"))
        restore.input.append("^evil")

    of_version_1("restore_writes", says, change=writes)

    def saves(meta):
        (restore,) = (node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name)
        (saved,) = (node for node in meta.graph_def.node if node.op == "SaveV2")
        restore.input.append(f"^{saved.name}")

    of_version_1("restore_saves", "SaveV2 (writes files)", change=saves)

    def variable(meta):
        meta.collection_def["local_variables"].bytes_list.value.append(b"\xff\xff\xff")

    of_version_1("damaged_variable", "what it says of a variable cannot be read", change=variable)

    def asset(meta):
        meta.collection_def["saved_model_assets"].any_list.value.add().value = b"\xff\xff"

    of_version_1("damaged_asset", "what it says of an asset cannot be read", change=asset)

    def elsewhere(meta):
        _constant(meta.graph_def, "elsewhere", place("part/kept"))
        (read,) = (node for node in meta.graph_def.node if node.op == "RestoreV2")
        read.input[0] = "elsewhere"

    of_version_1("restore_elsewhere", "RestoreV2 (reads files: ", change=elsewhere)


def _constant(graph, name, text):
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = 7
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(text))


def _add_write(graph, where):
    _constant(graph, "where", where)
    graph.node.add(name="evil", op="WriteFile", input=["where", "where"])


def structure():  # noqa: C901, PLR0915 (a list)
    """Files and graphs that are built wrongly."""
    weight = tf.Variable(tf.ones([3]))
    base = save("healthy", None, lambda x: x * 2.0 + weight, weight=weight)

    def copy(name, says, change=None, **more):
        shutil.copytree(base, FOLDER / name)
        if change:
            edit(FOLDER / name, change)
        listed(name, says, **more)
        return FOLDER / name

    def unknown(meta):
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.op = "SomebodysOwnOp" if node.op == "Mul" else node.op

    copy("unknown_operator", "SomebodysOwnOp (not known to be harmless)", unknown)

    def recursive(meta):
        first, second = meta.graph_def.library.function.add(), meta.graph_def.library.function.add()
        for function, name, other in ((first, "A", "B"), (second, "B", "A")):
            function.signature.name = name
            _call(function, "call", other)

    copy("recursion", "calls itself", recursive)

    def explosive(meta):
        for function in list(meta.graph_def.library.function):
            _call(function, "first", "level_0")
        for level in range(64):
            function = meta.graph_def.library.function.add()
            function.signature.name = f"level_{level}"
            for twice in range(2 if level < 63 else 0):
                _call(function, f"call_{twice}", f"level_{level + 1}")

    copy("billion_calls", "operators", explosive)

    def huge(meta):
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_output_shapes", None)
                if node.op == "Const" and node.attr["dtype"].type == 1:
                    held = node.attr["value"].tensor
                    held.tensor_shape.ClearField("dim")
                    for size in (1 << 40, 1, 1):
                        held.tensor_shape.dim.add(size=size)
                    held.ClearField("tensor_content")
                    held.ClearField("float_val")
                    held.float_val.append(1.0)

    copy("huge_constant", "is declared to hold", huge)

    def strange(meta):
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Const":
                    node.attr["value"].tensor.dtype = 77

    copy("strange_dtype", "cannot load it", strange, damaged=True)

    def devices(meta):
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.device = "/job:x/replica:7/task:3/device:TPU:9"
                node.attr["_class"].list.s.append(b"loc:@nowhere")

    copy("devices", None, devices)
    linked = copy("variables_linked", "it is a link to")
    shutil.move(linked / "variables", CANARY / "variables")
    (linked / "variables").symlink_to(CANARY / "variables")
    everywhere = copy("variables_everywhere", "it is a link to")
    shutil.rmtree(everywhere / "variables")
    (everywhere / "variables").symlink_to("/")
    kcore = copy("asset_of_the_kernel", "it is a link to")
    (kcore / "assets").mkdir(exist_ok=True)
    (kcore / "assets" / "a").symlink_to("/proc/kcore")
    fifo = copy("fifo", "variables/more: ")
    os.mkfifo(fifo / "variables" / "more")
    deep = copy("deep", "damaged")
    (deep / "saved_model.pb").write_bytes(_deep(20_000))


def _call(function, name, other):
    node = function.node_def.add(name=name, op="StatefulPartitionedCall")
    node.attr["f"].func.name = other
    node.attr["Tin"].list.SetInParent()
    node.attr["Tout"].list.SetInParent()
    function.control_ret[name] = name
    function.signature.control_output.append(name)
    function.signature.is_stateful = True


def _deep(levels):
    """Return a message whose field 2, a MetaGraphDef, holds nothing but messages in messages."""
    content = b""
    for _ in range(levels):
        length, size = len(content), b""
        while True:
            size += bytes([length & 127 | (128 if length > 127 else 0)])
            length >>= 7
            if not length:
                break
        content = b"\x12" + size + content
    return content


def frozen(name, says, build, cut=("x:0", "y:0"), change=None):
    """Write a frozen graph."""
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        tf.identity(build(x), name="y")
    definition = graph.as_graph_def()
    if change:
        change(definition)
    path = FOLDER / f"{name}.pb"
    path.write_bytes(definition.SerializeToString())
    listed(name, says, path, inputs={"x": cut[0]}, outputs={"y": cut[1]})


def frozen_graphs():
    """GraphDefs."""
    frozen("frozen_healthy", None, lambda x: x * 2.0)
    frozen("frozen_reads", "ReadFile (reads files)", lambda x: x + number(tf.io.read_file(place("secret"))))
    frozen("frozen_writes", "WriteFile (writes files)", lambda x: after(lambda: v1.write_file(place("frozen"), "a"), x))
    frozen(
        "frozen_prints",
        "PrintV2 (writes files: ",
        lambda x: after(lambda: tf.print(x, output_stream=f"file://{place('frozen_print')}"), x),
    )

    os.mkfifo(CANARY / "pipe")  # whoever reads it waits for ever

    def beside(x):
        length = tf.strings.length(tf.io.read_file(place("secret")))
        tf.reshape(x, tf.stack([-1, length]), name="beside")
        return x * 2.0

    def waits(graph):
        for node in graph.node:
            if node.op == "Const" and node.attr["value"].tensor.string_val:
                node.attr["value"].tensor.string_val[0] = place("pipe").encode()

    frozen("frozen_beside", None, beside, change=waits)

    @tf.function
    def writes(x):
        return after(lambda: write("frozen_function"), x)

    frozen("frozen_function", "WriteFile (writes files)", writes)

    def unknown(graph):
        for node in graph.node:
            node.op = "SomebodysOwnOp" if node.op == "Mul" else node.op

    frozen("frozen_unknown", "SomebodysOwnOp (not known to be harmless)", lambda x: x * 2.0, change=unknown)


def meta_graph(name, says, act=None, change=None):
    """Write a training graph with tf.train.Saver."""
    folder = FOLDER / name
    folder.mkdir()
    with v1.Session(graph=tf.Graph()) as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        weight = v1.get_variable("w", initializer=np.ones(3, np.float32), use_resource=False)
        y = x * weight
        tf.identity(act(y) if act else y, name="y")
        session.run(weight.initializer)
        v1.train.Saver().save(session, str(folder / "model"))
    if change:
        file = folder / "model.meta"
        meta = meta_graph_pb2.MetaGraphDef.FromString(file.read_bytes())
        change(meta)
        file.write_bytes(meta.SerializeToString())
    listed(name, says, folder, inputs={"x": "x:0"}, outputs={"y": "y:0"})


def meta_graphs():
    """MetaGraphs with the files of their variables."""
    meta_graph("meta_healthy", None)
    meta_graph("meta_writes", "WriteFile (writes files)", lambda y: after(lambda: v1.write_file(place("meta"), "a"), y))

    def assigned(meta):
        _add_write(meta.graph_def, place("assigned"))
        for node in meta.graph_def.node:
            if node.op == "Assign":
                node.input.append("^evil")

    meta_graph("meta_assigns", "WriteFile (writes files)", change=assigned)

    def restored(meta):
        _add_write(meta.graph_def, place("restored_meta"))
        (restore,) = (node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name)
        restore.input.append("^evil")

    meta_graph("meta_restores", "WriteFile (writes files)", change=restored)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    canary()
    parts = (
        saving_and_restoring,
        files,
        datasets,
        code_and_network,
        nested,
        initializers,
        tables,
        version_1,
        structure,
    )
    for part in (*parts, frozen_graphs, meta_graphs):
        part()
    (FOLDER / "index.json").write_text(json.dumps(made))
