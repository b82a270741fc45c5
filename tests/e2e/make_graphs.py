"""Write the graphs of these tests as training code of TensorFlow 1 leaves them behind, and what they gave for some samples.

    python make_graphs.py FOLDER       with the interpreter of the tensorflow environment

FOLDER/NAME/ holds a model, FOLDER/NAME.npz samples under the inputs' names and, with `=` in front, each output's values as the
session that was saved gave them. All numbers are seeded. Switches and loops
are as TensorFlow 1 had them, and most variables are its reference variables.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
Feed = dict[str, np.ndarray]


def numbers(*shape: int, scale: float = 1.0, seed: int = 7) -> np.ndarray:
    """Return normally distributed float32 numbers."""
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def variable(name: str, *shape: int, resource: bool = False) -> tf.Variable:
    """Return a variable whose first value is not the one that is saved."""
    return v1.get_variable(name, shape, initializer=v1.zeros_initializer(), use_resource=resource)


def randomize(session: v1.Session, seed: int = 11) -> None:
    """Give each trainable variable numbers of its own, and the others those that they start with."""
    session.run(v1.global_variables_initializer())
    for position, held in enumerate(v1.trainable_variables()):
        held.load(numbers(*held.shape.as_list(), scale=0.4, seed=seed + position), session)


def record(
    folder: Path, session: v1.Session, samples: Feed, feed: dict[object, object], outputs: dict[str, object]
) -> None:
    """Write samples, and the outputs for them one after the other, each as a batch of one unless its input is whole."""
    held = session.run(outputs, feed)
    np.savez(f"{folder}.npz", **samples, **{f"={name}": value for name, value in held.items()})


def dropout(x: tf.Tensor, keep_prob: tf.Tensor) -> tf.Tensor:
    """Drop as TensorFlow 1.0 to 1.12 did: Floor(keep_prob + uniform)."""
    drawn = v1.random_uniform(tf.shape(x), dtype=x.dtype)
    return tf.divide(x, keep_prob) * tf.floor(keep_prob + drawn)


def network(x: tf.Tensor, keep_prob: tf.Tensor, is_training: tf.Tensor, *, resource: bool = False) -> tf.Tensor:
    """Return the scores of a small convolutional network with batch normalization in a cond, and two generations of dropout."""
    kernel = variable("conv/kernel", 3, 3, 1, 4, resource=resource)
    y = tf.nn.conv2d(x, kernel, 1, "SAME")
    mean = v1.get_variable(
        "bn/moving_mean", [4], initializer=v1.constant_initializer(0.2), trainable=False, use_resource=resource
    )
    variance = v1.get_variable(
        "bn/moving_variance", [4], initializer=v1.constant_initializer(1.7), trainable=False, use_resource=resource
    )
    offset, scale = variable("bn/beta", 4, resource=resource), variable("bn/gamma", 4, resource=resource)
    batch_mean, batch_variance = tf.nn.moments(y, [0, 1, 2])
    used_mean, used_variance = v1.cond(
        is_training, lambda: (batch_mean, batch_variance), lambda: (tf.identity(mean), tf.identity(variance))
    )
    y = tf.nn.relu(tf.nn.batch_normalization(y, used_mean, used_variance, offset, scale, 1e-3))
    y = tf.nn.max_pool2d(y, 2, 2, "SAME")
    y = dropout(tf.reshape(y, [-1, 4 * 4 * 4]), keep_prob)
    y = tf.nn.relu(
        tf.matmul(y, variable("fc1/w", 64, 12, resource=resource)) + variable("fc1/b", 12, resource=resource)
    )
    y = v1.nn.dropout(y, rate=1 - keep_prob)
    return tf.add(
        tf.matmul(y, variable("fc2/w", 12, 5, resource=resource)),
        variable("fc2/b", 5, resource=resource),
        name="scores",
    )


def trained(logits: tf.Tensor, labels: tf.Tensor) -> None:
    """Add what training adds: a loss, an optimizer with its slots, averages, an accuracy, summaries."""
    loss = tf.reduce_mean(v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), name="loss")
    step = v1.train.get_or_create_global_step()
    train = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    with tf.control_dependencies([train]):
        v1.train.ExponentialMovingAverage(0.9, step).apply(v1.trainable_variables())
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    accuracy = tf.reduce_mean(tf.cast(right, tf.float32), name="accuracy")
    v1.summary.scalar("loss", loss)
    v1.summary.scalar("accuracy", accuracy)
    v1.summary.merge_all()


def mnist(folder: Path, *, resource: bool = False, version: int = v1.train.SaverDef.V2, meta: bool = True) -> None:
    """The training graph of a classifier: x (None, 8, 8, 1), labels, keep_prob, is_training."""
    x = v1.placeholder(tf.float32, [None, 8, 8, 1], "x")
    labels = v1.placeholder(tf.int32, [None], "labels")
    keep_prob, is_training = v1.placeholder(tf.float32, [], "keep_prob"), v1.placeholder(tf.bool, [], "is_training")
    logits = network(x, keep_prob, is_training, resource=resource)
    probabilities = tf.nn.softmax(logits, name="probabilities")
    trained(logits, labels)
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver(write_version=version).save(
            session, str(folder / "model"), global_step=20, write_meta_graph=meta
        )
        samples = numbers(6, 8, 8, 1, seed=3)
        record(
            folder,
            session,
            {"x": samples},
            {x: samples, keep_prob: 1.0, is_training: False},
            {"probabilities": probabilities},
        )


def mnist_resource(folder: Path) -> None:
    """The same with resource variables."""
    mnist(folder, resource=True)


def mnist_v1(folder: Path) -> None:
    """The same in the format of TensorFlow 0.x: one file."""
    mnist(folder, version=v1.train.SaverDef.V1)


def mnist_no_meta(folder: Path) -> None:
    """The same without its MetaGraph."""
    mnist(folder, meta=False)


def queue(folder: Path) -> None:
    """A graph fed by a queue, four at a time; all sizes are known, and none of it but the queue needs there to be four."""
    source = tf.random.normal([6])
    pipe = v1.FIFOQueue(32, [tf.float32], [[6]])
    v1.train.add_queue_runner(v1.train.QueueRunner(pipe, [pipe.enqueue([source])]))
    batch = pipe.dequeue_many(4, name="batch")
    y = tf.tanh(tf.matmul(batch, variable("w", 6, 3)), name="y")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(4, 6, seed=3)
        record(folder, session, {"batch": samples}, {batch: samples}, {"y": y})


def baked(folder: Path) -> None:
    """Four at a time, and a reshape that says so."""
    x = v1.placeholder(tf.float32, [4, 6], "x")
    y = tf.tanh(tf.matmul(tf.reshape(x, [4, 3, 2])[:, :, 0], variable("w", 3, 3)), name="y")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(1, 4, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples[0]}, {"y": y[None]})


def mixing(folder: Path) -> None:
    """An image without a batch: its first size looks like one, but what comes of a row depends on the row above."""
    x = v1.placeholder(tf.float32, [8, 8, 1], "x")
    y = tf.nn.conv2d(x[None], variable("kernel", 3, 3, 1, 2), 1, "SAME")[0]
    y = tf.identity(y, name="y")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(1, 8, 8, 1, seed=3)
        record(folder, session, {"x": samples}, {x: samples[0]}, {"y": y[None]})


def loop(folder: Path) -> None:
    """A while loop of TensorFlow 1 with dropout inside: a cell that is called five times."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    keep_prob = v1.placeholder(tf.float32, [], "keep_prob")
    first, again = variable("cell/w", 6, 8), variable("cell/u", 8, 8)

    def step(count: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count + 1, dropout(tf.tanh(tf.matmul(x, first) + tf.matmul(state, again)), keep_prob)

    start = tf.zeros([tf.shape(x)[0], 8])
    _, state = v1.while_loop(
        lambda count, _: count < 5,
        step,
        [tf.constant(0), start],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 8])],
    )
    y = tf.identity(state, name="y")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples, keep_prob: 1.0}, {"y": y})


