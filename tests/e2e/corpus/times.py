"""Networks for what comes one after another: movements, forecasts, sounds, words."""

from __future__ import annotations

from functools import cache

import numpy as np
import tensorflow as tf
from networks import Lesson, Network, begun, cross_entropy, trained

TRAIN, CALIBRATE, JUDGE = 1200, 100, 300
STEPS, AHEAD = 24, 4
FRAME, HOP, SOUND = 64, 32, 512


def parted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what trains, what calibrates and what judges."""
    return values[:TRAIN], values[TRAIN : TRAIN + CALIBRATE], values[TRAIN + CALIBRATE :]


def movements() -> Network:
    """Four movements by three axes of an accelerometer, with convolutions over time."""
    rng = np.random.default_rng(31)
    count, time = TRAIN + CALIBRATE + JUDGE, np.arange(32)
    kinds = rng.integers(0, 4, count).astype(np.int32)
    pace, phase = np.array([0.3, 0.6, 0.6, 1.0])[kinds], rng.uniform(0, 6.3, count)
    swing = np.sin(pace[:, None] * time + phase[:, None])
    axes = [
        swing,
        swing * np.array([1, 1, -1, 0.3])[kinds][:, None],
        np.abs(swing) * np.array([0.2, 1, 1, 1])[kinds][:, None],
    ]
    values = (np.stack(axes, -1) * 4 + rng.normal(0, 2.5, (count, 32, 3)) + [0, 0, 9.8]).astype(np.float32)
    training, calibration, evaluation = ({"movement": each} for each in parted(values))
    begin = begun(14, k1=(5, 3, 16), b1=(16,), k2=(5, 16, 16), b2=(16,), dense=(16, 4), b3=(4,))

    def logits(w, x):
        each = tf.nn.relu(tf.nn.conv1d((x["movement"] - [0.0, 0.0, 9.8]) / 4.0, w["k1"], 1, "SAME") + w["b1"])
        each = tf.nn.relu(tf.nn.conv1d(each, w["k2"], 2, "SAME") + w["b2"])
        return tf.reduce_mean(each, 1) @ w["dense"] + w["b3"]

    lesson = Lesson(training, parted(kinds)[0], lambda w, x, y: cross_entropy(logits(w, x), y), 400)
    weights, early = trained(lesson, begin, 0.05)
    answer = lambda w, x: {"scores": tf.nn.softmax(logits(w, x))}  # noqa: E731
    return Network(weights, answer, calibration, evaluation, {"scores": parted(kinds)[2]}, early)


@cache
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Return series (24, 2) and how the first of both goes on (4); the second leads it."""
    rng = np.random.default_rng(32)
    count, time = TRAIN + CALIBRATE + JUDGE, np.arange(STEPS + AHEAD)
    pace, phase, high = rng.uniform(0.3, 0.7, count), rng.uniform(0, 6.3, count), rng.uniform(0.5, 1.5, count)
    wave = high[:, None] * np.sin(pace[:, None] * time + phase[:, None])
    leads = high[:, None] * np.cos(pace[:, None] * time + phase[:, None])
    both = 20 + 5 * np.stack([wave, leads], -1) + rng.normal(0, 0.2, (count, STEPS + AHEAD, 2))
    return both[:, :STEPS].astype(np.float32), both[:, STEPS:, 0].astype(np.float32)


