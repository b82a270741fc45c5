"""Write SavedModels of every origin: each FOLDER/<name>, with FOLDER/<name>.npz of samples and of what the model gives for them ("=output").

python make_saved_models.py FOLDER       with the interpreter of the tensorflow environment
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

SEED = 11
COUNT = 80
v1 = tf.compat.v1
SPEC = tf.TensorSpec


def draw(*shape: int, seed: int = SEED) -> np.ndarray:
    """Return normally distributed float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write(folder: Path, samples: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Write samples and what is expected of them beside a model; samples have no batch axis of their own."""
    named = {f"={name}": np.asarray(array) for name, array in expected.items()}
    np.savez(folder.with_suffix(".npz"), **samples, **named)


def save(
    folder: Path, samples: dict[str, np.ndarray], function: Callable[..., dict[str, tf.Tensor]], **specs: SPEC
) -> None:
    """Save one function as the signature, and what it gives, sample by sample in their order."""
    holder = tf.Module()
    named = {name: SPEC(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    holder.function = tf.function(function)
    holder.kept = list(function.__self__.values) if hasattr(function, "__self__") else []
    traced = holder.function.get_concrete_function(**named)
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": traced})
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
    given = [
        loaded(**{name: tf.constant(array[row : row + 1]) for name, array in samples.items()}) for row in range(COUNT)
    ]
    write(folder, samples, {name: np.concatenate([one[name].numpy() for one in given]) for name in given[0]})


def keras_3_export(folder: Path) -> None:
    """Keras 3 names outputs output_0, whatever the model calls them."""
    import keras

    keras.utils.set_random_seed(SEED)
    image = keras.Input((8, 8, 1), name="image")
    hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(image))
    model = keras.Model(
        image, keras.layers.Dense(3, activation="softmax", name="scores")(keras.layers.Flatten()(hidden))
    )
    model.export(str(folder), verbose=False)
    samples = {"image": draw(COUNT, 8, 8, 1)}
    write(folder, samples, {"output_0": model(samples["image"], training=False).numpy()})


def tf_keras_save(folder: Path) -> None:
    """Keras 2's own SavedModel names outputs by their layers; its dropout is off in the signature."""
    import tf_keras as keras

    keras.utils.set_random_seed(SEED)
    x = keras.Input((6,), name="x")
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(16, activation="relu")(x))
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax", name="scores")(hidden))
    model.save(str(folder))
    samples = {"x": draw(COUNT, 6)}
    write(folder, samples, {"scores": model(samples["x"], training=False).numpy()})


def lstm_static(folder: Path) -> None:
    """A Keras 2 LSTM, whose loop is in a function."""
    import tf_keras as keras

    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [keras.Input((10, 4), name="steps"), keras.layers.LSTM(8), keras.layers.Dense(3, name="y")]
    )
    model.save(str(folder))
    samples = {"steps": draw(COUNT, 10, 4)}
    write(folder, samples, {"y": model(samples["steps"], training=False).numpy()})


