"""What a network of the corpus is, and how all of them are trained, saved and converted; runs where TensorFlow is.

A network is its weights, a function `answer(weights, inputs)` of them, samples, and what is true of these. A breakage is another function, other
weights or other samples to calibrate with, so that whatever is wrong passes through the same converter as what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Arrays = dict[str, np.ndarray]
Weights = Mapping[str, Any]
Answer = Callable[[Weights, Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Network:
    """A trained network: `calibration` and `evaluation` are samples by input, (N, *shape); `truth` is of the latter, by name."""

    weights: Arrays
    answer: Answer
    calibration: Arrays
    evaluation: Arrays
    truth: Arrays
    early: Arrays = field(default_factory=dict)  # the weights of an earlier epoch
    scheme: str = "static_wi8_ai8"  # what its healthy conversion is


@dataclass(frozen=True)
class Lesson:
    """What training needs: samples (N, *shape) and what is wanted of them, a loss of both, how long and how fast."""

    inputs: Arrays
    wanted: np.ndarray
    loss: Callable[[Weights, Mapping[str, tf.Tensor], tf.Tensor], tf.Tensor]
    steps: int = 300
    rate: float = 0.01
    batch: int = 64


def trained(lesson: Lesson, weights: Arrays, early: float = 0.4) -> tuple[Arrays, Arrays]:
    """Return the weights after all steps, and after a part of them. Adam: Kingma and Ba, 2014, with a rate that falls to nothing."""
    held = {name: tf.Variable(values) for name, values in weights.items()}
    slots = {name: (tf.Variable(tf.zeros_like(one)), tf.Variable(tf.zeros_like(one))) for name, one in held.items()}
    inputs = {name: tf.constant(values) for name, values in lesson.inputs.items()}
    wanted = tf.constant(lesson.wanted)

    @tf.function
    def run(first: tf.Tensor, last: tf.Tensor) -> None:
        for step in tf.range(first, last):
            drawn = tf.random.stateless_uniform([lesson.batch], [7, step], 0, len(lesson.wanted), tf.int32)
            with tf.GradientTape() as tape:
                loss = lesson.loss(
                    held, {name: tf.gather(each, drawn) for name, each in inputs.items()}, tf.gather(wanted, drawn)
                )
            slopes = tape.gradient(loss, held, unconnected_gradients="zero")
            time = tf.cast(step, tf.float32)
            rate = lesson.rate * (1 - time / lesson.steps)
            for name, one in held.items():
                mean, square = slots[name]
                slope = tf.convert_to_tensor(slopes[name])
                mean.assign(0.9 * mean + 0.1 * slope)
                square.assign(0.999 * square + 0.001 * slope**2)
                one.assign_sub(
                    rate * mean / (1 - 0.9 ** (time + 1)) / (tf.sqrt(square / (1 - 0.999 ** (time + 1))) + 1e-8)
                )

    part = int(lesson.steps * early)
    run(tf.constant(0), tf.constant(part))
    before = {name: one.numpy() for name, one in held.items()}
    run(tf.constant(part), tf.constant(lesson.steps))
    return {name: one.numpy() for name, one in held.items()}, before


def begun(seed: int, **shapes: tuple[int, ...]) -> Arrays:
    """Return random weights to begin with, by name (He et al., 2015); a vector begins with zeros."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.0
        made[name] = rng.normal(0, 1, shape).astype(np.float32) * np.float32(scale)
    return made


def cross_entropy(logits: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the mean cross-entropy of logits (..., K) and classes (...)."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits))


def traced(network: Network, batch: int | None, answer: Answer | None = None, weights: Weights | None = None) -> Any:
    """Return a module, and the function of its signature; weights are constants in it."""
    answer, weights = answer or network.answer, {**network.weights, **(weights or {})}
    specs = {
        name: tf.TensorSpec([batch, *values.shape[1:]], values.dtype, name)
        for name, values in network.evaluation.items()
    }
    holder = tf.Module()
    constants = {name: tf.constant(values) for name, values in weights.items()}
    holder.call = tf.function(lambda **inputs: answer(constants, inputs)).get_concrete_function(**specs)
    return holder


def save(network: Network, folder: Path) -> None:
    """Write the SavedModel and the sets: model/, calibration.npz, evaluation.npz."""
    holder = traced(network, None)
    tf.saved_model.save(holder, str(folder / "model"), signatures={"serving_default": holder.call})
    np.savez(folder / "calibration.npz", **network.calibration)
    np.savez(folder / "evaluation.npz", **network.evaluation)


def converted(
    network: Network,
    scheme: str = "static_wi8_ai8",
    answer: Answer | None = None,
    weights: Weights | None = None,
    calibration: Arrays | None = None,
) -> bytes:
    """Return a .tflite file by TensorFlow's own converter: real numbers in and out; of another function, weights or calibration set if given."""
    holder = traced(network, 1, answer, weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([holder.call], holder)
    samples = calibration or network.calibration
    if scheme != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme == "static_wi8_ai8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]

        def each() -> Any:
            for at in range(len(next(iter(samples.values())))):
                yield {name: values[at : at + 1] for name, values in samples.items()}

        converter.representative_dataset = each
    return converter.convert()


def answers_of(artifact: bytes, samples: Arrays) -> Arrays:
    """Return what a file answers, by output, (N, *shape); NaN as it comes."""
    interpreter = tf.lite.Interpreter(model_content=artifact, num_threads=1)
    run = interpreter.get_signature_runner()
    found: dict[str, list[np.ndarray]] = {}
    for at in range(len(next(iter(samples.values())))):
        for name, values in run(**{name: values[at : at + 1] for name, values in samples.items()}).items():
            found.setdefault(name, []).append(values[0])
    return {name: np.stack(values) for name, values in found.items()}