def partitioned(folder: Path) -> None:
    """A variable in three parts, which the file has as one."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    with v1.variable_scope("net", partitioner=v1.fixed_size_partitioner(3), use_resource=False):
        weights = v1.get_variable("w", [6, 5], initializer=v1.zeros_initializer())
    y = tf.matmul(x, tf.convert_to_tensor(weights), name="y")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples}, {"y": y})


def averages(folder: Path) -> None:
    """A graph for evaluation that restores the moving averages in place of the variables."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    weights = variable("w", 6, 3)
    tf.matmul(x, weights, name="y")
    average = v1.train.ExponentialMovingAverage(0.5)
    update = average.apply([weights])
    samples = numbers(3, 6, seed=3)
    with v1.Session() as session:
        randomize(session)
        session.run(update)
        v1.train.Saver().save(session, str(folder / "model"), write_meta_graph=False)
        shadow = session.run(average.average(weights))
    v1.train.Saver(average.variables_to_restore()).export_meta_graph(str(folder / "model.meta"))
    np.savez(f"{folder}.npz", x=samples, **{"=y": samples @ shadow})


def signed(folder: Path) -> None:
    """A MetaGraph with a signature, whose names are not those of the tensors."""
    x, y = linear()
    with v1.Session() as session:
        randomize(session)
        saver = v1.train.Saver()
        saver.save(session, str(folder / "model"), write_meta_graph=False)
        meta = saver.export_meta_graph()
        build = tf.compat.v1.saved_model.build_signature_def
        info = tf.compat.v1.saved_model.build_tensor_info
        meta.signature_def["predict"].CopyFrom(build({"image": info(x)}, {"scores": info(y)}, "predict"))
        (folder / "model.meta").write_bytes(meta.SerializeToString())
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"image": samples}, {x: samples}, {"scores": y})