def gru(folder: Path) -> None:
    """A Keras 3 GRU."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = keras.Sequential([keras.Input((10, 4), name="steps"), keras.layers.GRU(8), keras.layers.Dense(3)])
    model.export(str(folder), verbose=False)
    samples = {"steps": draw(COUNT, 10, 4)}
    write(folder, samples, {"output_0": model(samples["steps"], training=False).numpy()})


def embedding(folder: Path) -> None:
    """A Keras 3 embedding: ids in, of sequences of any length."""
    import keras

    keras.utils.set_random_seed(SEED)
    ids = keras.Input((None,), dtype="int32", name="ids")
    model = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30, 6)(ids)))
    model.export(str(folder), verbose=False)
    samples = {"ids": np.random.default_rng(SEED).integers(0, 30, (COUNT, 7)).astype(np.int32)}
    write(folder, samples, {"output_0": model(samples["ids"]).numpy()})


def normalization(folder: Path) -> None:
    """Preprocessing inside: features of two scales."""
    import keras

    keras.utils.set_random_seed(SEED)
    samples = {"x": draw(COUNT, 3) * np.array([1, 100, 0.01], np.float32)}
    x = keras.Input((3,), name="x")
    layer = keras.layers.Normalization()
    layer.adapt(samples["x"])
    model = keras.Model(x, keras.layers.Dense(2)(layer(x)))
    model.export(str(folder), verbose=False)
    write(folder, samples, {"output_0": model(samples["x"]).numpy()})


def lookup(folder: Path) -> None:
    """A word and a number: the word is looked up in a table, which no device does."""
    import keras

    keras.utils.set_random_seed(SEED)
    word, size = keras.Input((1,), dtype="string", name="word"), keras.Input((1,), name="size")
    index = keras.layers.StringLookup(vocabulary=["red", "green", "blue"])(word)
    vector = keras.layers.Flatten()(keras.layers.Embedding(4, 3)(index))
    model = keras.Model([word, size], keras.layers.Dense(2)(keras.layers.Concatenate()([vector, size])))
    model.export(str(folder), verbose=False)
    words = np.array(["red", "green", "blue", "no colour"])[np.random.default_rng(SEED).integers(0, 4, COUNT)]
    sizes = draw(COUNT, 1)
    given = model([tf.constant(words[:, None]), tf.constant(sizes)])
    ids = np.array([{"red": 1, "green": 2, "blue": 3}.get(one, 0) for one in words], np.int64)[:, None]
    write(folder, {"word": ids, "size": sizes}, {"output_0": given.numpy()})


def serialized(folder: Path) -> None:
    """Serialized tf.Examples: two features, of which the second is of two numbers."""
    weights = tf.constant(draw(3, 2))

    def call(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = {"height": tf.io.FixedLenFeature([1], tf.float32), "weights": tf.io.FixedLenFeature([2], tf.float32)}
        parsed = tf.io.parse_example(examples, features)
        return {"y": tf.tanh(tf.concat([parsed["height"], parsed["weights"]], 1) @ weights)}

    holder = tf.Module()
    traced = tf.function(call).get_concrete_function(SPEC([None], tf.string, "examples"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": traced})
    height, pair = draw(COUNT, 1), draw(COUNT, 2, seed=12)
    write(
        folder, {"height": height, "weights": pair}, {"y": np.tanh(np.concatenate([height, pair], 1) @ weights.numpy())}
    )


def control_flow(folder: Path) -> None:
    """A loop whose length depends on the input, and a branch."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        steps = tf.cast(tf.math.floormod(tf.abs(x[0, 0]) * 10.0, 4.0), tf.int32)
        (_, grown) = tf.while_loop(lambda i, _: i < steps, lambda i, y: (i + 1, y * 1.5 + 0.1), (tf.constant(0), x))
        return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: grown + 1.0, lambda: grown * -2.0)}

    save(folder, {"x": draw(COUNT, 4)}, call, x=SPEC([1, 4], tf.float32))


