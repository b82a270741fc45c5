"""Write the small models of these tests: each a SavedModel with what makes one kind of model special, from seeded numbers.

    python make_models.py FOLDER [RESNET8.h5]       with the interpreter of the tensorflow environment

All are made in one process, because importing TensorFlow takes longer than everything else here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

SEED = 7
SPEC = tf.TensorSpec
FLOAT = tf.float32


def numbers(*shape: int, scale: float = 1.0, seed: int = SEED) -> tf.Tensor:
    """Return normally distributed float32 numbers."""
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def module(**functions: object) -> tuple[tf.Module, dict[str, object]]:
    """Return a module that keeps the functions' variables, and the functions as its signatures; each is (function, specs)."""
    holder = tf.Module()
    signatures = {}
    for key, (function, specs) in functions.items():
        traced = tf.function(function).get_concrete_function(
            **{name: SPEC(spec.shape, spec.dtype, name) for name, spec in specs.items()}
        )
        setattr(holder, f"kept_{key}", traced)
        signatures[key] = traced
    return holder, signatures


def save(folder: Path, **functions: object) -> None:
    """Save functions as signatures of one SavedModel."""
    holder, signatures = module(**functions)
    tf.saved_model.save(holder, str(folder), signatures=signatures)


def dense(folder: Path) -> None:
    """Two layers and a softmax: x (1, 6) to scores (1, 4); the first layer is large enough for dynamic-range quantization."""
    first, second = numbers(6, 256, scale=0.5), numbers(256, 4, scale=0.2, seed=8)
    save(
        folder,
        serving_default=(
            lambda x: {"scores": tf.nn.softmax(tf.nn.relu(x @ first) @ second)},
            {"x": SPEC([None, 6], FLOAT)},
        ),
    )


def several(folder: Path) -> None:
    """Two signatures, none of them called serving_default, that share an input's name and differ in their outputs."""
    scores, vectors = numbers(6, 4, scale=0.7), numbers(6, 3, seed=9)
    specs = {"x": SPEC([None, 6], FLOAT)}
    save(
        folder,
        classify=(lambda x: {"scores": tf.nn.softmax(x @ scores)}, specs),
        embed=(lambda x: {"vector": tf.tanh(x @ vectors)}, specs),
    )


def twins(folder: Path) -> None:
    """Two inputs of one shape and two outputs of one shape, in an order that is not that of their names: a mix-up shows as another number."""
    for_a, for_b, for_c = numbers(6, 4, scale=0.3), numbers(6, 4, seed=10), numbers(6, 4, scale=0.6, seed=11)

    def call(right: tf.Tensor, left: tf.Tensor) -> dict[str, tf.Tensor]:
        product = tf.tanh(right @ for_a)
        return {"second": tf.nn.relu(left @ for_b + product), "first": product * 0.5 + tf.nn.relu6(left @ for_c)}

    save(folder, serving_default=(call, {"right": SPEC([None, 6], FLOAT), "left": SPEC([None, 6], FLOAT)}))


def reversed_outputs(folder: Path) -> None:
    """A Keras model with two outputs, which the converter numbers in another order than the model does."""
    import keras

    keras.utils.set_random_seed(SEED)
    one, other = keras.Input((6,), name="zulu"), keras.Input((6,), name="alpha")
    mixed = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()([one, other]))
    model = keras.Model([one, other], [keras.layers.Dense(4)(mixed), keras.layers.Dense(4)(one)])
    model.export(str(folder), verbose=False)


def scalar(folder: Path) -> None:
    """A number in, a number out."""
    save(folder, serving_default=(lambda x: {"y": tf.tanh(x * 0.7) + 0.1 * x}, {"x": SPEC([], FLOAT)}))


def any_rank(folder: Path) -> None:
    """An input of any rank."""
    save(folder, serving_default=(lambda x: {"y": tf.sigmoid(x * 1.5) - 0.2 * x}, {"x": SPEC(None, FLOAT)}))


def open_sizes(folder: Path) -> None:
    """An image of any size, and a batch of any size."""
    kernel = numbers(3, 3, 1, 4, scale=0.3)
    save(
        folder,
        serving_default=(
            lambda image: {"features": tf.nn.conv2d(image, kernel, 1, "SAME")},
            {"image": SPEC([None, None, None, 1], FLOAT)},
        ),
    )


