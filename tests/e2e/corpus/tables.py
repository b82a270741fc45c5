"""Networks for rows of numbers: temperatures, channels of different scale, classes, yes or no, a rare class, ratings."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import tensorflow as tf
from networks import Arrays, Lesson, Network, begun, cross_entropy, trained

TRAIN, CALIBRATE, JUDGE = 2000, 100, 300
SENSORS = {
    "pressure_hpa": (1013, 12),
    "humidity": (0.6, 0.15),
    "wind": (6, 3),
    "radiation": (300, 120),
    "hour": (12, 5),
    "cloud": (0.5, 0.2),
}


@cache
def rows(seed: int = 21, width: int = 6) -> np.ndarray:
    """Return normally distributed rows."""
    count = TRAIN + CALIBRATE + JUDGE
    return np.random.default_rng(seed).normal(0, 1, (count, width)).astype(np.float32)


def parted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what trains, what calibrates and what judges."""
    return values[:TRAIN], values[TRAIN : TRAIN + CALIBRATE], values[TRAIN + CALIBRATE :]


def hidden(w, x, relu=tf.nn.relu):
    """Return 40 features of rows."""
    return relu(relu(x @ w["in"] + w["b1"]) @ w["middle"] + w["b2"])


def new(seed: int, width: int, outputs: int) -> Arrays:
    """Return random weights of three layers; the second is large enough for dynamic-range quantization."""
    return begun(seed, **{"in": (width, 40), "b1": (40,), "middle": (40, 40), "b2": (40,), "out": (40, outputs), "b3": (outputs,)})  # fmt: skip


def warmth() -> np.ndarray:
    """Return temperatures in kelvin that follow from the rows; the last digit is noise."""
    a, b, c, d, e, f = rows().T
    kelvin = 285 + 8 * np.tanh(a + 0.5 * b) + 5 * np.sin(c) + 3 * np.maximum(d, 0) + 3 * e - 0.8 * f * a
    return (kelvin + np.random.default_rng(22).normal(0, 0.3, len(kelvin))).astype(np.float32)[:, None]


@cache
def kelvin_weights() -> tuple[Arrays, Arrays]:
    """Return the weights of the temperatures' network, which takes normalized rows."""

    def loss(w, x, y):
        return tf.reduce_mean((hidden(w, x["row"]) @ w["out"] * 8.0 + w["b3"] + 285.0 - y) ** 2)

    wanted = parted(warmth())[0]
    return trained(Lesson({"row": parted(rows())[0]}, wanted, loss, 1500, 0.01), new(8, 6, 1), 0.05)


def kelvin() -> Network:
    """A temperature of normalized rows."""
    _, calibration, evaluation = ({"row": each} for each in parted(rows()))
    answer = lambda w, x: {"kelvin": hidden(w, x["row"]) @ w["out"] * 8.0 + w["b3"] + 285.0}  # noqa: E731
    weights, early = kelvin_weights()
    return Network(weights, answer, calibration, evaluation, {"kelvin": parted(warmth())[2]}, early)


def kelvin_of_sensors() -> Network:
    """A temperature of what the sensors say, pressure in hPa beside humidity from 0 to 1: one scale for all loses the small ones."""
    network = kelvin()
    middle, spread = (np.array(each, np.float32) for each in zip(*SENSORS.values(), strict=True))
    weights = network.weights | {"in": network.weights["in"] / spread[:, None]}
    weights["b1"] = weights["b1"] - middle @ weights["in"]
    raw = [{"row": each["row"] * spread + middle} for each in (network.calibration, network.evaluation)]
    return replace(network, weights=weights, calibration=raw[0], evaluation=raw[1], scheme="float16")


def channels() -> Network:
    """Four numbers of different scale in one tensor: a share, a percentage, a speed, a pressure."""
    training, calibration, evaluation = ({"row": each} for each in parted(rows()))
    a, b, c, d, e, f = rows().T
    each = [0.5 + 0.2 * np.tanh(a + b), 50 + 20 * np.sin(c), 3 * np.tanh(d * e), 1000 + 30 * np.tanh(a - f)]
    middle, spread = np.array([0.5, 50, 0, 1000], np.float32), np.array([0.2, 20, 3, 30], np.float32)
    wanted, _, truth = parted(np.stack(each, 1).astype(np.float32))

    def answer(w, x):
        return {"channels": (hidden(w, x["row"]) @ w["out"] + w["b3"]) * spread + middle}

    def loss(w, x, y):
        return tf.reduce_mean(((answer(w, x)["channels"] - y) / spread) ** 2)

    weights, early = trained(Lesson(training, wanted, loss, 1500, 0.01), new(9, 6, 4), 0.1)
    return Network(weights, answer, calibration, evaluation, {"channels": truth}, early, "dynamic_wi8_afp32")


