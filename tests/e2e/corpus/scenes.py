"""Networks for small pictures of seeded shapes: maps of classes, boxes, landmarks, enlarged pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import tensorflow as tf
from networks import Arrays, Lesson, Network, begun, cross_entropy, trained

SIZE = 24
TRAIN, CALIBRATE, JUDGE = 1200, 100, 300


@cache
def scenes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures (24, 24, 1) of one shape each on noise, its map (24, 24), box (top, left, bottom, right) and kind.

    A kind is 0, a bright rectangle, or 1, a half-bright disc; a map has 0 where there is neither, and else the kind and 1.
    """
    rng = np.random.default_rng(11)
    count = TRAIN + CALIBRATE + JUDGE
    height, width = rng.uniform(6, 12, (2, count))
    kind = rng.integers(0, 2, count)
    height = np.where(kind == 1, width, height)
    top, left = (rng.uniform(1, SIZE - 1 - side) for side in (height, width))
    down, right = np.mgrid[:SIZE, :SIZE] + 0.5
    one = (slice(None), None, None)
    inside = (down > top[one]) & (down < (top + height)[one]) & (right > left[one]) & (right < (left + width)[one])
    away = ((down - (top + height / 2)[one]) / height[one]) ** 2 + ((right - (left + width / 2)[one]) / width[one]) ** 2
    inside = np.where(kind[one] == 1, away < 0.25, inside)
    pixels = rng.normal(0.2, 0.05, inside.shape) + inside * np.where(kind == 1, 0.4, 0.7)[one]
    boxes = np.stack([top, left, top + height, left + width], 1).astype(np.float32)
    return (
        pixels[..., None].astype(np.float32),
        (inside * (kind[one] + 1)).astype(np.int32),
        boxes,
        kind.astype(np.int32),
    )


def parted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what trains, what calibrates and what judges."""
    return values[:TRAIN], values[TRAIN : TRAIN + CALIBRATE], values[TRAIN + CALIBRATE :]


def given() -> tuple[Arrays, Arrays, Arrays]:
    """Return the pictures in these parts."""
    return tuple({"picture": each} for each in parted(scenes()[0]))


def map_logits(w, x, **wrong):
    """Return three numbers for each pixel: two layers, one of them on half the size, enlarged again."""
    fine = tf.nn.relu(tf.nn.conv2d(x, w["k1"], 1, "SAME") + w["b1"])
    coarse = tf.nn.relu(tf.nn.conv2d(fine, w["k2"], 2, wrong.get("padding", "SAME")) + w["b2"])
    coarse = tf.nn.relu(tf.nn.conv2d(coarse, w["k3"], 1, "SAME") + w["b3"])
    resize = tf.compat.v1.image.resize_bilinear
    wide = resize(
        coarse, [SIZE, SIZE], align_corners=wrong.get("align", False), half_pixel_centers=not wrong.get("align")
    )
    return tf.nn.conv2d(tf.concat([fine, wide], -1), w["k4"], 1, "SAME") + w["b4"]


@cache
def map_weights() -> tuple[Arrays, Arrays]:
    """Return the weights of the maps' network."""
    pictures, _, _ = given()
    kernels = {"k1": (3, 3, 1, 8), "k2": (3, 3, 8, 16), "k3": (3, 3, 16, 16), "k4": (3, 3, 24, 3)}
    new = begun(4, **kernels, b1=(8,), b2=(16,), b3=(16,), b4=(3,))

    def loss(w, x, y):
        return cross_entropy(map_logits(w, x["picture"]), y)

    return trained(Lesson(pictures, parted(scenes()[1])[0], loss, 200, 0.02, 32), new, 0.15)


def segments() -> Network:
    """The class of each pixel, a whole number."""
    _, calibration, evaluation = given()
    weights, early = map_weights()
    truth = {"classes": parted(scenes()[1])[2]}
    answer = lambda w, x: {"classes": tf.argmax(map_logits(w, x["picture"]), -1, tf.int32)}  # noqa: E731
    return Network(weights, answer, calibration, evaluation, truth, early)


def score_map() -> Network:
    """Three probabilities for each pixel."""
    answer = lambda w, x: {"scores": tf.nn.softmax(map_logits(w, x["picture"]))}  # noqa: E731
    network = segments()
    return replace(network, answer=answer, truth={"scores": network.truth["classes"]})


def seen(w, x):
    """Return 64 features of a picture."""
    each = tf.nn.relu(tf.nn.conv2d(x, w["k1"], 2, "SAME") + w["b1"])
    each = tf.nn.relu(tf.nn.conv2d(each, w["k2"], 2, "SAME") + w["b2"])
    return tf.nn.relu(tf.reshape(each, [-1, 36 * 16]) @ w["d1"] + w["b3"])


