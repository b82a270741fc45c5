"""Networks for written digits: scores, labels, catalog numbers, embeddings, and an autoencoder whose corners stay dark."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from networks import Arrays, Lesson, Network, begun, cross_entropy, trained

ROOT = Path(__file__).resolve().parents[3]
EPSILON = 1e-3
FIRST_ID = 100


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Return 700 images (8, 8, 1) with grey levels 0 to 16, and their digits."""
    with np.load(ROOT / "calibration" / "digits.npz") as held:
        return held["images"].astype(np.float32), held["labels"].astype(np.int32)


def sets() -> tuple[Arrays, Arrays, tuple[np.ndarray, np.ndarray]]:
    """Return what calibrates (100), what judges (300), and what trains: 300, moved by up to a pixel."""
    pixels, digits = images()
    grown = [np.roll(pixels[400:], (down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    training = np.concatenate([pixels[400:], *grown]), np.tile(digits[400:], 10)
    return {"image": pixels[:100]}, {"image": pixels[100:400]}, training


def normalized(w, layer, x, batch_statistics):
    """Return a batch normalization's output; of the batch's own mean and variance while it is trained."""
    mean, variance = w[f"mean{layer}"], w[f"variance{layer}"]
    if batch_statistics:
        mean, variance = tf.nn.moments(x, [0, 1, 2])
    return tf.nn.batch_normalization(x, mean, variance, w[f"offset{layer}"], w[f"scale{layer}"], EPSILON)


def layers(w, x, *, batch_statistics=False):
    """Return the inputs of both batch normalizations, and the 32 features."""
    one = tf.nn.conv2d(x / 16.0, w["kernel1"], 1, "SAME")
    two = tf.nn.conv2d(tf.nn.relu(normalized(w, 1, one, batch_statistics)), w["kernel2"], 2, "SAME")
    seen = tf.nn.relu(normalized(w, 2, two, batch_statistics))
    return one, two, tf.reshape(tf.nn.avg_pool2d(seen, 2, 2, "SAME"), [-1, 4 * 32])


def logits(w, x, *, batch_statistics=False):
    """Return ten numbers for each image."""
    return layers(w, x, batch_statistics=batch_statistics)[2] @ w["dense"] + w["bias"]


@cache
def classifier() -> tuple[Arrays, Arrays]:
    """Return the classifier's weights, and those of an earlier epoch, each with the statistics of what it was trained on."""
    _, _, (pixels, digits) = sets()
    new = begun(1, kernel1=(3, 3, 1, 16), kernel2=(3, 3, 16, 32), dense=(128, 10), bias=(10,))
    for layer, size in ((1, 16), (2, 32)):
        ones, zeros = np.ones(size, np.float32), np.zeros(size, np.float32)
        new |= {f"scale{layer}": ones, f"offset{layer}": zeros, f"mean{layer}": zeros, f"variance{layer}": ones}
    lesson = Lesson(
        {"image": pixels}, digits, lambda w, x, y: cross_entropy(logits(w, x["image"], batch_statistics=True), y), 400
    )
    return tuple(with_statistics(each, pixels) for each in trained(lesson, new, 0.1))


def with_statistics(w: Arrays, pixels: np.ndarray) -> Arrays:
    """Return weights with the means and variances that the layers have over all that trained."""
    for layer in (1, 2):
        mean, variance = (each.numpy() for each in tf.nn.moments(layers(w, pixels)[layer - 1], [0, 1, 2]))
        w = w | {f"mean{layer}": mean, f"variance{layer}": variance}
    return w


def digits() -> Network:
    """A class by the largest of ten scores."""
    calibration, evaluation, _ = sets()
    weights, early = classifier()
    truth = {"scores": images()[1][100:400]}
    return Network(
        weights, lambda w, x: {"scores": tf.nn.softmax(logits(w, x["image"]))}, calibration, evaluation, truth, early
    )


def labels() -> Network:
    """The class itself: a whole number."""
    network = digits()
    answer = lambda w, x: {"digit": tf.argmax(logits(w, x["image"]), -1)}  # noqa: E731
    return replace(network, answer=answer, truth={"digit": network.truth["scores"]})


def catalog() -> Network:
    """The number that a class has in a catalog: 100 to 109."""
    network = digits()

    def answer(w, x):
        numbers = tf.constant(np.arange(FIRST_ID, FIRST_ID + 10), tf.int32)
        return {"id": tf.gather(numbers, tf.argmax(logits(w, x["image"]), -1))}

    return replace(network, answer=answer, truth={"id": network.truth["scores"] + FIRST_ID})


def embedding() -> Network:
    """Sixteen numbers of length 1, near to one another where the digits are the same."""
    calibration, evaluation, (pixels, digits) = sets()
    new = begun(
        2, kernel1=(3, 3, 1, 16), kernel2=(3, 3, 16, 32), dense=(128, 16), bias=(16,), anchors=(16, 10), offset=(16,)
    )

    def vector(w, x):
        seen = tf.nn.relu(tf.nn.conv2d(x / 16.0, w["kernel1"], 1, "SAME") + w["offset"])
        seen = tf.nn.avg_pool2d(tf.nn.relu(tf.nn.conv2d(seen, w["kernel2"], 2, "SAME")), 2, 2, "SAME")
        return tf.nn.l2_normalize(tf.reshape(seen, [-1, 128]) @ w["dense"] + w["bias"], -1)

    def loss(w, x, y):
        return cross_entropy(10 * vector(w, x["image"]) @ tf.nn.l2_normalize(w["anchors"], 0), y)

    weights, early = trained(Lesson({"image": pixels}, digits, loss, 300), new, 0.2)
    truth = {"vector": images()[1][100:400]}
    return Network(weights, lambda w, x: {"vector": vector(w, x["image"])}, calibration, evaluation, truth, early)


def autoencoder() -> Network:
    """64 pixels in and out, through 16 numbers; those of the corners never vary much."""
    calibration, evaluation, (pixels, _) = sets()
    flat = lambda each: each.reshape(len(each), 64) / np.float32(16)  # noqa: E731
    new = begun(3, in1=(64, 48), in2=(48, 16), out1=(16, 48), out2=(48, 64), b1=(48,), b2=(16,), b3=(48,), b4=(64,))

    def answer(w, x):
        code = tf.nn.relu(tf.nn.relu(x["pixels"] @ w["in1"] + w["b1"]) @ w["in2"] + w["b2"])
        return {"pixels": tf.sigmoid(tf.nn.relu(code @ w["out1"] + w["b3"]) @ w["out2"] + w["b4"])}

    def loss(w, x, y):
        return tf.reduce_mean((answer(w, x)["pixels"] - y) ** 2)

    still = pixels[:300]
    weights, early = trained(Lesson({"pixels": flat(still)}, flat(still), loss, 1200, 0.005), new, 0.05)
    given = {"pixels": flat(calibration["image"])}, {"pixels": flat(evaluation["image"])}
    return Network(weights, answer, *given, {"pixels": given[1]["pixels"]}, early)