def four_kinds() -> Network:
    """Four classes of four columns, each an input of its own, with its own scale."""
    names, scales = ("length_mm", "mass_g", "ratio", "age_days"), np.array([20, 800, 0.1, 90], np.float32)
    middle = np.array([120, 4000, 0.5, 200], np.float32)
    values = rows(23, 4)
    kinds = ((values[:, 0] * values[:, 1] > 0) + 2 * (values[:, 2] + 0.5 * values[:, 3] > 0)).astype(np.int32)
    sets = [{name: each[:, [at]] * scales[at] + middle[at] for at, name in enumerate(names)} for each in parted(values)]

    def logits(w, x):
        row = tf.concat([(x[name] - middle[at]) / scales[at] for at, name in enumerate(names)], -1)
        return hidden(w, row) @ w["out"] + w["b3"]

    lesson = Lesson(sets[0], parted(kinds)[0], lambda w, x, y: cross_entropy(logits(w, x), y), 800)
    weights, early = trained(lesson, new(10, 4, 4), 0.04)
    answer = lambda w, x: {"scores": tf.nn.softmax(logits(w, x))}  # noqa: E731
    return Network(weights, answer, *sets[1:], {"scores": parted(kinds)[2]}, early)


@cache
def decision_weights() -> tuple[Arrays, Arrays]:
    """Return the weights of the networks that say yes or no."""
    wanted = parted(decided())[0].astype(np.float32)

    def loss(w, x, y):
        logit = hidden(w, x["row"]) @ w["out"] + w["b3"]
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y[:, None], logit))

    return trained(Lesson({"row": parted(rows())[0]}, wanted, loss, 800), new(11, 6, 1), 0.05)


def decided() -> np.ndarray:
    """Return what is yes of the rows: a third of them."""
    a, b, c, d, _, _ = rows().T
    return (a * b + c - 0.5 * d > 0.7).astype(np.int32)


def chance() -> Network:
    """The probability of a yes."""
    _, calibration, evaluation = ({"row": each} for each in parted(rows()))
    weights, early = decision_weights()
    answer = lambda w, x: {"probability": tf.sigmoid(hidden(w, x["row"]) @ w["out"] + w["b3"])}  # noqa: E731
    return Network(weights, answer, calibration, evaluation, {"probability": parted(decided())[2]}, early)


def yes_or_no() -> Network:
    """Yes or no, for 300 rows of which four are as near to both as any."""
    network = chance()
    logit = lambda w, x: (hidden(w, x["row"]) @ w["out"] + w["b3"])[:, 0]  # noqa: E731
    near = np.abs(logit(network.weights, {"row": parted(rows())[0]})).argsort()[
        :4
    ]  # near ties: one may become the other
    evaluation, truth = {"row": network.evaluation["row"].copy()}, network.truth["probability"].copy()
    evaluation["row"][:4], truth[:4] = parted(rows())[0][near], parted(decided())[0][near]
    answer = lambda w, x: {"yes": logit(w, x) > 0}  # noqa: E731
    return replace(network, answer=answer, evaluation=evaluation, truth={"yes": truth})


def rare() -> Network:
    """Two classes by their scores; one row in fifty is of the second."""
    training, calibration, evaluation = ({"row": each} for each in parted(rows()))
    a, b, c, _, _, _ = rows().T
    kinds = (a + b - 0.6 * c > 3.1).astype(np.int32)
    logits = lambda w, x: hidden(w, x["row"]) @ w["out"] + w["b3"]  # noqa: E731
    lesson = Lesson(training, parted(kinds)[0], lambda w, x, y: cross_entropy(logits(w, x), y), 800)
    weights, early = trained(lesson, new(12, 6, 2), 0.03)
    answer = lambda w, x: {"scores": tf.nn.softmax(logits(w, x))}  # noqa: E731
    return Network(weights, answer, calibration, evaluation, {"scores": parted(kinds)[2]}, early)


def ratings() -> Network:
    """What a user gives an item: a table of each, their product, and what each gives by itself."""
    rng = np.random.default_rng(24)
    users, items = rng.integers(0, 60, 6000).astype(np.int32), rng.integers(0, 40, 6000).astype(np.int32)
    own, other = rng.normal(0, 0.8, (60, 4)), rng.normal(0, 0.8, (40, 4))
    stars = (3 + (own[users] * other[items]).sum(1) + 0.3 * other[items, 0]).clip(1, 5).astype(np.float32)
    parts = slice(400, None), slice(0, 100), slice(100, 400)
    sets = [{"user": users[each], "item": items[each]} for each in parts]
    begin = begun(13, users=(60, 8), items=(40, 8), user_bias=(60,), item_bias=(40,))
    begin = {name: np.float32(0.3) * each for name, each in begin.items()}

    def answer(w, x):
        product = tf.reduce_sum(tf.gather(w["users"], x["user"]) * tf.gather(w["items"], x["item"]), -1)
        return {"stars": 3.0 + product + tf.gather(w["user_bias"], x["user"]) + tf.gather(w["item_bias"], x["item"])}

    lesson = Lesson(
        sets[0], stars[parts[0]], lambda w, x, y: tf.reduce_mean((answer(w, x)["stars"] - y) ** 2), 1500, 0.02, 256
    )
    weights, early = trained(lesson, begin, 0.03)
    return Network(weights, answer, *sets[1:], {"stars": stars[parts[2]]}, early)