def forecast() -> Network:
    """How a series goes on for four steps, in degrees: convolutions that look back, and a dense layer."""
    training, calibration, evaluation = ({"series": each} for each in parted(waves()[0]))
    wanted, _, truth = parted(waves()[1])
    begin = begun(15, k1=(5, 2, 16), b1=(16,), dense=(STEPS // 2 * 16, 32), b2=(32,), out=(32, AHEAD), b3=(AHEAD,))

    def answer(w, x):
        series = tf.pad((x["series"] - 20.0) / 5.0, [[0, 0], [4, 0], [0, 0]])
        each = tf.nn.relu(tf.nn.conv1d(series, w["k1"], 2, "VALID") + w["b1"])
        each = tf.nn.relu(tf.reshape(each, [-1, STEPS // 2 * 16]) @ w["dense"] + w["b2"])
        return {"forecast": (each @ w["out"] + w["b3"]) * 5.0 + 20.0}

    lesson = Lesson(training, wanted, lambda w, x, y: tf.reduce_mean((answer(w, x)["forecast"] - y) ** 2), 800, 0.004)
    weights, early = trained(lesson, begin, 0.05)
    return Network(weights, answer, calibration, evaluation, {"forecast": truth}, early)


def recurrent() -> Network:
    """How the same series goes on by one step, with a gated recurrent unit (Cho et al., 2014) that is written out."""
    training, calibration, evaluation = ({"series": each[:, -6:]} for each in parted(waves()[0]))
    wanted, _, truth = parted(waves()[1][:, :1])
    begin = begun(16, gates=(2 + 12, 24), g=(24,), fresh=(2 + 12, 12), f=(12,), out=(12, 1), b=(1,), state=(12,))

    def answer(w, x):
        series = (x["series"] - 20.0) / 5.0
        state = tf.zeros_like(series[:, 0, :1]) + w["state"]
        for step in range(6):
            now = series[:, step]
            keep, reset = tf.split(tf.sigmoid(tf.concat([now, state], -1) @ w["gates"] + w["g"]), 2, -1)
            new = tf.tanh(tf.concat([now, reset * state], -1) @ w["fresh"] + w["f"])
            state = keep * state + (1.0 - keep) * new
        return {"next": (state @ w["out"] + w["b"]) * 5.0 + 20.0}

    lesson = Lesson(training, wanted, lambda w, x, y: tf.reduce_mean((answer(w, x)["next"] - y) ** 2) / 25, 500, 0.02)
    weights, early = trained(lesson, begin, 0.05)
    return Network(weights, answer, calibration, evaluation, {"next": truth}, early)


def sounds() -> Network:
    """Three sounds by their spectrum: frames, a window, a Fourier transform as a product, bands and their logarithm in the network."""
    rng = np.random.default_rng(33)
    count, time = TRAIN + CALIBRATE + JUDGE, np.arange(SOUND)
    kinds = rng.integers(0, 3, count).astype(np.int32)
    pitch = np.array([0.25, 0.5, 0.25])[kinds] * rng.uniform(0.9, 1.1, count)
    bend = np.array([0, 0, 0.0004])[kinds]
    phase = rng.uniform(0, 6.3, count)[:, None] + pitch[:, None] * time + bend[:, None] * time**2
    values = (np.sin(phase) * rng.uniform(0.3, 1, count)[:, None] + rng.normal(0, 0.15, (count, SOUND))).astype(
        np.float32
    )
    training, calibration, evaluation = ({"sound": each} for each in parted(values))
    turns = 2 * np.pi * np.outer(np.arange(FRAME), np.arange(FRAME // 2)) / FRAME
    bands = np.maximum(0, 1 - np.abs(np.arange(32)[:, None] / 2 - np.arange(16)[None, :])).astype(np.float32)
    frames = (SOUND - FRAME) // HOP + 1
    begin = begun(17, k1=(3, 16, 16), b1=(16,), dense=(16, 3), b2=(3,))
    given = {"window": np.hanning(FRAME), "cosines": np.cos(turns), "sines": np.sin(turns), "bands": bands}
    given = {name: each.astype(np.float32) for name, each in given.items()}

    def logits(w, x):
        front = {name: w.get(name, each) for name, each in given.items()}
        cut = tf.stack([x["sound"][:, at * HOP : at * HOP + FRAME] for at in range(frames)], 1) * front["window"]
        power = (cut @ front["cosines"]) ** 2 + (cut @ front["sines"]) ** 2
        loud = tf.math.log(power @ front["bands"] + 1.0)
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv1d(loud, w["k1"], 1, "SAME") + w["b1"]), 1) @ w["dense"] + w["b2"]

    lesson = Lesson(training, parted(kinds)[0], lambda w, x, y: cross_entropy(logits(w, x), y), 400)
    weights, early = trained(lesson, begin, 0.03)
    answer = lambda w, x: {"scores": tf.nn.softmax(logits(w, x))}  # noqa: E731
    return Network(weights | given, answer, calibration, evaluation, {"scores": parted(kinds)[2]}, early | given)


def words() -> Network:
    """Three kinds of sentences of ten words: a table, one block of a transformer (Vaswani et al., 2017), and a softmax."""
    rng = np.random.default_rng(34)
    count = 2 * TRAIN + CALIBRATE + JUDGE
    tokens = rng.integers(4, 40, (count, 10)).astype(np.int32)
    kinds = rng.integers(0, 3, count).astype(np.int32)
    one, other = rng.integers(0, 5, count), rng.integers(5, 10, count)
    tokens[np.arange(count), one] = np.where(kinds == 1, 2, 1)  # 1 before 2, 2 before 1, or 1 twice
    tokens[np.arange(count), other] = np.where(kinds == 0, 2, 1)
    sets = [{"tokens": each} for each in (tokens[400:], tokens[:100], tokens[100:400])]
    shapes = {
        "table": (40, 16),
        "places": (10, 16),
        "m1": (16, 32),
        "c1": (32,),
        "m2": (32, 16),
        "c2": (16,),
        **dict.fromkeys("qkvo", (16, 16)),
        "dense": (16, 3),
        "b": (3,),
    }
    begin = begun(18, **shapes) | {"scale1": np.ones(16, np.float32), "scale2": np.ones(16, np.float32)}

    def even(each, scale):
        mean = tf.reduce_mean(each, -1, keepdims=True)
        spread = tf.reduce_mean((each - mean) ** 2, -1, keepdims=True)
        return (each - mean) * tf.math.rsqrt(spread + 1e-3) * scale

    def logits(w, x, axis=-1):
        each = tf.gather(w["table"], x["tokens"]) + w["places"]
        calm = even(each, w["scale1"])
        query, key, value = (tf.reshape(tf.reshape(calm, [-1, 16]) @ w[name], [-1, 10, 16]) for name in "qkv")
        share = tf.nn.softmax(query @ tf.transpose(key, [0, 2, 1]) / 4.0, axis)
        each = each + tf.reshape(tf.reshape(share @ value, [-1, 16]) @ w["o"], [-1, 10, 16])
        calm = tf.reshape(even(each, w["scale2"]), [-1, 16])
        more = tf.nn.relu(calm @ w["m1"] + w["c1"]) @ w["m2"] + w["c2"]
        return tf.reduce_mean(each + tf.reshape(more, [-1, 10, 16]), 1) @ w["dense"] + w["b"]

    lesson = Lesson(sets[0], kinds[400:], lambda w, x, y: cross_entropy(logits(w, x), y), 500, 0.005)
    weights, early = trained(lesson, begin, 0.25)

    def answer(w, x):
        return {"scores": tf.nn.softmax(logits(w, x))}

    return Network(weights, answer, *sets[1:], {"scores": kinds[100:400]}, early)