def linear() -> tuple[tf.Tensor, tf.Tensor]:
    """Return one layer: x (None, 6) and y (None, 3)."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    return x, tf.tanh(tf.matmul(x, variable("w", 6, 3)) + variable("b", 3), name="y")


def two_heads(folder: Path) -> None:
    """Two answers, and no way to tell which is meant."""
    x, y = linear()
    z = tf.nn.relu(tf.matmul(x, variable("v", 6, 2)), name="z")
    with v1.Session() as session:
        randomize(session)
        v1.train.Saver().save(session, str(folder / "model"))
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples}, {"y": y, "z": z})


def frozen(session: v1.Session, *outputs: str) -> v1.GraphDef:
    """Return the session's graph with its variables as constants."""
    return v1.graph_util.convert_variables_to_constants(session, session.graph_def, list(outputs))


def imported(folder: Path) -> None:
    """A frozen graph that was imported twice before it was written, as `import/` and `import_1/`; as text and as bytes."""
    x, _ = linear()
    with v1.Session() as session:
        randomize(session)
        samples = numbers(3, 6, seed=3)
        record(
            folder, session, {"import/x": samples}, {x: samples}, {"import/y": session.graph.get_tensor_by_name("y:0")}
        )
        graph = frozen(session, "y")
    with tf.Graph().as_default() as twice:
        tf.graph_util.import_graph_def(graph, name="import")
        tf.graph_util.import_graph_def(graph, name="import_1")
    tf.io.write_graph(twice, str(folder), "model.pb", as_text=False)
    tf.io.write_graph(twice, str(folder), "model.pbtxt")


def functions(folder: Path) -> None:
    """A frozen graph with calls: a tf.function, and a cond of TensorFlow 2 with dropout in the branch for training."""
    v1.enable_control_flow_v2()
    x = v1.placeholder(tf.float32, [None, 6], "x")
    training = v1.placeholder(tf.bool, [], "training")
    weights = tf.constant(numbers(6, 3))
    squashed = tf.function(lambda one: tf.tanh(one) + 0.5 * one)
    y = squashed(tf.matmul(x, weights))
    y = tf.cond(training, lambda: dropout(y, tf.constant(0.5)), lambda: y * 1.25)
    y = tf.identity(y, name="y")
    with v1.Session() as session:
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples, training: False}, {"y": y})
        tf.io.write_graph(session.graph, str(folder), "model.pb", as_text=False)
    v1.disable_control_flow_v2()