def odd_names(folder: Path) -> None:
    """An unused input, an output that is an input, an output twice under two names, and names with blanks, slashes and dots."""
    weights = numbers(6, 4)

    def call(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        result = tf.tanh(inputs["in_put"] @ weights)
        return {"out put/1": result, "the same": result, "passed.through": inputs["passed"]}

    specs = {"in_put": SPEC([None, 6], FLOAT), "passed": SPEC([None, 2], FLOAT), "unused": SPEC([None, 3], FLOAT)}
    save(folder, serving_default=(call, specs))


def ids(folder: Path) -> None:
    """Whole numbers in: rows of a table, and their mean."""
    table = numbers(50, 16)
    save(
        folder,
        serving_default=(
            lambda ids: {"mean": tf.reduce_mean(tf.gather(table, ids), axis=1)},
            {"ids": SPEC([None, 5], tf.int32)},
        ),
    )


def cholesky(folder: Path) -> None:
    """An operator that TFLite has not."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.linalg.cholesky(tf.linalg.matmul(x, x, transpose_a=True) + 5.0 * tf.eye(6))}

    save(folder, serving_default=(call, {"x": SPEC([None, 4, 6], FLOAT)}))


def lgamma(folder: Path) -> None:
    """A function that the converter writes as simpler operators, among them a division that int8 kernels refuse when they run."""
    save(folder, serving_default=(lambda x: {"y": tf.math.lgamma(tf.abs(x) + 1.0)}, {"x": SPEC([None, 6], FLOAT)}))


def lstm(folder: Path) -> None:
    """A Keras LSTM that is not unrolled: its loop kills TensorFlow's converter with a signal when it is calibrated for int8."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = keras.Sequential([keras.Input((10, 4)), keras.layers.LSTM(8), keras.layers.Dense(3, activation="softmax")])
    model.export(str(folder), verbose=False)


def untracked(folder: Path) -> None:
    """A Keras 3 model as an attribute of a module: sessions, and so converters, see its variables without their values."""
    import keras

    keras.utils.set_random_seed(SEED)
    holder = tf.Module()
    holder.model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(4, activation="softmax")]
    )
    traced = tf.function(lambda x: {"scores": holder.model(x)}).get_concrete_function(SPEC([None, 6], FLOAT, "x"))
    tf.saved_model.save(holder, str(folder), signatures={"serving_default": traced})


def indifferent(folder: Path) -> None:
    """An output that does not depend on the input."""
    save(
        folder,
        serving_default=(
            lambda x: {"y": tf.constant([[1.0, 2.0, 3.0]]) + 0.0 * tf.reduce_sum(x)},
            {"x": SPEC([None, 6], FLOAT)},
        ),
    )


def not_a_number(folder: Path) -> None:
    """An output that is NaN for some inputs, in the original as in whatever is made of it."""
    save(folder, serving_default=(lambda x: {"y": tf.math.log(x + 1.0)}, {"x": SPEC([None, 6], FLOAT)}))


def double(folder: Path) -> None:
    """Two signatures: one computes in float64, one takes and gives it alone; the constants in float64 of both are nobody's business."""
    weights = tf.cast(numbers(6, 4), tf.float64) * 2.0
    save(
        folder,
        computes=(
            lambda x: {"y": tf.cast(tf.tanh(tf.cast(x, tf.float64) @ weights), FLOAT)},
            {"x": SPEC([None, 6], FLOAT)},
        ),
        ends=(
            lambda x: {"y": tf.cast(tf.cast(x, FLOAT) @ tf.cast(weights, FLOAT), tf.float64)},
            {"x": SPEC([None, 6], tf.float64)},
        ),
        single=(lambda x: {"y": x @ tf.cast(weights, FLOAT)}, {"x": SPEC([None, 6], FLOAT)}),
    )


def half(folder: Path) -> None:
    """A graph of half precision, in a loop's body."""
    weights = tf.cast(numbers(6, 6, scale=0.3), tf.float16)
    save(
        folder,
        serving_default=(
            lambda x: {
                "y": tf.cast(
                    tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, y @ weights), (0, tf.cast(x, tf.float16)))[
                        1
                    ],
                    FLOAT,
                )
            },
            {"x": SPEC([1, 6], FLOAT)},
        ),
    )