def dynamic(folder: Path) -> None:
    """Any batch and any length of sequence."""

    def call(ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": tf.reduce_mean(tf.gather(tf.constant(draw(20, 5)), ids), axis=1)}

    ids = np.random.default_rng(SEED).integers(0, 20, (COUNT, 9)).astype(np.int32)
    save(folder, {"ids": ids}, call, ids=SPEC([None, None], tf.int32))


class Counter:
    """A running mean: each call changes what the next one gives."""

    def __init__(self) -> None:
        self.values = [tf.Variable(tf.zeros([1, 3]), name="mean")]

    def call(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the mean with this sample in it."""
        (mean,) = self.values
        return {"smooth": mean.assign(mean * 0.75 + x * 0.25)}


def stateful(folder: Path) -> None:
    """Variables that a call changes."""
    save(folder, {"x": draw(COUNT, 3)}, Counter().call, x=SPEC([None, 3], tf.float32))


def noisy(folder: Path) -> None:
    """A dropout that was left on."""
    weights = tf.constant(draw(6, 4))
    save(folder, {"x": draw(COUNT, 6)}, lambda x: {"y": tf.nn.dropout(x @ weights, 0.4)}, x=SPEC([None, 6], tf.float32))


def _times(weights: np.ndarray) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    return lambda x: {"y": x @ weights}


def alike(folder: Path) -> None:
    """Two signatures whose inputs and outputs have the same names and shapes."""
    holder, samples = tf.Module(), {"x": draw(COUNT, 6)}
    signatures, expected = {}, {}
    for key, seed in (("day", 1), ("night", 2)):
        weights = draw(6, 4, seed=seed)
        function = tf.function(_times(weights)).get_concrete_function(SPEC([None, 6], tf.float32, "x"))
        setattr(holder, key, function)
        signatures[key], expected[key] = function, samples["x"] @ weights
    tf.saved_model.save(holder, str(folder), signatures=signatures)
    write(folder, samples, expected)


def _graph_of_tensorflow_1(*, use_resource: bool) -> tuple[object, object, object]:
    x = v1.placeholder(tf.float32, [None, 6], name="x")
    with v1.variable_scope("layer", use_resource=use_resource):
        kernel = v1.get_variable("kernel", initializer=draw(6, 4))
        bias = v1.get_variable("bias", initializer=draw(4))
    return x, tf.nn.softmax(x @ kernel + bias), kernel


def simple_save(folder: Path) -> None:
    """TensorFlow 1's simple_save, with reference variables."""
    with v1.Session(graph=tf.Graph()) as session:
        x, y, _ = _graph_of_tensorflow_1(use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})
        samples = {"x": draw(COUNT, 6)}
        write(folder, samples, {"y": session.run(y, {x: samples["x"]})})


def tags(folder: Path) -> None:
    """TensorFlow 1's builder: a graph to train and one to serve, which computes something else, with shared resource variables."""
    builder, samples = v1.saved_model.Builder(str(folder)), {"x": draw(COUNT, 6)}
    define = v1.saved_model.signature_def_utils.predict_signature_def
    for tag in ("train", "serve"):
        with v1.Session(graph=tf.Graph()) as session:
            x, y, _ = _graph_of_tensorflow_1(use_resource=True)
            result = y if tag == "serve" else y * 2.0
            session.run(v1.global_variables_initializer())
            signatures = {"serving_default" if tag == "serve" else "train": define({"x": x}, {"y": result})}
            if tag == "train":
                builder.add_meta_graph_and_variables(session, [tag], signatures)
            else:
                builder.add_meta_graph([tag], signatures)
                write(folder, samples, {"y": session.run(y, {x: samples["x"]})})
    builder.save()


def tables_lost(folder: Path) -> None:
    """TensorFlow 1's parsing, a table and resource variables, with no operator that initializes them: its functions cannot be frozen."""
    with v1.Session(graph=tf.Graph()) as session:
        examples = v1.placeholder(tf.string, [None], name="examples")
        number = tf.io.FixedLenFeature([1], tf.float32)
        features = {"fare": number, "miles": number, "word": tf.io.FixedLenFeature([1], tf.string)}
        parsed = v1.io.parse_example(examples, features)
        known = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b", "c"]), tf.constant([0, 1, 2], tf.int64))
        found = v1.lookup.StaticHashTable(known, 2).lookup(parsed["word"])
        with v1.variable_scope("taxi", use_resource=True):
            table, kernel = (
                v1.get_variable("table", initializer=draw(3, 4)),
                v1.get_variable("kernel", initializer=draw(6, 2)),
            )
        together = tf.concat([parsed["fare"], parsed["miles"], tf.reduce_mean(tf.gather(table, found), 1)], 1)
        scores = tf.nn.softmax(together @ kernel, name="scores")
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        define = v1.saved_model.signature_def_utils.predict_signature_def
        builder = v1.saved_model.Builder(str(folder))
        signatures = {"serving_default": define({"examples": examples}, {"scores": scores})}
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()
        words = np.random.default_rng(SEED).integers(0, 3, (COUNT, 1))
        samples = {"fare": draw(COUNT, 1), "miles": draw(COUNT, 1, seed=8), "word": words}
        fed = {parsed["fare"]: samples["fare"], parsed["miles"]: samples["miles"], found: words}
        write(folder, samples, {"scores": session.run(scores, fed)})


def reads_a_file(folder: Path) -> None:
    """What is in /etc/hostname comes out as numbers."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)}

    save(folder, {"x": draw(COUNT, 3)}, call, x=SPEC([None, 3], tf.float32))


def writes_a_file(folder: Path) -> None:
    """Each call, and the loading too, would leave a file."""
    place = os.path.join(os.path.dirname(folder), "written-by-a-model")

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(place, "here")]):
            return {"y": tf.identity(x) * 2.0}

    save(folder, {"x": draw(COUNT, 3)}, call, x=SPEC([None, 3], tf.float32))
    os.unlink(place)


def python_inside(folder: Path) -> None:
    """A function of Python that is not in the file."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.reshape(tf.numpy_function(lambda array: array * 2, [x], tf.float32), [1, 3])}

    holder = tf.Module()
    traced = tf.function(call).get_concrete_function(SPEC([1, 3], tf.float32, "x"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": traced})


def foreign_operator(folder: Path) -> None:
    """An operator of somebody's own library, which is not here: the name of Erf is put in its place."""
    save(folder, {"x": draw(COUNT, 3)}, lambda x: {"y": tf.math.erf(x)}, x=SPEC([None, 3], tf.float32))
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes().replace(b"\x12\x03Erf", b"\x12\x03Erq"))


MODELS = (
    keras_3_export, tf_keras_save, lstm_static, gru, embedding, normalization, lookup, serialized, control_flow, dynamic, stateful, noisy, alike,
    simple_save, tags, tables_lost, reads_a_file, writes_a_file, python_inside, foreign_operator,
)  # fmt: skip


def main(folder: str) -> None:
    """Write all of them, each under its function's name."""
    for make in MODELS:
        make(Path(folder) / make.__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
