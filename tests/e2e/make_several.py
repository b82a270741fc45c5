"""Write models of several signatures, and of sizes that are left open, with .tflite files that somebody else made of them; seeded numbers.

python make_several.py FOLDER       with the interpreter of the tensorflow environment
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

FLOAT = tf.float32
SPEC = tf.TensorSpec


def numbers(*shape: int, seed: int, scale: float = 0.5) -> tf.Tensor:
    """Return normally distributed float32 numbers."""
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def traced(function: Callable[..., object], **specs: tf.TensorSpec) -> object:
    """Return a concrete function that takes these inputs."""
    return tf.function(function).get_concrete_function(
        **{name: SPEC(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    )


def save(folder: Path, **signatures: object) -> None:
    """Save concrete functions as signatures of one SavedModel."""
    holder = tf.Module()
    holder.kept = list(signatures.values())
    holder.variables_of_all = [each for signature in signatures.values() for each in signature.graph.variables]
    tf.saved_model.save(holder, str(folder), signatures=signatures)


def write(file: Path, folder: Path, *keys: str) -> None:
    """Convert signatures of a SavedModel to float32, as its maker would."""
    file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(keys)).convert())


def signatures(of: Path) -> None:
    """A signature of one input, one of two others, and one that TFLite has no operator for; two of one input, and files that hold two."""

    def classify(seed: int) -> object:
        weights = numbers(6, 4, seed=seed)
        return traced(lambda x: {"scores": tf.nn.softmax(x @ weights)}, x=SPEC([1, 6], FLOAT))

    def embed(seed: int) -> object:
        weights = numbers(6, 3, seed=seed)
        return traced(lambda x: {"vector": tf.tanh(x @ weights)}, x=SPEC([1, 6], FLOAT))

    blend = traced(
        lambda left, right: {"mean": (left + right) * 0.5}, left=SPEC([1, 5], FLOAT), right=SPEC([1, 5], FLOAT)
    )
    factor = traced(
        lambda x: {"root": tf.linalg.cholesky(tf.transpose(x) @ x + 6.0 * tf.eye(6))}, x=SPEC([1, 6], FLOAT)
    )
    save(of / "several", classify=classify(1), blend=blend, factor=factor)
    save(of / "single", serving_default=classify(1))
    save(of / "with_default", serving_default=classify(1), alias=classify(1), embed=embed(2))
    save(of / "two", classify=classify(1), embed=embed(2))
    save(of / "retrained", classify=classify(1), embed=embed(3))
    save(of / "renamed", classify=classify(1), embedding=embed(2))
    for name in ("two", "retrained", "renamed"):
        write(of / f"{name}.tflite", of / name, "classify", "embedding" if name == "renamed" else "embed")


def sizes(of: Path) -> None:
    """A convolution over images of any size; one of which the result grows with their height; files that leave sizes open, and one that does not."""
    kernel = tf.Variable(numbers(3, 3, 1, 4, seed=4, scale=0.3))

    def features(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": tf.nn.relu6(tf.nn.conv2d(image, kernel, 1, "VALID"))}

    def by_height(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": features(image)["features"] * tf.cast(tf.shape(image)[1], FLOAT) / 8.0}

    anything = SPEC([None, None, None, 1], FLOAT)
    save(of / "anysize", serving_default=traced(features, image=anything))
    save(of / "by_height", serving_default=traced(by_height, image=anything))
    save(of / "open", serving_default=traced(features, image=SPEC([1, None, None, 1], FLOAT)))
    save(of / "fixed", serving_default=traced(features, image=SPEC([1, 8, 8, 1], FLOAT)))
    for name in ("open", "fixed"):
        write(of / f"{name}.tflite", of / name, "serving_default")


def main(folder: str) -> None:
    """Write all of them."""
    signatures(Path(folder))
    sizes(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