def default(folder: Path) -> None:
    """Placeholders with defaults: not in training, nothing dropped."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    is_training = v1.placeholder_with_default(False, [], "is_training")
    keep_prob = v1.placeholder_with_default(1.0, [], "keep_prob")
    y = tf.matmul(x, tf.constant(numbers(6, 3)))
    y = v1.cond(is_training, lambda: y + v1.random_normal(tf.shape(y)), lambda: y)
    y = tf.identity(dropout(y, keep_prob), name="y")
    with v1.Session() as session:
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples}, {"y": y})
        tf.io.write_graph(session.graph, str(folder), "model.pb", as_text=False)


def strings(folder: Path) -> None:
    """A frozen graph that takes the bytes of a picture."""
    contents = v1.placeholder(tf.string, [], "contents")
    picture = tf.cast(tf.reshape(tf.io.decode_raw(contents, tf.uint8), [1, 8, 8, 1]), tf.float32, name="picture")
    y = tf.nn.conv2d(picture / 255.0, numbers(3, 3, 1, 2), 1, "SAME")
    y = tf.identity(y, name="y")
    with v1.Session() as session:
        samples = np.round(np.abs(numbers(3, 8, 8, 1, scale=60, seed=3))).astype(np.float32)
        held = [session.run(y, {picture: sample[None]})[0] for sample in samples]
        np.savez(f"{folder}.npz", picture=samples, **{"=y": held})
        tf.io.write_graph(session.graph, str(folder), "model.pb", as_text=False)


def reading(folder: Path) -> None:
    """A frozen graph whose output depends on a file."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    secret = tf.strings.length(tf.io.read_file("/etc/hostname"))
    tf.add(x, tf.cast(secret, tf.float32), name="y")
    tf.io.write_graph(v1.get_default_graph(), str(folder), "model.pb", as_text=False)


def unfrozen(folder: Path) -> None:
    """A graph whose variables are still variables."""
    linear()
    tf.io.write_graph(v1.get_default_graph(), str(folder), "model.pb", as_text=False)


def mismatched(folder: Path) -> None:
    """The MetaGraph of one model, with resource variables, and the values of another."""
    for rows, meta in ((8, False), (6, True)):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, rows], "x")
            tf.matmul(x, variable("w", rows, 3, resource=True), name="y")
            randomize(session)
            saver = v1.train.Saver()
            if meta:
                saver.export_meta_graph(str(folder / "model.meta"))
            else:
                saver.save(session, str(folder / "model"), write_meta_graph=False)


def custom(folder: Path) -> None:
    """A graph with an operator of a library that is not here; a second file has it only beside what the outputs need."""
    x = v1.placeholder(tf.float32, [None, 6], "x")
    y = tf.tanh(tf.matmul(x, tf.constant(numbers(6, 3))), name="y")
    with v1.Session() as session:
        samples = numbers(3, 6, seed=3)
        record(folder, session, {"x": samples}, {x: samples}, {"y": y})
        graph = session.graph.as_graph_def()
    graph.node.add(name="beside", op="SomebodysOwnOp", input=["y"])
    (folder / "beside.pb").write_bytes(graph.SerializeToString())
    graph.node.add(name="z", op="Tanh", input=["beside"]).attr["T"].type = 1
    (folder / "model.pb").write_bytes(graph.SerializeToString())


MODELS: tuple[Callable[[Path], None], ...] = (
    mnist, mnist_resource, mnist_v1, mnist_no_meta, queue, baked, mixing, loop, partitioned, averages, signed, two_heads,
    imported, functions, default, strings, reading, unfrozen, mismatched, custom,
)  # fmt: skip


def main(folder: str) -> None:
    """Write all of them, each in a graph of its own."""
    v1.disable_control_flow_v2()
    for make in MODELS:
        (Path(folder) / make.__name__).mkdir()
        with tf.Graph().as_default():
            make(Path(folder) / make.__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