def fourier(folder: Path) -> None:
    """A complex transform, of which the converter makes a real one that no interpreter starts, and an inverse one, which it refuses."""
    specs = {"x": SPEC([None, 16], FLOAT)}
    complex_ = tf.complex64
    save(
        folder,
        there=(lambda x: {"y": tf.abs(tf.signal.fft(tf.cast(x, complex_)))}, specs),
        back=(lambda x: {"y": tf.signal.irfft(tf.cast(x, complex_))}, specs),
    )


def beyond(folder: Path) -> None:
    """Weights that float16 has no numbers for."""
    weights = numbers(6, 32) * 1e6
    save(folder, serving_default=(lambda x: {"y": tf.tanh(x) @ weights}, {"x": SPEC([None, 6], FLOAT)}))


def detection(folder: Path) -> None:
    """A frozen graph whose end TensorFlow has not, as the Object Detection API exports it, and the artifact that is made of it."""
    v1 = tf.compat.v1
    folder.mkdir()
    with v1.Session(graph=tf.Graph()) as session:
        image = v1.placeholder(FLOAT, [1, 8, 8, 3], name="image")
        cells = tf.reshape(tf.nn.relu(tf.nn.conv2d(image, numbers(3, 3, 3, 8, scale=0.2), 4, "SAME")), [4, 8])
        tf.reshape(cells @ numbers(8, 4, scale=0.2), [1, 4, 4], name="raw/boxes")
        tf.sigmoid(tf.reshape(cells @ numbers(8, 3, seed=9), [1, 4, 3]), name="raw/scores")
        tf.constant(np.random.default_rng(SEED).uniform(0.2, 0.8, (4, 4)).astype(np.float32), name="anchors")
        graph = session.graph_def
    end = graph.node.add(name="TFLite_Detection_PostProcess", op="TFLite_Detection_PostProcess")
    end.input.extend(["raw/boxes", "raw/scores", "anchors"])
    for name, whole in {"max_detections": 3, "max_classes_per_detection": 1, "num_classes": 2}.items():
        end.attr[name].i = whole
    for name in ("nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale"):
        end.attr[name].f = 0.5 if "threshold" in name else 5.0
    end.attr["_output_types"].list.type.extend([1, 1, 1, 1])
    (folder / "graph.pb").write_bytes(graph.SerializeToString())
    outputs = [end.name, *(f"{end.name}:{place}" for place in (1, 2, 3))]
    made = v1.lite.TFLiteConverter.from_frozen_graph(
        str(folder / "graph.pb"), ["image"], outputs, {"image": [1, 8, 8, 3]}
    )
    made.allow_custom_ops = True
    (folder / "model.tflite").write_bytes(made.convert())


def without_signature(folder: Path) -> None:
    """Two functions, and nobody said which is to be called."""
    holder = tf.Module()
    holder.one = tf.function(lambda x: x + 1.0, input_signature=[SPEC([None, 6], FLOAT)])
    holder.other = tf.function(lambda x: x - 1.0, input_signature=[SPEC([None, 6], FLOAT)])
    tf.saved_model.save(holder, str(folder))


def resnet8(folder: Path, weights: str) -> None:
    """MLPerf Tiny's image classifier, as its user exports it from the .h5 file."""
    import keras

    model = keras.saving.load_model(weights, compile=False)
    model.export(str(folder), verbose=False, input_signature=[SPEC([None, 32, 32, 3], FLOAT, "image")])


MODELS = (
    dense, several, twins, reversed_outputs, scalar, any_rank, open_sizes, odd_names, ids,
    cholesky, lgamma, lstm, untracked, indifferent, not_a_number, double, half, fourier, beyond, detection,
    without_signature,
)  # fmt: skip


def main(folder: str, weights: str | None = None) -> None:
    """Write all of them, each under its function's name."""
    for make in MODELS:
        make(Path(folder) / make.__name__)
    if weights:
        resnet8(Path(folder) / "resnet8", weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