FEATURES = {"k1": (3, 3, 1, 12), "b1": (12,), "k2": (3, 3, 12, 16), "b2": (16,), "d1": (576, 64), "b3": (64,)}


def found(w, x):
    """Return the box in pixels (N, 4) and the kind's logits (N, 2)."""
    features = seen(w, x)
    return (features @ w["boxes"] + w["middle"]) * 8.0 + 12.0, features @ w["kinds"]


@cache
def box_weights() -> tuple[Arrays, Arrays]:
    """Return the weights of the detectors."""
    pictures, _, _ = given()
    wanted = np.concatenate([parted(scenes()[2])[0], parted(scenes()[3])[0][:, None]], 1).astype(np.float32)
    new = begun(5, **FEATURES, boxes=(64, 4), middle=(4,), kinds=(64, 2))

    def loss(w, x, y):
        boxes, kinds = found(w, x["picture"])
        return tf.reduce_mean(tf.abs(boxes - y[:, :4])) + cross_entropy(kinds, tf.cast(y[:, 4], tf.int32))

    return trained(Lesson(pictures, wanted, loss, 900, 0.004), new, 0.15)


def boxes() -> Network:
    """A box and its kind's scores, two outputs."""
    _, calibration, evaluation = given()

    def answer(w, x):
        box, kinds = found(w, x["picture"])
        return {"boxes": box, "scores": tf.nn.softmax(kinds)}

    truth = {"boxes": parted(scenes()[2])[2], "scores": parted(scenes()[3])[2]}
    weights, early = box_weights()
    return Network(weights, answer, calibration, evaluation, truth, early)


def detections() -> Network:
    """The same in one tensor: the box, and the scores beside it."""
    network = boxes()

    def answer(w, x):
        box, kinds = found(w, x["picture"])
        return {"detections": tf.concat([box, tf.nn.softmax(kinds)], -1)}

    truth = {"detections": np.concatenate([network.truth["boxes"], network.truth["scores"][:, None]], 1)}
    return replace(network, answer=answer, truth=truth)


def landmarks() -> Network:
    """Four corners and the middle of a shape: ten numbers, (x, y) each, in pixels."""
    pictures, calibration, evaluation = given()
    top, left, bottom, right = scenes()[2].T
    points = [left, top, right, top, left, bottom, right, bottom, (left + right) / 2, (top + bottom) / 2]
    training, _, truth = parted(np.stack(points, 1).astype(np.float32))
    new = begun(6, **FEATURES, out=(64, 10), middle=(10,))

    def answer(w, x):
        return {"points": (seen(w, x["picture"]) @ w["out"] + w["middle"]) * 8.0 + 12.0}

    def loss(w, x, y):
        return tf.reduce_mean(tf.abs(answer(w, x)["points"] - y))

    weights, early = trained(Lesson(pictures, training, loss, 900, 0.004), new, 0.15)
    return Network(weights, answer, calibration, evaluation, {"points": truth}, early)


def anchored() -> Network:
    """The box beside what is the same for every picture: four anchors, for whoever decodes."""
    network = boxes()
    anchors = np.array([[6, 6], [6, 18], [18, 6], [18, 18]], np.float32)

    def answer(w, x):
        box, _ = found(w, x["picture"])
        return {"box": box, "anchors": tf.tile(tf.constant(anchors[None]), [tf.shape(box)[0], 1, 1])}

    return replace(network, answer=answer, truth={"box": network.truth["boxes"]})


def enlarged() -> Network:
    """A picture of twice the height and width."""
    small = lambda each: each.reshape(-1, SIZE // 2, 2, SIZE // 2, 2, 1).mean((2, 4))  # noqa: E731
    large = parted(scenes()[0])
    new = begun(7, k1=(3, 3, 1, 16), b1=(16,), k2=(3, 3, 16, 16), b2=(16,), k3=(3, 3, 16, 4), b3=(4,))

    def answer(w, x):
        each = tf.nn.relu(tf.nn.conv2d(x["picture"], w["k1"], 1, "SAME") + w["b1"])
        each = tf.nn.relu(tf.nn.conv2d(each, w["k2"], 1, "SAME") + w["b2"])
        return {"picture": tf.nn.depth_to_space(tf.nn.conv2d(each, w["k3"], 1, "SAME") + w["b3"], 2)}

    def loss(w, x, y):
        return tf.reduce_mean((answer(w, x)["picture"] - y) ** 2)

    weights, early = trained(Lesson({"picture": small(large[0])}, large[0], loss, 300, 0.005, 32), new, 0.2)
    return Network(
        weights, answer, {"picture": small(large[1])}, {"picture": small(large[2])}, {"picture": large[2]}, early
    )
